/* storage.c - placing a buffer's bytes in a block or in a range of pages, and moving them.
 *
 * What a reader would get wrong: small contents move twice at most, to the heap and to a
 * reservation, unless reservations run out; then large contents live on the heap as a bytearray's
 * would, and each growth may move them again.
 */
#include "storage.h"

#include "growth.h"
#include "pool.h"
#include "populate.h"

struct place {
    struct range storage;
    enum buffer_tier tier;
};

int
storage_fail(struct buffer *b, enum buffer_error error, size_t size, int system_error)
{
    b->failed_size = size;
    b->system_error = system_error;
    return (int)error;
}

void
storage_notify(const struct buffer *b)
{
    const struct range *storage = &b->storage;
    if (b->tier == BUFFER_RESERVED && !storage->lazy && b->env->committed != NULL)
        b->env->committed(b->env->context, storage->base, storage->committed - b->given_back);
}

static void
notify_gone(const struct buffer *b)
{
    if (b->tier == BUFFER_RESERVED && !b->storage.lazy && b->env->committed != NULL)
        b->env->committed(b->env->context, b->storage.base, 0);
}

static size_t
used_end(const struct buffer *b)
{
    return buffer_offset(b) + b->length;
}

void
storage_refresh(struct buffer *b)
{
    size_t accessible = b->storage.committed - buffer_offset(b) - 1;
    size_t edge = populate_edge(b) - buffer_offset(b) - 1;
    b->limit = accessible < b->capacity ? accessible : b->capacity;
    if (b->limit > edge)
        b->limit = edge;
    if (b->frozen || b->released)
        b->limit = b->length;
    poison_open(b->start, b->start + b->length + 1);
    poison_close(b->storage.base + (b->lent > used_end(b) ? b->lent : used_end(b)) + 1,
                 b->storage.base + b->storage.committed);
}

void
storage_take_back_tail(struct buffer *b)
{
    if (b->lent > used_end(b)) {
        poison_close(b->start + b->length + 1, b->storage.base + b->lent + 1);
        b->start[b->length] = 0;
    }
    b->lent = b->lent_from = b->lent_left = 0;
    b->displaced = -1;
}

static void
open_all(const struct buffer *b)
{
    (void)b;
    poison_open(b->storage.base + b->given_back, b->storage.base + b->storage.committed);
}

/* Huge pages. */

/* To zero one takes hundreds of microseconds. */
static bool
refuses_huge(const struct buffer *b)
{
    return b->huge == BUFFER_HUGE_NEVER ||
           (b->huge == BUFFER_HUGE_AUTO && b->env->pool->low_latency);
}

static bool
wants_huge(const struct buffer *b, size_t end)
{
    const struct vmem_info *info = &b->env->pool->info;
    if (refuses_huge(b) || !info->can_advise_huge || b->storage.lazy)
        return false;
    return b->huge == BUFFER_HUGE_ALWAYS ||
           (info->thp == VMEM_THP_ADVISED && end > GROWTH_COMMIT_BLOCK);
}

/* Advice may be refused, and then the buffer works with small pages. */
static void
advise_huge(struct buffer *b, size_t end)
{
    struct range *storage = &b->storage;
    if (wants_huge(b, end) == storage->huge)
        return;
    if (vmem_advise_huge(storage->base, storage->size, !storage->huge) == 0)
        storage->huge = !storage->huge;
}

/* Only then does the range carry advice that the next buffer could not tell. */
static bool
is_huge_forbidden(const struct buffer *b)
{
    const struct vmem_info *info = &b->env->pool->info;
    return refuses_huge(b) && info->thp == VMEM_THP_ALWAYS && info->can_advise_huge;
}

/* A range from the pool may have been advised for another buffer. */
static void
forbid_huge(struct buffer *b)
{
    if (refuses_huge(b) && (b->storage.huge || is_huge_forbidden(b)) &&
        vmem_advise_huge(b->storage.base, b->storage.size, false) == 0)
        b->storage.huge = false;
}

/* Committing. */

