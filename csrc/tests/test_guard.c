/* test_guard.c - the contract of vmem_guard.h, on whatever system this is built for.
 *
 * Where there is fork() every test runs in a child of its own: handlers are installed for a whole
 * process and stay, so a test that is about those before us needs a process without any.
 *
 * What a reader would get wrong: the children begin with the default action for SIGSEGV even under
 * a sanitizer, whose own handler would report a fault that a test wants.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#endif

#include "check.h"
#include "child.h"
#include "vmem_guard.h"
#include "vmem_guard_trip.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#ifdef GROWABLE_FAULT
#include "vmem_fault.h"
#endif

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#endif

#ifdef __linux__
#include <sys/ptrace.h>
#include <sys/syscall.h>
#endif

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN true
#else
#define UNDER_TSAN false
#endif

/* ---- threads, and a process of one's own ------------------------------------------------- */

#define THREADS 8

typedef void (*thread_body)(unsigned number, void *shared);

struct thread_start {
    thread_body body;
    unsigned number;
    void *shared;
};

#ifdef _WIN32

typedef HANDLE thread_handle;

static DWORD WINAPI thread_main(void *start)
{
    struct thread_start *own = start;
    own->body(own->number, own->shared);
    return 0;
}

static thread_handle thread_begin(struct thread_start *start)
{
    HANDLE thread = CreateThread(NULL, 0, thread_main, start, 0, NULL);
    CHECK(thread != NULL);
    return thread;
}

static void thread_end(thread_handle thread)
{
    CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
    CloseHandle(thread);
}

static void wait_a_moment(void)
{
    Sleep(1);
}

#else

typedef pthread_t thread_handle;

static void *thread_main(void *start)
{
    struct thread_start *own = start;
    own->body(own->number, own->shared);
    return NULL;
}

static thread_handle thread_begin(struct thread_start *start)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, thread_main, start) == 0);
    return thread;
}

static void thread_end(thread_handle thread)
{
    CHECK(pthread_join(thread, NULL) == 0);
}

static void wait_a_moment(void)
{
    const struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000000};
    nanosleep(&moment, NULL);
}

#endif

struct team {
    struct thread_start starts[THREADS];
    thread_handle threads[THREADS];
};

static void team_begin(struct team *team, thread_body body, void *shared)
{
    for (unsigned i = 0; i < THREADS; i++) {
        team->starts[i] = (struct thread_start){body, i, shared};
        team->threads[i] = thread_begin(&team->starts[i]);
    }
}

static void team_end(struct team *team)
{
    for (unsigned i = 0; i < THREADS; i++) {
        thread_end(team->threads[i]);
    }
}

#if HAVE_LIMITS

static void run_alone(void *body)
{
    void (*test)(void) = *(void (**)(void))body;
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    test();
    if (check_skip_reason != NULL) {
        _exit(CHILD_NOT_LIMITED);
    }
}

static int alone(void (*body)(void))
{
    return child_run(run_alone, &body);
}

static void check_alone(void (*body)(void))
{
    child_check(run_alone, &body, "not to be had here");
}

#else

#ifdef _WIN32

/* Windows looks again when another thread took the guard off meanwhile. Wine reports an access
 * violation on a page that by then is open or guarded, which has nothing to do with us. */
static LONG CALLBACK try_again_on_wine(EXCEPTION_POINTERS *pointers)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    MEMORY_BASIC_INFORMATION found;
    if (record->ExceptionCode != EXCEPTION_ACCESS_VIOLATION) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    const void *address = (const void *)record->ExceptionInformation[1];
    bool open = VirtualQuery(address, &found, sizeof found) != 0
                && (found.Protect & ~(DWORD)PAGE_GUARD) == PAGE_READWRITE;
    return open ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

#endif

static void check_alone(void (*body)(void))
{
#ifdef _WIN32
    void *handler = AddVectoredExceptionHandler(0, try_again_on_wine);
    body();
    RemoveVectoredExceptionHandler(handler);
#else
    body();
#endif
}

#endif

