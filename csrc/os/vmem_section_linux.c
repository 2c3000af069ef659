/* vmem_section_linux.c - what is Linux's own in vmem_section_posix.c: memfd, seals, fallocate.
 *
 * What a reader would get wrong: fallocate() on a memfd takes memory at once, page by page, and
 * nothing but the OOM killer stops it where there is too little. So the memory that the system says
 * it has is looked at first. That is a snapshot, and a container's limit is looked at only where its
 * files stand in the usual place: both narrow the gap, neither closes it.
 */
#define _GNU_SOURCE

#include "vmem_section_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Values of the kernel's interface that older C libraries do not name. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

void vmem_section_query(struct vmem_section_info *info)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *info = (struct vmem_section_info){
        .page_size = page,
        .granularity = page,
        .can_seal = true,
        .forces_seal = true,
        .can_resize = true,
        .can_map_placed = true,
        .has_descriptors = true,
    };
}

/* ---- storage ----------------------------------------------------------------------------- */

/* The number after `key` in a file of lines "key  number", or SIZE_MAX; with an empty key the
 * number that the file begins with. */
static size_t read_value(const char *path, const char *key)
{
    char line[128];
    size_t length = strlen(key);
    size_t value = SIZE_MAX;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return value;
    }
    while (value == SIZE_MAX && fgets(line, sizeof line, file) != NULL) {
        char *end;
        unsigned long long number = strtoull(line + (strncmp(line, key, length) == 0 ? length : 0),
                                             &end, 10);
        bool is_number = strncmp(line, key, length) == 0 && end != line + length;
        value = is_number && number < SIZE_MAX ? (size_t)number : SIZE_MAX;
    }
    fclose(file);
    return value;
}

static size_t add(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

/* Bytes that can be had without killing anybody, as far as can be told. */
static size_t available_memory(void)
{
    size_t free_kib = read_value("/proc/meminfo", "MemAvailable:");
    size_t swap_kib = read_value("/proc/meminfo", "SwapFree:");
    size_t kib = add(free_kib, swap_kib == SIZE_MAX ? 0 : swap_kib);
    size_t system = kib > SIZE_MAX / 1024 ? SIZE_MAX : kib * 1024;
    size_t limit = read_value("/sys/fs/cgroup/memory.max", "");
    size_t used = read_value("/sys/fs/cgroup/memory.current", "");
    if (limit == SIZE_MAX || used == SIZE_MAX) {
        return system;
    }
    size_t left = limit > used ? limit - used : 0;
    return left < system ? left : system;
}

static const size_t largest_step = (size_t)64 << 20;

/* In steps, since a signal makes the kernel give up the whole of one: a program whose profiler sends
 * a thousand a second would never get a gigabyte. The size is set last. */
int section_allocate(int file, size_t from, size_t to, bool memory)
{
    size_t step = largest_step;
    if (memory && to - from > available_memory()) {
        return ENOMEM;
    }
    while (from < to) {
        size_t some = to - from < step ? to - from : step;
        if (fallocate(file, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)some) == 0) {
            from += some;
            step = step < largest_step ? step * 2 : step;
        } else if (errno != EINTR) {
            return errno;
        } else if (step > 65536) {
            step /= 2;
        }
    }
    struct stat found;
    if (fstat(file, &found) != 0) {
        return errno;
    }
    if ((size_t)found.st_size >= to) {
        return 0;
    }
    int result;
    do {
        result = ftruncate(file, (off_t)to);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

const char *vmem_section_limit(enum vmem_section_kind kind, int error)
{
    switch (error) {
    case EFBIG:
        return "RLIMIT_FSIZE";
    case EDQUOT:
        return "quota";
    case ENOSPC:
        return kind == VMEM_SECTION_NAMED ? "/dev/shm" : "free space of the file system";
    default:
        return "MemAvailable";
    }
}

/* ---- anonymous sections ------------------------------------------------------------------ */

/* MFD_NOEXEC_SEAL (6.3): the file itself cannot be run as a program. Pages of it may still be mapped
 * for executing. Nobody may make it smaller, so no mapping of it can lose its pages. */
int section_make_anonymous(struct vmem_section *section)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int file = memfd_create("growable", flags | MFD_NOEXEC_SEAL);
    if (file < 0 && errno == EINVAL) {
        file = memfd_create("growable", flags);
    }
    if (file < 0) {
        return errno;
    }
    if (fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
        int error = errno;
        close(file);
        return error;
    }
    *section = (struct vmem_section){
        .pages = file,
        .file = VMEM_NO_HANDLE,
        .kind = VMEM_SECTION_ANONYMOUS,
        .writable = true,
    };
    return 0;
}

bool section_is_sealed(int file)
{
    int seals = fcntl(file, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_WRITE) != 0 && (seals & F_SEAL_SHRINK) != 0;
}

/* EPERM and EINVAL are what files say that take no seals: those in /dev/shm, and on disks. */
int section_seal_pages(struct vmem_section *section)
{
    int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    if (fcntl((int)section->pages, F_ADD_SEALS, seals) != 0) {
        return errno == EPERM || errno == EINVAL ? ENOTSUP : errno;
    }
    section->writable = false;
    section->sealed = true;
    return 0;
}

int section_folder(char *path, size_t size)
{
    static const char folder[] = "/dev/shm/";
    if (size < sizeof folder) {
        return ENAMETOOLONG;
    }
    memcpy(path, folder, sizeof folder);
    return 0;
}
