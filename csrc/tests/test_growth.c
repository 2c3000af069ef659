/* test_growth.c - the commit policy: pure functions, so plain examples and the rules over many sizes.
 *
 * What a reader would get wrong: the last tests are about cost, not correctness. They walk a buffer
 * through its life and count the bytes that a policy makes it copy or commit.
 */
#include "check.h"
#include "growth.h"

#include <stdint.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
#define PAGE ((size_t)4096)

/* ---- rounding ---------------------------------------------------------------------------- */

static void rounds_up(void)
{
    CHECK(growth_round_up(0, 16) == 0);
    CHECK(growth_round_up(1, 16) == 16);
    CHECK(growth_round_up(16, 16) == 16);
    CHECK(growth_round_up(PAGE + 1, PAGE) == 2 * PAGE);
    CHECK(growth_round_up(7, 1) == 7);
}

static void rounding_up_never_wraps(void)
{
    CHECK(growth_round_up(SIZE_MAX, PAGE) == SIZE_MAX - (PAGE - 1));
    CHECK(growth_round_up(SIZE_MAX - PAGE + 1, PAGE) == SIZE_MAX - (PAGE - 1));
    CHECK(growth_round_up(SIZE_MAX, 1) == SIZE_MAX);
}

static void rounds_down(void)
{
    CHECK(growth_round_down(0, 16) == 0);
    CHECK(growth_round_down(15, 16) == 0);
    CHECK(growth_round_down(PAGE, PAGE) == PAGE);
    CHECK(growth_round_down(2 * PAGE - 1, PAGE) == PAGE);
    CHECK(growth_round_down(SIZE_MAX, PAGE) == SIZE_MAX - (PAGE - 1));
}

/* ---- heap blocks ------------------------------------------------------------------------- */

static void heap_covers_the_need(void)
{
    for (size_t current = 0; current < 512 * KIB; current += 1 + current / 3) {
        for (size_t needed = 1; needed < MIB; needed += 1 + needed / 3) {
            CHECK(growth_heap_size(needed, current) >= needed);
        }
    }
    CHECK(growth_heap_size(PTRDIFF_MAX, GIB) == PTRDIFF_MAX);
}

static void heap_doubles_then_grows_by_half_then_by_an_eighth(void)
{
    CHECK(growth_heap_size(1001, 1000) == 2000);
    CHECK(growth_heap_size(1025, 1024) == 1536);
    CHECK(growth_heap_size(MIB + 1, MIB) == MIB + MIB / 8);
}

static void large_heap_steps_are_exact(void)
{
    CHECK(growth_heap_size(5000, 24) == 5000);
    CHECK(growth_heap_size(10 * MIB, MIB) == 10 * MIB);
    CHECK(growth_heap_size(100, 0) == 100);
}

/* ---- commit ------------------------------------------------------------------------------ */

static void check_commit_end(size_t needed, size_t committed, size_t size, size_t page, bool frugal)
{
    size_t end = growth_commit_end(needed, committed, size, page, 0, frugal);
    CHECK(end >= needed && end <= size);
    CHECK(end % page == 0);
    CHECK(end >= committed);
}

static void commit_covers_the_need_in_pages(void)
{
    for (size_t page = PAGE; page <= 64 * KIB; page *= 4) {
        for (size_t size = page; size <= 64 * MIB; size *= 4) {
            for (size_t needed = 1; needed <= size; needed += 1 + needed / 5) {
                size_t committed = growth_round_down(needed - 1, page);
                check_commit_end(needed, committed, size, page, false);
                check_commit_end(needed, committed, size, page, true);
                check_commit_end(needed, 0, size, page, false);
            }
            check_commit_end(size, 0, size, page, false);
        }
    }
}

static void first_commit_is_one_step(void)
{
    CHECK(growth_commit_end(1, 0, 64 * MIB, PAGE, 0, false) == GROWTH_COMMIT_STEP);
    CHECK(growth_commit_end(1, 0, 64 * MIB, PAGE, 0, true) == PAGE);
    CHECK(growth_commit_end(1, 0, 64 * MIB, 128 * KIB, 0, false) == 128 * KIB);
}

static void commit_doubles(void)
{
    CHECK(growth_commit_end(64 * KIB + 1, 64 * KIB, 64 * MIB, PAGE, 0, false) == 128 * KIB);
    CHECK(growth_commit_end(4 * MIB + 1, 4 * MIB, 64 * MIB, PAGE, 0, false) == 8 * MIB);
}

