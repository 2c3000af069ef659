/* vmem_place_windows.c - reservations in a certain place or of a certain kind, placeholders.
 *
 * What a reader would get wrong: VirtualAlloc2 is in kernelbase.dll and in no import library, not
 * before Windows 10 1803, and systems that imitate Windows have it without all that it does. So what
 * it returns is checked against what was asked, and where it falls short a free place is looked up
 * and asked for by address. For placeholders there is nothing to fall back to.
 */
#include "vmem_windows.h"

#include "vmem_place.h"

#ifndef MEM_RESERVE_PLACEHOLDER
#define MEM_RESERVE_PLACEHOLDER 0x00040000
#endif
#ifndef MEM_REPLACE_PLACEHOLDER
#define MEM_REPLACE_PLACEHOLDER 0x00004000
#endif
#ifndef MEM_COALESCE_PLACEHOLDERS
#define MEM_COALESCE_PLACEHOLDERS 0x00000001
#endif
#ifndef MEM_PRESERVE_PLACEHOLDER
#define MEM_PRESERVE_PLACEHOLDER 0x00000002
#endif

#define ATTEMPTS 64

typedef PVOID(WINAPI *alloc2_function)(HANDLE, PVOID, SIZE_T, ULONG, ULONG,
                                       MEM_EXTENDED_PARAMETER *, ULONG);

static alloc2_function find_alloc2(void)
{
    return (alloc2_function)windows_find(L"kernelbase.dll", "VirtualAlloc2");
}

unsigned windows_count_nodes(void)
{
    ULONG highest = 0;
    return GetNumaHighestNodeNumber(&highest) ? (unsigned)highest + 1 : 1;
}

/* ---- one call ---------------------------------------------------------------------------- */

struct request {
    HANDLE process;
    size_t size;
    DWORD flags, protection;
    int node;
};

static void *allocate(const struct request *request, void *wanted,
                      MEM_ADDRESS_REQUIREMENTS *limits)
{
    alloc2_function alloc2 = find_alloc2();
    MEM_EXTENDED_PARAMETER parameters[2] = {0};
    ULONG count = 0;
    if (alloc2 == NULL && request->node != VMEM_NO_NODE) {
        return VirtualAllocExNuma(request->process, wanted, request->size, request->flags,
                                  request->protection, (DWORD)request->node);
    }
    if (alloc2 == NULL) {
        return VirtualAllocEx(request->process, wanted, request->size, request->flags,
                              request->protection);
    }
    if (limits != NULL) {
        parameters[count].Type = MemExtendedParameterAddressRequirements;
        parameters[count++].Pointer = limits;
    }
    if (request->node != VMEM_NO_NODE) {
        parameters[count].Type = MemExtendedParameterNumaNode;
        parameters[count++].ULong = (DWORD)request->node;
    }
    return alloc2(request->process, wanted, request->size, request->flags, request->protection,
                  count != 0 ? parameters : NULL, count);
}

/* The system rounds an address down and, where it only imitates, takes it for a hint. */
static int allocate_exactly(const struct request *request, void *wanted)
{
    void *found = allocate(request, wanted, NULL);
    if (found == NULL) {
        return windows_last_error();
    }
    if (found != wanted) {
        VirtualFreeEx(request->process, found, 0, MEM_RELEASE);
        return ERROR_INVALID_ADDRESS;
    }
    return 0;
}

/* ---- a free place ------------------------------------------------------------------------ */

struct search {
    HANDLE process;
    uintptr_t first, last; /* where the range may lie */
    size_t size, alignment;
    bool top_down;
};

/* What the limits leave of the addresses that a program can have. */
static struct search search_for(const struct request *request, const struct vmem_place *place)
{
    SYSTEM_INFO system = windows_system_info();
    uintptr_t lowest = (uintptr_t)system.lpMinimumApplicationAddress;
    uintptr_t highest = (uintptr_t)system.lpMaximumApplicationAddress;
    return (struct search){
        .process = request->process,
        .first = place->lowest > lowest ? place->lowest : lowest,
        .last = place->highest != 0 && place->highest < highest ? place->highest : highest,
        .size = request->size,
        .alignment = place_alignment(place, system.dwAllocationGranularity),
        .top_down = place->top_down,
    };
}