static int
commit_up_to(struct buffer *b, size_t end)
{
    struct range *storage = &b->storage;
    int error = vmem_commit(storage->base + storage->committed, end - storage->committed);
    if (error == 0)
        storage->committed = end;
    return error;
}

/* Steps grow with what is in use, not with all that ever went through a queue: they count from what
 * was given back. */
static size_t
commit_end(const struct buffer *b, size_t end)
{
    const struct range *storage = &b->storage;
    const struct pool *pool = b->env->pool;
    size_t origin = growth_round_down(b->given_back, GROWTH_COMMIT_BLOCK);
    return origin + growth_commit_end(end - origin, storage->committed - origin,
                                      storage->size - origin, pool->info.page_size,
                                      pool_is_frugal(pool));
}

/* Where the step ends that takes in `end`; the advice for its pages is given. */
static size_t
prepare_step(struct buffer *b, size_t end)
{
    const struct range *storage = &b->storage;
    size_t wanted = commit_end(b, end);
    if (b->huge == BUFFER_HUGE_ALWAYS)
        wanted = growth_round_up(wanted, GROWTH_COMMIT_BLOCK);
    wanted = wanted < storage->size ? wanted : storage->size;
    if (b->huge == BUFFER_HUGE_ALWAYS || wanted > GROWTH_COMMIT_BLOCK)
        advise_huge(b, wanted);
    return wanted;
}

size_t
storage_commit_ahead(struct buffer *b, size_t end)
{
    if (end > b->storage.committed && commit_up_to(b, prepare_step(b, end)) == 0) {
        storage_notify(b);
        storage_refresh(b);
    }
    return end < b->storage.committed ? end : b->storage.committed;
}

static int
commit_step(struct buffer *b, size_t end)
{
    const struct range *storage = &b->storage;
    size_t wanted = prepare_step(b, end);
    size_t least = growth_round_up(end, b->env->pool->info.page_size);
    int error = commit_up_to(b, wanted);
    if (error != 0 && least < wanted)
        error = commit_up_to(b, least);
    if (error != 0 && pool_relieve(b->env->pool))
        error = commit_up_to(b, least);
    if (error != 0) {
        pool_look_again(b->env->pool); /* the limit that was hit may be a new one */
        return storage_fail(b, BUFFER_NOT_COMMITTED, least - storage->committed, error);
    }
    storage_notify(b);
    storage_refresh(b);
    return BUFFER_OK;
}

int
storage_commit(struct buffer *b, size_t need)
{
    size_t end = buffer_offset(b) + need + 1;
    int error = end <= b->storage.committed ? BUFFER_OK : commit_step(b, end);
    if (error == BUFFER_OK)
        populate_ahead(b, need);
    return error;
}

/* Giving up. */

/* The next owner must not find this one's name or advice; and a long gap costs more to commit again
 * than a new range does. */
static bool
is_worth_pooling(const struct buffer *b)
{
    const struct pool *pool = b->env->pool;
    bool named = b->name != NULL && pool->info.can_name;
    return !named && !is_huge_forbidden(b) && b->given_back <= pool->budget;
}

/* Commits the gap, and unprotects. */
static bool
make_plain(struct buffer *b)
{
    return (b->given_back == 0 && !b->frozen) ||
           vmem_commit(b->storage.base, b->storage.committed) == 0;
}

static void
give_up_range(struct buffer *b)
{
    populate_stop(b);
    struct range range = b->storage;
    struct pool *pool = b->env->pool;
    notify_gone(b);
    if (range.dirty < used_end(b) + 1)
        range.dirty = used_end(b) + 1;
    if (b->given_back > 0)
        range.huge = false; /* the advice went with the pages */
    if (is_worth_pooling(b) && make_plain(b))
        pool_give(pool, &range);
    else
        pool_discard(pool, &range);
}

static void
give_up(struct buffer *b, bool retire)
{
    open_all(b);
    if (b->tier == BUFFER_RESERVED)
        give_up_range(b);
    else if (b->tier == BUFFER_HEAP && !retire)
        b->env->free(b->env->context, b->storage.base);
    else if (b->tier == BUFFER_HEAP) {
        b->env->free(b->env->context, b->retired);
        b->retired = b->storage.base;
    }
}

