/* vmem_windows.h - what the Windows files of this folder share. Not part of the contract.
 *
 * What a reader would get wrong: this is to be included before any header of the system, because it
 * says which version of Windows they are to describe. What is newer is looked up at run time.
 */
#ifndef GROWABLE_VMEM_WINDOWS_H
#define GROWABLE_VMEM_WINDOWS_H

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0603
#endif
#define PSAPI_VERSION 2 /* QueryWorkingSetEx from kernel32 itself */
#define WIN32_LEAN_AND_MEAN

#include "vmem.h"

#include <windows.h>

#include <psapi.h>
#include <stdint.h>

#define UNSUPPORTED ERROR_NOT_SUPPORTED

/* GetLastError(), but never 0. */
int windows_last_error(void);

SYSTEM_INFO windows_system_info(void);

static inline size_t windows_page_size(void)
{
    return windows_system_info().dwPageSize;
}

static inline size_t windows_granularity(void)
{
    return windows_system_info().dwAllocationGranularity;
}

/* A function of a library that is loaded already, or NULL: cast it to what it is. */
typedef void (*windows_function)(void);
windows_function windows_find(const wchar_t *library, const char *name);

/* PAGE_... */
DWORD windows_protection(enum vmem_access access);

/* How much of [address, address + size) belongs to the allocation that `address` lies in. Each
 * placeholder that was split off or replaced is an allocation of its own, and so is each view. */
size_t windows_piece(const void *address, size_t size);

/* Calls `apply` for the whole range, or, where that fails since the range is of several
 * allocations, for one after the other. */
int windows_by_pieces(void *address, size_t size, int (*apply)(void *, size_t, DWORD),
                      DWORD argument);

/* ---- vmem_place_windows.c ---------------------------------------------------------------- */

bool windows_can_placeholder(void);
unsigned windows_count_nodes(void);

/* vmem_reserve_at for a process. */
int windows_reserve(HANDLE process, size_t size, const struct vmem_place *place, void **address);

#endif
