/* ring.c - see ring.h.
 *
 * Indices count bytes and never wrap: they begin in the middle of their range, so that items can be
 * put before the first one as well, and 2^62 bytes take years. An item stands at its index modulo the
 * size of the data; the second mapping makes what reaches past the end contiguous.
 *
 * Who tells whether the other side lives: each end's owner is a process's number and the time of its
 * start, written by compare-and-exchange. It works alike on all systems, for processes that are not
 * related, and asks nothing of the one that is killed. A robust mutex would need POSIX and an owner
 * that holds a lock all the time, and a pidfd a parent or a socket to hand it over. The price: who
 * sleeps looks every tenth of a second whether the other still runs.
 *
 * What a reader would get wrong: publishing an index and looking whether somebody sleeps are two
 * operations that must not change places, nor may setting the word and looking at the index. Both
 * pairs are sequentially consistent for that reason; release and acquire alone would lose calls.
 */
#include "ring.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "vmem_section.h"
#include "vmem_signal.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "indices must be lock-free to be shared");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "the header has one layout for all");

/* FORMATTING is what vmem_signal_wait sleeps on. */
enum { LINE = 128, BLANK = 0, FORMATTING = 1, FORMATTED = 2 };

/* How often to look at indices that make no sense before they are taken for wrong. */
enum { LOOKS = 100 };

/* Who has closed an end, or never had it. */
#define NOBODY ((uint64_t)0)
#define LEFT ((uint64_t)1)
#define SERIAL_BITS 16

static const uint64_t magic = 0x32676e6972777267; /* "grwring2" */
static const uint64_t slice = 100000000;          /* how long to sleep before looking around */

/* One end, on lines of its own: the processors of the two do not take them from each other. */
struct end {
    alignas(LINE) _Atomic uint64_t index;
    alignas(LINE) _Atomic uint64_t owner;
    _Atomic uint32_t waiting; /* 1: its owner sleeps until the other index moves */
};

struct ring_header {
    _Atomic uint32_t state;
    _Atomic uint32_t serial; /* rings that were opened over it */
    uint64_t magic;
    uint64_t size;
    uint64_t item_size;
    uint64_t key;
    uint64_t space;
    _Atomic uint32_t spaces_differ; /* then nobody can tell who runs */
    char format[RING_FORMAT_BYTES + 1];
    struct end writer, reader;
};

static int fail_sizes(struct ring *r, enum ring_error error, size_t failed, size_t found)
{
    r->failed_size = failed;
    r->found_size = found;
    return (int)error;
}

/* ---- sizes ------------------------------------------------------------------------------- */

static size_t granularity(void)
{
    struct section_facts facts;
    section_query(&facts);
    return facts.granularity;
}

static size_t header_size(void)
{
    size_t unit = granularity();
    return (sizeof(struct ring_header) + unit - 1) / unit * unit;
}

size_t ring_section_size(size_t capacity, size_t item_size)
{
    size_t unit = granularity();
    size_t most = PTRDIFF_MAX / 4 / unit * unit;
    if (capacity == 0 || item_size == 0 || capacity > most / item_size) {
        return 0;
    }
    size_t size = (capacity * item_size + unit - 1) / unit * unit;
    return header_size() + size;
}

/* ---- opening ----------------------------------------------------------------------------- */

static int fail_section(struct ring *r, int error)
{
    r->section_error = error;
    return RING_SECTION;
}

/* An index that is a multiple of the size, so that the first item stands at the start. */
static uint64_t first_index(size_t size)
{
    return ((uint64_t)1 << 62) / size * size;
}

/* What a section that becomes a ring is to hold. */
struct contents {
    size_t size, item_size;
    const char *format;
};

