/* test_fault.c - every call into the system and every allocation failed in turn, over each operation.
 *
 * A scenario prepares a buffer and changes it. It is run again and again, with the first call failing,
 * then the second, and so on until the change meets no failure any more: once with that call alone
 * failing, once with all calls from there on. After a change that failed the buffer is as it was, and
 * the change succeeds when it is repeated in peace.
 *
 * What a reader would get wrong: a change that met a failure may still succeed, since much of what
 * core/ asks for it can do without (huge pages, a name, a larger step). So what is checked is the
 * result, not that there was an error.
 */
#include "fixture.h"
#include "vmem_fault.h"

enum { NOT_FAILED = -1, CALLS = 200 /* more than any change makes */ };

struct scenario {
    const char *name;
    void (*prepare)(struct buffer *);
    int (*change)(struct buffer *); /* an enum buffer_error */
    bool (*holds)(const struct buffer *); /* the contents after the change */
};

static struct fixture fixture;
static struct owner owner;
static char *before; /* the contents before the change */
static size_t before_length;

/* ---- prepared buffers -------------------------------------------------------------------- */

static void prepare_small(struct buffer *b)
{
    CHECK(append_pattern(b, 10, true) == BUFFER_OK);
}

static void prepare_heap(struct buffer *b)
{
    CHECK(append_pattern(b, 1000, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
}

static void prepare_reserved(struct buffer *b)
{
    CHECK(append_pattern(b, 100000, true) == BUFFER_OK && b->tier == BUFFER_RESERVED);
}

/* Advised, named, committed far beyond the contents. */
static void prepare_large(struct buffer *b)
{
    CHECK(buffer_need_rest(b) == BUFFER_OK);
    b->rest->name = "large";
    b->huge = BUFFER_HUGE_ALWAYS;
    CHECK(append_pattern(b, 9 * MIB, true) == BUFFER_OK && b->tier == BUFFER_RESERVED);
}

/* Pages of the front are given back, but not so many that the rest would have slid down. */
static void prepare_dropped(struct buffer *b)
{
    CHECK(append_pattern(b, 9 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 7 * MIB);
    CHECK(b->rest->given_back > 0 && buffer_check(b));
}

/* All but three bytes are gone. */
static void prepare_nearly_empty(struct buffer *b)
{
    CHECK(append_pattern(b, 9 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 9 * MIB - 3);
    CHECK(buffer_offset(b) > 0 && buffer_check(b));
}

static void prepare_copying(struct buffer *b)
{
    prepare_large(b);
    fixture.env.pool->info.can_remap = false;
}

/* Promotion leaves the heap block behind; then the contents outgrow the reservation. */
static void prepare_retired(struct buffer *b)
{
    prepare_heap(b);
    buffer_promote(b, true);
    CHECK(b->tier == BUFFER_RESERVED && b->rest->retired != NULL);
}

static void prepare_limited(struct buffer *b)
{
    fixture.env.pool->info.address_limit = 64 * MIB;
    CHECK(append_pattern(b, 100000, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
}

static void prepare_limited_reserved(struct buffer *b)
{
    prepare_limited(b);
    buffer_promote(b, false);
    CHECK(b->tier == BUFFER_RESERVED);
}

static void prepare_scarce(struct buffer *b)
{
    prepare_heap(b);
    fixture.env.pool->info.max_mappings = 0;
}

static void prepare_lent(struct buffer *b)
{
    char *tail;
    prepare_reserved(b);
    CHECK(buffer_spare(b, 5000, true, &tail) == BUFFER_OK);
    write_pattern(tail, b->length, 5000);
    buffer_settle(b);
}

static void prepare_empty(struct buffer *b)
{
    (void)b;
}

static void prepare_capacity(struct buffer *b)
{
    CHECK(buffer_set_capacity(b, 3 * MIB) == BUFFER_OK);
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
}

/* The end reaches the capacity only after a slide. */
static void prepare_capacity_to_slide(struct buffer *b)
{
    fixture.env.pool->reservation = 4 * MIB;
    CHECK(buffer_set_capacity(b, 9 * MIB) == BUFFER_OK);
    CHECK(append_pattern(b, 9 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 8 * MIB);
    CHECK(append_pattern(b, 8 * MIB, true) == BUFFER_OK && buffer_check(b));
}

/* ---- changes ----------------------------------------------------------------------------- */

static int grow_by(struct buffer *b, size_t n, bool movable)
{
    int error = buffer_ensure(b, n, movable);
    if (error == BUFFER_OK && n != 0) {
        memset(buffer_take_in(b, n), 'g', n);
    }
    return error;
}

static int grow_a_little(struct buffer *b)
{
    return grow_by(b, 5000, true);
}

static int grow_much(struct buffer *b)
{
    return grow_by(b, 20 * MIB, true);
}

static int grow_while_looked_at(struct buffer *b)
{
    return grow_by(b, 2 * MIB, false);
}

static int add_zeros(struct buffer *b)
{
    return buffer_extend_zero(b, 3 * MIB, true);
}

static int open_gap(struct buffer *b)
{
    int error = buffer_open_gap(b, 5, 3 * MIB, true);
    if (error == BUFFER_OK) {
        memset(b->start + 5, 'g', 3 * MIB);
    }
    return error;
}

static int set_capacity(struct buffer *b)
{
    return buffer_set_capacity(b, 3 * MIB);
}

static int set_small_capacity(struct buffer *b)
{
    return buffer_set_capacity(b, 1000);
}

static int promote(struct buffer *b)
{
    buffer_promote(b, true);
    return BUFFER_OK;
}

static int truncate_most(struct buffer *b)
{
    buffer_truncate(b, 10);
    return BUFFER_OK;
}

static int drop_most(struct buffer *b)
{
    buffer_drop_front(b, b->length - 3);
    return BUFFER_OK;
}

static int drop_all(struct buffer *b)
{
    buffer_drop_front(b, b->length);
    return BUFFER_OK;
}

static int close_gap(struct buffer *b)
{
    buffer_close_gap(b, 5, b->length - 10);
    return BUFFER_OK;
}

static int fit(struct buffer *b)
{
    return buffer_fit(b, true);
}

static int fit_while_looked_at(struct buffer *b)
{
    return buffer_fit(b, false);
}

static int lend_a_little(struct buffer *b)
{
    char *tail;
    int error = buffer_spare(b, 16, true, &tail);
    CHECK(error != BUFFER_OK || holds_zeros(tail, 16));
    return error;
}

/* The owner writes down what its messages are to say. */
static int hold(struct buffer *b)
{
    int error = buffer_need_rest(b);
    if (error == BUFFER_OK) {
        b->rest->holder = (struct buffer_holder){"Array", 8};
    }
    return error;
}

static int lend(struct buffer *b)
{
    char *tail;
    int error = buffer_spare(b, 3 * MIB, true, &tail);
    CHECK(error != BUFFER_OK || holds_zeros(tail, 3 * MIB));
    return error;
}

static int advance(struct buffer *b)
{
    return buffer_advance(b, 5000);
}

static int freeze(struct buffer *b)
{
    return buffer_freeze(b);
}

static int map_pages(struct buffer *b)
{
    unsigned char *pages = malloc(buffer_page_count(b) + 1);
    CHECK(pages != NULL);
    int error = buffer_page_map(b, pages);
    free(pages);
    return error;
}

/* A whole life; what fails on the way is left out. */
static int live(struct buffer *b)
{
    struct owner second;
    owner_init(&second, &fixture);
    for (size_t n = 1; n < 10 * MIB; n *= 7) {
        (void)grow_by(&second.b, n, true);
        CHECK(buffer_check(&second.b));
        buffer_promote(&second.b, true);
        buffer_drop_front(&second.b, second.b.length / 2);
        CHECK(buffer_check(&second.b));
        (void)buffer_fit(&second.b, true);
        CHECK(buffer_check(&second.b));
    }
    (void)buffer_freeze(&second.b);
    buffer_free(&second.b);
    return buffer_check(b) ? BUFFER_OK : BUFFER_SYSTEM;
}

/* ---- what the contents must be ------------------------------------------------------------- */

static bool begins_as_before(const struct buffer *b, size_t n)
{
    return b->length >= n && memcmp(b->start, before, n) == 0;
}

static bool same(const struct buffer *b)
{
    return b->length == before_length && begins_as_before(b, before_length);
}

static bool grown(const struct buffer *b)
{
    return b->length > before_length && begins_as_before(b, before_length) &&
           b->start[before_length] == 'g' && b->start[b->length - 1] == 'g';
}

static bool zeros_added(const struct buffer *b)
{
    return b->length == before_length + 3 * MIB && begins_as_before(b, before_length) &&
           holds_zeros(b->start + before_length, 3 * MIB + 1);
}

static bool gap_opened(const struct buffer *b)
{
    return b->length == before_length + 3 * MIB && begins_as_before(b, 5) &&
           memcmp(b->start + 5 + 3 * MIB, before + 5, before_length - 5) == 0;
}

static bool truncated(const struct buffer *b)
{
    return b->length == 10 && begins_as_before(b, 10);
}

static bool three_left(const struct buffer *b)
{
    return b->length == 3 && memcmp(b->start, before + before_length - 3, 3) == 0;
}

static bool none_left(const struct buffer *b)
{
    return b->length == 0;
}

static bool gap_closed(const struct buffer *b)
{
    return b->length == 10 && begins_as_before(b, 5) &&
           memcmp(b->start + 5, before + before_length - 5, 5) == 0;
}

static bool advanced(const struct buffer *b)
{
    return b->length == before_length + 5000 && begins_as_before(b, before_length) &&
           holds_pattern(b, 0, b->length);
}

static const struct scenario scenarios[] = {
    {"small to heap", prepare_small, grow_a_little, grown},
    {"small to large", prepare_small, grow_much, grown},
    {"empty to large", prepare_empty, grow_much, grown},
    {"heap to heap", prepare_heap, grow_a_little, grown},
    {"heap to reserved", prepare_heap, grow_much, grown},
    {"heap to lazy", prepare_scarce, grow_much, grown},
    {"heap grows, addresses limited", prepare_limited, grow_much, grown},
    {"reserved grows in place", prepare_reserved, grow_a_little, grown},
    {"reserved grows while looked at", prepare_reserved, grow_while_looked_at, grown},
    {"reserved is outgrown", prepare_reserved, grow_much, grown},
    {"large is outgrown, remapped", prepare_large, grow_much, grown},
    {"large is outgrown, copied", prepare_copying, grow_much, grown},
    {"retired is outgrown", prepare_retired, grow_much, grown},
    {"reserved to heap, addresses limited", prepare_limited_reserved, grow_much, grown},
    {"dropped slides", prepare_dropped, grow_much, grown},
    {"nearly empty slides", prepare_nearly_empty, grow_much, grown},
    {"capacity slides", prepare_capacity_to_slide, drop_most, three_left},
    {"capacity grows", prepare_capacity, grow_while_looked_at, grown},
    {"zeros", prepare_heap, add_zeros, zeros_added},
    {"zeros, reserved", prepare_reserved, add_zeros, zeros_added},
    {"gap", prepare_small, open_gap, gap_opened},
    {"gap, reserved", prepare_reserved, open_gap, gap_opened},
    {"capacity", prepare_empty, set_capacity, same},
    {"small capacity", prepare_empty, set_small_capacity, same},
    {"promote small", prepare_small, promote, same},
    {"promote heap", prepare_heap, promote, same},
    {"promote, addresses limited", prepare_limited, promote, same},
    {"promote to lazy", prepare_scarce, promote, same},
    {"truncate", prepare_large, truncate_most, truncated},
    {"truncate heap", prepare_limited, truncate_most, truncated},
    {"truncate dropped", prepare_dropped, truncate_most, truncated},
    {"drop", prepare_large, drop_most, three_left},
    {"drop heap", prepare_limited, drop_most, three_left},
    {"drop all", prepare_dropped, drop_all, none_left},
    {"close gap", prepare_large, close_gap, gap_closed},
    {"fit heap", prepare_heap, fit, same},
    {"fit reserved", prepare_reserved, fit, same},
    {"fit retired", prepare_retired, fit, same},
    {"fit large", prepare_large, fit, same},
    {"fit while looked at", prepare_large, fit_while_looked_at, same},
    {"fit nearly empty", prepare_nearly_empty, fit, same},
    {"lend", prepare_small, lend, same},
    {"lend, reserved", prepare_reserved, lend, same},
    {"lend, addresses limited", prepare_limited, lend_a_little, same},
    {"hold", prepare_heap, hold, same},
    {"advance", prepare_lent, advance, advanced},
    {"freeze", prepare_large, freeze, same},
    {"freeze dropped", prepare_dropped, freeze, same},
    {"page map", prepare_large, map_pages, same},
    {"a life", prepare_empty, live, same},
    {"a life beside a large buffer", prepare_large, live, same},
};

/* ---- running ----------------------------------------------------------------------------- */

static void remember(const struct buffer *b)
{
    before_length = b->length;
    before = malloc(before_length + 1);
    CHECK(before != NULL);
    memcpy(before, b->start, before_length);
}

#define SCENARIO_CHECK(condition)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s: ", s->name);                                                      \
            CHECK(condition);                                                                      \
        }                                                                                          \
    } while (0)

static void check_result(const struct scenario *s, struct buffer *b, int error)
{
    SCENARIO_CHECK(buffer_check(b));
    SCENARIO_CHECK(error == BUFFER_OK ? s->holds(b) : same(b));
    SCENARIO_CHECK(fixture.tracked_count == (b->tier == BUFFER_RESERVED && !b->rest->storage.lazy));
    if (fixture.tracked_count != 0) {
        SCENARIO_CHECK(fixture_tracked(&fixture, buffer_base(b)) == buffer_memory(b));
    }
}

/* Two idle ranges, one of them once large and dirty, so that the pool has a past. */
static void warm_the_pool(void)
{
    struct owner first;
    struct owner second;
    owner_init(&first, &fixture);
    owner_init(&second, &fixture);
    CHECK(append_pattern(&first.b, 5 * MIB, true) == BUFFER_OK);
    CHECK(append_pattern(&second.b, 100000, true) == BUFFER_OK);
    buffer_free(&first.b);
    buffer_free(&second.b);
}

struct failure {
    long nth;
    long count;
    bool of_allocations;
    bool warm; /* idle ranges are there */
};

static void arm(const struct failure *failure)
{
    fixture.calls = 0;
    fixture.fail_at = failure->of_allocations ? failure->nth : 0;
    fixture.fails = failure->count;
    vmem_fault_arm(failure->of_allocations ? 0 : failure->nth, failure->count);
}

static long disarm(const struct failure *failure)
{
    long system_calls = vmem_fault_calls();
    vmem_fault_disarm();
    fixture.fail_at = 0;
    return failure->of_allocations ? fixture.calls : system_calls;
}

/* Runs one scenario with one failure; how many calls of the kind it made. */
static long run(const struct scenario *s, const struct failure *failure)
{
    struct buffer *b = &owner.b;
    fixture_open_with(&fixture, 8 * MIB, 16 * MIB);
    if (failure->warm) {
        warm_the_pool();
    }
    owner_init(&owner, &fixture);
    s->prepare(b);
    remember(b);
    arm(failure);
    int error = s->change(b);
    long calls = disarm(failure);
    check_result(s, b, error);
    if (error != BUFFER_OK) {
        error = s->change(b);
        SCENARIO_CHECK(error == BUFFER_OK);
        check_result(s, b, error);
    }
    free(before);
    buffer_free(b);
    fixture_close(&fixture);
    return calls;
}

static void run_all_failures(const struct scenario *s, long count, bool of_allocations, bool warm)
{
    struct failure failure = {1, count, of_allocations, warm};
    while (run(s, &failure) >= failure.nth) {
        failure.nth++;
        SCENARIO_CHECK(failure.nth < CALLS);
    }
}

static void run_scenarios(long count, bool of_allocations)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        run_all_failures(&scenarios[i], count, of_allocations, false);
        run_all_failures(&scenarios[i], count, of_allocations, true);
    }
}

/* ---- tests ------------------------------------------------------------------------------- */

static void one_system_call_fails(void)
{
    run_scenarios(1, false);
}

static void two_system_calls_fail(void)
{
    run_scenarios(2, false);
}

static void all_system_calls_fail_from_there_on(void)
{
    run_scenarios(-1, false);
}

static void one_allocation_fails(void)
{
    run_scenarios(1, true);
}

static void all_allocations_fail_from_there_on(void)
{
    run_scenarios(-1, true);
}

/* Nothing can be had at all: neither pages nor blocks. */
static void everything_fails(void)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        const struct scenario *s = &scenarios[i];
        fixture_open_with(&fixture, 8 * MIB, 16 * MIB);
        owner_init(&owner, &fixture);
        s->prepare(&owner.b);
        remember(&owner.b);
        vmem_fault_arm(1, -1);
        fixture.fail_at = fixture.calls + 1;
        fixture.fails = -1;
        int error = s->change(&owner.b);
        check_result(s, &owner.b, error);
        buffer_free(&owner.b);
        vmem_fault_disarm();
        fixture.fail_at = 0;
        free(before);
        fixture_close(&fixture);
    }
}

/* Whatever state the pages are in, and with no help of the system. */
static void freeing_never_fails(void)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        fixture_open_with(&fixture, 8 * MIB, 16 * MIB);
        owner_init(&owner, &fixture);
        scenarios[i].prepare(&owner.b);
        CHECK(buffer_freeze(&owner.b) == BUFFER_OK);
        vmem_fault_arm(1, -1);
        buffer_free(&owner.b);
        vmem_fault_disarm();
        fixture_close(&fixture);
    }
}

