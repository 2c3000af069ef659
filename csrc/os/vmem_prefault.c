/* vmem_prefault.c - the orders, and the loop of the helper thread: the same everywhere.
 *
 * What a reader would get wrong: the thread works without the lock, so the order it works on may be
 * gone or changed when it comes back. What it has in hand stands in `busy`, and who stops an order
 * waits for that, not for the order.
 *
 * And owners go on without the lock too. Their stores may come when the place has been given to
 * another owner; told() drops what is not within that one's pages.
 */
#include "vmem_prefault_thread.h"

#include <stdatomic.h>

enum {
    ORDERS = 16,       /* at a time; whoever finds no place goes without */
    REFUSED_FOR = 1000 /* so many orders are dropped after a thread was refused */
};

enum { NAP = 50 /* microseconds; an eighth of the time without work comes on top */ };

/* Owner and helper write to lines of their own. A place is free where `owner` is NULL. */
struct order {
    _Alignas(64) _Atomic(const void *) owner; /* set under the lock */
    _Atomic(char *) end;                      /* set under the lock; never lowered */
    _Atomic(char *) position, to;             /* set by the owner, as it goes on */
    _Alignas(64) _Atomic(char *) next;        /* set under the lock, from here on */
    char *begin;
    size_t step;
};

enum state { GONE, AWAKE, ASLEEP };

unsigned prefault_patience = 2000;
unsigned prefault_alertness = 20000;
bool prefault_by_touch = false;

static struct order orders[ORDERS];
static _Atomic(enum state) state; /* the thread's; set under the lock */

/* All under the lock. */
static size_t turn;           /* the place to look at next */
static const char *busy;      /* what the thread has in hand; NULL for nothing */
static const void *busy_for;  /* whose it is */
static unsigned stopping;     /* how many wait for it */
static unsigned refused_left; /* orders to drop yet */

/* ---- memory ------------------------------------------------------------------------------ */

#if defined(__GNUC__) || defined(__clang__)
#define UNCHECKED __attribute__((no_sanitize("address"), no_sanitize("thread")))
#else
#define UNCHECKED
#endif

/* Writes a zero where one is. Where there is none the page has been written. (To OR a zero would not
 * do: compilers make a mere read of that.) The tools see a race with the owner, and bytes that are
 * not in use; the hardware sees neither. */
UNCHECKED void prefault_touch(char *address, size_t size, size_t page)
{
    for (size_t at = 0; at < size; at += page) {
        unsigned char zero = 0;
        (void)atomic_compare_exchange_strong((_Atomic unsigned char *)(address + at), &zero,
                                             (unsigned char)0);
    }
}

static size_t page_size(void)
{
    static size_t known; /* used by the thread alone */
    struct vmem_info info;
    if (known == 0 && vmem_query(&info) == 0) {
        known = info.page_size;
    }
    return known;
}

static int fault_in(char *address, size_t size)
{
    int error = prefault_by_touch ? 0 : vmem_populate(address, size);
    if (!prefault_by_touch && (!vmem_is_unsupported(error) || page_size() == 0)) {
        return error;
    }
    prefault_touch(address, size, page_size());
    return 0;
}

/* ---- orders ------------------------------------------------------------------------------ */

/* What an owner tells lies within an end that was set under the lock, so nothing more is ordered. */
#define GET(place) atomic_load_explicit(&(place), memory_order_relaxed)
#define SET(place, value) atomic_store_explicit(&(place), value, memory_order_relaxed)

static struct order *find(const void *owner)
{
    for (size_t i = 0; i < ORDERS; i++) {
        if (GET(orders[i].owner) == owner) {
            return &orders[i];
        }
    }
    return NULL;
}

/* Nothing below `address` any more. */
static void skip(struct order *order, char *address)
{
    if (GET(order->next) < address) {
        SET(order->next, address);
    }
}

/* What the owner told, or the beginning where another one did. */
static char *told(const struct order *order, char *address)
{
    return address >= order->begin && address <= GET(order->end) ? address : order->begin;
}

/* How much to do next, up to a multiple of the step, which is where a huge page ends. */
static size_t next_step(struct order *order)
{
    if (GET(order->owner) == NULL) {
        return 0;
    }
    skip(order, told(order, GET(order->position)));
    const char *next = GET(order->next), *to = told(order, GET(order->to));
    size_t step = order->step - ((uintptr_t)next & (order->step - 1));
    size_t left = next < to ? (size_t)(to - next) : 0;
    return step < left ? step : left;
}

static struct order *find_place(void)
{
    struct order *order = find(NULL);
    for (size_t i = 0; order == NULL && i < ORDERS; i++) {
        if (next_step(&orders[i]) == 0) {
            order = &orders[i];
        }
    }
    return order;
}

static int note(struct vmem_prefault *wanted)
{
    struct order *order = find(wanted->owner);
    if (order == NULL) {
        order = find_place();
        if (order == NULL) {
            return prefault_busy;
        }
        order->begin = wanted->position;
        SET(order->next, wanted->from);
        SET(order->owner, wanted->owner);
    }
    order->step = wanted->step;
    SET(order->end, wanted->end);
    SET(order->position, wanted->position);
    SET(order->to, wanted->to);
    wanted->place = (unsigned char)(order - orders + 1);
    return 0;
}

