/* test_vmem_watch.c - vmem_written: exactly the pages that were written, and none forgotten.
 *
 * What a reader would get wrong: where nothing can be watched, the tests assert just that and are
 * then skipped; a run on such a system proves nothing of the record.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#endif

#include "vmem_support.h"

#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#endif

#define PAGES ((size_t)64)
#define NOT_WATCHED "the system keeps no record of writes"

static size_t page;

static struct vmem_place watched(void)
{
    struct vmem_place place = VMEM_ANYWHERE;
    place.write_watch = true;
    return place;
}

/* A committed, watched range; or NULL, and it was checked that there can be none. */
static unsigned char *watch(size_t size)
{
    struct vmem_place place = watched();
    void *address = UNTOUCHED;
    page = query().page_size;
    int error = vmem_reserve_at(size, &place, &address);
    if (!probe().can_write_watch) {
        CHECK(vmem_is_unsupported(error) && address == UNTOUCHED);
        return NULL;
    }
    CHECK(error == 0);
    CHECK(faults(address, READS));
    CHECK(vmem_commit(address, size) == 0);
    return address;
}

/* Pages written, as a string: '1' for each that was. Asks with room for `room` ranges at a time. */
static const char *written(unsigned char *start, size_t size, bool reset, size_t room)
{
    static char map[1025];
    struct vmem_range ranges[64];
    size_t at = 0;
    size_t count = room;
    CHECK(size / page < sizeof map && room <= 64);
    memset(map, '0', size / page);
    map[size / page] = '\0';
    while (at < size && count == room) {
        CHECK(vmem_written(start + at, size - at, reset, ranges, &count) == 0);
        CHECK(count <= room);
        for (size_t i = 0; i < count; i++) {
            size_t first = (size_t)((unsigned char *)ranges[i].address - start);
            CHECK(first >= at && first % page == 0 && ranges[i].size % page == 0);
            CHECK(ranges[i].size != 0 && first + ranges[i].size <= size);
            memset(map + first / page, '1', ranges[i].size / page);
            at = first + ranges[i].size;
        }
    }
    return map;
}

static void check_written(unsigned char *start, size_t pages, bool reset, const char *expected)
{
    for (size_t room = 1; room <= 4 && !reset; room++) {
        CHECK(strcmp(written(start, pages * page, false, room), expected) == 0);
    }
    CHECK(strcmp(written(start, pages * page, reset, 64), expected) == 0);
}

static void written_pages_are_told(void)
{
    size_t size = some_size();
    unsigned char *start = watch(size);
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    check_written(start, 8, false, "00000000");
    start[page] = 1;
    start[2 * page + 7] = 0; /* a write, though it changes nothing */
    start[5 * page - 1] = 1;
    check_written(start, 8, false, "01101000");
    check_written(start, 8, false, "01101000");
    check_written(start, 8, true, "01101000");
    check_written(start, 8, true, "00000000");
    start[2 * page] = 2;
    start[7 * page] = 2;
    check_written(start, 8, false, "00100001");
    check_written(start, 8, true, "00100001");
    check_written(start, 8, false, "00000000");
    CHECK(start[page] == 1 && start[2 * page] == 2);
    CHECK(vmem_release(start, size) == 0);
}

static void reading_is_not_writing(void)
{
    size_t size = some_size();
    unsigned char *start = watch(size);
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    CHECK(holds_only(start, size, 0));
    check_written(start, 8, true, "00000000");
    start[3 * page] = 1;
    check_written(start, 8, true, "00010000");
    CHECK(!holds_only(start, size, 0));
    check_written(start, 8, false, "00000000");
    start[0] = 1; /* of a page that was read before */
    check_written(start, 8, false, "10000000");
    CHECK(vmem_release(start, size) == 0);
}

static void reset_is_for_what_was_told(void)
{
    size_t size = some_size();
    struct vmem_range range;
    size_t count = 1;
    unsigned char *start = watch(size);
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    start[0] = start[2 * page] = start[3 * page] = start[6 * page] = 1;
    CHECK(vmem_written(start, size, true, &range, &count) == 0);
    CHECK(count == 1 && range.address == start && range.size == page);
    check_written(start, 8, false, "00110010");
    check_written(start + 3 * page, 2, true, "10");
    check_written(start, 8, false, "00100010");
    CHECK(strcmp(written(start, 8 * page, true, 1), "00100010") == 0);
    check_written(start, 8, false, "00000000");
    CHECK(vmem_release(start, size) == 0);
}

