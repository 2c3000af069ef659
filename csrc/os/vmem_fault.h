/* vmem_fault.h - makes the n-th call into the OS layer fail. For tests only.
 *
 * Works by the linker (GNU ld or lld for ELF and mingw; Apple's has no --wrap): a test program that
 * links vmem_fault.c and passes --wrap=<function> for every function listed in vmem_fault.c has its
 * calls go through here first. A function that is not wrapped works as ever, uncounted.
 *
 * Counted are the functions of vmem.h that can fail, except vmem_release: a failed release leaves
 * the caller nothing to undo, so there is no behaviour to test, and to let it fail would only leak.
 * So every call that is counted can be made to fail, and after an operation
 * `vmem_fault_calls() >= nth` says that it met a failure.
 *
 * A wrapped call that fails does nothing else: the real function is not called, no out-parameter is
 * written. The error is the system's own for want of memory.
 *
 * What a reader would get wrong: a call within one file of the OS layer is not seen, one from file to
 * file is; and link-time optimisation defeats the wrapping altogether.
 */
#ifndef GROWABLE_VMEM_FAULT_H
#define GROWABLE_VMEM_FAULT_H

/* Starts to count anew: the nth call from now (1 is the next) fails, and `count` calls in all from
 * there on; all that follow where count < 0. nth <= 0 or count == 0 only counts. */
void vmem_fault_arm(long nth, long count);

/* No more failures, and the count stands still. */
void vmem_fault_disarm(void);

/* Calls between vmem_fault_arm and vmem_fault_disarm, or now. */
long vmem_fault_calls(void);

#endif
