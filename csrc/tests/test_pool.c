/* test_pool.c - where ranges come from, where idle ones wait, and what an environment tells of it.
 *
 * What a reader would get wrong: the limits here are set in the pool's own copy of what the system
 * said (see fixture.h); the last tests set real ones, in a child.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "child.h"
#include "fixture.h"
#include "growth.h"

static struct fixture fixture;

static struct pool *open_pool(size_t reservation, size_t budget)
{
    fixture_open_with(&fixture, reservation, budget);
    /* Systems that pay for each committed page keep less; those tests ask for it themselves. */
    fixture.env.pool->info.overcommit = VMEM_OVERCOMMIT_HEURISTIC;
    /* And where huge pages are given unasked, a range need not say that it has some. */
    if (fixture.env.pool->info.thp == VMEM_THP_ALWAYS)
        fixture.env.pool->info.thp = VMEM_THP_ADVISED;
    return fixture.env.pool;
}

static void close_pool(void)
{
    fixture_close(&fixture);
}

static struct range take(struct pool *pool, size_t least)
{
    struct range range;
    CHECK(pool_take(pool, least, &range) == 0);
    CHECK(range.base != NULL && range.size >= least);
    CHECK(range.size % pool->info.page_size == 0);
    return range;
}

/* As its owner would: commits [0, size) and writes all of it. */
static void use(struct range *range, size_t size)
{
    if (size > range->committed) {
        CHECK(vmem_commit(range->base + range->committed, size - range->committed) == 0);
        range->committed = size;
    }
    memset(range->base, 0x77, size);
    range->dirty = range->dirty > size ? range->dirty : size;
}

/* ---- taking ------------------------------------------------------------------------------ */

static void takes_the_default_size(void)
{
    struct pool *pool = open_pool(64 * MIB, MIB);
    struct range range = take(pool, 1);
    CHECK(range.size == 64 * MIB && range.committed == 0 && range.dirty == 0);
    CHECK(!range.lazy && !range.huge);
    CHECK(pool->live == 1 && pool->live_bytes == 64 * MIB && pool->idle_count == 0);
    pool_discard(pool, &range);
    CHECK(range.base == NULL && pool->live == 0 && pool->live_bytes == 0);
    close_pool();
}

static void takes_twice_what_is_larger(void)
{
    struct pool *pool = open_pool(MIB, MIB);
    struct range range = take(pool, 3 * MIB);
    CHECK(range.size == 6 * MIB);
    pool_discard(pool, &range);
    close_pool();
}

static void large_ranges_suit_huge_pages(void)
{
    struct pool *pool = open_pool(256 * MIB, MIB);
    struct range range = take(pool, 1);
    size_t huge = pool->info.can_advise_huge ? pool->info.huge_page_size : 1;
    CHECK(16 * huge > 256 * MIB || ((uintptr_t)range.base + range.lead) % huge == 0);
    CHECK(16 * huge > 256 * MIB || huge == 1 || range.lead == pool->info.page_size);
    pool_discard(pool, &range);
    close_pool();
}

static void odd_default_sizes_are_rounded(void)
{
    struct pool *pool = open_pool(100001, MIB);
    struct range range = take(pool, 5);
    CHECK(range.size == growth_round_up(100001, pool->info.granularity));
    pool_discard(pool, &range);
    close_pool();
}

/* ---- the idle list ----------------------------------------------------------------------- */

static void what_was_given_is_taken_again(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    char *base = range.base;
    use(&range, MIB);
    pool_give(pool, &range);
    CHECK(range.base == NULL && pool->idle_count == 1 && pool->idle_bytes == MIB);
    CHECK(pool->live == 1);
    range = take(pool, 1);
    CHECK(range.base == base && range.committed == MIB && range.dirty == MIB);
    CHECK(pool->idle_count == 0 && pool->idle_bytes == 0 && pool->live == 1);
    pool_discard(pool, &range);
    close_pool();
}

static void the_last_given_is_taken_first(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range first = take(pool, 1);
    struct range second = take(pool, 1);
    char *last = second.base;
    pool_give(pool, &first);
    pool_give(pool, &second);
    first = take(pool, 1);
    CHECK(first.base == last);
    pool_discard(pool, &first);
    close_pool();
}

/* Only where nothing is left to do: it is large enough, committed, and nothing of it was offered. */
static void a_warm_range_is_taken_as_it_is(void)
{
    struct pool *pool = open_pool(8 * MIB, 16 * MIB);
    CHECK(pool_take_warm(pool, 1) == NULL);
    struct range range = take(pool, 1);
    const char *base = range.base;
    use(&range, 64 * KIB);
    pool_give(pool, &range);
    CHECK(pool_take_warm(pool, 64 * KIB + 1) == NULL);
    pool->reservation = 16 * MIB;
    CHECK(pool_take_warm(pool, 1) == NULL);
    pool->reservation = 8 * MIB;
    pool->idle[0].range.dirty = MIB; /* as if it had been discarded from the committed end on */
    CHECK(pool_take_warm(pool, 1) == NULL);
    pool->idle[0].range.dirty = 64 * KIB;
    CHECK(pool->idle_count == 1 && pool->idle_bytes == 64 * KIB);
    range = *pool_take_warm(pool, 64 * KIB);
    CHECK(range.base == base && range.committed == 64 * KIB && range.dirty == 64 * KIB);
    CHECK(pool->idle_count == 0 && pool->idle_bytes == 0);
    pool_discard(pool, &range);
    close_pool();
}

static void an_idle_range_that_is_too_small_waits(void)
{
    struct pool *pool = open_pool(MIB, 16 * MIB);
    struct range large = take(pool, 8 * MIB);
    struct range small = take(pool, 1);
    char *base = large.base;
    use(&large, 100 * KIB);
    use(&small, 4 * KIB * 16);
    pool_give(pool, &large);
    pool_give(pool, &small);
    large = take(pool, 4 * MIB);
    CHECK(large.base == base && pool->idle_count == 1 && pool->idle_bytes == 64 * KIB);
    small = take(pool, 1);
    CHECK(small.committed == 64 * KIB && pool->idle_count == 0 && pool->idle_bytes == 0);
    pool_discard(pool, &large);
    pool_discard(pool, &small);
    close_pool();
}

static void ranges_below_the_default_are_not_kept(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    pool->reservation = 128 * MIB;
    pool_give(pool, &range);
    CHECK(pool->idle_count == 0 && pool->live == 0);
    close_pool();
}

/* They are from a time when addresses were short. */
static void lesser_idle_ranges_go(void)
{
    struct pool *pool = open_pool(1024 * MIB, 16 * MIB);
    const size_t others = (size_t)25 << 40;
    pool->live_bytes += others;
    struct range range = take(pool, 1);
    CHECK(range.size == 64 * MIB);
    pool_give(pool, &range);
    CHECK(pool->idle_count == 1);
    pool->live_bytes -= others;
    range = take(pool, 1);
    CHECK(range.size == 1024 * MIB && pool->idle_count == 0 && pool->live == 1);
    pool_discard(pool, &range);
    close_pool();
}

/* There they would be kept from everybody else. */
static void under_a_limit_of_addresses_nothing_is_kept(void)
{
    struct pool *pool = open_pool(1024 * MIB, 16 * MIB);
    pool->info.address_limit = 1024 * MIB;
    struct range range = take(pool, 1);
    pool_give(pool, &range);
    CHECK(pool->idle_count == 0 && pool->live == 0);
    close_pool();
}

/* Each that is released later may split a mapping. */
static void lazy_ranges_are_limited(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range, refused;
    pool->info.max_mappings = 0;
    pool->most_lazy = 1;
    if (!pool->info.can_reserve_lazy || pool_take(pool, 1, &range) != 0) {
        close_pool();
        return;
    }
    CHECK(range.lazy && pool_take(pool, 1, &refused) == POOL_REFUSED);
    pool_discard(pool, &range);
    CHECK(pool->live_lazy == 0 && pool_take(pool, 1, &range) == 0 && range.lazy);
    pool_discard(pool, &range);
    close_pool();
}

