/* test_buffer.c - growing memory: tiers, growth, shrinking, fit, freezing, and buffer_check itself.
 *
 * What a reader would get wrong: buffer_check after each step is half of every test. The long random
 * test against a plain block of memory is in test_model.c.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "buffer_support.h"
#include "child.h"
#include "growth.h"
#include "storage.h"

/* ---- tiers ------------------------------------------------------------------------------- */

static void a_new_buffer_is_small_and_empty(void)
{
    struct buffer *b = open_buffer();
    CHECK(b->tier == BUFFER_SMALL && b->length == 0 && b->start == owner.b.block);
    CHECK(b->limit == BUFFER_BLOCK - 1 && b->start[0] == 0);
    CHECK(buffer_capacity(b) == BUFFER_BLOCK - 1 && buffer_committed(b) == BUFFER_BLOCK - 1);
    close_buffer();
}

static void small_contents_stay_in_the_object(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, BUFFER_BLOCK - 1, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_SMALL && fixture.blocks == 1);
    CHECK(holds_pattern(b, 0, BUFFER_BLOCK - 1) && b->start[BUFFER_BLOCK - 1] == 0);
    close_buffer();
}

static void one_byte_more_goes_to_the_heap(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, BUFFER_BLOCK - 1, true) == BUFFER_OK);
    CHECK(append_pattern(b, 1, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_HEAP && fixture.blocks == 2);
    CHECK(b->length == BUFFER_BLOCK && holds_pattern(b, 0, BUFFER_BLOCK));
    close_buffer();
}

/* Nobody has written past the end yet. */
static void room_alone_keeps_the_terminator(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, BUFFER_BLOCK - 1, true) == BUFFER_OK);
    CHECK(buffer_ensure(b, 100, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
    CHECK(b->limit >= BUFFER_BLOCK - 1 + 100 && b->start[BUFFER_BLOCK - 1] == 0);
    CHECK(holds_pattern(b, 0, BUFFER_BLOCK - 1) && buffer_check(b));
    close_buffer();
}

static void a_pinned_block_does_not_go_to_the_heap(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, 10, true) == BUFFER_OK);
    b->pinned = true;
    CHECK(buffer_ensure(b, 100, true) == BUFFER_PINNED);
    CHECK(b->tier == BUFFER_SMALL && holds_pattern(b, 0, 10) && buffer_check(b));
    b->pinned = false;
    close_buffer();
}