/* A range that cannot be cooled down does not wait, or the budget would not hold. */
static void what_cannot_be_cooled_is_released(void)
{
    fixture_open_with(&fixture, 64 * MIB, MIB);
    owner_init(&owner, &fixture);
    prepare_large(&owner.b);
    vmem_fault_arm(1, -1);
    buffer_free(&owner.b);
    vmem_fault_disarm();
    CHECK(fixture.env.pool->live == 0);
    fixture_close(&fixture);
}

static void take_and_write(struct pool *pool, struct range *range)
{
    CHECK(pool_take(pool, 1, range) == 0 && vmem_commit(range->base, 2 * MIB) == 0);
    memset(range->base, 0x77, 2 * MIB);
    range->committed = range->dirty = 2 * MIB;
}

/* It is as good as before, and counted, so the next ones are cooled if they can be. */
static void what_cannot_be_cooled_is_lent_as_it_is(void)
{
    struct range first, second;
    fixture_open_with(&fixture, 64 * MIB, 2 * MIB);
    struct pool *pool = fixture.env.pool;
    pool->info.overcommit = VMEM_OVERCOMMIT_HEURISTIC;
    take_and_write(pool, &first);
    take_and_write(pool, &second);
    pool_give(pool, &first);
    CHECK(pool_take(pool, 1, &first) == 0 && pool->loans.warm == 2 * MIB - 64 * KIB);
    pool_give(pool, &second);
    vmem_fault_arm(1, -1);
    CHECK(pool_take(pool, 1, &second) == 0 && second.committed == 2 * MIB);
    vmem_fault_disarm();
    CHECK(second.base[MIB] == 0x77 && second.dirty == 2 * MIB);
    CHECK(second.loan.warm == first.loan.warm && pool->loans.warm == 2 * first.loan.warm);
    pool_give(pool, &second);
    CHECK(pool_take(pool, 1, &second) == 0 && second.committed == MIB + 64 * KIB);
    pool_discard(pool, &first);
    pool_discard(pool, &second);
    fixture_close(&fixture);
}

