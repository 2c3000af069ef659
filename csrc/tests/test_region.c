/* test_region.c - regions: ranges, states, exports, and every refusal by the system or the allocator.
 *
 * What a reader would get wrong: in a build without fault injection the last tests refuse only
 * allocations. With it (preset `fault`, and under Wine) the system refuses call after call as well.
 */
#include "fixture.h"
#include "region.h"

#ifdef GROWABLE_FAULT
#include "vmem_fault.h"
#endif

enum { UNITS = 8 };

static struct fixture fixture;

static size_t granularity(void)
{
    return fixture.env.pool->info.granularity;
}

static struct region_options options_for(size_t size)
{
    return (struct region_options){.size = size, .numa_node = REGION_NO_NODE, .access = ACCESS_RW};
}

static int open_with(struct region *r, struct region_options options)
{
    int error = region_open(r, &fixture.env, &options);
    CHECK(region_check(r));
    return error;
}

static void open_region(struct region *r, bool commit)
{
    fixture_open(&fixture);
    struct region_options options = options_for(UNITS * granularity());
    options.commit = commit;
    CHECK(open_with(r, options) == REGION_OK);
}

static void open_placeholder(struct region *r)
{
    fixture_open(&fixture);
    struct region_options options = options_for(UNITS * granularity());
    options.placeholder = true;
    CHECK(open_with(r, options) == REGION_OK);
}

static void close_region(struct region *r)
{
    region_close(r);
    CHECK(r->released && region_check(r));
    fixture_close(&fixture);
}

/* The pages of a range that must be right. */
static struct page_range range_of(struct region *r, size_t offset, size_t length)
{
    struct page_range range;
    CHECK(region_pages(r, offset, length, &range) == REGION_OK);
    return range;
}

static struct page_range pages_of(size_t first, size_t count)
{
    return (struct page_range){first, count};
}

static unsigned state_at(const struct region *r, size_t page)
{
    return pages_at(&r->pages, page)->traits.state;
}

/* ---- ranges ------------------------------------------------------------------------------ */

static void a_range_is_the_pages_it_touches(void)
{
    struct region r;
    open_region(&r, false);
    size_t page = r.page_size;
    struct page_range range = range_of(&r, page - 1, 2);
    CHECK(range.first == 0 && range.count == 2);
    range = range_of(&r, page, page);
    CHECK(range.first == 1 && range.count == 1);
    range = range_of(&r, r.size - 1, REGION_TO_THE_END);
    CHECK(range.first == r.pages.total - 1 && range.count == 1);
    CHECK(region_pages(&r, r.size, 1, &range) == REGION_OUT_OF_RANGE);
    CHECK(region_pages(&r, 0, 0, &range) == REGION_OUT_OF_RANGE);
    CHECK(region_pages(&r, 1, r.size, &range) == REGION_OUT_OF_RANGE);
    CHECK(region_pages(&r, 1, SIZE_MAX - 1, &range) == REGION_OUT_OF_RANGE);
    close_region(&r);
    CHECK(region_pages(&r, 0, 1, &range) == REGION_RELEASED);
}

static void sizes_that_overflow(void)
{
    struct region r;
    fixture_open(&fixture);
    CHECK(open_with(&r, options_for(SIZE_MAX)) == REGION_OUT_OF_RANGE);
    CHECK(open_with(&r, options_for((size_t)PTRDIFF_MAX)) == REGION_OUT_OF_RANGE);
    fixture_close(&fixture);
}

/* ---- commit, protect, decommit ----------------------------------------------------------- */

