/* test_region_guard.c - guards of a region's pages: what takes them off, what they refuse, and what
 * is left of them when the system or the allocator refuses something.
 *
 * What a reader would get wrong: `guarded` in the runs may be out of date, so the tests settle the
 * runs before they look. How guards trip is tested in test_guard.c.
 */
#include "fixture.h"
#include "region.h"

#ifdef GROWABLE_FAULT
#include "vmem_fault.h"
#endif

enum { PAGES = 16 };

static struct fixture fixture;

static void open_region(struct region *r)
{
    fixture_open(&fixture);
    struct region_options options = {.size = PAGES * fixture.env.pool->info.page_size,
                                     .numa_node = REGION_NO_NODE,
                                     .access = ACCESS_RW,
                                     .commit = true};
    CHECK(region_open(r, &fixture.env, &options) == REGION_OK);
    memset(r->base, 7, r->size);
}

static void close_region(struct region *r)
{
    region_close(r);
    CHECK(region_check(r) && r->guard == NULL);
    fixture_close(&fixture);
}

static struct page_range pages_of(size_t first, size_t count)
{
    return (struct page_range){first, count};
}

static volatile char *page_at(const struct region *r, size_t page)
{
    return r->base + page * r->page_size;
}

/* The pages that are guarded, a bit each. */
static unsigned guarded(struct region *r)
{
    unsigned bits = 0;
    region_settle_guards(r);
    CHECK(region_check(r));
    for (size_t page = 0; page < PAGES; page++) {
        bits |= (unsigned)pages_at(&r->pages, page)->traits.guarded << page;
    }
    return bits;
}

static unsigned hits(struct region *r)
{
    unsigned bits = 0;
    for (size_t at = 0; region_next_hit(r, &at); at += r->page_size) {
        bits |= 1u << (at / r->page_size);
    }
    return bits;
}

static void a_hit_is_taken_out_of_the_runs(void)
{
    struct region r;
    size_t at = 0;
    open_region(&r);
    CHECK(hits(&r) == 0 && !region_take_hit(&r, &at) && guarded(&r) == 0);
    CHECK(region_guard(&r, pages_of(2, 8)) == REGION_OK);
    CHECK(guarded(&r) == 0x3fc);
    *page_at(&r, 5) = 1;
    *page_at(&r, 9) = 1;
    CHECK(guarded(&r) == 0x1dc && hits(&r) == 0x220);
    CHECK(r.pages.count == 5);
    CHECK(region_take_hit(&r, &at) && at == 5 * r.page_size);
    CHECK(region_take_hit(&r, &at) && at == 9 * r.page_size);
    CHECK(!region_take_hit(&r, &at));
    CHECK(region_guard(&r, pages_of(5, 1)) == REGION_OK);
    CHECK(guarded(&r) == 0x1fc && hits(&r) == 0x200);
    close_region(&r);
}

static void what_changes_pages_takes_guards_off(void)
{
    struct region r;
    open_region(&r);
    CHECK(region_guard(&r, pages_of(0, PAGES)) == REGION_OK);
    CHECK(region_protect(&r, pages_of(0, 2), ACCESS_R, REGION_CACHED, false) == REGION_OK);
    CHECK(region_commit(&r, pages_of(2, 2), ACCESS_RW, false) == REGION_OK);
    CHECK(region_decommit(&r, pages_of(4, 2), false) == REGION_OK);
    CHECK(guarded(&r) == 0xffc0);
    CHECK(*page_at(&r, 0) == 7 && *page_at(&r, 2) == 7);
    *page_at(&r, 3) = 8;
    CHECK(hits(&r) == 0);
    CHECK(region_commit(&r, pages_of(4, 2), ACCESS_RW, false) == REGION_OK);
    CHECK(*page_at(&r, 4) == 0 && hits(&r) == 0);
    close_region(&r);
}

static void what_cannot_be_guarded(void)
{
    struct region r;
    open_region(&r);
    CHECK(region_protect(&r, pages_of(0, 1), ACCESS_NONE, REGION_CACHED, false) == REGION_OK);
    CHECK(region_decommit(&r, pages_of(1, 1), false) == REGION_OK);
    CHECK(region_guard(&r, pages_of(0, 1)) == REGION_WRONG_STATE);
    CHECK(region_guard(&r, pages_of(1, 2)) == REGION_WRONG_STATE && r.failed_offset == r.page_size);
    CHECK(r.guard == NULL && guarded(&r) == 0);
    CHECK(region_guard(&r, pages_of(4, 2)) == REGION_OK);
    CHECK(region_discard(&r, pages_of(2, 4), 0, false) == REGION_WRONG_STATE && r.found.guarded);
    int error = region_lock(&r, pages_of(2, 4));
    CHECK(error == REGION_WRONG_STATE || error == REGION_UNSUPPORTED);
    *page_at(&r, 4) = 1;
    *page_at(&r, 5) = 1;
    CHECK(region_discard(&r, pages_of(2, 4), 0, false) == REGION_OK);
    CHECK(region_guard(&r, pages_of(2, 4)) == REGION_WRONG_STATE && !r.found.guarded);
    close_region(&r);
}