static void what_is_left_of_small_contents_goes_to_the_heap(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, BUFFER_BLOCK - 1, true) == BUFFER_OK);
    buffer_drop_front(b, 5);
    CHECK(b->tier == BUFFER_SMALL && b->start != b->block);
    CHECK(buffer_ensure(b, 100, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
    CHECK(b->length == BUFFER_BLOCK - 6 && b->start[0] == pattern(5) && buffer_check(b));
    CHECK(b->start[b->length - 1] == pattern(BUFFER_BLOCK - 2) && b->start[b->length] == 0);
    close_buffer();
}

static void larger_contents_get_a_reservation(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, BUFFER_PROMOTE_AT - 1, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_HEAP);
    CHECK(buffer_ensure(b, buffer_size(b), true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_RESERVED && fixture.blocks == 2); /* the environment's, the rest */
    CHECK(holds_pattern(b, 0, BUFFER_PROMOTE_AT - 1) && buffer_check(b));
    CHECK(buffer_capacity(b) == 64 * MIB - 1);
    close_buffer();
}

static void the_first_middling_buffers_stay_on_the_heap(void)
{
    struct buffer *b = open_buffer();
    fixture.env.pool->refused = 0;
    CHECK(append_pattern(b, BUFFER_PROMOTE_SURELY_AT - 1, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_HEAP);
    CHECK(fixture.env.pool->refused > 0);
    close_buffer();
}

static void many_middling_buffers_stay_on_the_heap(void)
{
    struct buffer *b = open_buffer();
    struct pool *pool = fixture.env.pool;
    size_t live = pool->live;
    pool->live = POOL_SLOTS;
    CHECK(append_pattern(b, BUFFER_PROMOTE_SURELY_AT - 1, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_HEAP);
    CHECK(append_pattern(b, BUFFER_PROMOTE_SURELY_AT, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_RESERVED && holds_pattern(b, 0, b->length));
    buffer_free(b);
    pool->live = live + pool->idle_count;
    fixture_close(&fixture);
}

static void promotion_keeps_contents(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, 10, true) == BUFFER_OK);
    buffer_promote(b, false);
    CHECK(b->tier == BUFFER_RESERVED && b->length == 10 && holds_pattern(b, 0, 10));
    CHECK(buffer_check(b));
    char *start = b->start;
    buffer_promote(b, true);
    CHECK(b->start == start);
    close_buffer();
}

static void retired_blocks_live_until_the_end(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    const char *old = b->start;
    buffer_promote(b, true);
    CHECK(b->tier == BUFFER_RESERVED && b->rest->retired == old && fixture.blocks == 3);
    CHECK(old[0] == pattern(0) && old[99] == pattern(99));
    close_buffer();
}

static void only_the_last_retired_block_is_kept(void)
{
    struct buffer *b = open_buffer();
    for (int i = 0; i < 3; i++) {
        CHECK(append_pattern(b, 100, true) == BUFFER_OK);
        buffer_promote(b, true);
        CHECK(buffer_fit(b, true) == BUFFER_OK);
        CHECK(b->tier == BUFFER_HEAP && buffer_check(b));
    }
    CHECK(fixture.blocks == 4 && holds_pattern(b, 0, 300));
    close_buffer();
}

/* A range that somebody filled before waits in the pool. */
static struct buffer *open_beside_a_warm_range(void)
{
    struct buffer *b = open_reserved(3000);
    buffer_free(b);
    CHECK(fixture.env.pool->idle_count == 1);
    owner_init(&owner, &fixture);
    return b;
}

static void promotion_to_a_warm_range_is_quick(void)
{
    for (size_t length = 0; length <= 2000; length += 400) {
        struct buffer *b = open_beside_a_warm_range();
        CHECK(append_pattern(b, length, true) == BUFFER_OK);
        bool on_heap = b->tier == BUFFER_HEAP;
        CHECK(storage_promote_quickly(b, b->length, true));
        CHECK(b->tier == BUFFER_RESERVED && (b->rest->retired != NULL) == on_heap);
        CHECK(fixture.env.pool->idle_count == 0 && fixture.tracked_count == 1);
        CHECK(b->length == length && (length == 0 || holds_pattern(b, 0, length)));
        CHECK(buffer_check(b));
        CHECK(buffer_extend_zero(b, 3000, false) == BUFFER_OK);
        CHECK(holds_zeros(b->start + length, 3000)); /* nothing of what was there before */
        CHECK(buffer_extend_zero(b, 3 * MIB, false) == BUFFER_OK && buffer_check(b));
        close_buffer();
    }
}

static void growth_into_a_warm_range_is_quick(void)
{
    const size_t sizes[] = {BUFFER_PROMOTE_AT, 60 * KIB, 64 * KIB, 100 * KIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buffer *b = open_beside_a_warm_range();
        CHECK(append_pattern(b, 1000, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
        /* A system that pays for each committed page keeps few of them. */
        bool enough = sizes[i] < fixture.env.pool->idle[0].range.committed;
        CHECK(enough || pool_is_frugal(fixture.env.pool));
        CHECK(storage_promote_quickly(b, sizes[i], false) == enough);
        if (!enough) {
            close_buffer();
            continue;
        }
        CHECK(b->tier == BUFFER_RESERVED && b->rest->retired == NULL && b->limit >= sizes[i]);
        CHECK(append_pattern(b, sizes[i] - 1000, false) == BUFFER_OK);
        CHECK(holds_pattern(b, 0, sizes[i]) && buffer_check(b));
        CHECK(buffer_extend_zero(b, MIB, false) == BUFFER_OK);
        CHECK(holds_zeros(b->start + sizes[i], MIB) && buffer_check(b));
        close_buffer();
    }
}

static void promotion_is_not_quick_where_more_is_to_be_done(void)
{
    struct buffer *b = open_beside_a_warm_range();
    CHECK(append_pattern(b, 10, true) == BUFFER_OK);
    CHECK(buffer_need_rest(b) == BUFFER_OK);
    b->rest->name = "n";
    CHECK(!storage_promote_quickly(b, b->length, true));
    b->rest->name = NULL;
    b->huge = BUFFER_HUGE_NEVER;
    CHECK(!storage_promote_quickly(b, b->length, true));
    b->huge = BUFFER_HUGE_AUTO;
    fixture.env.pool->low_latency = true;
    CHECK(!storage_promote_quickly(b, b->length, true));
    fixture.env.pool->low_latency = false;
    pool_clear(fixture.env.pool);
    CHECK(!storage_promote_quickly(b, b->length, true));
    CHECK(!storage_promote_quickly(b, GROWTH_POPULATE_FROM, true));
    CHECK(b->tier == BUFFER_SMALL && holds_pattern(b, 0, 10) && buffer_check(b));
    close_buffer();
}

static void a_pinned_block_is_not_promoted(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    char *start = b->start;
    b->pinned = true;
    buffer_promote(b, true);
    CHECK(b->tier == BUFFER_HEAP && b->start == start && buffer_check(b));
    close_buffer();
}

static void refused_promotion_is_no_error(void)
{
    struct buffer *b = open_buffer();
    refuse_reservations();
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    char *start = b->start;
    buffer_promote(b, true);
    CHECK(b->tier == BUFFER_HEAP && b->start == start && holds_pattern(b, 0, 100));
    close_buffer();
}

static void without_reservations_all_sizes_live_on_the_heap(void)
{
    struct buffer *b = open_buffer();
    refuse_reservations();
    for (size_t n = 1; b->length < 3 * MIB; n *= 2) {
        CHECK(append_pattern(b, n, true) == BUFFER_OK);
        CHECK(b->tier != BUFFER_RESERVED);
    }
    CHECK(holds_pattern(b, 0, b->length));
    close_buffer();
}

static void limited_addresses_leave_the_heap_first(void)
{
    struct buffer *b = open_buffer();
    limit_the_pool();
    CHECK(append_pattern(b, MIB, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_HEAP);
    buffer_promote(b, false);
    CHECK(b->tier == BUFFER_RESERVED && buffer_check(b) && holds_pattern(b, 0, MIB));
    close_buffer();
}

static void outgrown_and_refused_goes_back_to_the_heap(void)
{
    struct buffer *b = open_buffer();
    limit_the_pool();
    CHECK(append_pattern(b, MIB, true) == BUFFER_OK);
    buffer_promote(b, false);
    refuse_reservations();
    CHECK(buffer_ensure(b, buffer_capacity(b), true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_HEAP && buffer_check(b) && holds_pattern(b, 0, MIB));
    close_buffer();
}

/* ---- the rest ------------------------------------------------------------------------------- */

/* The owners of very many small buffers count on it. */
static void a_buffer_on_the_heap_is_small_and_has_one_block(void)
{
    struct buffer *b = open_buffer();
    CHECK(sizeof *b <= 9 * sizeof(void *) && !buffer_has_rest(b));
    while (b->length < BUFFER_PROMOTE_AT - 16) {
        CHECK(append_pattern(b, 16, true) == BUFFER_OK);
        CHECK(!buffer_has_rest(b) && fixture.blocks == 1 + (b->tier == BUFFER_HEAP));
    }
    buffer_drop_front(b, 100);
    buffer_truncate(b, 10);
    CHECK(buffer_fit(b, true) == BUFFER_OK && buffer_freeze(b) == BUFFER_OK);
    CHECK(!buffer_has_rest(b) && buffer_check(b));
    close_buffer();
}

static void a_rest_goes_with_the_reservation(void)
{
    struct buffer *b = open_reserved(1000);
    CHECK(buffer_has_rest(b));
    CHECK(buffer_fit(b, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
    CHECK(!buffer_has_rest(b) && fixture.blocks == 2 && holds_pattern(b, 0, 1000));
    close_buffer();
}

static void a_rest_that_the_owner_wrote_to_stays(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_need_rest(b) == BUFFER_OK && buffer_need_rest(b) == BUFFER_OK);
    b->rest->holder = (struct buffer_holder){"Array", 8};
    CHECK(append_pattern(b, 100000, true) == BUFFER_OK && b->tier == BUFFER_RESERVED);
    buffer_truncate(b, 10);
    CHECK(buffer_fit(b, true) == BUFFER_OK && b->tier == BUFFER_HEAP && buffer_check(b));
    CHECK(b->rest->holder.row_size == 8);
    buffer_release(b);
    CHECK(buffer_check(b) && b->rest->holder.row_size == 8 && fixture.blocks == 2);
    close_buffer();
}

static void a_released_buffer_without_a_name_has_no_rest(void)
{
    struct buffer *b = open_reserved(1000);
    buffer_release(b);
    CHECK(buffer_check(b) && !buffer_has_rest(b) && fixture.blocks == 1);
    close_buffer();
}

/* Whoever read the address before the promotion may go on reading. */
static void a_promotion_leaves_the_bytes_of_the_small_block(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, BUFFER_BLOCK - 1, true) == BUFFER_OK);
    const char *old = b->start;
    buffer_promote(b, true);
    CHECK(b->tier == BUFFER_RESERVED && append_pattern(b, 100000, false) == BUFFER_OK);
    CHECK(memcmp(old, b->start, BUFFER_BLOCK - 1) == 0 && old[BUFFER_BLOCK - 1] == 0);
    close_buffer();
}

/* The addresses are there, but not the memory to note them in. */
static void without_memory_for_a_rest_contents_stay(void)
{
    struct buffer *b = open_buffer();
    char *tail;
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    fixture.fail_at = fixture.calls + 1;
    fixture.fails = -1;
    buffer_promote(b, true);
    CHECK(b->tier == BUFFER_HEAP && !buffer_has_rest(b) && holds_pattern(b, 0, 100));
    CHECK(buffer_spare(b, 10, true, &tail) == BUFFER_NO_MEMORY && buffer_lent(b) == 0);
    CHECK(buffer_need_rest(b) == BUFFER_NO_MEMORY && b->env->failed_size > 0);
    fixture.fail_at = 0;
    CHECK(buffer_check(b));
    close_buffer();
}

/* ---- growing ----------------------------------------------------------------------------- */

static void ensured_room_needs_nothing_more(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_ensure(b, 5 * MIB, true) == BUFFER_OK && buffer_check(b));
    CHECK(b->limit >= 5 * MIB && b->length == 0);
    size_t committed = buffer_committed(b);
    CHECK(committed >= 5 * MIB && committed <= buffer_capacity(b));
    const char *start = b->start;
    CHECK(append_pattern(b, 5 * MIB, false) == BUFFER_OK);
    CHECK(b->start == start && buffer_committed(b) == committed);
    close_buffer();
}

static void ensure_of_nothing_does_nothing(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_ensure(b, 0, false) == BUFFER_OK && b->tier == BUFFER_SMALL);
    CHECK(append_pattern(b, BUFFER_BLOCK - 1, true) == BUFFER_OK);
    CHECK(buffer_ensure(b, 0, false) == BUFFER_OK && b->tier == BUFFER_SMALL);
    close_buffer();
}

static void too_large_is_refused(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, 10, true) == BUFFER_OK);
    CHECK(buffer_ensure(b, SIZE_MAX, true) == BUFFER_TOO_LARGE && b->env->failed_size == SIZE_MAX);
    CHECK(buffer_ensure(b, BUFFER_MAX - 9, true) == BUFFER_TOO_LARGE);
    CHECK(buffer_ensure(b, BUFFER_MAX - 10, true) != BUFFER_OK);
    CHECK(buffer_ensure(b, BUFFER_MAX / 2, true) != BUFFER_OK);
    CHECK(b->tier == BUFFER_SMALL && b->length == 10 && holds_pattern(b, 0, 10) && buffer_check(b));
    close_buffer();
}

static void every_edge_of_the_first_pages(void)
{
    struct buffer *b = open_buffer();
    buffer_promote(b, false);
    size_t edges[] = {page_size(), 64 * KIB, 128 * KIB, 2 * MIB, 4 * MIB};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        CHECK(append_pattern(b, edges[i] - 1 - b->length, false) == BUFFER_OK);
        CHECK(b->start[b->length] == 0);
        for (int step = 0; step < 3; step++) {
            CHECK(append_pattern(b, 1, false) == BUFFER_OK);
        }
    }
    CHECK(holds_pattern(b, 0, b->length));
    close_buffer();
}

