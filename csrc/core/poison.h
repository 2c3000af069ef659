/* poison.h - AddressSanitizer marks for accessible bytes that are not in use.
 *
 * What a reader would get wrong: without a sanitizer both are nothing, so they may stand in the hot
 * path; and memory must be opened again before it goes back to an allocator or to the system.
 */
#ifndef GROWABLE_POISON_H
#define GROWABLE_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define POISON_ENABLED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_ENABLED 1
#endif
#endif

#ifdef POISON_ENABLED
#include <sanitizer/asan_interface.h>

static inline void
poison_close(const char *begin, const char *end)
{
    if (end > begin)
        ASAN_POISON_MEMORY_REGION(begin, (size_t)(end - begin));
}

static inline void
poison_open(const char *begin, const char *end)
{
    if (end > begin)
        ASAN_UNPOISON_MEMORY_REGION(begin, (size_t)(end - begin));
}
#else
#define poison_close(begin, end) ((void)0)
#define poison_open(begin, end) ((void)0)
#endif

#endif
