/* vmem_section_posix.c - the contract of vmem_section.h where sections are file descriptors.
 *
 * What a reader would get wrong: the objects of shm_open live until somebody unlinks them, so a
 * program that is killed leaves memory behind, and one that guesses who is the last (as a tracker
 * process does) takes names away from others. Here every holder of a name keeps a shared flock() on
 * its file. The kernel drops the lock with the last descriptor of the holder, however that ends. So
 * whoever gets the exclusive lock knows that the name is held by nobody, and may remove it.
 *
 * A lock belongs to what one open() gave: it is shared with the descriptors that fork() hands on, and
 * a mapping keeps it as well. So the lock is on a descriptor of its own (`file`), that is never
 * mapped; and whether others hold the name is asked through a fresh one.
 */
#ifdef __APPLE__
#define _DARWIN_C_SOURCE
#else
#define _GNU_SOURCE
#endif

#include "vmem_posix.h"
#include "vmem_section_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "growable."  /* of a name */
#define NASCENT "growable+" /* of a file that has no name yet */

enum { PATH_BYTES = 1024, ATTEMPTS = 1000, ZEROS = 65536 };

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t size)
{
    size_t mask = page_size() - 1;
    return size > SIZE_MAX - mask ? SIZE_MAX & ~mask : (size + mask) & ~mask;
}

static int descriptor(const struct vmem_section *section)
{
    return (int)section->pages;
}

/* ---- files ------------------------------------------------------------------------------- */

/* 0 in *size for what has none (a pipe, a socket). */
static int file_size(int file, size_t *size)
{
    struct stat found;
    if (fstat(file, &found) != 0) {
        return errno;
    }
    if (S_ISDIR(found.st_mode)) {
        return EISDIR;
    }
    if (found.st_size < 0 || (uintmax_t)found.st_size > PTRDIFF_MAX) {
        return EFBIG;
    }
    *size = (size_t)found.st_size;
    return 0;
}

