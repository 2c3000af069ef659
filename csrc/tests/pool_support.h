/* pool_support.h - a pool for a test, ranges from it, and an owner's use of them.
 *
 * What a reader would get wrong: these functions share one fixture, so one pool is open at a time.
 */
#ifndef GROWABLE_POOL_SUPPORT_H
#define GROWABLE_POOL_SUPPORT_H

#include "fixture.h"

static struct fixture fixture;

/* Other settings than a fixture has. */
static const struct env_settings SETTINGS = {
    .reservation = 8 * MIB, .budget = MIB, .limit = 4 * MIB,
    .prefault = ENV_PREFAULT_BACKGROUND};

static inline struct pool *open_pool(size_t reservation, size_t budget)
{
    fixture_open_with(&fixture, reservation, budget);
    /* Systems that pay for each committed page keep less; those tests ask for it themselves. */
    fixture.env.pool->info.overcommit = VMEM_OVERCOMMIT_HEURISTIC;
    /* And where huge pages are given unasked, a range need not say that it has some. */
    if (fixture.env.pool->info.thp == VMEM_THP_ALWAYS)
        fixture.env.pool->info.thp = VMEM_THP_ADVISED;
    return fixture.env.pool;
}

static inline void close_pool(void)
{
    fixture_close(&fixture);
}

static inline struct range take(struct pool *pool, size_t least)
{
    struct range range;
    CHECK(pool_take(pool, least, &range) == 0);
    CHECK(range.base != NULL && range.size >= least);
    CHECK(range.size % pool->info.page_size == 0);
    return range;
}

/* As its owner would: commits [0, size) and writes all of it. */
static inline void use(struct range *range, size_t size)
{
    if (size > range->committed) {
        CHECK(vmem_commit(range->base + range->committed, size - range->committed) == 0);
        range->committed = size;
    }
    memset(range->base, 0x77, size);
    range->dirty = range->dirty > size ? range->dirty : size;
}

/* A pool that may keep 64 MiB in all, and a range of which 12 MiB stand in huge pages. */
static inline struct pool *open_discarding(struct range *range)
{
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    pool->limit = 64 * MIB;
    *range = take(pool, 1);
    range->huge = true;
    use(range, 12 * MIB);
    return pool;
}

#endif
