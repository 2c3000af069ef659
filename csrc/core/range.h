/* range.h - a reservation and what is known of its bytes.
 *
 * What a reader would get wrong: a range that was used before is not zero below `dirty`. Whoever
 * exposes those bytes clears them first; that is how nothing leaks from one buffer into the next.
 * And a range need not begin where a huge page can: see `lead`.
 */
#ifndef GROWABLE_RANGE_H
#define GROWABLE_RANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "growth.h"

/* Memory that a range brought along from the pool past what its owner asked for; see pool_settle. */
struct loan {
    size_t warm;
    size_t discarded; /* the system may take it */
};

/* [0, committed) is accessible but for what the owner decommitted; [dirty, committed) reads as
 * zero. In a range from the pool `dirty` may be more than `committed`: then it is a multiple of the
 * page size, and [committed, dirty) are pages that the last owner used and the system may take. To
 * commit them costs nothing, and whoever decommits what follows decommits them too. */
struct range {
    char *base;
    size_t size;
    size_t committed;
    size_t dirty;
    struct loan loan; /* nothing in an idle range */
    unsigned lead; /* where huge pages begin: behind one small page as a rule, so that contents that
                    * fill them have the terminator in the last one, and need no other for it */
    bool exact; /* asked for by size: not counted in the pool's share of addresses, never idle */
    bool lazy; /* accessible as a whole; its pages are never decommitted */
    bool huge; /* huge pages were asked for */
    bool forbidden; /* they were refused, for some pages at least */
    bool advised; /* some pages may have that advice still, though others went with theirs */
};

/* Where the pages end that a decommit has to reach. */
static inline size_t
range_end(const struct range *range)
{
    return range->dirty > range->committed ? range->dirty : range->committed;
}

/* The next offset whose address is a multiple of `unit`, where the lead says so: where a block begins,
 * for one. */
static inline size_t
range_round_up(const struct range *range, size_t offset, size_t unit)
{
    return growth_round_up_past(offset, unit, range->lead);
}

/* Where the block begins that has the page at `offset`; 0 before the first. */
static inline size_t
range_block_down(const struct range *range, size_t offset)
{
    size_t lead = range->lead;
    return offset < lead ? 0 : lead + growth_round_down(offset - lead, GROWTH_COMMIT_BLOCK);
}

#endif
