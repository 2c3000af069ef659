/* vmem_posix.h - what the files for Linux and macOS of this folder share. Not part of the contract.
 *
 * What a reader would get wrong: this is no place for what POSIX says. Here is only what both systems
 * are known to do alike.
 */
#ifndef GROWABLE_VMEM_POSIX_H
#define GROWABLE_VMEM_POSIX_H

#include "vmem.h"

#include <errno.h>

#define UNSUPPORTED ENOTSUP

/* PROT_... */
int posix_protection(enum vmem_access access);

/* What vmem_protect does, for use within this folder: a test that counts or refuses calls of
 * vmem_protect does not see it. */
int posix_protect(void *address, size_t size, enum vmem_access access);

#endif
