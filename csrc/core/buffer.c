/* buffer.c - the slow paths: growing, shrinking, the lent tail, and the invariants.
 *
 * What a reader would get wrong: bytes past the end are not known to be zero. Those below a range's
 * `dirty`, and all of a block, may be old contents, so whatever exposes bytes without writing them
 * goes through clear_tail; and clear_tail must not touch the others, or a large zeroed buffer would
 * cost memory.
 */
#include "buffer.h"

#include "growth.h"
#include "pool.h"
#include "populate.h"
#include "storage.h"

HOT void
buffer_free(struct buffer *b)
{
    storage_free(b);
    if (buffer_has_rest(b))
        rest_free(b);
}

void
buffer_reset(struct buffer *b)
{
    struct buffer_rest *rest = b->rest;
    storage_free(b);
    buffer_init(b, b->env);
    if (rest == &buffer_no_rest)
        return;
    b->rest = rest;
    rest_clear(rest);
    rest_drop(b);
}

void
buffer_release(struct buffer *b)
{
    buffer_reset(b);
    b->released = true;
    b->limit = 0;
}

static int
check_state(const struct buffer *b)
{
    return b->released ? BUFFER_RELEASED : b->frozen ? BUFFER_FROZEN : BUFFER_OK;
}

/* Capacity. */

/* Twice the capacity in addresses, so that the front can be dropped and the end still reach the
 * capacity while exported. */
static int
place_capacity(struct buffer *b, size_t capacity)
{
    if (capacity < buffer_size(b))
        return BUFFER_OK;
    if (capacity < BUFFER_PROMOTE_AT)
        return storage_relocate(b, capacity, STORAGE_HEAP, false);
    int error = storage_relocate(b, 2 * capacity + 1, STORAGE_RESERVED, false);
    if (error == BUFFER_NOT_RESERVED) /* addresses are short: better without that than not at all */
        error = storage_relocate(b, capacity, STORAGE_RESERVED, false);
    return error;
}

int
buffer_set_capacity(struct buffer *b, size_t capacity)
{
    if (capacity > BUFFER_MAX / 4)
        return storage_fail(b, BUFFER_TOO_LARGE, capacity, 0);
    int error = buffer_need_rest(b);
    if (error != BUFFER_OK)
        return error;
    b->rest->capacity = capacity;
    error = place_capacity(b, capacity);
    if (error != BUFFER_OK)
        b->rest->capacity = BUFFER_NO_CAPACITY;
    storage_refresh(b);
    return error;
}

size_t
buffer_capacity(const struct buffer *b)
{
    if (b->released)
        return 0;
    size_t room = buffer_size(b) - buffer_offset(b) - 1;
    return room < b->rest->capacity ? room : b->rest->capacity;
}

size_t
buffer_committed(const struct buffer *b)
{
    if (b->released)
        return 0;
    size_t accessible = buffer_accessible(b) - buffer_offset(b);
    size_t capacity = buffer_capacity(b);
    return accessible < capacity ? accessible : capacity;
}

size_t
buffer_memory(const struct buffer *b)
{
    return b->released ? 0 : buffer_accessible(b) - b->rest->given_back;
}

/* Growing. */

static bool
fits_in_place(const struct buffer *b, size_t need)
{
    return need < buffer_size(b) - buffer_offset(b);
}

/* Worth it only when the gap has paid for the copy. */
static bool
fits_after_slide(const struct buffer *b, size_t need)
{
    return need < buffer_size(b) && buffer_offset(b) > b->length;
}

static HOT int
make_room(struct buffer *b, size_t need)
{
    int error = fits_after_slide(b, need) ? storage_slide(b)
                                          : storage_fail(b, BUFFER_PINNED, need, 0);
    if (error == BUFFER_OK || b->rest->capacity != BUFFER_NO_CAPACITY)
        return error; /* with a capacity, should_slide keeps a slide possible; it may be refused */
    return storage_relocate(b, need, STORAGE_BY_SIZE, false);
}

/* As a new buffer does: then nothing but `movable` can forbid a move, and the heap is all there is to
 * move to. */
static bool
stands_in_its_object(const struct buffer *b)
{
    return b->start == b->block && !buffer_has_rest(b) && !b->pinned && !b->frozen && !b->released;
}

