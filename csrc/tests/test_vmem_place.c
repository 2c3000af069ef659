/* test_vmem_place.c - reservations in a certain place, on a node, of large pages; placeholders.
 *
 * What a reader would get wrong: where free addresses are is the system's affair, and other threads
 * and libraries take some too. So the tests ask for windows that they know to be free because they
 * have just given them back.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#endif

#include "vmem_support.h"

#ifdef __linux__
#include <pthread.h>
#endif

#define GIB ((size_t)1 << 30)
#define TWO_GIB ((uintptr_t)1 << 31)
#define MANY ((size_t)8) /* of some_size(): a window */

static int reserve_at(size_t size, struct vmem_place place, unsigned char **start)
{
    void *address = UNTOUCHED;
    int error = vmem_reserve_at(size, &place, &address);
    CHECK((error == 0) == (address != UNTOUCHED));
    if (error == 0) {
        CHECK(((uintptr_t)address & (query().granularity - 1)) == 0);
        *start = address;
    }
    return error;
}

static void check_refused(size_t size, struct vmem_place place)
{
    unsigned char *start;
    CHECK(is_refusal(reserve_at(size, place, &start)));
}

/* Addresses that were free a moment ago. */
static uintptr_t free_window(size_t size)
{
    unsigned char *start = reserve(size);
    CHECK(vmem_release(start, size) == 0);
    return (uintptr_t)start;
}

static struct vmem_place window(uintptr_t first, size_t size, bool top_down)
{
    struct vmem_place place = VMEM_ANYWHERE;
    place.lowest = first;
    place.highest = first + size - 1;
    place.top_down = top_down;
    return place;
}

/* Reserved pages, in every respect. */
static void check_is_reserved(unsigned char *start, size_t size)
{
    size_t page = query().page_size;
    CHECK(faults(start, READS) && faults(start + size - 1, WRITES));
    CHECK(vmem_commit(start, size) == 0);
    CHECK(holds_only(start, size, 0));
    memset(start, 5, size);
    CHECK(vmem_decommit(start + page, page) == 0);
    CHECK(faults(start + page, READS));
    CHECK(vmem_commit(start + page, page) == 0);
    CHECK(holds_only(start + page, page, 0));
}

/* ---- an address -------------------------------------------------------------------------- */

static void anywhere_is_a_reservation(void)
{
    size_t size = some_size();
    unsigned char *start;
    CHECK(reserve_at(size, VMEM_ANYWHERE, &start) == 0);
    check_is_reserved(start, size);
    CHECK(vmem_release(start, size) == 0);
}

static void address_is_kept(void)
{
    size_t size = some_size();
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.address = (void *)free_window(size);
    CHECK(reserve_at(size, place, &start) == 0);
    CHECK(start == place.address);
    check_is_reserved(start, size);
    CHECK(vmem_release(start, size) == 0);
}

static void eight_pages_at_0x40000000(void)
{
    size_t size = some_size();
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.address = (void *)(uintptr_t)0x40000000;
    int error = reserve_at(size, place, &start);
    if (error != 0) {
        SKIP("somebody has the address, or no program may");
    }
    CHECK(start == place.address);
    CHECK(vmem_release(start, size) == 0);
}

static void occupied_address_is_told_and_left_alone(void)
{
    size_t unit = some_size();
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *other;
    unsigned char *start = reserve_committed(MANY * unit, 3);
    place.address = start;
    CHECK(vmem_is_occupied(reserve_at(unit, place, &other)));
    CHECK(vmem_is_occupied(reserve_at(2 * MANY * unit, place, &other)));
    place.address = start + (MANY - 1) * unit;
    CHECK(vmem_is_occupied(reserve_at(4 * unit, place, &other)));
    CHECK(holds_only(start, MANY * unit, 3));
    CHECK(vmem_release(start, MANY * unit) == 0);
    CHECK(!vmem_is_occupied(0));
}

static void address_of_nobody_is_refused(void)
{
    size_t size = some_size();
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.address = (void *)(UINTPTR_MAX & ~(uintptr_t)(query().granularity - 1));
    CHECK(reserve_at(size, place, &start) != 0);
}

