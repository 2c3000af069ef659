/* test_buffer.c - growing memory: tiers, growth, shrinking, the lent tail, limits, old contents.
 *
 * What a reader would get wrong: buffer_check after each step is half of every test. The long random
 * test against a plain block of memory is in test_model.c.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "child.h"
#include "fixture.h"
#include "growth.h"
#include "storage.h"

static struct fixture fixture;
static struct owner owner;

static struct buffer *open_buffer(void)
{
    fixture_open(&fixture);
    owner_init(&owner, &fixture);
    return &owner.b;
}

/* With a small default, so that buffers outgrow their reservations. */
static struct buffer *open_buffer_with(size_t reservation)
{
    fixture_open_with(&fixture, reservation, 16 * MIB);
    owner_init(&owner, &fixture);
    return &owner.b;
}

static struct buffer *open_reserved(size_t length)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, length, true) == BUFFER_OK);
    buffer_promote(b, false);
    CHECK(b->tier == BUFFER_RESERVED && buffer_check(b));
    return b;
}

static void close_buffer(void)
{
    buffer_free(&owner.b);
    fixture_close(&fixture);
}

static size_t page_size(void)
{
    return fixture.env.pool->info.page_size;
}

/* The system plays one whose addresses are limited: the heap takes all that nobody looks at. */
static void limit_the_pool(void)
{
    fixture.env.pool->info.address_limit = 64 * MIB;
}

/* No reservation at all. */
static void refuse_reservations(void)
{
    fixture.env.pool->info.address_limit = 0;
}

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

/* ---- outgrowing a reservation --------------------------------------------------------------- */

static void outgrown_ranges_are_remapped(void)
{
    struct buffer *b = open_buffer_with(MIB);
    if (!fixture.env.pool->info.can_remap) {
        close_buffer();
        SKIP("no remapping on this system");
    }
    CHECK(append_pattern(b, 900 * KIB, true) == BUFFER_OK);
    CHECK(append_pattern(b, 3 * MIB, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_RESERVED && buffer_size(b) > 6 * MIB);
    CHECK(holds_pattern(b, 0, b->length));
    CHECK(fixture.env.pool->live == 1 && fixture.tracked_count == 1);
    CHECK(fixture_tracked(&fixture, buffer_base(b)) == b->rest->storage.committed);
    close_buffer();
}

static void outgrown_ranges_are_copied_where_they_cannot_be_remapped(void)
{
    struct buffer *b = open_buffer_with(MIB);
    fixture.env.pool->info.can_remap = false;
    CHECK(append_pattern(b, 900 * KIB, true) == BUFFER_OK);
    CHECK(append_pattern(b, 3 * MIB, true) == BUFFER_OK);
    CHECK(b->tier == BUFFER_RESERVED && holds_pattern(b, 0, b->length));
    CHECK(fixture.env.pool->live == 2 && fixture.env.pool->idle_count == 1);
    CHECK(fixture_tracked(&fixture, buffer_base(b)) == b->rest->storage.committed);
    close_buffer();
}

static void remapping_leaves_a_dropped_front_behind(void)
{
    struct buffer *b = open_buffer_with(16 * MIB);
    CHECK(append_pattern(b, 15 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 3 * MIB + 5);
    CHECK(buffer_check(b));
    CHECK(buffer_ensure(b, 16 * MIB, true) == BUFFER_OK && buffer_check(b));
    CHECK(holds_pattern(b, 3 * MIB + 5, 12 * MIB - 5));
    CHECK(buffer_extend_zero(b, 100, true) == BUFFER_OK);
    CHECK(holds_zeros(b->start + b->length - 100, 100));
    close_buffer();
}

static void nothing_moves_while_looked_at(void)
{
    struct buffer *b = open_buffer_with(MIB);
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    buffer_promote(b, false);
    const char *start = b->start;
    CHECK(append_pattern(b, MIB - 101, false) == BUFFER_OK);
    CHECK(b->start == start);
    CHECK(append_pattern(b, 1, false) == BUFFER_EXPORTED && b->env->failed_size == MIB);
    CHECK(b->start == start && b->length == MIB - 1 && holds_pattern(b, 0, MIB - 1));
    CHECK(append_pattern(b, 1, true) == BUFFER_OK && holds_pattern(b, 0, MIB));
    close_buffer();
}

static void small_and_heap_blocks_grow_in_place_only(void)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, BUFFER_BLOCK - 1, false) == BUFFER_OK);
    CHECK(append_pattern(b, 1, false) == BUFFER_EXPORTED);
    CHECK(append_pattern(b, 100, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
    const char *start = b->start;
    while (append_pattern(b, 1, false) == BUFFER_OK) {
    }
    CHECK(b->start == start && b->length == buffer_size(b) - 1 && holds_pattern(b, 0, b->length));
    close_buffer();
}

static void pinned_buffers_stay(void)
{
    struct buffer *b = open_buffer_with(MIB);
    CHECK(append_pattern(b, 500, true) == BUFFER_OK);
    buffer_promote(b, false);
    b->pinned = true;
    const char *start = b->start;
    CHECK(append_pattern(b, MIB, true) == BUFFER_PINNED);
    CHECK(append_pattern(b, MIB - 501, true) == BUFFER_OK);
    CHECK(b->start == start);
    CHECK(buffer_fit(b, true) == BUFFER_OK && b->start == start && buffer_check(b));
    buffer_truncate(b, 10);
    CHECK(b->start == start && buffer_check(b));
    buffer_drop_front(b, 10);
    CHECK(b->start == start + 10 && buffer_check(b));
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

/* ---- dropping the front -------------------------------------------------------------------- */

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

/* A queue: bytes come in at the end and leave at the front, far more than the reservation holds. */
static void run_queue(struct buffer *b, size_t total, size_t step, size_t most)
{
    size_t in = 0;
    size_t out = 0;
    while (out < total) {
        CHECK(buffer_ensure(b, step, true) == BUFFER_OK);
        write_pattern(buffer_take_in(b, step), in, step);
        in += step;
        CHECK(buffer_check(b));
        if (b->length > most) {
            CHECK(b->start[0] == pattern(out) && b->start[b->length - 1] == pattern(in - 1));
            out += b->length - 7;
            buffer_drop_front(b, b->length - 7);
            CHECK(buffer_check(b) && holds_pattern(b, out, 7));
        }
    }
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

/* ---- capacity ---------------------------------------------------------------------------- */

static void check_capacity(size_t capacity)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_set_capacity(b, capacity) == BUFFER_OK && buffer_check(b));
    CHECK(buffer_capacity(b) == capacity);
    const char *base = buffer_base(b);
    for (int round = 0; round < 3; round++) {
        CHECK(append_pattern(b, capacity - b->length, false) == BUFFER_OK);
        CHECK(b->length == capacity && buffer_capacity(b) == capacity);
        CHECK(append_pattern(b, 1, true) == BUFFER_AT_CAPACITY);
        CHECK(b->env->failed_size == capacity + 1 && b->length == capacity);
        buffer_drop_front(b, (capacity + 1) / 2);
        CHECK(buffer_check(b) && buffer_capacity(b) == capacity);
        CHECK(buffer_committed(b) <= capacity && buffer_committed(b) >= b->length);
    }
    buffer_truncate(b, 0);
    CHECK(buffer_fit(b, true) == BUFFER_OK && buffer_check(b));
    buffer_promote(b, true);
    CHECK(buffer_base(b) == base && buffer_capacity(b) == capacity);
    CHECK(append_pattern(b, capacity, false) == BUFFER_OK && holds_pattern(b, 0, capacity));
    close_buffer();
}

static void capacity_is_exact_in_every_tier(void)
{
    size_t sizes[] = {0,    1,    7,    22,   23,    24,    25,    100,      4095,
                      4096, 4097, 8191, 8192, 32768, 65535, 65536, MIB - 1, 5 * MIB + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_capacity(sizes[i]);
    }
}

static void capacity_has_its_tier(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_set_capacity(b, BUFFER_BLOCK - 1) == BUFFER_OK && b->tier == BUFFER_SMALL);
    close_buffer();
    b = open_buffer();
    CHECK(buffer_set_capacity(b, BUFFER_BLOCK) == BUFFER_OK && b->tier == BUFFER_HEAP);
    close_buffer();
    b = open_buffer();
    CHECK(buffer_set_capacity(b, BUFFER_PROMOTE_AT) == BUFFER_OK && b->tier == BUFFER_RESERVED);
    close_buffer();
}