static void without_a_budget_nothing_is_kept(void)
{
    struct pool *pool = open_pool(64 * MIB, 0);
    struct range range = take(pool, 1);
    pool_give(pool, &range);
    CHECK(pool->idle_count == 0 && pool->live == 0);
    close_pool();
}

static void only_so_many_are_kept(void)
{
    struct range ranges[POOL_SLOTS + 3];
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    for (size_t i = 0; i < POOL_SLOTS + 3; i++) {
        ranges[i] = take(pool, 1);
    }
    for (size_t i = 0; i < POOL_SLOTS + 3; i++) {
        pool_give(pool, &ranges[i]);
    }
    CHECK(pool->idle_count == POOL_SLOTS && pool->live == POOL_SLOTS);
    CHECK(pool->live_bytes == POOL_SLOTS * 64 * MIB);
    close_pool();
}

static void warm_memory_keeps_to_the_budget(void)
{
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    struct range range = take(pool, 1);
    use(&range, 16 * MIB);
    pool_give(pool, &range);
    CHECK(pool->idle_bytes == 4 * MIB && pool->idle[0].range.committed == 4 * MIB);
    CHECK(pool->idle[0].range.dirty == 4 * MIB);
    close_pool();
}

/* Past the budget each range keeps 64 KiB and no more, huge pages or not. */
static void a_spent_budget_leaves_little(void)
{
    struct range ranges[8];
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    for (size_t i = 0; i < 8; i++) {
        ranges[i] = take(pool, 1);
        ranges[i].huge = i % 2 == 0;
        use(&ranges[i], 4 * MIB);
    }
    for (size_t i = 0; i < 8; i++) {
        pool_give(pool, &ranges[i]);
    }
    CHECK(pool->idle_count == 8 && pool->idle_bytes == 4 * MIB + 7 * 64 * KIB);
    close_pool();
}

/* Decommitted pages lose their advice, so the next owner must give it again. */
static void a_cooled_range_is_not_huge(void)
{
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    struct range range = take(pool, 1);
    range.huge = true;
    use(&range, 8 * MIB);
    pool_give(pool, &range);
    CHECK(pool->idle[0].range.committed == 4 * MIB + pool->idle[0].range.lead);
    CHECK(!pool->idle[0].range.huge);
    close_pool();
}

static void a_range_within_the_budget_stays_huge(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    range.huge = true;
    use(&range, 8 * MIB);
    pool_give(pool, &range);
    CHECK(pool->idle[0].range.committed == 8 * MIB && pool->idle[0].range.huge);
    close_pool();
}

/* A pool that may keep 64 MiB in all, and a range of which 12 MiB stand in huge pages. */
static struct pool *open_discarding(struct range *range)
{
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    pool->limit = 64 * MIB;
    *range = take(pool, 1);
    range->huge = true;
    use(range, 12 * MIB);
    return pool;
}

static void huge_pages_past_the_budget_are_discarded(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    char *base = range.base;
    pool_give(pool, &range);
    if (pool->info.can_discard) {
        range = pool->idle[0].range;
        size_t warm = 4 * MIB + range.lead;
        CHECK(pool->idle_bytes == warm && pool->idle_discarded == 12 * MIB - warm);
        range = take(pool, 1);
        CHECK(range.base == base && range.committed == warm && range.dirty == 12 * MIB);
        CHECK(range.huge && pool->idle_discarded == 0);
        for (size_t i = 0; i < range.dirty; i += KIB) {
            CHECK(base[i] == 0x77 || (i >= warm && base[i] == 0));
        }
        pool_discard(pool, &range);
    }
    close_pool();
}

/* The next owner commits what it needs, finds it there, and sees none of it. */
static void discarded_pages_serve_the_next_owner(void)
{
    struct range range;
    struct owner o;
    struct pool *pool = open_discarding(&range);
    pool_give(pool, &range);
    owner_init(&o, &fixture);
    CHECK(buffer_extend_zero(&o.b, 6 * MIB, true) == 0 && holds_zeros(o.b.start, 6 * MIB));
    CHECK(buffer_check(&o.b) && o.b.rest->storage.committed < 12 * MIB);
    CHECK(append_pattern(&o.b, 5 * MIB, true) == 0 && holds_zeros(o.b.start, 6 * MIB));
    CHECK(buffer_extend_zero(&o.b, 2 * MIB, true) == 0);
    CHECK(holds_zeros(o.b.start + 11 * MIB, 2 * MIB) && buffer_check(&o.b));
    buffer_truncate(&o.b, MIB);
    CHECK(buffer_check(&o.b));
    buffer_free(&o.b);
    close_pool();
}

static void discarded_pages_go_with_what_is_shrunk(void)
{
    struct range range;
    struct owner o;
    struct pool *pool = open_discarding(&range);
    pool_give(pool, &range);
    owner_init(&o, &fixture);
    CHECK(buffer_extend_zero(&o.b, MIB, true) == 0 && buffer_fit(&o.b, true) == 0);
    CHECK(o.b.rest->storage.dirty <= o.b.rest->storage.committed && buffer_check(&o.b));
    buffer_free(&o.b);
    CHECK(pool->idle_discarded == 0);
    close_pool();
}

static void small_pages_are_not_discarded(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    range.huge = false;
    pool_give(pool, &range);
    CHECK(pool->idle_discarded == 0 && pool->idle[0].range.committed == 4 * MIB);
    close_pool();
}

static void past_the_limit_nothing_is_discarded(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    pool->limit = 6 * MIB - range.lead - 1;
    pool_give(pool, &range);
    CHECK(pool->idle_discarded == 0);
    CHECK(pool->idle[0].range.committed == 4 * MIB + pool->idle[0].range.lead);
    close_pool();
}

/* A buffer larger than the limit leaves as much as may be kept, not nothing. */
static void the_rest_past_the_limit_is_given_back(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    size_t end = 8 * MIB + range.lead, size = range_end(&range);
    pool->limit = 9 * MIB;
    pool_give(pool, &range);
    if (pool->info.can_discard) {
        CHECK(pool->idle_bytes + pool->idle_discarded == end && pool->idle[0].range.huge);
        range = take(pool, 1);
        CHECK(range.dirty == end && vmem_commit(range.base, size) == 0);
        CHECK(holds_zeros(range.base + end, size - end));
        pool_discard(pool, &range);
    }
    close_pool();
}

/* Neither may an owner that comes and goes without a use of what was offered expose it. */
static void what_was_offered_before_is_given_back(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    size_t size = range_end(&range);
    pool_give(pool, &range);
    if (pool->info.can_discard) {
        range = take(pool, 12 * MIB);
        CHECK(range.dirty > range.committed);
        pool->limit = 9 * MIB;
        pool_give(pool, &range);
        range = take(pool, 1);
        size_t end = range.dirty;
        CHECK(end == 8 * MIB + range.lead && vmem_commit(range.base, size) == 0);
        CHECK(holds_zeros(range.base + end, size - end));
        pool_discard(pool, &range);
    }
    close_pool();
}

/* The page before the huge ones comes on top, as it does of the budget. */
static void what_just_fits_the_limit_is_discarded(void)
{
    struct range range;
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    pool->limit = 12 * MIB;
    range = take(pool, 1);
    range.huge = true;
    use(&range, 12 * MIB + range.lead);
    pool_give(pool, &range);
    CHECK(!pool->info.can_discard || pool->idle_discarded == 8 * MIB);
    close_pool();
}

