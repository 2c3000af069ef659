/* test_pages.c - the list of runs beside a plain array with one entry a page.
 *
 * What a reader would get wrong: the array is not how pages are kept. It is what makes the list
 * easy to check.
 */
#include "fixture.h"
#include "pages.h"

enum { TOTAL = 40 };

static struct fixture fixture;

static bool alike(struct page_traits a, struct page_traits b)
{
    return a.piece == b.piece && a.state == b.state && a.access == b.access &&
           a.guarded == b.guarded && a.discarded == b.discarded;
}

static struct page_traits traits(enum pages_state state, unsigned access)
{
    return (struct page_traits){.state = (uint8_t)state, .access = (uint8_t)access};
}

static void open_pages(struct pages *p, size_t total)
{
    fixture_open(&fixture);
    CHECK(pages_init(p, &fixture.env, total, traits(PAGES_RESERVED, ACCESS_NONE)));
    CHECK(pages_check(p));
}

static void close_pages(struct pages *p)
{
    pages_free(p);
    fixture_close(&fixture);
}

static void set(struct pages *p, size_t first, size_t count, struct page_traits t)
{
    CHECK(pages_prepare(p));
    pages_set(p, first, count, t);
    CHECK(pages_check(p));
}

static void one_run_whatever_the_size(void)
{
    struct pages p;
    open_pages(&p, SIZE_MAX >> 12);
    CHECK(p.count == 1 && pages_at(&p, SIZE_MAX >> 13)->count == SIZE_MAX >> 12);
    CHECK(pages_in_state(&p, PAGES_RESERVED) == SIZE_MAX >> 12);
    CHECK(pages_in_state(&p, PAGES_COMMITTED) == 0);
    close_pages(&p);
}

static void splits_and_merges(void)
{
    struct pages p;
    struct page_traits committed = traits(PAGES_COMMITTED, ACCESS_RW);
    open_pages(&p, TOTAL);
    set(&p, 10, 10, committed);
    CHECK(p.count == 3 && p.runs[1].first == 10 && p.runs[1].count == 10);
    set(&p, 20, 5, committed);
    CHECK(p.count == 3 && p.runs[1].count == 15);
    set(&p, 5, 5, committed);
    CHECK(p.count == 3 && p.runs[1].first == 5 && p.runs[1].count == 20);
    set(&p, 12, 1, traits(PAGES_RESERVED, ACCESS_NONE));
    CHECK(p.count == 5);
    set(&p, 12, 1, committed);
    CHECK(p.count == 3);
    set(&p, 0, TOTAL, committed);
    CHECK(p.count == 1);
    close_pages(&p);
}

static void the_same_again_changes_nothing(void)
{
    struct pages p;
    open_pages(&p, TOTAL);
    set(&p, 3, 4, traits(PAGES_RESERVED, ACCESS_NONE));
    CHECK(p.count == 1);
    close_pages(&p);
}

static void pieces_stay_apart(void)
{
    struct pages p;
    struct page_traits one = traits(PAGES_PLACEHOLDER, ACCESS_NONE), two = one;
    two.piece = 2;
    open_pages(&p, TOTAL);
    set(&p, 0, 20, one);
    set(&p, 20, 20, two);
    CHECK(p.count == 2);
    set(&p, 20, 20, one);
    CHECK(p.count == 1);
    close_pages(&p);
}

static void spans_cover_a_range(void)
{
    struct pages p;
    size_t seen = 0, spans = 0;
    struct page_range range = {3, 30};
    open_pages(&p, TOTAL);
    set(&p, 10, 5, traits(PAGES_COMMITTED, ACCESS_R));
    PAGES_EACH(&p, range, span) {
        CHECK(span.first == range.first + seen);
        seen += span.count;
        spans++;
    }
    CHECK(seen == 30 && spans == 3);
    close_pages(&p);
}

/* The list may be changed while it is gone through, page for page of the same range. */
static void a_range_may_change_while_it_is_gone_through(void)
{
    struct pages p;
    struct page_range range = {5, 30};
    open_pages(&p, TOTAL);
    for (size_t page = 0; page < TOTAL; page += 2)
        set(&p, page, 1, traits(PAGES_COMMITTED, page % 3 == 0 ? ACCESS_R : ACCESS_RW));
    CHECK(pages_prepare(&p));
    size_t room = p.room;
    PAGES_EACH(&p, range, span) {
        struct page_traits t = span.traits;
        t.state = PAGES_COMMITTED;
        t.access = ACCESS_NONE;
        pages_set(&p, span.first, span.count, t);
        CHECK(pages_check(&p));
    }
    CHECK(p.room == room);
    CHECK(pages_at(&p, 20)->first <= 5 && pages_at(&p, 20)->traits.access == ACCESS_NONE);
    close_pages(&p);
}

static void no_memory(void)
{
    struct pages p;
    open_pages(&p, TOTAL);
    set(&p, 10, 1, traits(PAGES_COMMITTED, ACCESS_R));
    fixture.fail_at = fixture.calls + 1;
    fixture.fails = -1;
    CHECK(!pages_prepare(&p));
    CHECK(pages_check(&p) && p.count == 3);
    struct pages other;
    CHECK(!pages_init(&other, &fixture.env, 1, traits(PAGES_RESERVED, ACCESS_NONE)));
    fixture.fail_at = 0;
    close_pages(&p);
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static void compare(const struct pages *p, const struct page_traits *model)
{
    size_t committed = 0;
    for (size_t i = 0; i < TOTAL; i++) {
        const struct page_run *run = pages_at(p, i);
        CHECK(run->first <= i && i - run->first < run->count);
        CHECK(alike(run->traits, model[i]));
        committed += model[i].state == PAGES_COMMITTED;
    }
    CHECK(pages_in_state(p, PAGES_COMMITTED) == committed);
}

static void random_changes(void)
{
    struct pages p;
    struct page_traits model[TOTAL];
    unsigned seed = 1;
    open_pages(&p, TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        model[i] = traits(PAGES_RESERVED, ACCESS_NONE);
    for (int step = 0; step < 20000; step++) {
        size_t first = next_random(&seed) % TOTAL;
        size_t count = 1 + next_random(&seed) % (TOTAL - first);
        struct page_traits t = traits(next_random(&seed) % 2, next_random(&seed) % 2);
        t.piece = next_random(&seed) % 2;
        t.guarded = next_random(&seed) % 4 == 0;
        set(&p, first, count, t);
        for (size_t i = first; i < first + count; i++)
            model[i] = t;
        compare(&p, model);
    }
    close_pages(&p);
}

static void access_is_what_it_says(void)
{
    CHECK(!access_reads(ACCESS_NONE) && access_reads(ACCESS_R) && access_reads(ACCESS_WC));
    CHECK(!access_writes(ACCESS_R) && !access_writes(ACCESS_RX) && access_writes(ACCESS_RW));
    CHECK(access_writes(ACCESS_RWX) && access_writes(ACCESS_WC));
    CHECK(access_executes(ACCESS_RX) && access_executes(ACCESS_RWX) && !access_executes(ACCESS_RW));
}

static const struct check_test tests[] = {
    TEST(one_run_whatever_the_size),
    TEST(splits_and_merges),
    TEST(the_same_again_changes_nothing),
    TEST(pieces_stay_apart),
    TEST(spans_cover_a_range),
    TEST(a_range_may_change_while_it_is_gone_through),
    TEST(no_memory),
    TEST(random_changes),
    TEST(access_is_what_it_says),
};

CHECK_MAIN(tests)