static void format(struct ring_header *header, const struct contents *contents)
{
    size_t size = contents->size;
    header->magic = magic;
    header->size = size;
    header->item_size = contents->item_size;
    strncpy(header->format, contents->format, RING_FORMAT_BYTES);
    header->format[RING_FORMAT_BYTES] = '\0';
    header->key = vmem_process_self() ^ vmem_clock() << 24;
    header->space = vmem_process_space();
    atomic_store(&header->writer.index, first_index(size));
    atomic_store(&header->reader.index, first_index(size));
    atomic_store(&header->state, FORMATTED);
    vmem_signal_wake(VMEM_NO_SIGNAL, &header->state);
}

static bool is_blank(const struct ring_header *header)
{
    return header->magic == 0 && header->size == 0 && header->item_size == 0;
}

/* Of two who find it unused one formats it, and the other waits for that. The word is the first of
 * the section: where something else begins with zeros it is put back. */
static int format_or_wait(struct ring_header *header, const struct contents *contents)
{
    uint32_t state = BLANK;
    if (atomic_compare_exchange_strong(&header->state, &state, FORMATTING)) {
        if (!is_blank(header)) {
            atomic_store(&header->state, BLANK);
            return RING_FOREIGN;
        }
        format(header, contents);
    }
    for (int i = 0; i < 10 && atomic_load(&header->state) == FORMATTING; i++) {
        vmem_signal_wait(VMEM_NO_SIGNAL, &header->state, slice);
    }
    return atomic_load(&header->state) == FORMATTED && header->magic == magic ? RING_OK
                                                                            : RING_FOREIGN;
}

/* The numbers in the header are copied once and checked: whoever changes them later harms nobody. */
static int agree(struct ring *r, size_t section_size, size_t capacity, size_t item_size,
                 const char *format)
{
    uint64_t size = r->header->size;
    uint64_t found = r->header->item_size;
    memcpy(r->found_format, r->header->format, sizeof r->found_format);
    r->found_format[RING_FORMAT_BYTES] = '\0';
    if (found != item_size) {
        return fail_sizes(r, RING_MISMATCH, item_size, (size_t)found);
    }
    if (strncmp(r->found_format, format, RING_FORMAT_BYTES) != 0) {
        return RING_OTHER_ITEMS;
    }
    if (size == 0 || size % granularity() != 0 || size > section_size - header_size()) {
        return RING_FOREIGN;
    }
    if (capacity > size / item_size) {
        return fail_sizes(r, RING_TOO_SMALL, ring_section_size(capacity, item_size), section_size);
    }
    r->size = (size_t)size;
    r->item_size = item_size;
    r->capacity = (size_t)size / item_size;
    return RING_OK;
}

static int open_signals(struct ring *r)
{
    for (int i = 0; i < 2; i++) {
        int error = vmem_signal_open(r->header->key + (uint64_t)i, &r->signals[i]);
        if (error != 0) {
            r->system_error = error;
            vmem_signal_close(r->signals[0]);
            return RING_SYSTEM;
        }
    }
    return RING_OK;
}

static int map_data(struct ring *r, struct section *section)
{
    void *address;
    int error = section_repeat(section, header_size(), r->size, 2, SECTION_ACCESS_RW, &address);
    if (error != SECTION_OK) {
        return fail_section(r, error);
    }
    r->data = address;
    error = open_signals(r);
    if (error != RING_OK) {
        (void)section_unrepeat(address, r->size, 2);
    }
    return error;
}

static void introduce(struct ring *r)
{
    uint32_t serial = atomic_fetch_add(&r->header->serial, 1) + 1;
    r->owner = vmem_process_self() << SERIAL_BITS | (serial & ((1u << SERIAL_BITS) - 1));
    r->generation = vmem_process_generation();
}

/* A child that was forked has the struct, and none of the ends. */
static void notice_fork(struct ring *r)
{
    if (r->generation != vmem_process_generation()) {
        r->ends = 0;
        r->waiters = 0;
        introduce(r);
    }
}

