/* vmem_darwin.h - what the macOS files of this folder share. Not part of the contract. */
#ifndef GROWABLE_VMEM_DARWIN_H
#define GROWABLE_VMEM_DARWIN_H

#include "vmem_posix.h"

#include <mach/mach.h>
#include <unistd.h>

static inline size_t darwin_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Mach has errors of its own; these are the errno values that mmap gives for them. */
int darwin_errno(kern_return_t result);

/* Maps private zero pages at an aligned address. */
int darwin_map_aligned(size_t size, size_t alignment, vm_prot_t access, void **address);

#endif
