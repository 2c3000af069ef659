/* vmem_prefault_thread.h - between vmem_prefault.c, which keeps the orders, and the platform's file,
 * which has the thread and its lock. For these files and their tests alone.
 *
 * What a reader would get wrong: the lock is held for some instructions at a time, never over a page
 * fault or a call into the system other than to wake, to sleep or to start the thread.
 */
#ifndef GROWABLE_VMEM_PREFAULT_THREAD_H
#define GROWABLE_VMEM_PREFAULT_THREAD_H

#include "vmem_prefault.h"

/* vmem_prefault.c ---------------------------------------------------------------------------- */

/* What the thread does; returns when it has been idle for long. */
void prefault_run(void);

/* In a child after fork(), under the lock: neither the thread nor its orders are here. */
void prefault_forget(void);

/* Puts memory behind pages without a system call for it, and changes no byte. */
void prefault_touch(char *address, size_t size, size_t page);

/* Whether the thread is there, and whether it must be woken; for tests. */
bool prefault_is_running(void);
bool prefault_is_asleep(void);

/* How long it naps without an order before it sleeps, and then sleeps before it ends. Tests change
 * these, and play a system that cannot populate. */
extern unsigned prefault_alertness; /* microseconds */
extern unsigned prefault_patience;  /* milliseconds */
extern bool prefault_by_touch;

/* The platform's file ------------------------------------------------------------------------ */

extern const int prefault_busy; /* the system's error code for what cannot be done just now */

void prefault_lock(void);
bool prefault_try_lock(void);
void prefault_unlock(void);

/* Under the lock, which is given up meanwhile; may return for no reason. False when the time is up. */
bool prefault_await_order(unsigned milliseconds);
void prefault_await_step(void);

/* Without the lock. False, at once, where the system's shortest nap is a long one. */
bool prefault_nap(unsigned microseconds);

void prefault_tell_order(void); /* wakes the thread */
void prefault_tell_step(void);  /* wakes all who wait for it */

/* Starts the thread; under the lock. */
int vmem_prefault_start(void);

#endif