static int start(void)
{
    if (GET(state) != GONE) {
        return 0;
    }
    if (refused_left > 0) {
        refused_left--;
        return prefault_busy;
    }
    int error = vmem_prefault_start();
    SET(state, error == 0 ? AWAKE : GONE);
    refused_left = error == 0 ? 0 : REFUSED_FOR;
    return error;
}

static int place_order(struct vmem_prefault *wanted)
{
    if (!prefault_try_lock()) {
        return prefault_busy;
    }
    int error = start();
    if (error == 0) {
        error = note(wanted);
    }
    if (error == 0 && GET(state) == ASLEEP) {
        prefault_tell_order();
    }
    prefault_unlock();
    return error;
}

static bool is_in_place(const struct vmem_prefault *wanted)
{
    if (wanted->place == 0) {
        return false;
    }
    const struct order *order = &orders[wanted->place - 1];
    return GET(order->owner) == wanted->owner && GET(order->end) >= wanted->to;
}

static bool is_little(const struct order *order, const struct vmem_prefault *wanted)
{
    const char *next = GET(order->next);
    return next >= wanted->to || (size_t)(wanted->to - next) < wanted->lot;
}

/* A helper that is about to sleep may miss this, and so may one that is to be woken while somebody has
 * the lock. The next call makes up for it. */
int vmem_prefault(struct vmem_prefault *wanted)
{
    if (!is_in_place(wanted)) {
        return place_order(wanted);
    }
    struct order *order = &orders[wanted->place - 1];
    SET(order->position, wanted->position);
    SET(order->to, wanted->to);
    if (GET(state) != AWAKE && !is_little(order, wanted)) {
        (void)place_order(wanted);
    }
    return 0;
}

static bool is_in_hand(const void *owner, const char *below)
{
    return busy != NULL && busy_for == owner && (below == NULL || busy < below);
}

void vmem_prefault_stop(const void *owner, const void *below)
{
    prefault_lock();
    struct order *order = find(owner);
    if (order != NULL && below != NULL) {
        skip(order, (char *)(uintptr_t)below);
    }
    if (order != NULL && (below == NULL || next_step(order) == 0)) {
        SET(order->owner, NULL);
    }
    stopping++;
    while (is_in_hand(owner, below)) {
        prefault_await_step();
    }
    stopping--;
    prefault_unlock();
}

/* ---- the thread -------------------------------------------------------------------------- */

/* In turn, so that no owner waits for all that another wants. */
static struct order *next_order(size_t *size)
{
    for (size_t i = 0; i < ORDERS; i++) {
        struct order *order = &orders[turn++ % ORDERS];
        *size = next_step(order);
        if (*size > 0) {
            return order;
        }
    }
    return NULL;
}

static void do_step(const struct order *order, size_t size)
{
    char *address = GET(order->next);
    const void *owner = GET(order->owner);
    busy = address;
    busy_for = owner;
    prefault_unlock();
    int error = fault_in(address, size);
    prefault_lock();
    busy = NULL;
    busy_for = NULL;
    if (stopping > 0) {
        prefault_tell_step();
    }
    struct order *now = find(owner);
    if (now != NULL) {
        skip(now, error == 0 ? address + size : GET(now->end));
    }
}

/* While another order is likely to follow soon it is looked for, at intervals: to wake a thread costs
 * the one that orders some microseconds. False when it is time to sleep. */
static bool nap(unsigned *idle)
{
    if (*idle >= prefault_alertness) {
        return false;
    }
    unsigned length = NAP + *idle / 8;
    prefault_unlock();
    bool done = prefault_nap(length);
    prefault_lock();
    *idle += length;
    return done;
}

/* False when there was nothing to do for long. */
static bool sleep_until_order(void)
{
    SET(state, ASLEEP);
    bool in_time = prefault_await_order(prefault_patience);
    SET(state, AWAKE);
    return in_time;
}

void prefault_run(void)
{
    bool wanted = true;
    size_t size;
    unsigned idle = 0; /* microseconds without an order, roughly */
    prefault_lock();
    while (wanted) {
        const struct order *order = next_order(&size);
        if (order != NULL) {
            do_step(order, size);
            idle = 0;
        } else if (!nap(&idle)) {
            wanted = sleep_until_order() || next_order(&size) != NULL;
        }
    }
    SET(state, GONE);
    prefault_unlock();
}

void prefault_forget(void)
{
    for (size_t i = 0; i < ORDERS; i++) {
        SET(orders[i].owner, NULL);
    }
    busy = NULL;
    busy_for = NULL;
    stopping = 0;
    refused_left = 0;
    SET(state, GONE);
}

static enum state look(void)
{
    prefault_lock();
    enum state found = GET(state);
    prefault_unlock();
    return found;
}

bool prefault_is_running(void)
{
    return look() != GONE;
}

bool prefault_is_asleep(void)
{
    return look() == ASLEEP;
}