/* ---- limits ------------------------------------------------------------------------------ */

static void range_lies_below_2_gib(void)
{
    size_t size = MIB;
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.highest = TWO_GIB - 1;
    int error = reserve_at(size, place, &start);
    if (error != 0) {
        CHECK(is_refusal(error));
        SKIP("no program may have such addresses here");
    }
    CHECK((uintptr_t)start + size <= TWO_GIB);
    check_is_reserved(start, size);
    CHECK(vmem_release(start, size) == 0);
    for (size_t alignment = MIB; alignment <= 256 * MIB; alignment *= 4) {
        place.alignment = alignment;
        CHECK(reserve_at(size, place, &start) == 0);
        CHECK((uintptr_t)start + size <= TWO_GIB && ((uintptr_t)start & (alignment - 1)) == 0);
        CHECK(vmem_release(start, size) == 0);
    }
}

static void range_lies_above_the_lowest(void)
{
    size_t size = MIB;
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.lowest = sizeof(void *) > 4 ? (uintptr_t)(UINT64_C(1) << 43) : TWO_GIB / 2;
    CHECK(reserve_at(size, place, &start) == 0);
    CHECK((uintptr_t)start >= place.lowest);
    CHECK(vmem_release(start, size) == 0);
    if (is_emulated()) {
        SKIP("an emulator hides where the addresses end");
    }
    place.top_down = true;
    CHECK(reserve_at(size, place, &start) == 0);
    CHECK((uintptr_t)start >= place.lowest);
    check_is_reserved(start, size);
    CHECK(vmem_release(start, size) == 0);
}

/* A window is filled to the last place, from the one end or the other, and then refuses. */
static void fill_window(bool top_down)
{
    size_t unit = some_size();
    unsigned char *found[MANY];
    uintptr_t first = free_window(MANY * unit);
    struct vmem_place place = window(first, MANY * unit, top_down);
    for (size_t i = 0; i < MANY; i++) {
        CHECK(reserve_at(unit, place, &found[i]) == 0);
        CHECK((uintptr_t)found[i] == first + (top_down ? MANY - 1 - i : i) * unit);
    }
    check_refused(unit, place);
    CHECK(vmem_release(found[4], unit) == 0);
    uintptr_t hole = (uintptr_t)found[4];
    CHECK(reserve_at(unit, place, &found[4]) == 0);
    CHECK((uintptr_t)found[4] == hole);
    check_refused(2 * unit, place);
    for (size_t i = 0; i < MANY; i++) {
        CHECK(vmem_release(found[i], unit) == 0);
    }
}

static void windows_are_filled_from_either_end(void)
{
    fill_window(false);
    fill_window(true);
}

static void limits_are_bytes_not_units(void)
{
    size_t unit = some_size();
    unsigned char *start;
    uintptr_t first = free_window(MANY * unit);
    struct vmem_place place = window(first + 1, MANY * unit - 2, false);
    CHECK(reserve_at((MANY - 2) * unit, place, &start) == 0);
    CHECK((uintptr_t)start > first
          && (uintptr_t)start + (MANY - 2) * unit < first + MANY * unit);
    CHECK(vmem_release(start, (MANY - 2) * unit) == 0);
    check_refused(MANY * unit, place);
    place.lowest = first;
    check_refused(MANY * unit, place);
    place.highest++;
    CHECK(reserve_at(MANY * unit, place, &start) == 0);
    CHECK((uintptr_t)start == first);
    CHECK(vmem_release(start, MANY * unit) == 0);
}

static void alignment_goes_with_limits(void)
{
    size_t size = some_size();
    size_t alignment = 4 * MIB;
    unsigned char *start;
    uintptr_t first = free_window(4 * alignment);
    for (int top_down = 0; top_down < 2; top_down++) {
        struct vmem_place place = window(first, 4 * alignment, top_down != 0);
        place.alignment = alignment;
        CHECK(reserve_at(size, place, &start) == 0);
        CHECK(((uintptr_t)start & (alignment - 1)) == 0);
        CHECK((uintptr_t)start >= first && (uintptr_t)start + size <= first + 4 * alignment);
        CHECK(vmem_release(start, size) == 0);
    }
}