static void the_last_byte_of_a_reservation_is_the_terminator(void)
{
    struct buffer *b = open_buffer_with(128 * KIB);
    buffer_promote(b, false);
    CHECK(buffer_capacity(b) == 128 * KIB - 1);
    CHECK(append_pattern(b, 128 * KIB - 1, false) == BUFFER_OK);
    CHECK(b->limit == b->length && buffer_committed(b) == b->length);
    CHECK(b->start[b->length] == 0);
    close_buffer();
}

static void new_zeros_are_zero_in_every_tier(void)
{
    struct buffer *b = open_buffer();
    size_t sizes[] = {0, 5, 18, 100, 4000, 5000, 70000, 3 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t at = b->length;
        CHECK(buffer_extend_zero(b, sizes[i], true) == BUFFER_OK && buffer_check(b));
        CHECK(b->length == at + sizes[i] && holds_zeros(b->start + at, sizes[i] + 1));
    }
    close_buffer();
}

static void bytes_shrunk_away_come_back_zero(void)
{
    size_t sizes[] = {20, 300, 6000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer *b = open_buffer();
        size_t n = sizes[i];
        CHECK(append_pattern(b, n, true) == BUFFER_OK);
        buffer_truncate(b, n / 2);
        CHECK(buffer_check(b));
        CHECK(buffer_extend_zero(b, n, true) == BUFFER_OK && buffer_check(b));
        CHECK(holds_pattern(b, 0, n / 2) && holds_zeros(b->start + n / 2, n + 1));
        close_buffer();
    }
}

