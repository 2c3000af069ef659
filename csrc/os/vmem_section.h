/* vmem_section.h - shareable pages and their mappings: the contract.
 *
 * A section is memory that does not belong to one range of addresses: pages without a name, pages
 * under a name that other processes can open, or a file. It can be mapped, more than once, and by
 * more than one process; all mappings show the same bytes.
 *
 * One pair of files implements it: vmem_section_posix.c with vmem_section_linux.c or
 * vmem_section_darwin.c, or vmem_section_windows.c alone.
 *
 * Rules, beside those of vmem.h (the result is 0 or the system's error code; after a failure nothing
 * has changed, and out-parameters are as they were):
 *   - a section's size is what it was made with, or what its file has: not always whole pages. The
 *     bytes between its end and the end of the last page are zero in a mapping and belong to nobody;
 *   - `offset` is a multiple of the page size, or of the granularity where a function says so;
 *     `size` of a mapping is a multiple of the page size;
 *   - storage stands behind every byte before a function succeeds, as far as the system can tell:
 *     a section that cannot have it is refused, instead of a process killed at first touch;
 *   - mappings outlive the section's handle, and the name, and the file's entry in its folder.
 *
 * What a reader would get wrong: a file may be made smaller by anybody while it is mapped, and then
 * an access past its new end is a fault (SIGBUS on POSIX; Windows refuses to make it smaller).
 * Mapping functions look at the size first, so this can happen to a mapping only later. Sections
 * without a name cannot be made smaller at all where the system can forbid it (Linux).
 */
#ifndef GROWABLE_VMEM_SECTION_H
#define GROWABLE_VMEM_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmem.h"

enum vmem_section_kind {
    VMEM_SECTION_ANONYMOUS, /* shared by handing its handle on */
    VMEM_SECTION_NAMED,
    VMEM_SECTION_FILE,
    VMEM_SECTION_FOREIGN, /* adopted: only its maker knows */
};

#define VMEM_NO_HANDLE ((intptr_t)-1)

/* Plain data: a copy is the same section, and only one of them may be closed. */
struct vmem_section {
    intptr_t pages; /* a file descriptor, or the HANDLE of a section object */
    intptr_t file;  /* what else the system file needs, or VMEM_NO_HANDLE */
    enum vmem_section_kind kind;
    bool writable; /* pages can be mapped for writing */
    bool sealed;   /* nobody can write to the pages, or change their number, ever again */
};

struct vmem_section_info {
    size_t page_size;
    size_t granularity;  /* of the offsets of views */
    bool can_seal;       /* sections without a name */
    bool forces_seal;    /* nobody can write past a seal, whatever handles and views they have */
    bool can_resize;     /* sections without a name, or with one; files always can */
    bool can_map_placed; /* vmem_section_map and vmem_section_unmap */
    bool has_descriptors; /* handles are file descriptors, which sockets can send */
};

void vmem_section_query(struct vmem_section_info *info);

/* ---- sections ---------------------------------------------------------------------------- */

/* Pages without a name; zero. */
int vmem_section_create(size_t size, struct vmem_section *section);

/* Pages under a name of 1 to 200 bytes of UTF-8, none of them '/', '\\' or a control character;
 * zero. Fails with an error that vmem_section_exists knows while another section has the name.
 *
 * A name lives as long as any process holds a handle to the section, whoever made it; the last to
 * close it, or to die, takes the name away (a name left behind by a process that was killed is
 * removed by whoever next makes a section under any name). macOS: the user's processes only. */
int vmem_section_create_named(const char *name, size_t size, struct vmem_section *section);

/* A section that is there; one that vmem_section_missing knows as the error otherwise. */
int vmem_section_open_named(const char *name, bool writable, struct vmem_section *section);

enum vmem_section_mode {
    VMEM_SECTION_READ,    /* a file that exists, for reading */
    VMEM_SECTION_UPDATE,  /* a file that exists, for writing too */
    VMEM_SECTION_REPLACE, /* an empty file, made if need be: its contents are lost */
    VMEM_SECTION_NEW,     /* a file that must not exist yet */
};