static void alignment_needs_no_limits(void)
{
    size_t size = some_size();
    size_t largest = sizeof(void *) > 4 ? 4 * GIB : 64 * MIB;
    for (size_t alignment = query().granularity; alignment <= largest; alignment *= 8) {
        struct vmem_place place = VMEM_ANYWHERE;
        unsigned char *start;
        place.alignment = alignment;
        CHECK(reserve_at(size, place, &start) == 0);
        CHECK(((uintptr_t)start & (alignment - 1)) == 0);
        CHECK(vmem_release(start, size) == 0);
        place.top_down = true;
        CHECK(reserve_at(size, place, &start) == 0);
        CHECK(((uintptr_t)start & (alignment - 1)) == 0);
        CHECK(vmem_release(start, size) == 0);
    }
}

static void wrong_places_are_refused(void)
{
    size_t size = some_size();
    size_t unit = query().granularity;
    struct vmem_place place = VMEM_ANYWHERE;
    check_refused(0, place);
    check_refused(SIZE_MAX & ~(unit - 1), place);
    place.alignment = 3 * unit;
    check_refused(size, place);
    place.alignment = unit / 2;
    check_refused(size, place);
    place = VMEM_ANYWHERE;
    place.address = (void *)(free_window(4 * unit) + 1);
    check_refused(size, place);
    place = window(4 * unit, 2 * unit, false);
    place.lowest = place.highest + 1;
    check_refused(size, place);
    place = window(unit, size, false);
    place.lowest = UINTPTR_MAX - 10;
    place.highest = UINTPTR_MAX;
    check_refused(size, place);
    place.highest = 0;
    check_refused(size, place);
    place = VMEM_ANYWHERE;
    place.highest = 10;
    check_refused(size, place);
    place.numa_node = -2;
    check_refused(size, place);
}

static void an_address_excludes_requirements(void)
{
    size_t unit = query().granularity;
    size_t size = some_size();
    for (int which = 0; which < 4; which++) {
        struct vmem_place place = VMEM_ANYWHERE;
        place.address = (void *)free_window(size);
        place.alignment = which == 0 ? unit : 0;
        place.lowest = which == 1 ? unit : 0;
        place.highest = which == 2 ? UINTPTR_MAX : 0;
        place.top_down = which == 3;
        check_refused(size, place);
    }
}

static void kinds_exclude_each_other(void)
{
    size_t size = 64 * MIB;
    size_t large = query().large_page_sizes[0];
    for (int which = 0; which < 3; which++) {
        struct vmem_place place = VMEM_ANYWHERE;
        place.placeholder = which != 0;
        place.write_watch = which != 1;
        place.page_size = which != 2 ? (large != 0 ? large : 2 * MIB) : 0;
        check_refused(size, place);
    }
}

#ifdef __linux__

static void use_stack(int depth)
{
    volatile char page[4096];
    page[0] = page[4095] = (char)depth;
    if (depth > 0) {
        use_stack(depth - 1);
    }
    page[1] = page[0];
}

/* As many ranges as go there, as high as they go. */
static void take_the_top(void)
{
    for (int i = 0; i < 64; i++) {
        struct vmem_place place = VMEM_ANYWHERE;
        void *address;
        place.lowest = 1;
        place.top_down = true;
        CHECK(vmem_reserve_at(MIB, &place, &address) == 0);
        CHECK(vmem_commit(address, MIB) == 0);
        memset(address, 1, MIB);
    }
    use_stack(1500);
}

static void the_stack_can_still_grow(void)
{
    if (is_emulated()) {
        SKIP("an emulator has its own idea of the stack");
    }
    CHECK(check_in_child(take_the_top));
}

static void search_without_addresses(void)
{
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    limit_to(RLIMIT_AS, "VmSize:", 16 * MIB);
    place.lowest = 1;
    CHECK(is_refusal(reserve_at(64 * MIB, place, &start)));
    place.top_down = true;
    CHECK(is_refusal(reserve_at(64 * MIB, place, &start)));
    place = VMEM_ANYWHERE;
    place.address = (void *)(uintptr_t)0x40000000;
    CHECK(is_refusal(reserve_at(64 * MIB, place, &start)));
    CHECK(reserve_at(MIB, place, &start) == 0);
}