/* TEST(name), with name_alone() as its body. */
#define ALONE(name)                                                                                \
    static void name##_alone(void);                                                                \
    static void name(void)                                                                         \
    {                                                                                              \
        check_alone(name##_alone);                                                                 \
    }                                                                                              \
    static void name##_alone(void)

/* ---- pages to guard ---------------------------------------------------------------------- */

struct ground {
    unsigned char *start;
    size_t page;
    size_t size;
    struct vmem_guard *guard;
};

static struct ground lay(size_t pages)
{
    struct vmem_info info;
    struct ground ground;
    void *address;
    CHECK(vmem_query(&info) == 0);
    size_t size = pages * info.page_size;
    size = (size + info.granularity - 1) / info.granularity * info.granularity;
    CHECK(vmem_reserve(size, info.granularity, &address) == 0);
    CHECK(vmem_commit(address, size) == 0);
    memset(address, 7, size);
    ground = (struct ground){.start = address, .page = info.page_size, .size = size};
    CHECK(vmem_guard_open(address, size, info.page_size, &ground.guard) == 0);
    return ground;
}

static void take_up(struct ground *ground)
{
    vmem_guard_close(ground->guard);
    CHECK(vmem_release(ground->start, ground->size) == 0);
}

static volatile unsigned char *page_of(const struct ground *ground, size_t page)
{
    return ground->start + page * ground->page;
}

static int arm(struct ground *ground, size_t first, size_t count, enum vmem_access access)
{
    return vmem_guard_arm(ground->guard, ground->start + first * ground->page,
                          count * ground->page, access);
}

static void drop(struct ground *ground, size_t first, size_t count, enum vmem_access access)
{
    unsigned char *address = ground->start + first * ground->page;
    vmem_guard_drop(ground->guard, address, count * ground->page, access);
    CHECK(vmem_protect(address, count * ground->page, access) == 0);
}

static bool is_armed(const struct ground *ground, size_t page)
{
    return vmem_guard_is_armed(ground->guard, ground->start + page * ground->page);
}

static size_t count_hits(const struct ground *ground)
{
    size_t hits = 0;
    for (size_t at = 0; vmem_guard_next_hit(ground->guard, &at); at += ground->page) {
        hits++;
    }
    return hits;
}

/* ---- one page, one thread ---------------------------------------------------------------- */

ALONE(a_write_trips_once)
{
    struct ground ground = lay(8);
    CHECK(arm(&ground, 2, 3, VMEM_READ_WRITE) == 0);
    CHECK(is_armed(&ground, 2) && is_armed(&ground, 3) && is_armed(&ground, 4));
    CHECK(!is_armed(&ground, 1) && !is_armed(&ground, 5));
    CHECK(vmem_guard_count(ground.guard) == 0);
    *page_of(&ground, 3) = 9;
    CHECK(vmem_guard_count(ground.guard) == 1);
    *page_of(&ground, 3) = 10;
    CHECK(*page_of(&ground, 3) == 10);
    CHECK(vmem_guard_count(ground.guard) == 1);
    CHECK(is_armed(&ground, 2) && !is_armed(&ground, 3) && is_armed(&ground, 4));
    take_up(&ground);
}

ALONE(contents_are_kept)
{
    struct ground ground = lay(4);
    CHECK(arm(&ground, 0, 4, VMEM_READ_WRITE) == 0);
    for (size_t page = 0; page < 4; page++) {
        for (size_t i = 0; i < ground.page; i++) {
            CHECK(page_of(&ground, page)[i] == 7);
        }
    }
    CHECK(vmem_guard_count(ground.guard) == 4);
    take_up(&ground);
}

ALONE(the_last_byte_of_a_page_trips_it)
{
    struct ground ground = lay(4);
    CHECK(arm(&ground, 1, 1, VMEM_READ_WRITE) == 0);
    page_of(&ground, 0)[ground.page - 1] = 1;
    page_of(&ground, 2)[0] = 1;
    CHECK(vmem_guard_count(ground.guard) == 0);
    page_of(&ground, 1)[ground.page - 1] = 1;
    CHECK(vmem_guard_count(ground.guard) == 1);
    take_up(&ground);
}

ALONE(an_access_over_two_pages_trips_both)
{
    struct ground ground = lay(4);
    uint64_t value;
    CHECK(arm(&ground, 0, 4, VMEM_READ) == 0);
    memcpy(&value, ground.start + ground.page - 4, sizeof value);
    CHECK(value == UINT64_C(0x0707070707070707));
    CHECK(vmem_guard_count(ground.guard) == 2 && is_armed(&ground, 2));
    take_up(&ground);
}

ALONE(armed_again_it_trips_again)
{
    struct ground ground = lay(2);
    for (size_t round = 1; round <= 100; round++) {
        CHECK(arm(&ground, 0, 2, VMEM_READ_WRITE) == 0);
        CHECK(count_hits(&ground) == 0);
        *page_of(&ground, 1) = (unsigned char)round;
        CHECK(vmem_guard_count(ground.guard) == round);
        CHECK(count_hits(&ground) == 1);
    }
    CHECK(*page_of(&ground, 1) == 100);
    take_up(&ground);
}

ALONE(dropped_pages_are_silent)
{
    struct ground ground = lay(8);
    CHECK(arm(&ground, 2, 4, VMEM_READ_WRITE) == 0);
    *page_of(&ground, 2) = 1;
    drop(&ground, 0, 8, VMEM_READ_WRITE);
    for (size_t page = 0; page < 8; page++) {
        CHECK(!is_armed(&ground, page));
        *page_of(&ground, page) = 1;
    }
    CHECK(vmem_guard_count(ground.guard) == 1 && count_hits(&ground) == 1);
    take_up(&ground);
}

ALONE(hits_are_listed_and_taken_once)
{
    struct ground ground = lay(16);
    const size_t touched[] = {3, 4, 11, 15};
    size_t at = 0;
    CHECK(!vmem_guard_next_hit(ground.guard, &at));
    CHECK(arm(&ground, 1, 15, VMEM_READ_WRITE) == 0);
    for (size_t i = 4; i-- > 0;) {
        *page_of(&ground, touched[i]) = 1;
    }
    for (size_t i = 0; i < 4; i++, at += ground.page) {
        CHECK(vmem_guard_next_hit(ground.guard, &at) && at == touched[i] * ground.page);
    }
    CHECK(!vmem_guard_next_hit(ground.guard, &at));
    at = ground.page * 4 + 1;
    CHECK(vmem_guard_take_hit(ground.guard, &at) && at == 11 * ground.page);
    at = 0;
    CHECK(vmem_guard_take_hit(ground.guard, &at) && at == 3 * ground.page);
    CHECK(vmem_guard_take_hit(ground.guard, &at) && at == 4 * ground.page);
    CHECK(vmem_guard_take_hit(ground.guard, &at) && at == 15 * ground.page);
    at = 0;
    CHECK(!vmem_guard_take_hit(ground.guard, &at) && count_hits(&ground) == 4);
    take_up(&ground);
}

/* A hit that nobody has taken outlives arming the page again. */
ALONE(a_hit_not_taken_is_not_forgotten)
{
    struct ground ground = lay(4);
    size_t at = 0;
    CHECK(arm(&ground, 0, 4, VMEM_READ_WRITE) == 0);
    *page_of(&ground, 2) = 1;
    CHECK(arm(&ground, 0, 4, VMEM_READ_WRITE) == 0);
    CHECK(count_hits(&ground) == 0);
    CHECK(vmem_guard_take_hit(ground.guard, &at) && at == 2 * ground.page);
    CHECK(!vmem_guard_take_hit(ground.guard, &at));
    take_up(&ground);
}

#define GROUNDS 50

ALONE(many_guards_keep_apart)
{
    struct ground grounds[GROUNDS];
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < GROUNDS; i++) {
            grounds[i] = lay(i % 4 + 1);
            CHECK(arm(&grounds[i], i % 4, 1, VMEM_READ_WRITE) == 0);
        }
        for (size_t i = 0; i < GROUNDS; i += 2) {
            *page_of(&grounds[i], i % 4) = 1;
        }
        for (size_t i = 0; i < GROUNDS; i++) {
            CHECK(vmem_guard_count(grounds[i].guard) == (i % 2 == 0 ? 1 : 0));
            take_up(&grounds[i]);
        }
    }
}

