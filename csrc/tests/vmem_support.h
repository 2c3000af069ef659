/* vmem_support.h - what the tests of the contract of vmem.h share: ranges to try things on, children
 * to fault in, and what Linux tells of a process.
 *
 * What a reader would get wrong: faults are provoked in a forked child, but on Windows the system is
 * asked instead what access the page has.
 */
#ifndef GROWABLE_VMEM_SUPPORT_H
#define GROWABLE_VMEM_SUPPORT_H

#include "check.h"
#include "child.h"
#include "proc.h"
#include "vmem.h"

#include <stdint.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

#define MIB ((size_t)1 << 20)
#define UNTOUCHED ((void *)(uintptr_t)0x5a5a)

static inline struct vmem_info query(void)
{
    struct vmem_info info;
    CHECK(vmem_query(&info) == 0);
    return info;
}

/* With the capabilities that are only found by trying. */
static inline struct vmem_info probe(void)
{
    struct vmem_info info = query();
    CHECK(vmem_probe(&info) == 0);
    return info;
}

/* Whether the error is that of a wrong argument, or of something that is not to be had: anything but
 * a missing capability or a place that is taken. */
static inline bool is_refusal(int error)
{
    return error != 0 && !vmem_is_unsupported(error) && !vmem_is_occupied(error);
}

/* Room for 8 pages, a multiple of the granularity. */
static inline size_t some_size(void)
{
    struct vmem_info info = query();
    size_t size = 8 * info.page_size;
    return size > info.granularity ? size : info.granularity;
}

static inline unsigned char *reserve(size_t size)
{
    void *address;
    CHECK(vmem_reserve(size, query().granularity, &address) == 0);
    return address;
}

static inline unsigned char *reserve_committed(size_t size, unsigned char fill)
{
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start, size) == 0);
    memset(start, fill, size);
    return start;
}

static inline bool holds_only(const unsigned char *start, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++) {
        if (start[i] != value) {
            return false;
        }
    }
    return true;
}

/* ---- children ---------------------------------------------------------------------------- */

enum touch { READS, WRITES };

#ifdef _WIN32

static inline bool works(const unsigned char *byte, enum touch how)
{
    MEMORY_BASIC_INFORMATION found;
    DWORD writable = PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE;
    DWORD readable = writable | PAGE_READONLY | PAGE_EXECUTE_READ;
    return VirtualQuery(byte, &found, sizeof found) != 0 && found.State == MEM_COMMIT
           && (found.Protect & (how == WRITES ? writable : readable)) != 0;
}

static inline bool faults(const unsigned char *byte, enum touch how)
{
    return !works(byte, how);
}

#else

struct touch_of {
    const unsigned char *byte;
    enum touch how;
};

static inline void touch_in_child(void *touched)
{
    const struct touch_of *touch = touched;
    volatile unsigned char *target = (volatile unsigned char *)(uintptr_t)touch->byte;
    child_watch_faults();
    unsigned char value = *target;
    if (touch->how == WRITES) {
        *target = value;
    }
}

static inline bool faults(const unsigned char *byte, enum touch how)
{
    return child_run(touch_in_child, &(struct touch_of){byte, how}) == CHILD_FAULTED;
}

static inline bool works(const unsigned char *byte, enum touch how)
{
    return child_run(touch_in_child, &(struct touch_of){byte, how}) == 0;
}

static inline void run_body(void *body)
{
    (*(void (**)(void))body)();
}

/* As child_passes, for a body without an argument. */
static inline bool check_in_child(void (*body)(void))
{
    return child_passes(run_body, &body);
}

#endif

#ifdef __linux__
static inline void limit_data_a_little(void)
{
    limit_data(32 * MIB);
}
#endif

/* Emulators of Linux's system calls keep no limits, for their own sake. */
static inline bool is_emulated(void)
{
#ifdef __linux__
    return !check_in_child(limit_data_a_little);
#else
    return false;
#endif
}

#endif
