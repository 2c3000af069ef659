/* test_vmem_query.c - what the contract tells of pages, against what the system says elsewhere.
 *
 * What a reader would get wrong: on Linux a page without access is told as reserved whatever is
 * behind it; only the system layer's caller knows better.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#endif

#include "vmem_support.h"

#ifdef __linux__
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

static struct vmem_run run_at(const unsigned char *address)
{
    struct vmem_run run;
    size_t page = query().page_size;
    CHECK(vmem_query_run(address, &run) == 0);
    CHECK((uintptr_t)run.address == ((uintptr_t)address & ~(uintptr_t)(page - 1)));
    CHECK(run.size != 0 && run.size % page == 0);
    return run;
}

static void expect_run(const unsigned char *address, enum vmem_state state, enum vmem_access access)
{
    struct vmem_run run = run_at(address);
    CHECK(run.state == state && run.access == access);
}

/* ---- vmem_query_run ---------------------------------------------------------------------- */

static void states_are_told(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve(size);
    expect_run(start, VMEM_RESERVED, VMEM_NO_ACCESS);
    CHECK(vmem_commit(start + page, 2 * page) == 0);
    expect_run(start, VMEM_RESERVED, VMEM_NO_ACCESS);
    CHECK(run_at(start).size == page);
    expect_run(start + page + 5, VMEM_COMMITTED, VMEM_READ_WRITE);
    CHECK(run_at(start + page).size == 2 * page);
    CHECK(run_at(start + 2 * page).size == page);
    expect_run(start + 3 * page, VMEM_RESERVED, VMEM_NO_ACCESS);
    CHECK(vmem_decommit(start + page, page) == 0);
    expect_run(start + page, VMEM_RESERVED, VMEM_NO_ACCESS);
    CHECK(vmem_release(start, size) == 0);
    expect_run(start, VMEM_FREE, VMEM_NO_ACCESS);
}

static void access_is_told(void)
{
    static const enum vmem_access kinds[] = {
        VMEM_READ, VMEM_READ_EXECUTE, VMEM_READ_WRITE, VMEM_READ_WRITE_EXECUTE,
    };
    size_t page = query().page_size;
    size_t size = some_size();
    if (is_emulated()) {
        SKIP("an emulator executes what it tells as readable");
    }
    unsigned char *start = reserve_committed(size, 1);
    for (int i = 0; i < 4; i++) {
        if (vmem_protect(start + page, page, kinds[i]) != 0) {
            SKIP("pages may not be both writable and executable here");
        }
        expect_run(start + page, VMEM_COMMITTED, kinds[i]);
        expect_run(start + 2 * page, VMEM_COMMITTED, VMEM_READ_WRITE);
    }
    CHECK(vmem_release(start, size) == 0);
}

static void the_program_is_mapped(void)
{
    static const char text[] = "part of the program's file";
    struct vmem_run run = run_at((const unsigned char *)text);
    CHECK(run.state == VMEM_MAPPED && run.access != VMEM_NO_ACCESS);
    if (is_emulated()) {
        SKIP("an emulator that tells of its own stack");
    }
    int local = 0;
    run = run_at((unsigned char *)&local);
    CHECK(run.state == VMEM_COMMITTED && run.access == VMEM_READ_WRITE);
}

/* From one run to the next, up to the end of the address space. */
static void runs_follow_each_other(void)
{
    struct vmem_run run;
    uintptr_t at = query().page_size;
    size_t count = 0;
    size_t reserved = 0;
    size_t size = 32 * MIB;
    if (is_emulated()) {
        SKIP("an emulator that tells of its host's pages");
    }
    unsigned char *start = reserve(size);
    while (at <= (uintptr_t)start && count < 100000) {
        CHECK(vmem_query_run((void *)at, &run) == 0);
        CHECK((uintptr_t)run.address == at && at + run.size > at);
        at += run.size;
        reserved += run.state == VMEM_RESERVED;
        count++;
    }
    CHECK(at > (uintptr_t)start && reserved != 0);
    CHECK(vmem_release(start, size) == 0);
}

