/* pages.h - what is known of the pages of a reservation, as runs of equal pages.
 *
 * The system is not asked: Linux cannot tell a reserved page from a committed one without access.
 * Nor is there an entry a page: a reservation of a terabyte costs one run, and every function takes
 * time by the number of runs.
 *
 * What a reader would get wrong: runs whose pages look the same are still apart where `piece`
 * differs. A piece is one allocation or one placeholder to the system, so calls go piece by piece.
 */
#ifndef GROWABLE_PAGES_H
#define GROWABLE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env.h"

enum pages_state { PAGES_RESERVED, PAGES_COMMITTED, PAGES_PLACEHOLDER, PAGES_MAPPED };

/* The first five have the numbers of enum vmem_access. */
enum pages_access {
    ACCESS_NONE,
    ACCESS_R,
    ACCESS_RW,
    ACCESS_RX,
    ACCESS_RWX,
    ACCESS_WC /* copy on write: only of mapped pages */
};

/* What restore has to do. */
enum pages_discarded { NOT_DISCARDED, DISCARDED, OFFERED };

struct page_traits {
    uint32_t piece;
    uint8_t state;  /* enum pages_state */
    uint8_t access; /* enum pages_access; ACCESS_NONE unless committed or mapped */
    bool guarded;   /* a guard was set and not taken off; it may have been tripped since */
    uint8_t discarded; /* enum pages_discarded */
    uint8_t mapped_as; /* the access that mapped pages were mapped with: the most they may have */
};

struct page_range {
    size_t first;
    size_t count;
};

struct page_run {
    size_t first;
    size_t count;
    struct page_traits traits;
};

/* The runs are sorted, cover all pages without a gap, and neighbours differ. */
struct pages {
    struct page_run *runs;
    size_t count;
    size_t room;
    size_t total; /* pages */
    struct buffer_env *env;
};

/* One run of `total` > 0 pages. False where there is no memory. */
bool pages_init(struct pages *p, struct buffer_env *env, size_t total, struct page_traits traits);
void pages_free(struct pages *p);

/* Makes room, so that the next pages_set, or several that change one range each within one range,
 * cannot fail. False where there is no memory. */
bool pages_prepare(struct pages *p);

/* Gives `count` > 0 pages these traits. Needs pages_prepare. */
void pages_set(struct pages *p, size_t first, size_t count, struct page_traits traits);

/* The run that holds the page. */
const struct page_run *pages_at(const struct pages *p, size_t page);

/* The part of that run from `page` on and before `end` > page. */
struct page_run pages_span(const struct pages *p, size_t page, size_t end);

/* How many pages are in the state. */
size_t pages_in_state(const struct pages *p, enum pages_state state);

/* The invariants above. */
bool pages_check(const struct pages *p);

static inline bool
access_reads(unsigned access)
{
    return access != ACCESS_NONE;
}

static inline bool
access_writes(unsigned access)
{
    return access == ACCESS_RW || access == ACCESS_RWX || access == ACCESS_WC;
}

static inline bool
access_executes(unsigned access)
{
    return access == ACCESS_RX || access == ACCESS_RWX;
}

/* Goes through the parts of `range` that are alike. */
#define PAGES_EACH(p, range, span)                                                                 \
    for (struct page_run span = pages_span((p), (range).first, (range).first + (range).count);     \
         span.count != 0;                                                                          \
         span = pages_next_span((p), &span, (range).first + (range).count))

struct page_run pages_next_span(const struct pages *p, const struct page_run *span, size_t end);

#endif
