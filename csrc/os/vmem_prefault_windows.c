/* vmem_prefault_windows.c - the helper thread of vmem_prefault.h on Windows.
 *
 * What a reader would get wrong: PrefetchVirtualMemory is of no use here. It reads back what was
 * written to disk; pages that were never written get no memory by it. So they are touched.
 */
#include "vmem_windows.h"

#include "vmem_prefault_thread.h"

enum { STACK_SIZE = 64 * 1024 };

const int prefault_busy = ERROR_BUSY;

static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE ordered = CONDITION_VARIABLE_INIT;
static CONDITION_VARIABLE stepped = CONDITION_VARIABLE_INIT;

void prefault_lock(void)
{
    AcquireSRWLockExclusive(&lock);
}

bool prefault_try_lock(void)
{
    return TryAcquireSRWLockExclusive(&lock);
}

void prefault_unlock(void)
{
    ReleaseSRWLockExclusive(&lock);
}

bool prefault_await_order(unsigned milliseconds)
{
    return SleepConditionVariableSRW(&ordered, &lock, milliseconds, 0);
}

void prefault_await_step(void)
{
    SleepConditionVariableSRW(&stepped, &lock, INFINITE, 0);
}

/* Sleep() counts in ticks of the clock, of some milliseconds each. */
bool prefault_nap(unsigned microseconds)
{
    (void)microseconds;
    return false;
}

void prefault_tell_order(void)
{
    WakeConditionVariable(&ordered);
}

void prefault_tell_step(void)
{
    WakeAllConditionVariable(&stepped);
}

static DWORD WINAPI run(void *unused)
{
    (void)unused;
    prefault_run();
    return 0;
}

int vmem_prefault_start(void)
{
    HANDLE thread = CreateThread(NULL, STACK_SIZE, run, NULL, STACK_SIZE_PARAM_IS_A_RESERVATION,
                                 NULL);
    if (thread == NULL) {
        return windows_last_error();
    }
    CloseHandle(thread);
    return 0;
}
