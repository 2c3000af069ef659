/* test_region_map.c - sections in place of a Region's placeholders: core/region_place.c over
 * core/section.c.
 *
 * What a reader would get wrong: all sizes here are multiples of the granularity, so the same test
 * says the same on systems where it is larger than a page.
 */
#include "fixture.h"
#include "region.h"
#include "section.h"

#ifdef GROWABLE_FAULT
#include "vmem_fault.h"
#endif

static struct fixture fixture;
static struct region region;
static struct section section;
static size_t unit;

/* A Region tells of every change, also of one from nothing to nothing. */
static void ignore_committed(void *context, const void *base, size_t committed)
{
    (void)context;
    (void)base;
    (void)committed;
}

/* A Region that is one placeholder, and a section; false where there are no placeholders. */
static bool open_both(size_t region_units, size_t section_units)
{
    struct section_facts facts;
    struct region_options options = {
        .numa_node = REGION_NO_NODE,
        .placeholder = true,
        .access = ACCESS_RW,
    };
    section_query(&facts);
    if (!facts.map_placed) {
        return false;
    }
    unit = facts.granularity;
    options.size = region_units * unit;
    fixture_open(&fixture);
    fixture.env.committed = ignore_committed;
    CHECK(region_open(&region, &fixture.env, &options) == REGION_OK);
    CHECK(section_create(&section, section_units * unit) == SECTION_OK);
    return true;
}

static void close_both(void)
{
    CHECK(region_check(&region));
    region_close(&region);
    section_close(&section);
    fixture_close(&fixture);
}

#define OPEN_BOTH(region_units, section_units)                                                     \
    do {                                                                                           \
        if (!open_both(region_units, section_units)) {                                             \
            SKIP("this system has no placeholders");                                               \
        }                                                                                          \
    } while (0)

static int map(size_t section_units, size_t at, size_t units, unsigned access)
{
    int error = region_map(&region, at * unit, units * unit, &section, section_units * unit, access,
                           false);
    CHECK(region_check(&region));
    return error;
}

static int unmap(size_t at, size_t units, bool preserve)
{
    int error = region_unmap(&region, at * unit, units * unit, preserve, false);
    CHECK(region_check(&region));
    return error;
}

static char *at(size_t units)
{
    return region.base + units * unit;
}

static enum pages_state state(size_t units)
{
    size_t page = units * unit / region.page_size;
    return (enum pages_state)pages_at(&region.pages, page)->traits.state;
}

/* ---- tests ------------------------------------------------------------------------------- */

static void one_section_at_several_places(void)
{
    OPEN_BOTH(8, 4);
    CHECK(map(0, 1, 2, ACCESS_RW) == REGION_OK);
    CHECK(map(1, 4, 2, ACCESS_RW) == REGION_OK);
    CHECK(map(0, 7, 1, ACCESS_R) == REGION_OK);
    CHECK(state(0) == PAGES_PLACEHOLDER && state(1) == PAGES_MAPPED && state(3) == PAGES_PLACEHOLDER);
    at(1)[0] = 1;
    at(2)[5] = 2;
    CHECK(at(7)[0] == 1 && at(4)[5] == 2);
    at(4)[6] = 3;
    CHECK(at(2)[6] == 3 && at(5)[0] == 0);
    close_both();
}

static void copy_on_write_keeps_to_itself(void)
{
    OPEN_BOTH(3, 1);
    CHECK(map(0, 0, 1, ACCESS_RW) == REGION_OK);
    CHECK(map(0, 2, 1, ACCESS_WC) == REGION_OK);
    at(0)[0] = 1;
    CHECK(at(2)[0] == 1);
    at(2)[0] = 2;
    CHECK(at(0)[0] == 1 && at(2)[0] == 2);
    close_both();
}

