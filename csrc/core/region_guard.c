/* region_guard.c - one-shot guards of a region's pages, over those of the system layer.
 *
 * What a reader would get wrong: a page that is hit tells nobody here. Its `guarded` stays in the
 * runs until somebody asks (region_settle_guards), so where it matters whether a page is guarded
 * now, the system layer is asked, and the bit only says where to look.
 */
#include "region_private.h"

#include "vmem_guard.h"

static bool
is_armed(const struct region *r, size_t page)
{
    return vmem_guard_is_armed(r->guard, r->base + page * r->page_size);
}

/* Where the stretch of pages that begins at `page` and is armed, or is not, ends. */
static size_t
end_of_stretch(const struct region *r, size_t page, size_t end, bool armed)
{
    while (page < end && is_armed(r, page) == armed)
        page++;
    return page;
}

/* Takes the bit off the stretches of a guarded span that are not armed. Without room it stays. */
static void
settle_span(struct region *r, const struct page_run *span)
{
    size_t end = span->first + span->count;
    struct page_traits traits = span->traits;
    traits.guarded = false;
    for (size_t page = end_of_stretch(r, span->first, end, true); page < end;) {
        size_t stop = end_of_stretch(r, page, end, false);
        if (!pages_prepare(&r->pages))
            return;
        pages_set(&r->pages, page, stop - page, traits);
        page = end_of_stretch(r, stop, end, true);
    }
}

void
region_settle_guards(struct region *r)
{
    struct page_range all = {0, r->pages.total};
    if (r->released || r->guard == NULL)
        return;
    PAGES_EACH(&r->pages, all, span)
        if (span.traits.guarded)
            settle_span(r, &span);
}

int
region_check_unguarded(struct region *r, struct page_range range)
{
    if (r->guard == NULL)
        return REGION_OK;
    PAGES_EACH(&r->pages, range, span) {
        size_t end = span.first + span.count;
        if (!span.traits.guarded || end_of_stretch(r, span.first, end, false) == end)
            continue;
        region_wrong_state(r, &span);
        r->found.guarded = true;
        return REGION_WRONG_STATE;
    }
    return REGION_OK;
}

void
region_take_guards_off(struct region *r, struct page_range range, unsigned access)
{
    enum vmem_access known = access == ACCESS_WC ? VMEM_NO_ACCESS : (enum vmem_access)access;
    if (r->guard != NULL)
        vmem_guard_drop(r->guard, region_address(r, range), region_bytes(r, range), known);
}

void
region_put_guards_back(struct region *r, struct page_range range)
{
    if (r->guard == NULL)
        return;
    PAGES_EACH(&r->pages, range, span) {
        struct page_range part = {span.first, span.count};
        region_take_guards_off(r, part, span.traits.access);
        if (span.traits.guarded) /* refused: they are hit no more, and settled as such */
            (void)vmem_guard_arm(r->guard, region_address(r, part), region_bytes(r, part),
                                 (enum vmem_access)span.traits.access);
    }
}

void
region_close_guard(struct region *r)
{
    if (r->guard != NULL)
        vmem_guard_close(r->guard);
    r->guard = NULL;
}

/* Guard. */

/* Copies on write are made by the system with an access of its own. */
static int
check_guardable(struct region *r, struct page_range range)
{
    int error = region_check_readable(r, range);
    if (error != REGION_OK)
        return error;
    PAGES_EACH(&r->pages, range, span) {
        if (span.traits.access == ACCESS_WC)
            return region_lacks(r, "guards on copy-on-write pages");
        if (span.traits.discarded != NOT_DISCARDED)
            return region_wrong_state(r, &span);
    }
    return REGION_OK;
}

static int
arm(struct region *r, const struct page_run *span)
{
    struct page_range part = {span->first, span->count};
    return vmem_guard_arm(r->guard, region_address(r, part), region_bytes(r, part),
                          (enum vmem_access)span->traits.access);
}

/* After a failure at `end`: the pages before it are not guarded, whatever they were. */
static void
disarm(struct region *r, size_t first, size_t end)
{
    struct page_range range = {first, end - first};
    PAGES_EACH(&r->pages, range, span) {
        struct page_range part = {span.first, span.count};
        region_take_guards_off(r, part, span.traits.access);
        (void)vmem_protect(region_address(r, part), region_bytes(r, part),
                           (enum vmem_access)span.traits.access);
    }
}

static void
note_guarded(struct region *r, struct page_range range)
{
    PAGES_EACH(&r->pages, range, span) {
        struct page_traits traits = span.traits;
        traits.guarded = true;
        pages_set(&r->pages, span.first, span.count, traits);
    }
}

static int
arm_all(struct region *r, struct page_range range)
{
    PAGES_EACH(&r->pages, range, span) {
        int system_error = arm(r, &span);
        if (system_error != 0) {
            disarm(r, range.first, span.first + span.count);
            return region_refused(r, REGION_SYSTEM, range, system_error);
        }
    }
    return REGION_OK;
}

int
region_guard(struct region *r, struct page_range range)
{
    int error = region_check_ours(r);
    if (error == REGION_OK)
        error = check_guardable(r, range);
    if (error != REGION_OK)
        return error;
    region_settle_guards(r);
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    if (r->guard == NULL) {
        int system_error = vmem_guard_open(r->base, r->size, r->page_size, &r->guard);
        if (system_error != 0)
            return region_refused(r, REGION_SYSTEM, range, system_error);
    }
    error = arm_all(r, range);
    if (error == REGION_OK)
        note_guarded(r, range);
    return error;
}

/* Hits. */

bool
region_next_hit(struct region *r, size_t *offset)
{
    return r->guard != NULL && vmem_guard_next_hit(r->guard, offset);
}

bool
region_take_hit(struct region *r, size_t *offset)
{
    return r->guard != NULL && vmem_guard_take_hit(r->guard, offset);
}

int
region_watch(bool (*tell)(void *context), void *context)
{
    return vmem_guard_watch(tell, context);
}

void
region_unwatch(void)
{
    vmem_guard_unwatch();
}
