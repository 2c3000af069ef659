/* vmem_windows.c - the contract of vmem.h on Windows 8.1 and later.
 *
 * What a reader would get wrong: a reservation's address is a multiple of the granularity (64 KiB),
 * its pages are 4 KiB. VirtualFree(MEM_RELEASE) takes the address of the reservation alone and
 * gives the whole of it back, so an aligned range cannot be had by cutting a larger one down.
 *
 * Every committed page is paid for when it is committed: there is nothing like a lazy reservation,
 * and touching a committed page cannot fail for want of memory. Large pages need a privilege, must
 * be committed with the reservation and never leave memory: no match for this contract, so they are
 * not offered and huge_page_size is 0.
 */
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0603
#endif
#define PSAPI_VERSION 2 /* QueryWorkingSetEx from kernel32 itself */
#define WIN32_LEAN_AND_MEAN

#include "vmem.h"

#include <windows.h>

#include <psapi.h>
#include <stdint.h>
#include <string.h>

#define UNSUPPORTED ERROR_NOT_SUPPORTED

static int last_error(void)
{
    DWORD error = GetLastError();
    return error != 0 ? (int)error : (int)ERROR_GEN_FAILURE;
}

static SYSTEM_INFO system_info(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info;
}

static size_t page_size(void)
{
    return system_info().dwPageSize;
}

void vmem_query_limits(struct vmem_info *info)
{
    (void)info; /* a job object's limits are counted in commits, not in addresses */
}

int vmem_query(struct vmem_info *info)
{
    SYSTEM_INFO system = system_info();
    *info = (struct vmem_info){
        .page_size = system.dwPageSize,
        .granularity = system.dwAllocationGranularity,
        .huge_page_size = 0,
        .address_limit = VMEM_NO_LIMIT,
        .data_limit = VMEM_NO_LIMIT,
        .max_mappings = VMEM_NO_LIMIT,
        .overcommit = VMEM_OVERCOMMIT_NEVER,
        .thp = VMEM_THP_UNSUPPORTED,
        .can_reserve_lazy = false,
        .can_discard = true,
        .can_populate = true,
        .can_advise_huge = false,
        .can_name = false,
        .can_remap = false,
        .can_query_resident = true,
    };
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
static int reserve_aligned(size_t size, size_t alignment, void **address)
{
    int error = ERROR_INVALID_ADDRESS;
    for (int i = 0; i < ATTEMPTS && error == ERROR_INVALID_ADDRESS; i++) {
        void *larger = reserve_at(NULL, size + alignment);
        if (larger == NULL) {
            return last_error();
        }
        uintptr_t aligned = ((uintptr_t)larger + alignment - 1) & ~(uintptr_t)(alignment - 1);
        VirtualFree(larger, 0, MEM_RELEASE);
        void *found = reserve_at((void *)aligned, size);
        if (found != NULL) {
            *address = found;
            return 0;
        }
        error = last_error();
    }
    return error;
}

int vmem_reserve(size_t size, size_t alignment, void **address)
{
    if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX - size) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (alignment > system_info().dwAllocationGranularity) {
        return reserve_aligned(size, alignment, address);
    }
    void *found = reserve_at(NULL, size);
    if (found == NULL) {
        return last_error();
    }
    *address = found;
    return 0;
}

int vmem_reserve_lazy(size_t size, size_t alignment, void **address)
{
    (void)size;
    (void)alignment;
    (void)address;
    return UNSUPPORTED;
}

int vmem_release(void *address, size_t size)
{
    (void)size; /* the system knows it, and wants 0 */
    return VirtualFree(address, 0, MEM_RELEASE) ? 0 : last_error();
}

/* ---- pages of a reservation -------------------------------------------------------------- */

/* Commits all pages or none, and gives those that were committed this access too. */
int vmem_commit(void *address, size_t size)
{
    return VirtualAlloc(address, size, MEM_COMMIT, PAGE_READWRITE) != NULL ? 0 : last_error();
}

int vmem_decommit(void *address, size_t size)
{
    return VirtualFree(address, size, MEM_DECOMMIT) ? 0 : last_error();
}

typedef DWORD(WINAPI *discard_function)(PVOID, SIZE_T);

/* Absent from old systems and from some that imitate Windows. */
static discard_function find_discard(void)
{
    HMODULE module = GetModuleHandleW(L"kernel32.dll");
    if (module == NULL) {
        return NULL;
    }
    return (discard_function)(void (*)(void))GetProcAddress(module, "DiscardVirtualMemory");
}

/* Either call leaves the contents undefined: a page is as it was, or zero if the system took it
 * meanwhile. DiscardVirtualMemory takes them out of the working set at once, MEM_RESET when memory
 * is short. */
int vmem_discard(void *address, size_t size)
{
    discard_function discard = find_discard();
    if (discard != NULL) {
        return (int)discard(address, size);
    }
    return VirtualAlloc(address, size, MEM_RESET, PAGE_READWRITE) != NULL ? 0 : last_error();
}

static DWORD protection_of(enum vmem_access access)
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

int vmem_protect(void *address, size_t size, enum vmem_access access)
{
    DWORD before;
    return VirtualProtect(address, size, protection_of(access), &before) ? 0 : last_error();
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
    size_t page = page_size();
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

#define BATCH 128

static int query_batch(const unsigned char *start, size_t count, size_t page,
                       unsigned char *resident)
{
    PSAPI_WORKING_SET_EX_INFORMATION pages[BATCH];
    memset(pages, 0, sizeof pages);
    for (size_t i = 0; i < count; i++) {
        pages[i].VirtualAddress = (void *)(uintptr_t)(start + i * page);
    }
    DWORD bytes = (DWORD)(count * sizeof pages[0]);
    if (!QueryWorkingSetEx(GetCurrentProcess(), pages, bytes)) {
        return last_error();
    }
    for (size_t i = 0; i < count; i++) {
        resident[i] = pages[i].VirtualAttributes.Valid ? 1 : 0;
    }
    return 0;
}

/* Tells of the working set: a page that was trimmed from it counts as not resident, even while the
 * system still holds its contents in memory. */
int vmem_query_resident(const void *address, size_t size, unsigned char *resident)
{
    size_t page = page_size();
    size_t count = size / page;
    const unsigned char *start = address;
    for (size_t at = 0; at < count; at += BATCH) {
        size_t some = count - at < BATCH ? count - at : BATCH;
        int error = query_batch(start + at * page, some, page, resident + at);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* ---- errors ------------------------------------------------------------------------------ */

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