static void commit_and_decommit(void)
{
    struct region r;
    open_region(&r, false);
    CHECK(fixture_tracked(&fixture, r.base) == 0);
    CHECK(region_commit(&r, pages_of(1, 2), ACCESS_RW, false) == REGION_OK);
    CHECK(fixture_tracked(&fixture, r.base) == 2 * r.page_size);
    char *at = r.base + r.page_size;
    CHECK(holds_zeros(at, 2 * r.page_size));
    memset(at, 7, 2 * r.page_size);
    CHECK(region_commit(&r, pages_of(0, r.pages.total), ACCESS_RW, false) == REGION_OK);
    CHECK(at[0] == 7 && at[-1] == 0);
    CHECK(region_decommit(&r, pages_of(1, 1), false) == REGION_OK);
    CHECK(state_at(&r, 1) == PAGES_RESERVED && state_at(&r, 2) == PAGES_COMMITTED);
    CHECK(region_commit(&r, pages_of(1, 1), ACCESS_RW, false) == REGION_OK);
    CHECK(holds_zeros(at, r.page_size) && at[r.page_size] == 7);
    CHECK(region_decommit(&r, pages_of(0, r.pages.total), false) == REGION_OK);
    CHECK(fixture_tracked(&fixture, r.base) == 0 && region_check(&r));
    close_region(&r);
}

static void states_are_checked_first(void)
{
    struct region r;
    open_region(&r, false);
    CHECK(region_commit(&r, pages_of(0, 1), ACCESS_RW, false) == REGION_OK);
    CHECK(region_protect(&r, pages_of(0, 2), ACCESS_R, REGION_CACHED, false) == REGION_WRONG_STATE);
    CHECK(r.failed_offset == r.page_size && r.found.state == PAGES_RESERVED);
    CHECK(pages_at(&r.pages, 0)->traits.access == ACCESS_RW);
    CHECK(region_discard(&r, pages_of(0, 2), 0, false) == REGION_WRONG_STATE);
    if (fixture.env.pool->info.can_lock)
        CHECK(region_lock(&r, pages_of(0, 2)) == REGION_WRONG_STATE);
    CHECK(region_commit(&r, pages_of(0, 1), ACCESS_RX, false) == REGION_NO_EXECUTION);
    CHECK(region_split(&r, granularity()) == REGION_NOT_A_PIECE);
    close_region(&r);
}

static void capabilities_are_checked_first(void)
{
    struct region r;
    struct byte_range *lost;
    size_t count;
    open_region(&r, true);
    struct vmem_info *info = &fixture.env.pool->info;
    info->can_discard = info->can_lock = info->can_prefetch = info->can_set_caching = false;
    info->can_offer = info->can_query_memory = info->can_query_resident = false;
    struct page_range all = pages_of(0, r.pages.total);
    struct region_memory memory;
    CHECK(region_discard(&r, all, 0, false) == REGION_UNSUPPORTED);
    CHECK(region_discard(&r, all, 1, false) == REGION_UNSUPPORTED);
    CHECK(region_lock(&r, all) == REGION_UNSUPPORTED);
    CHECK(region_unlock(&r, all) == REGION_UNSUPPORTED);
    CHECK(region_prefetch(&r, all) == REGION_UNSUPPORTED);
    CHECK(region_protect(&r, all, ACCESS_R, REGION_UNCACHED, false) == REGION_UNSUPPORTED);
    CHECK(region_query_memory(&r, all, &memory) == REGION_UNSUPPORTED);
    CHECK(region_written(&r, false, &lost, &count) == REGION_NOT_WATCHED);
    close_region(&r);
}

/* Asked of a system that has none of it. */
static void kinds_that_are_not_there(void)
{
    struct region r;
    fixture_open(&fixture);
    struct pool *pool = fixture.env.pool;
    env_probe(&fixture.env);
    pool->info.can_prefer_node = pool->info.can_placeholder = false;
    pool->info.can_write_watch = pool->info.can_large_pages = false;
    struct region_options options = options_for(1);
    options.numa_node = 0;
    CHECK(open_with(&r, options) == REGION_UNSUPPORTED && strcmp(r.feature, "prefer_node") == 0);
    options = options_for(1);
    options.placeholder = true;
    CHECK(open_with(&r, options) == REGION_UNSUPPORTED && strcmp(r.feature, "placeholder") == 0);
    options = options_for(1);
    options.write_watch = true;
    CHECK(open_with(&r, options) == REGION_UNSUPPORTED && strcmp(r.feature, "write_watch") == 0);
    options = options_for(1);
    options.page_size = 1 << 21;
    CHECK(open_with(&r, options) == REGION_UNSUPPORTED && strcmp(r.feature, "large_pages") == 0);
    pool->info.can_other_process = false;
    options = options_for(1);
    options.process = 1;
    CHECK(open_with(&r, options) == REGION_UNSUPPORTED && strcmp(r.feature, "other_process") == 0);
    fixture_close(&fixture);
}

