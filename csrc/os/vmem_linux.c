/* vmem_linux.c - the contract of vmem.h on Linux.
 *
 * What a reader would get wrong: mprotect(PROT_NONE) together with MADV_DONTNEED looks like a
 * decommit but keeps the commit charge of the pages. Only a fresh mapping laid over them gives the
 * charge back, so that is what vmem_decommit does. And neighbouring mappings with the same flags
 * merge into one, also with a stranger's: an munmap in the middle of what is one mapping to the
 * kernel makes two, and fails when the process has no mapping left (vm.max_map_count).
 *
 * Nothing here allocates from the heap or takes a lock, so all of it may run after fork() in a
 * process that had threads.
 */
#define _GNU_SOURCE

#include "vmem_linux.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Values of the kernel's interface that older C libraries do not name. */
#ifndef MADV_FREE
#define MADV_FREE 8
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef PR_GET_THP_DISABLE
#define PR_GET_THP_DISABLE 42
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_VMA_ANON_NAME
#define PR_SET_VMA_ANON_NAME 0
#endif

#define NAME_BYTES 80 /* the kernel's limit, the final NUL included */

/* ---- what this kernel can do ------------------------------------------------------------- */

static _Atomic int populate_answer = NOT_ASKED;
static _Atomic int name_answer = NOT_ASKED;

bool linux_kernel_is_at_least(unsigned major, unsigned minor)
{
    struct utsname system;
    unsigned found[2] = {0, 0};
    if (uname(&system) != 0) {
        return false;
    }
    const char *digit = system.release;
    for (int part = 0; part < 2; part++) {
        for (; *digit >= '0' && *digit <= '9' && found[part] < 100000; digit++) {
            found[part] = found[part] * 10 + (unsigned)(*digit - '0');
        }
        if (*digit++ != '.') {
            break;
        }
    }
    return found[0] > major || (found[0] == major && found[1] >= minor);
}

