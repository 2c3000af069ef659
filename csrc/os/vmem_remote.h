/* vmem_remote.h - pages of another process: the contract.
 *
 * The rules of vmem.h hold, for addresses of that process. vmem_remote_windows.c implements it where
 * a process may do such things to another, vmem_remote_posix.c where it may not: there every call
 * fails with an error for which vmem_is_unsupported() is true. vmem_info.can_other_process tells.
 *
 * What a reader would get wrong: an address from here means nothing in this process. It may even be
 * one that something else has here, so it must not reach any function of vmem.h.
 */
#ifndef GROWABLE_VMEM_REMOTE_H
#define GROWABLE_VMEM_REMOTE_H

#include "vmem.h"

#define VMEM_THIS_PROCESS ((intptr_t)0)

/* A handle of our own for a process, of one that stays the caller's; never VMEM_THIS_PROCESS. What
 * it allows is what that one allows. */
int vmem_remote_open(intptr_t handle, intptr_t *process);
void vmem_remote_close(intptr_t process);

/* As vmem_reserve_at; without page_size, placeholder and write_watch. */
int vmem_remote_reserve(intptr_t process, size_t size, const struct vmem_place *place,
                        void **address);

/* As the functions of vmem.h. Pages that become executable need no vmem_flush_instructions. */
int vmem_remote_commit(intptr_t process, void *address, size_t size, enum vmem_access access);
int vmem_remote_decommit(intptr_t process, void *address, size_t size);
int vmem_remote_protect(intptr_t process, void *address, size_t size, enum vmem_access access);
int vmem_remote_release(intptr_t process, void *address, size_t size);

/* A handle that means in the other process what `handle` means here. It is that process's to
 * close. */
int vmem_remote_share(intptr_t process, intptr_t handle, intptr_t *theirs);

#endif
