/* test_buffer_front.c - what is dropped from the front: kept, slid over, given back.
 *
 * What a reader would get wrong: dropping moves nothing by itself; whoever comes next pays for it.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "buffer_support.h"
#include "child.h"

static void the_front_drops_without_a_move(void)
{
    struct buffer *b = open_reserved(100000);
    const char *start = b->start;
    buffer_drop_front(b, 777);
    CHECK(buffer_check(b) && b->start == start + 777 && b->length == 99223);
    CHECK(holds_pattern(b, 777, 99223) && buffer_offset(b) == 777);
    CHECK(buffer_capacity(b) == 64 * MIB - 778);
    close_buffer();
}

static void dropping_nothing_changes_nothing(void)
{
    struct buffer *b = open_reserved(1000);
    const char *start = b->start;
    buffer_drop_front(b, 0);
    CHECK(buffer_check(b) && b->start == start && holds_pattern(b, 0, 1000));
    close_buffer();
}

static void an_emptied_buffer_starts_anew(void)
{
    struct buffer *b = open_reserved(100000);
    const char *base = buffer_base(b);
    buffer_drop_front(b, 100000);
    CHECK(buffer_check(b) && b->length == 0 && b->start == base);
    CHECK(buffer_extend_zero(b, 100000, true) == BUFFER_OK);
    CHECK(holds_zeros(b->start, 100001));
    close_buffer();
}

static void a_dropped_front_gives_pages_back(void)
{
    struct buffer *b = open_buffer();
    b->huge = BUFFER_HUGE_NEVER;
    CHECK(append_pattern(b, 10 * MIB, true) == BUFFER_OK);
    size_t committed = b->rest->storage.committed;
    size_t few = fixture.env.pool->info.page_size - 1;
    buffer_drop_front(b, few);
    CHECK(b->rest->given_back == 0);
    buffer_drop_front(b, 3 * MIB - 1 - few);
    CHECK(buffer_check(b) && b->rest->given_back > 2 * MIB && b->rest->given_back < 3 * MIB);
    CHECK(fixture_tracked(&fixture, buffer_base(b)) == committed - b->rest->given_back);
    CHECK(holds_pattern(b, 3 * MIB - 1, 7 * MIB + 1));
    CHECK(append_pattern(b, 1, false) == BUFFER_OK);
    close_buffer();
}

static void what_was_given_back_is_reserved(void)
{
#if HAVE_LIMITS
    struct buffer *b = open_reserved(10 * MIB);
    buffer_drop_front(b, 5 * MIB);
    CHECK(b->rest->given_back >= 4 * MIB);
    CHECK(child_faults(buffer_base(b)) && child_faults(buffer_base(b) + b->rest->given_back - 1));
    CHECK(child_faults(buffer_base(b) + b->rest->storage.committed));
    CHECK(!child_faults(b->start));
    close_buffer();
#else
    SKIP("no forked child to fault in");
#endif
}

static void emptying_after_giving_back_slides_home(void)
{
    struct buffer *b = open_reserved(10 * MIB);
    buffer_drop_front(b, 10 * MIB - 3);
    CHECK(b->rest->given_back > 0);
    buffer_drop_front(b, 3);
    CHECK(buffer_check(b) && b->start == buffer_base(b) && b->rest->given_back == 0);
    CHECK(b->rest->storage.committed == page_size());
    CHECK(b->rest->storage.dirty <= b->rest->storage.committed);
    CHECK(fixture_tracked(&fixture, buffer_base(b)) == page_size());
    CHECK(buffer_extend_zero(b, MIB, false) == BUFFER_OK && holds_zeros(b->start, MIB + 1));
    close_buffer();
}

static void a_queue_runs_in_one_reservation(void)
{
    struct buffer *b = open_buffer_with(8 * MIB);
    buffer_promote(b, false);
    const char *base = buffer_base(b);
    run_queue(b, 64 * MIB, 100 * KIB, MIB);
    CHECK(buffer_base(b) == base && buffer_size(b) == 8 * MIB);
    close_buffer();
}

/* What went through must not count for what is committed. */
static void a_queue_commits_what_is_in_it(void)
{
    struct buffer *b = open_buffer_with(1024 * MIB);
    b->huge = BUFFER_HUGE_NEVER;
    buffer_promote(b, false);
    for (size_t total = 0; total < 400 * MIB; total += MIB) {
        CHECK(buffer_ensure(b, MIB, true) == BUFFER_OK);
        memset(buffer_take_in(b, MIB), 'q', 1);
        if (b->length > 2 * MIB) {
            buffer_drop_front(b, b->length - 100);
        }
        CHECK(buffer_check(b) && b->rest->storage.committed - b->rest->given_back <= 16 * MIB);
    }
    close_buffer();
}

