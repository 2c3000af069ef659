/* region_place.c - placeholders: split, coalesce, replace by private pages or by a section's, and back.
 *
 * What a reader would get wrong: a system such as Linux knows no placeholders and would allow
 * anything. The books kept here by `piece` make it as strict as the one that does, so that what works
 * on one works on the other.
 */
#include "region_private.h"

#include "growth.h"
#include "section.h"

static int
not_a_piece(struct region *r, size_t offset, size_t length, const char *what)
{
    r->failed_offset = offset;
    r->failed_size = length;
    r->feature = what;
    return REGION_NOT_A_PIECE;
}

static uint32_t
piece_at(const struct region *r, size_t page)
{
    return pages_at(&r->pages, page)->traits.piece;
}

static bool
is_edge(const struct region *r, size_t page)
{
    return page == 0 || page == r->pages.total || piece_at(r, page) != piece_at(r, page - 1);
}

static bool
is_one_piece(const struct region *r, struct page_range range)
{
    uint32_t piece = piece_at(r, range.first);
    PAGES_EACH(&r->pages, range, span)
        if (span.traits.piece != piece)
            return false;
    return true;
}

static void
renumber(struct region *r, struct page_range range, uint32_t piece)
{
    PAGES_EACH(&r->pages, range, span) {
        struct page_traits traits = span.traits;
        traits.piece = piece;
        pages_set(&r->pages, span.first, span.count, traits);
    }
}

/* The pages from `page` on that are of its piece. */
static struct page_range
rest_of_piece(const struct region *r, size_t page)
{
    struct page_range rest = {page, r->pages.total - page};
    uint32_t piece = piece_at(r, page);
    PAGES_EACH(&r->pages, rest, span)
        if (span.traits.piece != piece)
            return (struct page_range){page, span.first - page};
    return rest;
}

/* A range whose ends are multiples of the granularity, of pages in one of the states. */
static int
find_range(struct region *r, size_t offset, size_t length, unsigned states,
           struct page_range *range)
{
    size_t mask = region_info(r)->granularity - 1;
    int error = region_pages(r, offset, length, range);
    if (error != REGION_OK)
        return error;
    if (length == REGION_TO_THE_END)
        length = r->size - offset;
    if (!r->options.placeholder)
        return not_a_piece(r, offset, length, "part of a Region made with placeholder=True");
    r->failed_size = length;
    if ((offset & mask) != 0 || (length & mask) != 0)
        return REGION_MISALIGNED;
    return region_check_states(r, *range, states);
}

int
region_split(struct region *r, size_t offset)
{
    struct page_range right;
    int error = find_range(r, offset, REGION_TO_THE_END, ~0u, &right);
    if (error != REGION_OK)
        return error;
    if (offset == 0)
        return REGION_NOTHING_LEFT;
    if (is_edge(r, right.first))
        return not_a_piece(r, offset, 0, "inside of a placeholder: a piece begins there");
    right = rest_of_piece(r, right.first);
    error = region_check_states(r, right, STATE_BIT(PAGES_PLACEHOLDER));
    if (error != REGION_OK)
        return error;
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    int system_error = vmem_split(region_address(r, right), region_bytes(r, right));
    if (system_error != 0)
        return region_refused(r, REGION_SYSTEM, right, system_error);
    renumber(r, right, region_new_piece(r));
    return REGION_OK;
}

int
region_coalesce(struct region *r, size_t offset, size_t length)
{
    struct page_range range;
    int error = find_range(r, offset, length, STATE_BIT(PAGES_PLACEHOLDER), &range);
    if (error != REGION_OK)
        return error;
    if (!is_edge(r, range.first) || !is_edge(r, range.first + range.count))
        return not_a_piece(r, offset, region_bytes(r, range), "several whole placeholders");
    if (is_one_piece(r, range))
        return REGION_OK;
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    int system_error = vmem_coalesce(region_address(r, range), region_bytes(r, range));
    if (system_error != 0)
        return region_refused(r, REGION_SYSTEM, range, system_error);
    renumber(r, range, region_new_piece(r));
    return REGION_OK;
}

