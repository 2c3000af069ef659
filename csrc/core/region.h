/* region.h - one reservation whose pages are worked on by offset and length.
 *
 * Offsets and lengths are in bytes from the base; each operation acts on all pages that the range
 * touches. Ranges, states and live exports are checked before anything is done.
 *
 * Every function that can fail returns 0 or an enum region_error and then leaves the pages as they
 * were, unless it says otherwise. `failed_*` and `system_error` tell more about the last error.
 *
 * Seams: pages in state PAGES_MAPPED belong to whoever mapped them there (each mapping is a piece of
 * its own, see region_new_piece). Guarded pages count as accessible; whoever gives pages another
 * access or state takes their guards off first (region_take_guards_off, in region_private.h).
 *
 * What a reader would get wrong: `force` skips the check of live exports and nothing else. An export
 * whose pages are gone faults when it is used.
 *
 * The pages may be those of another process, where the system has that (options.process). Then
 * `base` is an address there: nothing may look at it, and only commit, decommit, protect, query and
 * release do anything.
 *
 * Not thread-safe: the caller serialises all calls on one region and on its environment. A region
 * belongs to one process; after a fork the child has a copy of its own.
 */
#ifndef GROWABLE_REGION_H
#define GROWABLE_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pages.h"

#define REGION_TO_THE_END ((size_t)-1)
#define REGION_NO_NODE (-1)

enum region_error {
    REGION_OK,
    REGION_NO_MEMORY,      /* for the bookkeeping */
    REGION_OUT_OF_RANGE,   /* failed_offset, failed_size against the size */
    REGION_NOT_RESERVED,   /* failed_size bytes: system_error */
    REGION_OCCUPIED,       /* the address that was asked for is taken */
    REGION_NOT_COMMITTED,  /* failed_size bytes: system_error */
    REGION_NOT_LOCKED,     /* failed_size bytes: system_error */
    REGION_LOCKED,         /* some of failed_size bytes are locked into memory: system_error */
    REGION_FORKED,         /* the record was the parent's: system_error */
    REGION_WRONG_STATE,    /* the pages at failed_offset are `found` */
    REGION_NO_EXECUTION,   /* made without `executable` */
    REGION_LARGE_PAGES,    /* large pages are one whole */
    REGION_EXPORTED,       /* failed_size exports, the first at failed_offset */
    REGION_NOT_A_PIECE,    /* the range is not exactly what it must be, see `feature` */
    REGION_MISALIGNED,     /* failed_offset, or failed_size, is no multiple of the granularity */
    REGION_NOTHING_LEFT,   /* there is nothing before failed_offset to be split off */
    REGION_NOT_WATCHED,    /* made without `write_watch` */
    REGION_UNSUPPORTED,    /* the system lacks `feature` */
    REGION_SECTION,        /* the section refused, or what it is: section_error */
    REGION_ELSEWHERE,      /* of no use for pages of another process */
    REGION_RELEASED,
    REGION_SYSTEM          /* another system call failed: system_error */
};

/* What is asked of a new region. */
struct region_options {
    size_t size;
    uintptr_t address;  /* 0: anywhere; rounded down to the granularity */
    size_t alignment;   /* 0, or a power of two from the granularity up */
    uintptr_t lowest;   /* 0, or the first address allowed */
    uintptr_t highest;  /* 0, or the last */
    size_t page_size;   /* 0: ordinary pages; else large ones, committed at once */
    int numa_node;      /* or REGION_NO_NODE */
    intptr_t process;   /* 0: ours; else the handle of another, which stays the caller's */
    uint8_t access;     /* of what is committed at once */
    bool commit;
    bool top_down;
    bool executable;
    bool placeholder;
    bool write_watch;
    const char *name;   /* NULL for none */
};

/* Bytes of a region that somebody may use for as long as this is linked. */
struct region_export {
    struct region_export *next, *previous;
    size_t offset;
    size_t length;
    bool writable;
};

/* Where a non-zero word of a discarded page stands. */
struct witness {
    size_t page;
    size_t word;
};

struct vmem_guard;

struct region {
    char *base;
    size_t size;      /* of its pages */
    size_t reserved;  /* of its addresses */
    size_t page_size;
    struct pages pages;
    struct region_export *exports;
    size_t export_count;
    struct witness *witnesses; /* of discarded pages, by page; one that was all zero has none */
    size_t witness_count;
    size_t witness_room;
    struct vmem_guard *guard; /* NULL until pages were guarded */
    struct buffer_env *env;
    struct region_options options; /* without the name */
    uint32_t last_piece;
    intptr_t process;      /* 0, or our own handle of the process whose pages they are */
    unsigned generation;   /* vmem_process_generation() when it was made */
    size_t told_committed; /* what the environment was told last */
    bool released;
    size_t failed_offset;
    size_t failed_size;
    struct page_traits found;
    const char *feature;
    int system_error;
    int section_error; /* an enum section_error; the section tells more */
};

/* Reserves, and commits where the options say so. After a failure there is nothing to close. */
int region_open(struct region *r, struct buffer_env *env, const struct region_options *options);

/* Gives the addresses and all memory back. Every call but region_close of a released region fails. */
int region_release(struct region *r, bool force);

