/* test_prefault.c - the helper thread of vmem_prefault.h, and the buffers that use it.
 *
 * What a reader would get wrong: nothing is promised of an order, so tests wait for its effect with a
 * limit of time that is generous, and those of the handshake only check that nothing crashes and no
 * byte changes, with the helper made to touch pages: then one touch too late is a fault.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#endif

#include "child.h"
#include "fixture.h"
#include "growth.h"
#include "vmem_prefault_thread.h"

#ifdef GROWABLE_FAULT
#include "vmem_fault.h"
#endif

#ifdef _WIN32
#include <windows.h>
#else
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#endif

#define STEP (128 * KIB)

enum { ROUNDS = 300, THREADS = 4, WAIT = 20000 /* milliseconds */ };

static struct fixture fixture;
static struct owner owner;

static void wait_a_moment(void)
{
#ifdef _WIN32
    Sleep(1);
#else
    const struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000000};
    nanosleep(&moment, NULL);
#endif
}

/* ---- pages --------------------------------------------------------------------------------- */

static char *committed_pages(size_t size)
{
    void *base;
    CHECK(vmem_reserve(size, MIB, &base) == 0);
    CHECK(vmem_commit(base, size) == 0);
    return base;
}

static size_t resident(const char *base, size_t size)
{
    static unsigned char pages[4096];
    struct vmem_info info;
    CHECK(vmem_query(&info) == 0 && size / info.page_size <= sizeof pages);
    CHECK(vmem_query_resident(base, size, pages) == 0);
    size_t count = 0;
    for (size_t i = 0; i < size / info.page_size; i++) {
        count += pages[i];
    }
    return count * info.page_size;
}

static bool becomes_resident(const char *base, size_t size)
{
    for (int i = 0; i < WAIT; i++) {
        if (resident(base, size) == size) {
            return true;
        }
        wait_a_moment();
    }
    return false;
}

static int order_range(const void *whose, char *base, size_t from, size_t to)
{
    struct vmem_prefault order = {.owner = whose, .position = base, .from = base + from,
                                  .to = base + to, .end = base + to, .step = STEP};
    return vmem_prefault(&order);
}

/* Another thread may hold the lock for a moment. */
static void place_order(char *base, size_t from, size_t to)
{
    while (order_range(base, base, from, to) != 0) {
        wait_a_moment();
    }
}

static bool ends(void)
{
    for (int i = 0; i < WAIT && prefault_is_running(); i++) {
        wait_a_moment();
    }
    return !prefault_is_running();
}

/* The helper is not there while a test changes what it reads. */
static void begin(bool by_touch, unsigned patience)
{
    CHECK(ends());
    prefault_alertness = 20000;
    prefault_by_touch = by_touch;
    prefault_patience = patience;
}

static void memory_is_put_behind_pages(void)
{
    for (int by_touch = 0; by_touch < 2; by_touch++) {
        begin(by_touch, 20);
        char *base = committed_pages(4 * MIB);
        base[5] = 'a';
        place_order(base, 0, 4 * MIB);
        CHECK(becomes_resident(base, 4 * MIB));
        CHECK(base[5] == 'a' && holds_zeros(base + 6, 4 * MIB - 6));
        vmem_prefault_stop(base, NULL);
        CHECK(vmem_release(base, 4 * MIB) == 0);
    }
}

static void orders_are_continued_and_cut_short(void)
{
    begin(false, 20);
    char *base = committed_pages(4 * MIB);
    place_order(base, 0, MIB);
    place_order(base, MIB, 2 * MIB);
    CHECK(becomes_resident(base, 2 * MIB));
    struct vmem_prefault order = {.owner = base, .position = base + 3 * MIB,
                                  .from = base + 2 * MIB, .to = base + 4 * MIB,
                                  .end = base + 4 * MIB, .step = STEP};
    while (vmem_prefault(&order) != 0) {
        wait_a_moment();
    }
    CHECK(becomes_resident(base + 3 * MIB, MIB));
    vmem_prefault_stop(base, base + 4 * MIB);
    CHECK(resident(base + 2 * MIB, MIB) == 0);
    CHECK(vmem_release(base, 4 * MIB) == 0);
}