static void *map_pages(size_t size, int access, int flags)
{
    return mmap(NULL, size, access, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

int linux_advise(void *address, size_t size, int advice)
{
    int result;
    do {
        result = madvise(address, size, advice);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

/* The number of MADV_POPULATE_WRITE means something else on some older vendor kernels, hence the
 * version. Emulators of the system call interface answer every advice with success: they are found
 * out by a page that cannot be written and so must be refused. */
static int probe_populate(void *reserved_page, size_t size)
{
    if (!linux_kernel_is_at_least(5, 14)) {
        return NO;
    }
    return linux_advise(reserved_page, size, MADV_POPULATE_WRITE) != 0 ? YES : NO;
}

static int set_name(void *address, size_t size, const char *name)
{
    unsigned long start = (unsigned long)(uintptr_t)address;
    unsigned long text = (unsigned long)(uintptr_t)name;
    int result = prctl(PR_SET_VMA, (unsigned long)PR_SET_VMA_ANON_NAME, start,
                       (unsigned long)size, text);
    return result == 0 ? 0 : errno;
}

static int probe_name(void *reserved_page, size_t size)
{
    return set_name(reserved_page, size, "probe") == 0 ? YES : NO;
}

bool linux_ask(_Atomic int *answer, int (*probe)(void *, size_t))
{
    int known = atomic_load_explicit(answer, memory_order_relaxed);
    if (known != NOT_ASKED) {
        return known == YES;
    }
    size_t size = linux_page_size();
    void *page = map_pages(size, PROT_NONE, 0);
    if (page == MAP_FAILED) {
        return false;
    }
    known = probe(page, size);
    munmap(page, size);
    atomic_store_explicit(answer, known, memory_order_relaxed);
    return known == YES;
}

static bool accepts_huge_advice(void)
{
    size_t size = linux_page_size();
    void *page = map_pages(size, PROT_NONE, 0);
    if (page == MAP_FAILED) {
        return false;
    }
    int error = linux_advise(page, size, MADV_HUGEPAGE);
    munmap(page, size);
    return error == 0;
}

/* ---- vmem_query -------------------------------------------------------------------------- */

int linux_open(const char *path)
{
    int file;
    do {
        file = open(path, O_RDONLY | O_CLOEXEC);
    } while (file < 0 && errno == EINTR);
    return file;
}

bool linux_read_start(const char *path, char *text, size_t size)
{
    int file = linux_open(path);
    ssize_t count;
    if (file < 0) {
        return false;
    }
    do {
        count = read(file, text, size - 1);
    } while (count < 0 && errno == EINTR);
    close(file);
    text[count > 0 ? count : 0] = '\0';
    return count > 0;
}

size_t linux_read_number(const char *path, size_t otherwise)
{
    char text[32];
    size_t number = 0;
    if (!linux_read_start(path, text, sizeof text) || text[0] < '0' || text[0] > '9') {
        return otherwise;
    }
    for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++) {
        size_t value = (size_t)(*digit - '0');
        if (number > (SIZE_MAX - value) / 10) {
            return SIZE_MAX;
        }
        number = number * 10 + value;
    }
    return number;
}

static size_t read_limit(int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return VMEM_NO_LIMIT;
    }
    return limit.rlim_cur > SIZE_MAX ? VMEM_NO_LIMIT : (size_t)limit.rlim_cur;
}

static enum vmem_overcommit read_overcommit(void)
{
    switch (linux_read_number("/proc/sys/vm/overcommit_memory", 0)) {
    case 1:
        return VMEM_OVERCOMMIT_ALWAYS;
    case 2:
        return VMEM_OVERCOMMIT_NEVER;
    default:
        return VMEM_OVERCOMMIT_HEURISTIC;
    }
}

/* A kernel that takes the advice but hides its settings most likely follows the advice. */
static enum vmem_thp read_thp(void)
{
    char text[64];
    if (prctl(PR_GET_THP_DISABLE, 0UL, 0UL, 0UL, 0UL) == 1) {
        return VMEM_THP_NEVER;
    }
    if (!linux_read_start("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text)) {
        return VMEM_THP_ADVISED;
    }
    if (strstr(text, "[always]") != NULL) {
        return VMEM_THP_ALWAYS;
    }
    return strstr(text, "[never]") != NULL ? VMEM_THP_NEVER : VMEM_THP_ADVISED;
}

/* Where the size is hidden: one table of 8-byte entries, a page large, maps one huge page. */
static size_t read_huge_page_size(size_t page)
{
    return linux_read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", page / 8 * page);
}

void vmem_query_limits(struct vmem_info *info)
{
    info->address_limit = read_limit(RLIMIT_AS);
    info->data_limit = read_limit(RLIMIT_DATA);
}

int vmem_query(struct vmem_info *info)
{
    size_t page = linux_page_size();
    bool huge = accepts_huge_advice();
    bool scan = linux_can_scan();
    *info = (struct vmem_info){
        .page_size = page,
        .granularity = page,
        .huge_page_size = huge ? read_huge_page_size(page) : 0,
        .address_limit = read_limit(RLIMIT_AS),
        .data_limit = read_limit(RLIMIT_DATA),
        .max_mappings = linux_read_number("/proc/sys/vm/max_map_count", VMEM_NO_LIMIT),
        .lock_limit = read_limit(RLIMIT_MEMLOCK),
        .numa_nodes = linux_count_nodes(),
        .overcommit = read_overcommit(),
        .thp = huge ? read_thp() : VMEM_THP_UNSUPPORTED,
        .can_reserve_lazy = true,
        .can_discard = true,
        .can_populate = linux_ask(&populate_answer, probe_populate),
        .can_advise_huge = huge,
        .can_name = linux_ask(&name_answer, probe_name),
        .can_remap = true,
        .can_query_resident = true,
        .can_lock = true,
        .can_prefetch = true,
        .can_query_memory = scan,
        .can_set_caching = false,
        .can_offer = false,
    };
    linux_list_large_pages(info->large_page_sizes);
    info->can_large_pages = info->large_page_sizes[0] != 0;
    return 0;
}

/* 0, or the error where none is left: then what was probed is to be probed another time. */
static int check_descriptors(void)
{
    int file = linux_open("/proc/self/stat");
    if (file < 0) {
        return errno == EMFILE || errno == ENFILE ? errno : 0;
    }
    close(file);
    return 0;
}

int vmem_probe(struct vmem_info *info)
{
    info->can_placeholder = true;
    info->can_prefer_node = linux_can_prefer_node();
    info->can_query_node = linux_can_query_node();
    info->can_undo_discard = false;
    info->can_write_watch = linux_can_watch();
    return info->can_write_watch ? 0 : check_descriptors();
}

/* ---- reserve and release ----------------------------------------------------------------- */

static bool is_aligned(const void *address, size_t alignment)
{
    return ((uintptr_t)address & (alignment - 1)) == 0;
}

/* Cuts [raw, raw + total) down to the `size` bytes behind `head`. Each munmap may fail for want of a
 * mapping (see the top). The one that undoes needs no new mapping: after the mmap just before, the
 * whole range can go, and after the head has gone the rest begins at the edge of a mapping. */
static int trim(char *raw, size_t total, size_t size, size_t head, void **address)
{
    size_t tail = total - head - size;
    char *kept = raw + head;
    if (head != 0 && munmap(raw, head) != 0) {
        int error = errno;
        munmap(raw, total);
        return error;
    }
    if (tail != 0 && munmap(kept + size, tail) != 0) {
        int error = errno;
        munmap(kept, size + tail);
        return error;
    }
    *address = kept;
    return 0;
}

/* 0 and *address NULL where the kernel has chosen another place. */
static int map_by_chance(size_t size, size_t alignment, int access, int flags, void **address)
{
    void *found = map_pages(size, access, flags);
    *address = NULL;
    if (found == MAP_FAILED) {
        return errno;
    }
    if (!is_aligned(found, alignment)) {
        return munmap(found, size) == 0 ? 0 : errno;
    }
    *address = found;
    return 0;
}

static int map_and_trim(size_t size, size_t alignment, size_t lead, int access, int flags,
                        void **address)
{
    size_t total = size + alignment - linux_page_size();
    char *raw = map_pages(total, access, flags);
    if (raw == MAP_FAILED) {
        return errno;
    }
    size_t head = (size_t)(-((uintptr_t)raw + lead) & (alignment - 1));
    return trim(raw, total, size, head, address);
}

/* The kernel often aligns large ranges by itself, and addresses may be scarce (RLIMIT_AS): so the
 * exact size is tried first, but where a lead makes that a matter of luck. Ranges beyond PTRDIFF_MAX
 * would break pointer subtraction. */
int linux_map_aligned(size_t size, size_t alignment, size_t lead, int access, int flags,
                      void **address)
{
    void *found = NULL;
    if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX - size) {
        return ENOMEM;
    }
    int error = lead == 0 ? map_by_chance(size, alignment, access, flags, &found) : 0;
    if (error == 0 && found == NULL) {
        error = map_and_trim(size, alignment, lead, access, flags, &found);
    }
    if (error == 0) {
        *address = found;
    }
    return error;
}

/* Without MAP_NORESERVE, so that a later commit is charged and overcommit mode 2 can refuse it. */
int vmem_reserve_before(size_t size, size_t alignment, size_t lead, void **address)
{
    return linux_map_aligned(size, alignment, lead, PROT_NONE, 0, address);
}

int vmem_reserve(size_t size, size_t alignment, void **address)
{
    return linux_map_aligned(size, alignment, 0, PROT_NONE, 0, address);
}

/* Overcommit mode 2 ignores MAP_NORESERVE: there the whole range is paid for at once, or refused.
 * After mlockall(MCL_FUTURE) the kernel fills the whole range at once. */
int vmem_reserve_lazy(size_t size, size_t alignment, void **address)
{
    return linux_map_aligned(size, alignment, 0, PROT_READ | PROT_WRITE, MAP_NORESERVE, address);
}

int vmem_release(void *address, size_t size)
{
    return munmap(address, size) == 0 ? 0 : errno;
}

/* ---- pages of a reservation -------------------------------------------------------------- */

int vmem_commit(void *address, size_t size)
{
    return posix_protect(address, size, VMEM_READ_WRITE);
}

/* The kernel charges for private pages when they become writable. What is not writable and was never
 * written costs nothing: newer kernels even give such a charge back. */
int vmem_commit_as(void *address, size_t size, enum vmem_access access)
{
    return posix_protect(address, size, access);
}

/* The kernel checks what it can before it takes the old pages away. */
int vmem_decommit(void *address, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    return mmap(address, size, PROT_NONE, flags, -1, 0) != MAP_FAILED ? 0 : errno;
}

/* The kernel works from mapping to mapping and stops at the first that is locked or missing; what it
 * did before stays done. msync, which has nothing to write for private pages, looks for both.
 * A kernel that lacks MADV_FREE says EINVAL, as it does for large pages. */
int vmem_discard(void *address, size_t size)
{
    if (msync(address, size, MS_ASYNC | MS_INVALIDATE) != 0) {
        return errno;
    }
    int error = linux_advise(address, size, MADV_FREE);
    return error == EINVAL ? linux_advise(address, size, MADV_DONTNEED) : error;
}

int vmem_populate(void *address, size_t size)
{
    if (!linux_ask(&populate_answer, probe_populate)) {
        return UNSUPPORTED;
    }
    return linux_advise(address, size, MADV_POPULATE_WRITE);
}

/* A kernel without swap has nothing to read private pages back from, and says EBADF. */
int vmem_prefetch(void *address, size_t size)
{
    int error = linux_advise(address, size, MADV_WILLNEED);
    return error == EBADF ? 0 : error;
}

int vmem_flush_instructions(void *address, size_t size)
{
    char *start = address;
    __builtin___clear_cache(start, start + size);
    return 0;
}

/* EINVAL is what a kernel built without huge pages says. */
int vmem_advise_huge(void *address, size_t size, bool wanted)
{
    int error = linux_advise(address, size, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return error == EINVAL ? UNSUPPORTED : error;
}

static char shown_byte(char byte)
{
    bool printable = byte >= ' ' && byte <= '~';
    return printable && strchr("\\`$[]", byte) == NULL ? byte : '_';
}

int vmem_name(void *address, size_t size, const char *name)
{
    char shown[NAME_BYTES];
    size_t length = 0;
    if (!linux_ask(&name_answer, probe_name)) {
        return UNSUPPORTED;
    }
    for (; name[length] != '\0' && length < sizeof shown - 1; length++) {
        shown[length] = shown_byte(name[length]);
    }
    shown[length] = '\0';
    return set_name(address, size, shown);
}

int vmem_query_resident(const void *address, size_t size, unsigned char *resident)
{
    void *start = (void *)(uintptr_t)address; /* mincore takes no const */
    int result;
    do {
        result = mincore(start, size, resident);
    } while (result != 0 && (errno == EINTR || errno == EAGAIN));
    if (result != 0) {
        return errno;
    }
    for (size_t i = 0; i < size / linux_page_size(); i++) {
        resident[i] &= 1; /* the kernel keeps the other bits for itself */
    }
    return 0;
}

/* ---- remap ------------------------------------------------------------------------------- */

/* Whether the kernel keeps the range as one mapping. mremap over several either refuses them after
 * it has unmapped the target, or moves some and fails at the next, so it must not be tried.
 *
 * An in-place enlargement by a page tells: EFAULT means several. It cannot take place where the
 * reservation goes on; past its end it may, and then the page is ours to give back. */
static bool is_one_mapping(char *address, size_t size)
{
    size_t page = linux_page_size();
    if (mremap(address, size, size + page, 0) == MAP_FAILED) {
        return errno != EFAULT;
    }
    munmap(address + size, page);
    return true;
}

static bool is_all_mapped(char *address, size_t size)
{
    return msync(address, size, MS_ASYNC) == 0;
}

/* Gives a new range back after mremap into [target, target + kept_size) was refused. The kernel may
 * already have unmapped that part, and another thread may have got it: then it is not ours. */
static void abandon(char *range, size_t size, char *target, size_t kept_size)
{
    size_t before = (size_t)(target - range);
    size_t after = size - before - kept_size;
    if (is_all_mapped(target, kept_size)) {
        munmap(range, size);
        return;
    }
    if (before != 0) {
        munmap(range, before);
    }
    if (after != 0) {
        munmap(target + kept_size, after);
    }
}

/* What remains of the old reservation has lost its middle, so each part ends at the edge of a
 * mapping and needs no new one. Should the kernel still refuse, addresses are lost, not memory. */
static void release_rest(char *range, size_t size, size_t kept, size_t kept_size)
{
    size_t after = size - kept - kept_size;
    if (kept != 0) {
        munmap(range, kept);
    }
    if (after != 0) {
        munmap(range + kept + kept_size, after);
    }
}

static int remap_nothing(void *address, size_t size, void *range, size_t new_size)
{
    if (munmap(address, size) == 0) {
        return 0;
    }
    int error = errno;
    munmap(range, new_size);
    return error;
}

int vmem_remap(void *address, size_t size, size_t kept, size_t kept_size,
               size_t new_size, size_t alignment, void **new_address)
{
    char *old = address;
    void *range = NULL;
    if (kept > new_size || kept_size > new_size - kept) {
        return EINVAL; /* or the kernel would write over whatever follows the new range */
    }
    if (kept_size != 0 && !is_one_mapping(old + kept, kept_size)) {
        return EFAULT;
    }
    size_t lead = (size_t)(-(uintptr_t)old & (alignment - 1));
    int error = linux_map_aligned(new_size, alignment, lead, PROT_NONE, 0, &range);
    if (error != 0) {
        return error;
    }
    char *target = (char *)range + kept;
    if (kept_size == 0) {
        error = remap_nothing(address, size, range, new_size);
    } else if (mremap(old + kept, kept_size, kept_size, MREMAP_MAYMOVE | MREMAP_FIXED, target)
               == MAP_FAILED) {
        error = errno;
        abandon(range, new_size, target, kept_size);
    } else {
        release_rest(old, size, kept, kept_size);
    }
    if (error == 0) {
        *new_address = range;
    }
    return error;
}

/* ---- errors ------------------------------------------------------------------------------ */

bool vmem_is_unsupported(int error)
{
    return error == UNSUPPORTED || error == ENOSYS;
}

static void copy_text(char *text, size_t size, const char *source)
{
    size_t length = strlen(source);
    if (length > size - 1) {
        length = size - 1;
    }
    memmove(text, source, length);
    text[length] = '\0';
}

/* There are two functions of this name: one returns the text, which need not be in `text`; the
 * other fills `text` and returns 0 or an error. */
void vmem_describe(int error, char *text, size_t size)
{
    char found[128];
    if (size == 0) {
        return;
    }
#if defined(__GLIBC__) || defined(__BIONIC__)
    copy_text(text, size, strerror_r(error, found, sizeof found));
#else
    bool known = strerror_r(error, found, sizeof found) == 0;
    copy_text(text, size, known ? found : "unknown error");
#endif
}
