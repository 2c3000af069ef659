/* pool_reserve.c - how large a reservation is, and the accounts of addresses that decide it.
 *
 * What a reader would get wrong: the first buffers get very large reservations and later ones
 * smaller, because addresses run out (128 TiB on x86-64) long before a million buffers do. Past
 * that come lazy ranges, which merge into few mappings, and then the caller's heap.
 */
#include <stdint.h>
#include <string.h>

#include "pool_private.h"

#if SIZE_MAX > 0xffffffffu
#define ADDRESS_BUDGET ((size_t)32 << 40)
#else
#define ADDRESS_BUDGET ((size_t)1 << 30)
#endif

#define SMALL_RESERVATION ((size_t)64 * MIB)
#define MIDDLE_RESERVATION ((size_t)1024 * MIB)

static size_t
address_budget(const struct pool *pool)
{
    size_t limit = pool->info.address_limit;
    return limit == VMEM_NO_LIMIT ? ADDRESS_BUDGET : limit / 16;
}

/* Under RLIMIT_AS each gets up to half of what is left, so that one buffer has room to grow while
 * exported and many of them do not starve the program. */
static size_t
preferred_size_under_limit(const struct pool *pool)
{
    size_t budget = address_budget(pool);
    size_t left = budget > pool->live_bytes ? budget - pool->live_bytes : 0;
    size_t wanted = pool->reservation;
    while (wanted > left / 2 && wanted > POOL_WARM)
        wanted /= 2;
    return wanted;
}

/* Half of the budget goes to reservations of the default size, so that the first few hundred
 * buffers never need to move; the next sizes share what is left. */
size_t
pool_preferred_size(const struct pool *pool)
{
    if (pool->info.address_limit != VMEM_NO_LIMIT)
        return preferred_size_under_limit(pool);
    size_t budget = address_budget(pool);
    size_t wanted = pool->reservation;
    if (pool->live_bytes > budget / 2 && wanted > MIDDLE_RESERVATION)
        wanted = MIDDLE_RESERVATION;
    if (pool->live_bytes > budget / 4 * 3 && wanted > SMALL_RESERVATION)
        wanted = SMALL_RESERVATION;
    while (wanted > budget / 8)
        wanted /= 2;
    return wanted;
}

static size_t
alignment_for(const struct pool *pool, size_t size)
{
    size_t huge = pool->info.huge_page_size;
    if (pool->info.can_advise_huge && huge > pool->info.granularity && size >= 16 * huge)
        return huge;
    return pool->info.granularity;
}

/* Where huge pages begin in a range of this size at that address, if they are to be had. */
static unsigned
lead_of(const struct pool *pool, size_t size, const void *base)
{
    if (alignment_for(pool, size) == pool->info.granularity)
        return 0;
    return (unsigned)((0 - (uintptr_t)base) & (GROWTH_COMMIT_BLOCK - 1));
}

static int
reserve_aligned(const struct pool *pool, size_t size, size_t alignment, void **base)
{
    size_t granularity = pool->info.granularity;
    return vmem_reserve_before(size, alignment, alignment > granularity ? granularity : 0, base);
}

static int
try_reserve(const struct pool *pool, size_t size, bool lazy, void **base)
{
    if (lazy)
        return vmem_reserve_lazy(size, pool->info.granularity, base);
    return reserve_aligned(pool, size, alignment_for(pool, size), base);
}

static void
count_new(struct pool *pool, const struct range *range)
{
    pool->live++;
    pool->live_lazy += range->lazy;
    pool->live_bytes += range->size;
}

static int
reserve(struct pool *pool, size_t size, bool lazy, struct range *range)
{
    void *base = NULL;
    int error = try_reserve(pool, size, lazy, &base);
    if (error != 0 && pool_relieve(pool))
        error = try_reserve(pool, size, lazy, &base);
    if (error != 0)
        return error;
    *range = (struct range){.base = base, .size = size, .lead = lead_of(pool, size, base),
                            .lazy = lazy, .committed = lazy ? size : 0};
    count_new(pool, range);
    return 0;
}

void
pool_drop_first(struct pool *pool)
{
    if (pool->first.base != NULL)
        (void)vmem_release(pool->first.base, pool->first.size);
    pool->first.base = NULL;
}

/* The addresses behind the first range were free when it was made, and mostly are still. */
static bool
take_first(struct pool *pool, size_t size, struct range *range)
{
    struct range first = pool->first;
    if (first.base == NULL || size < first.size || vmem_resize(first.base, first.size, size) != 0) {
        pool_drop_first(pool);
        return false;
    }
    pool->first.base = NULL;
    *range = first;
    range->size = size;
    range->lead = lead_of(pool, size, first.base);
    count_new(pool, range);
    return true;
}

/* Asks for less and less, down to what is needed. Each success raises what is tried next, so that
 * where addresses are short a reservation costs one refusal, and not all of them again. Where not even
 * the least is to be had the size was not to blame. */
