/* buffer.h - growing memory that does not move while it is looked at: struct, invariants, hot path.
 *
 * A buffer's bytes stand in one of three tiers:
 *
 *     small     a block inside the struct, which thus must not move
 *     heap      a block from the environment's allocator
 *     reserved  a range of addresses whose first pages are committed
 *
 * What only a reserved buffer needs, or one with a lent tail, a capacity or a name, is in a block
 * of its own: see rest.h. In the storage the bytes stand like this (a block is committed and dirty
 * as a whole):
 *
 *     base      start                start+length        start+limit    base+committed   base+size
 *       |  gap    |  bytes in use      |0| accessible ...      |0|            |  reserved   |
 *
 * Invariants (buffer_check tests them all):
 *   - everything up to start[limit] is accessible, and start[length] is zero but for a lent tail that
 *     was not settled;
 *   - length <= limit <= capacity;
 *   - bytes of [base + dirty, base + committed) past start + length read as zero;
 *   - the last accessible byte is never lent, so a reader that runs on to a zero finds one.
 *
 * Every function that can fail returns 0 or an enum buffer_error, and leaves contents, length and
 * state as they were when it fails. `movable` says that nobody holds an address into the storage;
 * without it the base stays where it is.
 *
 * What a reader would get wrong: `limit` is not the capacity. It is how far the length may go
 * without asking (the slow path commits more, or has memory put behind what is committed), and it
 * equals the length once the buffer is frozen or released, so that the hot path needs no check of
 * its own for those.
 *
 * Not thread-safe: the caller serialises all calls on one buffer and on its environment.
 */
#ifndef GROWABLE_BUFFER_H
#define GROWABLE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "copy.h"
#include "env.h"
#include "hot.h"
#include "poison.h"
#include "rest.h"

/* Leaves room for the terminator and for pointer differences. */
#define BUFFER_MAX ((size_t)PTRDIFF_MAX - 1)

enum {
    /* A buffer that needs this much gets a reservation where one is cheap, */
    BUFFER_PROMOTE_AT = 4 * 1024,
    /* and from here on in any case: the copy is paid for by the page faults of the rest. */
    BUFFER_PROMOTE_SURELY_AT = 128 * 1024
};

enum { BUFFER_BLOCK = 24 /* bytes of the small block, the terminator among them */ };

/* With some of them the environment's failed_size and system_error tell more, until its next call. */
enum buffer_error {
    BUFFER_OK,
    BUFFER_TOO_LARGE,     /* more than BUFFER_MAX bytes */
    BUFFER_NO_MEMORY,     /* the allocator refused */
    BUFFER_NOT_RESERVED,  /* no reservation of failed_size bytes: system_error, or the pool's limits */
    BUFFER_NOT_COMMITTED, /* failed_size more bytes could not be committed: system_error */
    BUFFER_AT_CAPACITY,   /* the capacity is a promise */
    BUFFER_EXPORTED,      /* would have to move, but is not movable */
    BUFFER_PINNED,        /* would have to move, but its address was given out */
    BUFFER_FROZEN,
    BUFFER_RELEASED,
    BUFFER_NOT_LENT,      /* buffer_advance past what buffer_spare lent */
    BUFFER_SYSTEM         /* another system call failed: system_error */
};

enum buffer_tier { BUFFER_SMALL, BUFFER_HEAP, BUFFER_RESERVED };

enum buffer_huge { BUFFER_HUGE_AUTO, BUFFER_HUGE_ALWAYS, BUFFER_HUGE_NEVER };

struct buffer {
    char *start;
    size_t length;
    size_t limit;
    struct buffer_env *env;
    struct buffer_rest *rest; /* &buffer_no_rest but where there is a need for more */
    union {
        char block[BUFFER_BLOCK]; /* small */
        struct {
            char *base;
            size_t size;
        } heap;
    };
    unsigned char tier;
    unsigned char huge;
    bool pinned; /* the address was given out as a number */
    bool frozen;
    bool released;
};

/* A rest of its own, to which can be written from then on. */
int buffer_need_rest(struct buffer *b);

/* Gives an empty, new buffer its capacity, and storage that will never move. */
int buffer_set_capacity(struct buffer *b, size_t capacity);

/* Frees all storage, and the rest. Only buffer_init may follow. */
void buffer_free(struct buffer *b);

/* Frees all storage; what is left is as new, or refuses everything. The name and the holder stay. */
void buffer_reset(struct buffer *b);
void buffer_release(struct buffer *b);

/* The slow path of buffer_ensure. */
int buffer_grow(struct buffer *b, size_t extra, bool movable);

/* Moves small and heap contents into a reservation, because somebody is about to learn the
 * address. Where no reservation can be had they stay, and that is no error. `retire` keeps the old
 * block until buffer_free, for readers that still hold its address; the small block keeps its bytes
 * in any case. */
void buffer_promote(struct buffer *b, bool retire);

/* Shortens to `length`. Never fails. */
void buffer_truncate(struct buffer *b, size_t length);

