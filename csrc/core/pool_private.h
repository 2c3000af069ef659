/* pool_private.h - what the files of pool_*.c share.
 *
 * What a reader would get wrong: the sums of the idle list follow a range only when it comes or goes.
 * What pool_cool.c does to a range is therefore for one that is not in the list.
 */
#ifndef GROWABLE_POOL_PRIVATE_H
#define GROWABLE_POOL_PRIVATE_H

#include "growth.h"
#include "pool.h"

enum { MIB = 1 << 20 };

static inline size_t
pool_discarded_bytes(const struct range *range)
{
    return range->dirty > range->committed ? range->dirty - range->committed : 0;
}

static inline size_t
pool_warm_bytes(const struct range *range)
{
    return range->dirty < range->committed ? range->dirty : range->committed;
}

/* Asked for, or given to everybody. */
static inline bool
pool_has_huge_pages(const struct pool *pool, const struct range *range)
{
    return range->huge || (pool_gives_huge_unasked(pool) && !range->forbidden);
}

/* pool_reserve.c */

/* How many addresses a buffer without a capacity gets just now. */
size_t pool_preferred_size(const struct pool *pool);

/* A new range of at least `least` bytes within the pool's limits, or the one that pool.first was made
 * for. 0, POOL_REFUSED, or the system's error code. Where the system refuses, the idle ranges go first. */
int pool_reserve_fresh(struct pool *pool, size_t least, struct range *range);

/* One of `size` bytes, whatever the limits say. The same of refusals. */
int pool_reserve_exact(struct pool *pool, size_t size, struct range *range);

/* A short range for pool.first, with free addresses behind it. */
int pool_reserve_first(const struct pool *pool, struct range *range);

void pool_drop_first(struct pool *pool);

/* pool_loan.c */

/* What comes along at no account, as past the budget 64 KiB of each idle range do. */
static inline size_t
pool_free_of_charge(const struct pool *pool, size_t asked)
{
    return growth_round_up(asked > POOL_WARM ? asked : POOL_WARM, pool->info.page_size);
}

/* How much one more range may bring along: half of what is left of twice `most`. So the first gets as
 * much as there can be, and those who keep theirs for good never leave nothing to all that come. */
static inline size_t
pool_allowance(size_t sum, size_t most)
{
    size_t twice = growth_saturating_double(most);
    return sum < twice ? (twice - sum) / 2 : 0;
}

/* Enters what a range from the idle list brings along to somebody who is about to use `asked` bytes of
 * it; cools it first where that is too much. */
void pool_lend(struct pool *pool, struct range *range, size_t asked);

/* Takes all that the range brought along off the loans. */
void pool_settle_all(struct pool *pool, struct range *range);

/* pool_cool.c */

/* Decommits all that is past `keep`, discarded memory too; whether the system did. */
bool pool_decommit(struct range *range, size_t keep);

/* Gives up the memory of a range that the budget does not allow to wait; whether it could. */
bool pool_cool_down(struct pool *pool, struct range *range);

/* The last huge page is resident as a whole, whatever was written of it. */
void pool_count_last_page(const struct pool *pool, struct range *range);

#endif
