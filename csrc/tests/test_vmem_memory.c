/* test_vmem_memory.c - commit with an access, lock, prefetch, instructions, discards taken back.
 *
 * What a reader would get wrong: a limit of locked bytes binds no privileged process, so it is tried
 * as another user, in a child.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#endif

#include "vmem_support.h"

/* ---- vmem_commit_as ---------------------------------------------------------------------- */

static void pages_are_committed_with_an_access(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve(size);
    CHECK(vmem_commit_as(start, page, VMEM_READ) == 0);
    CHECK(holds_only(start, page, 0));
    CHECK(works(start, READS) && faults(start, WRITES));
    CHECK(vmem_commit_as(start + page, page, VMEM_READ_WRITE) == 0);
    memset(start + page, 4, page);
    CHECK(vmem_commit_as(start + 2 * page, page, VMEM_NO_ACCESS) == 0);
    CHECK(faults(start + 2 * page, READS));
    CHECK(vmem_commit_as(start + 3 * page, page, VMEM_READ_EXECUTE) == 0);
    CHECK(works(start + 3 * page, READS) && faults(start + 3 * page, WRITES));
    CHECK(vmem_commit_as(start, 2 * page, VMEM_READ) == 0);
    CHECK(holds_only(start, page, 0) && holds_only(start + page, page, 4));
    CHECK(faults(start + page, WRITES));
    CHECK(vmem_commit(start, 4 * page) == 0);
    CHECK(holds_only(start, page, 0) && holds_only(start + page, page, 4));
    CHECK(holds_only(start + 2 * page, 2 * page, 0));
    CHECK(works(start + 2 * page, WRITES) && works(start + 3 * page, WRITES));
    CHECK(vmem_release(start, size) == 0);
}

#ifdef __linux__

static void commit_first_and_pay_later(void)
{
    size_t size = 256 * MIB;
    unsigned char *start = reserve(size);
    limit_to(RLIMIT_DATA, "VmData:", 32 * MIB);
    CHECK(is_refusal(vmem_commit_as(start, size, VMEM_READ_WRITE)));
    CHECK(vmem_commit_as(start, size, VMEM_READ) == 0);
    CHECK(is_refusal(vmem_protect(start, size, VMEM_READ_WRITE)));
    CHECK(works(start, READS) && faults(start, WRITES) && works(start + size - 1, READS));
    CHECK(vmem_protect(start, MIB, VMEM_READ_WRITE) == 0);
    CHECK(works(start, WRITES) && faults(start + MIB, WRITES));
}

static void what_is_writable_is_paid_for(void)
{
    if (!check_in_child(commit_first_and_pay_later)) {
        SKIP("the system does not limit memory");
    }
}

#else

static void what_is_writable_is_paid_for(void)
{
    SKIP("no known way to have a commit refused");
}

#endif

/* ---- instructions ------------------------------------------------------------------------ */

#if defined(__x86_64__) || defined(_M_X64)
static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
#define HAVE_CODE true
#elif defined(__aarch64__)
static const unsigned char code[] = {0x40, 5, 0x80, 0x52, 0xc0, 3, 0x5f, 0xd6}; /* mov w0, 42; ret */
#define HAVE_CODE true
#else
static const unsigned char code[] = {0};
#define HAVE_CODE false
#endif

static int run_code(unsigned char *start)
{
    int (*function)(void);
    memcpy(&function, &start, sizeof function);
    return function();
}

static void written_instructions_are_executed(void)
{
    size_t size = some_size();
    struct vmem_place place = VMEM_ANYWHERE;
    void *address;
    if (!HAVE_CODE) {
        SKIP("no instructions for this processor");
    }
    place.executable = true;
    CHECK(vmem_reserve_at(size, &place, &address) == 0);
    unsigned char *start = address;
    CHECK(vmem_commit(start, size) == 0);
    memcpy(start, code, sizeof code);
    if (vmem_protect(start, size, VMEM_READ_EXECUTE) != 0) {
        SKIP("pages may not be executed here");
    }
    CHECK(vmem_flush_instructions(start, size) == 0);
    CHECK(run_code(start) == 42);
    CHECK(faults(start, WRITES));
    CHECK(vmem_release(start, size) == 0);
}