/* ---- exports ----------------------------------------------------------------------------- */

static void exports_are_kept_as_ranges(void)
{
    struct region r;
    struct region_export one, two;
    open_region(&r, true);
    size_t page = r.page_size;
    CHECK(region_protect(&r, pages_of(2, 1), ACCESS_R, REGION_CACHED, false) == REGION_OK);
    CHECK(region_export_begin(&r, page, 10, &one) == REGION_OK && one.writable);
    CHECK(region_export_begin(&r, 2 * page, 10, &two) == REGION_OK && !two.writable);
    CHECK(region_check(&r) && r.export_count == 2);
    CHECK(region_decommit(&r, pages_of(0, 2), false) == REGION_EXPORTED && r.failed_size == 1);
    CHECK(r.failed_offset == page);
    CHECK(region_decommit(&r, pages_of(0, 3), false) == REGION_EXPORTED && r.failed_size == 2);
    CHECK(region_protect(&r, pages_of(1, 1), ACCESS_R, REGION_CACHED, false) == REGION_EXPORTED);
    CHECK(region_protect(&r, pages_of(2, 1), ACCESS_R, REGION_CACHED, false) == REGION_OK);
    CHECK(region_release(&r, false) == REGION_EXPORTED);
    region_export_end(&r, &one);
    CHECK(region_decommit(&r, pages_of(1, 1), false) == REGION_OK);
    region_export_end(&r, &two);
    CHECK(region_check(&r) && r.exports == NULL);
    CHECK(region_export_begin(&r, page, 1, &one) == REGION_WRONG_STATE);
    CHECK(region_export_begin(&r, 0, REGION_TO_THE_END, &one) == REGION_OK && one.length == page);
    CHECK(region_release(&r, true) == REGION_OK);
    region_export_end(&r, &one);
    fixture_close(&fixture);
}

/* ---- discard and restore ----------------------------------------------------------------- */

/* Stands in for the system, which drops pages when it likes. */
static void drop(struct region *r, size_t page)
{
    memset(r->base + page * r->page_size, 0, r->page_size);
}

static bool is_lost(const struct byte_range *lost, size_t count, size_t offset)
{
    for (size_t i = 0; i < count; i++)
        if (offset >= lost[i].offset && offset - lost[i].offset < lost[i].length)
            return true;
    return false;
}

static void lost_pages_are_told(void)
{
    struct region r;
    struct byte_range *lost;
    size_t count;
    open_region(&r, true);
    if (!fixture.env.pool->info.can_discard) {
        close_region(&r);
        SKIP("this system cannot discard");
    }
    fixture.env.pool->info.can_undo_discard = false; /* or it would know better */
    size_t page = r.page_size, total = r.pages.total;
    memset(r.base, 7, r.size);
    drop(&r, 0);
    CHECK(region_discard(&r, pages_of(4, total - 4), 0, false) == REGION_OK);
    CHECK(region_discard(&r, pages_of(0, 6), 0, false) == REGION_OK);
    CHECK(region_check(&r) && r.witness_count == total - 1);
    drop(&r, 2);
    drop(&r, 3);
    drop(&r, 5);
    CHECK(region_restore(&r, pages_of(0, 3), true, &lost, &count) == REGION_OK && count == 1);
    fixture.env.free(fixture.env.context, lost);
    CHECK(region_restore(&r, pages_of(0, 3), false, &lost, &count) == REGION_OK);
    CHECK(!is_lost(lost, count, 0) && is_lost(lost, count, 2 * page));
    fixture.env.free(fixture.env.context, lost);
    CHECK(region_restore(&r, pages_of(0, total), false, &lost, &count) == REGION_OK);
    CHECK(is_lost(lost, count, 3 * page) && is_lost(lost, count, 5 * page));
    CHECK(!is_lost(lost, count, 2 * page));
    fixture.env.free(fixture.env.context, lost);
    CHECK(region_check(&r) && r.witness_count == 0);
    CHECK(region_restore(&r, pages_of(0, total), false, &lost, &count) == REGION_OK && lost == NULL);
    close_region(&r);
}

