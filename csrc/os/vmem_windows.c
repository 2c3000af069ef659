/* vmem_windows.c - the contract of vmem.h on Windows 8.1 and later.
 *
 * What a reader would get wrong: a reservation's address is a multiple of the granularity (64 KiB),
 * its pages are 4 KiB. VirtualFree(MEM_RELEASE) takes the address of the reservation alone and
 * gives the whole of it back, so an aligned range cannot be had by cutting a larger one down.
 *
 * Every committed page is paid for when it is committed: there is nothing like a lazy reservation,
 * and touching a committed page cannot fail for want of memory. Large pages need a privilege, must
 * be committed with the reservation and never leave memory: vmem_reserve_at has them, but they are
 * nothing that could be advised, so huge_page_size is 0.
 */
#include "vmem_windows.h"

#include <string.h>

int windows_last_error(void)
{
    DWORD error = GetLastError();
    return error != 0 ? (int)error : (int)ERROR_GEN_FAILURE;
}

SYSTEM_INFO windows_system_info(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info;
}

windows_function windows_find(const wchar_t *library, const char *name)
{
    HMODULE module = GetModuleHandleW(library);
    return module != NULL ? (windows_function)GetProcAddress(module, name) : NULL;
}

void vmem_query_limits(struct vmem_info *info)
{
    (void)info; /* a job object's limits are counted in commits, not in addresses */
}

/* A little less than this can be locked: the system keeps some pages for itself. */
static size_t least_working_set(void)
{
    SIZE_T least = 0;
    SIZE_T most = 0;
    bool known = GetProcessWorkingSetSize(GetCurrentProcess(), &least, &most);
    return known ? least : VMEM_NO_LIMIT;
}

int vmem_query(struct vmem_info *info)
{
    SYSTEM_INFO system = windows_system_info();
    size_t large = GetLargePageMinimum();
    *info = (struct vmem_info){
        .page_size = system.dwPageSize,
        .granularity = system.dwAllocationGranularity,
        .huge_page_size = 0,
        .address_limit = VMEM_NO_LIMIT,
        .data_limit = VMEM_NO_LIMIT,
        .max_mappings = VMEM_NO_LIMIT,
        .lock_limit = least_working_set(),
        .numa_nodes = windows_count_nodes(),
        .large_page_sizes = {large},
        .overcommit = VMEM_OVERCOMMIT_NEVER,
        .thp = VMEM_THP_UNSUPPORTED,
        .can_reserve_lazy = false,
        .can_discard = true,
        .can_populate = true,
        .can_advise_huge = false,
        .can_name = false,
        .can_remap = false,
        .can_query_resident = true,
        .can_lock = true,
        .can_prefetch = windows_find(L"kernel32.dll", "PrefetchVirtualMemory") != NULL,
        .can_large_pages = large != 0,
        .can_query_memory = true,
        .can_set_caching = true,
        .can_offer = windows_find(L"kernel32.dll", "OfferVirtualMemory") != NULL,
        .can_other_process = true,
    };
    return 0;
}

