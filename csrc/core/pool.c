/* pool.c - the pool's settings, and the list of idle ranges: who takes one, who gives one.
 *
 * What a reader would get wrong: the range given last is taken first, since it is the warmest; the one
 * that stands first in the list waits longest, and is forgotten first.
 */
#include <string.h>

#include "pool_private.h"

/* Two mappings a buffer, its committed and its reserved part. With what lazy ranges may need that
 * leaves half of the process's mappings to everybody else. */
size_t
pool_most_ranges(const struct pool *pool)
{
    return pool->info.max_mappings / 8;
}

bool
pool_gives_huge_unasked(const struct pool *pool)
{
    return pool->info.thp == VMEM_THP_ALWAYS && pool->info.can_advise_huge;
}

/* Where addresses are limited, idle ones are kept from everybody else. */
bool
pool_keeps_any(const struct pool *pool)
{
    return pool->info.address_limit == VMEM_NO_LIMIT && pool->budget > 0;
}

static bool
has_any(const struct pool *pool)
{
    return pool->idle_count > 0 || pool->first.base != NULL;
}

bool
pool_is_cheap(struct pool *pool, size_t size)
{
    if (has_any(pool))
        return true;
    if (pool->refused >= POOL_WORTH)
        return pool->live < POOL_SLOTS;
    pool->refused += size;
    return false;
}

bool
pool_is_frugal(const struct pool *pool)
{
    return pool->info.data_limit != VMEM_NO_LIMIT ||
           pool->info.overcommit == VMEM_OVERCOMMIT_NEVER;
}

/* Live buffers share a quarter of what may be kept warm, the first ones getting more: it must be no
 * matter how many of them were large once. */
size_t
pool_slack(const struct pool *pool)
{
    size_t limit = pool->info.data_limit / 8;
    size_t least = 4 * pool->info.page_size, most = (size_t)4 * MIB;
    size_t share = (pool->budget < limit ? pool->budget : limit) / 4 / (pool->live + 1);
    return share < least ? least : share < most ? share : most;
}

int
pool_init(struct pool *pool, const struct env_settings *settings)
{
    memset(pool, 0, sizeof *pool);
    pool_configure(pool, settings);
    pool->query_limits = vmem_query_limits;
    int error = vmem_query(&pool->info);
    pool->most_lazy = pool->info.max_mappings / 4;
    return error;
}

/* Memory or descriptors may be short just now, and then the system's files and the probe for huge
 * pages do not answer. */
static void
keep_what_was_known(struct vmem_info *now, const struct vmem_info *before)
{
    if (now->max_mappings == VMEM_NO_LIMIT) {
        now->max_mappings = before->max_mappings;
        now->overcommit = before->overcommit;
        now->thp = before->thp;
        now->numa_nodes = before->numa_nodes;
    }
    if (!now->can_large_pages) {
        now->can_large_pages = before->can_large_pages;
        memcpy(now->large_page_sizes, before->large_page_sizes, sizeof now->large_page_sizes);
    }
    if (before->can_advise_huge && !now->can_advise_huge) {
        now->can_advise_huge = true;
        now->huge_page_size = before->huge_page_size;
        now->thp = before->thp;
    }
}

static void
keep_what_was_probed(struct vmem_info *now, const struct vmem_info *before)
{
    now->can_placeholder = before->can_placeholder;
    now->can_prefer_node = before->can_prefer_node;
    now->can_query_node = before->can_query_node;
    now->can_write_watch = before->can_write_watch;
}

void
pool_look_again(struct pool *pool)
{
    struct vmem_info now;
    if (vmem_query(&now) != 0)
        return;
    keep_what_was_known(&now, &pool->info);
    keep_what_was_probed(&now, &pool->info);
    pool->info = now;
}

void
pool_probe(struct pool *pool)
{
    if (!pool->probed && vmem_probe(&pool->info) == 0)
        pool->probed = true;
}

static void
push_idle(struct pool *pool, const struct range *range)
{
    struct idle_range *idle = &pool->idle[pool->idle_count++];
    idle->range = *range;
    idle->since = pool->given;
    pool->idle_bytes += pool_warm_bytes(range);
    pool->idle_discarded += pool_discarded_bytes(range);
}

static struct range
pop_idle(struct pool *pool, size_t slot)
{
    struct idle_range idle = pool->idle[slot];
    pool->idle_bytes -= pool_warm_bytes(&idle.range);
    pool->idle_discarded -= pool_discarded_bytes(&idle.range);
    pool->idle_count--;
    memmove(&pool->idle[slot], &pool->idle[slot + 1], (pool->idle_count - slot) * sizeof idle);
    return idle.range;
}

static void
clear_idle(struct pool *pool)
{
    while (pool->idle_count > 0) {
        struct range range = pop_idle(pool, pool->idle_count - 1);
        pool_discard(pool, &range);
    }
}

void
pool_clear(struct pool *pool)
{
    clear_idle(pool);
    pool_drop_first(pool);
}

void
pool_configure(struct pool *pool, const struct env_settings *settings)
{
    pool->reservation = settings->reservation;
    pool->budget = settings->budget;
    pool->limit = settings->limit;
    pool->prefault = settings->prefault;
    pool->low_latency = settings->low_latency;
    pool->attainable = (size_t)-1; /* what was refused before is asked for again */
    clear_idle(pool);
    if (!pool_keeps_any(pool))
        pool_drop_first(pool);
}