/* Pages below and above those that were guarded first. */
ALONE(what_is_known_grows_both_ways)
{
    struct ground ground = lay(20000);
    const size_t order[] = {9000, 9001, 15000, 4500, 0, 19999};
    for (size_t i = 0; i < 6; i++) {
        CHECK(arm(&ground, order[i], 1, VMEM_READ_WRITE) == 0);
    }
    for (size_t i = 0; i < 6; i++) {
        CHECK(is_armed(&ground, order[i]));
        *page_of(&ground, order[i]) = 1;
        CHECK(vmem_guard_count(ground.guard) == i + 1);
    }
    take_up(&ground);
}

ALONE(errno_is_kept)
{
    struct ground ground = lay(1);
    CHECK(arm(&ground, 0, 1, VMEM_READ_WRITE) == 0);
    errno = EDOM;
    *page_of(&ground, 0) = 1;
    CHECK(errno == EDOM);
    CHECK(vmem_guard_count(ground.guard) == 1);
    take_up(&ground);
}

static unsigned count_tries(uintptr_t address, enum guard_fault fault)
{
    unsigned tries = 0;
    while (guard_trip(address, fault)) {
        tries++;
    }
    return tries;
}

/* Faults by one thread at an open page, which the system may not tell the kind of. */
ALONE(faults_on_open_pages_are_tried_again_a_few_times)
{
    struct ground ground = lay(2);
    uintptr_t address = (uintptr_t)ground.start;
    if (guard_opens_itself) {
        take_up(&ground);
        SKIP("faults are not tried again here");
    }
    CHECK(!guard_trip(address, FAULT_UNKNOWN));
    CHECK(arm(&ground, 0, 1, VMEM_READ) == 0);
    CHECK(guard_trip(address, FAULT_UNKNOWN));
    CHECK(vmem_guard_count(ground.guard) == 1);
    CHECK(count_tries(address, FAULT_UNKNOWN) == GUARD_TRIES);
    CHECK(count_tries(address + 1, FAULT_UNKNOWN) == GUARD_TRIES);
    CHECK(count_tries(address, FAULT_READ) == GUARD_TRIES);
    CHECK(!guard_trip(address, FAULT_WRITE) && !guard_trip(address, FAULT_EXECUTE));
    CHECK(!guard_trip(address + ground.page, FAULT_READ));
    drop(&ground, 0, 1, VMEM_NO_ACCESS);
    CHECK(!guard_trip(address, FAULT_UNKNOWN));
    CHECK(vmem_guard_count(ground.guard) == 1);
    take_up(&ground);
}

ALONE(each_access_allows_what_it_says)
{
    struct ground ground = lay(1);
    const struct {
        enum vmem_access access;
        bool writes, executes;
    } cases[] = {{VMEM_READ, false, false},
                 {VMEM_READ_WRITE, true, false},
                 {VMEM_READ_EXECUTE, false, true},
                 {VMEM_READ_WRITE_EXECUTE, true, true}};
    if (guard_opens_itself) {
        take_up(&ground);
        SKIP("faults are not tried again here");
    }
    for (size_t i = 0; i < 4; i++) {
        uintptr_t address = (uintptr_t)ground.start;
        CHECK(arm(&ground, 0, 1, cases[i].access) == 0);
        CHECK(guard_trip(address, FAULT_READ));
        CHECK(guard_trip(address, FAULT_READ));
        CHECK(guard_trip(address + 8, FAULT_WRITE) == cases[i].writes);
        CHECK(guard_trip(address + 16, FAULT_EXECUTE) == cases[i].executes);
    }
    take_up(&ground);
}

/* ---- many threads ------------------------------------------------------------------------ */

#define PAGES 1250
#define ROUNDS 8

struct trips {
    struct ground ground;
    _Atomic unsigned waiting;
    _Atomic unsigned round;
    _Atomic bool stop;
    _Atomic size_t writes[THREADS];
};

static void meet(struct trips *trips, unsigned round)
{
    atomic_fetch_add(&trips->waiting, 1);
    while (atomic_load(&trips->round) < round) {
        guard_yield();
    }
}

/* Every thread touches every page, half of them from the end, each a byte of its own. */
static void touch_all(unsigned number, void *shared)
{
    struct trips *trips = shared;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        meet(trips, round);
        for (size_t i = 0; i < PAGES; i++) {
            size_t page = number % 2 == 0 ? i : PAGES - 1 - i;
            page_of(&trips->ground, page)[number] = (unsigned char)(round + number);
        }
    }
    meet(trips, 0);
}

static void wait_for_all(struct trips *trips)
{
    while (atomic_load(&trips->waiting) < THREADS) {
        guard_yield();
    }
    atomic_store(&trips->waiting, 0);
}

/* 8 rounds of 1,250 pages that 8 threads fight for. */
ALONE(ten_thousand_trips_are_counted_once_each)
{
    static struct trips trips;
    struct team team;
    trips.ground = lay(PAGES);
    team_begin(&team, touch_all, &trips);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        wait_for_all(&trips);
        CHECK(arm(&trips.ground, 0, PAGES, VMEM_READ_WRITE) == 0);
        atomic_store(&trips.round, round);
    }
    wait_for_all(&trips);
    team_end(&team);
    CHECK(vmem_guard_count(trips.ground.guard) == ROUNDS * PAGES);
    CHECK(vmem_guard_lost(trips.ground.guard) == 0);
    CHECK(count_hits(&trips.ground) == PAGES);
    for (size_t page = 0; page < PAGES; page++) {
        for (unsigned number = 0; number < THREADS; number++) {
            CHECK(page_of(&trips.ground, page)[number] == ROUNDS + number);
        }
    }
    take_up(&trips.ground);
}