/* Removes the first n bytes, as a rule without moving the others; whole pages are given back. */
void buffer_drop_front(struct buffer *b, size_t n);

/* Adds n zero bytes at the end. */
int buffer_extend_zero(struct buffer *b, size_t n, bool movable);

/* Opens room for n bytes at `at`, moving what follows; their contents are undefined. */
int buffer_open_gap(struct buffer *b, size_t at, size_t n, bool movable);

/* Removes n bytes at `at`, moving what follows. */
void buffer_close_gap(struct buffer *b, size_t at, size_t n);

/* Lends n zeroed bytes past the end, to be written to and then taken in by buffer_advance. Any other
 * change of the length takes them back. */
int buffer_spare(struct buffer *b, size_t n, bool movable, char **tail);
int buffer_advance(struct buffer *b, size_t n);

/* How many bytes buffer_advance would take in. */
size_t buffer_lent(const struct buffer *b);

/* Nothing more of what was lent can be taken in. */
void buffer_end_lending(struct buffer *b);

/* Puts the terminator back, once nobody can write to the lent tail any more. */
void buffer_settle(struct buffer *b);

/* Gives back what the contents do not need. */
int buffer_fit(struct buffer *b, bool movable);

/* Write-protects the contents, by pages where they stand in pages of their own. */
int buffer_freeze(struct buffer *b);

/* Bytes that can be had without moving, and bytes accessible now; both counted from the start. */
size_t buffer_capacity(const struct buffer *b);
size_t buffer_committed(const struct buffer *b);

/* Bytes of memory behind the contents: of the block, or committed and not given back. */
size_t buffer_memory(const struct buffer *b);

/* What stands behind the pages of the storage up to the committed end. */
enum buffer_page { BUFFER_PAGE_RESERVED, BUFFER_PAGE_COMMITTED, BUFFER_PAGE_RESIDENT };

/* How many such pages there are; 0 where the contents do not stand in pages of their own. */
size_t buffer_page_count(const struct buffer *b);

/* One enum buffer_page a page; `pages` holds buffer_page_count() of them. */
int buffer_page_map(struct buffer *b, unsigned char *pages);

/* The invariants above. */
bool buffer_check(const struct buffer *b);

/* Makes an empty buffer. */
static inline void
buffer_init(struct buffer *b, struct buffer_env *env)
{
    b->start = b->block;
    b->length = 0;
    b->limit = BUFFER_BLOCK - 1;
    b->env = env;
    b->rest = rest_none();
    b->block[0] = 0;
    b->tier = BUFFER_SMALL;
    b->huge = BUFFER_HUGE_AUTO;
    b->pinned = b->frozen = b->released = false;
}

static inline bool
buffer_has_rest(const struct buffer *b)
{
    return b->rest != &buffer_no_rest;
}

/* The storage: where it begins, its size, and how much of that is accessible. */

static inline char *
buffer_base(const struct buffer *b)
{
    if (b->tier == BUFFER_RESERVED)
        return b->rest->storage.base;
    return b->tier == BUFFER_HEAP ? b->heap.base : (char *)b->block;
}

static inline size_t
buffer_size(const struct buffer *b)
{
    if (b->tier == BUFFER_RESERVED)
        return b->rest->storage.size;
    return b->tier == BUFFER_HEAP ? b->heap.size : BUFFER_BLOCK;
}

static inline size_t
buffer_accessible(const struct buffer *b)
{
    return b->tier == BUFFER_RESERVED ? b->rest->storage.committed : buffer_size(b);
}

static inline size_t
buffer_offset(const struct buffer *b)
{
    return (size_t)(b->start - buffer_base(b));
}

/* Room for `extra` more bytes, so that nothing up to them can fail. */
static inline int
buffer_ensure(struct buffer *b, size_t extra, bool movable)
{
    if (extra <= b->limit - b->length)
        return BUFFER_OK;
    return buffer_grow(b, extra, movable);
}

/* Takes in n > 0 bytes past the end and returns where they are to be written: at once, since they are
 * whatever stood there. (The length is set last, and so need not be read again after the write of a
 * char, which may change anything.) Call buffer_ensure first. */
static inline char *
buffer_take_in(struct buffer *b, size_t n)
{
    size_t length = b->length + n;
    char *tail = b->start + b->length;
    poison_open(tail, tail + n + 1);
    tail[n] = 0;
    b->length = length;
    return tail;
}

/* Copies n bytes to where they are to stand, for which there is room; they may be our own. */
void buffer_write(struct buffer *b, char *to, const char *bytes, size_t n);

/* Replaces everything from `at` to the end by n bytes, more than were there. They may be our own or
 * lent ones, so they are copied before the terminator is set. Call buffer_ensure first. */
static inline void
buffer_replace_end(struct buffer *b, size_t at, const char *bytes, size_t n)
{
    char *end = b->start + at;
    poison_open(end, end + n + 1);
    if (LIKELY(n < COPY_LONG))
        memmove(end, bytes, n);
    else
        buffer_write(b, end, bytes, n);
    end[n] = 0;
    b->length = at + n;
}

#endif
