/* child.h - a test's body in a forked child, and limits that only the child gets.
 *
 * What a reader would get wrong: a CHECK that fails in the child ends the child with 1, and the
 * parent's CHECK then fails too. Windows has no fork, and nothing of this; limits are for Linux alone,
 * and elsewhere HAVE_LIMITS is 0.
 */
#ifndef GROWABLE_CHILD_H
#define GROWABLE_CHILD_H

#include "check.h"
#include "proc.h"

#ifndef _WIN32

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_FAULTED = 77, CHILD_NOT_LIMITED = 78 };

static inline pid_t child_begin(void)
{
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    CHECK(child >= 0);
    return child;
}

/* The exit code of a child, or minus its signal. */
static inline int child_end(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* That of a child that runs `body`. */
static inline int child_run(void (*body)(void *), void *argument)
{
    pid_t child = child_begin();
    if (child == 0) {
        body(argument);
        _exit(0);
    }
    return child_end(child);
}

/* True if a child came to the end of `body`, false if it could not be limited. */
static inline bool child_passes(void (*body)(void *), void *argument)
{
    int code = child_run(body, argument);
    CHECK(code == 0 || code == CHILD_NOT_LIMITED);
    return code == 0;
}

/* A test's last call: it passes if the child does, and is skipped where that cannot be limited. */
static inline void child_check(void (*body)(void *), void *argument, const char *why_not)
{
    if (!child_passes(body, argument)) {
        SKIP(why_not);
    }
}

static inline void child_faulted(int signal_number)
{
    (void)signal_number;
    _exit(CHILD_FAULTED);
}

/* In a child: it ends with CHILD_FAULTED at the next fault. */
static inline void child_watch_faults(void)
{
    signal(SIGSEGV, child_faulted);
    signal(SIGBUS, child_faulted);
}

static inline void child_touch(void *byte)
{
    child_watch_faults();
    volatile char *target = byte;
    *target = *target;
}

/* Whether a write to the byte faults. */
static inline bool child_faults(char *byte)
{
    return child_run(child_touch, byte) == CHILD_FAULTED;
}

#endif

#ifdef __linux__
#define HAVE_LIMITS 1

/* In a child: it may have `more` bytes beyond what the line `key` tells. Returns the limit. */
static inline size_t limit_to(int resource, const char *key, size_t more)
{
    struct rlimit limit;
    size_t now = process_size(key);
    CHECK(now != 0 && getrlimit(resource, &limit) == 0);
    limit.rlim_cur = now + more;
    CHECK(setrlimit(resource, &limit) == 0);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (mmap(NULL, 2 * more, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED) {
        _exit(CHILD_NOT_LIMITED); /* valgrind and emulators take a limit and do not keep it */
    }
    return (size_t)limit.rlim_cur;
}

/* A sanitizer's allocator keeps freed blocks for a while, so a limit of addresses says little. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMITED_ALLOCATOR 0
#else
#define LIMITED_ALLOCATOR 1
#endif

/* Valgrind makes a limit of addresses its own affair. */
static inline bool is_under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

/* In a child: this many more bytes of addresses, or of writable memory, from now on. */
static inline void limit_addresses(size_t more)
{
    if (!LIMITED_ALLOCATOR || is_under_valgrind()) {
        _exit(CHILD_NOT_LIMITED);
    }
    limit_to(RLIMIT_AS, "VmSize:", more);
}

static inline void limit_data(size_t more)
{
    limit_to(RLIMIT_DATA, "VmData:", more);
}

#else
#define HAVE_LIMITS 0
#endif

#endif