static uintptr_t find_gap(const struct search *search)
{
    MEMORY_BASIC_INFORMATION run;
    uintptr_t found = 0;
    uintptr_t at = search->first;
    while (at <= search->last
           && VirtualQueryEx(search->process, (void *)at, &run, sizeof run) != 0) {
        uintptr_t end = (uintptr_t)run.BaseAddress + run.RegionSize;
        uintptr_t last = end - 1 < search->last ? end - 1 : search->last;
        uintptr_t fit = run.State != MEM_FREE ? 0 : place_fit(at, last, search->size,
                                                              search->alignment,
                                                              search->top_down);
        found = fit != 0 ? fit : found;
        if ((found != 0 && !search->top_down) || end <= at) {
            break;
        }
        at = end;
    }
    return found;
}

/* Another thread may take the place first: then again, and past it if it still looks free. */
static int allocate_in_gap(const struct request *request, struct search *search, void **address)
{
    int error = ERROR_INVALID_ADDRESS;
    uintptr_t refused = 0;
    for (int i = 0; i < ATTEMPTS && error == ERROR_INVALID_ADDRESS; i++) {
        uintptr_t found = find_gap(search);
        if (found == 0) {
            return ERROR_NOT_ENOUGH_MEMORY;
        }
        error = allocate_exactly(request, (void *)found);
        if (error == 0) {
            *address = (void *)found;
        }
        if (found == refused) {
            search->first = search->top_down ? search->first : found + search->alignment;
            search->last = search->top_down ? found - 1 : search->last;
        }
        refused = found;
    }
    return error;
}

static bool satisfies(const struct search *search, uintptr_t found)
{
    return found >= search->first && found + (search->size - 1) <= search->last
           && (found & (search->alignment - 1)) == 0;
}

/* The limits must be whole units of the granularity; 0 stands for none. */
static MEM_ADDRESS_REQUIREMENTS limits_of(const struct vmem_place *place,
                                          const struct search *search)
{
    uintptr_t mask = windows_granularity() - 1;
    MEM_ADDRESS_REQUIREMENTS limits = {0};
    if (place->lowest != 0) {
        limits.LowestStartingAddress = (void *)((search->first + mask) & ~mask);
    }
    if (place->highest != 0) {
        limits.HighestEndingAddress = (void *)(((search->last + 1) & ~mask) - 1);
    }
    limits.Alignment = search->alignment > mask + 1 ? search->alignment : 0;
    return limits;
}

static int allocate_within(const struct request *request, const struct vmem_place *place,
                           void **address)
{
    struct search search = search_for(request, place);
    MEM_ADDRESS_REQUIREMENTS limits = limits_of(place, &search);
    if (place_fit(search.first, search.last, search.size, search.alignment, false) == 0) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (find_alloc2() != NULL) {
        void *found = allocate(request, NULL, &limits);
        if (found == NULL) {
            return windows_last_error();
        }
        if (satisfies(&search, (uintptr_t)found)) {
            *address = found;
            return 0;
        }
        VirtualFreeEx(request->process, found, 0, MEM_RELEASE);
    }
    return allocate_in_gap(request, &search, address);
}

/* ---- vmem_reserve_at --------------------------------------------------------------------- */

/* Large pages need a privilege that an account may have but a process must ask for. If it cannot
 * be had, the allocation says so. It stays on: other threads may be about to use it. */
static void ask_for_large_pages(void)
{
    HANDLE token;
    TOKEN_PRIVILEGES wanted = {.PrivilegeCount = 1};
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token)) {
        return;
    }
    wanted.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    if (LookupPrivilegeValueW(NULL, L"SeLockMemoryPrivilege", &wanted.Privileges[0].Luid)) {
        AdjustTokenPrivileges(token, FALSE, &wanted, 0, NULL, NULL);
    }
    CloseHandle(token);
}

static struct request request_for(HANDLE process, size_t size, const struct vmem_place *place)
{
    struct request request = {process, size, MEM_RESERVE, PAGE_NOACCESS, place->numa_node};
    request.flags |= place->placeholder ? MEM_RESERVE_PLACEHOLDER : 0;
    request.flags |= place->write_watch ? MEM_WRITE_WATCH : 0;
    request.flags |= place->top_down ? MEM_TOP_DOWN : 0;
    if (place->page_size != 0) {
        request.flags |= MEM_COMMIT | MEM_LARGE_PAGES;
        request.protection = place->executable ? PAGE_EXECUTE_READWRITE : PAGE_READWRITE;
    }
    return request;
}

