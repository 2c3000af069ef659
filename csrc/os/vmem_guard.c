/* vmem_guard.c - what is known of guarded pages, and what a fault on one does: the same everywhere.
 *
 * Each page has a byte: its own access, whether it is armed, whether it was hit. The handler opens
 * an armed page and then marks it; of several threads that do so at once, the one that changes
 * the byte counts the hit. Guards stand in a list that only grows: a closed one is left there,
 * empty, for the next reservation, so the handler can walk the list without a lock.
 *
 * What a reader would get wrong: opening comes before marking, so a handler that is late may give
 * an old access to a page. Whoever changes a page's byte to take it away from handlers must wait,
 * after the change, until all those have left that could have seen the old one (`synchronize`).
 */
#include "vmem_guard_trip.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    ACCESS = 0x07, /* an enum vmem_access; 0 also for a page we know nothing of */
    ARMED = 0x08,
    HIT = 0x10,
    FRESH = 0x20, /* nobody has taken the hit yet */
};

typedef _Atomic unsigned char page_state;

struct vmem_guard {
    struct vmem_guard *next; /* written before the guard is in the list, never again */
    bool used;               /* under the lock */
    _Atomic uintptr_t start; /* fixed, like `unit` and `states`, while end != 0 */
    _Atomic uintptr_t end;   /* 0: nothing is guarded */
    size_t unit;
    page_state *states; /* committed for the pages [low, high) */
    size_t states_size;
    size_t page_size; /* of the states' own pages */
    _Atomic size_t low;
    _Atomic size_t high;
    _Atomic unsigned changes; /* arms and drops so far */
    _Atomic unsigned turn;    /* handlers enter inside[turn & 1] */
    _Atomic unsigned inside[2];
    _Atomic size_t hits;
    _Atomic size_t lost;
};

static _Atomic(struct vmem_guard *) guards;

/* ---- who is in the handler --------------------------------------------------------------- */

/* The end first: it is stored last. */
static bool holds(const struct vmem_guard *guard, uintptr_t address)
{
    return address < atomic_load(&guard->end) && address >= atomic_load(&guard->start);
}

static void leave(struct vmem_guard *guard, unsigned turn)
{
    atomic_fetch_sub(&guard->inside[turn], 1);
}

/* Looks again after having entered: before that the guard may have been closed. */
static bool enter(struct vmem_guard *guard, uintptr_t address, unsigned *turn)
{
    *turn = atomic_load(&guard->turn) & 1;
    atomic_fetch_add(&guard->inside[*turn], 1);
    if (holds(guard, address)) {
        return true;
    }
    leave(guard, *turn);
    return false;
}

/* Waits for each of the two counters to be zero once. New handlers enter by the other one, so this
 * ends even while hits never cease. */
static void synchronize(struct vmem_guard *guard)
{
    for (int round = 0; round < 2; round++) {
        unsigned turn = atomic_fetch_add(&guard->turn, 1) & 1;
        while (atomic_load(&guard->inside[turn]) != 0) {
            guard_yield();
        }
    }
}

void guard_forget_threads(void)
{
    for (struct vmem_guard *guard = atomic_load(&guards); guard != NULL; guard = guard->next) {
        atomic_store(&guard->inside[0], 0);
        atomic_store(&guard->inside[1], 0);
    }
}

/* ---- the handler ------------------------------------------------------------------------- */

static bool is_known(const struct vmem_guard *guard, size_t page)
{
    return atomic_load(&guard->low) <= page && page < atomic_load(&guard->high);
}

static enum vmem_access access_of(unsigned char state)
{
    return (enum vmem_access)(state & ACCESS);
}

static int give_access(struct vmem_guard *guard, size_t first, size_t end, unsigned char state)
{
    char *start = (char *)atomic_load(&guard->start);
    return vmem_protect(start + first * guard->unit, (end - first) * guard->unit, access_of(state));
}

/* armed -> not armed, with these marks: true for the one caller who did it. */
static bool disarm(struct vmem_guard *guard, size_t page, unsigned char marks)
{
    unsigned char state = atomic_load(&guard->states[page]);
    while ((state & ARMED) != 0) {
        unsigned char kept = state & (ACCESS | FRESH);
        if (atomic_compare_exchange_weak(&guard->states[page], &state,
                                         (unsigned char)(kept | marks))) {
            return true;
        }
    }
    return false;
}

