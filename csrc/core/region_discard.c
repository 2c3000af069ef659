/* region_discard.c - contents that the system may drop, and which of them it did.
 *
 * Before a page is discarded, the place of one word of it that is not zero is written down. To
 * restore it, that word is exchanged with itself: this makes the page dirty, so that it stays, and
 * tells at the same time whether the word is still there. A page that was all zero has lost nothing
 * and is not written down.
 *
 * What a reader would get wrong: looking first and making dirty afterwards would miss what is
 * dropped in between; and an atomic OR of zero, which does both, may be turned into a mere read by
 * a compiler. A compare-and-exchange may not.
 */
#include "region_private.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { FIRST_WITNESSES = 64 };

/* Witnesses. */

static size_t
words_of(const struct region *r)
{
    return r->page_size / sizeof(uintptr_t);
}

static uintptr_t *
page_words(const struct region *r, size_t page)
{
    return (uintptr_t *)(void *)(r->base + page * r->page_size);
}

/* The index of a word that is not zero; how many words there are if all are. */
static size_t
find_word(const struct region *r, size_t page)
{
    const uintptr_t *words = page_words(r, page);
    size_t i = 0, count = words_of(r);
    while (i < count && words[i] == 0)
        i++;
    return i;
}

/* Makes the page dirty; whether it still has its contents. */
static bool
rekindle(const struct region *r, const struct witness *w)
{
    _Atomic uintptr_t *word = (_Atomic uintptr_t *)(void *)(page_words(r, w->page) + w->word);
    uintptr_t value = atomic_load(word);
    while (!atomic_compare_exchange_strong(word, &value, value))
        continue;
    return value != 0;
}