static void neighbours_make_one_range(void)
{
    size_t size = PAGES * 16 * 4096;
    struct vmem_range ranges[4];
    size_t count = 4;
    unsigned char *start = watch(size);
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    memset(start + 2 * page, 1, size - 3 * page);
    CHECK(vmem_written(start, size, true, ranges, &count) == 0);
    CHECK(count >= 1 && count < 4);
    CHECK(ranges[0].address == start + 2 * page);
    if (count == 1) {
        CHECK(ranges[0].size == size - 3 * page);
    }
    CHECK(vmem_release(start, size) == 0);
}

static void decommitted_pages_are_watched_again(void)
{
    size_t size = some_size();
    struct vmem_place place = watched();
    unsigned char *start = watch(size);
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    memset(start, 1, size);
    written(start, size, true, 64);
    CHECK(vmem_decommit_at(start + 2 * page, 3 * page, &place) == 0);
    CHECK(faults(start + 2 * page, READS));
    CHECK(vmem_commit(start + 2 * page, 3 * page) == 0);
    CHECK(holds_only(start + 2 * page, 3 * page, 0));
    written(start, size, true, 64);
    start[3 * page] = 1;
    start[page] = 1;
    check_written(start, 8, true, "01010000");
    check_written(start, 8, true, "00000000");
    CHECK(vmem_release(start, size) == 0);
}

static void a_change_of_access_is_not_a_write(void)
{
    size_t size = some_size();
    unsigned char *start = watch(size);
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    memset(start, 1, size);
    written(start, size, true, 64);
    CHECK(vmem_protect(start, size, VMEM_READ) == 0);
    CHECK(faults(start, WRITES));
    CHECK(vmem_protect(start, size, VMEM_READ_WRITE) == 0);
    check_written(start, 8, false, "00000000");
    start[4 * page] = 1;
    check_written(start, 8, false, "00001000");
    CHECK(vmem_release(start, size) == 0);
}

static void large_watch_costs_little(void)
{
    size_t size = (size_t)(sizeof(void *) > 4 ? UINT64_C(1) << 40 : UINT64_C(1) << 28);
    struct vmem_place place = watched();
    struct vmem_range ranges[4];
    size_t count = 4;
    void *address;
    page = query().page_size;
    if (!probe().can_write_watch || vmem_reserve_at(size, &place, &address) != 0) {
        SKIP("no range of that size can be watched");
    }
    unsigned char *start = address;
    unsigned char *last = start + size - page;
    CHECK(vmem_commit(start, page) == 0 && vmem_commit(last, page) == 0);
    start[0] = last[0] = 1;
    CHECK(vmem_written(start, size, true, ranges, &count) == 0);
    CHECK(count == 2 && ranges[0].address == start && ranges[1].address == last);
    count = 4;
    CHECK(vmem_written(start, size, true, ranges, &count) == 0 && count == 0);
    CHECK(vmem_release(start, size) == 0);
}

static void record_equals_a_model(void)
{
    char model[PAGES + 1];
    unsigned char *start = watch(PAGES * query().page_size);
    unsigned random = 12345;
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    memset(model, '0', PAGES);
    model[PAGES] = '\0';
    for (int round = 0; round < 400; round++) {
        random = random * 1664525u + 1013904223u;
        for (unsigned i = 0; i < (random >> 8) % 20; i++) {
            unsigned at = (random >> 4) * (i + 1) % (unsigned)PAGES;
            start[at * page + (random >> 3) % page] = (unsigned char)i;
            model[at] = '1';
        }
        bool reset = (random & 0x1000) != 0;
        size_t room = (random >> 16) % 7 + 1;
        CHECK(strcmp(written(start, PAGES * page, reset, room), model) == 0);
        if (reset) {
            memset(model, '0', PAGES);
        }
    }
    CHECK(vmem_release(start, PAGES * page) == 0);
}

static void what_is_not_watched_is_an_error(void)
{
    size_t size = some_size();
    struct vmem_range range;
    size_t count = 1;
    unsigned char *start = reserve_committed(size, 1);
    int error = vmem_written(start, size, false, &range, &count);
    CHECK(error != 0 && count == 1);
    CHECK(vmem_is_unsupported(error) == !probe().can_write_watch);
    CHECK(vmem_release(start, size) == 0);
}

#ifdef __linux__

/* What the kernel writes for the process has no fault to go by. */
static void writes_of_the_kernel_count(void)
{
    size_t size = some_size();
    unsigned char *start = watch(size);
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    int file = open("/proc/self/exe", O_RDONLY);
    CHECK(file >= 0);
    CHECK(pread(file, start + page - 10, 20, 0) == 20);
    check_written(start, 8, true, "11000000");
    check_written(start, 8, false, "00000000");
    CHECK(pread(file, start + page - 10, 20, 0) == 20);
    CHECK(pread(file, start + 6 * page, 20, 0) == 20);
    check_written(start, 8, true, "11000010");
    close(file);
    CHECK(vmem_release(start, size) == 0);
}

