/* vmem_place_linux.c - reservations in a certain place or of a certain kind, on Linux.
 *
 * What a reader would get wrong: the kernel has no call for "below 2 GiB" or "aligned to 1 GiB". A
 * gap is looked up in /proc/self/maps and asked for by address; another thread may be faster, and
 * then the search begins anew. And MAP_FIXED_NOREPLACE is a mere hint to kernels before 4.17 and to
 * emulators: what counts is the address that came back.
 */
#define _GNU_SOURCE

#include "vmem_linux.h"
#include "vmem_place.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MPOL_PREFERRED
#define MPOL_PREFERRED 1
#endif

#define ATTEMPTS 64
#define MOST_NODES 1024
#define MIB ((uintptr_t)1 << 20)

/* ---- a gap in the address space ---------------------------------------------------------- */

static int map_exactly(uintptr_t wanted, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *found = mmap((void *)wanted, size, PROT_NONE, flags, -1, 0);
    if (found == MAP_FAILED) {
        return errno;
    }
    if ((uintptr_t)found != wanted) {
        munmap(found, size);
        return EEXIST;
    }
    return 0;
}

/* Room for the stack to grow down into: what it may have, as far as that is sensible. */
static uintptr_t stack_room(void)
{
    struct rlimit limit;
    uintptr_t least = 128 * MIB;
    uintptr_t most = UINTPTR_MAX / 64 < 1024 * MIB ? UINTPTR_MAX / 64 : 1024 * MIB;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur < least) {
        return least;
    }
    return limit.rlim_cur > most ? most : (uintptr_t)limit.rlim_cur;
}

/* The stack and the C library's heap grow in place. Nothing is put into their way. */
static void leave_room(struct linux_mapping *mapping)
{
    uintptr_t room = stack_room();
    if (strcmp(mapping->name, "[stack]") == 0) {
        uintptr_t bottom = mapping->end > room ? mapping->end - room : 0;
        mapping->start = bottom < mapping->start ? bottom : mapping->start;
    } else if (strcmp(mapping->name, "[heap]") == 0) {
        mapping->end += mapping->end <= UINTPTR_MAX - 128 * MIB ? 128 * MIB : 0;
    }
}

static uintptr_t larger(uintptr_t a, uintptr_t b)
{
    return a > b ? a : b;
}

static uintptr_t smaller(uintptr_t a, uintptr_t b)
{
    return a < b ? a : b;
}

struct search {
    uintptr_t first, last; /* where the range may lie */
    uintptr_t end;         /* of the highest mapping, as find_gap saw it */
    uintptr_t step;        /* how far from a place that was refused to try again */
    size_t size, alignment;
    bool top_down;
};

/* In the upper half of a 64-bit address space is the kernel's own, of which one page may be listed. */
static bool is_beyond(const struct linux_mapping *mapping)
{
    return sizeof(uintptr_t) > 4 && mapping->start > UINTPTR_MAX / 2;
}

/* Where the range fits between two limits, if a better place is not known already. */
static uintptr_t fit(const struct search *search, uintptr_t first, uintptr_t last, uintptr_t known)
{
    uintptr_t found = place_fit(larger(first, search->first), smaller(last, search->last),
                                search->size, search->alignment, search->top_down);
    return found != 0 && (known == 0 || search->top_down) ? found : known;
}

/* A gap that fits, or 0. Above the highest mapping anything looks free; where the addresses end is
 * not told. */
static int find_gap(struct search *search, uintptr_t *found)
{
    struct linux_maps maps;
    struct linux_mapping mapping;
    int error = linux_maps_open(&maps);
    *found = 0;
    search->end = 0;
    if (error != 0) {
        return error;
    }
    while (linux_maps_next(&maps, &mapping) && !is_beyond(&mapping)) {
        leave_room(&mapping);
        if (mapping.start > search->end) {
            *found = fit(search, search->end, mapping.start - 1, *found);
        }
        search->end = larger(search->end, mapping.end);
    }
    *found = fit(search, search->end, UINTPTR_MAX, *found);
    linux_maps_close(&maps);
    return 0;
}

