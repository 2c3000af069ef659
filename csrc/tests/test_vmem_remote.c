/* test_vmem_remote.c - the contract of vmem_remote.h.
 *
 * What a reader would get wrong: the other process is this one, by a handle as one has of others.
 * So its pages can be looked at here; tests/region has a process that is another.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#endif

#include "vmem_remote.h"
#include "vmem_support.h"

#ifdef _WIN32

static intptr_t open_this_one(void)
{
    HANDLE handle = OpenProcess(PROCESS_ALL_ACCESS, FALSE, GetCurrentProcessId());
    intptr_t process = VMEM_THIS_PROCESS;
    CHECK(handle != NULL);
    CHECK(vmem_remote_open((intptr_t)handle, &process) == 0);
    CHECK(process != VMEM_THIS_PROCESS && process != (intptr_t)handle);
    CloseHandle(handle);
    return process;
}

static unsigned char *reserve_there(intptr_t process, size_t size)
{
    struct vmem_place place = VMEM_ANYWHERE;
    void *address = NULL;
    CHECK(vmem_remote_reserve(process, size, &place, &address) == 0);
    return address;
}

static void states_and_access(void)
{
    intptr_t process = open_this_one();
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve_there(process, size);
    CHECK(faults(start, READS));
    CHECK(vmem_remote_commit(process, start, 2 * page, VMEM_READ_WRITE) == 0);
    CHECK(holds_only(start, 2 * page, 0));
    memset(start, 3, 2 * page);
    CHECK(vmem_remote_protect(process, start, page, VMEM_READ) == 0);
    CHECK(works(start, READS) && faults(start, WRITES) && works(start + page, WRITES));
    CHECK(vmem_remote_decommit(process, start + page, page) == 0);
    CHECK(faults(start + page, READS) && holds_only(start, page, 3));
    CHECK(vmem_remote_commit(process, start, 2 * page, VMEM_READ_EXECUTE) == 0);
    CHECK(holds_only(start, page, 3) && holds_only(start + page, page, 0));
    CHECK(vmem_remote_release(process, start, size) == 0);
    CHECK(faults(start, READS));
    vmem_remote_close(process);
}

static void places(void)
{
    intptr_t process = open_this_one();
    size_t size = some_size();
    struct vmem_place place = VMEM_ANYWHERE;
    void *address = NULL;
    void *again = UNTOUCHED;
    place.highest = ((uintptr_t)1 << 31) - 1;
    place.alignment = MIB;
    CHECK(vmem_remote_reserve(process, size, &place, &address) == 0);
    CHECK((uintptr_t)address % MIB == 0 && (uintptr_t)address + size - 1 <= place.highest);
    place = VMEM_ANYWHERE;
    place.address = address;
    CHECK(vmem_is_occupied(vmem_remote_reserve(process, size, &place, &again)));
    CHECK(again == UNTOUCHED);
    place = VMEM_ANYWHERE;
    place.numa_node = 0;
    CHECK(vmem_remote_reserve(process, size, &place, &again) == 0);
    CHECK(vmem_remote_release(process, again, size) == 0);
    CHECK(vmem_remote_release(process, address, size) == 0);
    vmem_remote_close(process);
}

static void what_is_refused(void)
{
    intptr_t process = open_this_one();
    struct vmem_place place = VMEM_ANYWHERE;
    void *address = UNTOUCHED;
    size_t size = some_size();
    place.placeholder = true;
    CHECK(is_refusal(vmem_remote_reserve(process, size, &place, &address)));
    place = VMEM_ANYWHERE;
    place.write_watch = true;
    CHECK(is_refusal(vmem_remote_reserve(process, size, &place, &address)));
    CHECK(address == UNTOUCHED);
    unsigned char *start = reserve_there(process, size);
    CHECK(vmem_remote_protect(process, start, size, VMEM_READ) != 0);
    CHECK(vmem_remote_release(process, start, size) == 0);
    CHECK(vmem_remote_commit(process, start, size, VMEM_READ) != 0);
    CHECK(vmem_remote_decommit(process, start, size) != 0);
    CHECK(vmem_remote_release(process, start, size) != 0);
    vmem_remote_close(process);
}

static void handles_that_are_no_processes(void)
{
    intptr_t process = 5;
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    CHECK(event != NULL);
    CHECK(is_refusal(vmem_remote_open((intptr_t)event, &process)));
    CHECK(is_refusal(vmem_remote_open((intptr_t)0x7ffffff0, &process)));
    CHECK(process == 5);
    CloseHandle(event);
}

static void handles_are_shared(void)
{
    intptr_t process = open_this_one();
    intptr_t theirs = 0;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    CHECK(event != NULL);
    CHECK(vmem_remote_share(process, (intptr_t)event, &theirs) == 0);
    CHECK(theirs != 0 && theirs != (intptr_t)event);
    CHECK(SetEvent(event) && WaitForSingleObject((HANDLE)theirs, 0) == WAIT_OBJECT_0);
    CHECK(CloseHandle((HANDLE)theirs) && CloseHandle(event));
    theirs = 5;
    CHECK(is_refusal(vmem_remote_share(process, (intptr_t)0x7ffffff0, &theirs)) && theirs == 5);
    vmem_remote_close(process);
}

static const struct check_test tests[] = {
    TEST(states_and_access),
    TEST(places),
    TEST(what_is_refused),
    TEST(handles_that_are_no_processes),
    TEST(handles_are_shared),
};

#else

static void there_is_none(void)
{
    intptr_t process = 5;
    intptr_t theirs = 5;
    void *address = UNTOUCHED;
    struct vmem_place place = VMEM_ANYWHERE;
    size_t size = some_size();
    CHECK(!query().can_other_process);
    CHECK(vmem_is_unsupported(vmem_remote_open(1, &process)));
    CHECK(vmem_is_unsupported(vmem_remote_reserve(1, size, &place, &address)));
    CHECK(vmem_is_unsupported(vmem_remote_commit(1, address, size, VMEM_READ)));
    CHECK(vmem_is_unsupported(vmem_remote_decommit(1, address, size)));
    CHECK(vmem_is_unsupported(vmem_remote_protect(1, address, size, VMEM_READ)));
    CHECK(vmem_is_unsupported(vmem_remote_release(1, address, size)));
    CHECK(vmem_is_unsupported(vmem_remote_share(1, 1, &theirs)));
    vmem_remote_close(1);
    CHECK(process == 5 && theirs == 5 && address == UNTOUCHED);
}

static const struct check_test tests[] = {
    TEST(there_is_none),
};

#endif

CHECK_MAIN(tests)
