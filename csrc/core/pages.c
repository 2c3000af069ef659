/* pages.c - see pages.h.
 *
 * What a reader would get wrong: pages_set splits at most two runs, at the edges of its range. So
 * room for two more runs is enough for any number of calls that together stay within one range.
 */
#include "pages.h"

#include <assert.h>
#include <string.h>

enum { FIRST_ROOM = 4, SPLITS = 2 };

static size_t
end_of(const struct page_run *run)
{
    return run->first + run->count;
}

static bool
are_alike(struct page_traits a, struct page_traits b)
{
    return a.piece == b.piece && a.state == b.state && a.access == b.access &&
           a.guarded == b.guarded && a.discarded == b.discarded &&
           a.mapped_as == b.mapped_as;
}

bool
pages_init(struct pages *p, struct buffer_env *env, size_t total, struct page_traits traits)
{
    *p = (struct pages){.env = env, .total = total};
    p->runs = env->allocate(env->context, FIRST_ROOM * sizeof *p->runs);
    if (p->runs == NULL)
        return false;
    p->runs[0] = (struct page_run){0, total, traits};
    p->count = 1;
    p->room = FIRST_ROOM;
    return true;
}

void
pages_free(struct pages *p)
{
    p->env->free(p->env->context, p->runs);
    p->runs = NULL;
    p->count = p->room = p->total = 0;
}

bool
pages_prepare(struct pages *p)
{
    if (p->room - p->count >= SPLITS)
        return true;
    if (p->room > SIZE_MAX / 2 / sizeof *p->runs)
        return false;
    size_t room = p->room * 2;
    struct page_run *runs = p->env->reallocate(p->env->context, p->runs, room * sizeof *runs);
    if (runs == NULL)
        return false;
    p->runs = runs;
    p->room = room;
    return true;
}

static size_t
index_of(const struct pages *p, size_t page)
{
    size_t low = 0, high = p->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (p->runs[middle].first <= page)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Puts n runs in the place of runs [from, to). */
static void
replace_runs(struct pages *p, size_t from, size_t to, const struct page_run *fresh, size_t n)
{
    memmove(p->runs + from + n, p->runs + to, (p->count - to) * sizeof *fresh);
    memcpy(p->runs + from, fresh, n * sizeof *fresh);
    p->count = p->count - (to - from) + n;
}

/* Left and right are what stays of the runs at the edges of the range, or the neighbours where the
 * range ends at the edge of a run; empty at the ends of the reservation. */
void
pages_set(struct pages *p, size_t first, size_t count, struct page_traits traits)
{
    assert(count != 0 && first < p->total && count <= p->total - first);
    size_t i = index_of(p, first), j = index_of(p, first + count - 1);
    struct page_run left = p->runs[i], middle = {first, count, traits};
    struct page_run right = {first + count, end_of(&p->runs[j]) - first - count, p->runs[j].traits};
    left.count = first - left.first;
    if (left.count == 0 && i > 0)
        left = p->runs[--i];
    if (right.count == 0 && j + 1 < p->count)
        right = p->runs[++j];
    struct page_run fresh[3];
    size_t n = 0;
    bool joins_left = left.count != 0 && are_alike(left.traits, traits);
    bool joins_right = right.count != 0 && are_alike(right.traits, traits);
    if (joins_left)
        middle = (struct page_run){left.first, left.count + middle.count, traits};
    if (joins_right)
        middle.count += right.count;
    if (left.count != 0 && !joins_left)
        fresh[n++] = left;
    fresh[n++] = middle;
    if (right.count != 0 && !joins_right)
        fresh[n++] = right;
    replace_runs(p, i, j + 1, fresh, n);
}

const struct page_run *
pages_at(const struct pages *p, size_t page)
{
    return &p->runs[index_of(p, page)];
}

struct page_run
pages_span(const struct pages *p, size_t page, size_t end)
{
    struct page_run span = *pages_at(p, page);
    size_t last = end_of(&span) < end ? end_of(&span) : end;
    span.first = page;
    span.count = last - page;
    return span;
}

struct page_run
pages_next_span(const struct pages *p, const struct page_run *span, size_t end)
{
    if (end_of(span) == end)
        return (struct page_run){.first = end};
    return pages_span(p, end_of(span), end);
}

size_t
pages_in_state(const struct pages *p, enum pages_state state)
{
    size_t pages = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->runs[i].traits.state == state)
            pages += p->runs[i].count;
    return pages;
}

bool
pages_check(const struct pages *p)
{
    size_t page = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct page_run *run = &p->runs[i];
        if (run->first != page || run->count == 0 || run->count > p->total - page)
            return false;
        if (i > 0 && are_alike(run[-1].traits, run->traits))
            return false;
        page += run->count;
    }
    return page == p->total && p->count != 0 && p->count <= p->room;
}