static void quick_commits_are_short_but_enough(void)
{
    size_t at = 64 * MIB, most = at + GROWTH_COMMIT_QUICK;
    CHECK(growth_commit_quickly(at + MIB, at + 1, at) == at + MIB);
    CHECK(growth_commit_quickly(2 * at, at + 1, at) == most);
    CHECK(growth_commit_quickly(2 * at, most + 1, at) == 2 * at);
}

static void large_commits_are_whole_blocks(void)
{
    for (size_t needed = 2 * MIB; needed < 30 * MIB; needed += 123457) {
        CHECK(growth_commit_end(needed, 0, 64 * MIB, PAGE, 0, false) % GROWTH_COMMIT_BLOCK == 0);
    }
}

/* What doubled ends where the next block does, not one further on. */
static void blocks_begin_behind_the_lead(void)
{
    for (size_t lead = PAGE; lead < GROWTH_COMMIT_BLOCK; lead = 3 * lead) {
        size_t first = lead + 2 * MIB;
        CHECK(growth_commit_end(2 * MIB + 1, MIB, 64 * MIB, PAGE, lead, false) == first);
        CHECK(growth_commit_end(first + 1, first, 64 * MIB, PAGE, lead, false) == lead + 4 * MIB);
        CHECK(growth_commit_end(lead + 8 * MIB, 0, 64 * MIB, PAGE, lead, false) == lead + 8 * MIB);
        CHECK(growth_commit_end(1, 0, 64 * MIB, PAGE, lead, false) == GROWTH_COMMIT_STEP);
        CHECK(growth_commit_end(1, 0, 64 * MIB, PAGE, lead, true) == PAGE);
        size_t end = growth_commit_after_shrink(5 * MIB, 64 * MIB, 4 * MIB, PAGE, lead);
        CHECK(end >= 6 * MIB && end < 8 * MIB && (end - lead) % GROWTH_COMMIT_BLOCK == 0);
    }
}

static void frugal_commit_stays_close(void)
{
    for (size_t committed = 64 * KIB; committed < 32 * MIB; committed *= 2) {
        size_t end = growth_commit_end(committed + 1, committed, 64 * MIB, PAGE, 0, true);
        CHECK(end <= committed + committed / 8 + GROWTH_COMMIT_STEP);
    }
}

static void commit_ends_with_the_range(void)
{
    CHECK(growth_commit_end(40 * MIB, 32 * MIB, 48 * MIB, PAGE, 0, false) == 48 * MIB);
    CHECK(growth_commit_end(48 * MIB, 47 * MIB, 48 * MIB, PAGE, 0, true) == 48 * MIB);
    CHECK(growth_commit_end(3 * MIB, 0, 3 * MIB + PAGE, PAGE, 0, false) == 3 * MIB + PAGE);
}

/* ---- giving back ------------------------------------------------------------------------- */

static void little_slack_is_kept(void)
{
    CHECK(growth_commit_after_shrink(1, 2 * MIB, 4 * MIB, PAGE, 0) == 2 * MIB);
    CHECK(growth_commit_after_shrink(1, 4 * MIB, 4 * MIB, PAGE, 0) == 4 * MIB);
    CHECK(growth_commit_after_shrink(1, 4 * PAGE, 4 * PAGE, PAGE, 0) == 4 * PAGE);
    CHECK(growth_commit_after_shrink(8 * MIB, 16 * MIB, 4 * MIB, PAGE, 0) == 16 * MIB);
    CHECK(growth_commit_after_shrink(8 * MIB, 16 * MIB, 4 * PAGE, PAGE, 0) == 16 * MIB);
}

static void much_slack_is_given_back(void)
{
    CHECK(growth_commit_after_shrink(1, 64 * MIB, 4 * MIB, PAGE, 0) == 2 * MIB);
    CHECK(growth_commit_after_shrink(5 * MIB, 64 * MIB, 4 * MIB, PAGE, 0) == 6 * MIB);
    CHECK(growth_commit_after_shrink(1, 64 * MIB, 4 * MIB, 4 * MIB, 0) == 4 * MIB);
    CHECK(growth_commit_after_shrink(1, 64 * MIB, 4 * PAGE, PAGE, 0) == 2 * PAGE);
    CHECK(growth_commit_after_shrink(PAGE, 64 * MIB, MIB, PAGE, 0) == MIB / 4 + PAGE);
}

static void shrinking_never_cuts_what_is_used(void)
{
    for (size_t committed = 64 * KIB; committed <= 256 * MIB; committed *= 2) {
        for (size_t used = 1; used <= committed; used += 1 + used / 7) {
            for (size_t slack = 4 * PAGE; slack <= 4 * MIB; slack *= 4) {
                size_t end = growth_commit_after_shrink(used, committed, slack, PAGE, 0);
                CHECK(end >= used && end <= committed && end % PAGE == 0);
            }
        }
    }
}