static int open_mapped(struct ring *r, struct section *section, size_t capacity, size_t item_size,
                       const char *format)
{
    size_t unit = granularity();
    r->header = (struct ring_header *)(void *)r->mapped_header.start;
    struct contents contents = {
        .size = (section->size - header_size()) / unit * unit,
        .item_size = item_size,
        .format = format,
    };
    int error = format_or_wait(r->header, &contents);
    if (error == RING_OK) {
        error = agree(r, section->size, capacity, item_size, format);
    }
    if (error == RING_OK) {
        error = map_data(r, section);
    }
    if (error != RING_OK) {
        return error;
    }
    if (r->header->space != vmem_process_space()) {
        atomic_store(&r->header->spaces_differ, 1);
    }
    introduce(r);
    r->open = true;
    return RING_OK;
}

int ring_open(struct ring *r, struct section *section, size_t capacity, size_t item_size,
              const char *format)
{
    *r = (struct ring){.signals = {VMEM_NO_SIGNAL, VMEM_NO_SIGNAL}};
    if (capacity == 0 || item_size == 0) {
        return RING_NO_ITEMS;
    }
    size_t needed = ring_section_size(capacity, item_size);
    if (needed == 0) {
        return fail_sizes(r, RING_TOO_LARGE, capacity, 0);
    }
    int error = section_measure(section);
    if (error != SECTION_OK) {
        return fail_section(r, error);
    }
    if (section->size < needed) {
        return fail_sizes(r, RING_TOO_SMALL, needed, section->size);
    }
    error = section_view_open(section, 0, header_size(), SECTION_ACCESS_RW, &r->mapped_header);
    if (error != SECTION_OK) {
        return fail_section(r, error);
    }
    error = open_mapped(r, section, capacity, item_size, format);
    if (error != RING_OK) {
        section_view_close(&r->mapped_header);
        return error;
    }
    section->writable_views--; /* the mapping outlives the section */
    section->placed_writable = true;
    r->mapped_header.owner = NULL;
    return RING_OK;
}

int ring_close(struct ring *r)
{
    if (!r->open) {
        return RING_OK;
    }
    notice_fork(r);
    if (r->waiters != 0) {
        return RING_BUSY;
    }
    if (r->views != NULL) {
        return RING_VIEWED;
    }
    ring_give_up(r, RING_BOTH);
    vmem_signal_close(r->signals[0]);
    vmem_signal_close(r->signals[1]);
    (void)section_unrepeat(r->data, r->size, 2);
    section_view_close(&r->mapped_header);
    r->header = NULL;
    r->data = NULL;
    r->open = false;
    return RING_OK;
}

/* ---- whose the ends are ------------------------------------------------------------------ */

static struct end *end_of(struct ring *r, enum ring_end end)
{
    return end == RING_WRITER ? &r->header->writer : &r->header->reader;
}

static bool runs(struct ring *r, uint64_t owner)
{
    return atomic_load(&r->header->spaces_differ) != 0 || vmem_process_runs(owner >> SERIAL_BITS);
}

enum ring_owner ring_owner_of(struct ring *r, enum ring_end end, int *process)
{
    notice_fork(r);
    uint64_t owner = atomic_load(&end_of(r, end)->owner);
    *process = owner <= LEFT ? 0 : vmem_process_number(owner >> SERIAL_BITS);
    if (owner <= LEFT) {
        return owner == NOBODY ? RING_NOBODY : RING_LEFT;
    }
    if (owner == r->owner) {
        return RING_OURS;
    }
    return runs(r, owner) ? RING_OTHERS : RING_LEFT;
}

static int claim_one(struct ring *r, enum ring_end end)
{
    _Atomic uint64_t *place = &end_of(r, end)->owner;
    uint64_t owner = atomic_load(place);
    do {
        if (owner == r->owner) {
            break;
        }
        if (owner > LEFT && runs(r, owner)) {
            r->found_process = vmem_process_number(owner >> SERIAL_BITS);
            r->found_end = end;
            return RING_TAKEN;
        }
    } while (!atomic_compare_exchange_weak(place, &owner, r->owner));
    r->ends |= (unsigned)end;
    return RING_OK;
}