/* Where it is not known the flag is taken for a mistake. */
static bool can_undo_discard(void)
{
    size_t page = windows_page_size();
    void *start = VirtualAlloc(NULL, page, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (start == NULL) {
        return false;
    }
    bool done = vmem_discard(start, page) == 0
                && vmem_undo_discard(start, page) != ERROR_INVALID_PARAMETER;
    VirtualFree(start, 0, MEM_RELEASE);
    return done;
}

int vmem_probe(struct vmem_info *info)
{
    info->can_placeholder = windows_can_placeholder();
    info->can_prefer_node = true;
    info->can_query_node = true;
    info->can_write_watch = true;
    info->can_undo_discard = can_undo_discard();
    return 0;
}

/* ---- reserve and release ----------------------------------------------------------------- */

#define ATTEMPTS 16

static void *reserve_at(void *wanted, size_t size)
{
    return VirtualAlloc(wanted, size, MEM_RESERVE, PAGE_NOACCESS);
}

/* Finds a larger free range, gives it back and asks for the aligned part of it. Between the two
 * another thread may take the place (ERROR_INVALID_ADDRESS): then again, elsewhere. VirtualAlloc2
 * would do it in one call, but not before Windows 10 1803. */
static int reserve_aligned(size_t size, size_t alignment, size_t lead, void **address)
{
    int error = ERROR_INVALID_ADDRESS;
    for (int i = 0; i < ATTEMPTS && error == ERROR_INVALID_ADDRESS; i++) {
        void *larger = reserve_at(NULL, size + alignment);
        if (larger == NULL) {
            return windows_last_error();
        }
        uintptr_t mask = alignment - 1;
        uintptr_t aligned = (((uintptr_t)larger + lead + mask) & ~mask) - lead;
        VirtualFree(larger, 0, MEM_RELEASE);
        void *found = reserve_at((void *)aligned, size);
        if (found != NULL) {
            *address = found;
            return 0;
        }
        error = windows_last_error();
    }
    return error;
}

int vmem_reserve_before(size_t size, size_t alignment, size_t lead, void **address)
{
    if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX - size) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (alignment > windows_system_info().dwAllocationGranularity) {
        return reserve_aligned(size, alignment, lead, address);
    }
    void *found = reserve_at(NULL, size);
    if (found == NULL) {
        return windows_last_error();
    }
    *address = found;
    return 0;
}

int vmem_reserve(size_t size, size_t alignment, void **address)
{
    return vmem_reserve_before(size, alignment, 0, address);
}

int vmem_reserve_lazy(size_t size, size_t alignment, void **address)
{
    (void)size;
    (void)alignment;
    (void)address;
    return UNSUPPORTED;
}

size_t windows_piece(const void *address, size_t size)
{
    MEMORY_BASIC_INFORMATION run;
    const char *at = address;
    const char *end = at + size;
    void *allocation = NULL;
    while (at < end && VirtualQuery(at, &run, sizeof run) != 0 && run.State != MEM_FREE
           && (allocation == NULL || run.AllocationBase == allocation)) {
        allocation = run.AllocationBase;
        at = (const char *)run.BaseAddress + run.RegionSize;
    }
    return at < end ? (size_t)(at - (const char *)address) : size;
}

static int release_piece(void *address)
{
    MEMORY_BASIC_INFORMATION run;
    bool is_view = VirtualQuery(address, &run, sizeof run) != 0 && run.Type == MEM_MAPPED;
    BOOL done = is_view ? UnmapViewOfFile(address) : VirtualFree(address, 0, MEM_RELEASE);
    return done ? 0 : windows_last_error();
}

/* The length of each piece is found before the piece is gone, since others may take its place. */
int vmem_release(void *address, size_t size)
{
    char *at = address;
    while (size != 0) {
        size_t piece = windows_piece(at, size);
        int error = release_piece(at);
        if (error != 0) {
            return error;
        }
        at += piece;
        size -= piece;
    }
    return 0;
}

int windows_by_pieces(void *address, size_t size, int (*apply)(void *, size_t, DWORD),
                      DWORD argument)
{
    char *at = address;
    int error = apply(address, size, argument);
    if (error == 0 || windows_piece(at, size) == size) {
        return error;
    }
    for (error = 0; size != 0 && error == 0;) {
        size_t piece = windows_piece(at, size);
        if (piece == 0) {
            return ERROR_INVALID_ADDRESS;
        }
        error = apply(at, piece, argument);
        at += piece;
        size -= piece;
    }
    return error;
}

/* ---- pages of a reservation -------------------------------------------------------------- */

static int commit_piece(void *address, size_t size, DWORD protection)
{
    void *done = VirtualAlloc(address, size, MEM_COMMIT, protection);
    return done != NULL ? 0 : windows_last_error();
}

/* Commits all pages or none, and gives those that were committed this access too. */
int vmem_commit_as(void *address, size_t size, enum vmem_access access)
{
    return windows_by_pieces(address, size, commit_piece, windows_protection(access));
}

int vmem_commit(void *address, size_t size)
{
    return vmem_commit_as(address, size, VMEM_READ_WRITE);
}

static int decommit_piece(void *address, size_t size, DWORD how)
{
    return VirtualFree(address, size, how) ? 0 : windows_last_error();
}

int vmem_decommit(void *address, size_t size)
{
    return windows_by_pieces(address, size, decommit_piece, MEM_DECOMMIT);
}