/* ---- cost -------------------------------------------------------------------------------- */

static void heap_growth_copies_a_constant_a_byte(void)
{
    size_t size = 24;
    size_t copied = 0;
    for (size_t length = 0; length < 4 * MIB; length++) {
        if (length + 2 > size) {
            copied += length;
            size = growth_heap_size(length + 2, size);
        }
    }
    CHECK(copied < 9 * 4 * MIB);
}

static unsigned commits_up_to(size_t length, bool frugal)
{
    size_t committed = 0;
    unsigned calls = 0;
    while (committed < length) {
        committed = growth_commit_end(committed + 1, committed, GIB, PAGE, 0, frugal);
        calls++;
    }
    return calls;
}

static void commits_are_few(void)
{
    CHECK(commits_up_to(GIB, false) <= 16);
    CHECK(commits_up_to(GIB, true) <= 100);
}

/* Fill to `high` and empty, over and over: the bytes given back against the bytes written. */
static void filling_and_emptying_is_amortised(void)
{
    for (size_t high = 64 * KIB; high <= 64 * MIB; high += high / 3) {
        size_t committed = 0;
        size_t given_back = 0;
        for (int round = 0; round < 8; round++) {
            while (committed < high + 1) {
                committed = growth_commit_end(committed + 1, committed, GIB, PAGE, 0, false);
            }
            size_t end = growth_commit_after_shrink(1, committed, 4 * PAGE, PAGE, 0);
            given_back += committed - end;
            committed = end;
        }
        CHECK(given_back <= 8 * 3 * high);
    }
}

static void memory_is_asked_for_by_eighths(void)
{
    CHECK(growth_populate_extra(MIB, false) == MIB / 8);
    CHECK(growth_populate_extra(64 * KIB, false) == 8 * KIB);
    CHECK(growth_populate_extra(64 * MIB, false) == GROWTH_POPULATE_MOST);
    CHECK(growth_populate_extra(64 * MIB, true) == GROWTH_POPULATE_QUICK);
    CHECK(growth_populate_extra(0, true) == GROWTH_POPULATE_QUICK / 2);
    CHECK(growth_populate_extra(MIB, true) == GROWTH_POPULATE_QUICK);
}

static void the_helper_is_ahead_by_a_share_of_what_is_used(void)
{
    const size_t block = GROWTH_COMMIT_BLOCK;
    CHECK(growth_prefault_extra(MIB, 4 * KIB) == MIB);
    CHECK(growth_prefault_extra(MIB, block) == block);
    CHECK(growth_prefault_extra(256 * MIB, block) == 4 * MIB);
    CHECK(growth_prefault_extra(4 * GIB, block) == 16 * MIB);
}

/* With the whole step past it, and the page of the terminator. */
static void what_is_ahead_is_little_beside_the_contents(void)
{
    const size_t block = GROWTH_COMMIT_BLOCK;
    for (size_t used = 128 * MIB; used <= 4 * GIB; used *= 2) {
        size_t end = growth_round_up(used + growth_prefault_extra(used, block), block);
        CHECK((end - used) * 50 <= used);
    }
}

static const struct check_test tests[] = {
    TEST(rounds_up),
    TEST(rounding_up_never_wraps),
    TEST(rounds_down),
    TEST(heap_covers_the_need),
    TEST(heap_doubles_then_grows_by_half_then_by_an_eighth),
    TEST(large_heap_steps_are_exact),
    TEST(commit_covers_the_need_in_pages),
    TEST(first_commit_is_one_step),
    TEST(commit_doubles),
    TEST(quick_commits_are_short_but_enough),
    TEST(large_commits_are_whole_blocks),
    TEST(blocks_begin_behind_the_lead),
    TEST(frugal_commit_stays_close),
    TEST(commit_ends_with_the_range),
    TEST(little_slack_is_kept),
    TEST(much_slack_is_given_back),
    TEST(shrinking_never_cuts_what_is_used),
    TEST(heap_growth_copies_a_constant_a_byte),
    TEST(commits_are_few),
    TEST(filling_and_emptying_is_amortised),
    TEST(memory_is_asked_for_by_eighths),
    TEST(the_helper_is_ahead_by_a_share_of_what_is_used),
    TEST(what_is_ahead_is_little_beside_the_contents),
};

CHECK_MAIN(tests)