#ifdef __linux__
static size_t resident_pages(struct buffer *b)
{
    size_t count = buffer_page_count(b);
    unsigned char *pages = malloc(count);
    size_t resident = 0;
    CHECK(pages != NULL && buffer_page_map(b, pages) == BUFFER_OK);
    for (size_t i = 0; i < count; i++) {
        CHECK(pages[i] == BUFFER_PAGE_COMMITTED || pages[i] == BUFFER_PAGE_RESIDENT);
        resident += pages[i] == BUFFER_PAGE_RESIDENT;
    }
    free(pages);
    return resident;
}

static void zeros_cost_no_memory(void)
{
    struct buffer *b = open_buffer();
    b->huge = BUFFER_HUGE_NEVER;
    CHECK(buffer_extend_zero(b, 40 * MIB, true) == BUFFER_OK);
    CHECK(resident_pages(b) <= 2);
    buffer_truncate(b, 39 * MIB);
    CHECK(resident_pages(b) <= 2);
    close_buffer();
}
#endif

static void the_end_is_replaced_by_our_own_bytes(void)
{
    struct buffer *b = open_reserved(1000);
    CHECK(buffer_ensure(b, 500, false) == BUFFER_OK);
    buffer_replace_end(b, 900, b->start + 400, 600);
    CHECK(buffer_check(b) && b->length == 1500 && holds_pattern(b, 0, 900));
    for (size_t i = 0; i < 600; i++) {
        CHECK(b->start[900 + i] == pattern(400 + i));
    }
    close_buffer();
}