#define FEW 16

/* Adds one to a number of its own in one page after another. */
static void count_up(unsigned number, void *shared)
{
    struct trips *trips = shared;
    size_t place = number * sizeof(uint64_t);
    size_t writes = 0;
    while (!atomic_load(&trips->stop)) {
        size_t page = (writes * 5 + number) % FEW;
        volatile uint64_t *slot = (volatile uint64_t *)(page_of(&trips->ground, page) + place);
        *slot += 1;
        writes++;
    }
    atomic_store(&trips->writes[number], writes);
}

static void check_writes(struct trips *trips)
{
    for (unsigned number = 0; number < THREADS; number++) {
        uint64_t sum = 0;
        for (size_t page = 0; page < FEW; page++) {
            uint64_t value;
            unsigned char *place = trips->ground.start + page * trips->ground.page;
            memcpy(&value, place + number * sizeof value, sizeof value);
            sum += value;
        }
        CHECK(sum == atomic_load(&trips->writes[number]));
    }
}

static void under_fire(void (*disturb)(struct trips *trips, unsigned turn), unsigned turns)
{
    static struct trips trips;
    struct team team;
    trips.ground = lay(FEW);
    memset(trips.ground.start, 0, trips.ground.size);
    team_begin(&team, count_up, &trips);
    for (unsigned turn = 0; turn < turns; turn++) {
        disturb(&trips, turn);
    }
    atomic_store(&trips.stop, true);
    team_end(&team);
    check_writes(&trips);
    CHECK(vmem_guard_lost(trips.ground.guard) == 0);
    take_up(&trips.ground);
}

static void arm_all(struct trips *trips, unsigned turn)
{
    CHECK(arm(&trips->ground, 0, FEW, VMEM_READ_WRITE) == 0);
    if (turn % 16 == 0) {
        wait_a_moment();
    }
}

ALONE(pages_are_armed_under_fire)
{
    under_fire(arm_all, 2000);
}

static void arm_and_drop(struct trips *trips, unsigned turn)
{
    size_t first = turn % FEW;
    size_t count = turn % (FEW - first) + 1;
    CHECK(arm(&trips->ground, first, count, VMEM_READ_WRITE) == 0);
    if (turn % 16 == 0) {
        wait_a_moment();
    }
    drop(&trips->ground, first, count, VMEM_READ_WRITE);
    for (size_t page = first; page < first + count; page++) {
        CHECK(!is_armed(&trips->ground, page));
    }
}

ALONE(pages_are_dropped_under_fire)
{
    under_fire(arm_and_drop, 2000);
}

static void open_and_close(struct trips *trips, unsigned turn)
{
    struct ground other = lay(turn % 3 + 1);
    CHECK(arm(&other, 0, 1, VMEM_READ_WRITE) == 0);
    CHECK(arm(&trips->ground, turn % FEW, 1, VMEM_READ_WRITE) == 0);
    *page_of(&other, 0) = 1;
    CHECK(vmem_guard_count(other.guard) == 1);
    take_up(&other);
}

ALONE(guards_come_and_go_under_fire)
{
    under_fire(open_and_close, 1000);
}

static void take_hits(unsigned number, void *shared)
{
    struct trips *trips = shared;
    size_t taken = 0;
    for (size_t at = 0; vmem_guard_take_hit(trips->ground.guard, &at); at += trips->ground.page) {
        taken++;
    }
    atomic_store(&trips->writes[number], taken);
}

ALONE(of_many_takers_one_gets_each_hit)
{
    static struct trips trips;
    struct team team;
    size_t sum = 0;
    trips.ground = lay(1000);
    CHECK(arm(&trips.ground, 0, 1000, VMEM_READ_WRITE) == 0);
    for (size_t page = 0; page < 1000; page++) {
        *page_of(&trips.ground, page) = 1;
    }
    team_begin(&team, take_hits, &trips);
    team_end(&team);
    for (unsigned i = 0; i < THREADS; i++) {
        sum += atomic_load(&trips.writes[i]);
    }
    CHECK(sum == 1000);
    take_up(&trips.ground);
}

/* ---- being told -------------------------------------------------------------------------- */

static _Atomic unsigned tells;
static _Atomic unsigned refusals;

static bool count_tells(void *context)
{
    CHECK(context == &tells);
    if (atomic_load(&refusals) != 0) {
        atomic_fetch_sub(&refusals, 1);
        return false;
    }
    atomic_fetch_add(&tells, 1);
    return true;
}

static bool is_told(unsigned before)
{
    for (int i = 0; i < 5000 && atomic_load(&tells) == before; i++) {
        wait_a_moment();
    }
    return atomic_load(&tells) != before;
}

ALONE(hits_are_told)
{
    struct ground ground = lay(8);
    atomic_store(&tells, 0);
    CHECK(vmem_guard_watch(count_tells, &tells) == 0);
    CHECK(arm(&ground, 0, 8, VMEM_READ_WRITE) == 0);
    CHECK(atomic_load(&tells) == 0);
    for (size_t page = 0; page < 4; page++) {
        unsigned before = atomic_load(&tells);
        *page_of(&ground, page) = 1;
        CHECK(is_told(before));
    }
    unsigned before = atomic_load(&tells);
    atomic_store(&refusals, 3);
    *page_of(&ground, 4) = 1;
    CHECK(is_told(before) && atomic_load(&refusals) == 0);
    vmem_guard_unwatch();
    before = atomic_load(&tells);
    *page_of(&ground, 5) = 1;
    wait_a_moment();
    CHECK(atomic_load(&tells) == before);
    CHECK(vmem_guard_watch(count_tells, &tells) == 0);
    *page_of(&ground, 6) = 1;
    CHECK(is_told(before));
    vmem_guard_unwatch();
    take_up(&ground);
}