HOT int
buffer_grow(struct buffer *b, size_t extra, bool movable)
{
    if (LIKELY(movable && extra < BUFFER_PROMOTE_AT - BUFFER_BLOCK && stands_in_its_object(b)))
        return storage_leave_object(b, b->length + extra);
    int error = check_state(b);
    if (error != BUFFER_OK)
        return error;
    if (extra > BUFFER_MAX - b->length)
        return storage_fail(b, BUFFER_TOO_LARGE, extra, 0);
    size_t need = b->length + extra;
    if (need > b->rest->capacity)
        return storage_fail(b, BUFFER_AT_CAPACITY, need, 0);
    if (!fits_in_place(b, need)) {
        if (!movable)
            return storage_fail(b, BUFFER_EXPORTED, need, 0);
        if (b->pinned)
            return storage_fail(b, BUFFER_PINNED, need, 0);
        error = make_room(b, need);
        if (error != BUFFER_OK || need <= b->limit)
            return error;
    }
    if (b->tier == BUFFER_RESERVED)
        return storage_commit(b, need);
    storage_refresh(b);
    return BUFFER_OK;
}

void
buffer_write(struct buffer *b, char *to, const char *bytes, size_t n)
{
    if (n >= GROWTH_POPULATE_WRITE && b->tier == BUFFER_RESERVED)
        populate_expected(b, (size_t)(to - buffer_base(b)) + n + 1);
    copy_memory(to, bytes, n);
}

void
buffer_promote(struct buffer *b, bool retire)
{
    if (b->tier == BUFFER_RESERVED || b->pinned || b->rest->capacity != BUFFER_NO_CAPACITY)
        return;
    if (!storage_promote_quickly(b, b->length, retire))
        (void)storage_relocate(b, b->length, STORAGE_RESERVED, retire);
}

/* Where the bytes begin that read as zero: at the end of the storage in a block. */
static const char *
clean_from(const struct buffer *b)
{
    size_t dirty = b->tier == BUFFER_RESERVED ? b->rest->storage.dirty : buffer_size(b);
    return buffer_base(b) + dirty;
}

/* Zeroes what may be old contents in the n bytes past the end, and in the one after them, so that a
 * terminator stands there. */
static void
clear_tail(struct buffer *b, size_t n)
{
    char *tail = b->start + b->length;
    const char *clean = clean_from(b);
    poison_open(tail, tail + n + 1);
    if (tail < clean)
        memset(tail, 0, (size_t)(clean - tail) <= n ? (size_t)(clean - tail) : n + 1);
}

int
buffer_extend_zero(struct buffer *b, size_t n, bool movable)
{
    int error = check_state(b);
    if (error == BUFFER_OK)
        error = buffer_ensure(b, n, movable);
    if (error != BUFFER_OK || n == 0)
        return error; /* without a write: a lent byte may stand there */
    clear_tail(b, n);
    b->length += n;
    return BUFFER_OK;
}

int
buffer_open_gap(struct buffer *b, size_t at, size_t n, bool movable)
{
    int error = check_state(b);
    if (error == BUFFER_OK)
        error = buffer_ensure(b, n, movable);
    if (error != BUFFER_OK || n == 0)
        return error; /* without a write: a lent byte may stand there */
    size_t after = b->length - at;
    (void)buffer_take_in(b, n);
    memmove(b->start + at + n, b->start + at, after);
    return BUFFER_OK;
}

/* Shrinking. */

/* Remembers that everything up to `end` may be old contents from now on. */
static void
mark_dirty(struct buffer *b, size_t end)
{
    if (b->tier == BUFFER_RESERVED && b->rest->storage.dirty < end)
        b->rest->storage.dirty = end;
}

static void
set_length(struct buffer *b, size_t length)
{
    storage_take_back_tail(b);
    mark_dirty(b, storage_end(b));
    poison_close(b->start + length + 1, b->start + b->length + 1);
    b->length = length;
    b->start[length] = 0;
}

static void
shrink_block(struct buffer *b)
{
    bool wasteful = buffer_size(b) > 4096 && b->length < buffer_size(b) / 4;
    if (b->tier == BUFFER_HEAP && wasteful && !b->pinned && b->rest->capacity == BUFFER_NO_CAPACITY)
        (void)storage_relocate(b, b->length, STORAGE_HEAP, false);
}

/* Counted from what was given back, or a queue would never shrink. The slack is looked at last: most
 * calls shorten by a little. */
static size_t
commit_after_shrink(const struct buffer *b)
{
    const struct pool *pool = b->env->pool;
    size_t lead, origin = storage_origin(b, &lead);
    size_t used = storage_end(b) + 1 - origin, committed = buffer_accessible(b) - origin;
    if (growth_fills(used, committed))
        return origin + committed;
    return origin + growth_commit_after_shrink(used, committed, pool_slack(pool),
                                               pool->info.page_size, lead);
}

