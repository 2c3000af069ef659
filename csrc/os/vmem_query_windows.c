/* vmem_query_windows.c - what Windows tells of pages: VirtualQuery, the working set, write watch.
 *
 * What a reader would get wrong: "resident" is said of the working set. A page that was trimmed from
 * it counts as absent even while the system still holds its contents in memory.
 */
#include "vmem_windows.h"

#include <string.h>

#define BATCH 128

/* ---- the working set --------------------------------------------------------------------- */

static unsigned char memory_of(PSAPI_WORKING_SET_EX_BLOCK page)
{
    if (!page.Valid) {
        return VMEM_ABSENT;
    }
    return page.LargePage ? VMEM_RESIDENT_HUGE : VMEM_RESIDENT;
}

static int query_batch(const unsigned char *start, size_t count, size_t page,
                       unsigned char *memory)
{
    PSAPI_WORKING_SET_EX_INFORMATION pages[BATCH];
    memset(pages, 0, sizeof pages);
    for (size_t i = 0; i < count; i++) {
        pages[i].VirtualAddress = (void *)(uintptr_t)(start + i * page);
    }
    DWORD bytes = (DWORD)(count * sizeof pages[0]);
    if (!QueryWorkingSetEx(GetCurrentProcess(), pages, bytes)) {
        return windows_last_error();
    }
    for (size_t i = 0; i < count; i++) {
        memory[i] = memory_of(pages[i].VirtualAttributes);
    }
    return 0;
}

int vmem_query_memory(const void *address, size_t size, unsigned char *memory)
{
    size_t page = windows_page_size();
    size_t count = size / page;
    const unsigned char *start = address;
    for (size_t at = 0; at < count; at += BATCH) {
        size_t some = count - at < BATCH ? count - at : BATCH;
        int error = query_batch(start + at * page, some, page, memory + at);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int vmem_query_resident(const void *address, size_t size, unsigned char *resident)
{
    int error = vmem_query_memory(address, size, resident);
    for (size_t i = 0; error == 0 && i < size / windows_page_size(); i++) {
        resident[i] = resident[i] != VMEM_ABSENT;
    }
    return error;
}

int vmem_query_node(const void *address, int *node)
{
    PSAPI_WORKING_SET_EX_INFORMATION page;
    memset(&page, 0, sizeof page);
    page.VirtualAddress = (void *)(uintptr_t)address;
    if (!QueryWorkingSetEx(GetCurrentProcess(), &page, sizeof page)) {
        return windows_last_error();
    }
    *node = page.VirtualAttributes.Valid ? (int)page.VirtualAttributes.Node : VMEM_NO_NODE;
    return 0;
}

/* ---- vmem_query_run ---------------------------------------------------------------------- */

static enum vmem_access access_of(DWORD protection)
{
    switch (protection & 0xff) {
    case PAGE_READONLY:
        return VMEM_READ;
    case PAGE_READWRITE:
    case PAGE_WRITECOPY:
        return VMEM_READ_WRITE;
    case PAGE_EXECUTE_READ:
        return VMEM_READ_EXECUTE;
    case PAGE_EXECUTE_READWRITE:
    case PAGE_EXECUTE_WRITECOPY:
        return VMEM_READ_WRITE_EXECUTE;
    default:
        return VMEM_NO_ACCESS;
    }
}

static enum vmem_state state_of(const MEMORY_BASIC_INFORMATION *found)
{
    if (found->State == MEM_FREE) {
        return VMEM_FREE;
    }
    if (found->Type != MEM_PRIVATE) {
        return VMEM_MAPPED;
    }
    return found->State == MEM_COMMIT ? VMEM_COMMITTED : VMEM_RESERVED;
}

int vmem_query_run(const void *address, struct vmem_run *run)
{
    MEMORY_BASIC_INFORMATION found;
    if (VirtualQuery(address, &found, sizeof found) == 0) {
        return windows_last_error();
    }
    *run = (struct vmem_run){
        .address = found.BaseAddress,
        .size = found.RegionSize,
        .state = state_of(&found),
        .access = found.State == MEM_COMMIT ? access_of(found.Protect) : VMEM_NO_ACCESS,
    };
    return 0;
}

/* ---- vmem_written ------------------------------------------------------------------------ */

struct list {
    struct vmem_range *ranges;
    size_t count, room;
};

static void add(struct list *list, char *page, size_t size)
{
    struct vmem_range *last = list->count != 0 ? &list->ranges[list->count - 1] : NULL;
    if (last != NULL && (char *)last->address + last->size == page) {
        last->size += size;
        return;
    }
    list->ranges[list->count++] = (struct vmem_range){page, size};
}

/* The system resets the pages that it tells of and no others, so it is never asked for more pages
 * than there is room for ranges. A full answer may have a sequel. */
int vmem_written(void *address, size_t size, bool reset, struct vmem_range *ranges,
                 size_t *count)
{
    void *pages[BATCH];
    struct list list = {ranges, 0, *count};
    char *at = address;
    char *end = at + size;
    DWORD page = 0;
    while (at < end && list.count < list.room) {
        size_t room = list.room - list.count;
        ULONG_PTR asked = room < BATCH ? room : BATCH;
        ULONG_PTR found = asked;
        DWORD how = reset ? WRITE_WATCH_FLAG_RESET : 0;
        if (GetWriteWatch(how, at, (size_t)(end - at), pages, &found, &page) != 0) {
            return ERROR_INVALID_PARAMETER; /* it sets no error; not watched is what it means */
        }
        for (ULONG_PTR i = 0; i < found; i++) {
            add(&list, pages[i], page);
        }
        at = found < asked ? end : (char *)pages[found - 1] + page;
    }
    *count = list.count;
    return 0;
}
