/* vmem_guard.h - one-shot alarms on pages.
 *
 *     committed ----arm----> guarded ----first access----> committed, and the page is a hit
 *                               |
 *                               +-------------drop-------> committed, no hit
 *
 * A guarded page keeps its contents. The first access to it, by whichever thread, counts as one hit
 * and opens the page: the same access is then tried again under the page's own access, which may
 * still forbid it. No other page is affected, and accesses to open pages cost nothing.
 *
 * A `struct vmem_guard` watches one reservation. It knows the access of every page it was ever told
 * of, so whoever changes pages of the reservation by another function tells it first
 * (vmem_guard_drop).
 *
 * How it is done:
 *   Linux, macOS  A guarded page has no access for as long as it is guarded (not the kernel's
 *                 own guard pages, MADV_GUARD_INSTALL: those drop the contents). A handler of
 *                 SIGSEGV (and of SIGBUS where the system reports forbidden accesses so) gives the
 *                 page its access back.
 *   Windows       PAGE_GUARD, and a vectored exception handler that only counts.
 *
 * The handler is installed by the first vmem_guard_arm of the process and stays. Each further one
 * looks whether somebody has put a handler in front of ours since, and if so installs ours in front
 * of that. It must stand first: others take the fault for a crash.
 *
 * What is not ours is passed on to the handler that was there before, as if we were not: with its
 * signal mask, its flags and the fault's own data; it may leave by siglongjmp. Where there was none
 * the default action follows, from the same instruction. Passed on are: a fault on any page that is
 * not guarded, a fault that the page's own access explains, and a signal that a process has sent.
 *
 * Inside our handler: atomics, vmem_protect (a bare system call), write to a pipe. No lock, no
 * allocation, no thread-local storage, no Python; errno is kept. Nobody is called back there.
 *
 * Not guaranteed:
 *   - a system call given a guarded page fails (EFAULT). On Linux and macOS that is no hit
 *     and the page stays guarded; on Windows the system takes the guard off, so it is one;
 *   - a thread's stack must not stand on guarded pages, unless it has an alternate signal stack;
 *   - hits split mappings: guarded and open pages in turn cost two mappings a pair. When the
 *     process has none left, the guarded neighbours of the page are opened with it and are lost,
 *     not hit (vmem_guard_lost). If even that is refused, the fault is passed on;
 *   - after fork() the child's guards are its own copy. The thread behind vmem_guard_watch is not
 *     there: hits are recorded, and told of once the child has called vmem_guard_watch itself.
 *
 * What a reader would get wrong: a fault says what was true when it happened. Until the handler
 * runs another thread may have opened the page, so a fault on an open page is tried again a few
 * times before it is taken for a crash.
 */
#ifndef GROWABLE_VMEM_GUARD_H
#define GROWABLE_VMEM_GUARD_H

#include "vmem.h"

struct vmem_guard;

/* A guard for the reservation [address, address + size), none of whose pages is guarded yet. `unit`
 * is the page size there. At most one guard a reservation. Costs a byte of addresses for each page,
 * and of memory for each page between the first and the last that were ever guarded. */
int vmem_guard_open(void *address, size_t size, size_t unit, struct vmem_guard **guard);

/* Forgets the reservation. Guarded pages stay without access: drop them first, or release
 * the reservation next. */
void vmem_guard_close(struct vmem_guard *guard);

/* committed -> guarded, for pages whose own access is `access`, which is not VMEM_NO_ACCESS. Pages
 * that were guarded still are; pages that were hit are hit no more. After a failure no page of the
 * range is guarded. Pages that other threads touch meanwhile may be open when this returns. */
int vmem_guard_arm(struct vmem_guard *guard, void *address, size_t size, enum vmem_access access);

/* guarded -> not guarded, and what was hit stays hit. To be called before pages get another access
 * or state: `access` is the one they are about to have (VMEM_NO_ACCESS if they are decommitted). On
 * return no handler will change these pages, but guarded ones still lack their access until the
 * caller has given it to them (vmem_protect). Pages that were never guarded may be in the range. */
void vmem_guard_drop(struct vmem_guard *guard, void *address, size_t size, enum vmem_access access);

bool vmem_guard_is_armed(struct vmem_guard *guard, const void *address);

/* Finds the first page at or after the offset *at that was hit since it was guarded last, and
 * stores its offset from the start of the reservation in *at. False when there is none. */
bool vmem_guard_next_hit(struct vmem_guard *guard, size_t *at);

/* The same for pages whose hit was not taken yet, and takes it: of several callers one gets it. A
 * page that is hit, guarded and hit again before anybody looks is found once. */
bool vmem_guard_take_hit(struct vmem_guard *guard, size_t *at);

/* Hits since the guard was opened, each counted once. */
size_t vmem_guard_count(const struct vmem_guard *guard);

/* Pages that were opened without a hit because the process had no mapping left. */
size_t vmem_guard_lost(const struct vmem_guard *guard);

/* From now on `tell` is called with `context` soon after a hit, or several, by a thread that is
 * started for it at the first call in a process. It is called again a moment later while it returns
 * false. One `tell` a process: a second takes the first one's place. */
int vmem_guard_watch(bool (*tell)(void *context), void *context);

/* `tell` is not running and will not be called again. Not to be called by `tell`. */
void vmem_guard_unwatch(void);

#endif