static void
shrink_storage(struct buffer *b)
{
    shrink_block(b);
    if (b->tier == BUFFER_RESERVED)
        storage_decommit_tail(b, commit_after_shrink(b));
}

void
buffer_truncate(struct buffer *b, size_t length)
{
    set_length(b, length);
    shrink_storage(b);
}

void
buffer_close_gap(struct buffer *b, size_t at, size_t n)
{
    memmove(b->start + at, b->start + at + n, b->length - at - n);
    buffer_truncate(b, b->length - n);
}

/* Where the end could not reach the capacity any more, or half of the range has gone by. */
static bool
should_slide(const struct buffer *b)
{
    size_t offset = buffer_offset(b);
    if (b->pinned || offset == 0)
        return false;
    if (b->rest->capacity != BUFFER_NO_CAPACITY)
        return offset + b->rest->capacity + 1 > buffer_size(b);
    return b->length == 0 || (offset > buffer_size(b) / 2 && offset > b->length);
}

void
buffer_drop_front(struct buffer *b, size_t n)
{
    storage_take_back_tail(b);
    mark_dirty(b, storage_end(b));
    poison_close(b->start, b->start + n);
    b->start += n;
    b->length -= n;
    b->limit -= n;
    if (should_slide(b) && storage_slide(b) == BUFFER_OK) {
        shrink_storage(b);
        return;
    }
    storage_decommit_gap(b);
    storage_refresh(b);
}

int
buffer_fit(struct buffer *b, bool movable)
{
    int error = check_state(b);
    if (error != BUFFER_OK)
        return error;
    size_t page = b->env->pool->info.page_size;
    bool may_move = movable && !b->pinned && b->rest->capacity == BUFFER_NO_CAPACITY;
    if (may_move && b->length < BUFFER_PROMOTE_AT && b->tier != BUFFER_SMALL)
        return storage_relocate(b, b->length, STORAGE_HEAP, false);
    if (may_move && b->tier == BUFFER_HEAP)
        return storage_relocate(b, b->length, STORAGE_HEAP, false);
    if (movable)
        storage_take_back_tail(b);
    storage_decommit_tail(b, growth_round_up(storage_taken(b) + 1, page));
    return BUFFER_OK;
}

/* The lent tail. */

int
buffer_spare(struct buffer *b, size_t n, bool movable, char **tail)
{
    int error = check_state(b);
    if (error == BUFFER_OK)
        error = buffer_ensure(b, n, movable);
    if (error == BUFFER_OK)
        error = buffer_need_rest(b); /* last, since a move may give it up */
    if (error != BUFFER_OK)
        return error;
    if (movable)
        storage_take_back_tail(b);
    clear_tail(b, n);
    struct buffer_rest *rest = b->rest;
    rest->lent_from = storage_end(b);
    rest->lent_left = n;
    /* A longer tail that was lent before may still be in somebody's hands. */
    if (rest->lent < rest->lent_from + n)
        rest->lent = rest->lent_from + n;
    mark_dirty(b, rest->lent);
    rest->displaced = -1;
    *tail = b->start + b->length;
    return BUFFER_OK;
}

size_t
buffer_lent(const struct buffer *b)
{
    return b->rest->lent_from == storage_end(b) ? b->rest->lent_left : 0;
}

/* The terminator stands on the first lent byte, which is kept aside until it is taken in. Never while
 * somebody may still write there: what they write must be what is taken in. */
void
buffer_settle(struct buffer *b)
{
    struct buffer_rest *rest = b->rest;
    if (rest->lent <= storage_end(b) || rest->displaced >= 0)
        return;
    if (buffer_lent(b) > 0)
        rest->displaced = (int16_t)(unsigned char)b->start[b->length];
    b->start[b->length] = 0;
}

int
buffer_advance(struct buffer *b, size_t n)
{
    int error = check_state(b);
    if (error != BUFFER_OK)
        return error;
    if (n == 0)
        return BUFFER_OK;
    if (n > buffer_lent(b))
        return storage_fail(b, BUFFER_NOT_LENT, n, 0);
    struct buffer_rest *rest = b->rest;
    if (rest->displaced >= 0)
        b->start[b->length] = (char)rest->displaced;
    rest->displaced = -1;
    b->length += n;
    rest->lent_from += n;
    rest->lent_left -= n;
    if (rest->lent_left == 0)
        b->start[b->length] = 0;
    return BUFFER_OK;
}