/* A step that fails ends the order, not the helper: here pages cannot be written. */
static void a_refused_step_ends_the_order(void)
{
    struct vmem_info info;
    CHECK(vmem_query(&info) == 0);
    if (!info.can_populate) {
        SKIP("touching such pages would be a fault");
    }
    begin(false, 20);
    char *base = committed_pages(2 * MIB);
    CHECK(vmem_protect(base, MIB, VMEM_READ) == 0);
    place_order(base, 0, MIB);
    while (order_range(base + MIB, base, MIB, 2 * MIB) != 0) {
        wait_a_moment();
    }
    CHECK(becomes_resident(base + MIB, MIB) && resident(base, MIB) == 0);
    vmem_prefault_stop(base, NULL);
    vmem_prefault_stop(base + MIB, NULL);
    CHECK(vmem_release(base, 2 * MIB) == 0);
}

static void what_is_stopped_is_left_alone(void)
{
    begin(true, 20);
    for (size_t i = 0; i < ROUNDS; i++) {
        char *base = committed_pages(MIB);
        (void)order_range(base, base, 0, MIB);
        for (volatile size_t spin = 0; spin < i * 50; spin++) {
        }
        vmem_prefault_stop(base, NULL);
        CHECK(vmem_decommit(base, MIB) == 0);
        CHECK(vmem_release(base, MIB) == 0);
    }
}

static void what_lies_below_is_left_alone(void)
{
    begin(true, 20);
    for (size_t i = 0; i < ROUNDS; i++) {
        char *base = committed_pages(MIB);
        (void)order_range(base, base, 0, MIB);
        for (volatile size_t spin = 0; spin < i * 50; spin++) {
        }
        vmem_prefault_stop(base, base + 3 * STEP);
        CHECK(vmem_decommit(base, 3 * STEP) == 0);
        vmem_prefault_stop(base, NULL);
        CHECK(vmem_release(base, MIB) == 0);
    }
}

static void too_many_orders_are_dropped(void)
{
    begin(true, 20);
    char *base = committed_pages(64 * MIB);
    int dropped = 0;
    for (size_t i = 0; i < 64; i++) {
        dropped += order_range(base + i, base, i * MIB, (i + 1) * MIB) != 0;
    }
    for (size_t i = 0; i < 64; i++) {
        vmem_prefault_stop(base + i, NULL);
    }
    CHECK(dropped < 64);
    CHECK(vmem_release(base, 64 * MIB) == 0);
}

static struct vmem_prefault order_of_place(char *base, size_t from, size_t to, unsigned char place)
{
    return (struct vmem_prefault){.owner = base, .position = base + from, .from = base + from,
                                  .to = base + to, .end = base + 2 * MIB, .step = STEP,
                                  .lot = MIB / 2, .place = place};
}

/* The place of an order of the first 256 KiB, which are resident then. */
static unsigned char first_order(char *base)
{
    struct vmem_prefault order = order_of_place(base, 0, MIB / 4, 0);
    while (vmem_prefault(&order) != 0) {
        wait_a_moment();
    }
    CHECK(order.place != 0 && becomes_resident(base, MIB / 4));
    return order.place;
}

static void stay_alert_for(unsigned microseconds)
{
    prefault_lock();
    prefault_alertness = microseconds;
    prefault_unlock();
}

static bool falls_asleep(void)
{
    for (int i = 0; i < WAIT && !prefault_is_asleep(); i++) {
        wait_a_moment();
    }
    return prefault_is_asleep();
}

/* The lock is not even tried. */
static void an_owner_goes_on_without_the_lock(void)
{
    begin(false, 20);
    char *base = committed_pages(2 * MIB);
    unsigned char place = first_order(base);
    struct vmem_prefault known = order_of_place(base, MIB / 4, MIB, place);
    struct vmem_prefault unknown = order_of_place(base, MIB / 4, MIB, 0);
    stay_alert_for(60000000);
    (void)first_order(base);
    prefault_lock();
    CHECK(vmem_prefault(&unknown) != 0);
    CHECK(vmem_prefault(&known) == 0);
    prefault_unlock();
    CHECK(becomes_resident(base, MIB));
    stay_alert_for(20000);
    vmem_prefault_stop(base, NULL);
    CHECK(vmem_release(base, 2 * MIB) == 0);
}

static void a_helper_that_was_busy_does_not_sleep_yet(void)
{
#ifdef _WIN32
    SKIP("there are no short naps here");
#else
    begin(false, 20);
    stay_alert_for(60000000);
    char *base = committed_pages(2 * MIB);
    (void)first_order(base);
    wait_a_moment();
    CHECK(!prefault_is_asleep());
    stay_alert_for(0);
    prefault_patience = 2000;
    CHECK(falls_asleep());
    stay_alert_for(20000);
    prefault_patience = 20;
    vmem_prefault_stop(base, NULL);
    CHECK(vmem_release(base, 2 * MIB) == 0);
#endif
}