/* Gives all pages of a range the same traits. */
static void
note(struct region *r, struct page_range range, enum pages_state state, uint32_t piece)
{
    struct page_traits traits = {.piece = piece, .state = (uint8_t)state};
    region_drop_witnesses(r, range);
    pages_set(&r->pages, range.first, range.count, traits);
}

int
region_replace(struct region *r, size_t offset, size_t length)
{
    struct page_range range;
    int error = find_range(r, offset, length, STATE_BIT(PAGES_PLACEHOLDER), &range);
    if (error != REGION_OK)
        return error;
    if (!is_edge(r, range.first) || !is_edge(r, range.first + range.count) ||
        !is_one_piece(r, range))
        return not_a_piece(r, offset, region_bytes(r, range), "one whole placeholder");
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    int system_error = vmem_replace(region_address(r, range), region_bytes(r, range));
    if (system_error != 0)
        return region_refused(r, REGION_NOT_RESERVED, range, system_error);
    note(r, range, PAGES_RESERVED, region_new_piece(r));
    return REGION_OK;
}

/* What follows in the same piece becomes a piece of its own. */
int
region_preserve(struct region *r, size_t offset, size_t length, bool force)
{
    struct page_range range;
    unsigned states = STATE_BIT(PAGES_RESERVED) | STATE_BIT(PAGES_COMMITTED);
    int error = find_range(r, offset, length, states, &range);
    if (error == REGION_OK && !force)
        error = region_check_exports(r, range, ACCESS_NONE);
    if (error != REGION_OK)
        return error;
    if (!is_one_piece(r, range))
        return not_a_piece(r, offset, region_bytes(r, range), "within one replacement");
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    region_take_guards_off(r, range, ACCESS_NONE);
    int system_error = vmem_preserve(region_address(r, range), region_bytes(r, range));
    if (system_error != 0) {
        region_put_guards_back(r, range);
        return region_refused(r, REGION_SYSTEM, range, system_error);
    }
    size_t end = range.first + range.count;
    bool goes_on = !is_edge(r, end);
    struct page_range rest = goes_on ? rest_of_piece(r, end) : range;
    note(r, range, PAGES_PLACEHOLDER, region_new_piece(r));
    if (goes_on)
        renumber(r, rest, region_new_piece(r));
    region_tell_committed(r);
    return REGION_OK;
}

/* Sections. */

static bool
is_whole_piece(const struct region *r, struct page_range range)
{
    return is_edge(r, range.first) && is_edge(r, range.first + range.count) &&
           is_one_piece(r, range);
}

static int
refused_section(struct region *r, int section_error)
{
    r->section_error = section_error;
    return REGION_SECTION;
}

/* The whole placeholder that the pages are in. */
static struct page_range
whole_piece(const struct region *r, size_t page)
{
    size_t first = page;
    while (!is_edge(r, first))
        first = pages_at(&r->pages, first - 1)->first;
    return rest_of_piece(r, first);
}

/* Makes a placeholder of its own of pages in the midst of one. */
static int
cut_out(struct region *r, struct page_range range)
{
    if (is_whole_piece(r, range))
        return REGION_OK;
    int system_error = vmem_split(region_address(r, range), region_bytes(r, range));
    if (system_error != 0)
        return region_refused(r, REGION_SYSTEM, range, system_error);
    size_t end = range.first + range.count;
    bool goes_on = !is_edge(r, end);
    struct page_range rest = goes_on ? rest_of_piece(r, end) : range;
    renumber(r, range, region_new_piece(r));
    if (goes_on)
        renumber(r, rest, region_new_piece(r));
    return REGION_OK;
}

/* Makes one placeholder of what was cut. If the system refuses, it stays cut, and the books say so. */
static void
put_back(struct region *r, struct page_range whole)
{
    if (!is_one_piece(r, whole) &&
        vmem_coalesce(region_address(r, whole), region_bytes(r, whole)) == 0)
        renumber(r, whole, region_new_piece(r));
}