void
buffer_end_lending(struct buffer *b)
{
    if (!buffer_has_rest(b))
        return;
    b->rest->lent_left = 0;
    b->rest->displaced = -1;
}

/* Freezing. */

/* The gap is not accessible as it is. */
static int
protect(struct buffer *b)
{
    char *from = b->rest->storage.base + b->rest->given_back;
    size_t size = b->rest->storage.committed - b->rest->given_back;
    populate_stop(b);
    int error = vmem_protect(from, size, VMEM_READ);
    if (error == 0)
        return BUFFER_OK;
    (void)vmem_commit(from, size); /* some pages may be protected already */
    return storage_fail(b, BUFFER_SYSTEM, b->rest->storage.committed, error);
}

int
buffer_freeze(struct buffer *b)
{
    int error = check_state(b);
    if (error != BUFFER_OK)
        return error == BUFFER_FROZEN ? BUFFER_OK : error;
    buffer_settle(b);
    error = b->tier == BUFFER_RESERVED ? protect(b) : BUFFER_OK;
    if (error != BUFFER_OK)
        return error;
    if (buffer_has_rest(b))
        rest_forget_tail(b->rest); /* or a terminator would be written, which faults */
    b->frozen = true;
    b->limit = b->length;
    return BUFFER_OK;
}

/* Looking. */

size_t
buffer_page_count(const struct buffer *b)
{
    if (b->tier != BUFFER_RESERVED)
        return 0;
    return buffer_accessible(b) / b->env->pool->info.page_size;
}

int
buffer_page_map(struct buffer *b, unsigned char *pages)
{
    size_t count = buffer_page_count(b);
    if (count == 0)
        return BUFFER_OK;
    size_t page = b->env->pool->info.page_size, gap = b->rest->given_back;
    size_t first = gap / page, size = (count - first) * page;
    memset(pages, BUFFER_PAGE_RESERVED, count);
    int error = vmem_query_resident(b->rest->storage.base + gap, size, pages + first);
    if (error != 0)
        return storage_fail(b, BUFFER_SYSTEM, size, error);
    for (size_t i = first; i < count; i++)
        pages[i] = pages[i] ? BUFFER_PAGE_RESIDENT : BUFFER_PAGE_COMMITTED;
    return BUFFER_OK;
}

/* The invariants. */

static bool
check_block(const struct buffer *b)
{
    const struct buffer_rest *rest = b->rest;
    return rest->storage.base == NULL && rest->storage.committed == 0 && rest->given_back == 0 &&
           rest->populated == 0 && !rest->ordered && rest->storage.loan.warm == 0 &&
           rest->storage.loan.discarded == 0;
}

static bool
check_range(const struct buffer *b)
{
    const struct range *s = &b->rest->storage;
    const struct loan *all = &b->env->pool->loans;
    size_t page = b->env->pool->info.page_size, gap = b->rest->given_back;
    return buffer_has_rest(b) && s->base != NULL && s->committed <= s->size &&
           s->committed % page == 0 && s->size % page == 0 && gap % page == 0 &&
           gap <= buffer_offset(b) && s->loan.warm <= all->warm &&
           s->loan.discarded <= all->discarded;
}

static bool
check_storage(const struct buffer *b)
{
    if (buffer_base(b) == NULL || b->start < buffer_base(b))
        return false;
    return b->tier == BUFFER_RESERVED ? check_range(b) : check_block(b);
}

static bool
check_clean_sample(const struct buffer *b)
{
    /* Only the first page past the dirty end: reading all of it would cost what it guards. */
    const char *end = b->start + b->length, *limit = buffer_base(b) + buffer_accessible(b);
    const char *from = clean_from(b) > end ? clean_from(b) : end;
#ifdef POISON_ENABLED
    limit = from;
#endif
    for (const char *at = from; at < limit && at < from + 4096; at++)
        if (*at != 0)
            return false;
    return true;
}

bool
buffer_check(const struct buffer *b)
{
    if (b->released)
        return b->length == 0 && b->limit == 0;
    if (!check_storage(b))
        return false;
    if (storage_end(b) + 1 > buffer_accessible(b) ||
        (b->start[b->length] != 0 && b->rest->lent <= storage_end(b)))
        return false;
    if (b->length > b->limit || b->limit > b->rest->capacity)
        return false;
    if (buffer_offset(b) + b->limit + 1 > buffer_accessible(b))
        return false;
    return check_clean_sample(b);
}
