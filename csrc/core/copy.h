/* copy.h - memmove for what is appended, without the placement on which it is ten times slower.
 *
 * Contents in a reservation begin on a page, so pieces of 4 KiB and more land at the same place in
 * their pages again and again. Where the source stands a little before that place in its page, each
 * load seems to depend on a store just made (the processor compares twelve bits of the address), and
 * the string instructions that many a memmove uses from 4 KiB on crawl.
 *
 * What a reader would get wrong: this is about addresses modulo 4096, not about alignment or overlap;
 * source and target may be gibibytes apart. Overlap is allowed as for memmove.
 */
#ifndef GROWABLE_COPY_H
#define GROWABLE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    COPY_LONG = 4096,  /* shorter ones are copied without string instructions */
    COPY_ALIAS = 4096, /* addresses that differ by this look the same to a load */
    COPY_WINDOW = 32   /* how near before the target the source has to stand */
};

/* The same as memmove, from the end to the beginning in any case but where that would be wrong. */
void copy_downward(char *target, const char *source, size_t n);

static inline bool
copy_collides(const char *target, const char *source)
{
    size_t ahead = ((uintptr_t)target - (uintptr_t)source) % COPY_ALIAS;
    return ahead - 1 < COPY_WINDOW - 1;
}

static inline void
copy_memory(char *target, const char *source, size_t n)
{
    if (n >= COPY_LONG && copy_collides(target, source))
        copy_downward(target, source, n);
    else
        memmove(target, source, n);
}

#endif