/* Where the gap is still there after it was refused, it is not to be had: an emulator hides mappings
 * of its own, of any size. */
static void pass_over(struct search *search, uintptr_t refused)
{
    if (search->top_down) {
        search->last = refused > search->step ? refused - search->step : 0;
    } else {
        search->first = refused <= UINTPTR_MAX - search->step ? refused + search->step : UINTPTR_MAX;
    }
    search->step += search->step <= UINTPTR_MAX / 4 ? search->step : 0;
}

static int try_gap(struct search *search, uintptr_t *found)
{
    int error = find_gap(search, found);
    if (error == 0 && *found == 0) {
        return ENOMEM;
    }
    error = error != 0 ? error : map_exactly(*found, search->size);
    if (error == ENOMEM && search->top_down && *found >= search->end) {
        search->last = search->end - 1;
        return EEXIST; /* past the end of all addresses, perhaps */
    }
    return error;
}

static int map_in_gap(struct search *search, void **address)
{
    uintptr_t refused = 0;
    for (int i = 0; i < ATTEMPTS; i++) {
        uintptr_t found = 0;
        int error = try_gap(search, &found);
        if (error == 0) {
            *address = (void *)found;
        }
        if (error != EEXIST && error != EPERM) {
            return error;
        }
        if (found == refused) {
            pass_over(search, refused);
        }
        refused = found;
    }
    return ENOMEM;
}

/* Left to itself the kernel goes from the top down. */
static int map_ordinary(size_t size, const struct vmem_place *place, void **address)
{
    size_t page = linux_page_size();
    size_t alignment = place_alignment(place, page);
    if (size > PTRDIFF_MAX) {
        return ENOMEM;
    }
    if (place->address != NULL) {
        int error = map_exactly((uintptr_t)place->address, size);
        *address = error == 0 ? place->address : *address;
        return error;
    }
    if (!place_is_limited(place)) {
        return linux_map_aligned(size, alignment, 0, PROT_NONE, 0, address);
    }
    size_t lowest = linux_read_number("/proc/sys/vm/mmap_min_addr", 65536);
    struct search search = {
        .first = larger(place->lowest, larger(lowest, page)),
        .last = place->highest != 0 ? place->highest : UINTPTR_MAX,
        .size = size,
        .alignment = alignment,
        .step = alignment,
        .top_down = place->top_down,
    };
    return map_in_gap(&search, address);
}

/* ---- large pages ------------------------------------------------------------------------- */

static unsigned log2_of(size_t power)
{
    unsigned log2 = 0;
    while (power >> log2 != 1) {
        log2++;
    }
    return log2;
}

/* Keeps the list in order; the folder is not. */
static void insert_size(size_t sizes[VMEM_LARGE_PAGE_SIZES], size_t size)
{
    size_t at = VMEM_LARGE_PAGE_SIZES - 1; /* the last stays 0 */
    if (!place_is_power_of_two(size) || size <= linux_page_size() || sizes[at - 1] != 0) {
        return;
    }
    while (at > 0 && (sizes[at - 1] == 0 || sizes[at - 1] > size)) {
        sizes[at] = sizes[at - 1];
        at--;
    }
    sizes[at] = size;
}

/* "hugepages-2048kB" */
static size_t size_in_name(const char *name)
{
    static const char start[] = "hugepages-";
    size_t kib = 0;
    if (strncmp(name, start, sizeof start - 1) != 0) {
        return 0;
    }
    for (const char *c = name + sizeof start - 1; *c >= '0' && *c <= '9'; c++) {
        kib = kib < SIZE_MAX / 10240 - 1 ? kib * 10 + (size_t)(*c - '0') : 0;
    }
    return kib * 1024;
}

struct entry {
    uint64_t inode, next;
    uint16_t length;
    uint8_t type;
    char name[];
};

