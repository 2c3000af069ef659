/* vmem_guard_posix.c - the faults of guarded pages on Linux and macOS: handlers of signals, and
 * what passing a fault on means.
 *
 * What a reader would get wrong: somebody who installs a handler after us keeps ours as the one
 * before theirs, and calls or reinstates it. If the same function of ours then stood in front of
 * theirs as well, the two would pass a crash to each other for ever. So each time that we go in
 * front of a stranger we use another of our entries, which knows that stranger, while the old entry
 * still knows who was there at first.
 *
 * mprotect is not on POSIX's list of what a handler may call. On both systems it is a bare
 * system call, and collectors of garbage have relied on that for decades.
 */
#if defined(__linux__)
#define _GNU_SOURCE
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "vmem_guard_trip.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

const bool guard_opens_itself = false;
const int guard_no_memory = ENOMEM;

/* ---- what the fault was ------------------------------------------------------------------ */

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__linux__) || defined(__APPLE__))

/* The error code of the page fault. */
static enum guard_fault kind_of(const ucontext_t *context)
{
#ifdef __linux__
    unsigned long error = (unsigned long)context->uc_mcontext.gregs[REG_ERR];
#else
    unsigned long error = context->uc_mcontext->__es.__err;
#endif
    if ((error & 0x10) != 0) {
        return FAULT_EXECUTE;
    }
    return (error & 0x02) != 0 ? FAULT_WRITE : FAULT_READ;
}

#elif defined(__aarch64__) && (defined(__linux__) || defined(__APPLE__))

/* The exception syndrome: its class, and for an access to data whether that was a write. */
static enum guard_fault kind_of_syndrome(uint64_t syndrome)
{
    switch ((syndrome >> 26) & 0x3f) {
    case 0x20:
    case 0x21:
        return FAULT_EXECUTE;
    case 0x24:
    case 0x25:
        return (syndrome & 0x40) != 0 ? FAULT_WRITE : FAULT_READ;
    default:
        return FAULT_UNKNOWN;
    }
}

#ifdef __APPLE__

static enum guard_fault kind_of(const ucontext_t *context)
{
    return kind_of_syndrome(context->uc_mcontext->__es.__esr);
}

#else

struct record {
    uint32_t magic; /* 0 ends the list */
    uint32_t size;  /* with this head */
};

#define SYNDROME_MAGIC 0x45535201u

/* The kernel adds records to the registers as it sees fit; an emulator may add none. */
static enum guard_fault kind_of(const ucontext_t *context)
{
    const unsigned char *records = (const unsigned char *)context->uc_mcontext.__reserved;
    const size_t size = sizeof context->uc_mcontext.__reserved;
    struct record head;
    uint64_t syndrome;
    size_t at = 0;
    while (at + sizeof head + sizeof syndrome <= size) {
        memcpy(&head, records + at, sizeof head);
        if (head.magic == SYNDROME_MAGIC) {
            memcpy(&syndrome, records + at + sizeof head, sizeof syndrome);
            return kind_of_syndrome(syndrome);
        }
        if (head.magic == 0 || head.size < sizeof head) {
            break;
        }
        at += head.size;
    }
    return FAULT_UNKNOWN;
}

#endif

#else

static enum guard_fault kind_of(const ucontext_t *context)
{
    (void)context;
    return FAULT_UNKNOWN;
}

#endif

/* A forbidden access to mapped memory. A signal that somebody sent has a code of 0 or below. */
static bool is_forbidden_access(const siginfo_t *info)
{
#ifdef __linux__
    return info->si_code == SEGV_ACCERR;
#else
    return info->si_code > 0;
#endif
}

/* ---- passing on -------------------------------------------------------------------------- */

/* Linux reports a forbidden access by SIGSEGV alone; SIGBUS there is a page that could not be read.
 * */
#ifdef __linux__
static const int numbers[] = {SIGSEGV};
#else
static const int numbers[] = {SIGSEGV, SIGBUS};
#endif

enum { SIGNALS = sizeof numbers / sizeof numbers[0], ENTRIES = 8 };