/* More hits than a pipe has room for while nobody reads it. */
ALONE(hits_that_nobody_is_told_of_do_no_harm)
{
    struct ground ground = lay(1000);
    atomic_store(&tells, 0);
    atomic_store(&refusals, 1000000);
    CHECK(vmem_guard_watch(count_tells, &tells) == 0);
    for (int round = 0; round < 80; round++) {
        CHECK(arm(&ground, 0, 1000, VMEM_READ_WRITE) == 0);
        for (size_t page = 0; page < 1000; page++) {
            *page_of(&ground, page) = 1;
        }
    }
    CHECK(vmem_guard_count(ground.guard) == 80000);
    atomic_store(&refusals, 0);
    CHECK(is_told(0));
    vmem_guard_unwatch();
    take_up(&ground);
}

/* ---- system calls, and faults that are not ours ------------------------------------------ */

#ifdef _WIN32

/* The system takes the guard off for a system call, and no handler hears of it. */
static void a_system_call_and_an_access_are_one_hit(void)
{
    struct ground ground = lay(4);
    HANDLE ends[2];
    DWORD count = 0;
    CHECK(CreatePipe(&ends[0], &ends[1], NULL, 0));
    CHECK(arm(&ground, 1, 2, VMEM_READ_WRITE) == 0);
    (void)WriteFile(ends[1], ground.start + ground.page, 8, &count, NULL);
    CHECK(count_hits(&ground) <= 1);
    *page_of(&ground, 1) = 1;
    CHECK(count_hits(&ground) == 1 && vmem_guard_count(ground.guard) == 1);
    CHECK(is_armed(&ground, 2));
    take_up(&ground);
}

#endif

#if HAVE_LIMITS

ALONE(a_system_call_fails_and_trips_nothing)
{
    struct ground ground = lay(4);
    int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(arm(&ground, 1, 2, VMEM_READ_WRITE) == 0);
    CHECK(write(ends[1], ground.start + ground.page, 8) == -1 && errno == EFAULT);
    CHECK(write(ends[1], "12345678", 8) == 8);
    CHECK(read(ends[0], ground.start + ground.page, 8) == -1 && errno == EFAULT);
    CHECK(vmem_guard_count(ground.guard) == 0 && is_armed(&ground, 1));
    *page_of(&ground, 1) = 1;
    CHECK(vmem_guard_count(ground.guard) == 1);
    CHECK(write(ends[1], ground.start + ground.page, 8) == 8);
    CHECK(read(ends[0], ground.start + ground.page, 8) == 8);
    take_up(&ground);
}

static unsigned char *forbidden_page(void)
{
    void *address = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(address != MAP_FAILED);
    return address;
}

static struct ground used_ground(void)
{
    struct ground ground = lay(4);
    CHECK(arm(&ground, 0, 3, VMEM_READ_WRITE) == 0);
    *page_of(&ground, 0) = 1;
    CHECK(vmem_guard_count(ground.guard) == 1);
    return ground;
}

static void touch_elsewhere(void)
{
    used_ground();
    *(volatile unsigned char *)forbidden_page() = 1;
}

static unsigned char *volatile sixteen = (unsigned char *)(uintptr_t)16;

static void touch_nothing(void)
{
    used_ground();
    *(volatile unsigned char *)sixteen = 1;
}

static void write_to_read_only(void)
{
    struct ground ground = lay(4);
    CHECK(arm(&ground, 0, 3, VMEM_READ) == 0);
    *page_of(&ground, 1) = 1;
}

static void touch_dropped(void)
{
    struct ground ground = used_ground();
    drop(&ground, 1, 1, VMEM_NO_ACCESS);
    *page_of(&ground, 1) = 1;
}

static void touch_decommitted(void)
{
    struct ground ground = used_ground();
    vmem_guard_drop(ground.guard, ground.start, ground.page, VMEM_NO_ACCESS);
    CHECK(vmem_decommit(ground.start, ground.page) == 0);
    *page_of(&ground, 0) = 1;
}

static void touch_closed(void)
{
    struct ground ground = used_ground();
    vmem_guard_close(ground.guard);
    *page_of(&ground, 1) = 1;
}

static void run_data(void)
{
    struct ground ground = used_ground();
    void (*function)(void);
    void *address = ground.start;
    memcpy(&function, &address, sizeof function);
    function();
}

static void send_fault(void)
{
    used_ground();
    kill(getpid(), SIGSEGV);
    raise(SIGSEGV);
}

static void abuse_of_memory_kills(void)
{
    void (*const bodies[])(void) = {touch_elsewhere, touch_nothing, write_to_read_only,
                                    touch_dropped, touch_decommitted, touch_closed,
                                    run_data, send_fault};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        CHECK(alone(bodies[i]) == -SIGSEGV);
    }
}

/* ---- what was there before --------------------------------------------------------------- */

static _Atomic unsigned caught;
static volatile unsigned char *expected;
static sigjmp_buf out;
static _Atomic bool was_blocked;
static _Atomic uintptr_t frame;

static void catch_and_jump(int number, siginfo_t *info, void *context)
{
    unsigned char here = 0;
    sigset_t blocked;
    (void)context;
    CHECK(number == SIGSEGV && info->si_signo == SIGSEGV);
    CHECK(info->si_code == SEGV_ACCERR && info->si_addr == (void *)(uintptr_t)expected);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    atomic_store(&was_blocked, sigismember(&blocked, SIGSEGV) == 1);
    CHECK(sigismember(&blocked, SIGUSR1) == 1 && sigismember(&blocked, SIGUSR2) == 0);
    atomic_store(&frame, (uintptr_t)&here);
    atomic_fetch_add(&caught, 1);
    siglongjmp(out, 1);
}

static void install(void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR1);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
}

static bool is_caught(volatile unsigned char *address, int save)
{
    unsigned before = atomic_load(&caught);
    expected = address;
    if (sigsetjmp(out, save) == 0) {
        *address = 1;
    }
    return atomic_load(&caught) == before + 1;
}

