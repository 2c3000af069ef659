/* vmem_signal_linux.c - futex, and /proc/PID/stat.
 *
 * What a reader would get wrong: the futex is not a private one, since the word stands in memory that
 * other processes map at other addresses.
 */
#define _GNU_SOURCE

#include "vmem_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000u

/* ---- waiting ----------------------------------------------------------------------------- */

int vmem_signal_open(uint64_t key, intptr_t *signal)
{
    (void)key;
    *signal = VMEM_NO_SIGNAL;
    return 0;
}

void vmem_signal_close(intptr_t signal)
{
    (void)signal;
}

void vmem_signal_wait(intptr_t signal, _Atomic uint32_t *word, uint64_t nanoseconds)
{
    (void)signal;
    struct timespec time = {
        .tv_sec = (time_t)(nanoseconds / NANOSECONDS),
        .tv_nsec = (long)(nanoseconds % NANOSECONDS),
    };
    syscall(SYS_futex, (void *)word, FUTEX_WAIT, 1, &time, NULL, 0);
}

void vmem_signal_wake(intptr_t signal, _Atomic uint32_t *word)
{
    (void)signal;
    syscall(SYS_futex, (void *)word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint64_t vmem_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

/* ---- processes --------------------------------------------------------------------------- */

enum { NUMBER_BITS = 24, START_BITS = 24, FIELD_OF_START = 22 };

/* The state of a process and when it was started, in ticks since the system was. Fields are counted
 * from the closing bracket on: the name before it may contain anything. */
static bool read_stat(int number, char *state, unsigned long long *start)
{
    char path[32];
    char line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", number);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    ssize_t size = read(file, line, sizeof line - 1);
    close(file);
    line[size > 0 ? size : 0] = '\0';
    char *at = strrchr(line, ')');
    if (at == NULL || at[1] == '\0') {
        return false;
    }
    *state = at[2];
    for (int field = 2; at != NULL && field < FIELD_OF_START; field++) {
        at = strchr(at + 1, ' ');
    }
    *start = at != NULL ? strtoull(at, NULL, 10) : 0;
    return true;
}

/* A start of 0 is one that is not known: a process that has run out of descriptors cannot look its
 * own up. */
static uint64_t identity_of(int number, uint64_t start)
{
    return ((uint64_t)number & ((1u << NUMBER_BITS) - 1)) << START_BITS | start;
}

static uint64_t known_start(unsigned long long ticks)
{
    uint64_t low = ticks & ((1u << START_BITS) - 1);
    return low != 0 ? low : 1;
}

uint64_t vmem_process_self(void)
{
    char state;
    unsigned long long ticks;
    int number = (int)getpid();
    return identity_of(number, read_stat(number, &state, &ticks) ? known_start(ticks) : 0);
}

int vmem_process_number(uint64_t identity)
{
    return (int)(identity >> START_BITS & ((1u << NUMBER_BITS) - 1));
}

bool vmem_process_runs(uint64_t identity)
{
    char state;
    unsigned long long ticks;
    int number = vmem_process_number(identity);
    if (read_stat(number, &state, &ticks)) {
        bool same = identity == identity_of(number, 0)
                    || identity == identity_of(number, known_start(ticks));
        return same && state != 'Z' && state != 'X';
    }
    return kill(number, 0) == 0 || errno == EPERM;
}

uint64_t vmem_process_space(void)
{
    struct stat found;
    return stat("/proc/self/ns/pid", &found) == 0 ? (uint64_t)found.st_ino : 0;
}

/* ---- forks ------------------------------------------------------------------------------- */

static atomic_uint generation;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void forked(void)
{
    generation++;
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forked);
}

unsigned vmem_process_generation(void)
{
    if (generation == 0) {
        (void)pthread_once(&once, watch_forks);
    }
    return generation;
}
