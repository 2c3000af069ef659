/* pool_cool.c - what of an idle range stays warm, what is offered to the system, and what goes.
 *
 * What a reader would get wrong: two bounds decide, one of what is warm (the budget) and one of all
 * that waits (the limit); and where the program pays for every page next to nothing stays.
 */
#include "pool_private.h"

bool
pool_decommit(struct range *range, size_t keep)
{
    if (vmem_decommit(range->base + keep, range_end(range) - keep) != 0)
        return false;
    range->committed = keep;
    range->huge = false; /* the advice went with the pages */
    if (range->dirty > keep)
        range->dirty = keep;
    return true;
}

/* A page before the huge ones does not count, or the last of them would have to go for its sake. In a
 * range that was enlarged the lead may be nearly a huge page long, and counts. */
static size_t
lead_on_top(const struct range *range)
{
    return range->lead <= POOL_WARM ? range->lead : 0;
}

static size_t
left_of(size_t most, size_t taken)
{
    return taken < most ? most - taken : 0;
}

/* How much of a range may stay warm. */
static size_t
warm_share(const struct pool *pool, const struct range *range)
{
    size_t left = left_of(pool->budget, pool->idle_bytes);
    size_t lead = lead_on_top(range);
    if (pool_is_frugal(pool))
        left = 0; /* what stands idle here is missing elsewhere in the program */
    else if (range->dirty <= left + lead)
        return range_end(range);
    size_t blocks = pool_has_huge_pages(pool, range) ? range_block_down(range, left + lead) : 0;
    if (blocks >= GROWTH_COMMIT_BLOCK)
        return blocks;
    return left < POOL_WARM ? POOL_WARM : growth_round_down(left, POOL_WARM);
}

/* What is past `end` goes, warm or offered before; the advice for what comes there next stays. */
static bool
decommit_past(struct range *range, size_t end)
{
    size_t old_end = range_end(range);
    bool huge = range->huge;
    if (end >= old_end)
        return true;
    if (!pool_decommit(range, end))
        return range->dirty <= end; /* nothing stands there, and nothing will */
    if (huge)
        (void)vmem_advise_huge(range->base + end, old_end - end, true);
    range->huge = huge;
    return true;
}

/* How much of a range may wait, what is warm and what is offered; no huge page is split. */
static size_t
offered_end(const struct pool *pool, const struct range *range)
{
    size_t end = range_round_up(range, range->dirty, GROWTH_COMMIT_BLOCK);
    size_t room = left_of(pool->limit, pool_waiting(pool)) + lead_on_top(range);
    if (end > range_end(range))
        end = range_end(range);
    return end <= room ? end : range_block_down(range, room);
}

/* Offers what is past `keep` to the system. It is not worth it for small pages: taking them from the
 * program and giving them back costs nearly as much as new ones. */
static bool
discard(struct pool *pool, struct range *range, size_t keep)
{
    if (!pool_has_huge_pages(pool, range) || !pool->info.can_discard || pool_is_frugal(pool))
        return false;
    size_t end = offered_end(pool, range);
    if (end <= keep || !decommit_past(range, end))
        return false;
    if (vmem_discard(range->base + keep, end - keep) != 0)
        return false;
    range->committed = keep;
    range->dirty = end;
    return true;
}

bool
pool_cool_down(struct pool *pool, struct range *range)
{
    size_t keep = warm_share(pool, range);
    if (keep >= range_end(range) || discard(pool, range, keep))
        return true;
    return pool_decommit(range, keep);
}

void
pool_count_last_page(const struct pool *pool, struct range *range)
{
    size_t end = range_round_up(range, range->dirty, GROWTH_COMMIT_BLOCK);
    if (pool_has_huge_pages(pool, range) && range->dirty < range->committed)
        range->dirty = end < range->committed ? end : range->committed;
}
