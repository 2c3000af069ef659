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

HOT int
storage_fail(struct buffer *b, enum buffer_error error, size_t size, int system_error)
{
    b->env->failed_size = size;
    b->env->system_error = system_error;
    return (int)error;
}

void
storage_notify(const struct buffer *b)
{
    const struct range *storage = &b->rest->storage;
    if (b->tier == BUFFER_RESERVED && !storage->lazy && b->env->committed != NULL)
        b->env->committed(b->env->context, storage->base, storage->committed - b->rest->given_back);
}

static void
notify_gone(const struct buffer_env *env, const struct range *storage)
{
    if (!storage->lazy && env->committed != NULL)
        env->committed(env->context, storage->base, 0);
}

HOT void
storage_refresh(struct buffer *b)
{
    size_t offset = buffer_offset(b), limit = buffer_accessible(b) - offset - 1;
    size_t edge = b->tier == BUFFER_RESERVED ? populate_edge(b) - offset - 1 : limit;
    limit = limit < edge ? limit : edge;
    limit = limit < b->rest->capacity ? limit : b->rest->capacity;
    b->limit = b->frozen || b->released ? b->length : limit;
    poison_open(b->start, b->start + b->length + 1);
    poison_close(buffer_base(b) + storage_taken(b) + 1, buffer_base(b) + buffer_accessible(b));
}

void
storage_take_back_tail(struct buffer *b)
{
    if (!buffer_has_rest(b))
        return;
    if (b->rest->lent > storage_end(b)) {
        poison_close(b->start + b->length + 1, buffer_base(b) + b->rest->lent + 1);
        b->start[b->length] = 0;
    }
    rest_forget_tail(b->rest);
}

