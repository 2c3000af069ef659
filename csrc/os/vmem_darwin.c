/* vmem_darwin.c - the contract of vmem.h on macOS.
 *
 * What a reader would get wrong: there is no commit charge here. A commit takes memory from nobody
 * and never fails for want of it; pages are found at first touch, and when there are none left the
 * system kills. Decommit still lays a fresh mapping over the pages, because nothing less is sure to
 * drop their contents at once.
 *
 * State of proof: compiled and linked by cross-compilers only. Nothing in this file has been seen
 * to run; what the comments say of the system is what its sources and manuals say.
 */
#define _DARWIN_C_SOURCE

#include "vmem_darwin.h"

#include <libkern/OSCacheControl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

int darwin_errno(kern_return_t result)
{
    switch (result) {
    case KERN_SUCCESS:
        return 0;
    case KERN_NO_SPACE:
    case KERN_RESOURCE_SHORTAGE:
        return ENOMEM;
    case KERN_PROTECTION_FAILURE:
        return EACCES;
    default:
        return EINVAL;
    }
}

/* ---- vmem_query -------------------------------------------------------------------------- */

static size_t read_limit(int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return VMEM_NO_LIMIT;
    }
    return limit.rlim_cur > SIZE_MAX ? VMEM_NO_LIMIT : (size_t)limit.rlim_cur;
}

void vmem_query_limits(struct vmem_info *info)
{
    info->address_limit = read_limit(RLIMIT_AS);
    info->data_limit = read_limit(RLIMIT_DATA);
}

int vmem_query(struct vmem_info *info)
{
    size_t page = darwin_page_size();
    *info = (struct vmem_info){
        .page_size = page,
        .granularity = page,
        .huge_page_size = 0,
        .address_limit = read_limit(RLIMIT_AS),
        .data_limit = read_limit(RLIMIT_DATA),
        .max_mappings = VMEM_NO_LIMIT,
        .lock_limit = read_limit(RLIMIT_MEMLOCK),
        .numa_nodes = 1,
        .overcommit = VMEM_OVERCOMMIT_ALWAYS,
        .thp = VMEM_THP_UNSUPPORTED,
        .can_reserve_lazy = true,
        .can_discard = true,
        .can_populate = true,
        .can_advise_huge = false,
        .can_name = false,
        .can_remap = true,
        .can_query_resident = true,
        .can_lock = true,
        .can_prefetch = true,
    };
    return 0;
}

int vmem_probe(struct vmem_info *info)
{
    info->can_placeholder = true;
    return 0;
}

/* ---- reserve and release ----------------------------------------------------------------- */

/* vm_map rather than mmap, because it takes an alignment. */
int darwin_map_aligned(size_t size, size_t alignment, vm_prot_t access, void **address)
{
    vm_address_t found = 0;
    if (size > PTRDIFF_MAX) {
        return ENOMEM;
    }
    kern_return_t result = vm_map(mach_task_self(), &found, size, alignment - 1, VM_FLAGS_ANYWHERE,
                                  MEMORY_OBJECT_NULL, 0, FALSE, access, VM_PROT_ALL,
                                  VM_INHERIT_COPY);
    if (result == KERN_SUCCESS) {
        *address = (void *)found;
    }
    return darwin_errno(result);
}

int vmem_reserve(size_t size, size_t alignment, void **address)
{
    return darwin_map_aligned(size, alignment, VM_PROT_NONE, address);
}

/* vm_map knows of no lead. */
int vmem_reserve_before(size_t size, size_t alignment, size_t lead, void **address)
{
    void *found;
    if (lead == 0) {
        return vmem_reserve(size, alignment, address);
    }
    if (size > PTRDIFF_MAX - alignment) {
        return ENOMEM;
    }
    int error = vmem_reserve(size + alignment, alignment, &found);
    if (error != 0) {
        return error;
    }
    char *base = (char *)found + alignment - lead;
    munmap(found, alignment - lead);
    munmap(base + size, lead);
    *address = base;
    return 0;
}

int vmem_reserve_lazy(size_t size, size_t alignment, void **address)
{
    return darwin_map_aligned(size, alignment, VM_PROT_READ | VM_PROT_WRITE, address);
}

int vmem_release(void *address, size_t size)
{
    return munmap(address, size) == 0 ? 0 : errno;
}

/* ---- pages of a reservation -------------------------------------------------------------- */

int vmem_commit_as(void *address, size_t size, enum vmem_access access)
{
    return posix_protect(address, size, access);
}

int vmem_commit(void *address, size_t size)
{
    return posix_protect(address, size, VMEM_READ_WRITE);
}