static void lent_bytes_are_appended_unharmed(void)
{
    struct buffer *b = open_reserved(10);
    char *tail;
    CHECK(buffer_spare(b, 100, false, &tail) == BUFFER_OK);
    memset(tail, 'x', 100);
    CHECK(buffer_ensure(b, 50, false) == BUFFER_OK);
    buffer_replace_end(b, 10, tail + 3, 50);
    CHECK(buffer_check(b) && b->length == 60 && b->start[10] == 'x' && b->start[59] == 'x');
    close_buffer();
}

static void gaps_open_at_any_place(void)
{
    size_t sizes[] = {6, 100, 5000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer *b = open_buffer();
        size_t n = sizes[i];
        CHECK(append_pattern(b, n, true) == BUFFER_OK);
        CHECK(buffer_open_gap(b, n / 3, n, true) == BUFFER_OK && buffer_check(b));
        CHECK(b->length == 2 * n && holds_pattern(b, 0, n / 3));
        memmove(b->start + n / 3, b->start + n / 3 + n, n - n / 3);
        CHECK(holds_pattern(b, 0, n));
        CHECK(buffer_open_gap(b, b->length, 3, true) == BUFFER_OK && b->length == 2 * n + 3);
        CHECK(buffer_open_gap(b, 0, 0, true) == BUFFER_OK && b->length == 2 * n + 3);
        CHECK(buffer_check(b));
        close_buffer();
    }
}

/* ---- shrinking --------------------------------------------------------------------------- */

static void truncating_keeps_the_head(void)
{
    size_t sizes[] = {20, 300, 6000, 100000, 9 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer *b = open_buffer();
        CHECK(append_pattern(b, sizes[i], true) == BUFFER_OK);
        for (size_t n = sizes[i];; n = n / 3) {
            buffer_truncate(b, n);
            CHECK(buffer_check(b) && b->length == n && holds_pattern(b, 0, n));
            if (n == 0) {
                break;
            }
        }
        close_buffer();
    }
}

static void a_much_too_large_block_is_exchanged(void)
{
    struct buffer *b = open_buffer();
    limit_the_pool();
    CHECK(append_pattern(b, 100000, true) == BUFFER_OK);
    buffer_truncate(b, 50000);
    CHECK(buffer_size(b) >= 100000);
    buffer_truncate(b, 1000);
    CHECK(b->tier == BUFFER_HEAP && buffer_size(b) < 2000 && holds_pattern(b, 0, 1000));
    close_buffer();
}

static void a_dropped_front_shrinks_the_block_too(void)
{
    struct buffer *b = open_buffer();
    limit_the_pool();
    CHECK(append_pattern(b, 100000, true) == BUFFER_OK);
    buffer_drop_front(b, 99000);
    CHECK(buffer_check(b) && holds_pattern(b, 99000, 1000));
    CHECK(b->tier == BUFFER_HEAP && buffer_size(b) < 2000);
    close_buffer();
}

