/* test_buffer_tail.c - the lent tail: room for somebody to write to, before it is contents.
 *
 * What a reader would get wrong: what is not advanced over was never contents, whatever was written.
 */
#include "buffer_support.h"

static void lent_bytes_are_taken_in(void)
{
    size_t sizes[] = {5, 100, 5000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer *b = open_buffer();
        CHECK(append_pattern(b, 3, true) == BUFFER_OK);
        char *tail = spare(b, sizes[i], true);
        memset(tail, 'x', sizes[i]);
        CHECK(buffer_check(b) && b->length == 3);
        advance(b, sizes[i]);
        CHECK(b->length == 3 + sizes[i] && holds_pattern(b, 0, 3));
        CHECK(b->start[3] == 'x' && b->start[b->length - 1] == 'x' && b->start[b->length] == 0);
        close_buffer();
    }
}

static void lent_bytes_are_taken_in_by_and_by(void)
{
    struct buffer *b = open_reserved(10);
    write_pattern(spare(b, 1000, false), 10, 1000);
    for (size_t taken = 0; taken < 1000; taken += 8) {
        advance(b, 8);
        CHECK(holds_pattern(b, 0, 10 + taken + 8));
    }
    CHECK(b->length == 1010 && b->start[1010] == 0);
    close_buffer();
}

/* The holder writes what it wants right up to each advance. */
static void the_holder_may_write_after_an_advance(void)
{
    struct buffer *b = open_reserved(0);
    char *tail = spare(b, 100, false);
    memset(tail, 'a', 100);
    advance(b, 50);
    tail[50] = 'b';
    advance(b, 1);
    CHECK(b->start[50] == 'b');
    tail[51] = 0;
    advance(b, 1);
    CHECK(b->start[51] == 0 && b->start[49] == 'a');
    close_buffer();
}

static void settling_puts_the_terminator_back(void)
{
    struct buffer *b = open_reserved(0);
    char *tail = spare(b, 10, false);
    memset(tail, 'a', 10);
    CHECK(b->start[0] == 'a');
    buffer_settle(b);
    CHECK(b->start[0] == 0 && buffer_check(b));
    buffer_settle(b);
    advance(b, 5);
    buffer_settle(b);
    CHECK(b->start[5] == 0 && memcmp(b->start, "aaaaa", 6) == 0);
    advance(b, 5);
    buffer_settle(b);
    CHECK(memcmp(b->start, "aaaaaaaaaa", 11) == 0 && buffer_check(b));
    close_buffer();
}

/* The holder of a tail can write under a terminator that an append put there. */
static void settling_after_an_append(void)
{
    struct buffer *b = open_reserved(0);
    char *tail = spare(b, 10, false);
    CHECK(append_pattern(b, 1, false) == BUFFER_OK);
    memset(tail + 1, 'x', 9);
    CHECK(buffer_check(b));
    buffer_settle(b);
    CHECK(b->start[1] == 0 && buffer_check(b));
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT);
    close_buffer();
}

/* A shorter second tail does not end the first: its holder may still write. */
static void a_longer_tail_lent_before_stays_writable(void)
{
    struct buffer *b = open_reserved(0);
    char *first = spare(b, 8 * MIB, false);
    spare(b, 10, false);
    CHECK(buffer_fit(b, false) == BUFFER_OK && buffer_check(b));
    memset(first, 'x', 8 * MIB);
    CHECK(buffer_check(b));
    CHECK(buffer_advance(b, 11) == BUFFER_NOT_LENT);
    advance(b, 10);
    first[10] = 'y';
    CHECK(buffer_check(b));
    buffer_settle(b);
    CHECK(b->length == 10 && b->start[10] == 0 && buffer_check(b));
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT);
    close_buffer();
}

static void no_more_than_lent_is_taken_in(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_advance(b, 0) == BUFFER_OK);
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT && b->env->failed_size == 1);
    spare(b, 10, true);
    CHECK(buffer_advance(b, 11) == BUFFER_NOT_LENT);
    CHECK(buffer_advance(b, SIZE_MAX) == BUFFER_NOT_LENT);
    advance(b, 10);
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT && b->length == 10);
    spare(b, 0, true);
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT);
    close_buffer();
}