#ifdef __linux__
/* What was committed and not used goes, and the next owner's huge pages must not go with it. */
static void unused_pages_keep_their_advice(void)
{
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    pool->limit = 64 * MIB;
    struct range range = take(pool, 1);
    if (!pool->info.can_advise_huge || !pool->info.can_discard) {
        pool_give(pool, &range);
        close_pool();
        SKIP("no huge pages on this system");
    }
    CHECK(vmem_advise_huge(range.base, range.size, true) == 0);
    range.huge = true;
    use(&range, 12 * MIB);
    size_t committed = 32 * MIB + range.lead;
    CHECK(vmem_commit(range.base + range.committed, committed - range.committed) == 0);
    range.committed = committed;
    pool_give(pool, &range);
    range = take(pool, 1);
    CHECK(range.huge && range.dirty < 16 * MIB && has_flag(range.base + 24 * MIB, " hg"));
    pool_discard(pool, &range);
    close_pool();
}
#endif

/* Of the last huge page one byte was written, and all of it is resident. */
static void whole_huge_pages_are_counted(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    range.huge = true;
    use(&range, 8 * MIB + range.lead);
    range.dirty = 6 * MIB + range.lead + 1;
    size_t committed = range.committed;
    pool_give(pool, &range);
    CHECK(pool->idle_bytes == committed);
    close_pool();
}

/* Nobody has to ask for them there. */
static void huge_pages_that_all_get_are_discarded_too(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    range.huge = false;
    pool->info.thp = VMEM_THP_ALWAYS;
    bool can = pool->info.can_discard && pool->info.can_advise_huge;
    pool_give(pool, &range);
    CHECK((pool->idle_discarded > 0) == can);
    close_pool();
}

static void a_limit_that_is_seen_clears_what_waits(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range a = take(pool, 1), b;
    pool_give(pool, &a);
    pool->info.address_limit = (size_t)8 << 30;
    CHECK(pool_take(pool, 128 * MIB, &b) == 0 && pool->idle_count == 0);
    pool_discard(pool, &b);
    close_pool();
}

static void a_frugal_pool_discards_nothing(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    pool->info.overcommit = VMEM_OVERCOMMIT_NEVER;
    pool_give(pool, &range);
    CHECK(pool->idle_discarded == 0 && pool->idle_bytes == 64 * KIB);
    close_pool();
}

/* Who is to grow takes the memory, who is not leaves it. */
static void memory_goes_to_those_that_grow(void)
{
    struct range large, small;
    struct pool *pool = open_discarding(&large);
    char *base = large.base;
    small = take(pool, 1);
    use(&small, 4 * KIB);
    pool_give(pool, &small);
    pool_give(pool, &large);
    bool kept = pool->idle_discarded > 0;
    small = take(pool, 1);
    CHECK(!kept || small.base != base);
    large = take(pool, MIB);
    CHECK(!kept || large.base == base);
    pool_discard(pool, &small);
    pool_discard(pool, &large);
    close_pool();
}

static void what_waits_long_is_released(void)
{
    struct range forgotten, busy;
    struct pool *pool = open_discarding(&forgotten);
    busy = take(pool, 1);
    pool_give(pool, &forgotten);
    pool_give(pool, &busy);
    for (int i = 0; i < POOL_PATIENCE; i++) {
        CHECK(pool->idle_count == 2);
        busy = take(pool, 1);
        CHECK(busy.dirty == 0);
        pool_give(pool, &busy);
    }
    CHECK(pool->idle_count == 1 && pool->idle[0].range.dirty == 0 && pool->idle_discarded == 0);
    close_pool();
}

static void trimming_tells_what_it_released(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    pool_give(pool, &range);
    size_t memory = pool->idle_bytes + pool->idle_discarded;
    CHECK(memory >= 4 * MIB && env_trim(&fixture.env) == memory);
    CHECK(pool->idle_count == 0 && pool->live == 0 && env_trim(&fixture.env) == 0);
    close_pool();
}

static void cooled_pages_come_back_zero(void)
{
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    struct range range = take(pool, 1);
    use(&range, 8 * MIB);
    pool_give(pool, &range);
    range = take(pool, 1);
    CHECK(vmem_commit(range.base + range.committed, MIB) == 0);
    CHECK(holds_zeros(range.base + range.dirty, range.committed + MIB - range.dirty));
    pool_discard(pool, &range);
    close_pool();
}

/* Where committed memory is counted, an idle range must not hold what the program may need. */
static void a_frugal_pool_keeps_little(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    pool->info.data_limit = 1024 * MIB;
    CHECK(pool_is_frugal(pool));
    use(&range, 8 * MIB);
    pool_give(pool, &range);
    CHECK(pool->idle[0].range.committed == 64 * KIB && pool->idle_bytes == 64 * KIB);
    pool->info.data_limit = VMEM_NO_LIMIT;
    pool->info.overcommit = VMEM_OVERCOMMIT_NEVER;
    CHECK(pool_is_frugal(pool));
    pool->info.overcommit = VMEM_OVERCOMMIT_HEURISTIC;
    CHECK(!pool_is_frugal(pool));
    close_pool();
}

/* ---- loans ------------------------------------------------------------------------------- */

/* A range waits of which `size` bytes are warm, if the budget allows that. */
static void leave_warm(struct pool *pool, size_t size)
{
    struct range range = take(pool, size);
    use(&range, size);
    pool_give(pool, &range);
}

/* A buffer of ten bytes with all that the pool may lend it. */
static void lend_to(struct owner *o, struct pool *pool, size_t size)
{
    leave_warm(pool, size);
    owner_init(o, &fixture);
    CHECK(append_pattern(&o->b, 10, true) == 0);
    buffer_promote(&o->b, false);
    CHECK(o->b.tier == BUFFER_RESERVED && o->b.rest->storage.committed == size);
    CHECK(pool->loans.warm == size - 64 * KIB && buffer_check(&o->b));
}

static void what_is_asked_for_is_no_loan(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    leave_warm(pool, 4 * MIB);
    struct range range = take(pool, 3 * MIB);
    CHECK(range.committed == 4 * MIB && range.loan.warm == MIB && pool->loans.warm == MIB);
    pool_discard(pool, &range);
    CHECK(pool->loans.warm == 0);
    leave_warm(pool, 64 * KIB);
    range = take(pool, 1);
    CHECK(range.committed == 64 * KIB && pool->loans.warm == 0);
    pool_discard(pool, &range);
    close_pool();
}

/* A capacity may never be used. */
static void a_capacity_is_not_asked_for(void)
{
    struct range range;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    leave_warm(pool, 4 * MIB);
    CHECK(pool_take_exact(pool, 32 * MIB, &range) == 0);
    CHECK(range.committed == 4 * MIB && pool->loans.warm == 4 * MIB - 64 * KIB);
    pool_discard(pool, &range);
    close_pool();
}

/* One that is kept for good after each large one. */
static void loans_keep_to_twice_the_budget(void)
{
    enum { COUNT = 12 };
    struct range ranges[COUNT];
    size_t warm = 0;
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    for (size_t i = 0; i < COUNT; i++) {
        leave_warm(pool, 3 * MIB);
        ranges[i] = take(pool, 1);
        warm += ranges[i].committed;
        CHECK(pool->loans.warm <= 2 * pool->budget);
        CHECK(ranges[i].dirty <= ranges[i].committed && (i > 0 || ranges[i].committed == 3 * MIB));
    }
    CHECK(warm <= 2 * pool->budget + COUNT * 64 * KIB);
    for (size_t i = 0; i < COUNT; i++) {
        pool_discard(pool, &ranges[i]);
    }
    close_pool();
}

/* Buffers that come and go find their pages, though one has all that could be lent. */
static void one_that_is_kept_leaves_enough_to_the_others(void)
{
    struct pool *pool = open_pool(64 * MIB, 8 * MIB);
    leave_warm(pool, 8 * MIB);
    struct range range, kept = take(pool, 1);
    CHECK(kept.loan.warm == 8 * MIB - 64 * KIB);
    for (int i = 0; i < 5; i++) {
        leave_warm(pool, 4 * MIB);
        range = take(pool, 1);
        CHECK(range.committed == 4 * MIB && range.dirty == 4 * MIB);
        pool_give(pool, &range);
    }
    pool_discard(pool, &kept);
    close_pool();
}

