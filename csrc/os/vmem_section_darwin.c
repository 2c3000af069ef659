/* vmem_section_darwin.c - what is macOS's own in vmem_section_posix.c.
 *
 * What a reader would get wrong: objects of shm_open take no flock() here and their names are 31
 * bytes at most, so named sections are files in the user's own temporary folder, and only pages
 * without a name are such an object: one that is unlinked as soon as it is made. It can be given a
 * size once and never again.
 *
 * State of proof: compiled and linked by cross-compilers only. Nothing in this file has been seen
 * to run.
 */
#define _DARWIN_C_SOURCE

#include "vmem_section_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 100 };

void vmem_section_query(struct vmem_section_info *info)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *info = (struct vmem_section_info){
        .page_size = page,
        .granularity = page,
        .can_seal = true,
        .can_resize = false,
        .can_map_placed = true,
        .has_descriptors = true,
    };
}

/* F_PREALLOCATE counts from the end of what is allocated, so it is asked for the rest alone. Memory
 * is never refused here: a commit takes it from nobody. */
int section_allocate(int file, size_t from, size_t to, bool memory)
{
    struct stat found;
    if (fstat(file, &found) != 0) {
        return errno;
    }
    size_t size = found.st_size > 0 ? (size_t)found.st_size : 0;
    if (!memory && size < to) {
        fstore_t store = {
            .fst_flags = F_ALLOCATEALL,
            .fst_posmode = F_PEOFPOSMODE,
            .fst_length = (off_t)(to - size),
        };
        if (fcntl(file, F_PREALLOCATE, &store) != 0) {
            return errno == ENOTSUP ? EOPNOTSUPP : errno;
        }
    }
    (void)from;
    return size >= to || ftruncate(file, (off_t)to) == 0 ? 0 : errno;
}

const char *vmem_section_limit(enum vmem_section_kind kind, int error)
{
    (void)kind;
    switch (error) {
    case EFBIG:
        return "RLIMIT_FSIZE";
    case EDQUOT:
        return "quota";
    case ENOSPC:
        return "free space of the file system";
    default:
        return "memory";
    }
}

/* The second descriptor, for reading only, is what is left after sealing. */
int section_make_anonymous(struct vmem_section *section)
{
    static _Atomic unsigned made;
    char name[32];
    for (int i = 0; i < ATTEMPTS; i++) {
        unsigned serial = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
        (void)snprintf(name, sizeof name, "/growable%ld.%u", (long)getpid(), serial);
        int file = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (file < 0 && errno != EEXIST) {
            return errno;
        }
        if (file >= 0) {
            int reader = shm_open(name, O_RDONLY, 0);
            (void)shm_unlink(name);
            *section = (struct vmem_section){
                .pages = file,
                .file = reader >= 0 ? reader : VMEM_NO_HANDLE,
                .kind = VMEM_SECTION_ANONYMOUS,
                .writable = true,
            };
            return 0;
        }
    }
    return EEXIST;
}

bool section_is_sealed(int file)
{
    (void)file;
    return false;
}

int section_seal_pages(struct vmem_section *section)
{
    if (section->kind != VMEM_SECTION_ANONYMOUS || section->file == VMEM_NO_HANDLE) {
        return ENOTSUP;
    }
    close((int)section->pages);
    section->pages = section->file;
    section->file = VMEM_NO_HANDLE;
    section->writable = false;
    section->sealed = true;
    return 0;
}

int section_folder(char *path, size_t size)
{
    size_t length = confstr(_CS_DARWIN_USER_TEMP_DIR, path, size);
    if (length == 0) {
        return errno;
    }
    return length <= size ? 0 : ENAMETOOLONG;
}