static int refusal(size_t size, const struct vmem_place *place)
{
    if (!place_is_sane(size, place, windows_granularity())
        || place->numa_node >= (int)windows_count_nodes()) {
        return ERROR_INVALID_PARAMETER;
    }
    if (place->placeholder && !windows_can_placeholder()) {
        return UNSUPPORTED;
    }
    if (place->page_size != 0 && place->page_size != GetLargePageMinimum()) {
        return GetLargePageMinimum() == 0 ? UNSUPPORTED : ERROR_INVALID_PARAMETER;
    }
    return size > PTRDIFF_MAX ? ERROR_NOT_ENOUGH_MEMORY : 0;
}

int windows_reserve(HANDLE process, size_t size, const struct vmem_place *place, void **address)
{
    int error = refusal(size, place);
    if (error != 0) {
        return error;
    }
    struct request request = request_for(process, size, place);
    if (place->page_size != 0) {
        ask_for_large_pages();
    }
    if (place->address != NULL) {
        error = allocate_exactly(&request, place->address);
        *address = error == 0 ? place->address : *address;
        return error;
    }
    if (place_is_limited(place) || place_alignment(place, 1) > windows_granularity()) {
        return allocate_within(&request, place, address);
    }
    void *found = allocate(&request, NULL, NULL);
    if (found == NULL) {
        return windows_last_error();
    }
    *address = found;
    return 0;
}

int vmem_reserve_at(size_t size, const struct vmem_place *place, void **address)
{
    return windows_reserve(GetCurrentProcess(), size, place, address);
}

/* The node and the watch belong to the reservation here and outlive its pages. */
int vmem_decommit_at(void *address, size_t size, const struct vmem_place *place)
{
    return place->page_size != 0 ? ERROR_INVALID_PARAMETER : vmem_decommit(address, size);
}

bool vmem_is_out_of_mappings(int error)
{
    (void)error;
    return false;
}

bool vmem_is_occupied(int error)
{
    return error == ERROR_INVALID_ADDRESS;
}

/* Locked pages are discarded as others are. */
bool vmem_is_locked(int error)
{
    (void)error;
    return false;
}

/* ---- placeholders ------------------------------------------------------------------------ */

static int free_pages(void *address, size_t size, DWORD how)
{
    return VirtualFree(address, size, MEM_RELEASE | how) ? 0 : windows_last_error();
}

int vmem_split(void *address, size_t size)
{
    return free_pages(address, size, MEM_PRESERVE_PLACEHOLDER);
}

int vmem_coalesce(void *address, size_t size)
{
    return free_pages(address, size, MEM_COALESCE_PLACEHOLDERS);
}

int vmem_preserve(void *address, size_t size)
{
    return free_pages(address, size, MEM_PRESERVE_PLACEHOLDER);
}

int vmem_replace(void *address, size_t size)
{
    alloc2_function alloc2 = find_alloc2();
    if (alloc2 == NULL) {
        return UNSUPPORTED;
    }
    void *found = alloc2(NULL, address, size, MEM_RESERVE | MEM_REPLACE_PLACEHOLDER, PAGE_NOACCESS,
                         NULL, 0);
    return found != NULL ? 0 : windows_last_error();
}

/* A system without placeholders reserves as ever and then will not split. */
static bool try_placeholder(void)
{
    size_t unit = windows_granularity();
    alloc2_function alloc2 = find_alloc2();
    if (alloc2 == NULL) {
        return false;
    }
    char *start = alloc2(NULL, NULL, 2 * unit, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                         PAGE_NOACCESS, NULL, 0);
    if (start == NULL) {
        return false;
    }
    bool is_split = vmem_split(start, unit) == 0 && windows_piece(start, 2 * unit) == unit;
    if (is_split) {
        VirtualFree(start + unit, 0, MEM_RELEASE);
    }
    VirtualFree(start, 0, MEM_RELEASE);
    return is_split;
}

bool windows_can_placeholder(void)
{
    static volatile LONG answer; /* 0: not asked, 1: yes, 2: no; the same for every thread */
    if (answer == 0) {
        InterlockedExchange(&answer, try_placeholder() ? 1 : 2);
    }
    return answer == 1;
}