static void impossible_capacities_are_refused(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_set_capacity(b, SIZE_MAX / 2) == BUFFER_TOO_LARGE);
    CHECK(buffer_set_capacity(b, BUFFER_MAX / 4 + 1) == BUFFER_TOO_LARGE);
    CHECK(buffer_set_capacity(b, BUFFER_MAX / 4) == BUFFER_NOT_RESERVED);
    CHECK(b->env->failed_size >= BUFFER_MAX / 4 && b->env->system_error != 0);
    CHECK(b->tier == BUFFER_SMALL && b->rest->capacity == BUFFER_NO_CAPACITY && buffer_check(b));
    CHECK(append_pattern(b, 1000, true) == BUFFER_OK);
    close_buffer();
}

static void capacity_ignores_the_share_of_addresses(void)
{
    struct buffer *b = open_buffer();
    refuse_reservations();
    CHECK(buffer_set_capacity(b, MIB) == BUFFER_OK && b->tier == BUFFER_RESERVED);
    CHECK(append_pattern(b, MIB, false) == BUFFER_OK);
    close_buffer();
}

/* The end must reach the capacity whenever the front was dropped before the export. */
static void a_queue_with_a_capacity_never_fills_up(void)
{
    struct buffer *b = open_buffer_with(64 * KIB);
    CHECK(buffer_set_capacity(b, 100 * KIB) == BUFFER_OK);
    size_t total = 0;
    for (int round = 0; round < 2000; round++) {
        size_t room = 100 * KIB - b->length;
        CHECK(buffer_ensure(b, room, false) == BUFFER_OK && buffer_check(b));
        memset(buffer_take_in(b, room), round, room);
        total += room;
        buffer_drop_front(b, 777 + (size_t)round * 13 % 5000);
        CHECK(buffer_check(b));
    }
    CHECK(total > 10 * buffer_size(b));
    close_buffer();
}