void
storage_free(struct buffer *b)
{
    give_up(b, false);
    if (b->retired != NULL)
        b->env->free(b->env->context, b->retired);
    b->retired = NULL;
}

/* Placing. */

static int
place_on_heap(struct buffer *b, size_t need, struct place *place)
{
    size_t size = growth_heap_size(need + 1, b->tier == BUFFER_RESERVED ? 0 : b->storage.size);
    char *block = b->env->allocate(b->env->context, size);
    if (block == NULL)
        block = b->env->allocate(b->env->context, size = need + 1);
    if (block == NULL && pool_relieve(b->env->pool))
        block = b->env->allocate(b->env->context, size);
    if (block == NULL)
        return storage_fail(b, BUFFER_NO_MEMORY, size, 0);
    place->tier = BUFFER_HEAP;
    place->storage = (struct range){.base = block, .size = size, .committed = size, .dirty = size};
    return BUFFER_OK;
}

static int
place_in_range(struct buffer *b, size_t need, bool exact, struct place *place)
{
    struct pool *pool = b->env->pool;
    int error = exact ? pool_take_exact(pool, need + 1, &place->storage)
                      : pool_take(pool, need + 1, &place->storage);
    if (error != 0)
        return storage_fail(b, BUFFER_NOT_RESERVED, need, error);
    place->tier = BUFFER_RESERVED;
    return BUFFER_OK;
}

static void
adopt(struct buffer *b, const struct range *storage, enum buffer_tier tier)
{
    b->storage = *storage;
    b->tier = (unsigned char)tier;
    b->start = storage->base;
    b->given_back = 0;
    b->populated = storage->dirty;
    b->ordered = 0;
    b->lent = b->lent_from = b->lent_left = 0;
    b->displaced = -1;
}

static void
name_range(const struct buffer *b)
{
    if (b->name != NULL && b->env->pool->info.can_name)
        (void)vmem_name(b->storage.base, b->storage.size, b->name);
}

/* Copies the contents to `place` and gives up the old storage. The copy comes first, since a commit
 * may still fail. */
static int
move_to(struct buffer *b, const struct place *place, bool retire)
{
    struct buffer old = *b;
    adopt(b, &place->storage, place->tier);
    int error = place->tier == BUFFER_RESERVED ? storage_commit(b, b->length) : BUFFER_OK;
    if (error != BUFFER_OK) {
        populate_stop(b);
        struct range unused = b->storage;
        size_t failed_size = b->failed_size;
        int system_error = b->system_error;
        *b = old;
        pool_give(b->env->pool, &unused);
        return storage_fail(b, (enum buffer_error)error, failed_size, system_error);
    }
    poison_open(b->start, b->start + b->length + 1);
    memcpy(b->start, old.start, old.length);
    b->start[b->length] = 0;
    give_up(&old, retire);
    b->retired = old.retired;
    if (b->tier == BUFFER_RESERVED) {
        forbid_huge(b);
        name_range(b);
        storage_notify(b);
    }
    storage_refresh(b);
    return BUFFER_OK;
}

/* Heap to heap: the allocator may grow the block where it stands, or remap it. */
static int
reallocate(struct buffer *b, size_t need)
{
    struct range *storage = &b->storage;
    storage_take_back_tail(b);
    open_all(b);
    if (b->start != storage->base) {
        memmove(storage->base, b->start, b->length + 1);
        b->start = storage->base;
    }
    size_t size = growth_heap_size(need + 1, need > b->length ? storage->size : 0);
    char *block = b->env->reallocate(b->env->context, storage->base, size);
    if (block == NULL)
        block = b->env->reallocate(b->env->context, storage->base, size = need + 1);
    if (block == NULL && pool_relieve(b->env->pool))
        block = b->env->reallocate(b->env->context, storage->base, size);
    if (block != NULL) {
        *storage = (struct range){.base = block, .size = size, .committed = size, .dirty = size};
        b->start = block;
    }
    storage_refresh(b);
    return block != NULL ? BUFFER_OK : storage_fail(b, BUFFER_NO_MEMORY, size, 0);
}

