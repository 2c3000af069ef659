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

/* Contents shorter than this get their pages when they are written. Whoever asked for the helper has
 * the writer begin early, since the helper begins late. */
static size_t
first_ahead(const struct buffer *b)
{
    const struct pool *pool = b->env->pool;
    if (pool->low_latency)
        return 0;
    return pool->prefault == ENV_PREFAULT_BACKGROUND ? GROWTH_POPULATE_EARLY : GROWTH_POPULATE_FROM;
}

/* Where no step may take long, what is done at the edge must not be followed by a fault past it. */
static size_t
before_last_page(const struct buffer *b, size_t end)
{
    const struct pool *pool = b->env->pool;
    return pool->low_latency && end > 0 ? end - pool->info.page_size : end;
}

size_t
populate_edge(const struct buffer *b)
{
    size_t passed = storage_taken(b) + 1, edge = (size_t)-1;
    if (is_background(b) && b->length >= GROWTH_PREFAULT_FROM)
        return growth_round_up(passed + 1, GROWTH_PREFAULT_PACE);
    if (is_background(b))
        edge = buffer_offset(b) + GROWTH_PREFAULT_FROM;
    if (is_ahead(b) && edge > b->rest->populated)
        edge = larger(before_last_page(b, b->rest->populated), buffer_offset(b) + first_ahead(b));
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
        from = larger(from, growth_round_up(storage_end(b) + 1, page)); /* the rest was written */
    if (end <= from || end - from > GROWTH_POPULATE_MOST)
        return;
    size_t to = growth_round_up(end + growth_populate_extra(need, pool->low_latency), page);
    if (to > storage->committed)
        to = storage->committed;
    (void)vmem_populate(storage->base + from, to - from);
    b->rest->populated = to;
}

/* A fault for each page costs more than the pages do, so whoever is sure to write them asks for all of
 * them. Those before the terminator's were written. */
void
populate_expected(struct buffer *b, size_t end)
{
    if (!is_ahead(b) || b->rest->ordered != 0)
        return;
    size_t page = b->env->pool->info.page_size;
    size_t from = larger(b->rest->populated, growth_round_up(storage_end(b) + 1, page));
    size_t to = growth_round_up(end, page);
    if (to < from + GROWTH_POPULATE_WRITE)
        return;
    (void)vmem_populate(b->rest->storage.base + from, to - from);
    b->rest->populated = to;
}

/* By the helper. */

static size_t
prefault_step(const struct buffer *b)
{
    size_t step = has_huge_pages(b) ? GROWTH_COMMIT_BLOCK : GROWTH_PREFAULT_STEP;
    size_t page = b->env->pool->info.page_size;
    return step > page ? step : page;
}

/* Where the helper's work would end. The terminator does not count: it may be all that its page has. */
static size_t
prefault_end(const struct buffer *b, size_t need, size_t step)
{
    const struct buffer_rest *rest = b->rest;
    size_t end = buffer_offset(b) + need + growth_prefault_extra(need, step);
    size_t most = rest->capacity == BUFFER_NO_CAPACITY ? rest->storage.size
                                                       : buffer_offset(b) + rest->capacity + 1;
    end = range_round_up(&rest->storage, end, step);
    most = growth_round_up(most, b->env->pool->info.page_size);
    return end < most ? end : most;
}

static void
order(struct buffer *b, size_t position, size_t to, size_t step, size_t lot)
{
    const struct range *storage = &b->rest->storage;
    char *base = storage->base;
    size_t from = larger(b->rest->populated, position);
    if (from >= to)
        return;
    struct vmem_prefault wanted = {.owner = base, .position = base + position, .from = base + from,
                                   .to = base + to, .end = base + storage->committed,
                                   .step = step, .lot = lot, .place = b->rest->ordered};
    if (vmem_prefault(&wanted) != 0)
        return;
    b->rest->populated = to;
    b->rest->ordered = wanted.place;
}

/* It takes a moment until a helper is at work. What the writer needs meanwhile it does itself, unless
 * no step may take as long as that. */
static bool
needs_head_start(const struct buffer *b, size_t used)
{
    bool can = is_ahead(b) && !b->env->pool->low_latency;
    return can && b->rest->ordered == 0 && b->rest->populated < used + GROWTH_PREFAULT_STEP;
}

static void
prefault(struct buffer *b, size_t need)
{
    size_t used = growth_round_up(buffer_offset(b) + need + 1, b->env->pool->info.page_size);
    size_t step = prefault_step(b), lot = growth_prefault_lot(growth_prefault_extra(need, step));
    size_t own = larger(b->rest->populated, used);
    size_t position = range_round_up(&b->rest->storage, used, step);
    bool first = needs_head_start(b, used); /* before the commit, which may ask for huge pages */
    if (first)
        position += GROWTH_PREFAULT_STEP;
    order(b, position, storage_commit_ahead(b, prefault_end(b, need, step)), step, lot);
    if (first && b->rest->ordered != 0 && own < position)
        (void)vmem_populate(b->rest->storage.base + own, position - own);
}

void
populate_later(struct buffer *b, size_t need)
{
    storage_refresh(b);
    raise_limit(b, need);
}

void
populate_ahead(struct buffer *b, size_t need)
{
    if (is_background(b) && need >= GROWTH_PREFAULT_FROM)
        prefault(b, need);
    else if (is_ahead(b))
        populate_step(b, need);
    populate_later(b, need);
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
    if (b->rest->ordered != 0)
        vmem_prefault_stop(b->rest->storage.base, b->rest->storage.base + end);
}

void
populate_stop(struct buffer *b)
{
    if (b->rest->ordered != 0)
        vmem_prefault_stop(b->rest->storage.base, NULL);
    b->rest->ordered = 0;
    note_populated(b);
    b->rest->populated = 0;
}