ALONE(a_handler_before_us_gets_what_is_not_ours)
{
    install(catch_and_jump, 0);
    struct ground ground = used_ground();
    unsigned char *forbidden = forbidden_page();
    for (int i = 0; i < 100; i++) {
        CHECK(is_caught(forbidden + i, 1));
        CHECK(atomic_load(&was_blocked));
    }
    CHECK(!is_caught(page_of(&ground, 1), 1));
    CHECK(vmem_guard_count(ground.guard) == 2);
    drop(&ground, 2, 1, VMEM_READ);
    CHECK(is_caught(page_of(&ground, 2), 1));
    CHECK(vmem_guard_count(ground.guard) == 2);
    take_up(&ground);
}

/* Jumps out without a saved mask, as it may: nothing was blocked for it. */
ALONE(a_handler_before_us_keeps_its_flags)
{
    install(catch_and_jump, SA_NODEFER);
    sigset_t blocked;
    struct ground ground = used_ground();
    unsigned char *forbidden = forbidden_page();
    for (int i = 0; i < 3; i++) {
        CHECK(is_caught(forbidden, 0));
        CHECK(!atomic_load(&was_blocked));
    }
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    CHECK(sigismember(&blocked, SIGSEGV) == 0 && sigismember(&blocked, SIGUSR2) == 0);
    CHECK(!is_caught(page_of(&ground, 1), 0));
    take_up(&ground);
}

static void catch_once(void)
{
    install(catch_and_jump, (int)SA_RESETHAND);
    used_ground();
    unsigned char *forbidden = forbidden_page();
    CHECK(is_caught(forbidden, 1));
    is_caught(forbidden, 1);
}

static void a_handler_that_was_to_run_once_does(void)
{
    CHECK(alone(catch_once) == -SIGSEGV);
}

static volatile sig_atomic_t plain_calls;

static void plain_handler(int number)
{
    CHECK(number == SIGSEGV);
    plain_calls++;
    siglongjmp(out, 1);
}

ALONE(a_plain_handler_before_us_is_called)
{
    signal(SIGSEGV, plain_handler);
    struct ground ground = used_ground();
    for (int i = 0; i < 3; i++) {
        if (sigsetjmp(out, 1) == 0) {
            *(volatile unsigned char *)forbidden_page() = 1;
        }
    }
    CHECK(plain_calls == 3);
    CHECK(vmem_guard_count(ground.guard) == 1);
    take_up(&ground);
}

static void ignore_and_fault(void)
{
    signal(SIGSEGV, SIG_IGN);
    struct ground ground = used_ground();
    CHECK(kill(getpid(), SIGSEGV) == 0);
    CHECK(raise(SIGSEGV) == 0);
    *page_of(&ground, 1) = 1;
    CHECK(vmem_guard_count(ground.guard) == 2);
    *(volatile unsigned char *)forbidden_page() = 1;
}

static void ignored_faults_kill_and_ignored_signals_do_not(void)
{
    CHECK(alone(ignore_and_fault) == -SIGSEGV);
}

static pid_t sender;

static void note_sender(int number, siginfo_t *info, void *context)
{
    (void)context;
    CHECK(number == SIGSEGV && info->si_code == SI_USER);
    sender = info->si_pid;
}

ALONE(a_sent_signal_reaches_the_handler_before_us)
{
    install(note_sender, 0);
    struct ground ground = used_ground();
    CHECK(kill(getpid(), SIGSEGV) == 0);
    CHECK(sender == getpid());
    CHECK(vmem_guard_count(ground.guard) == 1);
    take_up(&ground);
}

static size_t alternate_size(void)
{
    return (size_t)1 << 18;
}

ALONE(the_alternate_stack_is_used)
{
    stack_t stack = {.ss_sp = malloc(alternate_size()), .ss_size = alternate_size()};
    CHECK(stack.ss_sp != NULL && sigaltstack(&stack, NULL) == 0);
    install(catch_and_jump, SA_ONSTACK);
    struct ground ground = used_ground();
    uintptr_t low = (uintptr_t)stack.ss_sp;
    for (int i = 0; i < 3; i++) {
        CHECK(is_caught(forbidden_page(), 1));
        CHECK(UNDER_TSAN || atomic_load(&frame) - low < alternate_size());
    }
    take_up(&ground);
}

/* What the kernel tells the one who traces the child of its last signal. */
static siginfo_t last_signal(void (*body)(void), int *status)
{
    siginfo_t last;
    memset(&last, 0, sizeof last);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(CHILD_NOT_LIMITED); /* an emulator */
        }
        run_alone(&body);
        _exit(0);
    }
    while (waitpid(child, status, 0) == child && WIFSTOPPED(*status)) {
        CHECK(ptrace(PTRACE_GETSIGINFO, child, NULL, &last) == 0);
        CHECK(ptrace(PTRACE_CONT, child, NULL, (void *)(uintptr_t)WSTOPSIG(*status)) == 0);
    }
    return last;
}

static void a_crash_has_its_own_address(void)
{
    int status;
    siginfo_t last = last_signal(touch_nothing, &status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_NOT_LIMITED) {
        SKIP("no child can be traced here");
    }
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK(last.si_signo == SIGSEGV && last.si_code == SEGV_MAPERR);
    CHECK(last.si_addr == (void *)(uintptr_t)16);
    last = last_signal(send_fault, &status);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK(last.si_code == SI_USER);
}

/* ---- what comes after us ----------------------------------------------------------------- */

static struct sigaction replaced;
static _Atomic unsigned reports;

/* As Python's faulthandler does: reports, puts back whom it found, and raises the signal again. */
static void report_and_raise(int number)
{
    atomic_fetch_add(&reports, 1);
    if (atomic_load(&reports) > 3) {
        _exit(99); /* a loop */
    }
    sigaction(number, &replaced, NULL);
    raise(number);
}

static void install_reporter(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = report_and_raise;
    action.sa_flags = SA_NODEFER;
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(SIGSEGV, &action, &replaced) == 0);
}

static void check_one_report(void)
{
    CHECK(atomic_load(&reports) == 0 || atomic_load(&reports) == 1);
}