static void a_small_queue_stays_in_one_block(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, 2000, true) == BUFFER_OK);
    buffer_truncate(b, 0);
    size_t size = buffer_size(b);
    run_queue(b, MIB, 50, 600);
    CHECK(b->tier == BUFFER_HEAP && buffer_size(b) <= size);
    close_buffer();
}

static void a_queue_in_the_object(void)
{
    struct buffer *b = open_buffer();
    for (size_t i = 0; i < 1000; i++) {
        CHECK(buffer_ensure(b, 3, true) == BUFFER_OK);
        memset(buffer_take_in(b, 3), (int)i, 3);
        CHECK(buffer_check(b));
        buffer_drop_front(b, 3);
        CHECK(buffer_check(b));
    }
    CHECK(b->tier == BUFFER_SMALL);
    close_buffer();
}

static void full_ranges_slide_rather_than_grow(void)
{
    struct buffer *b = open_buffer_with(8 * MIB);
    CHECK(append_pattern(b, 4 * MIB - 10, true) == BUFFER_OK);
    buffer_drop_front(b, 3 * MIB);
    const char *base = buffer_base(b);
    CHECK(buffer_ensure(b, 6 * MIB, true) == BUFFER_OK && buffer_check(b));
    CHECK(buffer_base(b) == base && b->start == base && buffer_size(b) == 8 * MIB);
    CHECK(holds_pattern(b, 3 * MIB, MIB - 10));
    close_buffer();
}

/* What stood past the new end before the slide was never shrunk away, and is old contents all the
 * same. */
static void a_slide_leaves_no_old_contents(void)
{
    struct buffer *b = open_buffer_with(64 * KIB);
    buffer_promote(b, false);
    const char *base = buffer_base(b);
    CHECK(append_pattern(b, 40 * KIB, true) == BUFFER_OK);
    buffer_drop_front(b, 30 * KIB);
    CHECK(append_pattern(b, 15 * KIB, true) == BUFFER_OK && b->start == base + 30 * KIB);
    CHECK(buffer_extend_zero(b, 20 * KIB, true) == BUFFER_OK && buffer_check(b));
    CHECK(b->start == base && holds_zeros(b->start + 25 * KIB, 20 * KIB + 1));
    CHECK(buffer_extend_zero(b, 15 * KIB, true) == BUFFER_OK && buffer_check(b));
    CHECK(holds_zeros(b->start + 25 * KIB, 35 * KIB + 1));
    close_buffer();
}

static void sliding_into_given_back_pages(void)
{
    struct buffer *b = open_buffer_with(16 * MIB);
    CHECK(append_pattern(b, 15 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 8 * MIB + 100);
    CHECK(buffer_check(b) && b->start == buffer_base(b));
    CHECK(holds_pattern(b, 8 * MIB + 100, 7 * MIB - 100));
    CHECK(buffer_extend_zero(b, 2 * MIB, true) == BUFFER_OK && buffer_check(b));
    CHECK(holds_zeros(b->start + 7 * MIB - 100, 2 * MIB + 1));
    close_buffer();
}

static const struct check_test tests[] = {
    TEST(the_front_drops_without_a_move),
    TEST(dropping_nothing_changes_nothing),
    TEST(an_emptied_buffer_starts_anew),
    TEST(a_dropped_front_gives_pages_back),
    TEST(what_was_given_back_is_reserved),
    TEST(emptying_after_giving_back_slides_home),
    TEST(a_queue_runs_in_one_reservation),
    TEST(a_queue_commits_what_is_in_it),
    TEST(a_small_queue_stays_in_one_block),
    TEST(a_queue_in_the_object),
    TEST(full_ranges_slide_rather_than_grow),
    TEST(a_slide_leaves_no_old_contents),
    TEST(sliding_into_given_back_pages),
};

CHECK_MAIN(tests)
