/* vmem_section_posix.h - what vmem_section_posix.c needs of one POSIX system. Seen by the two alone.
 *
 * Results are 0 or errno.
 */
#ifndef GROWABLE_VMEM_SECTION_POSIX_H
#define GROWABLE_VMEM_SECTION_POSIX_H

#include "vmem_section.h"

/* Pages without a name and without storage, of size 0. */
int section_make_anonymous(struct vmem_section *section);

/* Storage for the bytes [from, to) of a file, whose size becomes `to`; EOPNOTSUPP where that must be
 * had by writing. `memory` says that it comes out of the machine's memory. After a failure the size
 * is as before, but storage may stand behind bytes past the end. */
int section_allocate(int file, size_t from, size_t to, bool memory);

/* Keeps everybody from writing. */
int section_seal_pages(struct vmem_section *section);

/* Whether everybody is kept from writing to a file of somebody else's making. */
bool section_is_sealed(int file);

/* The folder, with a slash at its end, where named sections stand. */
int section_folder(char *path, size_t size);

#endif