static void crash_with_reporter_before(void)
{
    install_reporter();
    struct ground ground = used_ground();
    CHECK(atomic_load(&reports) == 0);
    *page_of(&ground, 1) = 1;
    CHECK(atomic_load(&reports) == 0);
    atexit(check_one_report);
    *(volatile unsigned char *)forbidden_page() = 1;
}

static void crash_with_reporter_after(void)
{
    struct ground ground = used_ground();
    install_reporter();
    CHECK(arm(&ground, 3, 1, VMEM_READ_WRITE) == 0);
    for (size_t page = 1; page < 4; page++) {
        *page_of(&ground, page) = 1;
    }
    CHECK(vmem_guard_count(ground.guard) == 4 && atomic_load(&reports) == 0);
    *(volatile unsigned char *)forbidden_page() = 1;
}

static void a_reporter_before_or_after_us_reports_a_crash_once(void)
{
    CHECK(alone(crash_with_reporter_before) == -SIGSEGV);
    CHECK(alone(crash_with_reporter_after) == -SIGSEGV);
}

static void stranger(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    _exit(number == SIGSEGV ? 70 : 71);
}

/* Strangers that come and go, as often as they like. */
ALONE(the_same_stranger_may_come_often)
{
    struct sigaction ours;
    struct ground ground = used_ground();
    CHECK(sigaction(SIGSEGV, NULL, &ours) == 0);
    for (int i = 0; i < 50; i++) {
        install(stranger, 0);
        CHECK(arm(&ground, 0, 1, VMEM_READ_WRITE) == 0);
        *page_of(&ground, 0) = 1;
        CHECK(sigaction(SIGSEGV, &ours, NULL) == 0);
    }
    CHECK(vmem_guard_count(ground.guard) == 51);
    take_up(&ground);
}

#define STRANGER(number)                                                                           \
    static void stranger_##number(int signal_number, siginfo_t *info, void *context)               \
    {                                                                                              \
        stranger(signal_number + (number), info, context);                                         \
    }
STRANGER(1)
STRANGER(2)
STRANGER(3)
STRANGER(4)
STRANGER(5)
STRANGER(6)
STRANGER(7)
STRANGER(8)

/* Eight different ones are as many as we can know apart. */
ALONE(too_many_strangers_are_an_error)
{
    void (*const strangers[])(int, siginfo_t *, void *) = {
        stranger_1, stranger_2, stranger_3, stranger_4,
        stranger_5, stranger_6, stranger_7, stranger_8};
    struct ground ground = used_ground();
    for (int i = 0; i < 7; i++) {
        install(strangers[i], 0);
        CHECK(arm(&ground, 0, 1, VMEM_READ_WRITE) == 0);
        *page_of(&ground, 0) = 1;
    }
    install(strangers[7], 0);
    CHECK(arm(&ground, 0, 1, VMEM_READ_WRITE) == EBUSY);
    CHECK(!is_armed(&ground, 0));
    *page_of(&ground, 0) = 1;
    CHECK(vmem_guard_count(ground.guard) == 8);
    take_up(&ground);
}

/* ---- fork -------------------------------------------------------------------------------- */

static void touch_in_child(void *shared)
{
    struct ground *ground = shared;
    *page_of(ground, 2) = 42;
    CHECK(vmem_guard_count(ground->guard) == 2);
    drop(ground, 0, 4, VMEM_READ_WRITE);
}

ALONE(a_child_has_guards_of_its_own)
{
    struct ground ground = used_ground();
    CHECK(child_run(touch_in_child, &ground) == 0);
    CHECK(vmem_guard_count(ground.guard) == 1 && is_armed(&ground, 2));
    CHECK(*page_of(&ground, 2) == 7);
    take_up(&ground);
}

static void watch_in_child(void *shared)
{
    struct ground *ground = shared;
    *page_of(ground, 1) = 1;
    wait_a_moment();
    CHECK(atomic_load(&tells) == 0);
    CHECK(vmem_guard_watch(count_tells, &tells) == 0);
    *page_of(ground, 2) = 1;
    CHECK(is_told(0));
    vmem_guard_unwatch();
}

ALONE(a_child_watches_anew)
{
    if (UNDER_TSAN) {
        SKIP("ThreadSanitizer allows no threads after a fork with threads");
    }
    struct ground ground = used_ground();
    atomic_store(&tells, 0);
    CHECK(vmem_guard_watch(count_tells, &tells) == 0);
    CHECK(child_run(watch_in_child, &ground) == 0);
    wait_a_moment();
    CHECK(atomic_load(&tells) == 0);
    *page_of(&ground, 1) = 1;
    CHECK(is_told(0));
    vmem_guard_unwatch();
    take_up(&ground);
}

static void use_in_child(void *shared)
{
    struct trips *trips = shared;
    alarm(30);
    arm_all(trips, 0);
    *page_of(&trips->ground, 3) = 1;
    drop(&trips->ground, 0, FEW, VMEM_READ_WRITE);
}

static void fork_one(struct trips *trips, unsigned turn)
{
    arm_all(trips, turn);
    CHECK(child_run(use_in_child, trips) == 0);
}

ALONE(forks_under_fire)
{
    if (UNDER_TSAN) {
        SKIP("ThreadSanitizer does not follow forks with threads");
    }
    under_fire(fork_one, 100);
}

/* ---- no mappings left -------------------------------------------------------------------- */

