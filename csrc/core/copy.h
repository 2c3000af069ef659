/* copy.h - memmove for what is appended, without the placements on which it is slower.
 *
 * Contents in a reservation begin on a page, so pieces of 4 KiB and more land at the same place in
 * their pages again and again. Where the source stands a little before that place in its page, each
 * load seems to depend on a store just made (the processor compares twelve bits of the address), and
 * the string instructions that many a memmove uses from 4 KiB on crawl.
 *
 * Where the distance of source and target is no multiple of 32, and both stand in the caches, glibc's
 * took a tenth longer (2.36, AMD EPYC); other libraries were not measured, and are left alone. Bytes of
 * bytes objects stand 0 or 16 past such a multiple.
 *
 * What a reader would get wrong: this is about distances modulo 4096 and modulo 32, not about alignment
 * or overlap; source and target may be gibibytes apart. Overlap is allowed as for memmove.
 */
#ifndef GROWABLE_COPY_H
#define GROWABLE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    COPY_LONG = 4096,         /* shorter ones are copied without string instructions */
    COPY_ALIAS = 4096,        /* addresses that differ by this look the same to a load */
    COPY_WINDOW = 32,         /* how near before the target the source has to stand */
    COPY_EVEN = 32,           /* string instructions are best over multiples of this distance */
    COPY_UNEVEN_LEAST = 8192, /* shorter ones were as fast with memmove */
    COPY_UNEVEN_MOST = 524288 /* longer ones too */
};

#ifdef __GLIBC__
#define COPY_MINDS_UNEVEN true
#else
#define COPY_MINDS_UNEVEN false
#endif

/* The same as memmove, from the end to the beginning in any case but where that would be wrong. */
void copy_downward(char *target, const char *source, size_t n);

/* The same, from the beginning to the end. */
void copy_upward(char *target, const char *source, size_t n);

static inline size_t
copy_ahead(const char *target, const char *source)
{
    return ((uintptr_t)target - (uintptr_t)source) % COPY_ALIAS;
}

static inline bool
copy_collides(const char *target, const char *source)
{
    return copy_ahead(target, source) - 1 < COPY_WINDOW - 1;
}

static inline bool
copy_is_uneven(const char *target, const char *source, size_t n)
{
    return n >= COPY_UNEVEN_LEAST && n <= COPY_UNEVEN_MOST &&
           copy_ahead(target, source) % COPY_EVEN != 0;
}

static inline bool
copy_is_slow(const char *target, const char *source, size_t n)
{
    return (n >= COPY_LONG && copy_collides(target, source)) ||
           (COPY_MINDS_UNEVEN && copy_is_uneven(target, source, n));
}

static inline void
copy_memory(char *target, const char *source, size_t n)
{
    if (!copy_is_slow(target, source, n))
        memmove(target, source, n);
    else if (copy_ahead(target, source) < COPY_ALIAS / 2)
        copy_downward(target, source, n);
    else
        copy_upward(target, source, n);
}

#endif
