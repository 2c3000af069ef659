/* vmem_guard_trip.h - between vmem_guard.c, which keeps what is known of pages, and the platform's
 * file, which catches the faults. For these files and their tests alone.
 *
 * What a reader would get wrong: guard_trip and guard_wake run inside the handler. Whatever they
 * use must be allowed there.
 */
#ifndef GROWABLE_VMEM_GUARD_TRIP_H
#define GROWABLE_VMEM_GUARD_TRIP_H

#include "vmem_guard.h"

#include <stdint.h>

/* How often one thread may fault at one place of an open page before that is no coincidence. Twice
 * can happen while a page is being armed: before it loses its access, of an older fault, and after.
 * */
#define GUARD_TRIES 3

enum guard_fault { FAULT_READ, FAULT_WRITE, FAULT_EXECUTE, FAULT_UNKNOWN };

/* vmem_guard.c ---------------------------------------------------------------------------- */

/* A fault at this address. True when the access is to be tried again, false when it is not ours. */
bool guard_trip(uintptr_t address, enum guard_fault fault);

/* In a child after fork(): the threads that stood in the handler are not here. */
void guard_forget_threads(void);

/* Marks a guarded page as hit, without opening it: true unless it was not guarded any more. */
bool guard_hit(struct vmem_guard *guard, size_t page);

/* The platform's file --------------------------------------------------------------------- */

/* True where the fault itself takes the guard off the page. */
extern const bool guard_opens_itself;

extern const int guard_no_memory; /* the system's error code */

/* Our handler stands in front from now on. Under the lock. */
int guard_install(void);

/* One lock for all guards; never taken in the handler. */
void guard_lock(void);
void guard_unlock(void);
void guard_yield(void);

/* Makes committed pages fault at the next access. */
int guard_set(void *address, size_t size, enum vmem_access access);

/* True while the system still guards a page that we take for guarded. */
bool guard_stands(const void *address);

/* A number that no other running thread has. In the handler. */
uintptr_t guard_thread(void);

/* There is a hit to tell of. In the handler. */
void guard_wake(void);

#endif