static void a_pinned_queue_fills_up(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_set_capacity(b, 100) == BUFFER_OK);
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    b->pinned = true;
    buffer_drop_front(b, 60);
    CHECK(buffer_check(b) && holds_pattern(b, 60, 40));
    CHECK(buffer_ensure(b, 50, true) == BUFFER_PINNED && holds_pattern(b, 60, 40));
    close_buffer();
}

/* ---- the lent tail ------------------------------------------------------------------------- */

static char *spare(struct buffer *b, size_t n, bool movable)
{
    char *tail;
    CHECK(buffer_spare(b, n, movable, &tail) == BUFFER_OK);
    CHECK(tail == b->start + b->length && holds_zeros(tail, n));
    CHECK(buffer_check(b));
    return tail;
}

static void advance(struct buffer *b, size_t n)
{
    CHECK(buffer_advance(b, n) == BUFFER_OK);
    CHECK(buffer_check(b));
}

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

/* ---- huge pages, names, tracking ----------------------------------------------------------- */

#ifdef __linux__
static bool open_advised(struct buffer **b, enum buffer_huge huge)
{
    *b = open_buffer();
    struct vmem_info *info = &fixture.env.pool->info;
    (*b)->huge = (unsigned char)huge;
    info->thp = VMEM_THP_ADVISED;
    return info->can_advise_huge;
}

#define OPEN_ADVISED_OR_SKIP(wanted)                                                               \
    struct buffer *b;                                                                              \
    if (!open_advised(&b, wanted)) {                                                               \
        close_buffer();                                                                            \
        SKIP("no huge pages on this system");                                                      \
    }

/* The buffer ends, and another one in its place gets its range. */
static void begin_next_life(struct buffer *b, enum buffer_huge huge)
{
    buffer_free(b);
    owner_init(&owner, &fixture);
    b->huge = (unsigned char)huge;
}

static void large_buffers_ask_for_huge_pages(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_AUTO)
    CHECK(append_pattern(b, MIB, true) == BUFFER_OK && !b->rest->storage.huge);
    CHECK(append_pattern(b, 4 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    CHECK(has_flag(b->start, " hg") && holds_pattern(b, 0, 5 * MIB));
    close_buffer();
}

static void huge_always_asks_at_once(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 10, true) == BUFFER_OK);
    buffer_promote(b, false);
    CHECK(b->rest->storage.huge && b->rest->storage.committed == b->rest->storage.lead + 2 * MIB);
    CHECK(has_flag(b->start, " hg"));
    close_buffer();
}

static void huge_always_keeps_to_a_small_range(void)
{
    struct buffer *b = open_buffer_with(MIB);
    b->huge = BUFFER_HUGE_ALWAYS;
    CHECK(append_pattern(b, 900 * KIB, true) == BUFFER_OK && b->rest->storage.committed == MIB);
    close_buffer();
}

static void huge_never_does_not_ask(void)
{
    struct buffer *b;
    open_advised(&b, BUFFER_HUGE_NEVER);
    CHECK(append_pattern(b, 5 * MIB, true) == BUFFER_OK && !b->rest->storage.huge);
    CHECK(!has_flag(b->start, " hg"));
    close_buffer();
}

static void huge_never_takes_the_advice_off(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 5 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    const char *base = buffer_base(b);
    begin_next_life(b, BUFFER_HUGE_NEVER);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && !b->rest->storage.huge && !has_flag(base, " hg"));
    close_buffer();
}

/* The pages that stay keep their advice, whatever has become of the others. */
static void a_shrunk_buffer_leaves_no_advice_to_the_next(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 9 * MIB, true) == BUFFER_OK);
    CHECK(buffer_fit(b, false) == BUFFER_OK && !b->rest->storage.huge && has_flag(b->start, " hg"));
    const char *base = buffer_base(b);
    begin_next_life(b, BUFFER_HUGE_NEVER);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && !has_flag(base, " hg") && !has_flag(base + 8 * MIB, " hg"));
    close_buffer();
}

static void a_dropped_front_leaves_no_advice_to_the_next(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 10 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 5 * MIB);
    const char *base = buffer_base(b);
    CHECK(b->rest->given_back > 0);
    begin_next_life(b, BUFFER_HUGE_NEVER);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && !has_flag(base + 9 * MIB, " hg"));
    close_buffer();
}

/* More is missing than is warm. */
static void a_range_without_most_of_it_does_not_wait(void)
{
    struct buffer *b = open_buffer();
    if (append_pattern(b, 10 * MIB, true) == BUFFER_OK && b->tier == BUFFER_RESERVED) {
        buffer_drop_front(b, 9 * MIB);
        CHECK(b->rest->given_back > 0);
        buffer_free(b);
        CHECK(fixture.env.pool->idle_count == 0 && fixture.env.pool->live == 0);
        buffer_init(b, &fixture.env);
    }
    close_buffer();
}

static void huge_never_forbids_where_all_are_huge(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_NEVER)
    fixture.env.pool->info.thp = VMEM_THP_ALWAYS;
    buffer_promote(b, false);
    CHECK(has_flag(b->start, " nh"));
    buffer_free(b);
    CHECK(fixture.env.pool->idle_count == 0); /* or the next buffer would inherit it */
    fixture_close(&fixture);
}