/* The same, exports or not; for the end of the owner's life. */
void region_close(struct region *r);

/* The pages that [offset, offset + length) touches; length > 0, or REGION_TO_THE_END. */
int region_pages(struct region *r, size_t offset, size_t length, struct page_range *range);

/* reserved or committed -> committed. What was committed keeps its contents and gets the access. */
int region_commit(struct region *r, struct page_range range, unsigned access, bool force);

/* reserved or committed -> reserved. After a failure the first pages may be reserved. */
int region_decommit(struct region *r, struct page_range range, bool force);

/* How the memory is cached: of use for the memory of devices alone. */
enum region_caching { REGION_CACHED, REGION_UNCACHED, REGION_WRITE_COMBINED };

/* Committed or mapped pages get another access. */
int region_protect(struct region *r, struct page_range range, unsigned access,
                   enum region_caching caching, bool force);

/* committed, readable and writable -> the same, but the system may drop the contents of each page
 * until region_restore. Pages that are discarded already stay so. priority: 0, or from 1 (dropped
 * first) to 4 where the system has such. */
int region_discard(struct region *r, struct page_range range, int priority, bool force);

struct byte_range {
    size_t offset;
    size_t length;
};

/* The contents of discarded pages are wanted after all: those that were dropped are told in *lost
 * (from the environment's allocator; NULL for none), neighbours as one. Pages that are not
 * discarded are passed over. With `look` they stay discarded, and the same call without it, if
 * nothing else came between, tells the same. */
int region_restore(struct region *r, struct page_range range, bool look, struct byte_range **lost,
                   size_t *lost_count);

/* Accessible pages are kept in memory, no longer so, or begun to be read back. */
int region_lock(struct region *r, struct page_range range);
int region_unlock(struct region *r, struct page_range range);
int region_prefetch(struct region *r, struct page_range range);

/* A one-shot alarm on committed or mapped pages: the first access to each is a hit, and then goes
 * on under the page's own access. Pages that were hit are hit no more. */
int region_guard(struct region *r, struct page_range range);

/* The first hit at or after *offset: its offset is stored there. region_take_hit finds a hit once. */
bool region_next_hit(struct region *r, size_t *offset);
bool region_take_hit(struct region *r, size_t *offset);

/* Takes the `guarded` of pages that were hit out of the runs; until then it may be out of date. */
void region_settle_guards(struct region *r);

/* From now on `tell` is called soon after a hit in any region, by a thread of its own, and again
 * while it returns false. One a process. Returns the system's error. */
int region_watch(bool (*tell)(void *context), void *context);
void region_unwatch(void);

/* Links `export` to [offset, offset + length), or to the accessible pages from `offset` on where
 * the length is REGION_TO_THE_END; writable if all of its pages are. */
int region_export_begin(struct region *r, size_t offset, size_t length,
                        struct region_export *export);
void region_export_end(struct region *r, struct region_export *export);

/* REGION_EXPORTED if an export overlaps the range and could not do with `access` what it may do. */
int region_check_exports(struct region *r, struct page_range range, unsigned access);

/* What the system says about a run of pages; nothing, of those of another process. */
struct region_memory {
    size_t resident; /* bytes */
    size_t huge;     /* bytes, among the resident ones */
    int node;        /* of the first resident page, or REGION_NO_NODE */
};

int region_query_memory(struct region *r, struct page_range range, struct region_memory *memory);

/* Placeholders. Offsets and lengths are multiples of the granularity, and must be exactly one
 * piece (or for coalesce, several placeholders) where the name says so.
 *   split      one placeholder -> two, at `offset`
 *   coalesce   neighbouring placeholders -> one
 *   replace    one placeholder -> reserved pages
 *   preserve   reserved or committed pages -> one placeholder; the contents are lost */
int region_split(struct region *r, size_t offset);
int region_coalesce(struct region *r, size_t offset, size_t length);
int region_replace(struct region *r, size_t offset, size_t length);
int region_preserve(struct region *r, size_t offset, size_t length, bool force);

/* One placeholder, or with `exact` false also a part of one, -> mapped: the pages of a section from
 * `section_offset` on. Mappings belong to whoever made them: the section may be closed. To the end is
 * with `exact` false to the end of whichever has fewer bytes left. */
struct section;
int region_map(struct region *r, size_t offset, size_t length, struct section *s,
               size_t section_offset, unsigned access, bool exact);

/* One whole mapping -> a placeholder, or without `preserve` reserved pages. */
int region_unmap(struct region *r, size_t offset, size_t length, bool preserve, bool force);

/* Pages written since they were reserved, or since the last call with `reset`. *ranges is from the
 * environment's allocator; NULL for none. */
int region_written(struct region *r, bool reset, struct byte_range **ranges, size_t *count);

/* For who makes pieces: a number that no piece has. */
uint32_t region_new_piece(struct region *r);

/* The invariants. */
bool region_check(const struct region *r);

static inline char *
region_address(const struct region *r, struct page_range range)
{
    return r->base + range.first * r->page_size;
}

static inline size_t
region_bytes(const struct region *r, struct page_range range)
{
    return range.count * r->page_size;
}

#endif