static void decommit_forgets_what_was_discarded(void)
{
    struct region r;
    open_region(&r, true);
    if (fixture.env.pool->info.can_discard) {
        memset(r.base, 7, r.size);
        CHECK(region_discard(&r, pages_of(0, r.pages.total), 0, false) == REGION_OK);
        CHECK(region_decommit(&r, pages_of(1, 2), false) == REGION_OK);
        CHECK(region_check(&r) && r.witness_count == r.pages.total - 2);
    }
    close_region(&r);
}

/* ---- placeholders ------------------------------------------------------------------------ */

static bool has_placeholders(void)
{
    fixture_open(&fixture);
    env_probe(&fixture.env);
    bool has = fixture.env.pool->info.can_placeholder;
    fixture_close(&fixture);
    return has;
}

static void placeholders_are_split_and_joined(void)
{
    struct region r;
    if (!has_placeholders())
        SKIP("this system has no placeholders");
    open_placeholder(&r);
    size_t unit = granularity();
    struct page_range all = pages_of(0, r.pages.total);
    CHECK(region_commit(&r, all, ACCESS_RW, false) == REGION_WRONG_STATE);
    CHECK(region_split(&r, 4 * unit) == REGION_OK && r.pages.count == 2);
    CHECK(region_split(&r, 4 * unit) == REGION_NOT_A_PIECE);
    CHECK(region_replace(&r, 0, 2 * unit) == REGION_NOT_A_PIECE);
    CHECK(region_replace(&r, 0, 4 * unit) == REGION_OK && region_check(&r));
    CHECK(region_commit(&r, range_of(&r, 0, 4 * unit), ACCESS_RW, false) == REGION_OK);
    r.base[0] = 1;
    CHECK(region_coalesce(&r, 0, 8 * unit) == REGION_WRONG_STATE);
    CHECK(region_preserve(&r, unit, unit, false) == REGION_OK && region_check(&r));
    CHECK(r.base[0] == 1 && state_at(&r, unit / r.page_size) == PAGES_PLACEHOLDER);
    CHECK(region_preserve(&r, 0, unit, false) == REGION_OK);
    CHECK(region_preserve(&r, 2 * unit, 2 * unit, false) == REGION_OK);
    CHECK(region_coalesce(&r, 0, 8 * unit) == REGION_OK && r.pages.count == 1);
    CHECK(fixture_tracked(&fixture, r.base) == 0);
    close_region(&r);
}

/* ---- refusals ---------------------------------------------------------------------------- */

/* What a region looks like from outside. */
struct picture {
    struct page_run runs[UNITS * 32];
    size_t count;
    size_t witnesses;
};

static void take_picture(const struct region *r, struct picture *p)
{
    CHECK(r->pages.count <= sizeof p->runs / sizeof *p->runs);
    memcpy(p->runs, r->pages.runs, r->pages.count * sizeof *p->runs);
    p->count = r->pages.count;
    p->witnesses = r->witness_count;
}

static bool is_as_before(const struct region *r, const struct picture *p)
{
    bool same = r->pages.count == p->count && r->witness_count == p->witnesses;
    for (size_t i = 0; same && i < p->count; i++) {
        const struct page_run *a = &r->pages.runs[i], *b = &p->runs[i];
        same = a->first == b->first && a->traits.state == b->traits.state &&
               a->traits.access == b->traits.access && a->traits.discarded == b->traits.discarded;
    }
    return same;
}

static int do_commit(struct region *r)
{
    return region_commit(r, pages_of(2, 6), ACCESS_R, false);
}

static int do_decommit(struct region *r)
{
    return region_decommit(r, pages_of(4, 1), false);
}

static int do_protect(struct region *r)
{
    return region_protect(r, pages_of(3, 2), ACCESS_R, REGION_CACHED, false);
}

static int do_lock(struct region *r)
{
    return region_lock(r, pages_of(3, 2));
}

static int do_prefetch(struct region *r)
{
    return region_prefetch(r, pages_of(3, 2));
}

static int do_discard(struct region *r)
{
    return region_discard(r, pages_of(3, 2), 0, false);
}