static void use_up_mappings(void)
{
    struct vmem_info info;
    CHECK(vmem_query(&info) == 0);
    if (info.max_mappings > 200000 || !LIMITED_ALLOCATOR || is_under_valgrind()) {
        _exit(CHILD_NOT_LIMITED);
    }
    size_t count = info.max_mappings + 10;
    char *start = mmap(NULL, 2 * count * info.page_size, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(start != MAP_FAILED);
    for (size_t i = 0; i < count; i++) {
        if (mprotect(start + 2 * i * info.page_size, info.page_size, PROT_READ) != 0) {
            return;
        }
    }
    CHECK(false);
}

/* The page can be opened with all before it, since they stand after an open one. */
ALONE(without_mappings_neighbours_are_opened_too)
{
    struct ground ground = lay(32);
    CHECK(arm(&ground, 8, 16, VMEM_READ_WRITE) == 0);
    use_up_mappings();
    CHECK(arm(&ground, 2, 2, VMEM_READ_WRITE) == ENOMEM);
    CHECK(!is_armed(&ground, 2) && *page_of(&ground, 2) == 7 && *page_of(&ground, 3) == 7);
    *page_of(&ground, 12) = 1;
    CHECK(*page_of(&ground, 12) == 1);
    CHECK(vmem_guard_count(ground.guard) == 1);
    CHECK(vmem_guard_lost(ground.guard) == 4);
    CHECK(!is_armed(&ground, 8) && !is_armed(&ground, 11) && is_armed(&ground, 13));
    CHECK(count_hits(&ground) == 1);
    for (size_t page = 8; page < 24; page++) {
        *page_of(&ground, page) = 1;
    }
    CHECK(vmem_guard_count(ground.guard) + vmem_guard_lost(ground.guard) == 16);
    _exit(0);
}

#endif

/* ---- refused calls ----------------------------------------------------------------------- */

#ifdef GROWABLE_FAULT

ALONE(a_refused_commit_arms_nothing)
{
    struct ground ground = lay(4);
    for (long nth = 1; nth <= 2; nth++) { /* 1 is vmem_guard_arm itself */
        vmem_fault_arm(nth, 1);
        CHECK(arm(&ground, 0, 4, VMEM_READ_WRITE) != 0);
        vmem_fault_disarm();
        CHECK(!is_armed(&ground, 0));
    }
    *page_of(&ground, 0) = 1;
    CHECK(vmem_guard_count(ground.guard) == 0);
    CHECK(arm(&ground, 0, 4, VMEM_READ_WRITE) == 0);
    *page_of(&ground, 0) = 1;
    CHECK(vmem_guard_count(ground.guard) == 1);
    take_up(&ground);
}

static void refused_opens_leak_nothing(void)
{
    struct vmem_guard *guard = NULL;
    char here;
    for (long nth = 1; nth <= 3; nth++) {
        vmem_fault_arm(nth, 1);
        CHECK(vmem_guard_open(&here, 4096, 4096, &guard) != 0 && guard == NULL);
        vmem_fault_disarm();
    }
}

#if HAVE_LIMITS

static void refuse_all(void)
{
    struct ground ground = used_ground();
    vmem_fault_arm(1, -1);
    *page_of(&ground, 1) = 1;
}

/* The page alone, then it and those before it: the third attempt is let through. */
ALONE(a_refused_protect_opens_more)
{
    struct ground ground = lay(8);
    CHECK(arm(&ground, 0, 8, VMEM_READ_WRITE) == 0);
    vmem_fault_arm(1, 2);
    *page_of(&ground, 3) = 1;
    vmem_fault_disarm();
    CHECK(vmem_guard_count(ground.guard) == 1 && vmem_guard_lost(ground.guard) == 4);
    CHECK(is_armed(&ground, 2) && !is_armed(&ground, 4) && !is_armed(&ground, 7));
    vmem_fault_arm(1, 3);
    *page_of(&ground, 1) = 1;
    vmem_fault_disarm();
    CHECK(vmem_guard_count(ground.guard) == 2 && vmem_guard_lost(ground.guard) == 6);
    take_up(&ground);
}

static void a_page_that_cannot_be_opened_is_a_crash(void)
{
    CHECK(alone(refuse_all) == -SIGSEGV);
}

#endif
#endif

static const struct check_test tests[] = {
    TEST(a_write_trips_once),
    TEST(contents_are_kept),
    TEST(the_last_byte_of_a_page_trips_it),
    TEST(an_access_over_two_pages_trips_both),
    TEST(armed_again_it_trips_again),
    TEST(dropped_pages_are_silent),
    TEST(hits_are_listed_and_taken_once),
    TEST(a_hit_not_taken_is_not_forgotten),
    TEST(many_guards_keep_apart),
    TEST(what_is_known_grows_both_ways),
    TEST(errno_is_kept),
    TEST(faults_on_open_pages_are_tried_again_a_few_times),
    TEST(each_access_allows_what_it_says),
    TEST(ten_thousand_trips_are_counted_once_each),
    TEST(pages_are_armed_under_fire),
    TEST(pages_are_dropped_under_fire),
    TEST(guards_come_and_go_under_fire),
    TEST(of_many_takers_one_gets_each_hit),
    TEST(hits_are_told),
    TEST(hits_that_nobody_is_told_of_do_no_harm),
#ifdef _WIN32
    TEST(a_system_call_and_an_access_are_one_hit),
#endif
#if HAVE_LIMITS
    TEST(a_system_call_fails_and_trips_nothing),
    TEST(abuse_of_memory_kills),
    TEST(a_handler_before_us_gets_what_is_not_ours),
    TEST(a_handler_before_us_keeps_its_flags),
    TEST(a_handler_that_was_to_run_once_does),
    TEST(a_plain_handler_before_us_is_called),
    TEST(ignored_faults_kill_and_ignored_signals_do_not),
    TEST(a_sent_signal_reaches_the_handler_before_us),
    TEST(the_alternate_stack_is_used),
    TEST(a_crash_has_its_own_address),
    TEST(a_reporter_before_or_after_us_reports_a_crash_once),
    TEST(the_same_stranger_may_come_often),
    TEST(too_many_strangers_are_an_error),
    TEST(a_child_has_guards_of_its_own),
    TEST(a_child_watches_anew),
    TEST(forks_under_fire),
    TEST(without_mappings_neighbours_are_opened_too),
#endif
#ifdef GROWABLE_FAULT
    TEST(a_refused_commit_arms_nothing),
    TEST(refused_opens_leak_nothing),
#if HAVE_LIMITS
    TEST(a_refused_protect_opens_more),
    TEST(a_page_that_cannot_be_opened_is_a_crash),
#endif
#endif
};

CHECK_MAIN(tests)
