/* vmem_guard_windows.c - guarded pages on Windows: PAGE_GUARD, and a vectored handler that counts.
 *
 * What a reader would get wrong: the system has taken the guard off before the handler runs, and
 * off that page alone. So the handler never changes a page, one fault is one hit whatever other
 * threads do, and a handler that does not know the page must let the search go on: the guard pages
 * of thread stacks raise the same exception.
 */
#include "vmem_windows.h"

#include "vmem_guard_trip.h"

#include <stdatomic.h>

const bool guard_opens_itself = true;
const int guard_no_memory = ERROR_NOT_ENOUGH_MEMORY;

static SRWLOCK lock = SRWLOCK_INIT;
static void *handler; /* under the lock */
static _Atomic(HANDLE) event;
static _Atomic(bool (*)(void *)) told;
static _Atomic(void *) told_context;
static _Atomic bool telling;

/* ---- the handler ------------------------------------------------------------------------- */

static enum guard_fault kind_of(ULONG_PTR access)
{
    switch (access) {
    case 0:
        return FAULT_READ;
    case 1:
        return FAULT_WRITE;
    default:
        return FAULT_EXECUTE;
    }
}

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *pointers)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    if (record->ExceptionCode != EXCEPTION_GUARD_PAGE || record->NumberParameters < 2) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    DWORD kept = GetLastError();
    ULONG_PTR address = record->ExceptionInformation[1];
    bool ours = guard_trip((uintptr_t)address, kind_of(record->ExceptionInformation[0]));
    SetLastError(kept);
    return ours ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

/* The system does not tell who stands first. The new registration comes before the old one goes, so
 * that there is always one. */
int guard_install(void)
{
    void *added = AddVectoredExceptionHandler(1, on_exception);
    if (added == NULL) {
        return windows_last_error();
    }
    if (handler != NULL) {
        RemoveVectoredExceptionHandler(handler);
    }
    handler = added;
    return 0;
}

/* ---- what vmem_guard.c asks for ---------------------------------------------------------- */

void guard_lock(void)
{
    AcquireSRWLockExclusive(&lock);
}

void guard_unlock(void)
{
    ReleaseSRWLockExclusive(&lock);
}

void guard_yield(void)
{
    if (!SwitchToThread()) {
        Sleep(0);
    }
}

uintptr_t guard_thread(void)
{
    return GetCurrentThreadId();
}

static int protect_piece(void *address, size_t size, DWORD protection)
{
    DWORD before;
    return VirtualProtect(address, size, protection, &before) ? 0 : windows_last_error();
}

int guard_set(void *address, size_t size, enum vmem_access access)
{
    DWORD protection = windows_protection(access) | PAGE_GUARD;
    return windows_by_pieces(address, size, protect_piece, protection);
}

bool guard_stands(const void *address)
{
    MEMORY_BASIC_INFORMATION found;
    return VirtualQuery(address, &found, sizeof found) == 0 || (found.Protect & PAGE_GUARD) != 0;
}

/* ---- telling of hits --------------------------------------------------------------------- */

void guard_wake(void)
{
    HANDLE woken = atomic_load(&event);
    if (woken != NULL) {
        SetEvent(woken);
    }
}

static bool tell(void)
{
    atomic_store(&telling, true);
    bool (*function)(void *) = atomic_load(&told);
    bool done = function == NULL || function(atomic_load(&told_context));
    atomic_store(&telling, false);
    return done;
}

static DWORD WINAPI wait_for_hits(void *waited)
{
    while (WaitForSingleObject(waited, INFINITE) == WAIT_OBJECT_0) {
        while (!tell()) {
            Sleep(1);
        }
    }
    return 0;
}

static int start_thread(void)
{
    HANDLE made = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (made == NULL) {
        return windows_last_error();
    }
    HANDLE thread = CreateThread(NULL, 0, wait_for_hits, made, 0, NULL);
    if (thread == NULL) {
        int error = windows_last_error();
        CloseHandle(made);
        return error;
    }
    CloseHandle(thread);
    atomic_store(&event, made);
    return 0;
}

int vmem_guard_watch(bool (*function)(void *), void *context)
{
    guard_lock();
    int error = atomic_load(&event) != NULL ? 0 : start_thread();
    if (error == 0) {
        vmem_guard_unwatch();
        atomic_store(&told_context, context);
        atomic_store(&told, function);
    }
    guard_unlock();
    return error;
}

void vmem_guard_unwatch(void)
{
    atomic_store(&told, NULL);
    while (atomic_load(&telling)) {
        guard_yield();
    }
}
