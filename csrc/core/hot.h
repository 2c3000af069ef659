/* hot.h - marks what every short life runs: made, appended to, looked at, destroyed.
 *
 * What a reader would get wrong: it is for the first time that they run, not for the thousandth. The
 * linker puts them side by side, in 2 pages instead of 11, so a process that fills its first small
 * buffer waits for fewer of them to be looked up. It says nothing to compilers without sections for it.
 */
#ifndef GROWABLE_HOT_H
#define GROWABLE_HOT_H

#if defined(__GNUC__)
#define HOT __attribute__((hot))
#else
#define HOT
#endif

/* It is in this library, so its address needs no look at the table of those that are elsewhere. */
#if defined(__GNUC__) && !defined(_WIN32)
#define HIDDEN __attribute__((visibility("hidden")))
#else
#define HIDDEN
#endif

/* What holds for nearly every short life: the compiler leaves that way without jumps, so the first one
 * needs fewer lines of code to come to the caches. */
#if defined(__GNUC__)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#else
#define LIKELY(condition) (condition)
#endif

#endif