static int
check_map(struct region *r, struct page_range range, struct section *s, size_t section_offset,
          unsigned access, bool exact)
{
    bool executes = access == ACCESS_RX || access == ACCESS_RWX;
    if (executes && !r->options.executable)
        return REGION_NO_EXECUTION;
    if (exact ? !is_whole_piece(r, range) : !is_one_piece(r, range))
        return not_a_piece(r, range.first * r->page_size, region_bytes(r, range),
                           exact ? "one whole placeholder" : "within one placeholder");
    int error = section_check_map(s, section_offset, region_bytes(r, range),
                                  (enum section_access)access);
    return error == SECTION_OK ? REGION_OK : refused_section(r, error);
}

/* How far a mapping goes whose length was left out. Where the section has nothing left it is too far,
 * which section_check_map tells. */
static int
find_end(struct region *r, size_t offset, struct section *s, size_t section_offset, size_t *length)
{
    int error = section_measure(s);
    if (error != SECTION_OK)
        return refused_section(r, error);
    size_t left = growth_round_up(s->size, r->page_size);
    if (section_offset < left && offset < r->size && left - section_offset < r->size - offset)
        *length = left - section_offset;
    return REGION_OK;
}

int
region_map(struct region *r, size_t offset, size_t length, struct section *s,
           size_t section_offset, unsigned access, bool exact)
{
    struct page_range range;
    int error = r->released ? REGION_RELEASED : REGION_OK;
    if (error == REGION_OK && length == REGION_TO_THE_END && !exact)
        error = find_end(r, offset, s, section_offset, &length);
    if (error == REGION_OK)
        error = find_range(r, offset, length, STATE_BIT(PAGES_PLACEHOLDER), &range);
    if (error == REGION_OK)
        error = check_map(r, range, s, section_offset, access, exact);
    if (error != REGION_OK)
        return error;
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    struct page_range whole = whole_piece(r, range.first);
    error = cut_out(r, range);
    if (error != REGION_OK)
        return error;
    error = section_map(s, section_offset, region_address(r, range), region_bytes(r, range),
                        (enum section_access)access);
    if (error != SECTION_OK) {
        put_back(r, whole);
        return refused_section(r, error);
    }
    unsigned most = access == ACCESS_NONE ? ACCESS_R : access;
    struct page_traits traits = {.piece = region_new_piece(r), .state = PAGES_MAPPED,
                                 .access = (uint8_t)access, .mapped_as = (uint8_t)most};
    pages_set(&r->pages, range.first, range.count, traits);
    return REGION_OK;
}

/* Where a placeholder cannot be replaced it stays one: its contents are gone already. */
int
region_unmap(struct region *r, size_t offset, size_t length, bool preserve, bool force)
{
    struct page_range range;
    int error = find_range(r, offset, length, STATE_BIT(PAGES_MAPPED), &range);
    if (error == REGION_OK && !is_whole_piece(r, range))
        error = not_a_piece(r, offset, region_bytes(r, range), "one whole mapping");
    if (error == REGION_OK && !force)
        error = region_check_exports(r, range, ACCESS_NONE);
    if (error != REGION_OK)
        return error;
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    region_take_guards_off(r, range, ACCESS_NONE);
    int system_error = section_unmap(region_address(r, range), region_bytes(r, range));
    if (system_error != 0) {
        region_put_guards_back(r, range);
        return region_refused(r, REGION_SYSTEM, range, system_error);
    }
    note(r, range, PAGES_PLACEHOLDER, region_new_piece(r));
    if (preserve)
        return REGION_OK;
    system_error = vmem_replace(region_address(r, range), region_bytes(r, range));
    if (system_error != 0)
        return region_refused(r, REGION_NOT_RESERVED, range, system_error);
    note(r, range, PAGES_RESERVED, region_new_piece(r));
    return REGION_OK;
}