static void truncating_gives_pages_back(void)
{
    struct buffer *b = open_reserved(30 * MIB);
    const char *start = b->start;
    buffer_truncate(b, 100);
    CHECK(buffer_check(b) && b->start == start && holds_pattern(b, 0, 100));
    size_t kept = b->rest->storage.committed;
    CHECK(kept <= 2 * MIB && b->rest->storage.dirty <= kept);
    CHECK(fixture_tracked(&fixture, buffer_base(b)) == kept);
    CHECK(buffer_extend_zero(b, 8 * MIB, true) == BUFFER_OK && buffer_check(b));
    CHECK(holds_zeros(b->start + 100, 8 * MIB + 1));
    close_buffer();
}

static void gaps_close_at_any_place(void)
{
    size_t sizes[] = {6, 100, 5000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer *b = open_buffer();
        size_t n = sizes[i];
        CHECK(append_pattern(b, n, true) == BUFFER_OK);
        buffer_close_gap(b, n / 3, n / 3);
        CHECK(buffer_check(b) && b->length == n - n / 3 && holds_pattern(b, 0, n / 3));
        size_t rest = b->length - n / 3;
        buffer_close_gap(b, 0, n / 3);
        CHECK(buffer_check(b) && b->length == rest && holds_pattern(b, 2 * (n / 3), rest));
        buffer_close_gap(b, 0, rest);
        CHECK(buffer_check(b) && b->length == 0);
        close_buffer();
    }
}

/* ---- fit --------------------------------------------------------------------------------- */

static void fitting_moves_small_contents_to_the_heap(void)
{
    struct buffer *b = open_reserved(1000);
    CHECK(buffer_fit(b, true) == BUFFER_OK && buffer_check(b));
    CHECK(b->tier == BUFFER_HEAP && buffer_size(b) == 1001 && holds_pattern(b, 0, 1000));
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    CHECK(buffer_fit(b, true) == BUFFER_OK && buffer_size(b) == 1101);
    close_buffer();
}

static void fitting_keeps_the_object(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, 3, true) == BUFFER_OK);
    CHECK(buffer_fit(b, true) == BUFFER_OK && b->tier == BUFFER_SMALL && buffer_check(b));
    close_buffer();
}

static void fitting_large_contents_cuts_pages(void)
{
    struct buffer *b = open_reserved(9 * MIB + 1);
    const char *start = b->start;
    CHECK(buffer_fit(b, true) == BUFFER_OK && buffer_check(b) && b->start == start);
    CHECK(b->rest->storage.committed == growth_round_up(9 * MIB + 2, page_size()));
    CHECK(fixture_tracked(&fixture, buffer_base(b)) == b->rest->storage.committed);
    CHECK(append_pattern(b, MIB, false) == BUFFER_OK && holds_pattern(b, 0, 10 * MIB + 1));
    close_buffer();
}

static void fitting_while_looked_at_does_not_move(void)
{
    struct buffer *b = open_reserved(1000);
    CHECK(buffer_ensure(b, 9 * MIB, false) == BUFFER_OK);
    const char *start = b->start;
    CHECK(buffer_fit(b, false) == BUFFER_OK && buffer_check(b));
    CHECK(b->start == start && b->rest->storage.committed == page_size());
    CHECK(holds_pattern(b, 0, 1000));
    close_buffer();
    b = open_buffer();
    CHECK(append_pattern(b, 1000, true) == BUFFER_OK);
    CHECK(buffer_fit(b, false) == BUFFER_OK && b->tier == BUFFER_HEAP && buffer_check(b));
    close_buffer();
}

static void fitting_a_whole_page_keeps_the_terminator(void)
{
    struct buffer *b = open_reserved(0);
    CHECK(append_pattern(b, 16 * page_size() - 1, false) == BUFFER_OK);
    CHECK(buffer_fit(b, false) == BUFFER_OK && b->rest->storage.committed == 16 * page_size());
    CHECK(append_pattern(b, 1, false) == BUFFER_OK);
    CHECK(buffer_fit(b, false) == BUFFER_OK && b->rest->storage.committed == 17 * page_size());
    CHECK(buffer_check(b));
    close_buffer();
}

/* ---- freeze and release -------------------------------------------------------------------- */

static void frozen_buffers_refuse_changes(void)
{
    size_t sizes[] = {3, 100, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer *b = open_buffer();
        char *tail;
        CHECK(append_pattern(b, sizes[i], true) == BUFFER_OK);
        CHECK(buffer_freeze(b) == BUFFER_OK && b->frozen && buffer_check(b));
        CHECK(buffer_freeze(b) == BUFFER_OK);
        CHECK(buffer_ensure(b, 1, true) == BUFFER_FROZEN);
        CHECK(buffer_extend_zero(b, 0, true) == BUFFER_FROZEN);
        CHECK(buffer_open_gap(b, 0, 0, true) == BUFFER_FROZEN);
        CHECK(buffer_spare(b, 0, true, &tail) == BUFFER_FROZEN);
        CHECK(buffer_advance(b, 0) == BUFFER_FROZEN);
        CHECK(buffer_fit(b, true) == BUFFER_FROZEN);
        CHECK(holds_pattern(b, 0, sizes[i]) && buffer_check(b));
        close_buffer();
    }
}

