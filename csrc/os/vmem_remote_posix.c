/* vmem_remote_posix.c - the contract of vmem_remote.h where no process can map pages into another.
 *
 * What a reader would get wrong: Linux can read and write another process, and move its pages about
 * with advice, but not reserve, commit or protect them. macOS can, with a right that only debuggers
 * get, so it is left out.
 */
#include "vmem_posix.h"
#include "vmem_remote.h"

int vmem_remote_open(intptr_t handle, intptr_t *process)
{
    (void)handle;
    (void)process;
    return UNSUPPORTED;
}

void vmem_remote_close(intptr_t process)
{
    (void)process;
}

int vmem_remote_reserve(intptr_t process, size_t size, const struct vmem_place *place,
                        void **address)
{
    (void)process;
    (void)size;
    (void)place;
    (void)address;
    return UNSUPPORTED;
}

int vmem_remote_commit(intptr_t process, void *address, size_t size, enum vmem_access access)
{
    (void)process;
    (void)address;
    (void)size;
    (void)access;
    return UNSUPPORTED;
}

int vmem_remote_decommit(intptr_t process, void *address, size_t size)
{
    (void)process;
    (void)address;
    (void)size;
    return UNSUPPORTED;
}

int vmem_remote_protect(intptr_t process, void *address, size_t size, enum vmem_access access)
{
    return vmem_remote_commit(process, address, size, access);
}

int vmem_remote_release(intptr_t process, void *address, size_t size)
{
    return vmem_remote_decommit(process, address, size);
}

int vmem_remote_share(intptr_t process, intptr_t handle, intptr_t *theirs)
{
    (void)process;
    (void)handle;
    (void)theirs;
    return UNSUPPORTED;
}