/* Reserved to reserved by moving page tables. */
static int
enlarge(struct buffer *b, size_t need)
{
    size_t page = b->env->pool->info.page_size;
    size_t offset = buffer_offset(b);
    size_t kept = growth_round_down(offset, page);
    populate_stop(b);
    struct buffer old = *b;
    open_all(b); /* the old addresses may soon be somebody else's */
    int error = pool_enlarge(b->env->pool, &b->storage, kept, offset + need + 1);
    if (error != 0) {
        storage_refresh(b);
        return storage_fail(b, BUFFER_NOT_RESERVED, need, error);
    }
    notify_gone(&old);
    b->start = b->storage.base + offset;
    b->given_back = kept;
    b->storage.huge = false;
    advise_huge(b, b->storage.committed);
    forbid_huge(b);
    name_range(b);
    storage_notify(b);
    storage_refresh(b);
    return BUFFER_OK;
}

/* Where addresses are limited the heap is left to find room, as for a bytearray; and thousands of
 * middling buffers are better off there than with a mapping each. */
static bool
belongs_on_heap(const struct buffer *b, size_t need)
{
    struct pool *pool = b->env->pool;
    if (need < BUFFER_PROMOTE_AT || pool->info.address_limit != VMEM_NO_LIMIT)
        return true;
    return need < BUFFER_PROMOTE_SURELY_AT && !pool_is_cheap(pool, need);
}

/* The most frequent move of all: the first block of a buffer that outgrew its owner's object. */
static int
leave_small(struct buffer *b, size_t need)
{
    struct place place;
    int error = place_on_heap(b, need, &place);
    if (error != BUFFER_OK)
        return error;
    memcpy(place.storage.base, b->start, b->length);
    place.storage.base[b->length] = 0;
    open_all(b);
    adopt(b, &place.storage, place.tier);
    storage_refresh(b);
    return BUFFER_OK;
}

static int
relocate_to_heap(struct buffer *b, size_t need)
{
    if (b->tier == BUFFER_SMALL)
        return leave_small(b, need);
    if (b->tier == BUFFER_HEAP)
        return reallocate(b, need);
    struct place place;
    int error = place_on_heap(b, need, &place);
    return error != BUFFER_OK ? error : move_to(b, &place, false);
}

static int
relocate_to_range(struct buffer *b, size_t need, bool retire)
{
    if (b->tier == BUFFER_RESERVED && enlarge(b, need) == BUFFER_OK)
        return BUFFER_OK;
    struct place place;
    int error = place_in_range(b, need, b->capacity != BUFFER_NO_CAPACITY, &place);
    return error != BUFFER_OK ? error : move_to(b, &place, retire);
}

int
storage_relocate(struct buffer *b, size_t need, enum storage_target target, bool retire)
{
    if (target == STORAGE_HEAP)
        return relocate_to_heap(b, need);
    if (target == STORAGE_RESERVED)
        return relocate_to_range(b, need, retire);
    if (b->tier != BUFFER_RESERVED && belongs_on_heap(b, need))
        return relocate_to_heap(b, need);
    int error = relocate_to_range(b, need, retire);
    if (error == BUFFER_OK)
        return BUFFER_OK;
    struct buffer refused = *b;
    if (relocate_to_heap(b, need) == BUFFER_OK)
        return BUFFER_OK;
    return storage_fail(b, (enum buffer_error)error, refused.failed_size, refused.system_error);
}

/* No advice, no name, and no edge but that of the contents to come. */
static bool
is_plain(const struct buffer *b)
{
    return b->huge == BUFFER_HUGE_AUTO && b->name == NULL && !b->frozen &&
           !b->env->pool->low_latency;
}

