/* vmem_signal.h - waiting on a word in memory that processes share, and telling whether they live:
 * the contract.
 *
 * One file implements it: vmem_signal_linux.c, vmem_signal_darwin.c or vmem_signal_windows.c.
 *
 * How the word is used: who is about to sleep sets it to 1, looks once more whether there is a reason
 * to sleep, and calls vmem_signal_wait. Who has made that reason go away sets it to 0 and, if it was
 * 1, calls vmem_signal_wake. With sequentially consistent operations no call is lost between the two.
 *
 * What a reader would get wrong: a wait may end early for any reason, and the caller looks again. It
 * never tells why it ended.
 */
#ifndef GROWABLE_VMEM_SIGNAL_H
#define GROWABLE_VMEM_SIGNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VMEM_NO_SIGNAL ((intptr_t)-1)

/* What is needed beside the word, if anything. All who wait on one word, or wake who does, give the
 * same `key`, which nobody else uses. 0 or the system's error code; then *signal is VMEM_NO_SIGNAL. */
int vmem_signal_open(uint64_t key, intptr_t *signal);
void vmem_signal_close(intptr_t signal);

/* Sleeps while *word is 1, for `nanoseconds` at most. With VMEM_NO_SIGNAL some systems sleep for a
 * moment instead, and nobody wakes them. */
void vmem_signal_wait(intptr_t signal, _Atomic uint32_t *word, uint64_t nanoseconds);

/* Wakes who sleeps; on some systems only one of several. */
void vmem_signal_wake(intptr_t signal, _Atomic uint32_t *word);

/* Nanoseconds since some moment in the past, the same for all processes of the system until it is
 * started anew. */
uint64_t vmem_clock(void);

/* Identities of processes. One is made of the number and the time of the start, so that a number that
 * was given out again is not mistaken for the process that had it. 48 bits, never 0. */
uint64_t vmem_process_self(void);
int vmem_process_number(uint64_t identity);

/* Whether that process still runs, as far as can be told: one that has ended and waits for its parent
 * to take notice does not. Where it cannot be told, true. */
bool vmem_process_runs(uint64_t identity);

/* What numbers of processes mean something in: processes of different spaces cannot tell of each
 * other. 0 where there is but one. */
uint64_t vmem_process_space(void);

/* Changes when the process is forked, in the child. */
unsigned vmem_process_generation(void);

#endif
