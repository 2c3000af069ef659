/* vmem_watch_linux.c - which pages were written: userfaultfd's asynchronous write protection
 * keeps the record, PAGEMAP_SCAN reads it. Linux 6.7 and newer.
 *
 * How it works: pages of a registered range that are in memory and lack the kernel's "write
 * protected" mark were written. The scan that reads them can set the mark in the same step; the
 * next write clears it, within the kernel, and goes on. Pages that were never touched have neither
 * memory nor mark, so a watch of any size costs nothing at first.
 *
 * One userfaultfd serves the whole process: it holds no state of a range but the registration, which
 * goes with the mapping, so there is nothing that each reservation would have to keep, close or hand
 * on. What a reader would get wrong: a child of fork() inherits the descriptor, but it still
 * speaks of the parent's memory. So the process that opened it is kept beside it. Nor are the child's
 * pages watched: its copies lose the registration, and asking about them is an error (EPERM).
 */
#define _GNU_SOURCE

#include "vmem_linux.h"

#include "vmem_scan_linux.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Values of the kernel's interface that older headers do not name. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/* The descriptor plus 1 in the low half, its process in the high half; 0 before the first use. */
static _Atomic uint64_t opened;

/* User mode only: what needs no privilege. Nobody waits for its events, so it loses nothing. */
static int open_watch(int *file)
{
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC};
    *file = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (*file < 0) {
        return errno == EINVAL || errno == ENOSYS ? UNSUPPORTED : errno;
    }
    if (ioctl(*file, (linux_request)UFFDIO_API, &api) != 0) {
        close(*file);
        return UNSUPPORTED;
    }
    return 0;
}

static int file_in(uint64_t value)
{
    return (int)(value & UINT32_MAX) - 1;
}

static bool is_mine(uint64_t value)
{
    return value != 0 && value >> 32 == (uint64_t)getpid();
}

/* Of threads that are first at the same time one wins; the others close what they opened. A
 * descriptor of the parent is left alone: by now its number may be somebody else's. */
static int watch_file(int *file)
{
    uint64_t known = atomic_load(&opened);
    if (is_mine(known)) {
        *file = file_in(known);
        return 0;
    }
    int error = open_watch(file);
    if (error != 0) {
        return error;
    }
    uint64_t mine = (uint64_t)getpid() << 32 | (uint32_t)(*file + 1);
    if (!atomic_compare_exchange_strong(&opened, &known, mine)) {
        close(*file);
        *file = file_in(known);
    }
    return 0;
}

static int register_range(int file, void *address, size_t size)
{
    struct uffdio_register range = {
        .range = {.start = (uintptr_t)address, .len = size},
        .mode = UFFDIO_REGISTER_MODE_WP,
    };
    return ioctl(file, (linux_request)UFFDIO_REGISTER, &range) == 0 ? 0 : errno;
}

/* A program that closes every descriptor it does not know closes this one too: then it is opened
 * anew. Ranges that were registered before are no longer watched, and vmem_written says so. */
static int register_again(void *address, size_t size)
{
    int file;
    atomic_store(&opened, 0);
    int error = watch_file(&file);
    return error != 0 ? error : register_range(file, address, size);
}

/* A huge page has one mark for all of it, so the range does without. */
int linux_watch(void *address, size_t size)
{
    int file;
    if (!linux_can_watch()) {
        return UNSUPPORTED;
    }
    int error = watch_file(&file);
    if (error != 0) {
        return error;
    }
    linux_advise(address, size, MADV_NOHUGEPAGE);
    error = register_range(file, address, size);
    return error == EBADF || error == ENOTTY ? register_again(address, size) : error;
}

/* Asked each time: a process may drop the right to it. */
bool linux_can_watch(void)
{
    int file;
    return linux_kernel_is_at_least(6, 7) && linux_can_scan() && watch_file(&file) == 0;
}

/* ---- vmem_written ------------------------------------------------------------------------ */

struct list {
    struct vmem_range *ranges;
    size_t count, room;
};

static void add(struct list *list, const struct page_region *found)
{
    size_t size = (size_t)(found->end - found->start);
    struct vmem_range *last = list->count != 0 ? &list->ranges[list->count - 1] : NULL;
    if (last != NULL && (uintptr_t)last->address + last->size == found->start) {
        last->size += size;
        return;
    }
    list->ranges[list->count++] = (struct vmem_range){(void *)(uintptr_t)found->start, size};
}

/* The page of zeros that all share has no mark and was not written. */
static void ask_for_written(struct scan *scan, bool reset)
{
    scan->request.flags = PM_SCAN_CHECK_WPASYNC | (reset ? PM_SCAN_WP_MATCHING : 0);
    scan->request.category_mask = PAGE_IS_WRITTEN | PAGE_IS_PFNZERO;
    scan->request.category_inverted = PAGE_IS_PFNZERO;
    scan->request.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
    scan->request.return_mask = PAGE_IS_WRITTEN;
}

/* Never asks for more than there is room for, since what the scan finds it has also reset. */
int vmem_written(void *address, size_t size, bool reset, struct vmem_range *ranges,
                 size_t *count)
{
    struct scan scan;
    struct list list = {ranges, 0, *count};
    if (!linux_can_scan()) {
        return UNSUPPORTED;
    }
    int error = scan_open(&scan, address, size);
    if (error != 0) {
        return error;
    }
    ask_for_written(&scan, reset);
    while (error == 0 && !scan_is_done(&scan) && list.count < list.room) {
        size_t room = list.room - list.count;
        scan.request.vec_len = room < SCAN_BATCH ? room : SCAN_BATCH;
        error = scan_some(&scan);
        for (size_t i = 0; error == 0 && i < scan.count; i++) {
            add(&list, &scan.found[i]);
        }
    }
    scan_close(&scan);
    if (error == 0) {
        *count = list.count;
    }
    return error == EPERM && !linux_can_watch() ? UNSUPPORTED : error;
}