bool guard_hit(struct vmem_guard *guard, size_t page)
{
    if (!disarm(guard, page, HIT | FRESH)) {
        return false;
    }
    atomic_fetch_add(&guard->hits, 1);
    guard_wake();
    return true;
}

static bool is_like(const struct vmem_guard *guard, size_t page, unsigned char state)
{
    unsigned char found = atomic_load(&guard->states[page]);
    return (found & (ARMED | ACCESS)) == (state & (ARMED | ACCESS));
}

static void lose(struct vmem_guard *guard, size_t first, size_t end)
{
    for (size_t page = first; page < end; page++) {
        if (disarm(guard, page, 0)) {
            atomic_fetch_add(&guard->lost, 1);
        }
    }
}

/* No mapping is left to split the page off with. To open everything up to an edge of the guarded
 * run only moves that edge, and to open the whole run does away with a mapping. */
static bool open_run(struct vmem_guard *guard, size_t page, unsigned char state)
{
    size_t low = page;
    size_t high = page + 1;
    while (low > atomic_load(&guard->low) && is_like(guard, low - 1, state)) {
        low--;
    }
    while (high < atomic_load(&guard->high) && is_like(guard, high, state)) {
        high++;
    }
    const size_t edges[3][2] = {{low, page + 1}, {page, high}, {low, high}};
    for (int i = 0; i < 3; i++) {
        if (give_access(guard, edges[i][0], edges[i][1], state) == 0) {
            lose(guard, edges[i][0], page);
            lose(guard, page + 1, edges[i][1]);
            return true;
        }
    }
    return false;
}

static bool open_page(struct vmem_guard *guard, size_t page, unsigned char state)
{
    return guard_opens_itself || give_access(guard, page, page + 1, state) == 0
           || open_run(guard, page, state);
}

static bool allows(enum vmem_access access, enum guard_fault fault)
{
    switch (fault) {
    case FAULT_READ:
        return access != VMEM_NO_ACCESS;
    case FAULT_WRITE:
        return access != VMEM_NO_ACCESS && access != VMEM_READ && access != VMEM_READ_EXECUTE;
    case FAULT_EXECUTE:
        return access == VMEM_READ_EXECUTE || access == VMEM_READ_WRITE_EXECUTE;
    case FAULT_UNKNOWN:
        break;
    }
    return access != VMEM_NO_ACCESS;
}

/* The faults on open pages that were tried again, a place for each of a few threads. Two threads in
 * one place forget each other's: that costs further tries. */
#define PLACES 64
static struct {
    _Atomic uintptr_t thread;
    _Atomic uintptr_t address;
    _Atomic unsigned changes;
    _Atomic unsigned times;
} tried[PLACES];

/* True when this thread has faulted here too often, with no page armed or dropped since. */
static bool was_tried(const struct vmem_guard *guard, uintptr_t address)
{
    uintptr_t thread = guard_thread();
    unsigned changes = atomic_load(&guard->changes);
    size_t place = (size_t)((thread >> 4) ^ (thread >> 12)) % PLACES;
    bool same = atomic_load(&tried[place].thread) == thread
                && atomic_load(&tried[place].address) == address
                && atomic_load(&tried[place].changes) == changes;
    unsigned times = same ? atomic_load(&tried[place].times) + 1 : 1;
    atomic_store(&tried[place].thread, thread);
    atomic_store(&tried[place].address, address);
    atomic_store(&tried[place].changes, changes);
    atomic_store(&tried[place].times, times <= GUARD_TRIES ? times : 0);
    return times > GUARD_TRIES;
}

/* The page was opened between the fault and now, or its own access forbids what was tried. */
static bool try_again(struct vmem_guard *guard, size_t page, uintptr_t address,
                      unsigned char state, enum guard_fault fault)
{
    if (guard_opens_itself) {
        return access_of(state) != VMEM_NO_ACCESS;
    }
    return allows(access_of(state), fault) && !was_tried(guard, address)
           && give_access(guard, page, page + 1, state) == 0;
}

