/* ring.h - a ring of items over a section that is mapped twice side by side, so that any run of items
 * is contiguous, wherever it begins.
 *
 * Two indices in the section's first pages say what is there: how many bytes were ever put in, and
 * how many were ever taken out. Each belongs to one end: who writes moves the one, who reads the
 * other, and neither waits for a lock. Many rings, in any processes, may stand over one section; an
 * end belongs to the one of them that used it first, until that is closed or its process has died.
 *
 * Every function that can fail returns 0 or an enum ring_error and then leaves everything as it was.
 * Numbers of items are at most `capacity` unless a function says otherwise. Functions that move an
 * index need the end that it belongs to: ring_claim.
 *
 * What a reader would get wrong: anybody who maps the section can write rubbish to the indices. So
 * they are looked at once per call, checked against the size, and only then used.
 *
 * Not thread-safe for one struct: the caller serialises all calls but ring_wait. Two threads that
 * write and read without a lock take a ring each, over the same section.
 */
#ifndef GROWABLE_RING_H
#define GROWABLE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "section.h"

enum ring_error {
    RING_OK,
    RING_NO_ITEMS,   /* a capacity or an item size of 0 */
    RING_TOO_LARGE,  /* failed_size items are more than can be addressed */
    RING_TOO_SMALL,  /* the section has fewer than failed_size bytes: found_size */
    RING_FOREIGN,    /* the section holds something else than a ring */
    RING_MISMATCH,   /* its items have found_size bytes, not failed_size */
    RING_OTHER_ITEMS, /* its items are of the same size, and found_format */
    RING_SECTION,    /* section_error, and more in the section */
    RING_SYSTEM,     /* another system call failed: system_error */
    RING_CLOSED,
    RING_BUSY,       /* a thread waits on it */
    RING_ENDED,      /* another thread is about to close it */
    RING_TAKEN,      /* found_end belongs to another ring, of process found_process */
    RING_VIEWED,     /* a view shows items that would be taken away */
    RING_FULL,       /* failed_size items, and there is room for found_size */
    RING_SHORT,      /* failed_size items are more than there are: found_size */
    RING_CORRUPT,    /* the indices contradict each other */
    RING_TIMED_OUT,
    RING_GONE        /* who had the other end has closed it, or has died */
};

/* What the items are, as text that rings over one section have alike; what follows is cut off. */
enum { RING_FORMAT_BYTES = 127 };

enum ring_end { RING_WRITER = 1, RING_READER = 2, RING_BOTH = 3 };

struct ring_header;

/* Items that somebody looks at; stands wherever its owner wants it. */
struct ring_view {
    uint64_t first, last; /* indices: [first, last) */
    struct ring_view *next, **link;
};

struct ring {
    struct ring_header *header;
    char *data;       /* the first of the two mappings */
    size_t size;      /* bytes of one mapping */
    size_t item_size;
    size_t capacity;  /* items */
    uint64_t owner;   /* what this ring puts down as the owner of an end */
    unsigned ends;    /* those that are ours */
    unsigned generation;
    unsigned waiters;
    _Atomic bool ending;
    bool open;
    struct ring_view *views;
    struct section_view mapped_header;
    intptr_t signals[2];
    size_t failed_size, found_size;
    int found_process;
    enum ring_end found_end;
    int section_error, system_error;
    char found_format[RING_FORMAT_BYTES + 1];
};

/* Bytes of a section that holds a ring of so many items; 0 if nothing can. */
size_t ring_section_size(size_t capacity, size_t item_size);

/* A section that was never used becomes a ring, as large as it can be; one that is a ring already
 * is joined. Either way it has to hold `capacity` items. The section may be closed afterwards. */
int ring_open(struct ring *r, struct section *section, size_t capacity, size_t item_size,
              const char *format);

/* Gives its ends up. RING_VIEWED while views are alive, RING_BUSY while a thread waits. */
int ring_close(struct ring *r);

/* Makes all waits on it, now and later, RING_ENDED, and claims as well, so that it can be closed when
 * `waiters` is 0; ring_rest lets some time pass until then. RING_VIEWED while views are alive. */
int ring_end_waits(struct ring *r);
void ring_rest(void);

/* Makes the ends ours, if they are not. RING_TAKEN where one is another ring's and its process runs. */
int ring_claim(struct ring *r, unsigned ends);

/* Gives the ends up that are ours. */
void ring_give_up(struct ring *r, unsigned ends);

enum ring_owner { RING_NOBODY, RING_OURS, RING_OTHERS, RING_LEFT /* closed, or died */ };

/* Whose an end is now, and the number of the process, 0 for none. */
enum ring_owner ring_owner_of(struct ring *r, enum ring_end end, int *process);

/* ---- what is there ----------------------------------------------------------------------- */

/* Where the items begin and how many there are. */
struct ring_items {
    uint64_t first; /* index */
    char *start;
    size_t count;
};

int ring_look(struct ring *r, struct ring_items *items);

/* The room behind them: contiguous as well. */
int ring_look_spare(struct ring *r, struct ring_items *room);

/* From now on `count` items from the `skip`-th on of `items` cannot be taken away. */
void ring_view_open(struct ring *r, const struct ring_items *items, size_t skip, size_t count,
                    struct ring_view *view);
void ring_view_close(struct ring_view *view);

/* ---- the writer's end -------------------------------------------------------------------- */

/* RING_FULL where there is not room for all. `from` may be NULL for items that stand in the room
 * already. */
int ring_put(struct ring *r, const void *from, size_t count);

/* Needs both ends. */
int ring_put_left(struct ring *r, const void *from, size_t count);
int ring_drop_right(struct ring *r, size_t count);

/* Moves the last `count` items, of as many at least, before the others. Needs both ends, and
 * `scratch` with room for the items that are moved. */
int ring_turn(struct ring *r, size_t count, void *scratch);

/* Drops as many of the oldest items as it takes to have room for `count`. Needs both ends. */
int ring_make_room(struct ring *r, size_t count);

/* As many of the newest as it takes. Needs both ends. */
int ring_make_room_left(struct ring *r, size_t count);

/* ---- the reader's end -------------------------------------------------------------------- */

/* RING_SHORT where there are fewer. */
int ring_drop(struct ring *r, size_t count);

/* ---- waiting ----------------------------------------------------------------------------- */

#define RING_FOREVER UINT64_MAX

/* Sleeps until there are `count` items (end is RING_READER) or room for as many (RING_WRITER), for
 * `nanoseconds` at most. RING_GONE where that cannot happen any more. May return RING_TIMED_OUT
 * early; ring_clock tells. The caller raises `waiters` around it, and calls it without its lock. */
int ring_wait(struct ring *r, enum ring_end end, size_t count, uint64_t nanoseconds);

uint64_t ring_clock(void);

#endif
