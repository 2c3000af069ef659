/* region_exports.c - the bytes of a region that somebody may use, and what they keep from being done.
 *
 * What a reader would get wrong: an export hurts only where an operation would take away what it may
 * do. A writable one is hurt by pages that become read-only; one that only reads is not.
 */
#include "region_private.h"

static bool
overlaps(const struct region *r, const struct region_export *export, struct page_range range)
{
    size_t start = range.first * r->page_size, end = start + region_bytes(r, range);
    return export->offset < end && start < export->offset + export->length;
}

int
region_check_exports(struct region *r, struct page_range range, unsigned access)
{
    size_t hurt = 0;
    for (const struct region_export *e = r->exports; e != NULL; e = e->next) {
        bool allowed = access_reads(access) && (access_writes(access) || !e->writable);
        if (allowed || !overlaps(r, e, range))
            continue;
        r->failed_offset = e->offset;
        hurt++;
    }
    r->failed_size = hurt;
    return hurt == 0 ? REGION_OK : REGION_EXPORTED;
}

/* How many pages from `first` on can be read. */
static size_t
count_accessible(const struct region *r, size_t first)
{
    struct page_range rest = {first, r->pages.total - first};
    PAGES_EACH(&r->pages, rest, span)
        if (!access_reads(span.traits.access) || span.traits.discarded)
            return span.first - first;
    return rest.count;
}

static int
check_exportable(struct region *r, struct page_range range, bool *writable)
{
    *writable = true;
    PAGES_EACH(&r->pages, range, span) {
        if (!access_reads(span.traits.access) || span.traits.discarded)
            return region_wrong_state(r, &span);
        *writable = *writable && access_writes(span.traits.access);
    }
    return REGION_OK;
}

int
region_export_begin(struct region *r, size_t offset, size_t length, struct region_export *export)
{
    struct page_range range;
    int error = region_pages(r, offset, length, &range);
    if (error == REGION_OK)
        error = region_check_ours(r);
    if (error != REGION_OK)
        return error;
    if (length == REGION_TO_THE_END) {
        size_t pages = count_accessible(r, range.first);
        range.count = pages == 0 ? 1 : pages; /* the page that is not is found just below */
        length = (range.first + range.count) * r->page_size - offset;
    }
    error = check_exportable(r, range, &export->writable);
    if (error != REGION_OK)
        return error;
    export->offset = offset;
    export->length = length;
    export->previous = NULL;
    export->next = r->exports;
    if (r->exports != NULL)
        r->exports->previous = export;
    r->exports = export;
    r->export_count++;
    return REGION_OK;
}

void
region_export_end(struct region *r, struct region_export *export)
{
    if (export->previous != NULL)
        export->previous->next = export->next;
    else
        r->exports = export->next;
    if (export->next != NULL)
        export->next->previous = export->previous;
    r->export_count--;
}