static void any_other_change_takes_the_tail_back(void)
{
    struct buffer *b = open_reserved(100);
    spare(b, 10, true);
    CHECK(append_pattern(b, 1, true) == BUFFER_OK);
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT);
    buffer_truncate(b, 100);
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT && buffer_check(b));
    spare(b, 10, true);
    buffer_drop_front(b, 1);
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT && buffer_check(b));
    spare(b, 10, true);
    CHECK(buffer_fit(b, true) == BUFFER_OK);
    CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT && buffer_check(b));
    close_buffer();
}

/* Pages that were given back cannot be taken in. */
static void a_tail_is_not_taken_in_after_its_pages_went(void)
{
    struct buffer *b = open_reserved(100000);
    spare(b, 30 * MIB, true);
    CHECK(buffer_fit(b, true) == BUFFER_OK && b->rest->storage.committed < MIB);
    CHECK(buffer_advance(b, 30 * MIB) == BUFFER_NOT_LENT && buffer_check(b));
    spare(b, 30 * MIB, true);
    CHECK(append_pattern(b, 1, true) == BUFFER_OK);
    buffer_truncate(b, 100000);
    CHECK(b->rest->storage.committed < 30 * MIB);
    CHECK(buffer_advance(b, 30 * MIB) == BUFFER_NOT_LENT && buffer_check(b));
    close_buffer();
}

static void a_full_tail_ends_in_a_zero(void)
{
    struct buffer *b = open_reserved(60000);
    buffer_truncate(b, 0);
    CHECK(append_pattern(b, 5, true) == BUFFER_OK);
    char *tail = spare(b, 1000, false);
    memset(tail, 'x', 1000);
    CHECK(strlen(b->start) == 1005);
    close_buffer();
}

static void the_last_accessible_byte_is_not_lent(void)
{
    struct buffer *b = open_buffer_with(64 * KIB);
    char *tail;
    buffer_promote(b, false);
    CHECK(buffer_spare(b, 64 * KIB, false, &tail) == BUFFER_EXPORTED);
    memset(spare(b, 64 * KIB - 1, false), 'x', 64 * KIB - 1);
    CHECK(buffer_base(b)[64 * KIB - 1] == 0);
    advance(b, 64 * KIB - 1);
    close_buffer();
}

static void a_tail_survives_a_remap(void)
{
    struct buffer *b = open_buffer_with(MIB);
    if (!fixture.env.pool->info.can_remap) {
        close_buffer();
        SKIP("no remapping on this system");
    }
    CHECK(append_pattern(b, 100000, true) == BUFFER_OK);
    memset(spare(b, 1000, true), 'x', 1000);
    buffer_settle(b);
    CHECK(buffer_ensure(b, 2 * MIB, true) == BUFFER_OK && buffer_check(b));
    advance(b, 1000);
    CHECK(b->start[100000] == 'x' && b->start[100999] == 'x');
    close_buffer();
}

/* What was lent may stand under the terminator when the contents move. */
static void moving_puts_the_terminator_back(void)
{
    for (int tier = BUFFER_SMALL; tier <= BUFFER_RESERVED; tier++) {
        struct buffer *b = open_buffer_with(MIB);
        limit_the_pool();
        fixture.env.pool->info.can_remap = false;
        CHECK(append_pattern(b, tier == BUFFER_SMALL ? 5 : 200, true) == BUFFER_OK);
        if (tier == BUFFER_RESERVED) {
            buffer_promote(b, false);
        }
        CHECK(b->tier == tier);
        memset(spare(b, 10, true), 'x', 10);
        CHECK(buffer_ensure(b, 2 * MIB, true) == BUFFER_OK);
        CHECK(b->start[b->length] == 0 && buffer_check(b));
        close_buffer();
    }
}

static const struct check_test tests[] = {
    TEST(lent_bytes_are_taken_in),
    TEST(lent_bytes_are_taken_in_by_and_by),
    TEST(the_holder_may_write_after_an_advance),
    TEST(settling_puts_the_terminator_back),
    TEST(settling_after_an_append),
    TEST(a_longer_tail_lent_before_stays_writable),
    TEST(no_more_than_lent_is_taken_in),
    TEST(any_other_change_takes_the_tail_back),
    TEST(a_tail_is_not_taken_in_after_its_pages_went),
    TEST(a_full_tail_ends_in_a_zero),
    TEST(the_last_accessible_byte_is_not_lent),
    TEST(a_tail_survives_a_remap),
    TEST(moving_puts_the_terminator_back),
};

CHECK_MAIN(tests)