static int set_file_size(int file, size_t size)
{
    int result;
    do {
        result = ftruncate(file, (off_t)size);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

static int open_file(const char *path, int flags)
{
    int file;
    do {
        file = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    } while (file < 0 && errno == EINTR);
    return file;
}

/* Where the file system cannot allocate without writing: zeros past the end. */
static int write_zeros(int file, size_t from, size_t to)
{
    static const char zeros[ZEROS];
    while (from < to) {
        size_t some = to - from < sizeof zeros ? to - from : sizeof zeros;
        ssize_t written = pwrite(file, zeros, some, (off_t)from);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        from += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* Makes a file `size` bytes large, with storage for the new ones. Holes that the file has already
 * stay: to fill them is not what its owner asked for. */
static int grow_file(int file, size_t old_size, size_t size, bool memory)
{
    size_t from = old_size & ~(page_size() - 1); /* the last page, too, may be a hole */
    int error = section_allocate(file, from, size, memory);
    if (error == EOPNOTSUPP) {
        error = write_zeros(file, old_size, size);
    }
    if (error != 0) {
        (void)set_file_size(file, old_size); /* gives storage past the end back */
    }
    return error;
}

static bool is_same_file(int file, const char *path)
{
    struct stat one;
    struct stat other;
    return fstat(file, &one) == 0 && lstat(path, &other) == 0 && one.st_ino == other.st_ino
           && one.st_dev == other.st_dev;
}

/* ---- anonymous sections and files -------------------------------------------------------- */

int vmem_section_create(size_t size, struct vmem_section *section)
{
    struct vmem_section made;
    int error = size > PTRDIFF_MAX ? ENOMEM : section_make_anonymous(&made);
    if (error != 0) {
        return error;
    }
    error = grow_file(descriptor(&made), 0, size, true);
    if (error != 0) {
        vmem_section_close(&made, NULL);
        return error;
    }
    *section = made;
    return 0;
}

static int flags_of(enum vmem_section_mode mode)
{
    switch (mode) {
    case VMEM_SECTION_UPDATE:
        return O_RDWR;
    case VMEM_SECTION_REPLACE:
        return O_RDWR | O_CREAT | O_TRUNC;
    case VMEM_SECTION_NEW:
        return O_RDWR | O_CREAT | O_EXCL;
    case VMEM_SECTION_READ:
        break;
    }
    return O_RDONLY;
}

static int size_opened(int file, enum vmem_section_mode mode, size_t wanted)
{
    size_t size = 0;
    int error = file_size(file, &size);
    if (error != 0) {
        return error;
    }
    if (mode == VMEM_SECTION_READ || (size >= wanted && size != 0)) {
        return size == 0 || size < wanted ? ENXIO : 0;
    }
    return wanted == 0 ? ENXIO : grow_file(file, size, wanted, false);
}

int vmem_section_open_file(const char *path, enum vmem_section_mode mode, size_t size,
                           struct vmem_section *section)
{
    if (size > PTRDIFF_MAX) {
        return EFBIG;
    }
    int file = open_file(path, flags_of(mode));
    if (file < 0) {
        return errno;
    }
    int error = size_opened(file, mode, size);
    if (error != 0) {
        if (mode == VMEM_SECTION_NEW && is_same_file(file, path)) {
            (void)unlink(path);
        }
        close(file);
        return error;
    }
    *section = (struct vmem_section){
        .pages = file,
        .file = VMEM_NO_HANDLE,
        .kind = VMEM_SECTION_FILE,
        .writable = mode != VMEM_SECTION_READ,
    };
    return 0;
}

int vmem_section_size(const struct vmem_section *section, size_t *size)
{
    return file_size(descriptor(section), size);
}

int vmem_section_resize(struct vmem_section *section, size_t size)
{
    size_t old_size = 0;
    if (size > PTRDIFF_MAX) {
        return EFBIG;
    }
    int error = file_size(descriptor(section), &old_size);
    if (error != 0) {
        return error;
    }
    if (size < old_size) {
        return EINVAL;
    }
    return grow_file(descriptor(section), old_size, size, section->kind != VMEM_SECTION_FILE);
}

int vmem_section_seal(struct vmem_section *section)
{
    return section_seal_pages(section);
}

/* ---- names ------------------------------------------------------------------------------- */

enum holding { HELD, FREE, ASK_AGAIN };

/* Takes part in holding the file's name, or finds that nobody does and holds it alone. ASK_AGAIN
 * while somebody removes it, or after. */
static enum holding hold(int file)
{
    struct stat found;
    if (flock(file, LOCK_EX | LOCK_NB) == 0) {
        return FREE;
    }
    if (flock(file, LOCK_SH | LOCK_NB) != 0 || fstat(file, &found) != 0 || found.st_nlink == 0) {
        return ASK_AGAIN;
    }
    return HELD;
}

static void wait_a_little(void)
{
    struct timespec moment = {.tv_nsec = 1000000};
    (void)nanosleep(&moment, NULL);
}

/* Removes a name that nobody holds. Never waits, and never fails: it is only tidying. */
static void remove_unheld(const char *path)
{
    int file = open_file(path, O_RDONLY | O_NOFOLLOW);
    if (file < 0) {
        return;
    }
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && is_same_file(file, path)) {
        (void)unlink(path);
    }
    close(file);
}

static int compose(char *path, size_t size, const char *prefix, const char *name)
{
    char folder[PATH_BYTES];
    int error = section_folder(folder, sizeof folder);
    if (error != 0) {
        return error;
    }
    int length = snprintf(path, size, "%s%s%s", folder, prefix, name);
    return length > 0 && (size_t)length < size ? 0 : ENAMETOOLONG;
}

static void remove_leftovers(void)
{
    char folder[PATH_BYTES];
    char path[PATH_BYTES + NAME_MAX];
    DIR *all = section_folder(folder, sizeof folder) == 0 ? opendir(folder) : NULL;
    if (all == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(all); entry != NULL; entry = readdir(all)) {
        bool ours = strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0
                    || strncmp(entry->d_name, NASCENT, strlen(NASCENT)) == 0;
        int length = ours ? snprintf(path, sizeof path, "%s%s", folder, entry->d_name) : -1;
        if (length > 0 && (size_t)length < sizeof path) {
            remove_unheld(path);
        }
    }
    closedir(all);
}

/* A new file, held, that is not to be found under a name yet. Between its making and its locking
 * somebody who tidies up may remove it; hence the link count. */
static int make_nascent(char *path, size_t size, int *file)
{
    static _Atomic unsigned made;
    char number[48];
    for (int i = 0; i < ATTEMPTS; i++) {
        struct stat found;
        unsigned serial = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
        (void)snprintf(number, sizeof number, "%ld.%u", (long)getpid(), serial);
        int error = compose(path, size, NASCENT, number);
        if (error != 0) {
            return error;
        }
        int new_file = open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
        if (new_file < 0 && errno != EEXIST) {
            return errno == ENOENT ? ENOTSUP : errno; /* there is no such folder */
        }
        if (new_file >= 0 && flock(new_file, LOCK_SH | LOCK_NB) == 0 && fstat(new_file, &found) == 0
            && found.st_nlink != 0) {
            *file = new_file;
            return 0;
        }
        if (new_file >= 0) {
            close(new_file);
        }
    }
    return EEXIST;
}

/* Beside the descriptor that holds the name, which this takes over, one for the pages. While the
 * name is held the path leads to the same file. */
static int open_pages(const char *path, int held, bool writable, struct vmem_section *section)
{
    int file = open_file(path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW);
    if (file < 0) {
        int error = errno;
        close(held);
        remove_unheld(path);
        return error;
    }
    *section = (struct vmem_section){
        .pages = file,
        .file = held,
        .kind = VMEM_SECTION_NAMED,
        .writable = writable,
    };
    return 0;
}

/* A name left behind gives way. */
static int publish(const char *nascent, const char *path)
{
    if (link(nascent, path) == 0) {
        return 0;
    }
    if (errno != EEXIST) {
        return errno;
    }
    remove_unheld(path);
    return link(nascent, path) == 0 ? 0 : errno;
}

int vmem_section_create_named(const char *name, size_t size, struct vmem_section *section)
{
    char path[PATH_BYTES];
    char nascent[PATH_BYTES];
    int held = -1;
    if (size > PTRDIFF_MAX) {
        return ENOMEM;
    }
    remove_leftovers();
    int error = compose(path, sizeof path, PREFIX, name);
    if (error == 0) {
        error = make_nascent(nascent, sizeof nascent, &held);
    }
    if (error != 0) {
        return error;
    }
    error = grow_file(held, 0, size, true);
    if (error == 0) {
        error = publish(nascent, path);
    }
    (void)unlink(nascent);
    if (error != 0) {
        close(held);
        return error;
    }
    return open_pages(path, held, true, section);
}

/* A file that somebody else made could be made smaller, or be something else, at their will. */
static bool is_ours(int file)
{
    struct stat found;
    return fstat(file, &found) == 0 && S_ISREG(found.st_mode) && found.st_uid == geteuid();
}

static int open_held(const char *path, int *held)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        int file = open_file(path, O_RDONLY | O_NOFOLLOW);
        if (file < 0) {
            return errno;
        }
        enum holding holding = is_ours(file) ? hold(file) : HELD;
        if (holding == HELD && is_ours(file)) {
            *held = file;
            return 0;
        }
        if (holding == FREE && is_same_file(file, path)) {
            (void)unlink(path);
        }
        close(file);
        if (holding == HELD) {
            return EACCES;
        }
        if (holding == ASK_AGAIN) {
            wait_a_little();
        }
    }
    return EAGAIN;
}

int vmem_section_open_named(const char *name, bool writable, struct vmem_section *section)
{
    char path[PATH_BYTES];
    int held = -1;
    int error = compose(path, sizeof path, PREFIX, name);
    if (error == 0) {
        error = open_held(path, &held);
    }
    return error != 0 ? error : open_pages(path, held, writable, section);
}

/* A descriptor that holds the name of pages that came from elsewhere, or -1 where the name is gone,
 * or somebody else's by now: pages do without. */
static int hold_again(int file, const char *name)
{
    char path[PATH_BYTES];
    int held = -1;
    if (compose(path, sizeof path, PREFIX, name) != 0 || open_held(path, &held) != 0) {
        return -1;
    }
    if (is_same_file(file, path)) {
        return held;
    }
    close(held);
    return -1;
}

int vmem_section_adopt(intptr_t handle, const char *name, struct vmem_section *section)
{
    size_t size = 0;
    if (handle < 0 || handle > INT_MAX) {
        return EBADF;
    }
    int error = file_size((int)handle, &size);
    if (error != 0 || size == 0) {
        return error != 0 ? error : EINVAL;
    }
    int file = fcntl((int)handle, F_DUPFD_CLOEXEC, 0);
    if (file < 0) {
        return errno;
    }
    bool sealed = section_is_sealed(file);
    int held = name != NULL ? hold_again(file, name) : -1;
    *section = (struct vmem_section){
        .pages = file,
        .file = held,
        .kind = held >= 0 ? VMEM_SECTION_NAMED : VMEM_SECTION_FOREIGN,
        .writable = !sealed && (fcntl(file, F_GETFL) & O_ACCMODE) == O_RDWR,
        .sealed = sealed,
    };
    return 0;
}


/* Asks whether others hold the name when our own hold is gone, so not even two that close it at the
 * same time both leave it behind: the later of them finds nobody. */
static void let_go(int held, const char *name)
{
    char path[PATH_BYTES];
    bool ours = compose(path, sizeof path, PREFIX, name) == 0 && is_same_file(held, path);
    close(held);
    if (ours) {
        remove_unheld(path);
    }
}

void vmem_section_close(struct vmem_section *section, const char *name)
{
    int file = (int)section->file;
    close(descriptor(section));
    if (section->kind == VMEM_SECTION_NAMED && name != NULL) {
        let_go(file, name);
    } else if (section->file != VMEM_NO_HANDLE) {
        close(file);
    }
    section->pages = VMEM_NO_HANDLE;
    section->file = VMEM_NO_HANDLE;
}

/* ---- mappings ---------------------------------------------------------------------------- */

int vmem_section_check(const struct vmem_section *section, size_t offset, size_t size)
{
    size_t found = 0;
    int error = file_size(descriptor(section), &found);
    if (error != 0) {
        return error;
    }
    found = round_up(found);
    return offset <= found && size <= found - offset ? 0 : ENXIO;
}

/* What nobody can write to can be mapped privately, which shows the same bytes. Linux before 6.7
 * refuses to share sealed pages even for reading. */
static int map_at(const struct vmem_section *section, size_t offset, void *address, size_t size,
                  enum vmem_access access, bool copy_on_write, int flags, void **found)
{
    int error = vmem_section_check(section, offset, size);
    if (error != 0) {
        return error;
    }
    flags |= copy_on_write || section->sealed ? MAP_PRIVATE : MAP_SHARED;
    bool writes = access == VMEM_READ_WRITE || access == VMEM_READ_WRITE_EXECUTE;
    if (writes && !copy_on_write && !section->writable) {
        return EACCES;
    }
    void *mapped = mmap(address, size, posix_protection(access), flags, descriptor(section),
                        (off_t)offset);
    if (mapped == MAP_FAILED) {
        return errno;
    }
    *found = mapped;
    return 0;
}

int vmem_section_view(const struct vmem_section *section, size_t offset, size_t size,
                      enum vmem_access access, bool copy_on_write, void **address)
{
    return map_at(section, offset, NULL, size, access, copy_on_write, 0, address);
}

int vmem_section_unview(void *address, size_t size)
{
    return munmap(address, size) == 0 ? 0 : errno;
}

int vmem_section_map(const struct vmem_section *section, size_t offset, void *address, size_t size,
                     enum vmem_access access, bool copy_on_write)
{
    void *found;
    return map_at(section, offset, address, size, access, copy_on_write, MAP_FIXED, &found);
}

int vmem_section_unmap(void *address, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANON | MAP_FIXED;
    return mmap(address, size, PROT_NONE, flags, -1, 0) != MAP_FAILED ? 0 : errno;
}

/* Private mappings need nothing special. */
int vmem_section_protect_copy(void *address, size_t size, enum vmem_access access)
{
    return posix_protect(address, size, access);
}

/* The addresses are reserved as one range first, so that laying a mapping over them cannot hit what
 * belongs to somebody else. */
int vmem_section_repeat(const struct vmem_section *section, size_t offset, size_t size,
                        unsigned times, enum vmem_access access, void **address)
{
    if (times == 0 || size > PTRDIFF_MAX / times) {
        return ENOMEM;
    }
    size_t total = size * times;
    char *range = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (range == MAP_FAILED) {
        return errno;
    }
    for (unsigned i = 0; i < times; i++) {
        int error = vmem_section_map(section, offset, range + i * size, size, access, false);
        if (error != 0) {
            munmap(range, total);
            return error;
        }
    }
    *address = range;
    return 0;
}

int vmem_section_unrepeat(void *address, size_t size, unsigned times)
{
    return vmem_section_unview(address, size * times);
}

/* ---- errors ------------------------------------------------------------------------------ */

bool vmem_section_exists(int error)
{
    return error == EEXIST;
}

bool vmem_section_missing(int error)
{
    return error == ENOENT;
}

bool vmem_section_busy(int error)
{
    return error == EBUSY;
}

bool vmem_section_is_short(int error)
{
    return error == ENXIO;
}

bool vmem_section_no_storage(int error)
{
    return error == ENOSPC || error == ENOMEM || error == EFBIG || error == EDQUOT;
}
