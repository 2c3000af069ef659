/* vmem_prefault.c - the orders, and the loop of the helper thread: the same everywhere.
 *
 * What a reader would get wrong: the thread works without the lock, so the order it works on may be
 * gone or changed when it comes back. What it has in hand stands in `busy`, and who stops an order
 * waits for that, not for the order.
 */
#include "vmem_prefault_thread.h"

#include <stdatomic.h>
#include <string.h>

enum {
    ORDERS = 16,       /* at a time; whoever finds no place goes without */
    REFUSED_FOR = 1000 /* so many orders are dropped after a thread was refused */
};

struct order {
    const void *owner; /* NULL: the place is free */
    char *next, *end;
    size_t step;
};

unsigned prefault_patience = 2000;
bool prefault_by_touch = false;

/* All under the lock. */
static struct order orders[ORDERS];
static size_t turn;           /* the place to look at next */
static const char *busy;      /* what the thread has in hand; NULL for nothing */
static const void *busy_for;  /* whose it is */
static unsigned stopping;     /* how many wait for it */
static unsigned refused_left; /* orders to drop yet */
static bool running;
static bool asleep;

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

static struct order *find(const void *owner)
{
    for (size_t i = 0; i < ORDERS; i++) {
        if (orders[i].owner == owner) {
            return &orders[i];
        }
    }
    return NULL;
}

/* Nothing below `address` any more. */
static void skip(struct order *order, char *address)
{
    if (order->next < address) {
        order->next = address;
    }
    if (order->next >= order->end) {
        order->owner = NULL;
    }
}

static int note(const struct vmem_prefault *wanted)
{
    struct order *order = find(wanted->owner);
    if (order == NULL) {
        order = find(NULL);
        if (order == NULL) {
            return prefault_busy;
        }
        order->owner = wanted->owner;
        order->next = wanted->from;
    }
    order->end = wanted->to;
    order->step = wanted->step;
    skip(order, wanted->position);
    return 0;
}

static int start(void)
{
    if (running) {
        return 0;
    }
    if (refused_left > 0) {
        refused_left--;
        return prefault_busy;
    }
    int error = vmem_prefault_start();
    running = error == 0;
    refused_left = running ? 0 : REFUSED_FOR;
    return error;
}

int vmem_prefault(const struct vmem_prefault *order)
{
    if (!prefault_try_lock()) {
        return prefault_busy;
    }
    int error = start();
    if (error == 0) {
        error = note(order);
    }
    if (error == 0 && asleep) {
        prefault_tell_order();
    }
    prefault_unlock();
    return error;
}

static bool is_in_hand(const void *owner, const char *below)
{
    return busy != NULL && busy_for == owner && (below == NULL || busy < below);
}

void vmem_prefault_stop(const void *owner, const void *below)
{
    prefault_lock();
    struct order *order = find(owner);
    if (order != NULL) {
        skip(order, below == NULL ? order->end : (char *)(uintptr_t)below);
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
static struct order *next_order(void)
{
    for (size_t i = 0; i < ORDERS; i++) {
        struct order *order = &orders[turn++ % ORDERS];
        if (order->owner != NULL) {
            return order;
        }
    }
    return NULL;
}

/* Up to the next multiple of the step, which is where a huge page ends. */
static size_t next_step(const struct order *order)
{
    size_t left = (size_t)(order->end - order->next);
    size_t step = order->step - ((uintptr_t)order->next & (order->step - 1));
    return step < left ? step : left;
}

static void do_step(const struct order *order)
{
    char *address = order->next;
    const void *owner = order->owner;
    size_t size = next_step(order);
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
        skip(now, error == 0 ? address + size : now->end);
    }
}

/* False when there was nothing to do for long. */
static bool sleep_until_order(void)
{
    asleep = true;
    bool in_time = prefault_await_order(prefault_patience);
    asleep = false;
    return in_time;
}

void prefault_run(void)
{
    bool wanted = true;
    prefault_lock();
    while (wanted) {
        const struct order *order = next_order();
        if (order != NULL) {
            do_step(order);
        } else {
            wanted = sleep_until_order() || next_order() != NULL;
        }
    }
    running = false;
    prefault_unlock();
}

void prefault_forget(void)
{
    memset(orders, 0, sizeof orders);
    busy = NULL;
    busy_for = NULL;
    stopping = 0;
    refused_left = 0;
    running = false;
    asleep = false;
}

bool prefault_is_running(void)
{
    prefault_lock();
    bool found = running;
    prefault_unlock();
    return found;
}