/* What the first export of a small buffer does, again and again. */
bool
storage_promote_quickly(struct buffer *b, bool retire)
{
    if (!is_plain(b) || b->length >= GROWTH_POPULATE_EARLY)
        return false;
    const struct range *warm = pool_take_warm(b->env->pool, b->length + 1);
    if (warm == NULL)
        return false;
    poison_open(warm->base, warm->base + b->length + 1);
    memcpy(warm->base, b->start, b->length);
    warm->base[b->length] = 0;
    give_up(b, retire);
    adopt(b, warm, BUFFER_RESERVED);
    size_t edge = warm->committed < GROWTH_POPULATE_EARLY ? warm->committed : GROWTH_POPULATE_EARLY;
    b->limit = edge - 1;
    poison_close(b->start + b->length + 1, b->start + warm->committed);
    storage_notify(b);
    return true;
}

/* Sliding and giving back. */

int
storage_slide(struct buffer *b)
{
    struct range *storage = &b->storage;
    size_t page = b->env->pool->info.page_size;
    size_t front = growth_round_up(b->length + 1, page);
    if (front > b->given_back)
        front = b->given_back;
    if (front > 0) {
        int error = vmem_commit(storage->base, front);
        if (error != 0)
            return storage_fail(b, BUFFER_NOT_COMMITTED, front, error);
    }
    populate_stop(b);
    bool hole = front < b->given_back;
    size_t old_end = used_end(b) + 1;
    storage_take_back_tail(b);
    open_all(b);
    poison_open(storage->base, storage->base + b->length + 1);
    memmove(storage->base, b->start, b->length + 1);
    int error = hole ? vmem_decommit(storage->base + front, range_end(storage) - front) : 0;
    if (error != 0) {
        /* Nothing was lost: the contents still stand where they stood. */
        (void)vmem_decommit(storage->base, front);
        storage_refresh(b);
        return storage_fail(b, BUFFER_NOT_COMMITTED, front, error);
    }
    if (hole)
        storage->committed = storage->dirty = front;
    else if (storage->dirty < old_end)
        storage->dirty = old_end;
    if (b->given_back > 0)
        storage->huge = false;
    b->start = storage->base;
    b->given_back = 0;
    storage_notify(b);
    storage_refresh(b);
    return BUFFER_OK;
}

void
storage_decommit_tail(struct buffer *b, size_t end)
{
    struct range *storage = &b->storage;
    if (b->tier != BUFFER_RESERVED || storage->lazy || end >= storage->committed)
        return;
    populate_stop(b);
    open_all(b);
    if (vmem_decommit(storage->base + end, range_end(storage) - end) == 0) {
        storage->committed = end;
        storage->huge = false; /* the advice went with the pages; a later commit gives it again */
        if (storage->dirty > end)
            storage->dirty = end;
        storage_notify(b);
    }
    storage_refresh(b);
}

/* Contents in huge pages keep them whole. */
static size_t
unit_to_give_back(const struct buffer *b)
{
    bool whole = b->storage.huge && b->length >= GROWTH_COMMIT_BLOCK;
    return whole ? GROWTH_COMMIT_BLOCK : b->env->pool->info.page_size;
}

/* A call for each few pages would cost more than they do, unless there are very many buffers. */
static size_t
gap_to_give_back(const struct buffer *b)
{
    size_t slack = pool_slack(b->env->pool);
    return slack < GROWTH_GIVE_BACK ? slack : GROWTH_GIVE_BACK;
}

void
storage_decommit_gap(struct buffer *b)
{
    size_t page = b->env->pool->info.page_size;
    size_t gap = buffer_offset(b) - b->given_back;
    if (b->tier != BUFFER_RESERVED || b->storage.lazy || gap < page || gap < gap_to_give_back(b))
        return;
    size_t end = growth_round_down(buffer_offset(b), unit_to_give_back(b));
    if (end <= b->given_back)
        return;
    populate_skip(b, end);
    poison_open(b->storage.base + b->given_back, b->storage.base + end);
    if (vmem_decommit(b->storage.base + b->given_back, end - b->given_back) == 0) {
        b->given_back = end;
        storage_notify(b);
    }
}