static void limits_of_addresses_are_told(void)
{
    if (!check_in_child(search_without_addresses)) {
        SKIP("the system does not limit addresses");
    }
}

enum { RACERS = 4, PLACES = 12, ROUNDS = 50 };

static uintptr_t raced_window;
static unsigned char *raced[RACERS];

static void *race(void *argument)
{
    size_t unit = some_size();
    unsigned char **mine = argument;
    for (int i = 0; i < ROUNDS; i++) {
        struct vmem_place place = window(raced_window, PLACES * unit, i % 2 == 0);
        CHECK(reserve_at(unit, place, mine) == 0);
        CHECK((uintptr_t)*mine >= raced_window
              && (uintptr_t)*mine + unit <= raced_window + PLACES * unit);
        CHECK(vmem_commit(*mine, unit) == 0);
        CHECK(holds_only(*mine, unit, 0));
        memset(*mine, 1, unit);
        CHECK(vmem_release(*mine, unit) == 0);
    }
    return NULL;
}

/* There are places enough, whoever takes the first. */
static void threads_may_search_at_once(void)
{
    pthread_t threads[RACERS];
    raced_window = 0;
    /* out of the way of the threads' own stacks and heaps */
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.lowest = sizeof(void *) > 4 ? (uintptr_t)(UINT64_C(1) << 43) : 0x30000000;
    CHECK(reserve_at(PLACES * some_size(), place, &start) == 0);
    CHECK(vmem_release(start, PLACES * some_size()) == 0);
    raced_window = (uintptr_t)start;
    for (int i = 0; i < RACERS; i++) {
        CHECK(pthread_create(&threads[i], NULL, race, &raced[i]) == 0);
    }
    for (int i = 0; i < RACERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

#else

static void the_stack_can_still_grow(void)
{
    SKIP("the system itself says what is free");
}

static void limits_of_addresses_are_told(void)
{
    SKIP("RLIMIT_AS is tested on Linux only");
}

static void threads_may_search_at_once(void)
{
    SKIP("the threads are those of Linux");
}

#endif

/* ---- nodes ------------------------------------------------------------------------------- */

#ifdef __linux__

/* Whether the mapping's line in /proc/self/numa_maps names this policy. */
static bool has_policy(const void *address, const char *wanted)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/numa_maps", "r");
    if (maps == NULL) {
        return true; /* a kernel without nodes */
    }
    while (!found && fgets(line, sizeof line, maps) != NULL) {
        char *rest;
        uintptr_t start = (uintptr_t)strtoull(line, &rest, 16);
        found = start == (uintptr_t)address && strncmp(rest + 1, wanted, strlen(wanted)) == 0;
    }
    fclose(maps);
    return found;
}

#else

static bool has_policy(const void *address, const char *wanted)
{
    return address != NULL && wanted != NULL;
}

#endif

static void memory_comes_from_the_node(void)
{
    size_t size = some_size();
    size_t page = query().page_size;
    struct vmem_info info = probe();
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    int node = 77;
    place.numa_node = (int)info.numa_nodes - 1;
    if (!info.can_prefer_node) {
        CHECK(reserve_at(size, place, &start) != 0);
        return;
    }
    CHECK(reserve_at(size, place, &start) == 0);
    CHECK(has_policy(start, "prefer:"));
    CHECK(vmem_commit(start, size) == 0);
    memset(start, 1, size);
    CHECK(has_policy(start, "prefer:"));
    if (info.can_query_node) {
        CHECK(vmem_query_node(start + page + 5, &node) == 0);
        CHECK(node == place.numa_node);
    }
    CHECK(vmem_decommit_at(start, size, &place) == 0);
    CHECK(has_policy(start, "prefer:"));
    check_is_reserved(start, size);
    CHECK(vmem_release(start, size) == 0);
}

static void unknown_nodes_are_refused(void)
{
    struct vmem_info info = probe();
    static const int unknown[] = {1000, 100000, INT32_MAX};
    struct vmem_place place = VMEM_ANYWHERE;
    if (!info.can_prefer_node) {
        SKIP("no nodes here");
    }
    place.numa_node = (int)info.numa_nodes;
    check_refused(some_size(), place);
    for (int i = 0; i < 3; i++) {
        place.numa_node = unknown[i];
        check_refused(some_size(), place);
    }
}

/* ---- large pages ------------------------------------------------------------------------- */

static void large_sizes_are_listed(void)
{
    struct vmem_info info = query();
    size_t before = info.page_size;
    size_t i = 0;
    for (; i < VMEM_LARGE_PAGE_SIZES && info.large_page_sizes[i] != 0; i++) {
        CHECK(info.large_page_sizes[i] > before);
        CHECK((info.large_page_sizes[i] & (info.large_page_sizes[i] - 1)) == 0);
        before = info.large_page_sizes[i];
    }
    CHECK(i < VMEM_LARGE_PAGE_SIZES);
    CHECK(info.can_large_pages == (i != 0));
}

static void unknown_large_pages_are_refused(void)
{
    size_t page = query().page_size;
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.page_size = 16 * page; /* no size of x86; ARM may have it, but seldom has one free */
    CHECK(reserve_at(64 * MIB, place, &start) != 0);
    place.page_size = 3 * MIB;
    CHECK(reserve_at(3 * MIB, place, &start) != 0);
    if (query().can_large_pages) {
        place.page_size = query().large_page_sizes[0];
        check_refused(place.page_size + page, place);
        place.address = (void *)(free_window(4 * place.page_size) + query().granularity);
        if ((uintptr_t)place.address % place.page_size != 0) {
            check_refused(place.page_size, place);
        }
    }
}

#ifdef __linux__

static char pages_before[32];

static bool write_pool(const char *text)
{
    FILE *pool = fopen("/proc/sys/vm/nr_hugepages", "w");
    if (pool == NULL) {
        return false;
    }
    bool done = fputs(text, pool) >= 0;
    return fclose(pool) == 0 && done;
}

static void restore_pool(void)
{
    if (pages_before[0] != '\0') {
        write_pool(pages_before);
        pages_before[0] = '\0';
    }
}

static size_t read_pool(void)
{
    unsigned long long count = 0;
    FILE *pool = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
    if (pool != NULL) {
        CHECK(fscanf(pool, "%llu", &count) == 1);
        fclose(pool);
    }
    return (size_t)count;
}

/* Gives the system this many free pages of 2 MiB until restore_pool, which comes at the latest when
 * the program ends. */
static bool fill_pool(size_t count)
{
    static bool registered;
    char text[32];
    FILE *pool = fopen("/proc/sys/vm/nr_hugepages", "r");
    if (pool == NULL || geteuid() != 0 || query().large_page_sizes[0] != 2 * MIB) {
        return false;
    }
    CHECK(fgets(pages_before, sizeof pages_before, pool) != NULL);
    fclose(pool);
    if (!registered) {
        registered = true;
        atexit(restore_pool);
    }
    snprintf(text, sizeof text, "%lu", strtoul(pages_before, NULL, 10) + (unsigned long)count);
    if (!write_pool(text) || read_pool() < count) {
        restore_pool();
        return false;
    }
    return true;
}

static bool is_line(const void *address, const char *key, const char *value)
{
    char line[256];
    return mapping_line(address, key, line, sizeof line) && strstr(line, value) != NULL;
}

static void check_large(unsigned char *start, size_t size, size_t free_before)
{
    size_t page = query().page_size;
    unsigned char memory[1024];
    CHECK(is_line(start, "KernelPageSize:", " 2048 kB"));
    CHECK(((uintptr_t)start & (2 * MIB - 1)) == 0);
    CHECK(holds_only(start, size, 0));
    memset(start, 7, size);
    CHECK(free_before - read_pool() == size / (2 * MIB));
    if (query().can_query_memory) {
        CHECK(vmem_query_memory(start, 2 * MIB, memory) == 0);
        CHECK(memory[0] == VMEM_RESIDENT_HUGE && memory[2 * MIB / page - 1] == VMEM_RESIDENT_HUGE);
    }
    CHECK(vmem_protect(start, size, VMEM_READ) == 0);
    CHECK(works(start, READS) && faults(start, WRITES));
    CHECK(vmem_protect(start, size, VMEM_READ_WRITE) == 0);
    CHECK(holds_only(start, size, 7));
}

static void large_pages_are_large(void)
{
    size_t size = 4 * MIB;
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    if (!fill_pool(4)) {
        SKIP("the pool of large pages cannot be filled");
    }
    size_t before = read_pool();
    place.page_size = 2 * MIB;
    for (int round = 0; round < 3; round++) {
        place.alignment = round == 1 ? 64 * MIB : 0;
        place.highest = round == 2 ? TWO_GIB - 1 : 0;
        CHECK(reserve_at(size, place, &start) == 0);
        CHECK(round != 1 || ((uintptr_t)start & (64 * MIB - 1)) == 0);
        CHECK(round != 2 || (uintptr_t)start + size <= TWO_GIB);
        check_large(start, size, before);
        CHECK(vmem_decommit_at(start, size, &place) != 0);
        CHECK(holds_only(start, size, 7));
        CHECK(vmem_release(start, size) == 0);
        CHECK(read_pool() == before);
    }
    restore_pool();
}

static void large_pages_that_are_not_free_are_refused(void)
{
    struct vmem_place place = VMEM_ANYWHERE;
    if (query().large_page_sizes[0] != 2 * MIB) {
        SKIP("no large pages of 2 MiB");
    }
    if (is_emulated()) {
        SKIP("an emulator");
    }
    place.page_size = 2 * MIB;
    size_t before = process_size("VmSize:");
    check_refused((read_pool() + 1000000) * 2 * MIB, place);
    CHECK(process_size("VmSize:") == before);
}

#else

static void large_pages_are_large(void)
{
    SKIP("the pool of large pages is filled on Linux only");
}

static void large_pages_that_are_not_free_are_refused(void)
{
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.page_size = query().large_page_sizes[0];
    if (place.page_size == 0) {
        place.page_size = 2 * MIB;
        CHECK(vmem_is_unsupported(reserve_at(2 * MIB, place, &start)));
        return;
    }
    if (reserve_at(place.page_size, place, &start) == 0) {
        memset(start, 1, place.page_size);
        CHECK(vmem_release(start, place.page_size) == 0);
        SKIP("there is a large page to be had");
    }
}

#endif

/* ---- placeholders ------------------------------------------------------------------------ */

static bool placeholders_are_missing(void)
{
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.placeholder = true;
    if (probe().can_placeholder) {
        return false;
    }
    CHECK(vmem_is_unsupported(reserve_at(some_size(), place, &start)));
    return true;
}

static unsigned char *reserve_placeholder(size_t size)
{
    struct vmem_place place = VMEM_ANYWHERE;
    unsigned char *start;
    place.placeholder = true;
    CHECK(reserve_at(size, place, &start) == 0);
    CHECK(faults(start, READS));
    return start;
}

static void placeholders_are_split_and_joined(void)
{
    size_t unit = query().granularity;
    if (placeholders_are_missing()) {
        return;
    }
    unsigned char *start = reserve_placeholder(8 * unit);
    CHECK(vmem_split(start, 2 * unit) == 0);
    CHECK(vmem_split(start + 4 * unit, unit) == 0);
    CHECK(vmem_split(start + 7 * unit, unit) == 0);
    CHECK(faults(start, READS) && faults(start + 4 * unit, READS));
    CHECK(vmem_coalesce(start + 2 * unit, 3 * unit) == 0);
    CHECK(vmem_coalesce(start, 8 * unit) == 0);
    CHECK(vmem_release(start, 8 * unit) == 0);
}

static void placeholders_become_private_and_again_placeholders(void)
{
    size_t unit = query().granularity;
    if (placeholders_are_missing()) {
        return;
    }
    unsigned char *start = reserve_placeholder(4 * unit);
    CHECK(vmem_split(start + unit, 2 * unit) == 0);
    CHECK(vmem_replace(start + unit, 2 * unit) == 0);
    check_is_reserved(start + unit, 2 * unit);
    CHECK(faults(start, READS) && faults(start + 3 * unit, READS));
    CHECK(vmem_preserve(start + unit, unit) == 0);
    CHECK(faults(start + unit, READS));
    start[2 * unit] = 9;
    CHECK(vmem_preserve(start + 2 * unit, unit) == 0);
    CHECK(faults(start + 2 * unit, READS));
    CHECK(vmem_coalesce(start, 4 * unit) == 0);
    CHECK(vmem_replace(start, 4 * unit) == 0);
    check_is_reserved(start, 4 * unit);
    CHECK(vmem_release(start, 4 * unit) == 0);
}

/* To some systems each is an allocation of its own; the calls hide it. */
static void calls_span_what_was_replaced_piece_by_piece(void)
{
    size_t unit = query().granularity;
    if (placeholders_are_missing()) {
        return;
    }
    unsigned char *start = reserve_placeholder(4 * unit);
    CHECK(vmem_split(start, unit) == 0);
    CHECK(vmem_split(start + unit, unit) == 0);
    CHECK(vmem_replace(start, unit) == 0);
    CHECK(vmem_replace(start + unit, unit) == 0);
    check_is_reserved(start, 2 * unit);
    memset(start, 3, 2 * unit);
    CHECK(vmem_protect(start, 2 * unit, VMEM_READ) == 0);
    CHECK(faults(start + unit, WRITES));
    CHECK(holds_only(start, 2 * unit, 3));
    CHECK(vmem_decommit(start, 2 * unit) == 0);
    CHECK(vmem_commit_as(start, 2 * unit, VMEM_READ) == 0);
    CHECK(holds_only(start, 2 * unit, 0));
    CHECK(vmem_release(start, 4 * unit) == 0);
    CHECK(faults(start + 3 * unit, READS));
}

static void placeholders_are_held_to(void)
{
#ifdef _WIN32
    size_t unit = query().granularity;
    if (placeholders_are_missing()) {
        SKIP("no placeholders here");
    }
    unsigned char *start = reserve_placeholder(4 * unit);
    CHECK(vmem_commit(start, unit) != 0);
    CHECK(vmem_replace(start, 2 * unit) != 0);
    CHECK(vmem_split(start, 2 * unit) == 0);
    CHECK(vmem_coalesce(start, 3 * unit) != 0);
    CHECK(vmem_replace(start, 2 * unit) == 0);
    CHECK(vmem_coalesce(start, 4 * unit) != 0);
    CHECK(vmem_release(start, 4 * unit) == 0);
#else
    SKIP("the system knows nothing of placeholders");
#endif
}

static const struct check_test tests[] = {
    TEST(anywhere_is_a_reservation),
    TEST(address_is_kept),
    TEST(eight_pages_at_0x40000000),
    TEST(occupied_address_is_told_and_left_alone),
    TEST(address_of_nobody_is_refused),
    TEST(range_lies_below_2_gib),
    TEST(range_lies_above_the_lowest),
    TEST(windows_are_filled_from_either_end),
    TEST(limits_are_bytes_not_units),
    TEST(alignment_goes_with_limits),
    TEST(alignment_needs_no_limits),
    TEST(wrong_places_are_refused),
    TEST(an_address_excludes_requirements),
    TEST(kinds_exclude_each_other),
    TEST(the_stack_can_still_grow),
    TEST(limits_of_addresses_are_told),
    TEST(threads_may_search_at_once),
    TEST(memory_comes_from_the_node),
    TEST(unknown_nodes_are_refused),
    TEST(large_sizes_are_listed),
    TEST(unknown_large_pages_are_refused),
    TEST(large_pages_are_large),
    TEST(large_pages_that_are_not_free_are_refused),
    TEST(placeholders_are_split_and_joined),
    TEST(placeholders_become_private_and_again_placeholders),
    TEST(calls_span_what_was_replaced_piece_by_piece),
    TEST(placeholders_are_held_to),
};

CHECK_MAIN(tests)