#ifdef __linux__

static bool has_mapping(uintptr_t start, uintptr_t end, const char *flags)
{
    char line[512];
    char wanted[64];
    if (!mapping_line((void *)start, "", line, sizeof line)) {
        return false;
    }
    snprintf(wanted, sizeof wanted, "-%llx %s", (unsigned long long)end, flags);
    return strstr(line, wanted) != NULL;
}

static void runs_are_those_of_smaps(void)
{
    static const char *const flags[] = {"---p", "r--p", "rw-p", "r-xp", "rwxp"};
    size_t page = query().page_size;
    if (is_emulated()) {
        SKIP("an emulator executes what it tells as readable");
    }
    unsigned char *start = reserve(64 * page);
    for (unsigned i = 0; i < 5; i++) {
        CHECK(vmem_commit(start + (8 * i + 1) * page, 2 * page) == 0);
        CHECK(vmem_protect(start + (8 * i + 1) * page, 2 * page, (enum vmem_access)i) == 0);
    }
    for (unsigned i = 1; i < 5; i++) {
        struct vmem_run run = run_at(start + (8 * i + 1) * page);
        CHECK(run.size == 2 * page && run.access == (enum vmem_access)i);
        CHECK(has_mapping((uintptr_t)run.address, (uintptr_t)run.address + run.size, flags[i]));
    }
    CHECK(vmem_release(start, 64 * page) == 0);
}

static void views_are_mapped(void)
{
    size_t page = query().page_size;
    char line[512];
    int flags = MAP_SHARED | MAP_ANONYMOUS;
    unsigned char *view = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(view != MAP_FAILED);
    expect_run(view, VMEM_MAPPED, VMEM_READ_WRITE);
    CHECK(mapping_line(view, "", line, sizeof line) && strstr(line, "rw-s") != NULL);
    munmap(view, 4 * page);
    FILE *file = fopen("/proc/self/exe", "r");
    CHECK(file != NULL);
    view = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
    fclose(file);
    CHECK(view != MAP_FAILED);
    expect_run(view, VMEM_MAPPED, VMEM_READ_WRITE);
    munmap(view, page);
}

#else

static void runs_are_those_of_smaps(void)
{
    SKIP("smaps is Linux's");
}

static void views_are_mapped(void)
{
    SKIP("maps in the way of Linux");
}

#endif

/* ---- vmem_query_memory ------------------------------------------------------------------- */

#define MOST_PAGES 4096

static unsigned char memory[MOST_PAGES + 1];

static bool memory_is_missing(void)
{
    unsigned char *start = reserve(some_size());
    int error = vmem_query_memory(start, some_size(), memory);
    CHECK(vmem_is_unsupported(error) == !query().can_query_memory);
    CHECK(error == 0 || vmem_is_unsupported(error));
    CHECK(vmem_release(start, some_size()) == 0);
    return error != 0;
}

/* How many pages are of this kind; the byte past the answer must be left alone. */
static size_t count_memory(const unsigned char *start, size_t pages, enum vmem_memory kind)
{
    size_t count = 0;
    CHECK(pages <= MOST_PAGES);
    memset(memory, 0xee, sizeof memory);
    CHECK(vmem_query_memory(start, pages * query().page_size, memory) == 0);
    for (size_t i = 0; i < pages; i++) {
        CHECK(memory[i] <= VMEM_RESIDENT_HUGE);
        count += memory[i] == kind;
    }
    CHECK(memory[pages] == 0xee);
    return count;
}

