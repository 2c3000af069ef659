/* vmem_support.h - what the tests of the contract of vmem.h share: ranges to try things on, children
 * to fault in, and what Linux tells of a process.
 *
 * What a reader would get wrong: faults are provoked in a forked child, but on Windows the system is
 * asked instead what access the page has.
 */
#ifndef GROWABLE_VMEM_SUPPORT_H
#define GROWABLE_VMEM_SUPPORT_H

#include "check.h"
#include "vmem.h"

#include <stdint.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define MIB ((size_t)1 << 20)
#define UNTOUCHED ((void *)(uintptr_t)0x5a5a)

static inline struct vmem_info query(void)
{
    struct vmem_info info;
    CHECK(vmem_query(&info) == 0);
    return info;
}

/* With the capabilities that are only found by trying. */
static inline struct vmem_info probe(void)
{
    struct vmem_info info = query();
    CHECK(vmem_probe(&info) == 0);
    return info;
}

/* Whether the error is that of a wrong argument, or of something that is not to be had: anything but
 * a missing capability or a place that is taken. */
static inline bool is_refusal(int error)
{
    return error != 0 && !vmem_is_unsupported(error) && !vmem_is_occupied(error);
}

/* Room for 8 pages, a multiple of the granularity. */
static inline size_t some_size(void)
{
    struct vmem_info info = query();
    size_t size = 8 * info.page_size;
    return size > info.granularity ? size : info.granularity;
}

static inline unsigned char *reserve(size_t size)
{
    void *address;
    CHECK(vmem_reserve(size, query().granularity, &address) == 0);
    return address;
}

static inline unsigned char *reserve_committed(size_t size, unsigned char fill)
{
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start, size) == 0);
    memset(start, fill, size);
    return start;
}

static inline bool holds_only(const unsigned char *start, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++) {
        if (start[i] != value) {
            return false;
        }
    }
    return true;
}

/* ---- children ---------------------------------------------------------------------------- */

enum touch { READS, WRITES };

#ifdef _WIN32

static inline bool works(const unsigned char *byte, enum touch how)
{
    MEMORY_BASIC_INFORMATION found;
    DWORD writable = PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE;
    DWORD readable = writable | PAGE_READONLY | PAGE_EXECUTE_READ;
    return VirtualQuery(byte, &found, sizeof found) != 0 && found.State == MEM_COMMIT
           && (found.Protect & (how == WRITES ? writable : readable)) != 0;
}

static inline bool faults(const unsigned char *byte, enum touch how)
{
    return !works(byte, how);
}

#else

#define FAULTED 77
#define NOT_LIMITED 78

static inline void leave_faulted(int signal_number)
{
    (void)signal_number;
    _exit(FAULTED);
}

static inline int exit_code_of(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline pid_t fork_child(void)
{
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    CHECK(child >= 0);
    return child;
}

static inline int touch_in_child(const unsigned char *byte, enum touch how)
{
    pid_t child = fork_child();
    if (child != 0) {
        return exit_code_of(child);
    }
    volatile unsigned char *target = (volatile unsigned char *)(uintptr_t)byte;
    signal(SIGSEGV, leave_faulted);
    signal(SIGBUS, leave_faulted);
    unsigned char value = *target;
    if (how == WRITES) {
        *target = value;
    }
    _exit(0);
}

static inline bool faults(const unsigned char *byte, enum touch how)
{
    return touch_in_child(byte, how) == FAULTED;
}

static inline bool works(const unsigned char *byte, enum touch how)
{
    return touch_in_child(byte, how) == 0;
}

/* The child's CHECKs end it with 1. True if it came to the end of `body`. */
static inline bool check_in_child(void (*body)(void))
{
    pid_t child = fork_child();
    if (child == 0) {
        body();
        _exit(0);
    }
    int code = exit_code_of(child);
    CHECK(code == 0 || code == NOT_LIMITED);
    return code == 0;
}

#endif

/* ---- what Linux tells of a process ------------------------------------------------------- */

#ifdef __linux__

/* A line of /proc/self/status in bytes; 0 where there is none. */
static inline size_t process_size(const char *key)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kib = strtoull(line + strlen(key), NULL, 10);
        }
    }
    fclose(status);
    return (size_t)kib * 1024;
}

static inline bool is_header_of(const char *line, const void *address)
{
    char *rest;
    uintptr_t start = (uintptr_t)strtoull(line, &rest, 16);
    if (*rest != '-') {
        return false;
    }
    uintptr_t end = (uintptr_t)strtoull(rest + 1, NULL, 16);
    return start <= (uintptr_t)address && (uintptr_t)address < end;
}

static inline bool is_header(const char *line)
{
    size_t digits = strspn(line, "0123456789abcdef");
    return digits != 0 && line[digits] == '-';
}

/* The line of /proc/self/smaps that starts with `key`, for the mapping around `address`. The key ""
 * finds the mapping's first line. */
static inline bool mapping_line(const void *address, const char *key, char *line, int size)
{
    bool inside = false;
    bool found = false;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    while (smaps != NULL && !found && fgets(line, size, smaps) != NULL) {
        if (is_header(line)) {
            inside = is_header_of(line, address);
            found = inside && *key == '\0';
        } else {
            found = inside && *key != '\0' && strncmp(line, key, strlen(key)) == 0;
        }
    }
    if (smaps != NULL) {
        fclose(smaps);
    }
    return found;
}

/* In a child: lets it have `more` bytes beyond what the line `key` tells. Emulators and valgrind
 * take a limit and do not keep it; there the child ends. */
static inline size_t limit_to(int resource, const char *key, size_t more)
{
    struct rlimit limit;
    CHECK(getrlimit(resource, &limit) == 0);
    limit.rlim_cur = process_size(key) + more;
    CHECK(setrlimit(resource, &limit) == 0);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (mmap(NULL, 2 * more, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED) {
        _exit(NOT_LIMITED);
    }
    return (size_t)limit.rlim_cur;
}

static inline void limit_data(void)
{
    limit_to(RLIMIT_DATA, "VmData:", 32 * MIB);
}

/* Whether the mapping counts against the commit charge. */
static inline bool is_charged(const void *address)
{
    char line[256];
    return mapping_line(address, "VmFlags:", line, sizeof line) && strstr(line, " ac") != NULL;
}

#endif

/* Emulators of Linux's system calls keep no limits, for their own sake. */
static inline bool is_emulated(void)
{
#ifdef __linux__
    return !check_in_child(limit_data);
#else
    return false;
#endif
}

#endif
