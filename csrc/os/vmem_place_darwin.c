/* vmem_place_darwin.c - reservations in a certain place, and what macOS tells of pages.
 *
 * What a reader would get wrong: the first 4 GiB look free to vm_region and are not to be had. Where
 * the addresses of a process begin and end is asked of the task itself.
 *
 * State of proof: compiled and linked by cross-compilers only, like vmem_darwin.c.
 */
#define _DARWIN_C_SOURCE

#include "vmem_darwin.h"

#include "vmem_place.h"

#include <sys/mman.h>

#define ATTEMPTS 64

/* ---- regions ----------------------------------------------------------------------------- */

struct region {
    uintptr_t start, end; /* [start, end) */
    vm_prot_t protection;
    bool mapped;
};

/* The region that holds `address`, or the next one above it; false if there is none. */
static bool find_region(uintptr_t address, struct region *region)
{
    vm_address_t start = address;
    vm_size_t size = 0;
    vm_region_extended_info_data_t info = {0};
    mach_msg_type_number_t count = VM_REGION_EXTENDED_INFO_COUNT;
    mach_port_t object = MACH_PORT_NULL;
    if (vm_region_64(mach_task_self(), &start, &size, VM_REGION_EXTENDED_INFO,
                     (vm_region_info_t)&info, &count, &object) != KERN_SUCCESS) {
        return false;
    }
    bool shared = info.share_mode == SM_SHARED || info.share_mode == SM_TRUESHARED;
    *region = (struct region){start, start + size, info.protection,
                              shared || info.external_pager != 0};
    return true;
}

/* ---- a free place ------------------------------------------------------------------------ */

struct search {
    uintptr_t first, last; /* where the range may lie */
    size_t size, alignment;
    bool top_down;
};

static int search_for(size_t size, const struct vmem_place *place, struct search *search)
{
    task_vm_info_data_t task = {0};
    mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
    kern_return_t result = task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&task, &count);
    if (result != KERN_SUCCESS) {
        return darwin_errno(result);
    }
    uintptr_t lowest = (uintptr_t)task.min_address;
    uintptr_t highest = (uintptr_t)task.max_address - 1;
    *search = (struct search){
        .first = place->lowest > lowest ? place->lowest : lowest,
        .last = place->highest != 0 && place->highest < highest ? place->highest : highest,
        .size = size,
        .alignment = place_alignment(place, darwin_page_size()),
        .top_down = place->top_down,
    };
    return 0;
}

static uintptr_t find_gap(const struct search *search)
{
    uintptr_t found = 0;
    uintptr_t at = search->first;
    while (at <= search->last && (found == 0 || search->top_down)) {
        struct region next;
        bool more = find_region(at, &next);
        if (!more || next.start > at) {
            uintptr_t last = more && next.start - 1 < search->last ? next.start - 1 : search->last;
            uintptr_t fit = place_fit(at, last, search->size, search->alignment, search->top_down);
            found = fit != 0 ? fit : found;
        }
        if (!more || next.end <= at) {
            break;
        }
        at = next.end;
    }
    return found;
}

static int map_exactly(uintptr_t wanted, size_t size)
{
    vm_address_t place = wanted;
    kern_return_t result = vm_map(mach_task_self(), &place, size, 0, VM_FLAGS_FIXED,
                                  MEMORY_OBJECT_NULL, 0, FALSE, VM_PROT_NONE, VM_PROT_ALL,
                                  VM_INHERIT_COPY);
    return result == KERN_NO_SPACE ? EEXIST : darwin_errno(result);
}

/* Another thread may take the place first: then again, and past it if it still looks free. */
static int map_in_gap(struct search *search, void **address)
{
    int error = EEXIST;
    uintptr_t refused = 0;
    for (int i = 0; i < ATTEMPTS && error == EEXIST; i++) {
        uintptr_t found = find_gap(search);
        if (found == 0) {
            return ENOMEM;
        }
        error = map_exactly(found, search->size);
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

/* ---- vmem_reserve_at --------------------------------------------------------------------- */

static int refusal(size_t size, const struct vmem_place *place)
{
    if (!place_is_sane(size, place, darwin_page_size())) {
        return EINVAL;
    }
    if (place->page_size != 0 || place->numa_node != VMEM_NO_NODE || place->write_watch) {
        return UNSUPPORTED;
    }
    return size > PTRDIFF_MAX ? ENOMEM : 0;
}

int vmem_reserve_at(size_t size, const struct vmem_place *place, void **address)
{
    struct search search;
    int error = refusal(size, place);
    if (error != 0) {
        return error;
    }
    if (place->address != NULL) {
        error = map_exactly((uintptr_t)place->address, size);
        *address = error == 0 ? place->address : *address;
        return error;
    }
    if (!place_is_limited(place) && !place->top_down) {
        size_t alignment = place_alignment(place, darwin_page_size());
        return darwin_map_aligned(size, alignment, VM_PROT_NONE, address);
    }
    error = search_for(size, place, &search);
    return error != 0 ? error : map_in_gap(&search, address);
}

int vmem_decommit_at(void *address, size_t size, const struct vmem_place *place)
{
    return place->page_size != 0 ? EINVAL : vmem_decommit(address, size);
}

/* ---- the system's own view ----------------------------------------------------------------- */

static enum vmem_access access_of(vm_prot_t protection)
{
    bool writable = (protection & VM_PROT_WRITE) != 0;
    if ((protection & VM_PROT_READ) == 0) {
        return VMEM_NO_ACCESS;
    }
    if ((protection & VM_PROT_EXECUTE) != 0) {
        return writable ? VMEM_READ_WRITE_EXECUTE : VMEM_READ_EXECUTE;
    }
    return writable ? VMEM_READ_WRITE : VMEM_READ;
}

int vmem_query_run(const void *address, struct vmem_run *run)
{
    uintptr_t page = (uintptr_t)address & ~(uintptr_t)(darwin_page_size() - 1);
    uintptr_t end = ~(uintptr_t)(darwin_page_size() - 1); /* the last page is never anybody's */
    struct region region;
    *run = (struct vmem_run){.address = (void *)page, .state = VMEM_FREE};
    bool found = find_region(page, &region);
    if (found && region.start > page) {
        end = region.start;
    } else if (found) {
        end = region.end;
        bool reserved = region.protection == VM_PROT_NONE;
        run->state = region.mapped ? VMEM_MAPPED : reserved ? VMEM_RESERVED : VMEM_COMMITTED;
        run->access = access_of(region.protection);
    }
    run->size = end - page;
    return 0;
}

/* There are no nodes, and no huge pages to be told from others. */
bool vmem_is_out_of_mappings(int error)
{
    (void)error;
    return false;
}

int vmem_query_memory(const void *address, size_t size, unsigned char *memory)
{
    (void)address;
    (void)size;
    (void)memory;
    return UNSUPPORTED;
}

int vmem_query_node(const void *address, int *node)
{
    (void)address;
    (void)node;
    return UNSUPPORTED;
}

int vmem_written(void *address, size_t size, bool reset, struct vmem_range *ranges,
                 size_t *count)
{
    (void)address;
    (void)size;
    (void)reset;
    (void)ranges;
    (void)count;
    return UNSUPPORTED;
}