static void memory_follows_writes(void)
{
    size_t page = query().page_size;
    size_t size = 512 * page;
    if (memory_is_missing()) {
        return;
    }
    unsigned char *start = reserve(size);
    CHECK(count_memory(start, 512, VMEM_ABSENT) == 512);
    CHECK(vmem_commit(start + page, 400 * page) == 0);
    if (query().can_advise_huge) {
        CHECK(vmem_advise_huge(start, size, false) == 0);
    }
    CHECK(count_memory(start, 512, VMEM_ABSENT) == 512);
    for (size_t i = 1; i < 400; i += 2) {
        start[i * page] = 1;
    }
    CHECK(count_memory(start, 512, VMEM_RESIDENT) == 200);
    CHECK(memory[1] == VMEM_RESIDENT && memory[2] == VMEM_ABSENT && memory[399] == VMEM_RESIDENT);
    CHECK(count_memory(start + 3 * page, 3, VMEM_RESIDENT) == 2);
    CHECK(vmem_decommit(start, 101 * page) == 0);
    CHECK(count_memory(start, 512, VMEM_RESIDENT) == 150);
    CHECK(vmem_release(start, size) == 0);
}

#ifdef __linux__

static size_t size_in(const void *address, const char *key)
{
    char line[256];
    CHECK(mapping_line(address, key, line, sizeof line));
    return (size_t)strtoull(line + strlen(key), NULL, 10) * 1024;
}

static void memory_is_that_of_smaps(void)
{
    size_t page = query().page_size;
    unsigned char resident[64];
    if (memory_is_missing()) {
        return;
    }
    unsigned char *start = reserve(64 * page);
    CHECK(vmem_commit(start, 64 * page) == 0);
    CHECK(vmem_advise_huge(start, 64 * page, false) == 0 || !query().can_advise_huge);
    start[page] = start[5 * page] = start[63 * page] = 1;
    volatile unsigned char *zero = start + 20 * page;
    CHECK(*zero == 0);
    CHECK(count_memory(start, 64, VMEM_RESIDENT) * page == size_in(start, "Rss:"));
    CHECK(memory[20] == VMEM_ABSENT);
    CHECK(vmem_query_resident(start, 64 * page, resident) == 0);
    for (size_t i = 0; i < 64; i++) {
        CHECK(i == 20 || (memory[i] != VMEM_ABSENT) == resident[i]);
    }
    CHECK(vmem_release(start, 64 * page) == 0);
}

static void huge_pages_are_told(void)
{
    struct vmem_info info = query();
    size_t huge = info.huge_page_size;
    size_t pages = huge / info.page_size;
    void *address;
    if (!info.can_query_memory || !info.can_advise_huge || info.thp < VMEM_THP_ADVISED
        || 4 * pages > MOST_PAGES) {
        SKIP("no huge pages are to be had");
    }
    CHECK(vmem_reserve(4 * huge, huge, &address) == 0);
    unsigned char *start = address;
    CHECK(vmem_commit(start, 4 * huge) == 0);
    CHECK(vmem_advise_huge(start, 2 * huge, true) == 0);
    CHECK(vmem_advise_huge(start + 2 * huge, 2 * huge, false) == 0);
    start[0] = start[2 * huge] = 1;
    size_t found = size_in(start, "AnonHugePages:");
    CHECK(count_memory(start, 4 * pages, VMEM_RESIDENT_HUGE) * info.page_size == found);
    CHECK(count_memory(start, 4 * pages, VMEM_RESIDENT) == (found != 0 ? 1 : 2));
    CHECK(vmem_release(start, 4 * huge) == 0);
    if (found == 0) {
        SKIP("the system had no huge page to give");
    }
}

#else

static void memory_is_that_of_smaps(void)
{
    SKIP("smaps is Linux's");
}

static void huge_pages_are_told(void)
{
    SKIP("huge pages are counted in Linux's /proc");
}

#endif

/* ---- vmem_query_node --------------------------------------------------------------------- */

