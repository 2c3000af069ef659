/* vmem_signal_darwin.c - sleeping in steps, and sysctl.
 *
 * Compiled and never run. The system's own waits on a word across processes (os_sync_wait_on_address)
 * exist from macOS 14.4 on only; sleeps that grow to two milliseconds work everywhere.
 *
 * What a reader would get wrong: nobody is woken here. Who sleeps looks at the word between sleeps.
 */
#include "vmem_signal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/sysctl.h>
#include <sys/types.h>
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

static const uint64_t first_step = 20000;
static const uint64_t last_step = 2000000;

void vmem_signal_wait(intptr_t signal, _Atomic uint32_t *word, uint64_t nanoseconds)
{
    (void)signal;
    uint64_t step = first_step;
    while (nanoseconds > 0 && atomic_load(word) == 1) {
        uint64_t now = step < nanoseconds ? step : nanoseconds;
        struct timespec time = {.tv_sec = 0, .tv_nsec = (long)now};
        if (nanosleep(&time, NULL) != 0) {
            return;
        }
        nanoseconds -= now;
        step = step * 2 < last_step ? step * 2 : last_step;
    }
}

void vmem_signal_wake(intptr_t signal, _Atomic uint32_t *word)
{
    (void)signal;
    (void)word;
}

uint64_t vmem_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

/* ---- processes --------------------------------------------------------------------------- */

enum { NUMBER_BITS = 24, START_BITS = 24 };

/* When it was started, in milliseconds; false where there is no such process, or it has ended. */
static bool find_start(int number, uint64_t *start)
{
    int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, number};
    struct kinfo_proc found;
    size_t size = sizeof found;
    memset(&found, 0, sizeof found);
    if (sysctl(name, 4, &found, &size, NULL, 0) != 0 || size == 0) {
        return false;
    }
    struct timeval time = found.kp_proc.p_starttime;
    *start = (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_usec / 1000;
    return found.kp_proc.p_stat != SZOMB;
}

static uint64_t identity_of(int number, uint64_t start)
{
    uint64_t low = start & ((1u << START_BITS) - 1);
    return ((uint64_t)number & ((1u << NUMBER_BITS) - 1)) << START_BITS | low;
}

uint64_t vmem_process_self(void)
{
    uint64_t start = 0;
    int number = (int)getpid();
    (void)find_start(number, &start);
    return identity_of(number, start);
}

int vmem_process_number(uint64_t identity)
{
    return (int)(identity >> START_BITS & ((1u << NUMBER_BITS) - 1));
}

bool vmem_process_runs(uint64_t identity)
{
    uint64_t start = 0;
    int number = vmem_process_number(identity);
    return find_start(number, &start) && identity_of(number, start) == identity;
}

uint64_t vmem_process_space(void)
{
    return 0;
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