static void frozen_pages_are_protected(void)
{
#if HAVE_LIMITS
    struct buffer *b = open_reserved(10 * MIB);
    buffer_drop_front(b, 3 * MIB);
    CHECK(buffer_freeze(b) == BUFFER_OK);
    CHECK(child_faults(b->start) && child_faults(b->start + b->length - 1));
    CHECK(holds_pattern(b, 3 * MIB, b->length));
    close_buffer();
#else
    SKIP("no forked child to fault in");
#endif
}

static void a_frozen_range_is_writable_for_the_next(void)
{
    struct buffer *b = open_reserved(1000);
    const char *base = buffer_base(b);
    CHECK(buffer_freeze(b) == BUFFER_OK);
    buffer_free(b);
    CHECK(fixture.env.pool->idle_count == 1);
    owner_init(&owner, &fixture);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && append_pattern(b, 2000, true) == BUFFER_OK);
    close_buffer();
}

static void released_buffers_refuse_everything(void)
{
    struct buffer *b = open_reserved(1000);
    char *tail;
    buffer_release(b);
    CHECK(buffer_check(b));
    CHECK(buffer_ensure(b, 1, true) == BUFFER_RELEASED);
    CHECK(buffer_extend_zero(b, 0, true) == BUFFER_RELEASED);
    CHECK(buffer_spare(b, 1, true, &tail) == BUFFER_RELEASED);
    CHECK(buffer_freeze(b) == BUFFER_RELEASED && buffer_fit(b, true) == BUFFER_RELEASED);
    CHECK(buffer_capacity(b) == 0 && buffer_committed(b) == 0);
    close_buffer();
}

/* ---- the check itself ---------------------------------------------------------------------- */

static void the_check_sees_a_wrong_length(void)
{
    struct buffer *b = open_reserved(1000);
    struct buffer damaged = *b;
    damaged.length = damaged.limit + 1;
    CHECK(!buffer_check(&damaged));
    damaged = *b;
    damaged.limit = b->rest->storage.committed;
    CHECK(!buffer_check(&damaged));
    b->start[1000] = 'x';
    CHECK(!buffer_check(b));
    b->start[1000] = 0;
    CHECK(buffer_check(b));
    b->released = true;
    CHECK(!buffer_check(b));
    b->released = false;
    close_buffer();
}

static void the_check_sees_a_wrong_range(void)
{
    struct buffer *b = open_reserved(1000);
    struct buffer_rest rest = *b->rest;
    struct buffer damaged = *b;
    damaged.rest = &rest;
    CHECK(buffer_check(&damaged));
    rest.capacity = 5;
    CHECK(!buffer_check(&damaged));
    rest = *b->rest;
    rest.storage.committed = rest.storage.size + page_size();
    CHECK(!buffer_check(&damaged));
    rest = *b->rest;
    rest.given_back = page_size();
    CHECK(!buffer_check(&damaged));
    rest = *b->rest;
    rest.storage.committed = 0;
    CHECK(!buffer_check(&damaged));
    close_buffer();
}

static void the_check_sees_a_wrong_rest(void)
{
    struct buffer *b = open_buffer();
    struct buffer_rest rest = *b->rest;
    CHECK(buffer_check(b) && !buffer_has_rest(b));
    b->tier = BUFFER_RESERVED;
    CHECK(!buffer_check(b));
    b->tier = BUFFER_SMALL;
    b->rest = &rest;
    rest.given_back = page_size();
    CHECK(!buffer_check(b));
    b->rest = rest_none();
    CHECK(buffer_check(b));
    close_buffer();
}

static void the_check_sees_unclean_pages(void)
{
#ifndef POISON_ENABLED
    struct buffer *b = open_reserved(10);
    b->start[100] = 'x';
    CHECK(!buffer_check(b));
    b->start[100] = 0;
    CHECK(buffer_check(b));
    close_buffer();
#else
    SKIP("those bytes are poisoned here");
#endif
}

