/* hot.h - marks the functions that every short life runs: made, appended to, looked at, destroyed.
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

#endif
