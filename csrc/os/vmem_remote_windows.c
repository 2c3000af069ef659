/* vmem_remote_windows.c - the contract of vmem_remote.h: VirtualAllocEx and its like, by the handle
 * of a process.
 *
 * What a reader would get wrong: the handle must allow PROCESS_VM_OPERATION, and PROCESS_DUP_HANDLE
 * for vmem_remote_share. Whoever started a process has a handle that allows all; one from
 * OpenProcess allows what was asked for.
 */
#include "vmem_windows.h"

#include "vmem_remote.h"

static HANDLE handle_of(intptr_t process)
{
    return (HANDLE)process;
}

int vmem_remote_open(intptr_t handle, intptr_t *process)
{
    HANDLE self = GetCurrentProcess();
    HANDLE made;
    if (!DuplicateHandle(self, handle_of(handle), self, &made, 0, FALSE, DUPLICATE_SAME_ACCESS)) {
        return windows_last_error();
    }
    if (GetProcessId(made) == 0) {
        CloseHandle(made);
        return ERROR_INVALID_HANDLE;
    }
    *process = (intptr_t)made;
    return 0;
}

void vmem_remote_close(intptr_t process)
{
    CloseHandle(handle_of(process));
}

int vmem_remote_reserve(intptr_t process, size_t size, const struct vmem_place *place,
                        void **address)
{
    if (place->page_size != 0 || place->placeholder || place->write_watch) {
        return ERROR_INVALID_PARAMETER;
    }
    return windows_reserve(handle_of(process), size, place, address);
}

static void flush_if_executable(intptr_t process, void *address, size_t size,
                                enum vmem_access access)
{
    if (access == VMEM_READ_EXECUTE || access == VMEM_READ_WRITE_EXECUTE) {
        (void)FlushInstructionCache(handle_of(process), address, size);
    }
}

int vmem_remote_commit(intptr_t process, void *address, size_t size, enum vmem_access access)
{
    if (VirtualAllocEx(handle_of(process), address, size, MEM_COMMIT, windows_protection(access))
        == NULL) {
        return windows_last_error();
    }
    flush_if_executable(process, address, size, access);
    return 0;
}

int vmem_remote_decommit(intptr_t process, void *address, size_t size)
{
    return VirtualFreeEx(handle_of(process), address, size, MEM_DECOMMIT) ? 0
                                                                          : windows_last_error();
}

int vmem_remote_protect(intptr_t process, void *address, size_t size, enum vmem_access access)
{
    DWORD before;
    if (!VirtualProtectEx(handle_of(process), address, size, windows_protection(access),
                          &before)) {
        return windows_last_error();
    }
    flush_if_executable(process, address, size, access);
    return 0;
}

int vmem_remote_release(intptr_t process, void *address, size_t size)
{
    (void)size; /* the system knows it */
    return VirtualFreeEx(handle_of(process), address, 0, MEM_RELEASE) ? 0 : windows_last_error();
}

int vmem_remote_share(intptr_t process, intptr_t handle, intptr_t *theirs)
{
    HANDLE made;
    if (!DuplicateHandle(GetCurrentProcess(), handle_of(handle), handle_of(process), &made, 0,
                         FALSE, DUPLICATE_SAME_ACCESS)) {
        return windows_last_error();
    }
    *theirs = (intptr_t)made;
    return 0;
}