#ifdef __linux__

static void execute_data(void *data)
{
    child_watch_faults();
    CHECK(run_code(data) == 42);
}

static void data_is_not_executed(void)
{
    size_t size = some_size();
    if (!HAVE_CODE || is_emulated()) {
        SKIP("no instructions for this processor, or an emulator");
    }
    unsigned char *data = reserve_committed(size, 0);
    memcpy(data, code, sizeof code);
    CHECK(child_run(execute_data, data) == CHILD_FAULTED);
    CHECK(vmem_release(data, size) == 0);
}

#else

static void data_is_not_executed(void)
{
    SKIP("no forked child to fault in");
}

#endif

/* The sanitizers make mlock do nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOCKS_ARE_REAL false
#else
#define LOCKS_ARE_REAL true
#endif

/* ---- lock, prefetch ---------------------------------------------------------------------- */

static void locked_pages_are_resident(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char resident[16 * 16];
    unsigned char *start = reserve(size);
    CHECK(query().lock_limit != 0);
    CHECK(vmem_commit(start, 4 * page) == 0);
    start[page] = 7;
    int error = vmem_lock(start, 4 * page);
    if (error != 0) {
        CHECK(is_refusal(error));
        SKIP("the system lets nothing be locked");
    }
    CHECK(start[page] == 7 && start[0] == 0);
    if (!is_emulated() && LOCKS_ARE_REAL) {
        CHECK(vmem_query_resident(start, 4 * page, resident) == 0);
        CHECK(holds_only(resident, 4, 1));
    }
    CHECK(vmem_lock(start + page, page) == 0);
    CHECK(vmem_unlock(start, 4 * page) == 0);
    CHECK(vmem_unlock(start, 4 * page) == 0);
    start[0] = 1;
    CHECK(vmem_lock(start, page) == 0);
    CHECK(vmem_unlock(start, 4 * page) == 0); /* partly locked */
    CHECK(vmem_release(start, size) == 0);
}

static void reserved_pages_cannot_be_locked(void)
{
    size_t size = some_size();
    unsigned char *start = reserve(size);
    if (is_emulated() || !LOCKS_ARE_REAL) {
        SKIP("an emulator or a sanitizer that does not look");
    }
    CHECK(is_refusal(vmem_lock(start, size)));
    CHECK(vmem_release(start, size) == 0);
}

#ifdef __linux__

static void locks_are_counted(void)
{
    size_t size = MIB;
    unsigned char *start = reserve_committed(size, 1);
    size_t before = process_size("VmLck:");
    if (vmem_lock(start, size) != 0 || process_size("VmLck:") == before) {
        SKIP("the system does not tell what is locked");
    }
    CHECK(process_size("VmLck:") - before == size);
    CHECK(vmem_lock(start, size) == 0);
    CHECK(process_size("VmLck:") - before == size);
    CHECK(vmem_unlock(start, size / 2) == 0);
    CHECK(process_size("VmLck:") - before == size / 2);
    CHECK(vmem_release(start, size) == 0);
    CHECK(process_size("VmLck:") == before);
}

static void lock_beyond_the_limit(void)
{
    struct rlimit limit = {64 * 1024, 64 * 1024};
    unsigned char *start = reserve_committed(MIB, 1);
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setuid(65534) != 0) {
        _exit(CHILD_NOT_LIMITED);
    }
    CHECK(query().lock_limit == 64 * 1024);
    int error = vmem_lock(start, MIB);
    CHECK(is_refusal(error));
    CHECK(holds_only(start, MIB, 1));
    CHECK(vmem_unlock(start, MIB) == 0);
    CHECK(vmem_lock(start, 32 * 1024) == 0);
}

static void lock_limit_is_kept(void)
{
    if (geteuid() != 0 || is_emulated() || !LOCKS_ARE_REAL
        || !check_in_child(lock_beyond_the_limit)) {
        SKIP("cannot become a user with a limit");
    }
}

#else

