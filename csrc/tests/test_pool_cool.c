/* test_pool_cool.c - what of an idle range stays warm, what is offered to the system, and what goes.
 *
 * What a reader would get wrong: the limits here are set in the pool's own copy of what the system
 * said; see fixture.h.
 */
#include "pool_support.h"

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

static void a_frugal_pool_discards_nothing(void)
{
    struct range range;
    struct pool *pool = open_discarding(&range);
    pool->info.overcommit = VMEM_OVERCOMMIT_NEVER;
    pool_give(pool, &range);
    CHECK(pool->idle_discarded == 0 && pool->idle_bytes == 64 * KIB);
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

static const struct check_test tests[] = {
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
#ifdef __linux__
    TEST(unused_pages_keep_their_advice),
#endif
    TEST(whole_huge_pages_are_counted),
    TEST(a_frugal_pool_discards_nothing),
    TEST(cooled_pages_come_back_zero),
    TEST(a_frugal_pool_keeps_little),
};

CHECK_MAIN(tests)