static void a_range_past_the_budget_is_not_taken_warm(void)
{
    struct pool *pool = open_pool(64 * MIB, 4 * MIB);
    leave_warm(pool, 3 * MIB);
    struct range first = *pool_take_warm(pool, 1);
    CHECK(first.loan.warm == 3 * MIB - 64 * KIB);
    leave_warm(pool, 3 * MIB);
    CHECK(pool_take_warm(pool, 1) == NULL && pool->idle_count == 1);
    size_t lent = growth_round_down((2 * pool->budget - first.loan.warm) / 2, 64 * KIB);
    struct range second = take(pool, 100 * KIB);
    CHECK(second.committed == growth_round_up(100 * KIB, pool->info.page_size) + lent);
    CHECK(second.loan.warm == lent && pool->loans.warm == first.loan.warm + lent);
    CHECK(vmem_commit(second.base + second.committed, MIB) == 0);
    CHECK(holds_zeros(second.base + second.committed, MIB));
    pool_give(pool, &second);
    CHECK(pool->loans.warm == first.loan.warm);
    struct range third = take(pool, 1);
    CHECK(third.committed == 64 * KIB + lent && third.loan.warm == lent);
    pool_give(pool, &first);
    CHECK(pool->loans.warm == lent);
    pool_discard(pool, &third);
    close_pool();
}

/* Whoever fills one buffer after the other finds every page that the last one left. */
static void one_at_a_time_is_never_cooled(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    for (int i = 0; i < 20; i++) {
        pool_give(pool, &range);
        size_t left = pool->idle_bytes + pool->idle_discarded;
        CHECK(left == (pool->info.can_discard ? 12 * MIB : 4 * MIB));
        range = take(pool, i % 2 == 0 ? 5 * KIB : 3 * MIB);
        CHECK((range.dirty > range.committed ? range.dirty : range.committed) == left);
        CHECK(pool->loans.warm <= pool->budget);
        range.huge = true;
        use(&range, 12 * MIB);
        pool_settle(pool, &range);
        CHECK(pool->loans.warm == 0 && pool->loans.discarded == 0);
    }
    pool_discard(pool, &range);
    close_pool();
}

/* They count as resident until the system is short of memory. */
static void discarded_loans_keep_to_twice_the_limit(void)
{
    struct range first, second, third;
    struct pool *pool = open_discarding(&first);
    pool_give(pool, &first);
    if (!pool->info.can_discard) {
        close_pool();
        return;
    }
    first = take(pool, 6 * MIB);
    CHECK(first.loan.warm == 0 && first.loan.discarded == 6 * MIB);
    use(&first, 5 * MIB); /* of what it asked for */
    pool_settle(pool, &first);
    CHECK(first.loan.discarded == 6 * MIB && pool->loans.discarded == 6 * MIB);
    second = take(pool, 1);
    second.huge = true;
    use(&second, 12 * MIB);
    pool_give(pool, &second);
    pool->limit = 9 * MIB;
    second = take(pool, 6 * MIB);
    CHECK(second.loan.discarded == 6 * MIB && pool->loans.discarded == 12 * MIB);
    third = take(pool, 1);
    third.huge = true;
    use(&third, 12 * MIB);
    pool->limit = 12 * MIB;
    pool_give(pool, &third);
    pool->limit = 9 * MIB;
    third = take(pool, 6 * MIB);
    CHECK(third.committed == 6 * MIB && third.dirty == 6 * MIB && third.loan.discarded == 0);
    use(&second, 8 * MIB);
    pool_settle(pool, &second);
    CHECK(second.loan.discarded == 4 * MIB && pool->loans.discarded == 10 * MIB);
    pool_discard(pool, &first);
    pool_discard(pool, &second);
    pool_discard(pool, &third);
    close_pool();
}

static void a_commit_settles_the_loan(void)
{
    struct owner o;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    lend_to(&o, pool, 2 * MIB);
    CHECK(append_pattern(&o.b, 2 * MIB, false) == 0 && pool->loans.warm == 0);
    buffer_free(&o.b);
    close_pool();
}

static void a_shorter_tail_settles_the_loan(void)
{
    struct owner o;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    lend_to(&o, pool, 2 * MIB);
    CHECK(buffer_fit(&o.b, false) == 0 && pool->loans.warm == 0 && holds_pattern(&o.b, 0, 10));
    buffer_free(&o.b);
    close_pool();
}

static void the_end_of_the_buffer_settles_the_loan(void)
{
    struct owner o;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    lend_to(&o, pool, 2 * MIB);
    buffer_free(&o.b);
    CHECK(pool->loans.warm == 0 && pool->idle_count == 1);
    lend_to(&o, pool, 2 * MIB);
    pool->budget = 0; /* it is not kept */
    buffer_free(&o.b);
    CHECK(pool->loans.warm == 0 && pool->idle_count == 0);
    close_pool();
}

/* Over a gap whose pages were given back, so that there is a hole after the contents. */
static void a_slide_settles_the_loan(void)
{
    struct owner o;
    struct pool *pool = open_pool(8 * MIB, 16 * MIB);
    lend_to(&o, pool, 7 * MIB);
    CHECK(append_pattern(&o.b, 6 * MIB, true) == 0 && pool->loans.warm == 7 * MIB - 64 * KIB);
    buffer_drop_front(&o.b, 3 * MIB);
    CHECK(o.b.rest->given_back > 0 && pool->loans.warm > 0 && buffer_check(&o.b));
    buffer_drop_front(&o.b, 2 * MIB + 900 * KIB);
    CHECK(o.b.rest->given_back == 0 && pool->loans.warm == 0 && buffer_check(&o.b));
    buffer_free(&o.b);
    close_pool();
}

static void an_outgrown_range_settles_the_loan(void)
{
    struct owner o;
    struct pool *pool = open_pool(8 * MIB, 16 * MIB);
    lend_to(&o, pool, 8 * MIB);
    CHECK(append_pattern(&o.b, 8 * MIB, true) == 0 && pool->loans.warm == 0);
    buffer_free(&o.b);
    close_pool();
}

/* What was lent under a larger budget stays a loan, and nothing more is lent until it is settled. */
static void loans_outlive_a_new_budget(void)
{
    struct owner o;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct env_settings settings = {.reservation = 64 * MIB, .budget = MIB, .limit = MIB};
    lend_to(&o, pool, 8 * MIB);
    pool_configure(pool, &settings);
    CHECK(pool->loans.warm == 8 * MIB - 64 * KIB);
    leave_warm(pool, MIB);
    struct range range = take(pool, 1);
    CHECK(range.committed == 64 * KIB && range.loan.warm == 0);
    buffer_free(&o.b);
    CHECK(pool->loans.warm == 0);
    pool_discard(pool, &range);
    close_pool();
}

/* ---- clearing ---------------------------------------------------------------------------- */

static void clearing_releases_idle_ranges_only(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range kept = take(pool, 1);
    struct range given = take(pool, 1);
    pool_give(pool, &given);
    pool_clear(pool);
    CHECK(pool->live == 1 && pool->idle_count == 0);
    use(&kept, 64 * KIB);
    pool_give(pool, &kept);
    CHECK(pool->idle_count == 1);
    close_pool();
}

static void relief_is_what_was_idle(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    CHECK(!pool_relieve(pool));
    pool_give(pool, &range);
    CHECK(pool_relieve(pool) && pool->live == 0);
    close_pool();
}

static void cheap_once_it_would_have_paid(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->refused = 0;
    for (size_t refused = 0; refused < POOL_WORTH; refused += POOL_WORTH / 4) {
        CHECK(!pool_is_cheap(pool, POOL_WORTH / 4));
    }
    CHECK(pool_is_cheap(pool, 1) && pool_is_cheap(pool, 1));
    close_pool();
}

static void cheap_at_once_where_one_waits(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->refused = 0;
    struct range range = take(pool, 1);
    pool_give(pool, &range);
    CHECK(pool_is_cheap(pool, 1) && pool->refused == 0);
    close_pool();
}