static void
open_all(const struct buffer *b)
{
    (void)b;
    poison_open(buffer_base(b) + b->rest->given_back, buffer_base(b) + buffer_accessible(b));
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
is_past_first_block(const struct buffer *b, size_t end)
{
    return end > b->rest->storage.lead + (size_t)GROWTH_COMMIT_BLOCK;
}

static bool
wants_huge(const struct buffer *b, size_t end)
{
    const struct vmem_info *info = &b->env->pool->info;
    if (refuses_huge(b) || !info->can_advise_huge || b->rest->storage.lazy)
        return false;
    return b->huge == BUFFER_HUGE_ALWAYS ||
           (info->thp == VMEM_THP_ADVISED && is_past_first_block(b, end));
}

/* Advice may be refused, and then the buffer works with small pages. */
static void
set_huge(struct range *storage, bool huge)
{
    if (vmem_advise_huge(storage->base, storage->size, huge) != 0)
        return;
    storage->advised = storage->huge = huge;
    storage->forbidden = !huge;
}

/* Who does without them has nothing against those that the last owner had. */
static void
advise_huge(struct buffer *b, size_t end)
{
    struct range *storage = &b->rest->storage;
    bool wanted = wants_huge(b, end);
    if (wanted != storage->huge && (wanted || refuses_huge(b)))
        set_huge(storage, wanted);
}

/* A range from the pool may have been advised for another buffer. */
static void
forbid_huge(struct buffer *b)
{
    if (refuses_huge(b) && (b->rest->storage.advised || pool_gives_huge_unasked(b->env->pool)))
        set_huge(&b->rest->storage, false);
}

/* Committing. */

static int
commit_up_to(struct buffer *b, size_t end)
{
    struct range *storage = &b->rest->storage;
    int error = vmem_commit(storage->base + storage->committed, end - storage->committed);
    if (error == 0) {
        storage->committed = end;
        pool_settle(b->env->pool, storage);
    }
    return error;
}

static size_t
commit_end(const struct buffer *b, size_t end)
{
    const struct range *storage = &b->rest->storage;
    const struct pool *pool = b->env->pool;
    size_t lead, origin = storage_origin(b, &lead);
    size_t wanted = origin + growth_commit_end(end - origin, storage->committed - origin,
                                               storage->size - origin, pool->info.page_size, lead,
                                               pool_is_frugal(pool));
    return pool->low_latency ? growth_commit_quickly(wanted, end, storage->committed) : wanted;
}

/* Where the step ends that takes in `end`; the advice for its pages is given. */
static size_t
prepare_step(struct buffer *b, size_t end)
{
    const struct range *storage = &b->rest->storage;
    size_t wanted = commit_end(b, end);
    if (b->huge == BUFFER_HUGE_ALWAYS)
        wanted = range_round_up(storage, wanted, GROWTH_COMMIT_BLOCK);
    wanted = wanted < storage->size ? wanted : storage->size;
    if (b->huge == BUFFER_HUGE_ALWAYS || is_past_first_block(b, wanted))
        advise_huge(b, wanted);
    return wanted;
}

size_t
storage_commit_ahead(struct buffer *b, size_t end)
{
    if (end > b->rest->storage.committed && commit_up_to(b, prepare_step(b, end)) == 0) {
        storage_notify(b);
        storage_refresh(b);
    }
    return end < b->rest->storage.committed ? end : b->rest->storage.committed;
}

static int
commit_step(struct buffer *b, size_t end)
{
    const struct range *storage = &b->rest->storage;
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

/* Where no step may take long, memory is committed a step before it is put behind pages: each of the
 * two takes as long as a step may. */
static bool
commit_early(struct buffer *b, size_t end)
{
    const struct range *storage = &b->rest->storage;
    const struct pool *pool = b->env->pool;
    size_t early = end + GROWTH_COMMIT_EARLY;
    if (!pool->low_latency || pool_is_frugal(pool) || end > b->rest->populated || early > storage->size)
        return false;
    return early > storage->committed && storage_commit_ahead(b, early) == early;
}

int
storage_commit(struct buffer *b, size_t need)
{
    size_t end = buffer_offset(b) + need + 1;
    if (commit_early(b, end)) {
        populate_later(b, need);
        return BUFFER_OK;
    }
    int error = end <= b->rest->storage.committed ? BUFFER_OK : commit_step(b, end);
    if (error == BUFFER_OK)
        populate_ahead(b, need);
    return error;
}

/* Giving up. */

/* The next owner must not find this one's name, or a refusal that it could not tell from the system's
 * habit; and less should be missing at the front, which is committed again, than is warm behind it. */
static bool
is_worth_pooling(const struct buffer *b)
{
    const struct pool *pool = b->env->pool;
    bool named = b->rest->name != NULL && pool->info.can_name;
    bool forbidden = b->rest->storage.forbidden && pool_gives_huge_unasked(pool);
    return !named && !forbidden && b->rest->given_back <= b->rest->storage.dirty / 2;
}

/* Commits the gap, and unprotects. */
static bool
make_plain(struct buffer *b)
{
    return (b->rest->given_back == 0 && !b->frozen) ||
           vmem_commit(b->rest->storage.base, b->rest->storage.committed) == 0;
}

static void
give_up_range(struct buffer *b)
{
    populate_stop(b);
    struct range *storage = &b->rest->storage;
    struct pool *pool = b->env->pool;
    notify_gone(b->env, storage);
    if (storage->dirty < storage_end(b) + 1)
        storage->dirty = storage_end(b) + 1;
    if (b->rest->given_back > 0)
        storage->huge = false; /* the advice went with the pages */
    if (is_worth_pooling(b) && make_plain(b))
        pool_give(pool, storage);
    else
        pool_discard(pool, storage);
    b->rest->given_back = 0; /* of the range nothing is known any more */
}

static HOT void
give_up(struct buffer *b)
{
    open_all(b);
    if (LIKELY(b->tier == BUFFER_HEAP))
        b->env->free(b->env->context, b->heap.base);
    else if (b->tier == BUFFER_RESERVED)
        give_up_range(b);
}

HOT void
storage_free(struct buffer *b)
{
    give_up(b);
    if (buffer_has_rest(b) && b->rest->retired != NULL) {
        b->env->free(b->env->context, b->rest->retired);
        b->rest->retired = NULL;
    }
}

/* Blocks. */

/* As large as is sensible, or else just large enough. */
static char *
allocate(const struct buffer *b, size_t need, size_t current, size_t *size)
{
    *size = growth_heap_size(need + 1, current);
    char *block = b->env->allocate(b->env->context, *size);
    if (block == NULL)
        block = b->env->allocate(b->env->context, *size = need + 1);
    if (block == NULL && pool_relieve(b->env->pool))
        block = b->env->allocate(b->env->context, *size);
    return block;
}

static void
adopt_block(struct buffer *b, char *block, size_t size)
{
    b->tier = BUFFER_HEAP;
    b->start = b->heap.base = block;
    b->heap.size = size;
}

/* For most buffers the first move, and the last. */
HOT int
storage_leave_object(struct buffer *b, size_t need)
{
    size_t size;
    char *block = allocate(b, need, BUFFER_BLOCK, &size);
    if (block == NULL)
        return storage_fail(b, BUFFER_NO_MEMORY, size, 0);
    poison_open(b->block, b->block + BUFFER_BLOCK);
    memcpy(block, b->block, BUFFER_BLOCK);
    adopt_block(b, block, size);
    b->limit = size - 1;
    poison_close(block + b->length + 1, block + size);
    return BUFFER_OK;
}

static int
move_to_block(struct buffer *b, size_t need)
{
    size_t size;
    char *block = allocate(b, need, b->tier == BUFFER_RESERVED ? 0 : buffer_size(b), &size);
    if (block == NULL)
        return storage_fail(b, BUFFER_NO_MEMORY, size, 0);
    memcpy(block, b->start, b->length);
    block[b->length] = 0;
    give_up(b);
    adopt_block(b, block, size);
    if (buffer_has_rest(b)) {
        rest_forget_tail(b->rest);
        rest_drop(b);
    }
    storage_refresh(b);
    return BUFFER_OK;
}

/* The allocator may grow the block where it stands, or remap it. */
static HOT int
reallocate(struct buffer *b, size_t need)
{
    storage_take_back_tail(b);
    open_all(b);
    if (b->start != b->heap.base) {
        memmove(b->heap.base, b->start, b->length + 1);
        b->start = b->heap.base;
    }
    size_t size = growth_heap_size(need + 1, need > b->length ? b->heap.size : 0);
    char *block = b->env->reallocate(b->env->context, b->heap.base, size);
    if (block == NULL)
        block = b->env->reallocate(b->env->context, b->heap.base, size = need + 1);
    if (block == NULL && pool_relieve(b->env->pool))
        block = b->env->reallocate(b->env->context, b->heap.base, size);
    if (block != NULL)
        adopt_block(b, block, size);
    storage_refresh(b);
    return block != NULL ? BUFFER_OK : storage_fail(b, BUFFER_NO_MEMORY, size, 0);
}

/* Ranges. */

static void
name_range(const struct buffer *b)
{
    if (b->rest->name != NULL && b->env->pool->info.can_name)
        (void)vmem_name(b->rest->storage.base, b->rest->storage.size, b->rest->name);
}

static int
take_range(struct buffer *b, size_t need, struct range *range)
{
    struct pool *pool = b->env->pool;
    bool exact = b->rest->capacity != BUFFER_NO_CAPACITY;
    int error = exact ? pool_take_exact(pool, need + 1, range) : pool_take(pool, need + 1, range);
    return error != 0 ? storage_fail(b, BUFFER_NOT_RESERVED, need, error) : BUFFER_OK;
}

/* Does not copy the contents. The rest is one of its own. */
static void
adopt_range(struct buffer *b, const struct range *range)
{
    b->tier = BUFFER_RESERVED;
    b->start = range->base;
    b->rest->storage = *range;
    b->rest->given_back = 0;
    b->rest->populated = growth_round_up(range->dirty, b->env->pool->info.page_size);
    b->rest->ordered = 0;
    rest_forget_tail(b->rest);
}

/* A block that somebody may still read from is kept, by the rest that comes. */
static void
leave(struct buffer *b, struct buffer_rest *rest, bool retire)
{
    if (b->tier == BUFFER_HEAP && retire) {
        b->env->free(b->env->context, rest->retired);
        rest->retired = b->heap.base;
    } else
        give_up(b);
    rest_free(b);
}

/* Copies the contents to `range` and gives up the old storage. That comes last, since a commit may
 * fail; till then what is new stands beside what is old. */
static int
move_to_range(struct buffer *b, const struct range *range, struct buffer_rest *rest, bool retire)
{
    open_all(b); /* the small block is copied with the struct */
    struct buffer moved = *b;
    moved.rest = rest;
    adopt_range(&moved, range);
    int error = storage_commit(&moved, moved.length);
    if (error != BUFFER_OK) {
        populate_stop(&moved);
        pool_give(b->env->pool, &rest->storage);
        storage_refresh(b);
        return error;
    }
    poison_open(moved.start, moved.start + b->length + 1);
    copy_memory(moved.start, b->start, b->length);
    moved.start[b->length] = 0;
    leave(b, rest, retire);
    *b = moved;
    forbid_huge(b);
    name_range(b);
    storage_notify(b);
    storage_refresh(b);
    return BUFFER_OK;
}

/* Reserved to reserved by moving page tables. */
static int
enlarge(struct buffer *b, size_t need)
{
    size_t page = b->env->pool->info.page_size;
    size_t offset = buffer_offset(b);
    size_t kept = growth_round_down(offset, page);
    populate_stop(b);
    struct range old = b->rest->storage;
    open_all(b); /* the old addresses may soon be somebody else's */
    int error = pool_enlarge(b->env->pool, &b->rest->storage, kept, offset + need + 1);
    if (error != 0) {
        storage_refresh(b);
        return storage_fail(b, BUFFER_NOT_RESERVED, need, error);
    }
    notify_gone(b->env, &old);
    b->start = b->rest->storage.base + offset;
    b->rest->given_back = kept;
    b->rest->storage.huge = false;
    advise_huge(b, b->rest->storage.committed);
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

static HOT int
relocate_to_heap(struct buffer *b, size_t need)
{
    return b->tier == BUFFER_HEAP ? reallocate(b, need) : move_to_block(b, need);
}

static int
relocate_to_range(struct buffer *b, size_t need, bool retire)
{
    if (b->tier == BUFFER_RESERVED && enlarge(b, need) == BUFFER_OK)
        return BUFFER_OK;
    struct range range;
    struct buffer_rest *rest = rest_copy(b);
    if (rest == NULL)
        return BUFFER_NO_MEMORY;
    int error = take_range(b, need, &range);
    if (error == BUFFER_OK)
        error = move_to_range(b, &range, rest, retire);
    if (error != BUFFER_OK)
        b->env->free(b->env->context, rest);
    return error;
}

HOT int
storage_relocate(struct buffer *b, size_t need, enum storage_target target, bool retire)
{
    if (target == STORAGE_HEAP)
        return relocate_to_heap(b, need);
    if (target == STORAGE_RESERVED)
        return relocate_to_range(b, need, retire);
    if (b->tier != BUFFER_RESERVED && belongs_on_heap(b, need))
        return relocate_to_heap(b, need);
    if (b->tier != BUFFER_RESERVED && storage_promote_quickly(b, need, retire))
        return BUFFER_OK;
    int error = relocate_to_range(b, need, retire);
    if (error == BUFFER_OK)
        return BUFFER_OK;
    size_t refused = b->env->failed_size;
    int system_error = b->env->system_error;
    if (relocate_to_heap(b, need) == BUFFER_OK)
        return BUFFER_OK;
    return storage_fail(b, (enum buffer_error)error, refused, system_error);
}

/* No advice, no name, and no edge but that of the contents to come. */
static bool
is_plain(const struct buffer *b)
{
    return b->huge == BUFFER_HUGE_AUTO && b->rest->name == NULL && !b->frozen &&
           !b->env->pool->low_latency;
}

/* What the first export of a small buffer does, and its growth into pages, again and again. */
bool
storage_promote_quickly(struct buffer *b, size_t need, bool retire)
{
    if (!is_plain(b) || need >= GROWTH_POPULATE_FROM)
        return false;
    struct buffer_rest *rest = rest_copy(b);
    if (rest == NULL)
        return false;
    const struct range *warm = pool_take_warm(b->env->pool, need + 1);
    if (warm == NULL) {
        b->env->free(b->env->context, rest);
        return false;
    }
    poison_open(warm->base, warm->base + b->length + 1);
    copy_memory(warm->base, b->start, b->length);
    warm->base[b->length] = 0;
    open_all(b);
    leave(b, rest, retire);
    b->rest = rest;
    adopt_range(b, warm);
    size_t edge = warm->committed < GROWTH_POPULATE_EARLY ? warm->committed : GROWTH_POPULATE_EARLY;
    b->limit = edge > need ? edge - 1 : need;
    poison_close(b->start + b->length + 1, b->start + warm->committed);
    storage_notify(b);
    return true;
}

/* Sliding and giving back. */

/* The advice goes with the pages. That huge ones are wanted is said again when they are committed; that
 * they are not has to hold. */
static int
decommit_from(const struct range *storage, size_t from)
{
    size_t size = range_end(storage) - from;
    int error = vmem_decommit(storage->base + from, size);
    if (error == 0 && storage->forbidden)
        (void)vmem_advise_huge(storage->base + from, size, false);
    return error;
}

static void
slide_in_block(struct buffer *b)
{
    storage_take_back_tail(b);
    open_all(b);
    memmove(buffer_base(b), b->start, b->length + 1);
    b->start = buffer_base(b);
    storage_refresh(b);
}

/* The contents end where the gap's pages that are committed again do, or before. */
static int
slide_in_range(struct buffer *b)
{
    struct buffer_rest *rest = b->rest;
    struct range *storage = &rest->storage;
    size_t front = growth_round_up(b->length + 1, b->env->pool->info.page_size);
    if (front > rest->given_back)
        front = rest->given_back;
    if (front > 0) {
        int error = vmem_commit(storage->base, front);
        if (error != 0)
            return storage_fail(b, BUFFER_NOT_COMMITTED, front, error);
    }
    populate_stop(b);
    bool hole = front < rest->given_back;
    size_t old_end = storage_end(b) + 1;
    storage_take_back_tail(b);
    open_all(b);
    poison_open(storage->base, storage->base + b->length + 1);
    memmove(storage->base, b->start, b->length + 1);
    int error = hole ? decommit_from(storage, front) : 0;
    if (error != 0) {
        /* Nothing was lost: the contents still stand where they stood. */
        (void)vmem_decommit(storage->base, front);
        storage_refresh(b);
        return storage_fail(b, BUFFER_NOT_COMMITTED, front, error);
    }
    if (hole) {
        storage->committed = storage->dirty = front;
        pool_settle(b->env->pool, storage);
    } else if (storage->dirty < old_end)
        storage->dirty = old_end;
    if (rest->given_back > 0)
        storage->huge = false;
    b->start = storage->base;
    rest->given_back = 0;
    storage_notify(b);
    storage_refresh(b);
    return BUFFER_OK;
}

int
storage_slide(struct buffer *b)
{
    if (b->tier == BUFFER_RESERVED)
        return slide_in_range(b);
    slide_in_block(b);
    return BUFFER_OK;
}

void
storage_decommit_tail(struct buffer *b, size_t end)
{
    struct range *storage = &b->rest->storage;
    if (b->tier != BUFFER_RESERVED || storage->lazy || end >= storage->committed)
        return;
    populate_stop(b);
    open_all(b);
    if (decommit_from(storage, end) == 0) {
        storage->committed = end;
        storage->huge = false; /* the advice went with the pages; a later commit gives it again */
        if (storage->dirty > end)
            storage->dirty = end;
        pool_settle(b->env->pool, storage);
        storage_notify(b);
    }
    storage_refresh(b);
}

/* Contents in huge pages keep them whole. */
static size_t
end_to_give_back(const struct buffer *b)
{
    const struct range *storage = &b->rest->storage;
    if (storage->huge && b->length >= GROWTH_COMMIT_BLOCK)
        return range_block_down(storage, buffer_offset(b));
    return growth_round_down(buffer_offset(b), b->env->pool->info.page_size);
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
    struct buffer_rest *rest = b->rest;
    size_t gap = buffer_offset(b) - rest->given_back;
    if (b->tier != BUFFER_RESERVED || rest->storage.lazy || gap < page)
        return;
    size_t end = end_to_give_back(b);
    if (end < rest->given_back + gap_to_give_back(b))
        return;
    char *from = rest->storage.base + rest->given_back, *to = rest->storage.base + end;
    populate_skip(b, end);
    poison_open(from, to);
    if (vmem_decommit(from, (size_t)(to - from)) == 0) {
        rest->given_back = end;
        storage_notify(b);
    }
}