/* A file. `path` is in the encoding of the system's file names, UTF-8 on Windows. Where the file
 * is smaller than `size` it is made larger. A file opened for reading cannot be, nor can one of no
 * bytes be a section: errors that vmem_section_is_short knows. After a failure a file may be empty,
 * or have been made. */
int vmem_section_open_file(const char *path, enum vmem_section_mode mode, size_t size,
                           struct vmem_section *section);

/* A section of its own for a handle from elsewhere, which stays the caller's. `name` is what its
 * maker knew it by, or NULL; where that name is gone meanwhile, it is VMEM_SECTION_FOREIGN. */
int vmem_section_adopt(intptr_t handle, const char *name, struct vmem_section *section);

/* Bytes that it has now. Others may have changed it. */
int vmem_section_size(const struct vmem_section *section, size_t *size);

/* Makes it larger; the new bytes are zero. `size` is at least what vmem_section_size tells.
 * Mappings stay as they are. The handle may change. After a failure a file may be larger than
 * before, but for the storage that was given back. */
int vmem_section_resize(struct vmem_section *section, size_t size);

/* From now on nobody can write to the pages, in this process or another, and nobody can change
 * their number. Fails with an error that vmem_section_busy knows while writable mappings exist.
 * Needs can_seal, and a section without a name. Without
 * forces_seal this only gives up the right to write that goes with the handle: then the caller makes
 * sure that no writable mapping and no other handle exist. */
int vmem_section_seal(struct vmem_section *section);

/* Gives the handle back; `name` is what a VMEM_SECTION_NAMED was made or opened with, else NULL. */
void vmem_section_close(struct vmem_section *section, const char *name);

/* ---- mappings ---------------------------------------------------------------------------- */

/* Whether [offset, offset + size) has pages behind it now: 0, or an error. Every function below
 * asks this first. */
int vmem_section_check(const struct vmem_section *section, size_t offset, size_t size);

/* none -> mapped, wherever there is room. `offset` is a multiple of the granularity. With
 * copy_on_write a page becomes private to the mapping when it is first written; the section need
 * not be writable then. */
int vmem_section_view(const struct vmem_section *section, size_t offset, size_t size,
                      enum vmem_access access, bool copy_on_write, void **address);

/* mapped -> none, for a whole view. */
int vmem_section_unview(void *address, size_t size);

/* placeholder (on POSIX also reserved or mapped) -> mapped, in place of what was there. On Windows
 * the range is exactly one placeholder. Needs can_map_placed. */
int vmem_section_map(const struct vmem_section *section, size_t offset, void *address, size_t size,
                     enum vmem_access access, bool copy_on_write);

/* mapped -> placeholder. On Windows the range is exactly one mapping. Needs can_map_placed. */
int vmem_section_unmap(void *address, size_t size);

/* Sets the access of a mapping made with copy_on_write; what was written stays private. */
int vmem_section_protect_copy(void *address, size_t size, enum vmem_access access);

/* none -> mapped, `times` times side by side without a gap: the byte after the last is the first
 * again. `offset` and `size` are multiples of the granularity. */
int vmem_section_repeat(const struct vmem_section *section, size_t offset, size_t size,
                        unsigned times, enum vmem_access access, void **address);

/* mapped -> none, for what vmem_section_repeat gave. */
int vmem_section_unrepeat(void *address, size_t size, unsigned times);

/* ---- errors ------------------------------------------------------------------------------ */

bool vmem_section_exists(int error);     /* the name, or the file, is there already */
bool vmem_section_missing(int error);    /* there is no such name, or file */
bool vmem_section_busy(int error);       /* writable mappings keep it from being sealed */
bool vmem_section_is_short(int error);   /* it has fewer bytes than were to be mapped */
bool vmem_section_no_storage(int error); /* there is no room for as many bytes */

/* What ran out when vmem_section_no_storage is true: a name from a manual page. A constant. */
const char *vmem_section_limit(enum vmem_section_kind kind, int error);

#endif