/* As it is or zero, and gone only when memory is short: what vmem_undo_discard can take back, which
 * it could not after DiscardVirtualMemory. */
int vmem_discard(void *address, size_t size)
{
    void *done = VirtualAlloc(address, size, MEM_RESET, PAGE_READWRITE);
    return done != NULL ? 0 : windows_last_error();
}

DWORD windows_protection(enum vmem_access access)
{
    switch (access) {
    case VMEM_READ:
        return PAGE_READONLY;
    case VMEM_READ_WRITE:
        return PAGE_READWRITE;
    case VMEM_READ_EXECUTE:
        return PAGE_EXECUTE_READ;
    case VMEM_READ_WRITE_EXECUTE:
        return PAGE_EXECUTE_READWRITE;
    case VMEM_NO_ACCESS:
        break;
    }
    return PAGE_NOACCESS;
}

static int protect_piece(void *address, size_t size, DWORD protection)
{
    DWORD before;
    return VirtualProtect(address, size, protection, &before) ? 0 : windows_last_error();
}

int vmem_protect(void *address, size_t size, enum vmem_access access)
{
    return windows_by_pieces(address, size, protect_piece, windows_protection(access));
}

int vmem_protect_caching(void *address, size_t size, enum vmem_access access,
                         enum vmem_caching caching)
{
    static const DWORD flags[] = {0, PAGE_NOCACHE, PAGE_WRITECOMBINE};
    return windows_by_pieces(address, size, protect_piece,
                             windows_protection(access) | flags[caching]);
}

static bool is_writable(const unsigned char *start, size_t size)
{
    const unsigned char *end = start + size;
    while (start < end) {
        MEMORY_BASIC_INFORMATION found;
        if (VirtualQuery(start, &found, sizeof found) == 0 || found.State != MEM_COMMIT
            || found.Protect != PAGE_READWRITE) {
            return false;
        }
        start = (const unsigned char *)found.BaseAddress + found.RegionSize;
    }
    return true;
}

/* PrefetchVirtualMemory reads back what was paged out; it finds no memory for pages never touched
 * and promises nothing. So each page is touched: a zero is exchanged for a zero, which changes no
 * contents whoever else writes there. A page that holds something else has memory already. (An
 * atomic OR of zero would do as well, but compilers may turn it into a mere read.) */
int vmem_populate(void *address, size_t size)
{
    size_t page = windows_page_size();
    if (!is_writable(address, size)) {
        return ERROR_NOACCESS;
    }
    for (size_t at = 0; at < size; at += page) {
        InterlockedCompareExchange((volatile LONG *)(void *)((unsigned char *)address + at), 0, 0);
    }
    return 0;
}

int vmem_advise_huge(void *address, size_t size, bool wanted)
{
    (void)address;
    (void)size;
    (void)wanted;
    return UNSUPPORTED;
}

int vmem_name(void *address, size_t size, const char *name)
{
    (void)address;
    (void)size;
    (void)name;
    return UNSUPPORTED;
}

/* Page tables belong to the kernel alone; nothing moves them. */
int vmem_remap(void *address, size_t size, size_t kept, size_t kept_size,
               size_t new_size, size_t alignment, void **new_address)
{
    (void)address;
    (void)size;
    (void)kept;
    (void)kept_size;
    (void)new_size;
    (void)alignment;
    (void)new_address;
    return UNSUPPORTED;
}

int vmem_resize(void *address, size_t size, size_t new_size)
{
    (void)address;
    (void)size;
    (void)new_size;
    return UNSUPPORTED;
}

/* ---- memory behind committed pages ------------------------------------------------------- */

int vmem_lock(void *address, size_t size)
{
    return VirtualLock(address, size) ? 0 : windows_last_error();
}

/* The system unlocks nothing of a range that is not locked throughout. */
int vmem_unlock(void *address, size_t size)
{
    size_t page = windows_page_size();
    if (VirtualUnlock(address, size)) {
        return 0;
    }
    int error = windows_last_error();
    for (size_t at = 0; at < size && error == ERROR_NOT_LOCKED && size != page; at += page) {
        if (!VirtualUnlock((char *)address + at, page)) {
            error = windows_last_error();
        }
    }
    return error == ERROR_NOT_LOCKED ? 0 : error;
}

