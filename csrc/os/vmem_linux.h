/* vmem_linux.h - what the Linux files of this folder share. Not part of the contract.
 *
 * What a reader would get wrong: nothing here or in those files allocates from the heap or takes a
 * lock, so all of it may run after fork() in a process that had threads.
 */
#ifndef GROWABLE_VMEM_LINUX_H
#define GROWABLE_VMEM_LINUX_H

#include "vmem_posix.h"

#include <stdatomic.h>
#include <unistd.h>

/* What ioctl takes: the C libraries differ. */
#ifdef __GLIBC__
typedef unsigned long linux_request;
#else
typedef int linux_request;
#endif

static inline size_t linux_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* A probe's answer cannot change while the process lives, so it is kept. Two threads that race
 * for the first answer find the same one. */
enum linux_answer { NOT_ASKED, YES, NO };

/* Runs the probe on a reserved page unless the answer is known. Without a page to try on, the answer
 * is no for now and the question stays open. */
bool linux_ask(_Atomic int *answer, int (*probe)(void *page, size_t size));

bool linux_kernel_is_at_least(unsigned major, unsigned minor);

/* open for reading, not to be inherited; -1 and errno. */
int linux_open(const char *path);

/* The first line or so of a file of /proc or /sys; false where it cannot be read. */
bool linux_read_start(const char *path, char *text, size_t size);

/* The number that such a file begins with. */
size_t linux_read_number(const char *path, size_t otherwise);

/* madvise; 0 or errno. */
int linux_advise(void *address, size_t size, int advice);

/* Maps private zero pages, from `lead` bytes before an aligned address on. */
int linux_map_aligned(size_t size, size_t alignment, size_t lead, int access, int flags,
                      void **address);

/* ---- vmem_query_linux.c ------------------------------------------------------------------ */

/* A line of /proc/self/maps. */
struct linux_mapping {
    uintptr_t start, end; /* [start, end) */
    int protection;       /* PROT_... */
    bool shared;
    bool file;
    char name[16]; /* cut short; "" where it has none */
};

struct linux_maps {
    int file;
    size_t next, filled;
    char text[1024];
};

/* 0 or errno. */
int linux_maps_open(struct linux_maps *maps);
/* Lowest first; false after the last. */
bool linux_maps_next(struct linux_maps *maps, struct linux_mapping *mapping);
void linux_maps_close(struct linux_maps *maps);

/* Whether PAGEMAP_SCAN is there. */
bool linux_can_scan(void);
/* Whether move_pages tells where memory is. */
bool linux_can_query_node(void);

/* ---- vmem_place_linux.c ------------------------------------------------------------------ */

unsigned linux_count_nodes(void);
void linux_list_large_pages(size_t sizes[VMEM_LARGE_PAGE_SIZES]);
bool linux_can_prefer_node(void);

/* ---- vmem_watch_linux.c ------------------------------------------------------------------ */

/* Begins to keep the record for vmem_written. */
int linux_watch(void *address, size_t size);
bool linux_can_watch(void);

#endif