static int claim(struct ring *r, unsigned ends)
{
    unsigned before = r->ends;
    int error = RING_OK;
    if ((ends & RING_WRITER) != 0) {
        error = claim_one(r, RING_WRITER);
    }
    if (error == RING_OK && (ends & RING_READER) != 0) {
        error = claim_one(r, RING_READER);
    }
    if (error != RING_OK) {
        ring_give_up(r, r->ends & ~before);
    }
    return error;
}

int ring_claim(struct ring *r, unsigned ends)
{
    if (!r->open) {
        return RING_CLOSED;
    }
    if (atomic_load(&r->ending)) {
        return RING_ENDED;
    }
    notice_fork(r);
    return (r->ends & ends) == ends ? RING_OK : claim(r, ends);
}

static void call(struct ring *r, enum ring_end end)
{
    struct end *sleeper = end_of(r, end);
    if (atomic_load(&sleeper->waiting) != 0 && atomic_exchange(&sleeper->waiting, 0) != 0) {
        vmem_signal_wake(r->signals[end - 1], &sleeper->waiting);
    }
}

void ring_give_up(struct ring *r, unsigned ends)
{
    notice_fork(r);
    for (unsigned end = RING_WRITER; end <= RING_READER; end++) {
        if ((r->ends & ends & end) != 0) {
            uint64_t owner = r->owner;
            (void)atomic_compare_exchange_strong(&end_of(r, (enum ring_end)end)->owner, &owner,
                                                 LEFT);
            call(r, (enum ring_end)(RING_BOTH - end));
        }
    }
    r->ends &= ~ends;
}

/* Nobody takes a view from here on, since that needs a claim; and who sleeps in another process is
 * woken for nothing. */
int ring_end_waits(struct ring *r)
{
    if (!r->open) {
        return RING_OK;
    }
    notice_fork(r);
    if (r->views != NULL) {
        return RING_VIEWED;
    }
    atomic_store(&r->ending, true);
    call(r, RING_WRITER);
    call(r, RING_READER);
    return RING_OK;
}

void ring_rest(void)
{
    _Atomic uint32_t word = 1;
    vmem_signal_wait(VMEM_NO_SIGNAL, &word, 1000000);
}

/* ---- what is there ----------------------------------------------------------------------- */

struct indices {
    uint64_t first, last;
};

/* An end's own index may be read in any order, the other's only before what it tells of. A reader may
 * find the writer ahead of what it was a moment ago, never behind, and the reverse: whichever index
 * the caller does not own is read last. */
static int look_once(struct ring *r, struct indices *found)
{
    struct ring_header *header = r->header;
    if ((r->ends & RING_READER) != 0) {
        found->first = atomic_load_explicit(&header->reader.index, memory_order_acquire);
        found->last = atomic_load_explicit(&header->writer.index, memory_order_acquire);
    } else {
        found->last = atomic_load_explicit(&header->writer.index, memory_order_acquire);
        found->first = atomic_load_explicit(&header->reader.index, memory_order_acquire);
        if (found->first > found->last) {
            found->last = atomic_load_explicit(&header->writer.index, memory_order_acquire);
        }
    }
    uint64_t used = found->last - found->first;
    return used <= r->size && used % r->item_size == 0 ? RING_OK : RING_CORRUPT;
}

/* Who waits does so while other threads use the same ring, and an onlooker while both ends move: their
 * two looks may be too far apart. Indices that make no sense at all stay so. */
static int read_indices(struct ring *r, struct indices *found)
{
    int error = look_once(r, found);
    for (int i = 0; i < LOOKS && error != RING_OK; i++) {
        error = look_once(r, found);
    }
    if (error != RING_OK && r->ends == 0 && found->last - found->first > r->size) {
        found->first = found->last - r->capacity * r->item_size;
        error = RING_OK;
    }
    return error;
}

static char *place_of(const struct ring *r, uint64_t index)
{
    return r->data + index % r->size;
}