static bool trip(struct vmem_guard *guard, uintptr_t address, enum guard_fault fault)
{
    size_t page = (address - atomic_load(&guard->start)) / guard->unit;
    if (!is_known(guard, page)) {
        return false;
    }
    unsigned char state = atomic_load(&guard->states[page]);
    if ((state & ARMED) == 0) {
        return try_again(guard, page, address, state, fault);
    }
    if (!open_page(guard, page, state)) {
        return false;
    }
    guard_hit(guard, page);
    return true;
}

bool guard_trip(uintptr_t address, enum guard_fault fault)
{
    for (struct vmem_guard *guard = atomic_load(&guards); guard != NULL; guard = guard->next) {
        unsigned turn;
        if (holds(guard, address) && enter(guard, address, &turn)) {
            bool ours = trip(guard, address, fault);
            leave(guard, turn);
            return ours;
        }
    }
    return false;
}

/* ---- open and close ---------------------------------------------------------------------- */

static struct vmem_guard *find_unused(void)
{
    struct vmem_guard *guard = atomic_load(&guards);
    while (guard != NULL && guard->used) {
        guard = guard->next;
    }
    return guard;
}

static struct vmem_guard *unused_guard(void)
{
    struct vmem_guard *guard = find_unused();
    if (guard == NULL) {
        guard = calloc(1, sizeof *guard);
        if (guard == NULL) {
            return NULL;
        }
        guard->next = atomic_load(&guards);
        atomic_store(&guards, guard);
    }
    guard->used = true;
    return guard;
}

static void take_up(struct vmem_guard *guard, void *address, size_t size)
{
    atomic_store(&guard->low, 0);
    atomic_store(&guard->high, 0);
    atomic_store(&guard->hits, 0);
    atomic_store(&guard->lost, 0);
    atomic_store(&guard->start, (uintptr_t)address);
    atomic_store(&guard->end, (uintptr_t)address + size);
}

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

int vmem_guard_open(void *address, size_t size, size_t unit, struct vmem_guard **guard)
{
    struct vmem_info info;
    void *states;
    int error = vmem_query(&info);
    if (error != 0) {
        return error;
    }
    size_t states_size = round_up(size / unit, info.granularity);
    error = vmem_reserve(states_size, info.granularity, &states);
    if (error != 0) {
        return error;
    }
    guard_lock();
    struct vmem_guard *found = unused_guard();
    if (found != NULL) {
        found->states = states;
        found->states_size = states_size;
        found->page_size = info.page_size;
        found->unit = unit;
        take_up(found, address, size);
    }
    guard_unlock();
    if (found == NULL) {
        vmem_release(states, states_size);
        return guard_no_memory;
    }
    *guard = found;
    return 0;
}

void vmem_guard_close(struct vmem_guard *guard)
{
    guard_lock();
    atomic_store(&guard->end, 0);
    synchronize(guard);
    vmem_release(guard->states, guard->states_size);
    guard->states = NULL;
    guard->used = false;
    guard_unlock();
}

/* ---- arm and drop ------------------------------------------------------------------------ */

static size_t page_at(const struct vmem_guard *guard, const void *address)
{
    return ((uintptr_t)address - atomic_load(&guard->start)) / guard->unit;
}

/* The states' own pages are committed before handlers may look at them. */
static int know_pages(struct vmem_guard *guard, size_t first, size_t end)
{
    size_t low = atomic_load(&guard->low);
    size_t high = atomic_load(&guard->high);
    if (low <= first && end <= high) {
        return 0;
    }
    size_t new_low = high == 0 || first < low ? first : low;
    size_t new_high = end > high ? end : high;
    size_t from = new_low / guard->page_size * guard->page_size;
    size_t size = round_up(new_high - from, guard->page_size);
    int error = vmem_commit((char *)guard->states + from, size);
    if (error == 0) {
        atomic_store(&guard->low, new_low);
        atomic_store(&guard->high, new_high);
    }
    return error;
}

static void set_states(struct vmem_guard *guard, size_t first, size_t end, unsigned char set,
                       unsigned char kept)
{
    atomic_fetch_add(&guard->changes, 1);
    for (size_t page = first; page < end; page++) {
        unsigned char state = atomic_load(&guard->states[page]);
        while (!atomic_compare_exchange_weak(&guard->states[page], &state,
                                             (unsigned char)(set | (state & kept)))) {
        }
    }
}