typedef BOOL(WINAPI *prefetch_function)(HANDLE, ULONG_PTR, WIN32_MEMORY_RANGE_ENTRY *, ULONG);

int vmem_prefetch(void *address, size_t size)
{
    prefetch_function prefetch =
        (prefetch_function)windows_find(L"kernel32.dll", "PrefetchVirtualMemory");
    WIN32_MEMORY_RANGE_ENTRY range = {address, size};
    if (prefetch == NULL) {
        return UNSUPPORTED;
    }
    return prefetch(GetCurrentProcess(), 1, &range, 0) ? 0 : windows_last_error();
}

int vmem_flush_instructions(void *address, size_t size)
{
    return FlushInstructionCache(GetCurrentProcess(), address, size) ? 0 : windows_last_error();
}

/* The access is asked for but not looked at. */
int vmem_undo_discard(void *address, size_t size)
{
    void *done = VirtualAlloc(address, size, MEM_RESET_UNDO, PAGE_READWRITE);
    return done != NULL ? 0 : windows_last_error();
}

typedef DWORD(WINAPI *offer_function)(PVOID, SIZE_T, OFFER_PRIORITY);
typedef DWORD(WINAPI *reclaim_function)(PVOID, SIZE_T);

/* vmem_priority has the system's numbers. */
int vmem_offer(void *address, size_t size, enum vmem_priority priority)
{
    offer_function offer = (offer_function)windows_find(L"kernel32.dll", "OfferVirtualMemory");
    return offer == NULL ? UNSUPPORTED : (int)offer(address, size, (OFFER_PRIORITY)priority);
}

/* ERROR_BUSY says that the pages are there again but their contents are not. */
int vmem_reclaim(void *address, size_t size, bool *lost)
{
    reclaim_function reclaim =
        (reclaim_function)windows_find(L"kernel32.dll", "ReclaimVirtualMemory");
    if (reclaim == NULL) {
        return UNSUPPORTED;
    }
    DWORD error = reclaim(address, size);
    if (error != 0 && error != ERROR_BUSY) {
        return (int)error;
    }
    *lost = error == ERROR_BUSY;
    return 0;
}

/* ---- errors ------------------------------------------------------------------------------ */

const char *vmem_missing_privilege(int error)
{
    return error == ERROR_PRIVILEGE_NOT_HELD ? "SeLockMemoryPrivilege" : NULL;
}

bool vmem_is_unsupported(int error)
{
    return error == UNSUPPORTED || error == ERROR_CALL_NOT_IMPLEMENTED;
}

/* "error " and the number as the system's tables write it, unsigned. */
static void describe_unknown(int error, char *text)
{
    char digits[16];
    size_t count = 0;
    unsigned number = (unsigned)error;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    memcpy(text, "error ", 6);
    for (size_t i = 0; i < count; i++) {
        text[6 + i] = digits[count - 1 - i];
    }
    text[6 + count] = '\0';
}

static bool is_cut_off(char character)
{
    return character == '\r' || character == '\n' || character == ' ' || character == '.';
}

/* The system's text in UTF-8, without the full stop and line end that it puts there. */
static bool find_text(int error, char *text, int size)
{
    wchar_t wide[256];
    DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
    DWORD count = FormatMessageW(flags, NULL, (DWORD)error, 0, wide, 256, NULL);
    int length = WideCharToMultiByte(CP_UTF8, 0, wide, (int)count, text, size - 1, NULL, NULL);
    while (length > 0 && is_cut_off(text[length - 1])) {
        length--;
    }
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* Never cuts a character in two. */
void vmem_describe(int error, char *text, size_t size)
{
    char found[1024];
    if (size == 0) {
        return;
    }
    if (!find_text(error, found, (int)sizeof found)) {
        describe_unknown(error, found);
    }
    size_t length = strlen(found);
    if (length > size - 1) {
        length = size - 1;
        while (length > 0 && ((unsigned char)found[length] & 0xc0) == 0x80) {
            length--;
        }
    }
    memcpy(text, found, length);
    text[length] = '\0';
}