static void who_may_have_huge_pages_keeps_those_of_the_last_owner(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    fixture.env.pool->info.thp = VMEM_THP_ALWAYS;
    CHECK(append_pattern(b, 4 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    const char *base = buffer_base(b);
    begin_next_life(b, BUFFER_HUGE_AUTO);
    CHECK(append_pattern(b, 12 * MIB, true) == BUFFER_OK);
    CHECK(buffer_base(b) == base && !has_flag(base + 8 * MIB, " nh"));
    close_buffer();
}

static void who_forbids_huge_pages_does_so_after_pages_went(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_NEVER)
    fixture.env.pool->info.thp = VMEM_THP_ALWAYS;
    buffer_promote(b, false);
    CHECK(append_pattern(b, 16 * MIB, true) == BUFFER_OK);
    buffer_truncate(b, 100);
    CHECK(b->rest->storage.committed < 8 * MIB);
    CHECK(append_pattern(b, 12 * MIB, true) == BUFFER_OK);
    CHECK(has_flag(buffer_base(b) + 10 * MIB, " nh"));
    close_buffer();
}

/* Low latency forbids them, and may be over by the time that the range is given up. */
static void a_range_that_forbids_does_not_wait(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_AUTO)
    fixture.env.pool->info.thp = VMEM_THP_ALWAYS;
    fixture.env.pool->low_latency = true;
    buffer_promote(b, false);
    CHECK(has_flag(b->start, " nh"));
    fixture.env.pool->low_latency = false;
    buffer_free(b);
    CHECK(fixture.env.pool->idle_count == 0);
    fixture_close(&fixture);
}