static void without_room_a_hit_stays_in_the_runs(void)
{
    struct region r;
    open_region(&r);
    CHECK(region_guard(&r, pages_of(0, PAGES)) == REGION_OK);
    for (size_t page = 0; page < PAGES; page += 2) {
        *page_at(&r, page) = 1;
    }
    fixture.fail_at = fixture.calls + 1;
    fixture.fails = -1;
    region_settle_guards(&r);
    CHECK(region_check(&r) && pages_at(&r.pages, PAGES - 2)->traits.guarded);
    CHECK(region_guard(&r, pages_of(0, 1)) == REGION_NO_MEMORY);
    fixture.fail_at = 0;
    CHECK(guarded(&r) == 0xaaaa);
    close_region(&r);
}

static void runs_of_different_access_are_guarded_at_once(void)
{
    struct region r;
    open_region(&r);
    CHECK(region_protect(&r, pages_of(4, 4), ACCESS_R, REGION_CACHED, false) == REGION_OK);
    CHECK(region_guard(&r, pages_of(2, 8)) == REGION_OK);
    CHECK(*page_at(&r, 5) == 7);
    *page_at(&r, 8) = 1;
    CHECK(guarded(&r) == 0x2dc && hits(&r) == 0x120);
    CHECK(pages_at(&r.pages, 5)->traits.access == ACCESS_R);
    close_region(&r);
}

#ifdef GROWABLE_FAULT

/* Call after call is refused until all goes well; each time the pages can be used as before. */
static void refused_guards_leave_the_pages_open(void)
{
    for (long nth = 1;; nth++) {
        struct region r;
        open_region(&r);
        CHECK(region_protect(&r, pages_of(4, 4), ACCESS_R, REGION_CACHED, false) == REGION_OK);
        vmem_fault_arm(nth, 1);
        int error = region_guard(&r, pages_of(2, 8));
        long calls = vmem_fault_calls();
        vmem_fault_disarm();
        if (calls < nth) {
            CHECK(error == REGION_OK && nth > 5);
            close_region(&r);
            break;
        }
        CHECK(error == REGION_SYSTEM || error == REGION_OK);
        CHECK(error == REGION_OK || guarded(&r) == 0);
        *page_at(&r, 2) = 1;
        CHECK(*page_at(&r, 5) == 7);
        *page_at(&r, 9) = 1;
        CHECK(error == REGION_OK || hits(&r) == 0);
        close_region(&r);
    }
}

static int protect_some(struct region *r)
{
    return region_protect(r, pages_of(3, 3), ACCESS_R, REGION_CACHED, false);
}

static int commit_some(struct region *r)
{
    return region_commit(r, pages_of(3, 3), ACCESS_R, false);
}

static int decommit_some(struct region *r)
{
    return region_decommit(r, pages_of(3, 3), false);
}

/* The guards are there as before, and trip. */
static void refused_changes_keep_the_guards(void)
{
    int (*const changes[])(struct region *) = {protect_some, commit_some, decommit_some};
    for (size_t i = 0; i < 3; i++) {
        struct region r;
        open_region(&r);
        CHECK(region_guard(&r, pages_of(2, 8)) == REGION_OK);
        vmem_fault_arm(1, 1);
        CHECK(changes[i](&r) != REGION_OK);
        vmem_fault_disarm();
        CHECK(guarded(&r) == 0x3fc);
        *page_at(&r, 4) = 1;
        CHECK(guarded(&r) == 0x3ec && hits(&r) == 0x10);
        close_region(&r);
    }
}

/* What cannot be guarded again is open at least. */
static void guards_that_cannot_be_put_back_are_off(void)
{
    struct region r;
    open_region(&r);
    CHECK(region_guard(&r, pages_of(2, 8)) == REGION_OK);
    vmem_fault_arm(1, -1);
    CHECK(region_decommit(&r, pages_of(3, 3), false) != REGION_OK);
    vmem_fault_disarm();
    CHECK(guarded(&r) == 0x3c4);
    *page_at(&r, 4) = 1;
    CHECK(hits(&r) == 0);
    close_region(&r);
}

#endif

static const struct check_test tests[] = {
    TEST(a_hit_is_taken_out_of_the_runs),
    TEST(what_changes_pages_takes_guards_off),
    TEST(what_cannot_be_guarded),
    TEST(without_room_a_hit_stays_in_the_runs),
    TEST(runs_of_different_access_are_guarded_at_once),
#ifdef GROWABLE_FAULT
    TEST(refused_guards_leave_the_pages_open),
    TEST(refused_changes_keep_the_guards),
    TEST(guards_that_cannot_be_put_back_are_off),
#endif
};

CHECK_MAIN(tests)