/* Else the buffers that are made when there are addresses again would meet their ends too early. */
static void a_refusal_of_the_least_makes_no_later_range_smaller(void)
{
    struct range range;
    fixture_open_with(&fixture, 8 * MIB, 16 * MIB);
    struct pool *pool = fixture.env.pool;
    vmem_fault_arm(1, -1);
    CHECK(pool_take(pool, 1, &range) > 0);
    vmem_fault_disarm();
    CHECK(pool_take(pool, 1, &range) == 0 && range.size == 8 * MIB);
    pool_discard(pool, &range);
    fixture_close(&fixture);
}

static void errors_say_what_was_tried(void)
{
    fixture_open_with(&fixture, 8 * MIB, 16 * MIB);
    owner_init(&owner, &fixture);
    struct buffer *b = &owner.b;
    prepare_reserved(b);
    vmem_fault_arm(1, -1);
    CHECK(buffer_ensure(b, MIB, false) == BUFFER_NOT_COMMITTED);
    CHECK(b->env->failed_size > 0 && b->env->failed_size <= MIB + 4096 && b->env->system_error > 0);
    CHECK(buffer_freeze(b) == BUFFER_SYSTEM && b->env->system_error > 0 && !b->frozen);
    vmem_fault_disarm();
    buffer_free(b);
    owner_init(&owner, &fixture);
    vmem_fault_arm(1, -1);
    CHECK(buffer_set_capacity(b, 20 * MIB) == BUFFER_NOT_RESERVED);
    CHECK(b->env->failed_size >= 20 * MIB && b->env->system_error > 0);
    vmem_fault_disarm();
    fixture.fail_at = fixture.calls + 1;
    fixture.fails = -1;
    CHECK(buffer_ensure(b, 1000, true) == BUFFER_NO_MEMORY && b->env->failed_size == 1001);
    fixture.fail_at = 0;
    buffer_free(b);
    fixture_close(&fixture);
}