static void cheap_while_few_or_idle(void)
{
    struct range ranges[POOL_SLOTS];
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    for (size_t i = 0; i < POOL_SLOTS; i++) {
        CHECK(pool_is_cheap(pool, 1));
        ranges[i] = take(pool, 1);
    }
    CHECK(!pool_is_cheap(pool, 1));
    pool_give(pool, &ranges[0]);
    CHECK(pool_is_cheap(pool, 1));
    for (size_t i = 1; i < POOL_SLOTS; i++) {
        pool_give(pool, &ranges[i]);
    }
    close_pool();
}

/* ---- limits ------------------------------------------------------------------------------ */

static void where_data_is_short_there_are_few_ranges(void)
{
    struct range refused = {0};
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->info.data_limit = 8 * pool->info.page_size;
    struct range first = take(pool, 1);
    struct range second = take(pool, 1);
    CHECK(pool_take(pool, 1, &refused) == POOL_REFUSED && refused.base == NULL);
    pool_discard(pool, &first);
    pool_discard(pool, &second);
    close_pool();
}

static void a_limit_of_addresses_shrinks_ranges(void)
{
    struct pool *pool = open_pool(1024 * MIB, 16 * MIB);
    pool->info.address_limit = 1024 * MIB;
    struct range first = take(pool, 1);
    struct range second = take(pool, 1);
    CHECK(first.size == 32 * MIB && second.size == 16 * MIB);
    pool_discard(pool, &first);
    pool_discard(pool, &second);
    close_pool();
}

static void a_sixteenth_of_the_addresses_is_ours(void)
{
    struct range ranges[64];
    struct range refused = {0};
    size_t count = 0;
    struct pool *pool = open_pool(1024 * MIB, 16 * MIB);
    pool->info.address_limit = 1024 * MIB;
    while (count < 64 && pool_take(pool, 16 * MIB, &ranges[count]) == 0) {
        count++;
    }
    CHECK(count >= 2 && count <= 4 && pool->live_bytes <= 64 * MIB);
    CHECK(pool_take(pool, 16 * MIB, &refused) == POOL_REFUSED && refused.base == NULL);
    CHECK(pool_take(pool, 512 * MIB, &refused) == POOL_REFUSED);
    while (count > 0) {
        pool_discard(pool, &ranges[--count]);
    }
    close_pool();
}

/* The ladder from the default size down is climbed once, not at every reservation. */
static void refused_sizes_are_not_asked_for_again(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->attainable = 2 * MIB;
    struct range first = take(pool, 1);
    CHECK(first.size == 2 * MIB && pool->attainable == 4 * MIB);
    struct range second = take(pool, 8 * MIB);
    CHECK(second.size >= 8 * MIB && pool->attainable == 8 * MIB);
    pool_discard(pool, &first);
    pool_discard(pool, &second);
    close_pool();
}

/* One buffer of a huge capacity must not leave the others without room. */
static void exact_ranges_are_not_counted(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range;
    CHECK(pool_take_exact(pool, 512 * MIB, &range) == 0);
    CHECK(range.exact && pool->live_bytes == 0 && pool->exact_bytes >= 512 * MIB);
    pool_give(pool, &range);
    CHECK(pool->live == 0 && pool->exact_bytes == 0 && pool->idle_count == 0);
    close_pool();
}

static void many_live_buffers_keep_little_slack(void)
{
    struct pool *pool = open_pool(64 * MIB, 64 * MIB);
    CHECK(pool_slack(pool) == 4 * MIB);
    pool->live += 1000;
    CHECK(pool_slack(pool) < 64 * KIB && pool_slack(pool) >= 4 * pool->info.page_size);
    pool->live += 1000000;
    CHECK(pool_slack(pool) == 4 * pool->info.page_size);
    pool->live -= 1001000;
    pool->info.data_limit = 32 * MIB;
    CHECK(pool_slack(pool) == MIB);
    close_pool();
}

static void impossible_sizes_are_refused(void)
{
    struct range range = {0};
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    CHECK(pool_take(pool, PTRDIFF_MAX, &range) == POOL_REFUSED);
    CHECK(pool_take(pool, SIZE_MAX - 5, &range) == POOL_REFUSED);
    CHECK(pool_take_exact(pool, PTRDIFF_MAX, &range) > 0);
    CHECK(range.base == NULL && pool->live == 0 && pool->live_bytes == 0);
    close_pool();
}

#if SIZE_MAX > 0xffffffffu
/* Far more than an x86-64 process can have in one piece: halved until the system agrees. */
static void refused_reservations_are_halved(void)
{
#ifdef _WIN32
    SKIP("Wine, where this is tried, takes a byte of memory for each page of a reservation");
#endif
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    size_t wanted = (size_t)24 << 40;
    void *hogs[8];
    size_t count = 0;
    if (vmem_reserve(wanted, pool->info.granularity, &hogs[0]) != 0) {
        close_pool();
        SKIP("too few addresses here"); /* ThreadSanitizer takes most of them */
    }
    CHECK(vmem_release(hogs[0], wanted) == 0);
    while (count < 8 && vmem_reserve(wanted, pool->info.granularity, &hogs[count]) == 0) {
        count++;
    }
    struct range range = take(pool, wanted / 2);
    CHECK(range.size >= wanted / 2);
    pool_discard(pool, &range);
    while (count > 0) {
        CHECK(vmem_release(hogs[--count], wanted) == 0);
    }
    close_pool();
}

static void later_ranges_are_smaller(void)
{
    struct pool *pool = open_pool((size_t)64 << 30, 16 * MIB);
    size_t live_bytes = pool->live_bytes;
    pool->live_bytes = ((size_t)16 << 40) + 1;
    struct range range = take(pool, 1);
    CHECK(range.size == 1024 * MIB);
    pool_discard(pool, &range);
    pool->live_bytes = ((size_t)24 << 40) + 1;
    range = take(pool, 1);
    CHECK(range.size == 64 * MIB);
    pool_discard(pool, &range);
    pool->live_bytes = ((size_t)32 << 40) - 8 * MIB;
    range = take(pool, MIB);
    CHECK(range.size == MIB);
    pool_discard(pool, &range);
    pool->live_bytes = live_bytes;
    close_pool();
}
#endif

static void scarce_mappings_give_lazy_ranges(void)
{
    struct pool *pool = open_pool(1024 * MIB, 16 * MIB);
    if (!pool->info.can_reserve_lazy) {
        close_pool();
        SKIP("no lazy ranges on this system");
    }
    pool->info.max_mappings = 8;
    CHECK(pool_most_ranges(pool) == 1);
    struct range first = take(pool, 1);
    struct range lazy = take(pool, 1);
    CHECK(!first.lazy && lazy.lazy && lazy.size == 64 * MIB && lazy.committed == lazy.size);
    CHECK(lazy.dirty == 0);
    lazy.base[0] = lazy.base[lazy.size - 1] = 1;
    pool_give(pool, &lazy);
    CHECK(pool->idle_count == 0 && pool->live == 1);
    pool_give(pool, &first);
    close_pool();
}

static void small_defaults_make_small_lazy_ranges(void)
{
    struct pool *pool = open_pool(MIB, 16 * MIB);
    if (!pool->info.can_reserve_lazy) {
        close_pool();
        SKIP("no lazy ranges on this system");
    }
    pool->info.max_mappings = 0;
    struct range lazy = take(pool, 1);
    CHECK(lazy.lazy && lazy.size == MIB);
    pool_discard(pool, &lazy);
    lazy = take(pool, 100 * MIB);
    CHECK(lazy.lazy && lazy.size == 100 * MIB);
    pool_discard(pool, &lazy);
    close_pool();
}