static int
reserve_halving(struct pool *pool, size_t wanted, size_t least, struct range *range)
{
    size_t attainable = pool->attainable;
    if (wanted > attainable)
        wanted = attainable;
    for (;; wanted /= 2) {
        wanted = wanted > least ? growth_round_up(wanted, pool->info.granularity) : least;
        int error = reserve(pool, wanted, false, range);
        if (error == 0)
            pool->attainable = growth_saturating_double(attainable);
        if (error == 0 || wanted == least)
            return error;
        attainable = wanted / 2;
    }
}

/* Once mappings are short, ranges that merge with their neighbours. */
static int
reserve_merging(struct pool *pool, size_t least, struct range *range)
{
    if (!pool->info.can_reserve_lazy ||
        pool->live_lazy >= pool->most_lazy || pool->info.overcommit == VMEM_OVERCOMMIT_NEVER ||
        pool->info.data_limit != VMEM_NO_LIMIT)
        return POOL_REFUSED;
    size_t wanted = least > SMALL_RESERVATION ? least : SMALL_RESERVATION;
    if (pool->reservation < wanted && pool->reservation >= least)
        wanted = pool->reservation;
    return reserve(pool, growth_round_up(wanted, pool->info.granularity), true, range);
}

/* Under RLIMIT_DATA each small buffer in pages of its own costs a page of it; an eighth is for them,
 * and the heap packs the rest. */
static bool
is_data_short(const struct pool *pool)
{
    size_t limit = pool->info.data_limit;
    return limit != VMEM_NO_LIMIT && pool->live > limit / 8 / pool->info.page_size;
}

int
pool_reserve_fresh(struct pool *pool, size_t least, struct range *range)
{
    least = growth_round_up(least, pool->info.granularity);
    pool->query_limits(&pool->info);
    if (!pool_keeps_any(pool))
        pool_clear(pool); /* what was idle before the limit was set */
    if (is_data_short(pool))
        return POOL_REFUSED;
    size_t wanted = pool_preferred_size(pool);
    if (wanted < least)
        wanted = growth_saturating_double(least);
    wanted = growth_round_up(wanted, pool->info.granularity);
    size_t budget = address_budget(pool);
    if (wanted > budget || pool->live_bytes > budget - wanted)
        wanted = least;
    if (wanted > budget || pool->live_bytes > budget - wanted)
        return POOL_REFUSED;
    if (pool->live - pool->live_lazy >= pool_most_ranges(pool))
        return reserve_merging(pool, least, range);
    if (take_first(pool, wanted, range))
        return 0;
    return reserve_halving(pool, wanted, least, range);
}

int
pool_reserve_exact(struct pool *pool, size_t size, struct range *range)
{
    int error = reserve(pool, growth_round_up(size, pool->info.granularity), false, range);
    if (error == 0) {
        range->exact = true;
        pool->live_bytes -= range->size;
        pool->exact_bytes += range->size;
    }
    return error;
}

/* A short range with room for a long one behind it, and for others that come before that is taken: the
 * system gives them the last addresses of a gap. */
int
pool_reserve_first(const struct pool *pool, struct range *range)
{
    void *base = NULL;
    size_t size = growth_round_up(POOL_WARM, pool->info.granularity);
    size_t wanted = pool_preferred_size(pool);
    size_t room = growth_round_up(wanted > size ? 2 * wanted : 2 * size, pool->info.granularity);
    int error = reserve_aligned(pool, room, alignment_for(pool, wanted), &base);
    if (error != 0)
        return error;
    error = vmem_resize(base, room, size);
    if (error != 0)
        (void)vmem_release(base, room);
    *range = (struct range){.base = base, .size = size};
    return error;
}

/* Whoever names a capacity takes those addresses from nobody else's share. */
static size_t *
counter_of(struct pool *pool, const struct range *range)
{
    return range->exact ? &pool->exact_bytes : &pool->live_bytes;
}

void
pool_discard(struct pool *pool, struct range *range)
{
    pool_settle_all(pool, range);
    /* A release that fails leaks addresses; there is nobody who could do better. */
    (void)vmem_release(range->base, range->size);
    pool->live--;
    pool->live_lazy -= range->lazy;
    *counter_of(pool, range) -= range->size;
    memset(range, 0, sizeof *range);
}

int
pool_enlarge(struct pool *pool, struct range *range, size_t kept, size_t least)
{
    if (!pool->info.can_remap || range->lazy)
        return POOL_REFUSED;
    pool->query_limits(&pool->info);
    size_t size = growth_round_up(growth_saturating_double(least), pool->info.granularity);
    size_t budget = address_budget(pool);
    if (size - range->size > budget || pool->live_bytes > budget - (size - range->size))
        return POOL_REFUSED;
    void *base = NULL;
    int error = vmem_remap(range->base, range->size, kept, range->committed - kept, size,
                           alignment_for(pool, size), &base);
    if (error != 0)
        return error;
    *counter_of(pool, range) += size - range->size;
    if (range->dirty > range->committed)
        range->dirty = range->committed;
    range->base = base;
    range->size = size;
    pool_settle(pool, range); /* its owner has filled it */
    range->lead = lead_of(pool, size, base);
    return 0;
}