bool
pool_relieve(struct pool *pool)
{
    bool any = has_any(pool);
    pool_clear(pool);
    return any;
}

static void
drop_idle(struct pool *pool, size_t slot)
{
    struct range range = pop_idle(pool, slot);
    pool_discard(pool, &range);
}

/* Idle ranges smaller than a new one would be come from a time when addresses were short. A buffer
 * that got one would meet its end too early, so they go. */
static void
drop_small(struct pool *pool)
{
    size_t preferred = pool_preferred_size(pool);
    for (size_t slot = pool->idle_count; slot-- > 0;) {
        if (pool->idle[slot].range.size < preferred)
            drop_idle(pool, slot);
    }
}

/* The one given last is the warmest. Only a buffer that needs no more than a page, and so is here
 * because somebody looks at it, leaves offered memory to those that grow. */
static size_t
find_idle(const struct pool *pool, size_t least)
{
    size_t found = POOL_SLOTS;
    for (size_t slot = pool->idle_count; slot-- > 0;) {
        const struct idle_range *idle = &pool->idle[slot];
        if (idle->range.size < least)
            continue;
        if (least > pool->info.page_size || pool_discarded_bytes(&idle->range) == 0)
            return slot;
        if (found == POOL_SLOTS)
            found = slot;
    }
    return found;
}

/* The one of at least `least` bytes; `asked` is how many of them are about to be used. */
static bool
take_idle(struct pool *pool, size_t least, size_t asked, struct range *range)
{
    drop_small(pool);
    size_t slot = find_idle(pool, least);
    if (slot == POOL_SLOTS)
        return false;
    *range = pop_idle(pool, slot);
    if (range->dirty > POOL_WARM)
        pool_lend(pool, range, asked);
    return true;
}

int
pool_take(struct pool *pool, size_t least, struct range *range)
{
    return take_idle(pool, least, least, range) ? 0 : pool_reserve_fresh(pool, least, range);
}

/* A capacity says nothing of how much will be used. */
int
pool_take_exact(struct pool *pool, size_t size, struct range *range)
{
    if (size <= pool_preferred_size(pool) &&
        (take_idle(pool, size, 0, range) || pool_reserve_fresh(pool, size, range) == 0))
        return 0;
    return pool_reserve_exact(pool, size, range);
}

const struct range *
pool_take_warm(struct pool *pool, size_t least)
{
    if (pool->idle_count == 0)
        return NULL;
    struct range *last = &pool->idle[pool->idle_count - 1].range;
    if (least > last->committed || pool_discarded_bytes(last) > 0 ||
        last->size < pool_preferred_size(pool))
        return NULL;
    size_t warm = last->dirty, kept = pool_free_of_charge(pool, least);
    if (warm > kept) {
        if (warm - kept > pool_allowance(pool->loans.warm, pool->budget))
            return NULL;
        pool->loans.warm += last->loan.warm = warm - kept;
    }
    pool->idle_bytes -= warm;
    pool->idle_count--;
    return last;
}

/* What nobody has wanted for so long is not wanted. */
static void
drop_forgotten(struct pool *pool)
{
    if (pool->idle_count > 0 && pool->given - pool->idle[0].since > POOL_PATIENCE)
        drop_idle(pool, 0);
}

static bool
worth_keeping(const struct pool *pool, const struct range *range)
{
    bool fits = pool->idle_count < POOL_SLOTS && range->size >= pool_preferred_size(pool);
    return !range->lazy && !range->exact && pool_keeps_any(pool) && fits;
}

void
pool_give(struct pool *pool, struct range *range)
{
    pool_settle_all(pool, range);
    pool->given++;
    drop_forgotten(pool);
    pool_count_last_page(pool, range);
    if (!worth_keeping(pool, range) || !pool_cool_down(pool, range)) {
        pool_discard(pool, range);
        return;
    }
    push_idle(pool, range);
    memset(range, 0, sizeof *range);
}

/* Commits the first pages and puts memory behind them. Whatever is refused, the first buffer does it. */
static void
warm_up(const struct pool *pool, struct range *range)
{
    size_t end = growth_round_up(POOL_WARM, pool->info.page_size);
    if (range->lazy || end > range->size || range->dirty >= end)
        return;
    if (range->committed < end) {
        if (vmem_commit(range->base, end) != 0)
            return;
        range->committed = end;
    }
    if (pool->info.can_populate && vmem_populate(range->base, end) == 0)
        range->dirty = end;
}

void
pool_prepare(struct pool *pool)
{
    struct range range;
    if (!pool_keeps_any(pool) || pool_take(pool, 1, &range) != 0)
        return;
    warm_up(pool, &range);
    pool_give(pool, &range);
}

void
pool_prepare_first(struct pool *pool)
{
    struct range range;
    if (!pool->info.can_populate || !pool_keeps_any(pool) || pool_is_frugal(pool) ||
        pool->first.base != NULL || pool_reserve_first(pool, &range) != 0)
        return;
    warm_up(pool, &range);
    pool->first = range;
    if (range.dirty == 0)
        pool_drop_first(pool);
}