int vmem_decommit(void *address, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANON | MAP_FIXED;
    return mmap(address, size, PROT_NONE, flags, -1, 0) != MAP_FAILED ? 0 : errno;
}

int vmem_discard(void *address, size_t size)
{
    int result;
    do {
        result = madvise(address, size, MADV_FREE);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

/* Whether every page of the range may be written. */
static bool is_writable(vm_address_t start, size_t size)
{
    vm_address_t end = start + size;
    while (start < end) {
        vm_address_t found = start;
        vm_size_t length = 0;
        vm_region_basic_info_data_64_t info = {0};
        mach_msg_type_number_t count = VM_REGION_BASIC_INFO_COUNT_64;
        mach_port_t object = MACH_PORT_NULL;
        kern_return_t result = vm_region_64(mach_task_self(), &found, &length,
                                            VM_REGION_BASIC_INFO_64, (vm_region_info_t)&info,
                                            &count, &object);
        if (result != KERN_SUCCESS || found > start || (info.protection & VM_PROT_WRITE) == 0) {
            return false;
        }
        start = found + length;
    }
    return true;
}

/* There is no call for it, so each page is touched: a zero is exchanged for a zero, which changes
 * no contents whoever else writes there. A page that holds something else has memory already. */
int vmem_populate(void *address, size_t size)
{
    size_t page = darwin_page_size();
    if (!is_writable((vm_address_t)address, size)) {
        return EFAULT;
    }
    for (size_t at = 0; at < size; at += page) {
        unsigned char expected = 0;
        unsigned char *byte = (unsigned char *)address + at;
        __atomic_compare_exchange_n(byte, &expected, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    return 0;
}

int vmem_prefetch(void *address, size_t size)
{
    return madvise(address, size, MADV_WILLNEED) == 0 ? 0 : errno;
}

int vmem_flush_instructions(void *address, size_t size)
{
    sys_icache_invalidate(address, size);
    return 0;
}

int vmem_advise_huge(void *address, size_t size, bool wanted)
{
    (void)address;
    (void)size;
    (void)wanted;
    return UNSUPPORTED;
}

/* Only a number from a fixed list can be attached to a range, and only when it is made. */
int vmem_name(void *address, size_t size, const char *name)
{
    (void)address;
    (void)size;
    (void)name;
    return UNSUPPORTED;
}

/* Memory that was compressed or swapped out does not count as resident. */
int vmem_query_resident(const void *address, size_t size, unsigned char *resident)
{
    if (mincore(address, size, (char *)resident) != 0) {
        return errno;
    }
    for (size_t i = 0; i < size / darwin_page_size(); i++) {
        resident[i] = (resident[i] & MINCORE_INCORE) != 0;
    }
    return 0;
}

/* ---- remap ------------------------------------------------------------------------------- */

/* Makes the pages visible at both places, then takes the old ones away: what fails before that has
 * changed nothing. FALSE means share and not copy; VM_INHERIT_COPY keeps them private on fork. */
static kern_return_t share(void *source, void *target, size_t size)
{
    vm_address_t place = (vm_address_t)target;
    vm_prot_t current = VM_PROT_NONE;
    vm_prot_t maximum = VM_PROT_NONE;
    return vm_remap(mach_task_self(), &place, size, 0, VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE,
                    mach_task_self(), (vm_address_t)source, FALSE, &current, &maximum,
                    VM_INHERIT_COPY);
}

int vmem_remap(void *address, size_t size, size_t kept, size_t kept_size,
               size_t new_size, size_t alignment, void **new_address)
{
    void *range;
    if (kept > new_size || kept_size > new_size - kept) {
        return EINVAL; /* or strangers' pages would be overwritten */
    }
    size_t lead = (size_t)(-(uintptr_t)address & (alignment - 1));
    int error = vmem_reserve_before(new_size, alignment, lead, &range);
    if (error != 0) {
        return error;
    }
    if (kept_size != 0) {
        error = darwin_errno(share((char *)address + kept, (char *)range + kept, kept_size));
    }
    if (error != 0) {
        munmap(range, new_size);
        return error;
    }
    munmap(address, size);
    *new_address = range;
    return 0;
}

/* ---- errors ------------------------------------------------------------------------------ */

bool vmem_is_unsupported(int error)
{
    return error == UNSUPPORTED || error == ENOSYS;
}

void vmem_describe(int error, char *text, size_t size)
{
    if (size == 0) {
        return;
    }
    char found[256] = "";
    strerror_r(error, found, sizeof found); /* has a text for unknown errors too */
    size_t length = strlen(found);
    if (length > size - 1) {
        length = size - 1;
    }
    memcpy(text, found, length);
    text[length] = '\0';
}
