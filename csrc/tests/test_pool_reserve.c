/* test_pool_reserve.c - how large ranges are, and what limits make of that.
 *
 * What a reader would get wrong: the limits here are set in the pool's own copy of what the system
 * said (see fixture.h); the last tests set real ones, in a child.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "child.h"
#include "growth.h"
#include "pool_support.h"

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

/* ---- limits ------------------------------------------------------------------------------- */

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
    child_check(take_under_a_new_limit, NULL, "limits are not kept here");
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
    child_check(take_under_a_new_data_limit, NULL, "limits are not kept here");
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
    child_check(take_what_is_needed, NULL, "limits are not kept here");
}
#endif

static const struct check_test tests[] = {
    TEST(takes_the_default_size),
    TEST(takes_twice_what_is_larger),
    TEST(large_ranges_suit_huge_pages),
    TEST(odd_default_sizes_are_rounded),
    TEST(lazy_ranges_are_limited),
    TEST(where_data_is_short_there_are_few_ranges),
    TEST(a_limit_of_addresses_shrinks_ranges),
    TEST(a_sixteenth_of_the_addresses_is_ours),
    TEST(refused_sizes_are_not_asked_for_again),
    TEST(exact_ranges_are_not_counted),
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
#if HAVE_LIMITS
    TEST(a_limit_set_later_is_noticed),
    TEST(a_limit_of_data_set_later_is_noticed),
    TEST(halving_ends_at_the_need),
#endif
};

CHECK_MAIN(tests)