int ring_look(struct ring *r, struct ring_items *items)
{
    struct indices found;
    int error = r->open ? read_indices(r, &found) : RING_CLOSED;
    if (error == RING_OK) {
        *items = (struct ring_items){
            .first = found.first,
            .start = place_of(r, found.first),
            .count = (size_t)(found.last - found.first) / r->item_size,
        };
    }
    return error;
}

int ring_look_spare(struct ring *r, struct ring_items *room)
{
    struct indices found;
    int error = r->open ? read_indices(r, &found) : RING_CLOSED;
    if (error == RING_OK) {
        size_t used = (size_t)(found.last - found.first) / r->item_size;
        *room = (struct ring_items){
            .first = found.last,
            .start = place_of(r, found.last),
            .count = used < r->capacity ? r->capacity - used : 0,
        };
    }
    return error;
}

void ring_view_open(struct ring *r, const struct ring_items *items, size_t skip, size_t count,
                    struct ring_view *view)
{
    view->first = items->first + skip * r->item_size;
    view->last = view->first + count * r->item_size;
    view->next = r->views;
    view->link = &r->views;
    if (r->views != NULL) {
        r->views->link = &view->next;
    }
    r->views = view;
}

void ring_view_close(struct ring_view *view)
{
    *view->link = view->next;
    if (view->next != NULL) {
        view->next->link = view->link;
    }
}

static int check_views(const struct ring *r, uint64_t first, uint64_t last)
{
    for (const struct ring_view *view = r->views; view != NULL; view = view->next) {
        bool shows_any = view->first < view->last;
        if (shows_any && view->first < last && first < view->last) {
            return RING_VIEWED;
        }
    }
    return RING_OK;
}

/* ---- moving the indices ------------------------------------------------------------------ */

static void publish(struct ring *r, enum ring_end end, uint64_t index)
{
    atomic_store(&end_of(r, end)->index, index);
    call(r, (enum ring_end)(RING_BOTH - end));
}

int ring_put(struct ring *r, const void *from, size_t count)
{
    struct ring_items room;
    int error = ring_look_spare(r, &room);
    if (error != RING_OK) {
        return error;
    }
    if (count > room.count) {
        return fail_sizes(r, RING_FULL, count, room.count);
    }
    size_t size = count * r->item_size;
    if (from != NULL && size != 0) {
        memmove(room.start, from, size); /* a ring's items may be put into it once more */
    }
    publish(r, RING_WRITER, room.first + size);
    return RING_OK;
}

int ring_put_left(struct ring *r, const void *from, size_t count)
{
    struct ring_items room;
    struct indices found;
    int error = ring_look_spare(r, &room);
    if (error == RING_OK) {
        error = read_indices(r, &found);
    }
    if (error != RING_OK) {
        return error;
    }
    size_t size = count * r->item_size;
    if (count > room.count) {
        return fail_sizes(r, RING_FULL, count, room.count);
    }
    if (size != 0) {
        memmove(place_of(r, found.first - size), from, size);
    }
    publish(r, RING_READER, found.first - size);
    call(r, RING_READER); /* another thread, for which there are more items now */
    return RING_OK;
}

int ring_drop(struct ring *r, size_t count)
{
    struct ring_items items;
    int error = ring_look(r, &items);
    if (error != RING_OK) {
        return error;
    }
    if (count > items.count) {
        return fail_sizes(r, RING_SHORT, count, items.count);
    }
    uint64_t last = items.first + count * r->item_size;
    error = check_views(r, items.first, last);
    if (error == RING_OK) {
        publish(r, RING_READER, last);
    }
    return error;
}

int ring_drop_right(struct ring *r, size_t count)
{
    struct indices found;
    int error = r->open ? read_indices(r, &found) : RING_CLOSED;
    if (error != RING_OK) {
        return error;
    }
    size_t size = count * r->item_size;
    if (size > found.last - found.first) {
        return RING_SHORT;
    }
    error = check_views(r, found.last - size, found.last);
    if (error == RING_OK) {
        publish(r, RING_WRITER, found.last - size);
        call(r, RING_WRITER);
    }
    return error;
}