/* By system call, since opendir allocates. One buffer holds more entries than there are sizes. */
void linux_list_large_pages(size_t sizes[VMEM_LARGE_PAGE_SIZES])
{
    _Alignas(struct entry) char entries[2048];
    int folder = linux_open("/sys/kernel/mm/hugepages");
    if (folder < 0) {
        return;
    }
    long filled = syscall(SYS_getdents64, folder, entries, sizeof entries);
    for (long at = 0; at < filled;) {
        const struct entry *entry = (const void *)(entries + at);
        insert_size(sizes, size_in_name(entry->name));
        at += entry->length;
    }
    close(folder);
}

/* Lays large pages over ordinary reserved ones, all of them or none. */
static int lay_large(void *address, size_t size, size_t page)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB
                | (int)(log2_of(page) << MAP_HUGE_SHIFT);
    return mmap(address, size, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED ? 0 : errno;
}

/* ---- nodes ------------------------------------------------------------------------------- */

/* "0", "0-3" or "0-1,4-5": the last number is the highest. */
unsigned linux_count_nodes(void)
{
    char text[256];
    unsigned last = 0;
    if (!linux_read_start("/sys/devices/system/node/online", text, sizeof text)) {
        return 1;
    }
    for (const char *c = text; *c != '\0' && *c != '\n'; c++) {
        if (*c < '0' || *c > '9') {
            last = 0;
        } else if (last < MOST_NODES) {
            last = last * 10 + (unsigned)(*c - '0');
        }
    }
    return last + 1;
}

#define LONG_BITS (8 * (int)sizeof(unsigned long))

/* The kernel's count of mask bits is one more than it looks at. It has no reason of its own to say
 * EPERM: that is what containers answer. */
static int prefer_node(void *address, size_t size, int node)
{
    unsigned long mask[MOST_NODES / LONG_BITS] = {0};
    if (node >= MOST_NODES) {
        return EINVAL;
    }
    mask[node / LONG_BITS] = 1UL << (node % LONG_BITS);
    if (syscall(SYS_mbind, address, size, MPOL_PREFERRED, mask, (unsigned long)MOST_NODES + 1, 0U)
        != 0) {
        return errno == EPERM ? UNSUPPORTED : errno;
    }
    return 0;
}

static int probe_node(void *page, size_t size)
{
    return prefer_node(page, size, (int)linux_count_nodes() - 1) == 0 ? YES : NO;
}

/* Asked each time: a process may drop the right to it. */
bool linux_can_prefer_node(void)
{
    _Atomic int answer = NOT_ASKED;
    return linux_ask(&answer, probe_node);
}

/* ---- vmem_reserve_at --------------------------------------------------------------------- */

/* What makes ordinary reserved pages those that were asked for. */
static int make_special(void *address, size_t size, const struct vmem_place *place)
{
    int error = 0;
    if (place->page_size != 0) {
        error = lay_large(address, size, place->page_size);
    }
    if (error == 0 && place->numa_node != VMEM_NO_NODE) {
        error = prefer_node(address, size, place->numa_node);
    }
    if (error == 0 && place->write_watch) {
        error = linux_watch(address, size);
    }
    return error;
}

int vmem_reserve_at(size_t size, const struct vmem_place *place, void **address)
{
    void *found = NULL;
    if (!place_is_sane(size, place, linux_page_size())) {
        return EINVAL;
    }
    int error = map_ordinary(size, place, &found);
    if (error != 0) {
        return error;
    }
    error = make_special(found, size, place);
    if (error != 0) {
        munmap(found, size);
        return error;
    }
    *address = found;
    return 0;
}

/* The pages are gone already. A preference that cannot be renewed is no reason to fail: memory then
 * comes from elsewhere. Nor is a watch: vmem_written refuses to tell of pages that are not watched. */
int vmem_decommit_at(void *address, size_t size, const struct vmem_place *place)
{
    if (place->page_size != 0) {
        return EINVAL;
    }
    int error = vmem_decommit(address, size);
    if (error == 0 && place->numa_node != VMEM_NO_NODE) {
        prefer_node(address, size, place->numa_node);
    }
    if (error == 0 && place->write_watch) {
        (void)linux_watch(address, size);
    }
    return error;
}
