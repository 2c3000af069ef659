/* vmem_signal_windows.c - a named event for each word, and process handles.
 *
 * WaitOnAddress knows no other process; an event serves threads of one process as well.
 *
 * What a reader would get wrong: an event keeps one call that came too early. So a wait can end at
 * once for a reason that has long gone.
 */
#include "vmem_signal.h"

#include <stdio.h>
#include <wchar.h>
#include <windows.h>

/* ---- waiting ----------------------------------------------------------------------------- */

int vmem_signal_open(uint64_t key, intptr_t *signal)
{
    wchar_t name[64];
    *signal = VMEM_NO_SIGNAL;
    swprintf(name, sizeof name / sizeof name[0], L"Local\\growable-signal-%08lx%08lx",
             (unsigned long)(key >> 32), (unsigned long)(key & 0xffffffffu));
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, name);
    if (event == NULL) {
        return (int)GetLastError();
    }
    *signal = (intptr_t)event;
    return 0;
}

void vmem_signal_close(intptr_t signal)
{
    if (signal != VMEM_NO_SIGNAL) {
        CloseHandle((HANDLE)signal);
    }
}

/* Rounded up, so that a wait of less than a millisecond is one. */
void vmem_signal_wait(intptr_t signal, _Atomic uint32_t *word, uint64_t nanoseconds)
{
    uint64_t milliseconds = (nanoseconds + 999999) / 1000000;
    if (signal == VMEM_NO_SIGNAL) {
        Sleep(1);
    } else if (atomic_load(word) == 1) {
        WaitForSingleObject((HANDLE)signal, milliseconds < 60000 ? (DWORD)milliseconds : 60000);
    }
}

void vmem_signal_wake(intptr_t signal, _Atomic uint32_t *word)
{
    (void)word;
    if (signal != VMEM_NO_SIGNAL) {
        SetEvent((HANDLE)signal);
    }
}

uint64_t vmem_clock(void)
{
    LARGE_INTEGER now, rate;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&rate);
    uint64_t seconds = (uint64_t)(now.QuadPart / rate.QuadPart);
    uint64_t rest = (uint64_t)(now.QuadPart % rate.QuadPart);
    return seconds * 1000000000u + rest * 1000000000u / (uint64_t)rate.QuadPart;
}

/* ---- processes --------------------------------------------------------------------------- */

enum { NUMBER_BITS = 24, START_BITS = 24 };

/* When it was started, in milliseconds. */
static bool find_start(HANDLE process, uint64_t *start)
{
    FILETIME made, ended, kernel, user;
    if (!GetProcessTimes(process, &made, &ended, &kernel, &user)) {
        return false;
    }
    *start = ((uint64_t)made.dwHighDateTime << 32 | made.dwLowDateTime) / 10000;
    return true;
}

/* Numbers of processes are multiples of four, and so fit the field for a long time. */
static uint64_t identity_of(DWORD number, uint64_t start)
{
    uint64_t low = start & ((1u << START_BITS) - 1);
    return ((uint64_t)number & ((1u << NUMBER_BITS) - 1)) << START_BITS | low;
}

uint64_t vmem_process_self(void)
{
    uint64_t start = 0;
    (void)find_start(GetCurrentProcess(), &start);
    return identity_of(GetCurrentProcessId(), start);
}

int vmem_process_number(uint64_t identity)
{
    return (int)(identity >> START_BITS & ((1u << NUMBER_BITS) - 1));
}

static bool is_running(HANDLE process, uint64_t identity)
{
    uint64_t start = 0;
    if (WaitForSingleObject(process, 0) == WAIT_OBJECT_0) {
        return false;
    }
    return !find_start(process, &start)
           || identity_of((DWORD)vmem_process_number(identity), start) == identity;
}

bool vmem_process_runs(uint64_t identity)
{
    DWORD number = (DWORD)vmem_process_number(identity);
    HANDLE process = OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, number);
    if (process == NULL) {
        return GetLastError() == ERROR_ACCESS_DENIED;
    }
    bool runs = is_running(process, identity);
    CloseHandle(process);
    return runs;
}

uint64_t vmem_process_space(void)
{
    return 0;
}

unsigned vmem_process_generation(void)
{
    return 0;
}