/* All within their places: whoever waits sees no change. */
int ring_turn(struct ring *r, size_t count, void *scratch)
{
    struct ring_items items;
    int error = ring_look(r, &items);
    if (error != RING_OK) {
        return error;
    }
    if (count > items.count) {
        return RING_SHORT;
    }
    size_t all = items.count * r->item_size;
    size_t moved = count * r->item_size;
    error = check_views(r, items.first, items.first + all);
    if (error == RING_OK && moved != 0) {
        memcpy(scratch, items.start + (all - moved), moved);
        memmove(items.start + moved, items.start, all - moved);
        memcpy(items.start, scratch, moved);
    }
    return error;
}

int ring_make_room(struct ring *r, size_t count)
{
    struct ring_items room;
    int error = ring_look_spare(r, &room);
    if (error != RING_OK || count <= room.count) {
        return error;
    }
    if (count > r->capacity) {
        return fail_sizes(r, RING_FULL, count, room.count);
    }
    return ring_drop(r, count - room.count);
}

int ring_make_room_left(struct ring *r, size_t count)
{
    struct ring_items room;
    int error = ring_look_spare(r, &room);
    if (error != RING_OK || count <= room.count) {
        return error;
    }
    if (count > r->capacity) {
        return fail_sizes(r, RING_FULL, count, room.count);
    }
    return ring_drop_right(r, count - room.count);
}

/* ---- waiting ----------------------------------------------------------------------------- */

static int is_ready(struct ring *r, enum ring_end end, size_t count)
{
    struct ring_items found;
    if (atomic_load(&r->ending)) {
        return RING_ENDED;
    }
    int error = end == RING_READER ? ring_look(r, &found) : ring_look_spare(r, &found);
    if (error != RING_OK) {
        return error;
    }
    return found.count >= count ? RING_OK : RING_TIMED_OUT;
}

/* Puts it down, so that the system is asked once. */
static bool has_died(struct ring *r, enum ring_end end)
{
    _Atomic uint64_t *place = &end_of(r, end)->owner;
    uint64_t owner = atomic_load(place);
    if (owner <= LEFT || owner == r->owner || runs(r, owner)) {
        return owner == LEFT;
    }
    return atomic_compare_exchange_strong(place, &owner, LEFT);
}

/* The other is looked at before the items: what it put in last is there by then. */
static int look_again(struct ring *r, enum ring_end end, size_t count, bool left)
{
    int error = is_ready(r, end, count);
    return error == RING_TIMED_OUT && left ? RING_GONE : error;
}

/* The word is set before the second look, as vmem_signal.h wants it. Whether the other has died is
 * asked only after a sleep that nobody ended, since to ask takes longer than most sleeps do. */
static int look_then_sleep(struct ring *r, enum ring_end end, size_t count, uint64_t nanoseconds)
{
    enum ring_end other = (enum ring_end)(RING_BOTH - end);
    struct end *self = end_of(r, end);
    atomic_store(&self->waiting, 1);
    int error = look_again(r, end, count, atomic_load(&end_of(r, other)->owner) == LEFT);
    if (error != RING_TIMED_OUT) {
        atomic_store(&self->waiting, 0);
        return error;
    }
    uint64_t most = nanoseconds < slice ? nanoseconds : slice;
    uint64_t begun = vmem_clock();
    vmem_signal_wait(r->signals[end - 1], &self->waiting, most);
    bool undisturbed = vmem_clock() - begun >= most;
    return look_again(r, end, count, undisturbed && has_died(r, other));
}

int ring_wait(struct ring *r, enum ring_end end, size_t count, uint64_t nanoseconds)
{
    int error = r->open ? is_ready(r, end, count) : RING_CLOSED;
    if (error != RING_TIMED_OUT || nanoseconds == 0) {
        return error;
    }
    return look_then_sleep(r, end, count, nanoseconds);
}

uint64_t ring_clock(void)
{
    return vmem_clock();
}
