/* pool.c - sizes of reservations, the limits that shrink them, and the idle list.
 *
 * What a reader would get wrong: the first buffers get very large reservations and later ones
 * smaller, because addresses run out (128 TiB on x86-64) long before a million buffers do. Past
 * that come lazy ranges, which merge into few mappings, and then the caller's heap.
 */
#include "pool.h"

#include <stdint.h>
#include <string.h>

#include "growth.h"

#if SIZE_MAX > 0xffffffffu
#define ADDRESS_BUDGET ((size_t)32 << 40)
#else
#define ADDRESS_BUDGET ((size_t)1 << 30)
#endif

enum { MIB = 1 << 20 };

#define SMALL_RESERVATION ((size_t)64 * MIB)
#define MIDDLE_RESERVATION ((size_t)1024 * MIB)

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

static size_t
address_budget(const struct pool *pool)
{
    size_t limit = pool->info.address_limit;
    return limit == VMEM_NO_LIMIT ? ADDRESS_BUDGET : limit / 16;
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

/* Whoever names a capacity takes those addresses from nobody else's share. */
static size_t *
counter_of(struct pool *pool, const struct range *range)
{
    return range->exact ? &pool->exact_bytes : &pool->live_bytes;
}

static void
set_loan(struct pool *pool, struct range *range, struct loan loan)
{
    pool->loans.warm = pool->loans.warm - range->loan.warm + loan.warm;
    pool->loans.discarded = pool->loans.discarded - range->loan.discarded + loan.discarded;
    range->loan = loan;
}

static void
settle_all(struct pool *pool, struct range *range)
{
    if ((range->loan.warm | range->loan.discarded) != 0)
        set_loan(pool, range, (struct loan){0});
}

void
pool_discard(struct pool *pool, struct range *range)
{
    settle_all(pool, range);
    /* A release that fails leaks addresses; there is nobody who could do better. */
    (void)vmem_release(range->base, range->size);
    pool->live--;
    pool->live_lazy -= range->lazy;
    *counter_of(pool, range) -= range->size;
    memset(range, 0, sizeof *range);
}

/* Asked for, or given to everybody. */
static bool
has_huge_pages(const struct pool *pool, const struct range *range)
{
    return range->huge || (pool_gives_huge_unasked(pool) && !range->forbidden);
}

static size_t
discarded_bytes(const struct range *range)
{
    return range->dirty > range->committed ? range->dirty - range->committed : 0;
}

static size_t
warm_bytes(const struct range *range)
{
    return range->dirty < range->committed ? range->dirty : range->committed;
}

/* Whoever had to commit has used what was warm. */
void
pool_settle(struct pool *pool, struct range *range)
{
    size_t left = discarded_bytes(range);
    if (left > range->loan.discarded)
        left = range->loan.discarded;
    set_loan(pool, range, (struct loan){.discarded = left});
}

static void
push_idle(struct pool *pool, const struct range *range)
{
    struct idle_range *idle = &pool->idle[pool->idle_count++];
    idle->range = *range;
    idle->since = pool->given;
    pool->idle_bytes += warm_bytes(range);
    pool->idle_discarded += discarded_bytes(range);
}

static struct range
pop_idle(struct pool *pool, size_t slot)
{
    struct idle_range idle = pool->idle[slot];
    pool->idle_bytes -= warm_bytes(&idle.range);
    pool->idle_discarded -= discarded_bytes(&idle.range);
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

static void
drop_first(struct pool *pool)
{
    if (pool->first.base != NULL)
        (void)vmem_release(pool->first.base, pool->first.size);
    pool->first.base = NULL;
}

void
pool_clear(struct pool *pool)
{
    clear_idle(pool);
    drop_first(pool);
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
        drop_first(pool);
}

bool
pool_relieve(struct pool *pool)
{
    bool any = has_any(pool);
    pool_clear(pool);
    return any;
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
static size_t
preferred_size(const struct pool *pool)
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
    size_t preferred = preferred_size(pool);
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
        if (least > pool->info.page_size || discarded_bytes(&idle->range) == 0)
            return slot;
        if (found == POOL_SLOTS)
            found = slot;
    }
    return found;
}

static bool
decommit(struct range *range, size_t keep)
{
    if (vmem_decommit(range->base + keep, range_end(range) - keep) != 0)
        return false;
    range->committed = keep;
    range->huge = false; /* the advice went with the pages */
    if (range->dirty > keep)
        range->dirty = keep;
    return true;
}

/* Lending. */

/* What comes along at no account, as past the budget 64 KiB of each idle range do. */
static size_t
free_of_charge(const struct pool *pool, size_t asked)
{
    return growth_round_up(asked > POOL_WARM ? asked : POOL_WARM, pool->info.page_size);
}

static struct loan
loan_past(const struct range *range, size_t kept)
{
    size_t warm = warm_bytes(range), from = range->committed > kept ? range->committed : kept;
    return (struct loan){.warm = warm > kept ? warm - kept : 0,
                         .discarded = range->dirty > from ? range->dirty - from : 0};
}

/* How much one more range may bring along: half of what is left of twice `most`. So the first gets as
 * much as there can be, and those who keep theirs for good never leave nothing to all that come. */
static size_t
allowance(size_t sum, size_t most)
{
    size_t twice = growth_saturating_double(most);
    return sum < twice ? (twice - sum) / 2 : 0;
}

/* Where a range ends that keeps to the allowances; no huge page is split. */
static size_t
lent_end(const struct pool *pool, const struct range *range, size_t kept)
{
    struct loan loan = loan_past(range, kept);
    size_t warm = allowance(pool->loans.warm, pool->budget);
    if (loan.warm > warm) {
        size_t block = range_block_down(range, kept + warm);
        size_t end = has_huge_pages(pool, range) ? block : kept + growth_round_down(warm, POOL_WARM);
        return end > kept ? end : kept;
    }
    if (loan.discarded > allowance(pool->loans.discarded, pool->limit))
        return range->committed > kept ? range->committed : kept;
    return range_end(range);
}

/* Not by a discard: what is resident for good would then have no bound. Where the decommit is refused
 * the range is as good as before, and the sum may pass its bound. */
static void
lend(struct pool *pool, struct range *range, size_t asked)
{
    size_t kept = free_of_charge(pool, asked), end = lent_end(pool, range, kept);
    if (end < range_end(range))
        (void)decommit(range, end);
    set_loan(pool, range, loan_past(range, kept));
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
        lend(pool, range, asked);
    return true;
}

const struct range *
pool_take_warm(struct pool *pool, size_t least)
{
    if (pool->idle_count == 0)
        return NULL;
    struct range *last = &pool->idle[pool->idle_count - 1].range;
    if (least > last->committed || discarded_bytes(last) > 0 || last->size < preferred_size(pool))
        return NULL;
    size_t warm = last->dirty, kept = free_of_charge(pool, least);
    if (warm > kept) {
        if (warm - kept > allowance(pool->loans.warm, pool->budget))
            return NULL;
        pool->loans.warm += last->loan.warm = warm - kept;
    }
    pool->idle_bytes -= warm;
    pool->idle_count--;
    return last;
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

/* The addresses behind the first range were free when it was made, and mostly are still. */
static bool
take_first(struct pool *pool, size_t size, struct range *range)
{
    struct range first = pool->first;
    if (first.base == NULL || size < first.size || vmem_resize(first.base, first.size, size) != 0) {
        drop_first(pool);
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

static int
take_fresh(struct pool *pool, size_t least, struct range *range)
{
    least = growth_round_up(least, pool->info.granularity);
    pool->query_limits(&pool->info);
    if (!pool_keeps_any(pool))
        pool_clear(pool); /* what was idle before the limit was set */
    if (is_data_short(pool))
        return POOL_REFUSED;
    size_t wanted = preferred_size(pool);
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
pool_take(struct pool *pool, size_t least, struct range *range)
{
    return take_idle(pool, least, least, range) ? 0 : take_fresh(pool, least, range);
}

/* A capacity says nothing of how much will be used. */
int
pool_take_exact(struct pool *pool, size_t size, struct range *range)
{
    if (size <= preferred_size(pool) &&
        (take_idle(pool, size, 0, range) || take_fresh(pool, size, range) == 0))
        return 0;
    int error = reserve(pool, growth_round_up(size, pool->info.granularity), false, range);
    if (error == 0) {
        range->exact = true;
        pool->live_bytes -= range->size;
        pool->exact_bytes += range->size;
    }
    return error;
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

/* A page before the huge ones does not count, or the last of them would have to go for its sake. In a
 * range that was enlarged the lead may be nearly a huge page long, and counts. */
static size_t
lead_on_top(const struct range *range)
{
    return range->lead <= POOL_WARM ? range->lead : 0;
}

/* How much of a range may stay warm. */
static size_t
warm_share(const struct pool *pool, const struct range *range)
{
    size_t left = pool->budget > pool->idle_bytes ? pool->budget - pool->idle_bytes : 0;
    size_t lead = lead_on_top(range);
    if (pool_is_frugal(pool))
        left = 0; /* what stands idle here is missing elsewhere in the program */
    else if (range->dirty <= left + lead)
        return range_end(range);
    size_t blocks = has_huge_pages(pool, range) ? range_block_down(range, left + lead) : 0;
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
    if (!decommit(range, end))
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
    size_t memory = pool->idle_bytes + pool->idle_discarded;
    size_t room = (memory < pool->limit ? pool->limit - memory : 0) + lead_on_top(range);
    if (end > range_end(range))
        end = range_end(range);
    return end <= room ? end : range_block_down(range, room);
}

/* Offers what is past `keep` to the system. It is not worth it for small pages: taking them from the
 * program and giving them back costs nearly as much as new ones. */
static bool
discard(struct pool *pool, struct range *range, size_t keep)
{
    if (!has_huge_pages(pool, range) || !pool->info.can_discard || pool_is_frugal(pool))
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

/* Gives up the memory that the budget does not allow to stay. */
static bool
cool_down(struct pool *pool, struct range *range)
{
    size_t keep = warm_share(pool, range);
    if (keep >= range_end(range) || discard(pool, range, keep))
        return true;
    return decommit(range, keep);
}

/* The last huge page is resident as a whole, whatever was written of it. */
static void
count_last_page(const struct pool *pool, struct range *range)
{
    size_t end = range_round_up(range, range->dirty, GROWTH_COMMIT_BLOCK);
    if (has_huge_pages(pool, range) && range->dirty < range->committed)
        range->dirty = end < range->committed ? end : range->committed;
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
    bool fits = pool->idle_count < POOL_SLOTS && range->size >= preferred_size(pool);
    return !range->lazy && !range->exact && pool_keeps_any(pool) && fits;
}

void
pool_give(struct pool *pool, struct range *range)
{
    settle_all(pool, range);
    pool->given++;
    drop_forgotten(pool);
    count_last_page(pool, range);
    if (!worth_keeping(pool, range) || !cool_down(pool, range)) {
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

/* A short range with room for a long one behind it, and for others that come before that is taken: the
 * system gives them the last addresses of a gap. */
static int
reserve_with_room(const struct pool *pool, struct range *range)
{
    void *base = NULL;
    size_t size = growth_round_up(POOL_WARM, pool->info.granularity);
    size_t wanted = preferred_size(pool);
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

void
pool_prepare_first(struct pool *pool)
{
    struct range range;
    if (!pool->info.can_populate || !pool_keeps_any(pool) || pool_is_frugal(pool) ||
        pool->first.base != NULL || reserve_with_room(pool, &range) != 0)
        return;
    warm_up(pool, &range);
    pool->first = range;
    if (range.dirty == 0)
        drop_first(pool);
}
