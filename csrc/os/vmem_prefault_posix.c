/* vmem_prefault_posix.c - the helper thread of vmem_prefault.h with POSIX threads.
 *
 * What a reader would get wrong: a child after fork() gets condition variables in which the parent's
 * threads still wait. They are made anew there, not used.
 */
#define _DARWIN_C_SOURCE
#define _GNU_SOURCE

#include "vmem_prefault_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { STACK_SIZE = 256 * 1024 };

const int prefault_busy = EAGAIN;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ordered = PTHREAD_COND_INITIALIZER;
static pthread_cond_t stepped = PTHREAD_COND_INITIALIZER;

void prefault_lock(void)
{
    pthread_mutex_lock(&lock);
}

bool prefault_try_lock(void)
{
    return pthread_mutex_trylock(&lock) == 0;
}

void prefault_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* A clock that is set meanwhile makes the wait longer or shorter, which does no harm. */
bool prefault_await_order(unsigned milliseconds)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    end.tv_sec += (time_t)(milliseconds / 1000) + end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    return pthread_cond_timedwait(&ordered, &lock, &end) == 0;
}

void prefault_await_step(void)
{
    pthread_cond_wait(&stepped, &lock);
}

bool prefault_nap(unsigned microseconds)
{
    const struct timespec length = {.tv_sec = (time_t)(microseconds / 1000000),
                                    .tv_nsec = (long)(microseconds % 1000000) * 1000};
    (void)nanosleep(&length, NULL);
    return true;
}

void prefault_tell_order(void)
{
    pthread_cond_signal(&ordered);
}

void prefault_tell_step(void)
{
    pthread_cond_broadcast(&stepped);
}

/* ---- forks ------------------------------------------------------------------------------- */

static void start_child(void)
{
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    ordered = fresh;
    stepped = fresh;
    prefault_forget();
    pthread_mutex_unlock(&lock);
}

static int follow_forks(void)
{
    static bool done;
    if (done) {
        return 0;
    }
    int error = pthread_atfork(prefault_lock, prefault_unlock, start_child);
    done = error == 0;
    return error;
}

/* ---- the thread -------------------------------------------------------------------------- */

static void *run(void *unused)
{
    (void)unused;
    prefault_run();
    return NULL;
}

/* Detached: nobody waits for it. It takes no signals, which are for the program's own threads. */
static int start_thread(const pthread_attr_t *attributes)
{
    pthread_t thread;
    sigset_t all;
    sigset_t kept;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    int error = pthread_create(&thread, attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    return error;
}

int vmem_prefault_start(void)
{
    pthread_attr_t attributes;
    int error = follow_forks();
    if (error == 0) {
        error = pthread_attr_init(&attributes);
    }
    if (error != 0) {
        return error;
    }
    (void)pthread_attr_setstacksize(&attributes, STACK_SIZE); /* too small here: the default */
    error = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (error == 0) {
        error = start_thread(&attributes);
    }
    pthread_attr_destroy(&attributes);
    return error;
}