static void node_is_where_memory_is(void)
{
    struct vmem_info info = probe();
    size_t page = info.page_size;
    size_t size = some_size();
    int node = 77;
    unsigned char *start = reserve(size);
    int error = vmem_query_node(start, &node);
    if (!info.can_query_node) {
        CHECK(error != 0 && node == 77);
        SKIP("the system does not tell of nodes");
    }
    CHECK(error == 0 && node == VMEM_NO_NODE);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(vmem_query_node(start + page, &node) == 0 && node == VMEM_NO_NODE);
    if (info.can_query_memory) {
        CHECK(vmem_query_memory(start, size, memory) == 0 && memory[1] == VMEM_ABSENT);
    }
    start[page] = 1;
    CHECK(vmem_query_node(start + page + 9, &node) == 0);
    CHECK(node >= 0 && node < (int)info.numa_nodes);
    CHECK(vmem_query_node(start + 2 * page, &node) == 0 && node == VMEM_NO_NODE);
    CHECK(vmem_release(start, size) == 0);
}

/* ---- confined to a list of system calls -------------------------------------------------- */

#ifdef __linux__

#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)
#define IF_CALL(number, then)                                                                      \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, (then))

/* From now on the unusual calls of this layer end like this. */
static void confine(unsigned then)
{
    struct sock_filter rules[] = {
        LOAD_NUMBER,
        IF_CALL(SYS_mbind, then),
        IF_CALL(SYS_move_pages, then),
        IF_CALL(SYS_userfaultfd, then),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof rules / sizeof rules[0], rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0
        || prctl(PR_SET_SECCOMP, (unsigned long)SECCOMP_MODE_FILTER, &filter) != 0) {
        _exit(CHILD_NOT_LIMITED);
    }
}

static void live_without_unusual_calls(void)
{
    size_t size = some_size();
    struct vmem_place place = VMEM_ANYWHERE;
    struct vmem_run run;
    void *address;
    confine(SECCOMP_RET_KILL);
    query();
    place.lowest = 1;
    CHECK(vmem_reserve_at(size, &place, &address) == 0);
    CHECK(vmem_commit(address, size) == 0);
    CHECK(vmem_query_run(address, &run) == 0);
    CHECK(vmem_lock(address, query().page_size) == 0);
    CHECK(vmem_decommit_at(address, size, &place) == 0);
    CHECK(vmem_release(address, size) == 0);
}

static void ask_without_unusual_calls(void)
{
    struct vmem_place place = VMEM_ANYWHERE;
    void *address;
    int node;
    confine(SECCOMP_RET_ERRNO | EPERM);
    struct vmem_info info = probe();
    CHECK(!info.can_prefer_node && !info.can_query_node && !info.can_write_watch);
    CHECK(info.can_placeholder);
    CHECK(vmem_is_unsupported(vmem_query_node(&info, &node)));
    place.numa_node = 0;
    CHECK(vmem_is_unsupported(vmem_reserve_at(some_size(), &place, &address)));
    place = VMEM_ANYWHERE;
    place.write_watch = true;
    CHECK(vmem_is_unsupported(vmem_reserve_at(some_size(), &place, &address)));
}

static void confined_programs_are_served(void)
{
    if (is_emulated() || !check_in_child(live_without_unusual_calls)) {
        SKIP("the system does not confine");
    }
    CHECK(check_in_child(ask_without_unusual_calls));
}

#else

static void confined_programs_are_served(void)
{
    SKIP("confines in the way of Linux");
}

#endif

static const struct check_test tests[] = {
    TEST(states_are_told),
    TEST(access_is_told),
    TEST(the_program_is_mapped),
    TEST(runs_follow_each_other),
    TEST(runs_are_those_of_smaps),
    TEST(views_are_mapped),
    TEST(memory_follows_writes),
    TEST(memory_is_that_of_smaps),
    TEST(huge_pages_are_told),
    TEST(node_is_where_memory_is),
    TEST(confined_programs_are_served),
};

CHECK_MAIN(tests)