static void for_little_a_sleeping_helper_is_not_woken(void)
{
    begin(false, 60000);
    stay_alert_for(0);
    char *base = committed_pages(2 * MIB);
    unsigned char place = first_order(base);
    CHECK(falls_asleep());
    struct vmem_prefault little = order_of_place(base, MIB / 4, MIB / 2, place);
    CHECK(vmem_prefault(&little) == 0);
    CHECK(prefault_is_asleep() && resident(base, MIB) == MIB / 4);
    struct vmem_prefault lot = order_of_place(base, MIB / 4, MIB, place);
    CHECK(vmem_prefault(&lot) == 0);
    CHECK(becomes_resident(base, MIB));
    CHECK(falls_asleep());
    prefault_lock();
    prefault_patience = 20;
    prefault_alertness = 20000;
    prefault_tell_order();
    prefault_unlock();
    vmem_prefault_stop(base, NULL);
    CHECK(vmem_release(base, 2 * MIB) == 0);
}

/* Whoever has no work for the helper cannot keep others from it, and comes back by another order. */
static void the_place_of_a_finished_order_is_free(void)
{
    begin(false, 20);
    char *bases[20];
    unsigned char first = 0;
    for (size_t i = 0; i < 20; i++) {
        bases[i] = committed_pages(2 * MIB);
        unsigned char place = first_order(bases[i]);
        first = i == 0 ? place : first;
    }
    struct vmem_prefault again = order_of_place(bases[0], MIB / 4, MIB, first);
    while (vmem_prefault(&again) != 0) {
        wait_a_moment();
    }
    CHECK(becomes_resident(bases[0], MIB));
    for (size_t i = 0; i < 20; i++) {
        vmem_prefault_stop(bases[i], NULL);
        CHECK(vmem_release(bases[i], 2 * MIB) == 0);
    }
}

static void it_ends_and_is_started_again(void)
{
    begin(false, 10);
    char *base = committed_pages(2 * MIB);
    place_order(base, 0, MIB);
    CHECK(becomes_resident(base, MIB));
    CHECK(ends());
    place_order(base, MIB, 2 * MIB);
    CHECK(becomes_resident(base, 2 * MIB));
    vmem_prefault_stop(base, NULL);
    CHECK(vmem_release(base, 2 * MIB) == 0);
}

/* ---- threads ------------------------------------------------------------------------------- */

static void order_and_stop(void)
{
    for (size_t i = 0; i < ROUNDS; i++) {
        char *base = committed_pages(MIB);
        (void)order_range(base, base, 0, MIB / 2);
        (void)order_range(base, base, MIB / 2, MIB);
        vmem_prefault_stop(base, NULL);
        CHECK(vmem_release(base, MIB) == 0);
    }
}

#ifdef _WIN32
static DWORD WINAPI run_orders(void *unused)
{
    (void)unused;
    order_and_stop();
    return 0;
}

static void several_threads_order(void)
{
    HANDLE threads[THREADS];
    begin(false, 1);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = CreateThread(NULL, 0, run_orders, NULL, 0, NULL);
        CHECK(threads[i] != NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(WaitForSingleObject(threads[i], INFINITE) == WAIT_OBJECT_0);
        CloseHandle(threads[i]);
    }
}
#else
static void *run_orders(void *unused)
{
    (void)unused;
    order_and_stop();
    return NULL;
}

static void several_threads_order(void)
{
    pthread_t threads[THREADS];
    begin(false, 1);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, run_orders, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}
#endif

/* ---- forks --------------------------------------------------------------------------------- */

#if HAVE_LIMITS

#ifndef __SANITIZE_THREAD__
static void order_in_child(void *shared)
{
    char *base = shared;
    vmem_prefault_stop(base, NULL);
    CHECK(!prefault_is_running());
    char *own = committed_pages(2 * MIB);
    place_order(own, 0, 2 * MIB);
    CHECK(becomes_resident(own, 2 * MIB));
    vmem_prefault_stop(own, NULL);
}
#endif

/* Whatever the helper is doing when the process forks. */
static void a_child_has_a_helper_of_its_own(void)
{
#ifdef __SANITIZE_THREAD__
    SKIP("a child must not start threads under this sanitizer");
#else
    begin(false, 2000);
    char *base = committed_pages(64 * MIB);
    for (size_t i = 0; i < 16; i++) {
        place_order(base, i * 4 * MIB, (i + 1) * 4 * MIB);
        CHECK(child_run(order_in_child, base) == 0);
    }
    vmem_prefault_stop(base, NULL);
    CHECK(vmem_release(base, 64 * MIB) == 0);
    prefault_lock();
    prefault_patience = 20;
    prefault_tell_order();
    prefault_unlock();
#endif
}

