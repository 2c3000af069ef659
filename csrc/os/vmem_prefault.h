/* vmem_prefault.h - memory put behind pages by a helper thread, before their owner writes them.
 *
 *     committed, nothing behind it ----order----> committed, memory behind it, contents kept
 *
 * One thread a process serves all who ask. It is started by the first order. Without any it looks for
 * the next one at intervals, for some milliseconds, then sleeps, ends when it has slept for a while,
 * and is started again when there is more to do; also in a child after fork(), where no order is left.
 *
 * The handshake: an order names its owner, who alone decides about these pages. Before the owner
 * decommits, moves, protects or releases any of them it calls vmem_prefault_stop; when that returns
 * the helper neither touches nor will touch them. That may take as long as the helper needs for one
 * step. vmem_prefault never waits: not for the helper, and not for a lock.
 *
 * Where the system cannot populate, pages are touched by an atomic operation that changes no byte, so
 * the owner may write them meanwhile.
 *
 * What a reader would get wrong: an order is a wish. It may be dropped (no thread to be had, too many
 * orders at once, memory short), and nobody is told; the pages then get their memory when they are
 * written. The helper takes no signals, calls nobody back, and is left running when the process ends.
 */
#ifndef GROWABLE_VMEM_PREFAULT_H
#define GROWABLE_VMEM_PREFAULT_H

#include "vmem.h"

struct vmem_prefault {
    const void *owner;   /* any address that nobody else uses for this */
    char *position;      /* nothing below is worth the trouble any more */
    char *from, *to;     /* the pages wanted; those below `from` were ordered before */
    char *end;           /* all up to here is committed and writable; see below */
    size_t step;         /* bytes to do at a time: a power of two, at least a page */
    size_t lot;          /* for fewer bytes a sleeping helper is not woken */
    unsigned char place; /* where the owner's last order left it, 0 at first */
};

/* Orders memory for [from, to). With what is left of an earlier order of this owner it makes one that
 * ends where this one does. As long as `to` stays within the `end` of an earlier order this is a
 * matter of two stores, unless the helper sleeps. 0, or the system's error code; then the earlier
 * order stands. All pages between the lowest position and the end belong to the owner, until it
 * takes the order back. */
int vmem_prefault(struct vmem_prefault *order);

/* Takes back what the owner ordered below this address; all of it for NULL. */
void vmem_prefault_stop(const void *owner, const void *below);

#endif
