/* vmem_posix.c - what Linux and macOS do alike, and what both lack.
 *
 * What a reader would get wrong: a placeholder is nothing to these systems. A fixed mapping replaces
 * whatever reserved pages it meets, so there is nothing to split or to join; which part of a
 * reservation is a placeholder is known to the caller alone.
 */
#define _DARWIN_C_SOURCE
#define _GNU_SOURCE

#include "vmem_posix.h"

#include <sys/mman.h>

/* ---- access ------------------------------------------------------------------------------ */

int posix_protection(enum vmem_access access)
{
    switch (access) {
    case VMEM_READ:
        return PROT_READ;
    case VMEM_READ_WRITE:
        return PROT_READ | PROT_WRITE;
    case VMEM_READ_EXECUTE:
        return PROT_READ | PROT_EXEC;
    case VMEM_READ_WRITE_EXECUTE:
        return PROT_READ | PROT_WRITE | PROT_EXEC;
    case VMEM_NO_ACCESS:
        break;
    }
    return PROT_NONE;
}

int posix_protect(void *address, size_t size, enum vmem_access access)
{
    return mprotect(address, size, posix_protection(access)) == 0 ? 0 : errno;
}

int vmem_protect(void *address, size_t size, enum vmem_access access)
{
    return posix_protect(address, size, access);
}

/* ---- one call of the system each -------------------------------------------------------- */

int vmem_lock(void *address, size_t size)
{
    return mlock(address, size) == 0 ? 0 : errno;
}

int vmem_unlock(void *address, size_t size)
{
    return munlock(address, size) == 0 ? 0 : errno;
}

bool vmem_is_occupied(int error)
{
    return error == EEXIST;
}

bool vmem_is_locked(int error)
{
    return error == EBUSY;
}

const char *vmem_missing_privilege(int error)
{
    (void)error;
    return NULL;
}

/* ---- placeholders ------------------------------------------------------------------------ */

int vmem_split(void *address, size_t size)
{
    (void)address;
    (void)size;
    return 0;
}

int vmem_coalesce(void *address, size_t size)
{
    (void)address;
    (void)size;
    return 0;
}

int vmem_replace(void *address, size_t size)
{
    (void)address;
    (void)size;
    return 0;
}

int vmem_preserve(void *address, size_t size)
{
    return vmem_decommit(address, size);
}

/* ---- not to be had ----------------------------------------------------------------------- */

int vmem_protect_caching(void *address, size_t size, enum vmem_access access,
                         enum vmem_caching caching)
{
    return caching == VMEM_CACHED ? posix_protect(address, size, access) : UNSUPPORTED;
}

int vmem_undo_discard(void *address, size_t size)
{
    (void)address;
    (void)size;
    return UNSUPPORTED;
}

int vmem_offer(void *address, size_t size, enum vmem_priority priority)
{
    (void)address;
    (void)size;
    (void)priority;
    return UNSUPPORTED;
}

int vmem_reclaim(void *address, size_t size, bool *lost)
{
    (void)address;
    (void)size;
    (void)lost;
    return UNSUPPORTED;
}

/* The kernel takes the address as a wish, and a range elsewhere for a refusal. */
static int reserve_behind(char *end, size_t size)
{
    void *found = mmap(end, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) {
        return errno;
    }
    if (found == end) {
        return 0;
    }
    munmap(found, size);
    return EEXIST;
}

int vmem_resize(void *address, size_t size, size_t new_size)
{
    char *start = address;
    if (new_size > size) {
        return reserve_behind(start + size, new_size - size);
    }
    return new_size == size || munmap(start + new_size, size - new_size) == 0 ? 0 : errno;
}