static void advice_is_given_again_after_pages_went(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_AUTO)
    CHECK(append_pattern(b, 30 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    buffer_truncate(b, 100);
    CHECK(b->rest->storage.committed < 30 * MIB);
    CHECK(append_pattern(b, 20 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    CHECK(has_flag(b->start + 16 * MIB, " hg"));
    close_buffer();
}

/* The page before the first huge one is not worth a call, and the whole range would count as without
 * advice from then on. */
static void a_front_of_less_than_a_huge_page_stays(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 6 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    buffer_drop_front(b, 2 * MIB - 1);
    CHECK(b->rest->given_back == 0 && buffer_check(b));
    buffer_drop_front(b, page_size() + 1);
    CHECK(b->rest->given_back == 2 * MIB + b->rest->storage.lead && buffer_check(b));
    close_buffer();
}

struct memory {
    unsigned long resident; /* KiB */
    unsigned long huge;     /* how much of it stands in huge pages */
};

static void add_mapping(struct memory *memory, const char *line)
{
    unsigned long size;
    if (sscanf(line, "Rss: %lu", &size) == 1) {
        memory->resident += size;
    } else if (sscanf(line, "AnonHugePages: %lu", &size) == 1) {
        memory->huge += size;
    }
}

/* What stands behind the committed part, which may be several mappings. */
static struct memory memory_of(const char *base, size_t size)
{
    struct memory memory = {0, 0};
    char line[512];
    bool inside = false;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    CHECK(smaps != NULL);
    while (fgets(line, sizeof line, smaps) != NULL) {
        unsigned long long start;
        unsigned long long end;
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2) {
            inside = start < (uintptr_t)base + size && (uintptr_t)base < end;
        } else if (inside) {
            add_mapping(&memory, line);
        }
    }
    fclose(smaps);
    return memory;
}

static struct memory memory_behind(const struct buffer *b)
{
    return memory_of(buffer_base(b), buffer_accessible(b));
}

/* Whether the system has that many huge pages to give, 2 MiB each, to whoever begins with one. */
static bool are_huge_pages_to_be_had(size_t size)
{
    const struct vmem_info *info = &fixture.env.pool->info;
    void *base;
    if (!info->can_advise_huge || info->huge_page_size != 2 * MIB) {
        return false;
    }
    CHECK(vmem_reserve(size, 2 * MIB, &base) == 0 && vmem_commit(base, size) == 0);
    CHECK(vmem_advise_huge(base, size, true) == 0);
    memset(base, 1, size);
    struct memory memory = memory_of(base, size);
    CHECK(vmem_release(base, size) == 0);
    return memory.huge == size / KIB;
}

static void fill_in_pieces(struct buffer *b, size_t size)
{
    while (b->length < size) {
        CHECK(buffer_ensure(b, 64 * KIB, true) == BUFFER_OK);
        memset(buffer_take_in(b, 64 * KIB), 'x', 64 * KIB);
    }
}

/* Not even for the terminator; in the first life of a range, and in the next. The first block has
 * small pages where huge ones are not asked for from the start. */
static void check_whole_huge_pages(enum buffer_huge huge, size_t small)
{
    struct buffer *b;
    bool can = open_advised(&b, huge);
    if (!can || !are_huge_pages_to_be_had(32 * MIB)) {
        close_buffer();
        SKIP("no huge pages are to be had");
    }
    fixture.env.pool->budget = 64 * MIB;
    for (int life = 0; life < 3; life++) {
        fill_in_pieces(b, 32 * MIB);
        CHECK(memory_behind(b).resident <= (32 * MIB + 16 * KIB) / KIB);
        CHECK(memory_behind(b).huge >= (32 * MIB - small) / KIB);
        CHECK(buffer_check(b));
        begin_next_life(b, huge);
    }
    close_buffer();
}

static void whole_huge_pages_need_no_other(void)
{
    check_whole_huge_pages(BUFFER_HUGE_ALWAYS, 0);
}

static void huge_pages_follow_the_first_small_ones(void)
{
    check_whole_huge_pages(BUFFER_HUGE_AUTO, 2 * MIB);
}

/* From a reservation that begins before a huge page, and from one that is too small for that. */
static void remapped_huge_pages_stay_whole(void)
{
    for (size_t reservation = 8 * MIB; reservation <= 64 * MIB; reservation *= 8) {
        struct buffer *b;
        bool can = open_advised(&b, BUFFER_HUGE_ALWAYS);
        if (!can || !are_huge_pages_to_be_had(32 * MIB)) {
            close_buffer();
            SKIP("no huge pages are to be had");
        }
        fixture.env.pool->reservation = reservation;
        fill_in_pieces(b, reservation - 64 * KIB);
        const char *base = buffer_base(b);
        struct memory before = memory_behind(b);
        CHECK(before.huge >= (reservation - 4 * MIB) / KIB);
        CHECK(buffer_ensure(b, 2 * reservation, true) == BUFFER_OK);
        CHECK(buffer_base(b) != base && b->rest->storage.huge);
        struct memory after = memory_behind(b);
        CHECK(after.huge == before.huge && after.resident == before.resident);
        fill_in_pieces(b, 2 * reservation);
        CHECK(memory_behind(b).huge >= (2 * reservation - 4 * MIB) / KIB && buffer_check(b));
        close_buffer();
    }
}

static void remapped_ranges_are_advised_anew(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_AUTO)
    fixture.env.pool->reservation = 8 * MIB;
    CHECK(append_pattern(b, 7 * MIB, true) == BUFFER_OK && buffer_size(b) == 8 * MIB);
    CHECK(append_pattern(b, 20 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    CHECK(has_flag(b->start + 25 * MIB, " hg") && holds_pattern(b, 0, 27 * MIB));
    close_buffer();
}
#endif

static void named_buffers_work(void)
{
    struct buffer *b = open_buffer_with(MIB);
    CHECK(buffer_need_rest(b) == BUFFER_OK);
    b->rest->name = "packets";
    fixture.env.pool->info.can_name = true; /* where it cannot, the refusal is no matter */
    CHECK(append_pattern(b, 900 * KIB, true) == BUFFER_OK);
    CHECK(append_pattern(b, 2 * MIB, true) == BUFFER_OK && holds_pattern(b, 0, b->length));
    close_buffer();
}

static void every_commit_is_tracked(void)
{
    struct buffer *b = open_buffer_with(MIB);
    for (size_t n = 1; b->length < 20 * MIB; n += 1 + n / 2) {
        CHECK(append_pattern(b, n, true) == BUFFER_OK);
        bool paged = b->tier == BUFFER_RESERVED;
        CHECK(fixture.tracked_count == (paged ? 1u : 0u));
        CHECK(fixture_tracked(&fixture, buffer_base(b)) == (paged ? b->rest->storage.committed : 0));
    }
    CHECK(buffer_fit(b, true) == BUFFER_OK);
    CHECK(fixture_tracked(&fixture, buffer_base(b)) == b->rest->storage.committed);
    buffer_truncate(b, 10);
    CHECK(buffer_fit(b, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
    CHECK(fixture.tracked_count == 0);
    close_buffer();
}

static void tracking_is_optional(void)
{
    struct buffer *b = open_buffer();
    fixture.env.committed = NULL;
    CHECK(append_pattern(b, 5 * MIB, true) == BUFFER_OK);
    close_buffer();
}

/* ---- the page map -------------------------------------------------------------------------- */

static void blocks_have_no_pages(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_page_count(b) == 0 && buffer_page_map(b, NULL) == BUFFER_OK);
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    CHECK(buffer_page_count(b) == 0 && buffer_page_map(b, NULL) == BUFFER_OK);
    close_buffer();
}

static void the_page_map_tells_three_states(void)
{
    struct buffer *b = open_buffer();
    b->huge = BUFFER_HUGE_NEVER;
    if (!fixture.env.pool->info.can_query_resident) {
        close_buffer();
        SKIP("the system does not tell what is resident");
    }
    CHECK(append_pattern(b, 3 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 2 * MIB);
    CHECK(buffer_ensure(b, 4 * MIB, false) == BUFFER_OK);
    size_t page = page_size();
    size_t count = buffer_page_count(b);
    unsigned char *pages = malloc(count);
    CHECK(count == b->rest->storage.committed / page && pages != NULL);
    CHECK(buffer_page_map(b, pages) == BUFFER_OK);
    CHECK(pages[0] == BUFFER_PAGE_RESERVED && pages[2 * MIB / page - 1] == BUFFER_PAGE_RESERVED);
    CHECK(pages[2 * MIB / page] == BUFFER_PAGE_RESIDENT);
    CHECK(pages[count - 1] == BUFFER_PAGE_COMMITTED);
    free(pages);
    close_buffer();
}

/* ---- lazy ranges --------------------------------------------------------------------------- */

static struct buffer *open_lazy(size_t length)
{
    struct buffer *b = open_buffer();
    fixture.env.pool->info.max_mappings = 0;
    CHECK(append_pattern(b, length, true) == BUFFER_OK);
    buffer_promote(b, false);
    return b;
}

static void lazy_buffers_work(void)
{
    struct buffer *b = open_lazy(100);
    if (!fixture.env.pool->info.can_reserve_lazy) {
        close_buffer();
        SKIP("no lazy ranges on this system");
    }
    CHECK(b->rest->storage.lazy && buffer_committed(b) == buffer_capacity(b) && buffer_check(b));
    CHECK(fixture.tracked_count == 0);
    CHECK(append_pattern(b, 10 * MIB, false) == BUFFER_OK && holds_pattern(b, 0, b->length));
    buffer_drop_front(b, 5 * MIB);
    CHECK(buffer_check(b) && b->rest->given_back == 0 && holds_pattern(b, 5 * MIB, b->length));
    buffer_truncate(b, 10);
    CHECK(buffer_check(b) && b->rest->storage.committed == buffer_size(b));
    CHECK(buffer_extend_zero(b, 8 * MIB, false) == BUFFER_OK && buffer_check(b));
    CHECK(holds_pattern(b, 5 * MIB, 10) && holds_zeros(b->start + 10, 8 * MIB + 1));
    CHECK(buffer_fit(b, false) == BUFFER_OK && buffer_check(b));
    CHECK(buffer_freeze(b) == BUFFER_OK && buffer_check(b));
    buffer_free(b);
    CHECK(fixture.env.pool->live == 0);
    fixture_close(&fixture);
}

static void outgrown_lazy_ranges_are_copied(void)
{
    struct buffer *b = open_lazy(100);
    if (!fixture.env.pool->info.can_reserve_lazy) {
        close_buffer();
        SKIP("no lazy ranges on this system");
    }
    CHECK(append_pattern(b, 60 * MIB, true) == BUFFER_OK);
    CHECK(append_pattern(b, 10 * MIB, true) == BUFFER_OK);
    CHECK(b->rest->storage.lazy && buffer_size(b) > 64 * MIB && holds_pattern(b, 0, b->length));
    close_buffer();
}

/* ---- old contents -------------------------------------------------------------------------- */

/* One buffer writes secrets all over a range, the next one gets the range. */
static struct buffer *open_second_hand(void)
{
    struct buffer *b = open_buffer();
    const char *base;
    CHECK(buffer_ensure(b, 3 * MIB, true) == BUFFER_OK);
    memset(buffer_take_in(b, 3 * MIB), 's', 3 * MIB);
    base = buffer_base(b);
    buffer_free(b);
    owner_init(&owner, &fixture);
    CHECK(append_pattern(b, 5, true) == BUFFER_OK);
    buffer_promote(b, false);
    /* A frugal system takes the memory back at once, and then there is nothing to hide. */
    if (!pool_is_frugal(fixture.env.pool)) {
        const struct range *range = &b->rest->storage;
        size_t written = 3 * MIB + 1, whole = range_round_up(range, written, GROWTH_COMMIT_BLOCK);
        CHECK(buffer_base(b) == base && range->dirty == (range->huge ? whole : written));
    }
    CHECK(buffer_check(b));
    CHECK(b->start[5] == 0);
    return b;
}

static void zeros_hide_old_contents(void)
{
    struct buffer *b = open_second_hand();
    CHECK(buffer_extend_zero(b, 4 * MIB, false) == BUFFER_OK && buffer_check(b));
    CHECK(holds_pattern(b, 0, 5) && holds_zeros(b->start + 5, 4 * MIB + 1));
    close_buffer();
}

static void zeros_by_and_by_hide_old_contents(void)
{
    struct buffer *b = open_second_hand();
    for (size_t n = 0; b->length < 4 * MIB; n += 1 + n / 3) {
        size_t at = b->length;
        CHECK(buffer_extend_zero(b, n, false) == BUFFER_OK && buffer_check(b));
        CHECK(holds_zeros(b->start + at, n + 1));
    }
    close_buffer();
}

static void lent_tails_hide_old_contents(void)
{
    struct buffer *b = open_second_hand();
    for (size_t n = 0; n < 4 * MIB; n += 1 + n / 3) {
        CHECK(b->start + b->length == spare(b, n, false) && holds_zeros(b->start + 5, n + 1));
    }
    advance(b, 2 * MIB);
    CHECK(holds_zeros(b->start + 5, 2 * MIB + 1));
    close_buffer();
}

static void a_partly_written_tail_is_not_shown_to_the_next(void)
{
    struct buffer *b = open_reserved(10);
    memset(spare(b, 10000, false), 's', 10000);
    buffer_free(b);
    owner_init(&owner, &fixture);
    buffer_promote(b, false);
    CHECK(buffer_check(b));
    CHECK(buffer_extend_zero(b, 20000, false) == BUFFER_OK && holds_zeros(b->start, 20001));
    close_buffer();
}

static void ranges_with_a_dropped_front_are_reused(void)
{
    struct buffer *b = open_reserved(10 * MIB);
    const char *base = buffer_base(b);
    buffer_drop_front(b, 5 * MIB);
    CHECK(b->rest->given_back > 0);
    buffer_free(b);
    owner_init(&owner, &fixture);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && b->rest->given_back == 0 && buffer_check(b));
    CHECK(buffer_extend_zero(b, 10 * MIB, false) == BUFFER_OK && buffer_check(b));
    CHECK(holds_zeros(b->start, 10 * MIB + 1));
    close_buffer();
}

static void many_buffers_share_the_pool(void)
{
    static struct owner owners[100];
    fixture_open_with(&fixture, MIB, 4 * MIB);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 100; i++) {
            owner_init(&owners[i], &fixture);
            CHECK(append_pattern(&owners[i].b, 1 + i * 700, true) == BUFFER_OK);
            fixture.env.committed = NULL; /* more than the fixture can remember */
            buffer_promote(&owners[i].b, i % 2 == 0);
        }
        for (size_t i = 0; i < 100; i++) {
            CHECK(buffer_check(&owners[i].b) && holds_pattern(&owners[i].b, 0, 1 + i * 700));
            buffer_free(&owners[i].b);
        }
        CHECK(fixture.env.pool->idle_count == POOL_SLOTS);
        CHECK(fixture.env.pool->idle_bytes <= 4 * MIB + POOL_SLOTS * 64 * KIB);
    }
    fixture_close(&fixture);
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

/* ---- real limits, in a child --------------------------------------------------------------- */

#if HAVE_LIMITS

static void grow_in_steps(struct buffer *b, size_t length, bool movable)
{
    while (b->length < length) {
        CHECK(append_pattern(b, 777777, movable) == BUFFER_OK);
    }
    CHECK(holds_pattern(b, 0, b->length));
}

/* What a bytearray could do with these limits, a buffer can. */
static void grow_under_an_address_limit(void *unused)
{
    (void)unused;
    limit_addresses(256 * MIB);
    struct buffer *b = open_buffer();
    grow_in_steps(b, 150 * MIB, true);
    close_buffer();
}

static void grow_under_a_limit_set_later(void *unused)
{
    (void)unused;
    struct buffer *b = open_buffer_with(1024 * MIB);
    fixture_ask_the_system(&fixture);
    buffer_promote(b, false);
    limit_addresses(200 * MIB);
    grow_in_steps(b, 150 * MIB, false);
    struct owner second;
    owner_init(&second, &fixture);
    grow_in_steps(&second.b, 100 * MIB, true);
    buffer_free(&second.b);
    close_buffer();
}

static void export_under_an_address_limit(void *unused)
{
    static struct owner owners[500];
    (void)unused;
    limit_addresses(64 * MIB);
    fixture_open(&fixture);
    fixture.env.committed = NULL;
    for (size_t i = 0; i < 500; i++) {
        owner_init(&owners[i], &fixture);
        CHECK(append_pattern(&owners[i].b, 50, true) == BUFFER_OK);
        buffer_promote(&owners[i].b, true);
        CHECK(buffer_check(&owners[i].b) && holds_pattern(&owners[i].b, 0, 50));
    }
    void *block = malloc(20 * MIB);
    CHECK(block != NULL); /* the rest of the program still has its share */
    free(block);
    for (size_t i = 0; i < 500; i++) {
        buffer_free(&owners[i].b);
    }
    fixture_close(&fixture);
}

static void grow_under_a_data_limit(void *unused)
{
    (void)unused;
    limit_data(128 * MIB);
    struct buffer *b = open_buffer_with(1024 * MIB);
    CHECK(pool_is_frugal(fixture.env.pool));
    buffer_promote(b, false);
    grow_in_steps(b, 100 * MIB, false);
    size_t length = b->length;
    int error = BUFFER_OK;
    while (error == BUFFER_OK) {
        error = append_pattern(b, 777777, false);
        length = error == BUFFER_OK ? b->length : length;
    }
    CHECK(error == BUFFER_NOT_COMMITTED && b->env->system_error != 0 && b->env->failed_size != 0);
    CHECK(b->length == length && length > 110 * MIB && holds_pattern(b, 0, length));
    close_buffer();
}

/* Idle ranges hold memory that counts; it goes to whoever needs it. */
static void idle_memory_makes_way(void *unused)
{
    (void)unused;
    fixture_open_with(&fixture, 1024 * MIB, 256 * MIB);
    owner_init(&owner, &fixture);
    struct owner others[3];
    for (size_t i = 0; i < 3; i++) {
        owner_init(&others[i], &fixture);
        CHECK(append_pattern(&others[i].b, 30 * MIB, true) == BUFFER_OK);
    }
    buffer_promote(&owner.b, false);
    for (size_t i = 0; i < 3; i++) {
        buffer_free(&others[i].b);
    }
    CHECK(fixture.env.pool->idle_count == 3);
    limit_data(16 * MIB);
    grow_in_steps(&owner.b, 80 * MIB, false);
    CHECK(fixture.env.pool->idle_count == 0);
    close_buffer();
}

static void queue_under_a_data_limit(void *unused)
{
    (void)unused;
    limit_data(32 * MIB);
    struct buffer *b = open_buffer_with(64 * MIB);
    buffer_promote(b, false);
    run_queue(b, 300 * MIB, 500 * KIB, 8 * MIB);
    close_buffer();
}

static bool runs(void (*body)(void *))
{
    int code = child_run(body, NULL);
    CHECK(code == 0 || code == CHILD_NOT_LIMITED);
    return code == 0;
}

static void limits_of_addresses_are_lived_with(void)
{
    if (!runs(grow_under_an_address_limit)) {
        SKIP("limits are not kept here");
    }
    CHECK(runs(grow_under_a_limit_set_later));
    CHECK(runs(export_under_an_address_limit));
}

static void limits_of_memory_are_lived_with(void)
{
    if (!runs(grow_under_a_data_limit)) {
        SKIP("limits are not kept here");
    }
    CHECK(runs(idle_memory_makes_way));
    CHECK(runs(queue_under_a_data_limit));
}

static void use_after_fork(void *unused)
{
    (void)unused;
    struct buffer *b = &owner.b;
    CHECK(holds_pattern(b, 0, 100000));
    CHECK(append_pattern(b, 5 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 3 * MIB);
    CHECK(buffer_check(b));
    close_buffer();
}

static void a_child_has_its_own_copy(void)
{
    struct buffer *b = open_reserved(100000);
    CHECK(child_run(use_after_fork, NULL) == 0);
    CHECK(b->length == 100000 && holds_pattern(b, 0, 100000) && buffer_check(b));
    close_buffer();
}

#endif

static const struct check_test tests[] = {
    TEST(a_new_buffer_is_small_and_empty),
    TEST(small_contents_stay_in_the_object),
    TEST(one_byte_more_goes_to_the_heap),
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
    TEST(outgrown_ranges_are_remapped),
    TEST(outgrown_ranges_are_copied_where_they_cannot_be_remapped),
    TEST(remapping_leaves_a_dropped_front_behind),
    TEST(nothing_moves_while_looked_at),
    TEST(small_and_heap_blocks_grow_in_place_only),
    TEST(pinned_buffers_stay),
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
    TEST(capacity_is_exact_in_every_tier),
    TEST(capacity_has_its_tier),
    TEST(impossible_capacities_are_refused),
    TEST(capacity_ignores_the_share_of_addresses),
    TEST(a_queue_with_a_capacity_never_fills_up),
    TEST(a_pinned_queue_fills_up),
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
    TEST(fitting_moves_small_contents_to_the_heap),
    TEST(fitting_keeps_the_object),
    TEST(fitting_large_contents_cuts_pages),
    TEST(fitting_while_looked_at_does_not_move),
    TEST(fitting_a_whole_page_keeps_the_terminator),
    TEST(frozen_buffers_refuse_changes),
    TEST(frozen_pages_are_protected),
    TEST(a_frozen_range_is_writable_for_the_next),
    TEST(released_buffers_refuse_everything),
#ifdef __linux__
    TEST(large_buffers_ask_for_huge_pages),
    TEST(huge_always_asks_at_once),
    TEST(whole_huge_pages_need_no_other),
    TEST(huge_pages_follow_the_first_small_ones),
    TEST(remapped_huge_pages_stay_whole),
    TEST(huge_always_keeps_to_a_small_range),
    TEST(huge_never_does_not_ask),
    TEST(huge_never_takes_the_advice_off),
    TEST(a_shrunk_buffer_leaves_no_advice_to_the_next),
    TEST(a_dropped_front_leaves_no_advice_to_the_next),
    TEST(a_range_without_most_of_it_does_not_wait),
    TEST(huge_never_forbids_where_all_are_huge),
    TEST(who_may_have_huge_pages_keeps_those_of_the_last_owner),
    TEST(who_forbids_huge_pages_does_so_after_pages_went),
    TEST(a_range_that_forbids_does_not_wait),
    TEST(advice_is_given_again_after_pages_went),
    TEST(a_front_of_less_than_a_huge_page_stays),
    TEST(remapped_ranges_are_advised_anew),
#endif
    TEST(named_buffers_work),
    TEST(every_commit_is_tracked),
    TEST(tracking_is_optional),
    TEST(blocks_have_no_pages),
    TEST(the_page_map_tells_three_states),
    TEST(lazy_buffers_work),
    TEST(outgrown_lazy_ranges_are_copied),
    TEST(zeros_hide_old_contents),
    TEST(zeros_by_and_by_hide_old_contents),
    TEST(lent_tails_hide_old_contents),
    TEST(a_partly_written_tail_is_not_shown_to_the_next),
    TEST(ranges_with_a_dropped_front_are_reused),
    TEST(many_buffers_share_the_pool),
    TEST(the_check_sees_a_wrong_length),
    TEST(the_check_sees_a_wrong_range),
    TEST(the_check_sees_a_wrong_rest),
    TEST(the_check_sees_unclean_pages),
#ifdef POISON_ENABLED
    TEST(spare_bytes_are_poisoned),
    TEST(left_addresses_are_not_poisoned),
#endif
#if HAVE_LIMITS
    TEST(limits_of_addresses_are_lived_with),
    TEST(limits_of_memory_are_lived_with),
    TEST(a_child_has_its_own_copy),
#endif
};

CHECK_MAIN(tests)