static void a_window_moves(void)
{
    OPEN_BOTH(3, 10);
    for (size_t i = 0; i < 10; i++) {
        CHECK(map(i, 1, 1, ACCESS_RW) == REGION_OK);
        CHECK(at(1)[0] == 0);
        at(1)[0] = (char)(i + 1);
        CHECK(unmap(1, 1, true) == REGION_OK && state(1) == PAGES_PLACEHOLDER);
    }
    CHECK(region_coalesce(&region, 0, 3 * unit) == REGION_OK);
    CHECK(map(0, 0, 3, ACCESS_R) == REGION_OK);
    CHECK(at(0)[0] == 1 && at(1)[0] == 2 && at(2)[0] == 3);
    close_both();
}

static void unmapped_pages_can_be_committed(void)
{
    struct page_range range;
    OPEN_BOTH(4, 4);
    CHECK(map(0, 1, 2, ACCESS_RW) == REGION_OK);
    memset(at(1), 5, 2 * unit);
    CHECK(unmap(1, 2, false) == REGION_OK && state(1) == PAGES_RESERVED);
    CHECK(region_pages(&region, unit, 2 * unit, &range) == REGION_OK);
    CHECK(region_commit(&region, range, ACCESS_RW, false) == REGION_OK);
    CHECK(holds_zeros(at(1), 2 * unit));
    CHECK(region_preserve(&region, unit, 2 * unit, false) == REGION_OK);
    CHECK(region_coalesce(&region, 0, 4 * unit) == REGION_OK);
    CHECK(map(0, 0, 4, ACCESS_RW) == REGION_OK && at(1)[0] == 5 && at(2)[0] == 0);
    close_both();
}

static void sizes_match_exactly(void)
{
    OPEN_BOTH(4, 4);
    CHECK(map(0, 0, 2, ACCESS_RW) == REGION_OK);
    CHECK(unmap(0, 1, true) == REGION_NOT_A_PIECE);
    CHECK(unmap(1, 1, true) == REGION_NOT_A_PIECE);
    CHECK(unmap(0, 3, true) == REGION_WRONG_STATE);
    CHECK(map(0, 1, 2, ACCESS_RW) == REGION_WRONG_STATE);
    CHECK(region_map(&region, 2 * unit, unit, &section, 0, ACCESS_RW, true) == REGION_NOT_A_PIECE);
    CHECK(region_split(&region, 3 * unit) == REGION_OK);
    CHECK(map(0, 2, 2, ACCESS_RW) == REGION_NOT_A_PIECE);
    CHECK(region_map(&region, 2 * unit, unit, &section, 0, ACCESS_RW, true) == REGION_OK);
    close_both();
}

static void what_cannot_be_mapped(void)
{
    OPEN_BOTH(4, 2);
    CHECK(map(0, 0, 3, ACCESS_RW) == REGION_SECTION);
    CHECK(region.section_error == SECTION_OUT_OF_RANGE);
    CHECK(map(0, 0, 1, ACCESS_RX) == REGION_NO_EXECUTION);
    CHECK(map(0, 4, 1, ACCESS_RW) == REGION_OUT_OF_RANGE);
    section_close(&section);
    CHECK(map(0, 0, 1, ACCESS_RW) == REGION_SECTION && region.section_error == SECTION_CLOSED);
    CHECK(region.pages.count == 1 && state(0) == PAGES_PLACEHOLDER);
    close_both();
}

static int protect(size_t units, size_t count, unsigned access)
{
    struct page_range range;
    CHECK(region_pages(&region, units * unit, count * unit, &range) == REGION_OK);
    int error = region_protect(&region, range, access, REGION_CACHED, false);
    CHECK(region_check(&region));
    return error;
}

static enum pages_access access_at(size_t units)
{
    return (enum pages_access)pages_at(&region.pages, units * unit / region.page_size)->traits.access;
}