static void lazy_ranges_are_refused_where_they_cost(void)
{
    struct range range = {0};
    struct pool *pool = open_pool(MIB, 16 * MIB);
    pool->info.max_mappings = 0;
    pool->info.overcommit = VMEM_OVERCOMMIT_NEVER;
    CHECK(pool_take(pool, 1, &range) == POOL_REFUSED);
    pool->info.overcommit = VMEM_OVERCOMMIT_HEURISTIC;
    pool->info.data_limit = 1024 * MIB;
    CHECK(pool_take(pool, 1, &range) == POOL_REFUSED);
    pool->info.data_limit = VMEM_NO_LIMIT;
    pool->info.can_reserve_lazy = false;
    CHECK(pool_take(pool, 1, &range) == POOL_REFUSED && range.base == NULL);
    close_pool();
}

/* ---- exact ------------------------------------------------------------------------------- */

static void exact_takes_a_default_range_where_one_will_do(void)
{
    struct range range;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    CHECK(pool_take_exact(pool, MIB, &range) == 0 && range.size == 64 * MIB);
    pool_discard(pool, &range);
    close_pool();
}

static void exact_is_no_larger_than_needed(void)
{
    struct range range;
    struct pool *pool = open_pool(MIB, 16 * MIB);
    CHECK(pool_take_exact(pool, 5 * MIB + 1, &range) == 0);
    CHECK(range.size == 5 * MIB + pool->info.granularity);
    pool_discard(pool, &range);
    close_pool();
}

static void exact_ignores_the_limits(void)
{
    struct range range;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->info.address_limit = 4 * MIB;
    CHECK(pool_take_exact(pool, 16 * MIB, &range) == 0 && range.size == 16 * MIB);
    pool->live_bytes += MIB;
    pool->info.address_limit = 16 * MIB;
    struct range second;
    CHECK(pool_take_exact(pool, MIB, &second) == 0 && second.size == MIB);
    pool->live_bytes -= MIB;
    pool_discard(pool, &second);
    pool_discard(pool, &range);
    close_pool();
}

/* ---- enlarging --------------------------------------------------------------------------- */

static void enlarging_keeps_pages_and_offset(void)
{
    struct pool *pool = open_pool(MIB, 16 * MIB);
    if (!pool->info.can_remap) {
        close_pool();
        SKIP("no remapping on this system");
    }
    struct range range = take(pool, 1);
    size_t page = pool->info.page_size;
    use(&range, 8 * page);
    range.base[3 * page] = 42;
    CHECK(pool_enlarge(pool, &range, 2 * page, 3 * MIB) == 0);
    CHECK(range.size == 6 * MIB && range.committed == 8 * page && range.dirty == 8 * page);
    CHECK(range.base[3 * page] == 42 && range.base[8 * page - 1] == 0x77);
    CHECK(pool->live == 1 && pool->live_bytes == 6 * MIB);
    CHECK(vmem_commit(range.base, 2 * page) == 0 && holds_zeros(range.base, 2 * page));
    pool_discard(pool, &range);
    close_pool();
}

