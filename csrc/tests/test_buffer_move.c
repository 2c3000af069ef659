/* test_buffer_move.c - where contents get room to grow: capacities, what is outgrown, lazy ranges.
 *
 * What a reader would get wrong: an exported buffer never moves, so it meets an end that others pass.
 * The last tests set real limits, in a child.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "buffer_support.h"
#include "child.h"

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

static void limits_of_addresses_are_lived_with(void)
{
    if (!child_passes(grow_under_an_address_limit, NULL)) {
        SKIP("limits are not kept here");
    }
    CHECK(child_passes(grow_under_a_limit_set_later, NULL));
    CHECK(child_passes(export_under_an_address_limit, NULL));
}

static void limits_of_memory_are_lived_with(void)
{
    if (!child_passes(grow_under_a_data_limit, NULL)) {
        SKIP("limits are not kept here");
    }
    CHECK(child_passes(idle_memory_makes_way, NULL));
    CHECK(child_passes(queue_under_a_data_limit, NULL));
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
    TEST(outgrown_ranges_are_remapped),
    TEST(outgrown_ranges_are_copied_where_they_cannot_be_remapped),
    TEST(remapping_leaves_a_dropped_front_behind),
    TEST(nothing_moves_while_looked_at),
    TEST(small_and_heap_blocks_grow_in_place_only),
    TEST(pinned_buffers_stay),
    TEST(capacity_is_exact_in_every_tier),
    TEST(capacity_has_its_tier),
    TEST(impossible_capacities_are_refused),
    TEST(capacity_ignores_the_share_of_addresses),
    TEST(a_queue_with_a_capacity_never_fills_up),
    TEST(a_pinned_queue_fills_up),
    TEST(lazy_buffers_work),
    TEST(outgrown_lazy_ranges_are_copied),
#if HAVE_LIMITS
    TEST(limits_of_addresses_are_lived_with),
    TEST(limits_of_memory_are_lived_with),
    TEST(a_child_has_its_own_copy),
#endif
};

CHECK_MAIN(tests)