static void access_is_at_most_what_it_was_mapped_with(void)
{
    OPEN_BOTH(3, 1);
    CHECK(map(0, 0, 1, ACCESS_RW) == REGION_OK);
    CHECK(map(0, 1, 1, ACCESS_R) == REGION_OK);
    CHECK(map(0, 2, 1, ACCESS_WC) == REGION_OK);
    CHECK(protect(0, 2, ACCESS_RW) == REGION_WRONG_STATE);
    CHECK(access_at(0) == ACCESS_RW && access_at(1) == ACCESS_R && access_at(2) == ACCESS_WC);
    CHECK(protect(0, 3, ACCESS_R) == REGION_OK && access_at(2) == ACCESS_R);
    CHECK(protect(0, 1, ACCESS_RW) == REGION_OK && protect(2, 1, ACCESS_RW) == REGION_OK);
    CHECK(access_at(0) == ACCESS_RW && access_at(2) == ACCESS_WC);
    at(0)[0] = 1;
    CHECK(at(2)[0] == 1);
    at(2)[0] = 2;
    CHECK(at(0)[0] == 1 && at(1)[0] == 1);
    CHECK(protect(0, 3, ACCESS_NONE) == REGION_OK && protect(0, 3, ACCESS_R) == REGION_OK);
    CHECK(at(0)[0] == 1 && at(1)[0] == 1 && at(2)[0] == 2);
    CHECK(unmap(0, 1, true) == REGION_OK && map(0, 0, 1, ACCESS_NONE) == REGION_OK);
    CHECK(protect(0, 1, ACCESS_RW) == REGION_WRONG_STATE && protect(0, 1, ACCESS_R) == REGION_OK);
    CHECK(at(0)[0] == 1);
    close_both();
}

static void a_live_export_is_in_the_way(void)
{
    struct region_export export;
    OPEN_BOTH(2, 1);
    CHECK(map(0, 1, 1, ACCESS_RW) == REGION_OK);
    CHECK(region_export_begin(&region, unit, unit, &export) == REGION_OK && export.writable);
    CHECK(unmap(1, 1, true) == REGION_EXPORTED);
    region_export_end(&region, &export);
    CHECK(unmap(1, 1, true) == REGION_OK);
    close_both();
}

/* The mapping keeps the pages; releasing the Region ends it. */
static void the_section_may_go_first(void)
{
    OPEN_BOTH(2, 1);
    CHECK(map(0, 0, 1, ACCESS_RW) == REGION_OK);
    CHECK(map(0, 1, 1, ACCESS_RW) == REGION_OK);
    section_close(&section);
    at(0)[1] = 9;
    CHECK(at(1)[1] == 9);
    CHECK(region_release(&region, false) == REGION_OK);
    section_close(&section);
    fixture_close(&fixture);
}

#ifdef GROWABLE_FAULT
enum { CALLS = 50 };

/* Maps and unmaps with the n-th call failing; the state after a failure is what it was, or one
 * that the books tell. */
static bool try_mapping(long nth)
{
    if (!open_both(4, 2)) {
        return true;
    }
    vmem_fault_arm(nth, 1);
    int error = map(0, 1, 2, ACCESS_RW);
    bool met = vmem_fault_calls() >= nth;
    vmem_fault_disarm();
    CHECK(error == REGION_OK || (met && state(1) == PAGES_PLACEHOLDER));
    if (error != REGION_OK) {
        CHECK(map(0, 1, 2, ACCESS_RW) == REGION_OK);
    }
    at(1)[0] = 1;
    vmem_fault_arm(nth, 1);
    error = unmap(1, 2, false);
    met |= vmem_fault_calls() >= nth;
    vmem_fault_disarm();
    if (error != REGION_OK && state(1) == PAGES_MAPPED) {
        CHECK(at(1)[0] == 1 && unmap(1, 2, true) == REGION_OK);
    }
    close_both();
    return !met;
}

static void every_call_may_fail(void)
{
    long nth = 1;
    while (!try_mapping(nth)) {
        CHECK(++nth < CALLS);
    }
    if (nth == 1) {
        SKIP("this system has no placeholders");
    }
}
#endif

static const struct check_test tests[] = {
    TEST(one_section_at_several_places),
    TEST(copy_on_write_keeps_to_itself),
    TEST(a_window_moves),
    TEST(unmapped_pages_can_be_committed),
    TEST(sizes_match_exactly),
    TEST(what_cannot_be_mapped),
    TEST(access_is_at_most_what_it_was_mapped_with),
    TEST(a_live_export_is_in_the_way),
    TEST(the_section_may_go_first),
#ifdef GROWABLE_FAULT
    TEST(every_call_may_fail),
#endif
};

CHECK_MAIN(tests)
