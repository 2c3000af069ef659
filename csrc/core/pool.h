/* pool.h - reservations for buffers: where they come from, and where idle ones wait.
 *
 * A reservation costs about 20 microseconds to make, fill and release, so the last ones given
 * back are kept, with the first pages committed and warm, up to a budget.
 *
 * What a reader would get wrong: a range from the pool may hold old contents; see range.h. And memory
 * past the budget that stands in huge pages is not decommitted but discarded: the system takes it when
 * it is short of memory, and until then it counts as resident.
 *
 * An owner may keep a range for good and never use what is warm in it, so that is a loan. All loans
 * together keep to twice the budget, and each takes half of what is left of that at most; a range with
 * more is cooled first. (What is discarded keeps to twice the limit in the same way.)
 *
 * Not thread-safe: the caller serialises all calls on one pool.
 */
#ifndef GROWABLE_POOL_H
#define GROWABLE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "env.h"
#include "range.h"
#include "vmem.h"

enum {
    POOL_SLOTS = 64,
    POOL_PATIENCE = 1024, /* a range that waits while so many come goes */
    POOL_WARM = 64 * 1024, /* how much of it stays warm at least while it waits */
    POOL_WORTH = 256 * 1024 /* bytes that had to go to the heap, after which a reservation pays */
};

struct idle_range {
    struct range range;
    size_t since; /* pool.given when it came */
};

struct pool {
    struct vmem_info info;
    void (*query_limits)(struct vmem_info *info); /* vmem_query_limits, but in tests */
    bool probed;        /* vmem_probe was asked */
    size_t reservation; /* bytes that a buffer without a capacity asks for */
    size_t attainable;  /* the largest reservation worth asking for; see reserve_halving */
    size_t budget;      /* bytes of warm memory kept in idle ranges; 64 KiB a range come on top */
    size_t limit;       /* bytes of memory in idle ranges, discarded ones included */
    unsigned char prefault; /* an enum env_prefault, for what grows from now on */
    bool low_latency;
    size_t live;        /* ranges out with buffers or idle */
    size_t live_lazy;   /* how many of them are lazy */
    size_t most_lazy;   /* how many may be: each that is released may split a mapping */
    size_t live_bytes;  /* their addresses, but for exact ranges */
    size_t exact_bytes; /* the addresses of exact ranges */
    size_t idle_bytes;  /* warm memory in idle ranges */
    size_t idle_discarded; /* memory in idle ranges that the system may take */
    size_t idle_count;
    struct range first; /* warm pages for the first range that is taken, and no more addresses than
                         * they need; `base` is NULL when it was */
    struct loan loans;  /* the sum over the ranges out with buffers */
    size_t given;       /* ranges given so far */
    size_t refused;     /* bytes of pool_is_cheap's refusals, up to POOL_WORTH */
    struct idle_range idle[POOL_SLOTS]; /* the one that waits longest stands first */
};

/* The result of a refusal that no system call made: the pool's own limits were reached. */
enum { POOL_REFUSED = -1 };

int pool_init(struct pool *pool, const struct env_settings *settings);

/* Releases the idle ranges, and the pages for the first. Ranges still out stay valid; giving them back
 * afterwards is fine. */
void pool_clear(struct pool *pool);

/* A range of at least `least` bytes, as much larger as the limits allow. 0, POOL_REFUSED, or the
 * system's error code. */
int pool_take(struct pool *pool, size_t least, struct range *range);

/* The range given last, without a search: NULL where it is not as good as any, has not as much as
 * `least` bytes committed, or would have to be cooled. To be copied before the next call. */
const struct range *pool_take_warm(struct pool *pool, size_t least);

/* A range of at least `size` bytes, whatever the pool's limits say; no larger than needed unless
 * a default reservation would do. */
int pool_take_exact(struct pool *pool, size_t size, struct range *range);

/* Moves `range` into one of at least `least` bytes; the pages [kept, committed) go along to the
 * same offset and the rest is reserved. After a failure nothing has changed. */
int pool_enlarge(struct pool *pool, struct range *range, size_t kept, size_t least);

/* Takes off the loan what its owner has used or given up: to be called whenever more of the range was
 * committed or its tail was decommitted. */
void pool_settle(struct pool *pool, struct range *range);

/* Takes a range back. The whole of [0, committed) must be committed and writable. */
void pool_give(struct pool *pool, struct range *range);

/* Whether contents of `size` bytes, which the heap would do for as well, should have a range: an idle
 * one waits, or the process has few and would have used one more often enough. Who never fills more
 * than a buffer or two so need not pay for a cold range. */
bool pool_is_cheap(struct pool *pool, size_t size);

/* Releases the idle ranges because memory or addresses are short; whether there were any. */
bool pool_relieve(struct pool *pool);

/* Sets what pool_init took, and releases the idle ranges, which have the old size. */
void pool_configure(struct pool *pool, const struct env_settings *settings);

/* Sees to it that a range waits whose first pages are warm, unless nothing is to wait. */
void pool_prepare(struct pool *pool);

/* Makes pages warm for the first range. It gets its addresses when it is taken: a process may limit
 * them after it has imported the package, and never make a buffer. */
void pool_prepare_first(struct pool *pool);

/* Bytes that a buffer may keep committed past its contents after it shrank. */
size_t pool_slack(const struct pool *pool);

/* Asks the system for its limits anew; what it does not tell now stays as it was. */
void pool_look_again(struct pool *pool);

/* Asks vmem_probe, once. */
void pool_probe(struct pool *pool);

/* Whether the system pays for every committed page, or counts it against a limit. */
bool pool_is_frugal(const struct pool *pool);

/* Whether the system gives huge pages to everybody, and advice can keep it from that. */
bool pool_gives_huge_unasked(const struct pool *pool);

/* Bytes of memory in idle ranges, that which the system may take included. */
static inline size_t
pool_waiting(const struct pool *pool)
{
    return pool->idle_bytes + pool->idle_discarded;
}

/* Whether ranges may wait here at all. */
bool pool_keeps_any(const struct pool *pool);

/* How many ranges may be out before lazy ones are taken instead. */
size_t pool_most_ranges(const struct pool *pool);

/* Releases a range whatever state its pages are in. */
void pool_discard(struct pool *pool, struct range *range);

#endif