#ifdef POISON_ENABLED
static void spare_bytes_are_poisoned(void)
{
    struct buffer *b = open_reserved(1000);
    CHECK(!__asan_address_is_poisoned(b->start + 1000));
    CHECK(__asan_address_is_poisoned(b->start + 1001));
    char *tail = spare(b, 100, false);
    CHECK(!__asan_address_is_poisoned(tail + 99) && !__asan_address_is_poisoned(tail + 100));
    CHECK(__asan_address_is_poisoned(tail + 101));
    buffer_truncate(b, 500);
    CHECK(!__asan_address_is_poisoned(b->start + 500));
    CHECK(__asan_address_is_poisoned(b->start + 501) && __asan_address_is_poisoned(tail));
    buffer_drop_front(b, 16);
    CHECK(__asan_address_is_poisoned(b->start - 1));
    char *base = buffer_base(b);
    buffer_free(b);
    CHECK(!__asan_address_is_poisoned(base) && !__asan_address_is_poisoned(base + 4000));
    fixture_close(&fixture);
}

static void left_addresses_are_not_poisoned(void)
{
    struct buffer *b = open_buffer_with(MIB);
    CHECK(append_pattern(b, 100000, true) == BUFFER_OK);
    const char *old = buffer_base(b);
    CHECK(append_pattern(b, 2 * MIB, true) == BUFFER_OK && buffer_base(b) != old);
    CHECK(!__asan_address_is_poisoned(old + 100010));
    close_buffer();
}
#endif

static const struct check_test tests[] = {
    TEST(a_new_buffer_is_small_and_empty),
    TEST(small_contents_stay_in_the_object),
    TEST(one_byte_more_goes_to_the_heap),
    TEST(room_alone_keeps_the_terminator),
    TEST(a_pinned_block_does_not_go_to_the_heap),
    TEST(what_is_left_of_small_contents_goes_to_the_heap),
    TEST(larger_contents_get_a_reservation),
    TEST(the_first_middling_buffers_stay_on_the_heap),
    TEST(many_middling_buffers_stay_on_the_heap),
    TEST(promotion_keeps_contents),
    TEST(retired_blocks_live_until_the_end),
    TEST(only_the_last_retired_block_is_kept),
    TEST(promotion_to_a_warm_range_is_quick),
    TEST(growth_into_a_warm_range_is_quick),
    TEST(promotion_is_not_quick_where_more_is_to_be_done),
    TEST(a_pinned_block_is_not_promoted),
    TEST(refused_promotion_is_no_error),
    TEST(without_reservations_all_sizes_live_on_the_heap),
    TEST(limited_addresses_leave_the_heap_first),
    TEST(outgrown_and_refused_goes_back_to_the_heap),
    TEST(a_buffer_on_the_heap_is_small_and_has_one_block),
    TEST(a_rest_goes_with_the_reservation),
    TEST(a_rest_that_the_owner_wrote_to_stays),
    TEST(a_released_buffer_without_a_name_has_no_rest),
    TEST(a_promotion_leaves_the_bytes_of_the_small_block),
    TEST(without_memory_for_a_rest_contents_stay),
    TEST(ensured_room_needs_nothing_more),
    TEST(ensure_of_nothing_does_nothing),
    TEST(too_large_is_refused),
    TEST(every_edge_of_the_first_pages),
    TEST(the_last_byte_of_a_reservation_is_the_terminator),
    TEST(new_zeros_are_zero_in_every_tier),
    TEST(bytes_shrunk_away_come_back_zero),
#ifdef __linux__
    TEST(zeros_cost_no_memory),
#endif
    TEST(the_end_is_replaced_by_our_own_bytes),
    TEST(lent_bytes_are_appended_unharmed),
    TEST(gaps_open_at_any_place),
    TEST(truncating_keeps_the_head),
    TEST(a_much_too_large_block_is_exchanged),
    TEST(a_dropped_front_shrinks_the_block_too),
    TEST(truncating_gives_pages_back),
    TEST(gaps_close_at_any_place),
    TEST(fitting_moves_small_contents_to_the_heap),
    TEST(fitting_keeps_the_object),
    TEST(fitting_large_contents_cuts_pages),
    TEST(fitting_while_looked_at_does_not_move),
    TEST(fitting_a_whole_page_keeps_the_terminator),
    TEST(frozen_buffers_refuse_changes),
    TEST(frozen_pages_are_protected),
    TEST(a_frozen_range_is_writable_for_the_next),
    TEST(released_buffers_refuse_everything),
    TEST(the_check_sees_a_wrong_length),
    TEST(the_check_sees_a_wrong_range),
    TEST(the_check_sees_a_wrong_rest),
    TEST(the_check_sees_unclean_pages),
#ifdef POISON_ENABLED
    TEST(spare_bytes_are_poisoned),
    TEST(left_addresses_are_not_poisoned),
#endif
};

CHECK_MAIN(tests)
