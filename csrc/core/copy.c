/* copy.c - copying from the end or from the beginning, 64 bytes at a time.
 *
 * What a reader would get wrong: the order is the point. Processors load ahead of stores, by a kibibyte
 * or more, and a load waits for a store to what seems to be its address. From the end loads run ahead
 * below the stores, from the beginning above them; who calls takes the way on which none seems to meet.
 * Vectors of 16 bytes, which every x86-64 has, reach the speed of memmove's best placement where it
 * was measured.
 */
#include "copy.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>

enum { VECTOR = sizeof(__m128i), BLOCK = 4 * VECTOR };

static __m128i
load(const char *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

static void
store(char *to, __m128i vector)
{
    _mm_storeu_si128((__m128i *)to, vector);
}

static void
copy_block(char *target, const char *source)
{
    __m128i d = load(source + 3 * VECTOR), c = load(source + 2 * VECTOR);
    __m128i b = load(source + VECTOR), a = load(source);
    store(target + 3 * VECTOR, d);
    store(target + 2 * VECTOR, c);
    store(target + VECTOR, b);
    store(target, a);
}

/* A target below its source would be overwritten before it is read. */
void
copy_downward(char *target, const char *source, size_t n)
{
    if ((uintptr_t)source - (uintptr_t)target >= n) {
        for (; n >= BLOCK; n -= BLOCK)
            copy_block(target + n - BLOCK, source + n - BLOCK);
    }
    memmove(target, source, n);
}

/* A target above its source would overwrite what is still to be read. */
void
copy_upward(char *target, const char *source, size_t n)
{
    size_t done = 0;
    if ((uintptr_t)target - (uintptr_t)source >= n) {
        for (; n - done >= BLOCK; done += BLOCK)
            copy_block(target + done, source + done);
    }
    memmove(target + done, source + done, n - done);
}
#else
void
copy_downward(char *target, const char *source, size_t n)
{
    memmove(target, source, n);
}

void
copy_upward(char *target, const char *source, size_t n)
{
    memmove(target, source, n);
}
#endif