static void start_under_a_limit(void *unused)
{
    (void)unused;
    char *base = committed_pages(MIB);
    limit_addresses(64 * KIB);
    CHECK(order_range(base, base, 0, MIB) != 0);
    CHECK(order_range(base, base, 0, MIB) != 0);
    vmem_prefault_stop(base, NULL);
}

static void without_a_thread_orders_are_dropped(void)
{
    begin(false, 20);
    child_check(start_under_a_limit, NULL, "limits are not kept here");
}

#endif

/* ---- buffers ------------------------------------------------------------------------------- */

static struct buffer *open_buffer(bool low_latency, size_t reservation)
{
    fixture_open_with(&fixture, reservation, 16 * MIB);
    fixture.env.pool->prefault = ENV_PREFAULT_BACKGROUND;
    fixture.env.pool->low_latency = low_latency;
    owner_init(&owner, &fixture);
    return &owner.b;
}

static void close_buffer(void)
{
    buffer_free(&owner.b);
    fixture_close(&fixture);
}

static void a_growing_buffer_finds_its_memory(void)
{
    for (int low_latency = 0; low_latency < 2; low_latency++) {
        begin(false, 20);
        struct buffer *b = open_buffer(low_latency, 64 * MIB);
        while (b->length < 8 * MIB) {
            CHECK(append_pattern(b, 10000, true) == BUFFER_OK);
        }
        CHECK(holds_pattern(b, 0, b->length));
        CHECK(b->rest->ordered != 0 && b->rest->populated > b->length);
        CHECK(b->rest->populated <= b->rest->storage.committed);
        CHECK(low_latency == 0 || !b->rest->storage.huge);
        const char *ahead = buffer_base(b) + growth_round_up(b->length, MIB);
        CHECK(becomes_resident(ahead, (size_t)(buffer_base(b) + b->rest->populated - ahead)));
        CHECK(buffer_check(b));
        close_buffer();
    }
}

/* What is put behind pages for nothing is a share of the contents. */
static void a_growing_buffer_has_little_ahead(void)
{
    for (int low_latency = 0; low_latency < 2; low_latency++) {
        begin(false, 20);
        struct buffer *b = open_buffer(low_latency, 64 * MIB);
        while (b->length < 8 * MIB) {
            CHECK(append_pattern(b, 10000, true) == BUFFER_OK);
            CHECK(b->length < MIB || b->rest->populated <= b->length + 4 * MIB);
        }
        close_buffer();
    }
}

/* A helper needs a moment to begin, and is not worth a thread for less than a mebibyte. */
static void the_writer_is_ahead_before_the_helper_is(void)
{
    begin(false, 20);
    struct buffer *b = open_buffer(false, 64 * MIB);
    const struct vmem_info *info = &fixture.env.pool->info;
    if (!info->can_populate || info->thp == VMEM_THP_ALWAYS) {
        close_buffer();
        SKIP("pages are not put there some at a time");
    }
    while (b->length < 2 * GROWTH_POPULATE_EARLY) {
        CHECK(append_pattern(b, 4000, true) == BUFFER_OK);
    }
    CHECK(b->rest->ordered == 0 && b->rest->populated > b->length);
    CHECK(resident(buffer_base(b), b->rest->populated) == b->rest->populated);
    while (b->rest->ordered == 0) {
        CHECK(append_pattern(b, 4000, true) == BUFFER_OK);
    }
    size_t page = growth_round_up(b->length, info->page_size);
    CHECK(resident(buffer_base(b), page + GROWTH_PREFAULT_STEP) == page + GROWTH_PREFAULT_STEP);
    close_buffer();
}

/* Released, moved, cut, emptied from the front and frozen, each while the helper is at work. */
static void the_helper_keeps_off_what_changes(void)
{
    begin(true, 20);
    for (size_t i = 0; i < 40; i++) {
        struct buffer *b = open_buffer(i % 2 != 0, 4 * MIB);
        while (b->length < (2 + i % 5) * MIB) {
            CHECK(append_pattern(b, 50000 + 1000 * i, true) == BUFFER_OK);
        }
        size_t whole = b->length;
        if (i % 4 == 1) {
            buffer_drop_front(b, whole - MIB);
            CHECK(holds_pattern(b, whole - MIB, MIB));
            CHECK(buffer_extend_zero(b, 3 * MIB, true) == BUFFER_OK);
        } else if (i % 4 == 2) {
            buffer_truncate(b, 100);
            CHECK(buffer_fit(b, true) == BUFFER_OK && holds_pattern(b, 0, 100));
        } else if (i % 4 == 3) {
            CHECK(buffer_freeze(b) == BUFFER_OK && holds_pattern(b, 0, whole));
        }
        CHECK(buffer_check(b));
        close_buffer();
    }
}

