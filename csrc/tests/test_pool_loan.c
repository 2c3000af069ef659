/* test_pool_loan.c - what ranges out with buffers hold of the pool's memory.
 *
 * What a reader would get wrong: what its owner asked for is no loan, nor are 64 KiB.
 */
#include "growth.h"
#include "pool_support.h"

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

static const struct check_test tests[] = {
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
};

CHECK_MAIN(tests)
