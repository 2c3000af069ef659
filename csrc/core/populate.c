/* populate.c - see populate.h; the sizes are in growth.h.
 *
 * What a reader would get wrong: memory that was put behind a page makes the page warm, not dirty. But
 * whoever gives up the storage must count it, so it is noted as dirty in the end.
 */
#include "populate.h"

#include "growth.h"
#include "pool.h"
#include "storage.h"
#include "vmem_prefault.h"

static size_t
used_end(const struct buffer *b)
{
    return buffer_offset(b) + b->length;
}

static size_t
larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool
is_background(const struct buffer *b)
{
    return b->tier == BUFFER_RESERVED && !b->rest->storage.lazy &&
           b->env->pool->prefault == ENV_PREFAULT_BACKGROUND;
}

/* The system gives whole huge pages at the first write, and to ask for them gains nothing. */
static bool
has_huge_pages(const struct buffer *b)
{
    const struct pool *pool = b->env->pool;
    if (b->rest->storage.huge)
        return true;
    bool refused = b->huge == BUFFER_HUGE_NEVER || pool->low_latency;
    return pool->info.thp == VMEM_THP_ALWAYS && !refused;
}

static bool
is_ahead(const struct buffer *b)
{
    const struct pool *pool = b->env->pool;
    return b->tier == BUFFER_RESERVED && !b->rest->storage.lazy &&
           pool->prefault != ENV_PREFAULT_OFF && pool->info.can_populate && !has_huge_pages(b);
}

/* Contents shorter than this get their pages when they are written. */
static size_t
first_ahead(const struct buffer *b)
{
    return b->env->pool->low_latency ? 0 : GROWTH_POPULATE_FROM;
}

size_t
populate_edge(const struct buffer *b)
{
    size_t passed = larger(used_end(b), b->rest->lent) + 1, edge = (size_t)-1;
    if (is_background(b) && b->length >= GROWTH_PREFAULT_FROM)
        return growth_round_up(passed + 1, GROWTH_PREFAULT_PACE);
    if (is_background(b))
        edge = buffer_offset(b) + GROWTH_PREFAULT_FROM;
    if (is_ahead(b) && edge > b->rest->populated)
        edge = larger(b->rest->populated, buffer_offset(b) + first_ahead(b));
    return larger(passed, edge);
}

static void
raise_limit(struct buffer *b, size_t need)
{
    if (b->limit < need)
        b->limit = need;
}

/* By the writer. */

/* Where a lot is asked for at once it may never be written. */
static void
populate_step(struct buffer *b, size_t need)
{
    const struct pool *pool = b->env->pool;
    const struct range *storage = &b->rest->storage;
    size_t page = pool->info.page_size, end = buffer_offset(b) + need + 1;
    if (need < first_ahead(b) || end <= b->rest->populated)
        return;
    size_t from = larger(b->rest->populated, b->rest->given_back);
    if (end - from > GROWTH_POPULATE_MOST)
        from = larger(from, growth_round_up(used_end(b) + 1, page)); /* the rest was written */
    if (end <= from || end - from > GROWTH_POPULATE_MOST)
        return;
    size_t to = growth_round_up(end + growth_populate_extra(need, pool->low_latency), page);
    if (to > storage->committed)
        to = storage->committed;
    (void)vmem_populate(storage->base + from, to - from);
    b->rest->populated = to;
}

/* By the helper. */

static void
order(struct buffer *b, size_t end, size_t to)
{
    char *base = b->rest->storage.base;
    bool huge = has_huge_pages(b);
    size_t step = huge ? GROWTH_COMMIT_BLOCK : GROWTH_PREFAULT_STEP;
    size_t page = b->env->pool->info.page_size;
    size_t position = growth_round_up(end, step > page ? step : page);
    size_t from = larger(b->rest->populated, position);
    if (from >= to)
        return;
    struct vmem_prefault wanted = {.owner = base, .position = base + position,
                                   .from = base + from, .to = base + to,
                                   .step = step > page ? step : page};
    if (vmem_prefault(&wanted) != 0)
        return;
    b->rest->populated = to;
    b->rest->ordered = true;
}

/* The helper is told of the end even when it has orders enough, so that it does not waste its time on
 * pages that were written meanwhile. */
static void
prefault(struct buffer *b, size_t need)
{
    size_t end = buffer_offset(b) + need + 1;
    const struct buffer_rest *rest = b->rest;
    size_t most = rest->capacity == BUFFER_NO_CAPACITY ? rest->storage.size
                                                       : buffer_offset(b) + rest->capacity + 1;
    size_t to = growth_round_up(end + growth_prefault_extra(need), GROWTH_COMMIT_BLOCK);
    most = growth_round_up(most, b->env->pool->info.page_size);
    to = storage_commit_ahead(b, to < most ? to : most);
    order(b, end, to);
}

void
populate_ahead(struct buffer *b, size_t need)
{
    if (is_background(b) && need >= GROWTH_PREFAULT_FROM)
        prefault(b, need);
    else if (is_ahead(b))
        populate_step(b, need);
    storage_refresh(b);
    raise_limit(b, need);
}

/* Stopping. */

static void
note_populated(struct buffer *b)
{
    struct range *storage = &b->rest->storage;
    size_t end = b->rest->populated < storage->committed ? b->rest->populated : storage->committed;
    if (storage->dirty < end)
        storage->dirty = end;
}

void
populate_skip(struct buffer *b, size_t end)
{
    if (b->rest->ordered)
        vmem_prefault_stop(b->rest->storage.base, b->rest->storage.base + end);
}

void
populate_stop(struct buffer *b)
{
    if (b->rest->ordered)
        vmem_prefault_stop(b->rest->storage.base, NULL);
    b->rest->ordered = false;
    note_populated(b);
    b->rest->populated = 0;
}
