/* vmem_scan_linux.h - PAGEMAP_SCAN: asks the kernel for the pages of a range that have or lack
 * certain properties. Linux 6.7 and newer; the C library's headers often are not, so the numbers
 * of the interface stand here.
 *
 * What a reader would get wrong: the kernel may answer for a part of the range only; scan_is_done
 * tells when it has come to the end.
 */
#ifndef GROWABLE_VMEM_SCAN_LINUX_H
#define GROWABLE_VMEM_SCAN_LINUX_H

#include "vmem_linux.h"

#include <linux/types.h>
#include <sys/ioctl.h>

#ifndef PAGEMAP_SCAN
struct page_region {
    __u64 start, end, categories;
};

struct pm_scan_arg {
    __u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
    __u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN (1 << 1)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)
#define PAGE_IS_HUGE (1 << 6)
#define PM_SCAN_WP_MATCHING (1 << 0)
#define PM_SCAN_CHECK_WPASYNC (1 << 1)
#endif

#define SCAN_BATCH 64

struct scan {
    int file;
    struct pm_scan_arg request; /* set category_mask and return_mask, and what else matters */
    struct page_region found[SCAN_BATCH];
    size_t count; /* of what scan_some found */
};

static inline int scan_open(struct scan *scan, const void *address, size_t size)
{
    scan->file = linux_open("/proc/self/pagemap");
    if (scan->file < 0) {
        return errno;
    }
    scan->count = 0;
    scan->request = (struct pm_scan_arg){
        .size = sizeof scan->request,
        .start = (uintptr_t)address,
        .end = (uintptr_t)address + size,
        .vec = (uintptr_t)scan->found,
        .vec_len = SCAN_BATCH,
    };
    return 0;
}

static inline bool scan_is_done(const struct scan *scan)
{
    return scan->request.start >= scan->request.end;
}

/* Looks at the range from where it stopped last. */
static inline int scan_some(struct scan *scan)
{
    int count;
    do {
        count = ioctl(scan->file, (linux_request)PAGEMAP_SCAN, &scan->request);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno;
    }
    if (scan->request.walk_end <= scan->request.start) {
        return EIO; /* it would never end */
    }
    scan->count = (size_t)count;
    scan->request.start = scan->request.walk_end;
    return 0;
}

static inline void scan_close(struct scan *scan)
{
    close(scan->file);
}

#endif