/* Who stood there when our entry went in front. Fixed before the entry is installed. */
struct before {
    struct sigaction action;
    _Atomic bool used;
    _Atomic bool spent; /* it asked to be called once (SA_RESETHAND), and was */
};

static struct before before[SIGNALS][ENTRIES];

static bool is_function(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0
           || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static bool is_ignored(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == SIG_IGN;
}

/* The same signal again, for one that does not come back by itself. */
static void send_again(int number, siginfo_t *info)
{
#ifdef __linux__
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), number, info) == 0) {
        return;
    }
#endif
    (void)info;
    raise(number);
}

/* The instruction runs again and faults again; a sent signal is delivered when we return. The
 * system kills for a fault that is ignored, too. */
static void take_default(int number, siginfo_t *info)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    if (info->si_code <= 0) {
        send_again(number, info);
    }
}

/* What would be blocked had the system called this handler itself. */
static void block_as(const struct sigaction *action, int number, const ucontext_t *context)
{
    sigset_t blocked = context->uc_sigmask;
    for (int other = 1; other < NSIG; other++) {
        if (sigismember(&action->sa_mask, other) == 1) {
            sigaddset(&blocked, other);
        }
    }
    if ((action->sa_flags & SA_NODEFER) == 0) {
        sigaddset(&blocked, number);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

static void pass_on(struct before *to, int number, siginfo_t *info, void *context)
{
    const struct sigaction *action = &to->action;
    bool once = (action->sa_flags & (int)SA_RESETHAND) != 0;
    (void)atomic_load(&to->used); /* what was stored before it is seen from here on */
    if (is_ignored(action) && info->si_code <= 0) {
        return;
    }
    if (!is_function(action) || (once && atomic_exchange(&to->spent, true))) {
        take_default(number, info);
        return;
    }
    block_as(action, number, context);
    if ((action->sa_flags & SA_SIGINFO) != 0) {
        action->sa_sigaction(number, info, context);
    } else {
        action->sa_handler(number);
    }
}

static unsigned index_of(int number)
{
    return number == numbers[0] ? 0 : SIGNALS - 1;
}

static void on_signal(unsigned entry, int number, siginfo_t *info, void *context)
{
    int kept = errno;
    bool ours = is_forbidden_access(info)
                && guard_trip((uintptr_t)info->si_addr, kind_of(context));
    errno = kept;
    if (!ours) {
        pass_on(&before[index_of(number)][entry], number, info, context);
    }
}

/* ---- entries ----------------------------------------------------------------------------- */

#define ENTRY(entry)                                                                               \
    static void entry_##entry(int number, siginfo_t *info, void *context)                          \
    {                                                                                              \
        on_signal(entry, number, info, context);                                                   \
    }
ENTRY(0)
ENTRY(1)
ENTRY(2)
ENTRY(3)
ENTRY(4)
ENTRY(5)
ENTRY(6)
ENTRY(7)

typedef void (*entry_function)(int, siginfo_t *, void *);

static const entry_function entries[ENTRIES] = {entry_0, entry_1, entry_2, entry_3,
                                                entry_4, entry_5, entry_6, entry_7};

static bool is_entry(const struct sigaction *action)
{
    if ((action->sa_flags & SA_SIGINFO) == 0) {
        return false;
    }
    for (int i = 0; i < ENTRIES; i++) {
        if (action->sa_sigaction == entries[i]) {
            return true;
        }
    }
    return false;
}

static bool is_same(const struct sigaction *one, const struct sigaction *other)
{
    if (one->sa_flags != other->sa_flags) {
        return false;
    }
    return (one->sa_flags & SA_SIGINFO) != 0 ? one->sa_sigaction == other->sa_sigaction
                                             : one->sa_handler == other->sa_handler;
}

/* The entry that already stands for this stranger, or one that stands for nobody yet; -1: none. */
static int entry_for(unsigned index, const struct sigaction *stranger)
{
    for (int i = 0; i < ENTRIES; i++) {
        struct before *known = &before[index][i];
        if (!atomic_load(&known->used) || is_same(&known->action, stranger)) {
            return i;
        }
    }
    return -1;
}

/* Every signal is held back while we are in the handler, so that nobody can leave it by a jump
 * while guard_trip has it on its books. */
static int install_entry(int number, int entry)
{
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = entries[entry];
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigfillset(&ours.sa_mask);
    return sigaction(number, &ours, NULL) == 0 ? 0 : errno;
}

static int go_in_front(unsigned index)
{
    struct sigaction found;
    if (sigaction(numbers[index], NULL, &found) != 0) {
        return errno;
    }
    if (is_entry(&found)) {
        return 0;
    }
    int entry = entry_for(index, &found);
    if (entry < 0) {
        return EBUSY;
    }
    struct before *to = &before[index][entry];
    if (!atomic_load(&to->used)) {
        to->action = found;
        atomic_store(&to->used, true);
    }
    atomic_store(&to->spent, false);
    return install_entry(numbers[index], entry);
}

/* ---- what vmem_guard.c asks for ---------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int pipe_ends[2] = {-1, -1}; /* read, write */
static _Atomic(bool (*)(void *)) told;
static _Atomic(void *) told_context;
static _Atomic bool telling;

void guard_lock(void)
{
    pthread_mutex_lock(&lock);
}

void guard_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void guard_yield(void)
{
    sched_yield();
}

uintptr_t guard_thread(void)
{
    return (uintptr_t)pthread_self();
}

int guard_set(void *address, size_t size, enum vmem_access access)
{
    (void)access;
    return mprotect(address, size, PROT_NONE) == 0 ? 0 : errno;
}

bool guard_stands(const void *address)
{
    (void)address;
    return true;
}

static void close_pipe(void)
{
    for (int i = 0; i < 2; i++) {
        int file = atomic_exchange(&pipe_ends[i], -1);
        if (file >= 0) {
            close(file);
        }
    }
}

/* The pipe is the parent's, and so is the thread that reads it. */
static void start_child(void)
{
    guard_forget_threads();
    close_pipe();
    atomic_store(&telling, false);
    pthread_mutex_unlock(&lock);
}

static int follow_forks(void)
{
    static bool done;
    if (done) {
        return 0;
    }
    int error = pthread_atfork(guard_lock, guard_unlock, start_child);
    done = error == 0;
    return error;
}

int guard_install(void)
{
    int error = follow_forks();
    for (unsigned i = 0; i < SIGNALS && error == 0; i++) {
        error = go_in_front(i);
    }
    return error;
}

/* ---- telling of hits --------------------------------------------------------------------- */

/* A full pipe is fine: then something unread tells of this hit as well. */
void guard_wake(void)
{
    int file = atomic_load(&pipe_ends[1]);
    if (file >= 0) {
        ssize_t written = write(file, "", 1);
        (void)written;
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

static void *wait_for_hits(void *unused)
{
    const struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000000};
    int file = atomic_load(&pipe_ends[0]);
    char bytes[256];
    (void)unused;
    for (;;) {
        ssize_t count = read(file, bytes, sizeof bytes);
        if (count == 0 || (count < 0 && errno != EINTR)) {
            return NULL;
        }
        while (!tell()) {
            nanosleep(&moment, NULL);
        }
    }
}

static int open_pipe(void)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return errno;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    atomic_store(&pipe_ends[0], ends[0]);
    atomic_store(&pipe_ends[1], ends[1]);
    return 0;
}

/* The thread takes no signals: they are for the program's own threads. */
static int start_thread(void)
{
    pthread_t thread;
    sigset_t all;
    sigset_t kept;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    int error = pthread_create(&thread, NULL, wait_for_hits, NULL);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    if (error == 0) {
        pthread_detach(thread);
    }
    return error;
}

int vmem_guard_watch(bool (*function)(void *), void *context)
{
    guard_lock();
    int error = follow_forks();
    if (error == 0 && atomic_load(&pipe_ends[0]) < 0) {
        error = open_pipe();
        if (error == 0) {
            error = start_thread();
        }
        if (error != 0) {
            close_pipe();
        }
    }
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