static void locks_are_counted(void)
{
    SKIP("locked memory is read from Linux's /proc");
}

static void lock_limit_is_kept(void)
{
    SKIP("the limit is tested on Linux only");
}

#endif

static void prefetch_changes_nothing(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 6);
    int error = vmem_prefetch(start, size);
    if (!query().can_prefetch) {
        CHECK(vmem_is_unsupported(error));
    } else {
        CHECK(error == 0);
    }
    CHECK(holds_only(start, size, 6));
    CHECK(vmem_decommit(start, size) == 0);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(vmem_prefetch(start + page, page) == error);
    CHECK(holds_only(start, size, 0));
    CHECK(vmem_release(start, size) == 0);
}

/* ---- what one system has and others lack ------------------------------------------------- */

static void caching_is_set_or_refused(void)
{
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 6);
    CHECK(vmem_protect_caching(start, size, VMEM_READ, VMEM_CACHED) == 0);
    CHECK(faults(start, WRITES));
    int uncached = vmem_protect_caching(start, size, VMEM_READ_WRITE, VMEM_UNCACHED);
    int combined = vmem_protect_caching(start, size, VMEM_READ_WRITE, VMEM_WRITE_COMBINED);
    if (query().can_set_caching) {
        CHECK(uncached == 0 && combined == 0);
    } else {
        CHECK(vmem_is_unsupported(uncached) && vmem_is_unsupported(combined));
        CHECK(faults(start, WRITES));
    }
    CHECK(holds_only(start, size, 6));
    CHECK(vmem_release(start, size) == 0);
}

static void discard_is_taken_back_or_not(void)
{
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 6);
    CHECK(!query().can_discard || vmem_discard(start, size) == 0);
    int error = vmem_undo_discard(start, size);
    if (!probe().can_undo_discard) {
        CHECK(error != 0);
    } else if (error == 0) {
        CHECK(holds_only(start, size, 6));
    }
    CHECK(vmem_release(start, size) == 0);
}

/* A system that stops at the locked page must not have begun with those before it. */
static void refused_discard_loses_nothing(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 6);
    if (!LOCKS_ARE_REAL || is_emulated() || vmem_lock(start + 2 * page, page) != 0) {
        SKIP("the system lets nothing be locked");
    }
    int error = vmem_discard(start, size);
#ifdef __linux__
    CHECK(error != 0);
    CHECK(holds_only(start, size, 6));
    CHECK(vmem_discard(start, 2 * page) == 0);
#endif
    CHECK(holds_only(start + 2 * page, page, 6) || error == 0);
    CHECK(vmem_unlock(start + 2 * page, page) == 0);
    CHECK(vmem_discard(start, size) == 0);
    CHECK(vmem_release(start, size) == 0);
}

static void offer_is_reclaimed_or_refused(void)
{
    size_t size = some_size();
    bool lost = false;
    unsigned char *start = reserve_committed(size, 6);
    int offered = vmem_offer(start, size, VMEM_PRIORITY_NORMAL);
    if (!query().can_offer) {
        CHECK(vmem_is_unsupported(offered));
        CHECK(vmem_is_unsupported(vmem_reclaim(start, size, &lost)));
        CHECK(holds_only(start, size, 6));
    } else {
        CHECK(offered == 0 && vmem_reclaim(start, size, &lost) == 0);
        CHECK(lost || holds_only(start, size, 6));
    }
    CHECK(vmem_release(start, size) == 0);
}

static const struct check_test tests[] = {
    TEST(pages_are_committed_with_an_access),
    TEST(what_is_writable_is_paid_for),
    TEST(written_instructions_are_executed),
    TEST(data_is_not_executed),
    TEST(locked_pages_are_resident),
    TEST(reserved_pages_cannot_be_locked),
    TEST(locks_are_counted),
    TEST(lock_limit_is_kept),
    TEST(prefetch_changes_nothing),
    TEST(caching_is_set_or_refused),
    TEST(discard_is_taken_back_or_not),
    TEST(refused_discard_loses_nothing),
    TEST(offer_is_reclaimed_or_refused),
};

CHECK_MAIN(tests)