/* What the helper has done counts as memory in the pool, and reads as zero. */
static void the_pool_counts_what_was_put_there(void)
{
    begin(false, 20);
    struct buffer *b = open_buffer(true, 64 * MIB);
    fixture.env.pool->info.overcommit = VMEM_OVERCOMMIT_HEURISTIC; /* it may keep so much */
    while (b->length < 2 * MIB) {
        CHECK(append_pattern(b, 10000, true) == BUFFER_OK);
    }
    size_t populated = b->rest->populated;
    buffer_free(b);
    CHECK(fixture.env.pool->idle_bytes >= populated);
    owner_init(&owner, &fixture);
    CHECK(buffer_extend_zero(b, 4 * MIB, true) == BUFFER_OK && holds_zeros(b->start, 4 * MIB));
    close_buffer();
}

static void a_queue_passes_through(void)
{
    begin(true, 20);
    struct buffer *b = open_buffer(false, 16 * MIB);
    size_t in = 0, out = 0;
    for (size_t i = 0; i < 2000; i++) {
        CHECK(append_pattern(b, 20080, true) == BUFFER_OK); /* whole periods, so that the */
        in += 20080;                                        /* pattern goes on */
        if (b->length > 3 * MIB) {
            buffer_drop_front(b, 20080 * 8);
            out += 20080 * 8;
        }
        CHECK(buffer_check(b));
    }
    CHECK(b->length == in - out && b->start[0] == pattern(0));
    close_buffer();
}

/* ---- refusals ------------------------------------------------------------------------------ */

#ifdef GROWABLE_FAULT

static void a_refused_thread_is_asked_for_later(void)
{
    begin(false, 20);
    char *base = committed_pages(MIB);
    vmem_fault_arm(2, 1); /* the first is the order itself */
    CHECK(order_range(base, base, 0, MIB) != 0);
    vmem_fault_disarm();
    int refusals = 0;
    while (order_range(base, base, 0, MIB) != 0) {
        refusals++;
    }
    CHECK(refusals >= 100 && becomes_resident(base, MIB));
    vmem_prefault_stop(base, NULL);
    CHECK(vmem_release(base, MIB) == 0);
}

static void whatever_is_refused_the_buffer_grows(void)
{
    for (long first = 1; first < 40; first++) {
        for (long count = -1; count <= 1; count += 2) {
            begin(false, 20);
            struct buffer *b = open_buffer(first % 2 != 0, 64 * MIB);
            CHECK(append_pattern(b, MIB + 10, true) == BUFFER_OK);
            vmem_fault_arm(first, count);
            while (append_pattern(b, 30000, true) == BUFFER_OK && b->length < 4 * MIB) {
            }
            vmem_fault_disarm();
            CHECK(holds_pattern(b, 0, b->length) && buffer_check(b));
            CHECK(append_pattern(b, 4 * MIB, true) == BUFFER_OK);
            close_buffer();
        }
    }
}

#endif

static const struct check_test tests[] = {
#if HAVE_LIMITS
    TEST(without_a_thread_orders_are_dropped), /* first: stacks of old threads are used again */
#endif
    TEST(memory_is_put_behind_pages),
    TEST(orders_are_continued_and_cut_short),
    TEST(a_refused_step_ends_the_order),
    TEST(what_is_stopped_is_left_alone),
    TEST(what_lies_below_is_left_alone),
    TEST(too_many_orders_are_dropped),
    TEST(an_owner_goes_on_without_the_lock),
    TEST(a_helper_that_was_busy_does_not_sleep_yet),
    TEST(for_little_a_sleeping_helper_is_not_woken),
    TEST(the_place_of_a_finished_order_is_free),
    TEST(it_ends_and_is_started_again),
    TEST(several_threads_order),
#if HAVE_LIMITS
    TEST(a_child_has_a_helper_of_its_own),
#endif
    TEST(a_growing_buffer_finds_its_memory),
    TEST(a_growing_buffer_has_little_ahead),
    TEST(the_writer_is_ahead_before_the_helper_is),
    TEST(the_helper_keeps_off_what_changes),
    TEST(the_pool_counts_what_was_put_there),
    TEST(a_queue_passes_through),
#ifdef GROWABLE_FAULT
    TEST(a_refused_thread_is_asked_for_later),
    TEST(whatever_is_refused_the_buffer_grows),
#endif
};

CHECK_MAIN(tests)