static unsigned char *shared_start;

static void ask_in_child(void)
{
    struct vmem_range ranges[8];
    size_t count = 8;
    CHECK(vmem_written(shared_start, 8 * page, false, ranges, &count) == EPERM);
    unsigned char *mine = watch(8 * page);
    CHECK(mine != NULL);
    mine[page] = 1;
    check_written(mine, 8, true, "01000000");
    shared_start[5 * page] = 1;
    struct vmem_place place = watched();
    CHECK(vmem_decommit_at(shared_start, 8 * page, &place) == 0);
    CHECK(vmem_commit(shared_start, 8 * page) == 0);
    shared_start[2 * page] = 1;
    check_written(shared_start, 8, true, "00100000");
    CHECK(vmem_release(mine, 8 * page) == 0);
}

/* A record belongs to a process: the child may not take the parent's for its own, nor touch it. */
static void the_record_stays_with_its_process(void)
{
    size_t size = some_size();
    shared_start = watch(size);
    if (shared_start == NULL) {
        SKIP(NOT_WATCHED);
    }
    shared_start[3 * page] = 1;
    CHECK(check_in_child(ask_in_child));
    check_written(shared_start, 8, true, "00010000");
    shared_start[0] = 1;
    check_written(shared_start, 8, true, "10000000");
    CHECK(vmem_release(shared_start, size) == 0);
}

static void close_everything(void)
{
    struct vmem_range ranges[8];
    size_t count = 8;
    unsigned char *old = watch(8 * query().page_size);
    for (int file = 3; file < 256; file++) {
        close(file);
    }
    old[0] = 1;
    CHECK(vmem_written(old, 8 * page, false, ranges, &count) != 0);
    unsigned char *fresh = watch(8 * page);
    CHECK(fresh != NULL);
    fresh[4 * page] = 1;
    check_written(fresh, 8, true, "00001000");
}

static void closed_descriptors_are_survived(void)
{
    if (!probe().can_write_watch) {
        SKIP(NOT_WATCHED);
    }
    CHECK(check_in_child(close_everything));
}

static _Atomic bool finished;

/* Writes 64-bit counters all over the range. */
static void *scribble(void *argument)
{
    unsigned char *start = argument;
    for (uint64_t i = 1; i < 600000; i++) {
        size_t at = (size_t)(i * 2654435761u % PAGES);
        atomic_store_explicit((_Atomic uint64_t *)(void *)(start + at * page), i,
                              memory_order_relaxed);
    }
    atomic_store(&finished, true);
    return NULL;
}

/* A copy that is kept up to date by the record alone ends up equal to the original. */
static void no_write_is_lost_between_threads(void)
{
    static uint64_t copy[PAGES];
    pthread_t writer;
    unsigned char *start = watch(PAGES * query().page_size);
    if (start == NULL) {
        SKIP(NOT_WATCHED);
    }
    CHECK(pthread_create(&writer, NULL, scribble, start) == 0);
    for (bool last = false; !last;) {
        last = atomic_load(&finished);
        const char *map = written(start, PAGES * page, true, 64);
        for (size_t i = 0; i < PAGES; i++) {
            if (map[i] == '1') {
                copy[i] = atomic_load((_Atomic uint64_t *)(void *)(start + i * page));
            }
        }
    }
    CHECK(pthread_join(writer, NULL) == 0);
    for (size_t i = 0; i < PAGES; i++) {
        CHECK(copy[i] == *(uint64_t *)(void *)(start + i * page));
    }
    CHECK(vmem_release(start, PAGES * page) == 0);
}

#else

static void writes_of_the_kernel_count(void)
{
    SKIP("reads a file in the way of Linux");
}

static void the_record_stays_with_its_process(void)
{
    SKIP("no forked child to ask in");
}

static void closed_descriptors_are_survived(void)
{
    SKIP("no descriptor is behind it here");
}

static void no_write_is_lost_between_threads(void)
{
    SKIP("the threads are those of Linux");
}

#endif

static const struct check_test tests[] = {
    TEST(written_pages_are_told),
    TEST(reading_is_not_writing),
    TEST(reset_is_for_what_was_told),
    TEST(neighbours_make_one_range),
    TEST(decommitted_pages_are_watched_again),
    TEST(a_change_of_access_is_not_a_write),
    TEST(large_watch_costs_little),
    TEST(record_equals_a_model),
    TEST(what_is_not_watched_is_an_error),
    TEST(writes_of_the_kernel_count),
    TEST(the_record_stays_with_its_process),
    TEST(closed_descriptors_are_survived),
    TEST(no_write_is_lost_between_threads),
};

CHECK_MAIN(tests)