/* The first witness of a page that is not below `page`. */
static size_t
witness_from(const struct region *r, size_t page)
{
    size_t low = 0, high = r->witness_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->witnesses[middle].page < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
make_room(struct region *r)
{
    if (r->witness_count < r->witness_room)
        return true;
    size_t room = r->witness_room == 0 ? FIRST_WITNESSES : r->witness_room * 2;
    struct buffer_env *env = r->env;
    if (room > SIZE_MAX / 2 / sizeof *r->witnesses)
        return false;
    void *old = r->witnesses;
    void *block = old == NULL ? env->allocate(env->context, room * sizeof *r->witnesses)
                              : env->reallocate(env->context, old, room * sizeof *r->witnesses);
    if (block == NULL)
        return false;
    r->witnesses = block;
    r->witness_room = room;
    return true;
}

/* Adds the witnesses of pages that have none yet, behind all others. */
static bool
add_witnesses(struct region *r, const struct page_run *span)
{
    for (size_t page = span->first; page < span->first + span->count; page++) {
        size_t word = find_word(r, page);
        if (word == words_of(r))
            continue;
        if (!make_room(r))
            return false;
        r->witnesses[r->witness_count++] = (struct witness){page, word};
    }
    return true;
}

static int
compare_witnesses(const void *a, const void *b)
{
    size_t left = ((const struct witness *)a)->page, right = ((const struct witness *)b)->page;
    return left < right ? -1 : left > right;
}

static void
sort_witnesses(struct region *r, size_t old_count)
{
    struct witness *all = r->witnesses;
    if (old_count != 0 && old_count < r->witness_count && all[old_count].page < all[old_count - 1].page)
        qsort(all, r->witness_count, sizeof *all, compare_witnesses);
}

void
region_drop_witnesses(struct region *r, struct page_range range)
{
    size_t from = witness_from(r, range.first), to = witness_from(r, range.first + range.count);
    for (size_t i = to; i < r->witness_count; i++)
        r->witnesses[from + i - to] = r->witnesses[i];
    r->witness_count -= to - from;
}

/* Discard. */

static int
check_discardable(struct region *r, struct page_range range)
{
    PAGES_EACH(&r->pages, range, span)
        if (span.traits.state != PAGES_COMMITTED || !access_writes(span.traits.access))
            return region_wrong_state(r, &span);
    return REGION_OK;
}

static int
discard_piece(struct region *r, struct page_range part, unsigned priority)
{
    char *address = region_address(r, part);
    size_t size = region_bytes(r, part);
    return priority == 0 ? vmem_discard(address, size)
                         : vmem_offer(address, size, (enum vmem_priority)priority);
}

static void
note_discarded(struct region *r, struct page_range range, enum pages_discarded how)
{
    PAGES_EACH(&r->pages, range, span) {
        struct page_traits traits = span.traits;
        if (traits.discarded == NOT_DISCARDED || how == NOT_DISCARDED)
            traits.discarded = (uint8_t)how;
        pages_set(&r->pages, span.first, span.count, traits);
    }
}

static int
refused_discard(struct region *r, struct page_range range, int error)
{
    return region_refused(r, vmem_is_locked(error) ? REGION_LOCKED : REGION_SYSTEM, range, error);
}

static bool
gather_witnesses(struct region *r, struct page_range range)
{
    PAGES_EACH(&r->pages, range, span)
        if (span.traits.discarded == NOT_DISCARDED && !add_witnesses(r, &span))
            return false;
    return true;
}

static bool
rekindle_from(struct region *r, size_t first)
{
    bool all = true;
    for (size_t i = first; i < r->witness_count; i++)
        all = rekindle(r, &r->witnesses[i]) && all;
    return all;
}

/* Where the system did a part of the work and then refused, that part is undone. If in the meantime
 * it has dropped a page, all stay discarded, so that restore tells which. */
static int
discard_run(struct region *r, struct page_range range, unsigned priority)
{
    size_t old_count = r->witness_count, done;
    if (priority == 0 && !gather_witnesses(r, range)) {
        r->witness_count = old_count;
        return REGION_NO_MEMORY;
    }
    int error = region_each_piece(r, range, discard_piece, priority, &done);
    if (error != 0 && priority == 0 && rekindle_from(r, old_count)) {
        r->witness_count = old_count;
        return refused_discard(r, range, error);
    }
    sort_witnesses(r, old_count);
    if (error == 0 || priority == 0)
        done = range.count;
    if (done != 0)
        note_discarded(r, (struct page_range){range.first, done},
                       priority == 0 ? DISCARDED : OFFERED);
    return error == 0 ? REGION_OK : refused_discard(r, range, error);
}

/* What was offered must not be touched, so it is passed over. */
static int
discard_runs(struct region *r, struct page_range range, unsigned priority)
{
    PAGES_EACH(&r->pages, range, span) {
        if (span.traits.discarded == OFFERED || (priority != 0 && span.traits.discarded != 0))
            return region_wrong_state(r, &span);
    }
    return discard_run(r, range, priority);
}

int
region_discard(struct region *r, struct page_range range, int priority, bool force)
{
    const struct vmem_info *info = region_info(r);
    if (priority != 0 && !info->can_offer)
        return region_lacks(r, "offer");
    if (!info->can_discard)
        return region_lacks(r, "discard");
    int error = r->options.page_size != 0 ? REGION_LARGE_PAGES : region_check_ours(r);
    if (error == REGION_OK)
        error = check_discardable(r, range);
    if (error == REGION_OK)
        error = region_check_unguarded(r, range);
    if (error == REGION_OK && !force)
        error = region_check_exports(r, range, ACCESS_NONE);
    if (error != REGION_OK)
        return error;
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    return discard_runs(r, range, (unsigned)priority);
}

/* Restore. */

struct losses {
    struct byte_range *ranges;
    size_t count;
};

static void
add_loss(struct losses *losses, size_t offset, size_t length)
{
    struct byte_range *last = losses->count == 0 ? NULL : &losses->ranges[losses->count - 1];
    if (last != NULL && last->offset + last->length == offset)
        last->length += length;
    else
        losses->ranges[losses->count++] = (struct byte_range){offset, length};
}

/* How many losses there may be at most. */
static size_t
count_possible(struct region *r, struct page_range range)
{
    size_t end = range.first + range.count;
    size_t possible = witness_from(r, end) - witness_from(r, range.first);
    PAGES_EACH(&r->pages, range, span)
        possible += span.traits.discarded == OFFERED;
    return possible;
}

static void
restore_discarded(struct region *r, struct page_range part, struct losses *losses)
{
    size_t end = witness_from(r, part.first + part.count);
    char *address = region_address(r, part);
    bool known = region_info(r)->can_undo_discard;
    bool kept = known && vmem_undo_discard(address, region_bytes(r, part)) == 0;
    for (size_t i = witness_from(r, part.first); !kept && i < end; i++)
        if (!rekindle(r, &r->witnesses[i]))
            add_loss(losses, r->witnesses[i].page * r->page_size, r->page_size);
}

static void
restore_offered(struct region *r, struct page_range part, struct losses *losses)
{
    bool lost = false;
    size_t size = region_bytes(r, part);
    if (vmem_reclaim(region_address(r, part), size, &lost) != 0 || lost)
        add_loss(losses, part.first * r->page_size, size);
}

/* What was offered can be asked about only once, so a mere look passes it over. */
static void
restore_runs(struct region *r, struct page_range range, bool look, struct losses *losses)
{
    PAGES_EACH(&r->pages, range, span) {
        struct page_range part = {span.first, span.count};
        if (span.traits.discarded == DISCARDED)
            restore_discarded(r, part, losses);
        else if (span.traits.discarded == OFFERED && !look)
            restore_offered(r, part, losses);
    }
    if (look)
        return;
    region_drop_witnesses(r, range);
    note_discarded(r, range, NOT_DISCARDED);
}

static int
check_restorable(struct region *r, struct page_range range)
{
    PAGES_EACH(&r->pages, range, span)
        if (span.traits.discarded != NOT_DISCARDED && !access_writes(span.traits.access))
            return region_wrong_state(r, &span);
    return REGION_OK;
}

static bool
has_discarded(struct region *r, struct page_range range)
{
    PAGES_EACH(&r->pages, range, span)
        if (span.traits.discarded != NOT_DISCARDED)
            return true;
    return false;
}

int
region_restore(struct region *r, struct page_range range, bool look, struct byte_range **lost,
               size_t *lost_count)
{
    struct losses losses = {NULL, 0};
    *lost = NULL;
    *lost_count = 0;
    int error = check_restorable(r, range);
    if (error != REGION_OK || !has_discarded(r, range))
        return error;
    size_t possible = count_possible(r, range);
    if (possible != 0)
        losses.ranges = r->env->allocate(r->env->context, possible * sizeof *losses.ranges);
    if ((possible != 0 && losses.ranges == NULL) || !pages_prepare(&r->pages)) {
        r->env->free(r->env->context, losses.ranges);
        return REGION_NO_MEMORY;
    }
    restore_runs(r, range, look, &losses);
    *lost = losses.ranges;
    *lost_count = losses.count;
    return REGION_OK;
}