static void an_environment_needs_the_system(void)
{
    fixture_prepare(&fixture);
    vmem_fault_arm(1, 1);
    struct env_settings settings = {.reservation = MIB, .budget = MIB, .limit = MIB};
    CHECK(env_open(&fixture.env, &settings) > 0 && fixture.env.pool == NULL);
    vmem_fault_disarm();
    CHECK(fixture.blocks == 0);
}

static void a_query_that_fails_keeps_the_old_facts(void)
{
    struct env_facts facts;
    fixture_open(&fixture);
    vmem_fault_arm(1, -1);
    env_query(&fixture.env, &facts);
    vmem_fault_disarm();
    CHECK(facts.page_size == fixture.env.pool->info.page_size && facts.page_size != 0);
    fixture_close(&fixture);
}

static const struct check_test tests[] = {
    TEST(one_system_call_fails),
    TEST(two_system_calls_fail),
    TEST(all_system_calls_fail_from_there_on),
    TEST(one_allocation_fails),
    TEST(all_allocations_fail_from_there_on),
    TEST(everything_fails),
    TEST(freeing_never_fails),
    TEST(what_cannot_be_cooled_is_released),
    TEST(what_cannot_be_cooled_is_lent_as_it_is),
    TEST(a_refusal_of_the_least_makes_no_later_range_smaller),
    TEST(errors_say_what_was_tried),
    TEST(an_environment_needs_the_system),
    TEST(a_query_that_fails_keeps_the_old_facts),
};

CHECK_MAIN(tests)