/* Where huge pages begin far behind the base: a small range stands anywhere, and keeps its place. */
static void an_enlarged_range_keeps_to_the_budget(void)
{
    enum { COUNT = 8 };
    struct range ranges[COUNT];
    struct pool *pool = open_pool(MIB, 256 * KIB);
    if (!pool->info.can_remap) {
        close_pool();
        SKIP("no remapping on this system");
    }
    for (size_t i = 0; i < COUNT; i++) {
        ranges[i] = take(pool, 1);
        use(&ranges[i], 512 * KIB);
        CHECK(pool_enlarge(pool, &ranges[i], 0, 32 * MIB) == 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        pool_give(pool, &ranges[i]);
        CHECK(pool->idle_bytes <= pool->budget + pool->idle_count * 64 * KIB);
    }
    close_pool();
}

static void some_ranges_are_not_enlarged(void)
{
    struct pool *pool = open_pool(MIB, 16 * MIB);
    struct range range = take(pool, 1);
    struct range same = range;
    range.lazy = true;
    CHECK(pool_enlarge(pool, &range, 0, 3 * MIB) == POOL_REFUSED);
    range.lazy = false;
    bool can_remap = pool->info.can_remap;
    pool->info.can_remap = false;
    CHECK(pool_enlarge(pool, &range, 0, 3 * MIB) == POOL_REFUSED);
    pool->info.can_remap = can_remap;
    CHECK(pool_enlarge(pool, &range, 0, PTRDIFF_MAX) == POOL_REFUSED);
    CHECK(pool_enlarge(pool, &range, 0, SIZE_MAX / 2 + 1) == POOL_REFUSED);
    pool->info.address_limit = 8 * MIB;
    CHECK(pool_enlarge(pool, &range, 0, 3 * MIB) == POOL_REFUSED);
    CHECK(range.base == same.base && range.size == same.size && pool->live_bytes == MIB);
    pool_discard(pool, &range);
    close_pool();
}

/* ---- environments ------------------------------------------------------------------------ */

static void an_environment_opens_and_closes(void)
{
    struct fixture f;
    fixture_open(&f);
    CHECK(f.blocks == 1 && f.env.pool->reservation == 64 * MIB);
    fixture_close(&f);
    CHECK(f.env.pool == NULL);
    env_close(&f.env);
}

static const struct env_settings SETTINGS = {
    .reservation = 8 * MIB, .budget = MIB, .limit = 4 * MIB,
    .prefault = ENV_PREFAULT_BACKGROUND};

static void an_environment_needs_memory(void)
{
    struct fixture f;
    fixture_prepare(&f);
    f.fail_at = 1;
    f.fails = 1;
    CHECK(env_open(&f.env, &SETTINGS) == ENV_NO_MEMORY && f.env.pool == NULL && f.blocks == 0);
    env_close(&f.env);
}

static void configuring_drops_idle_ranges(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    pool_give(pool, &range);
    env_configure(&fixture.env, &SETTINGS);
    CHECK(pool->idle_count == 0 && pool->reservation == 8 * MIB && pool->budget == MIB &&
          pool->limit == 4 * MIB && pool->prefault == ENV_PREFAULT_BACKGROUND);
    range = take(pool, 1);
    CHECK(range.size == 8 * MIB);
    pool_give(pool, &range);
    close_pool();
}

/* So that the first buffer to grow need not wait for its reservation. */
static void low_latency_keeps_a_range_ready(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct env_settings settings = SETTINGS;
    settings.low_latency = true;
    env_configure(&fixture.env, &settings);
    CHECK(pool->low_latency && pool->idle_count == 1);
    struct range range = take(pool, 1);
    CHECK(range.size == 8 * MIB && range.committed >= 64 * KIB);
    CHECK(!pool->info.can_populate || range.dirty >= 64 * KIB);
    CHECK(holds_zeros(range.base, range.committed));
    pool_give(pool, &range);
    close_pool();
}

/* Whatever was in a range that waits, it is warm afterwards. */
static void a_range_that_waits_is_warmed_up(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    use(&range, 100);
    pool_give(pool, &range);
    pool_prepare(pool);
    if (pool_keeps_any(pool) && !pool_is_frugal(pool)) {
        CHECK(pool->idle_count == 1 && pool->idle[0].range.committed >= 64 * KIB);
        CHECK(!pool->info.can_populate || pool->idle_bytes >= 64 * KIB);
    }
    size_t waiting = pool->idle_bytes;
    pool_prepare(pool);
    CHECK(pool->idle_bytes == waiting);
    close_pool();
}

static void nothing_is_prepared_that_may_not_wait(void)
{
    struct pool *pool = open_pool(64 * MIB, 0);
    pool_prepare(pool);
    CHECK(pool->idle_count == 0 && pool->live == 0);
    close_pool();
}

/* False where none is made: nothing can be made warm, or nothing may wait. */
static bool open_prepared(struct pool **pool)
{
    *pool = open_pool(64 * MIB, 16 * MIB);
    env_prepare(&fixture.env);
    bool may_wait = (*pool)->info.address_limit == VMEM_NO_LIMIT && !pool_is_frugal(*pool);
    CHECK((*pool)->first.base == NULL || (may_wait && (*pool)->info.can_populate));
    return (*pool)->first.base != NULL;
}

static void an_import_holds_warm_pages_and_no_addresses(void)
{
    struct pool *pool;
    if (open_prepared(&pool)) {
        CHECK(pool->first.size == growth_round_up(POOL_WARM, pool->info.granularity));
        CHECK(pool->first.committed >= POOL_WARM && pool->first.dirty >= POOL_WARM);
        const char *base = pool->first.base;
        pool_prepare_first(pool);
        CHECK(pool->first.base == base); /* one is enough */
    }
    CHECK(pool->live == 0 && pool->live_bytes == 0 && pool->idle_count == 0);
    close_pool();
}

static void the_first_range_gets_its_addresses_where_it_is(void)
{
    struct pool *pool;
    if (open_prepared(&pool)) {
        const char *base = pool->first.base;
        pool->refused = 0;
        CHECK(pool_is_cheap(pool, 1) && pool->refused == 0);
        struct range range = take(pool, 1);
        CHECK(range.base == base && range.size == 64 * MIB && range.dirty >= POOL_WARM);
        CHECK(pool->live == 1 && pool->live_bytes == 64 * MIB && pool->first.base == NULL);
        use(&range, 8 * MIB);
        pool_give(pool, &range);
        CHECK(pool->idle_count == 1);
    }
    close_pool();
}

static void the_first_range_is_zeros_to_its_owner(void)
{
    struct pool *pool;
    struct owner o;
    (void)open_prepared(&pool);
    owner_init(&o, &fixture);
    CHECK(buffer_extend_zero(&o.b, 200 * KIB, true) == 0 && holds_zeros(o.b.start, 200 * KIB));
    CHECK(buffer_check(&o.b));
    buffer_free(&o.b);
    close_pool();
}

/* Somebody has the addresses behind it. */
static void the_first_range_may_have_to_be_another(void)
{
    struct pool *pool;
    if (open_prepared(&pool)) {
        size_t size = pool->first.size;
        CHECK(vmem_resize(pool->first.base, size, 2 * size) == 0); /* one that the pool does not know */
        char *behind = pool->first.base + size;
        struct range range = take(pool, 1);
        CHECK(range.size == 64 * MIB && range.committed == 0 && pool->first.base == NULL);
        pool_discard(pool, &range);
        CHECK(vmem_release(behind, size) == 0);
    }
    close_pool();
}

static void the_first_range_goes_where_none_may_wait(void)
{
    struct pool *pool;
    struct env_settings settings = SETTINGS;
    bool prepared = open_prepared(&pool);
    env_configure(&fixture.env, &settings);
    CHECK((pool->first.base != NULL) == prepared);
    settings.budget = 0;
    env_configure(&fixture.env, &settings);
    CHECK(pool->first.base == NULL);
    pool_prepare_first(pool);
    CHECK(pool->first.base == NULL);
    close_pool();
}

static void the_first_range_is_given_up_for_memory(void)
{
    struct pool *pool;
    bool prepared = open_prepared(&pool);
    CHECK(pool_relieve(pool) == prepared && pool->first.base == NULL && !pool_relieve(pool));
    close_pool();
}

static void configuring_forgets_refusals(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->attainable = MIB;
    env_configure(&fixture.env, &SETTINGS);
    struct range range = take(pool, 1);
    CHECK(range.size == 8 * MIB);
    pool_discard(pool, &range);
    close_pool();
}

static void facts_are_told(void)
{
    struct env_facts facts;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range idle = take(pool, 1);
    struct range live = take(pool, 1);
    use(&idle, MIB);
    pool_give(pool, &idle);
    memset(&facts, 0x55, sizeof facts);
    env_query(&fixture.env, &facts);
    CHECK(facts.page_size == pool->info.page_size && facts.granularity >= facts.page_size);
    CHECK(facts.huge_page_size == pool->info.huge_page_size);
    CHECK(facts.settings.reservation == 64 * MIB && facts.settings.budget == 16 * MIB &&
          facts.settings.limit == 16 * MIB && facts.discarded_bytes == 0);
    CHECK(facts.reservations == 2 && facts.reserved_bytes == 128 * MIB);
    CHECK(facts.pooled == 1 && facts.pooled_bytes == MIB);
    CHECK(facts.remap == pool->info.can_remap && facts.name == pool->info.can_name);
    pool_give(pool, &live);
    close_pool();
}

static void settings_have_names(void)
{
    static const char *const overcommit[] = {"heuristic", "always", "never"};
    static const char *const thp[] = {"unsupported", "never", "advised", "always"};
    struct env_facts facts;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    env_query(&fixture.env, &facts);
    CHECK(strcmp(facts.overcommit, overcommit[pool->info.overcommit]) == 0);
    CHECK(strcmp(facts.thp, thp[pool->info.thp]) == 0);
    close_pool();
}

static void huge_pages_can_be_had_by_asking(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->info.can_advise_huge = true;
    pool->info.thp = VMEM_THP_ADVISED;
    CHECK(env_has_huge_pages(&fixture.env));
    pool->info.thp = VMEM_THP_ALWAYS;
    CHECK(env_has_huge_pages(&fixture.env));
    pool->info.thp = VMEM_THP_NEVER;
    CHECK(!env_has_huge_pages(&fixture.env));
    pool->info.thp = VMEM_THP_UNSUPPORTED;
    CHECK(!env_has_huge_pages(&fixture.env));
    pool->info.thp = VMEM_THP_ADVISED;
    pool->info.can_advise_huge = false;
    CHECK(!env_has_huge_pages(&fixture.env));
    close_pool();
}

static void limits_have_names(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct vmem_info *info = &pool->info;
    info->address_limit = info->data_limit = VMEM_NO_LIMIT;
    info->overcommit = VMEM_OVERCOMMIT_HEURISTIC;
    CHECK(strcmp(env_reservation_limit(&fixture.env, 0), "address space") == 0);
    CHECK(strcmp(env_commit_limit(&fixture.env, 0), "memory") == 0);
    info->max_mappings = 0;
    CHECK(strcmp(env_reservation_limit(&fixture.env, 0), "vm.max_map_count") == 0);
    info->address_limit = MIB;
    CHECK(strcmp(env_reservation_limit(&fixture.env, 0), "RLIMIT_AS") == 0);
    CHECK(strcmp(env_commit_limit(&fixture.env, 0), "RLIMIT_AS") == 0);
    info->overcommit = VMEM_OVERCOMMIT_NEVER;
    CHECK(strstr(env_commit_limit(&fixture.env, 0), "overcommit") != NULL);
    info->data_limit = MIB;
    CHECK(strcmp(env_commit_limit(&fixture.env, 0), "RLIMIT_DATA") == 0);
    close_pool();
}

static void errors_are_described(void)
{
    char text[128] = "x";
    char one[1] = {'x'};
    env_describe_error(12, text, sizeof text);
    CHECK(strlen(text) > 0);
    env_describe_error(POOL_REFUSED, text, sizeof text);
    CHECK(strstr(text, "addresses") != NULL);
    env_describe_error(0, text, 8);
    CHECK(strlen(text) == 7);
    env_describe_error(0, one, 1);
    CHECK(one[0] == 0);
    env_describe_error(0, NULL, 0);
}

/* ---- real limits, in a child --------------------------------------------------------------- */

#if HAVE_LIMITS

static void take_under_a_new_limit(void *unused)
{
    (void)unused;
    struct pool *pool = open_pool(8192 * MIB, 16 * MIB);
    fixture_ask_the_system(&fixture);
    limit_addresses(256 * MIB);
    struct range range = take(pool, 1);
    CHECK(pool->info.address_limit != VMEM_NO_LIMIT);
    CHECK(range.size < 256 * MIB);
    pool_discard(pool, &range);
    close_pool();
}

static void a_limit_set_later_is_noticed(void)
{
    int code = child_run(take_under_a_new_limit, NULL);
    if (code == CHILD_NOT_LIMITED) {
        SKIP("limits are not kept here");
    }
    CHECK(code == 0);
}

static void take_under_a_new_data_limit(void *unused)
{
    (void)unused;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    fixture_ask_the_system(&fixture);
    limit_data(256 * MIB);
    struct range range = take(pool, 1);
    CHECK(pool_is_frugal(pool));
    pool_discard(pool, &range);
    close_pool();
}

static void a_limit_of_data_set_later_is_noticed(void)
{
    int code = child_run(take_under_a_new_data_limit, NULL);
    if (code == CHILD_NOT_LIMITED) {
        SKIP("limits are not kept here");
    }
    CHECK(code == 0);
}

static void what_cannot_be_asked_stays_known(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct vmem_info before = pool->info;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    pool_look_again(pool);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(pool->info.max_mappings == before.max_mappings && pool->info.thp == before.thp);
    CHECK(pool->info.overcommit == before.overcommit);
    CHECK(pool->info.can_advise_huge == before.can_advise_huge);
    CHECK(pool->info.huge_page_size == before.huge_page_size);
    close_pool();
}

static void take_what_is_needed(void *unused)
{
    (void)unused;
    struct pool *pool = open_pool(8192 * MIB, 16 * MIB);
    limit_addresses(512 * MIB);
    /* Neither the double nor a half of any default size fits into what is left. */
    struct range range = take(pool, 300 * MIB);
    CHECK(range.size >= 300 * MIB);
    pool_discard(pool, &range);
    close_pool();
}

/* The quarter that is ours is not asked about before the system has refused. */
static void halving_ends_at_the_need(void)
{
    int code = child_run(take_what_is_needed, NULL);
    if (code == CHILD_NOT_LIMITED) {
        SKIP("limits are not kept here");
    }
    CHECK(code == 0);
}

static void take_while_idle_ranges_fill_the_limit(void *unused)
{
    (void)unused;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range first = take(pool, 1);
    struct range second = take(pool, 1);
    pool_give(pool, &first);
    pool_give(pool, &second);
    limit_addresses(16 * MIB);
    struct range range;
    CHECK(pool_take_exact(pool, 100 * MIB, &range) == 0);
    CHECK(pool->idle_count == 0);
    pool_discard(pool, &range);
    close_pool();
}

static void idle_ranges_make_way(void)
{
    int code = child_run(take_while_idle_ranges_fill_the_limit, NULL);
    if (code == CHILD_NOT_LIMITED) {
        SKIP("limits are not kept here");
    }
    CHECK(code == 0);
}

#endif

static const struct check_test tests[] = {
    TEST(takes_the_default_size),
    TEST(takes_twice_what_is_larger),
    TEST(large_ranges_suit_huge_pages),
    TEST(odd_default_sizes_are_rounded),
    TEST(what_was_given_is_taken_again),
    TEST(the_last_given_is_taken_first),
    TEST(a_warm_range_is_taken_as_it_is),
    TEST(an_idle_range_that_is_too_small_waits),
    TEST(ranges_below_the_default_are_not_kept),
    TEST(lesser_idle_ranges_go),
    TEST(under_a_limit_of_addresses_nothing_is_kept),
    TEST(lazy_ranges_are_limited),
    TEST(without_a_budget_nothing_is_kept),
    TEST(only_so_many_are_kept),
    TEST(warm_memory_keeps_to_the_budget),
    TEST(a_spent_budget_leaves_little),
    TEST(a_cooled_range_is_not_huge),
    TEST(a_range_within_the_budget_stays_huge),
    TEST(huge_pages_past_the_budget_are_discarded),
    TEST(discarded_pages_serve_the_next_owner),
    TEST(discarded_pages_go_with_what_is_shrunk),
    TEST(small_pages_are_not_discarded),
    TEST(past_the_limit_nothing_is_discarded),
    TEST(the_rest_past_the_limit_is_given_back),
    TEST(what_was_offered_before_is_given_back),
    TEST(what_just_fits_the_limit_is_discarded),
    TEST(huge_pages_that_all_get_are_discarded_too),
    TEST(a_limit_that_is_seen_clears_what_waits),
#ifdef __linux__
    TEST(unused_pages_keep_their_advice),
#endif
    TEST(whole_huge_pages_are_counted),
    TEST(a_frugal_pool_discards_nothing),
    TEST(memory_goes_to_those_that_grow),
    TEST(what_waits_long_is_released),
    TEST(trimming_tells_what_it_released),
    TEST(cooled_pages_come_back_zero),
    TEST(a_frugal_pool_keeps_little),
    TEST(what_is_asked_for_is_no_loan),
    TEST(a_capacity_is_not_asked_for),
    TEST(loans_keep_to_twice_the_budget),
    TEST(one_that_is_kept_leaves_enough_to_the_others),
    TEST(a_range_past_the_budget_is_not_taken_warm),
    TEST(one_at_a_time_is_never_cooled),
    TEST(discarded_loans_keep_to_twice_the_limit),
    TEST(a_commit_settles_the_loan),
    TEST(a_shorter_tail_settles_the_loan),
    TEST(the_end_of_the_buffer_settles_the_loan),
    TEST(a_slide_settles_the_loan),
    TEST(an_outgrown_range_settles_the_loan),
    TEST(loans_outlive_a_new_budget),
    TEST(clearing_releases_idle_ranges_only),
    TEST(relief_is_what_was_idle),
    TEST(cheap_once_it_would_have_paid),
    TEST(cheap_at_once_where_one_waits),
    TEST(cheap_while_few_or_idle),
    TEST(where_data_is_short_there_are_few_ranges),
    TEST(a_limit_of_addresses_shrinks_ranges),
    TEST(a_sixteenth_of_the_addresses_is_ours),
    TEST(refused_sizes_are_not_asked_for_again),
    TEST(exact_ranges_are_not_counted),
    TEST(many_live_buffers_keep_little_slack),
    TEST(impossible_sizes_are_refused),
#if SIZE_MAX > 0xffffffffu
    TEST(refused_reservations_are_halved),
    TEST(later_ranges_are_smaller),
#endif
    TEST(scarce_mappings_give_lazy_ranges),
    TEST(small_defaults_make_small_lazy_ranges),
    TEST(lazy_ranges_are_refused_where_they_cost),
    TEST(exact_takes_a_default_range_where_one_will_do),
    TEST(exact_is_no_larger_than_needed),
    TEST(exact_ignores_the_limits),
    TEST(enlarging_keeps_pages_and_offset),
    TEST(an_enlarged_range_keeps_to_the_budget),
    TEST(some_ranges_are_not_enlarged),
    TEST(an_environment_opens_and_closes),
    TEST(an_environment_needs_memory),
    TEST(configuring_drops_idle_ranges),
    TEST(low_latency_keeps_a_range_ready),
    TEST(a_range_that_waits_is_warmed_up),
    TEST(nothing_is_prepared_that_may_not_wait),
    TEST(an_import_holds_warm_pages_and_no_addresses),
    TEST(the_first_range_gets_its_addresses_where_it_is),
    TEST(the_first_range_is_zeros_to_its_owner),
    TEST(the_first_range_may_have_to_be_another),
    TEST(the_first_range_goes_where_none_may_wait),
    TEST(the_first_range_is_given_up_for_memory),
    TEST(configuring_forgets_refusals),
    TEST(facts_are_told),
    TEST(settings_have_names),
    TEST(huge_pages_can_be_had_by_asking),
    TEST(limits_have_names),
    TEST(errors_are_described),
#if HAVE_LIMITS
    TEST(a_limit_set_later_is_noticed),
    TEST(a_limit_of_data_set_later_is_noticed),
    TEST(what_cannot_be_asked_stays_known),
    TEST(halving_ends_at_the_need),
    TEST(idle_ranges_make_way),
#endif
};

CHECK_MAIN(tests)
