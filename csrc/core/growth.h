/* growth.h - how much to allocate or commit when a buffer grows: pure functions of sizes.
 *
 * Sizes are bytes. Callers have checked that `needed` plus one fits in the address space; every
 * function returns at least `needed`, so a policy can waste memory but never lose bytes.
 *
 * What a reader would get wrong: commit steps are not about the number of system calls alone. A
 * commit edge inside a huge-page-sized block forbids the huge page there, so steps past the
 * first such block are whole blocks.
 */
#ifndef GROWABLE_GROWTH_H
#define GROWABLE_GROWTH_H

#include <stdbool.h>
#include <stddef.h>

enum {
    GROWTH_LAVISH_HEAP = 1024,         /* below: double; there a reallocation costs more than bytes do */
    GROWTH_GENEROUS_HEAP = 64 * 1024,  /* below: grow by half; above: by an eighth */
    GROWTH_COMMIT_STEP = 128 * 1024,   /* smallest commit, but a page where each one counts */
    GROWTH_COMMIT_BLOCK = 2 * 1024 * 1024,
    GROWTH_COMMIT_QUICK = 2 * 1024 * 1024, /* largest commit where no step may take long */
    GROWTH_COMMIT_EARLY = 16 * 1024,       /* how much before it is needed that one is made */
    GROWTH_GIVE_BACK = 1024 * 1024,    /* smallest decommit at the front */
    GROWTH_POPULATE_FROM = 512 * 1024, /* shorter contents get their pages when they are written */
    GROWTH_POPULATE_EARLY = 64 * 1024, /* the same until the helper thread takes over */
    GROWTH_POPULATE_MOST = 256 * 1024, /* at once */
    GROWTH_POPULATE_WRITE = 16 * 1024, /* a piece that is written as a whole gets its pages at once */
    GROWTH_POPULATE_QUICK = 8 * 1024,  /* at once where no step may take long, */
    GROWTH_POPULATE_QUICK_FROM = 128 * 1024, /* and half of it for shorter contents */
    GROWTH_PREFAULT_FROM = 1024 * 1024,
    GROWTH_PREFAULT_LEAST = 1024 * 1024,     /* how far the helper is ahead, but for huge pages, */
    GROWTH_PREFAULT_MOST = 16 * 1024 * 1024, /* and of whatever size */
    GROWTH_PREFAULT_PACE = 512 * 1024,       /* how often the writer looks whether it has enough */
    GROWTH_PREFAULT_STEP = 128 * 1024        /* what it does at once, but for huge pages */
};

static inline size_t
growth_round_up(size_t size, size_t unit)
{
    size_t mask = unit - 1;
    return size > (size_t)-1 - mask ? size & ~mask : (size + mask) & ~mask;
}

static inline size_t
growth_round_down(size_t size, size_t unit)
{
    return size & ~(unit - 1);
}

/* The same where the multiples of `unit`, a power of two, stand `lead` bytes further on. The smallest
 * is less than the unit then, and need not be 0. */
static inline size_t
growth_round_up_past(size_t size, size_t unit, size_t lead)
{
    size_t shift = (0 - lead) & (unit - 1);
    return growth_round_up(size + shift, unit) - shift;
}

static inline size_t
growth_saturating_double(size_t size)
{
    return size > (size_t)-1 / 2 ? (size_t)-1 : size * 2;
}

/* The size of the heap block to ask for, given the present one. A large step gets just what it
 * needs, as a bytearray does: it may be the last. */
static inline size_t
growth_heap_size(size_t needed, size_t current)
{
    size_t extra = current < GROWTH_LAVISH_HEAP ? current
                 : current < GROWTH_GENEROUS_HEAP ? current / 2 : current / 8;
    size_t generous = current + extra;
    return generous > needed ? generous : needed;
}

/* The offset up to which to commit, given that `needed` bytes must be accessible and `committed`
 * are. Blocks begin at the offset `lead`. A frugal system pays for each committed page at once, so
 * there we stay close to the need. */
static inline size_t
growth_commit_end(size_t needed, size_t committed, size_t size, size_t page, size_t lead,
                  bool frugal)
{
    size_t doubled = committed > GROWTH_COMMIT_BLOCK ? committed - lead : committed;
    size_t extra = frugal ? committed / 8 : doubled;
    size_t generous = extra > size - committed ? size : committed + extra;
    size_t wanted = generous > needed ? generous : needed;
    size_t unit = frugal || page > GROWTH_COMMIT_STEP ? page : GROWTH_COMMIT_STEP;
    size_t end = growth_round_up(wanted, unit);
    if (!frugal && end >= GROWTH_COMMIT_BLOCK && page < GROWTH_COMMIT_BLOCK)
        end = growth_round_up_past(wanted, GROWTH_COMMIT_BLOCK, lead);
    return end > size || end < needed ? size : end;
}

/* The same where no step may take long, given what the function above returned: the system's part of a
 * commit takes longer the more pages there are, used or not. */
static inline size_t
growth_commit_quickly(size_t end, size_t needed, size_t committed)
{
    size_t most = committed + GROWTH_COMMIT_QUICK;
    return end <= most || most < needed ? end : most;
}

/* Whether `used` is so much of `committed` that nothing is given back. */
static inline bool
growth_fills(size_t used, size_t committed)
{
    return committed / 4 < used;
}

/* Whether a buffer that shrank to `used` of `committed` bytes should give pages back, and up to
 * where; `slack` bytes may stay in any case, and blocks begin at the offset `lead`. Far enough apart
 * that filling and emptying in turn costs a constant a byte. */
static inline size_t
growth_commit_after_shrink(size_t used, size_t committed, size_t slack, size_t page, size_t lead)
{
    if (committed - used <= slack || growth_fills(used, committed))
        return committed;
    size_t unit = slack > GROWTH_COMMIT_BLOCK && page < GROWTH_COMMIT_BLOCK
                      ? GROWTH_COMMIT_BLOCK : page;
    size_t end = growth_round_up_past(used + slack / 4, unit, lead);
    return end < committed ? end : committed;
}

/* How far past what is needed memory is put behind pages before they are written, when `used` bytes
 * are. Enough that the calls pay, little enough that resident memory stays near the contents. Where no
 * step may take long the first ones are shorter: a call takes longest when it is the first. */
static inline size_t
growth_populate_extra(size_t used, bool low_latency)
{
    if (low_latency)
        return used < GROWTH_POPULATE_QUICK_FROM ? GROWTH_POPULATE_QUICK / 2 : GROWTH_POPULATE_QUICK;
    return used / 8 < GROWTH_POPULATE_MOST ? used / 8 : GROWTH_POPULATE_MOST;
}

/* The same for the helper thread, whose steps are whole, and as large as `step`. A share of the
 * contents, so that resident memory stays near them whatever their size. */
static inline size_t
growth_prefault_extra(size_t used, size_t step)
{
    size_t least = step > GROWTH_PREFAULT_LEAST ? step : GROWTH_PREFAULT_LEAST;
    size_t extra = used / 64 < GROWTH_PREFAULT_MOST ? used / 64 : GROWTH_PREFAULT_MOST;
    return extra > least ? extra : least;
}

/* How much the helper must be short of that before it is woken, which costs the writer as much as some
 * page faults do. */
static inline size_t
growth_prefault_lot(size_t extra)
{
    return extra / 2;
}

#endif
