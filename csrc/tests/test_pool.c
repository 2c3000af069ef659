/* test_pool.c - where idle ranges wait, who takes them, when they pay, and what is prepared.
 *
 * What a reader would get wrong: the limits here are set in the pool's own copy of what the system
 * said (see fixture.h); the last tests set real ones.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "child.h"
#include "growth.h"
#include "pool_support.h"

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

/* ---- clearing, and what may stay ---------------------------------------------------------- */

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

/* ---- what is prepared --------------------------------------------------------------------- */

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

/* ---- real limits --------------------------------------------------------------------------- */

#if HAVE_LIMITS
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
    child_check(take_while_idle_ranges_fill_the_limit, NULL, "limits are not kept here");
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
#endif

static const struct check_test tests[] = {
    TEST(what_was_given_is_taken_again),
    TEST(the_last_given_is_taken_first),
    TEST(a_warm_range_is_taken_as_it_is),
    TEST(an_idle_range_that_is_too_small_waits),
    TEST(ranges_below_the_default_are_not_kept),
    TEST(lesser_idle_ranges_go),
    TEST(under_a_limit_of_addresses_nothing_is_kept),
    TEST(without_a_budget_nothing_is_kept),
    TEST(only_so_many_are_kept),
    TEST(a_limit_that_is_seen_clears_what_waits),
    TEST(memory_goes_to_those_that_grow),
    TEST(what_waits_long_is_released),
    TEST(trimming_tells_what_it_released),
    TEST(clearing_releases_idle_ranges_only),
    TEST(relief_is_what_was_idle),
    TEST(cheap_once_it_would_have_paid),
    TEST(cheap_at_once_where_one_waits),
    TEST(cheap_while_few_or_idle),
    TEST(many_live_buffers_keep_little_slack),
    TEST(low_latency_keeps_a_range_ready),
    TEST(a_range_that_waits_is_warmed_up),
    TEST(nothing_is_prepared_that_may_not_wait),
    TEST(an_import_holds_warm_pages_and_no_addresses),
    TEST(the_first_range_gets_its_addresses_where_it_is),
    TEST(the_first_range_is_zeros_to_its_owner),
    TEST(the_first_range_may_have_to_be_another),
    TEST(the_first_range_goes_where_none_may_wait),
    TEST(the_first_range_is_given_up_for_memory),
#if HAVE_LIMITS
    TEST(idle_ranges_make_way),
    TEST(what_cannot_be_asked_stays_known),
#endif
};

CHECK_MAIN(tests)