static int do_restore(struct region *r)
{
    struct byte_range *lost;
    size_t count;
    int error = region_restore(r, pages_of(0, r->pages.total), false, &lost, &count);
    fixture.env.free(fixture.env.context, lost);
    return error;
}

static int do_query(struct region *r)
{
    struct region_memory memory;
    return region_query_memory(r, pages_of(3, 3), &memory);
}

static const struct {
    const char *name;
    int (*act)(struct region *);
} refused[] = {
    {"commit", do_commit},     {"decommit", do_decommit}, {"protect", do_protect},
    {"lock", do_lock},         {"prefetch", do_prefetch}, {"discard", do_discard},
    {"restore", do_restore},   {"query", do_query},
};

/* Pages 3 to 5 committed, of which page 5 is discarded, with no room left in the list of runs. */
static void prepare(struct region *r)
{
    open_region(r, false);
    CHECK(region_commit(r, pages_of(3, 3), ACCESS_RW, false) == REGION_OK);
    memset(r->base + 3 * r->page_size, 7, 3 * r->page_size);
    if (fixture.env.pool->info.can_discard)
        CHECK(region_discard(r, pages_of(5, 1), 0, false) == REGION_OK);
    r->witness_room = r->witness_count;
}

static void check_refusal(struct region *r, int error, const struct picture *before)
{
    CHECK(region_check(r));
    if (error == REGION_OK || error == REGION_UNSUPPORTED)
        return;
    CHECK(is_as_before(r, before));
    CHECK(r->base[3 * r->page_size] == 7);
}

static void every_allocation_refused(void)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        long nth = 0;
        bool met = true;
        while (met) {
            struct region r;
            struct picture before;
            prepare(&r);
            take_picture(&r, &before);
            fixture.fail_at = fixture.calls + ++nth;
            fixture.fails = -1;
            int error = refused[i].act(&r);
            met = fixture.calls >= fixture.fail_at;
            fixture.fail_at = 0;
            CHECK(!met || error == REGION_NO_MEMORY || error == REGION_OK);
            check_refusal(&r, error, &before);
            close_region(&r);
        }
    }
}

static void no_memory_for_a_new_region(void)
{
    struct region r;
    fixture_open(&fixture);
    fixture.fail_at = fixture.calls + 1;
    fixture.fails = 1;
    CHECK(open_with(&r, options_for(1)) == REGION_NO_MEMORY);
    fixture.fail_at = 0;
    fixture_close(&fixture);
}

#ifdef GROWABLE_FAULT
static void every_call_refused(void)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        long nth = 0;
        bool met = true;
        while (met) {
            struct region r;
            struct picture before;
            prepare(&r);
            take_picture(&r, &before);
            vmem_fault_arm(++nth, 1);
            int error = refused[i].act(&r);
            met = vmem_fault_calls() >= nth;
            vmem_fault_disarm();
            check_refusal(&r, error, &before);
            close_region(&r);
        }
    }
}

static void no_new_region(void)
{
    bool met = true;
    for (long nth = 1; met; nth++) {
        struct region r;
        fixture_open(&fixture);
        struct region_options options = options_for(granularity());
        options.commit = true;
        options.name = "region";
        vmem_fault_arm(nth, 1);
        int error = open_with(&r, options);
        met = vmem_fault_calls() >= nth;
        vmem_fault_disarm();
        if (error == REGION_OK)
            region_close(&r);
        else
            CHECK(error == REGION_NOT_RESERVED || error == REGION_NOT_COMMITTED);
        fixture_close(&fixture);
    }
}
#endif

static const struct check_test tests[] = {
    TEST(a_range_is_the_pages_it_touches),
    TEST(sizes_that_overflow),
    TEST(commit_and_decommit),
    TEST(states_are_checked_first),
    TEST(capabilities_are_checked_first),
    TEST(kinds_that_are_not_there),
    TEST(exports_are_kept_as_ranges),
    TEST(lost_pages_are_told),
    TEST(decommit_forgets_what_was_discarded),
    TEST(placeholders_are_split_and_joined),
    TEST(every_allocation_refused),
    TEST(no_memory_for_a_new_region),
#ifdef GROWABLE_FAULT
    TEST(every_call_refused),
    TEST(no_new_region),
#endif
};

CHECK_MAIN(tests)