/* A handler of an older fault may have opened a page before guard_set closed it, and marked it: by
 * its state it is open, so it gets its access. */
static void open_tripped(struct vmem_guard *guard, size_t first, size_t end, unsigned char state)
{
    for (size_t page = first; page < end; page++) {
        if ((atomic_load(&guard->states[page]) & ARMED) == 0) {
            (void)give_access(guard, page, page + 1, state); /* refused: the handler tries again */
        }
    }
}

static int arm_pages(struct vmem_guard *guard, void *address, size_t size, enum vmem_access access)
{
    size_t first = page_at(guard, address);
    size_t end = first + size / guard->unit;
    unsigned char open = (unsigned char)access;
    int error = know_pages(guard, first, end);
    if (error != 0) {
        return error;
    }
    set_states(guard, first, end, open | ARMED, FRESH);
    synchronize(guard); /* or one that saw an open page would open it after guard_set */
    error = guard_set(address, size, access);
    if (error != 0) {
        set_states(guard, first, end, open, HIT | FRESH);
    }
    synchronize(guard); /* or one might mark a page after open_tripped has seen it */
    if (error != 0) {
        (void)vmem_protect(address, size, access); /* refused: the handler tries again */
    } else {
        open_tripped(guard, first, end, open);
    }
    return error;
}

int vmem_guard_arm(struct vmem_guard *guard, void *address, size_t size, enum vmem_access access)
{
    guard_lock();
    int error = guard_install();
    if (error == 0) {
        error = arm_pages(guard, address, size, access);
    }
    guard_unlock();
    return error;
}

void vmem_guard_drop(struct vmem_guard *guard, void *address, size_t size, enum vmem_access access)
{
    guard_lock();
    size_t first = page_at(guard, address);
    size_t end = first + size / guard->unit;
    size_t low = atomic_load(&guard->low);
    size_t high = atomic_load(&guard->high);
    first = first > low ? first : low;
    end = end < high ? end : high;
    if (first < end) {
        set_states(guard, first, end, (unsigned char)access, HIT | FRESH);
        synchronize(guard);
    }
    guard_unlock();
}

/* ---- what was hit ------------------------------------------------------------------------ */

static bool is_armed(const struct vmem_guard *guard, size_t page)
{
    return (atomic_load(&guard->states[page]) & ARMED) != 0;
}

/* Where a system call takes the guard off, no handler hears of it. Under the lock, since between
 * two steps of arming a page is armed and not guarded. */
static void settle(struct vmem_guard *guard, size_t page)
{
    char *address = (char *)atomic_load(&guard->start) + page * guard->unit;
    if (!guard_opens_itself || !is_armed(guard, page)) {
        return;
    }
    guard_lock();
    if (is_armed(guard, page) && !guard_stands(address)) {
        guard_hit(guard, page);
    }
    guard_unlock();
}

static bool find_marked(struct vmem_guard *guard, size_t *at, unsigned char mark)
{
    size_t low = atomic_load(&guard->low);
    size_t high = atomic_load(&guard->high);
    size_t page = *at / guard->unit + (*at % guard->unit != 0);
    for (page = page > low ? page : low; page < high; page++) {
        settle(guard, page);
        if ((atomic_load(&guard->states[page]) & mark) != 0) {
            *at = page * guard->unit;
            return true;
        }
    }
    return false;
}

bool vmem_guard_is_armed(struct vmem_guard *guard, const void *address)
{
    size_t page = page_at(guard, address);
    if (!is_known(guard, page)) {
        return false;
    }
    settle(guard, page);
    return is_armed(guard, page);
}

bool vmem_guard_next_hit(struct vmem_guard *guard, size_t *at)
{
    return find_marked(guard, at, HIT);
}

bool vmem_guard_take_hit(struct vmem_guard *guard, size_t *at)
{
    while (find_marked(guard, at, FRESH)) {
        page_state *state = &guard->states[*at / guard->unit];
        if ((atomic_fetch_and(state, (unsigned char)~FRESH) & FRESH) != 0) {
            return true;
        }
    }
    return false;
}

size_t vmem_guard_count(const struct vmem_guard *guard)
{
    return atomic_load(&guard->hits);
}

size_t vmem_guard_lost(const struct vmem_guard *guard)
{
    return atomic_load(&guard->lost);
}
