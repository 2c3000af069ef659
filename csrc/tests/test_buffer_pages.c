/* test_buffer_pages.c - what pages contents stand in, and that none shows what an owner before left.
 *
 * What a reader would get wrong: asking for huge pages is advice; a test looks at what was asked for.
 */
#include "buffer_support.h"
#include "growth.h"

/* ---- huge pages, names, tracking ----------------------------------------------------------- */

#ifdef __linux__
static bool open_advised(struct buffer **b, enum buffer_huge huge)
{
    *b = open_buffer();
    struct vmem_info *info = &fixture.env.pool->info;
    (*b)->huge = (unsigned char)huge;
    info->thp = VMEM_THP_ADVISED;
    return info->can_advise_huge;
}

#define OPEN_ADVISED_OR_SKIP(wanted)                                                               \
    struct buffer *b;                                                                              \
    if (!open_advised(&b, wanted)) {                                                               \
        close_buffer();                                                                            \
        SKIP("no huge pages on this system");                                                      \
    }

/* The buffer ends, and another one in its place gets its range. */
static void begin_next_life(struct buffer *b, enum buffer_huge huge)
{
    buffer_free(b);
    owner_init(&owner, &fixture);
    b->huge = (unsigned char)huge;
}

static void large_buffers_ask_for_huge_pages(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_AUTO)
    CHECK(append_pattern(b, MIB, true) == BUFFER_OK && !b->rest->storage.huge);
    CHECK(append_pattern(b, 4 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    CHECK(has_flag(b->start, " hg") && holds_pattern(b, 0, 5 * MIB));
    close_buffer();
}

static void huge_always_asks_at_once(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 10, true) == BUFFER_OK);
    buffer_promote(b, false);
    CHECK(b->rest->storage.huge && b->rest->storage.committed == b->rest->storage.lead + 2 * MIB);
    CHECK(has_flag(b->start, " hg"));
    close_buffer();
}

static void huge_always_keeps_to_a_small_range(void)
{
    struct buffer *b = open_buffer_with(MIB);
    b->huge = BUFFER_HUGE_ALWAYS;
    CHECK(append_pattern(b, 900 * KIB, true) == BUFFER_OK && b->rest->storage.committed == MIB);
    close_buffer();
}

static void huge_never_does_not_ask(void)
{
    struct buffer *b;
    open_advised(&b, BUFFER_HUGE_NEVER);
    CHECK(append_pattern(b, 5 * MIB, true) == BUFFER_OK && !b->rest->storage.huge);
    CHECK(!has_flag(b->start, " hg"));
    close_buffer();
}

static void huge_never_takes_the_advice_off(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 5 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    const char *base = buffer_base(b);
    begin_next_life(b, BUFFER_HUGE_NEVER);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && !b->rest->storage.huge && !has_flag(base, " hg"));
    close_buffer();
}

/* The pages that stay keep their advice, whatever has become of the others. */
static void a_shrunk_buffer_leaves_no_advice_to_the_next(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 9 * MIB, true) == BUFFER_OK);
    CHECK(buffer_fit(b, false) == BUFFER_OK && !b->rest->storage.huge && has_flag(b->start, " hg"));
    const char *base = buffer_base(b);
    begin_next_life(b, BUFFER_HUGE_NEVER);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && !has_flag(base, " hg") && !has_flag(base + 8 * MIB, " hg"));
    close_buffer();
}

static void a_dropped_front_leaves_no_advice_to_the_next(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 10 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 5 * MIB);
    const char *base = buffer_base(b);
    CHECK(b->rest->given_back > 0);
    begin_next_life(b, BUFFER_HUGE_NEVER);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && !has_flag(base + 9 * MIB, " hg"));
    close_buffer();
}

/* More is missing than is warm. */
static void a_range_without_most_of_it_does_not_wait(void)
{
    struct buffer *b = open_buffer();
    if (append_pattern(b, 10 * MIB, true) == BUFFER_OK && b->tier == BUFFER_RESERVED) {
        buffer_drop_front(b, 9 * MIB);
        CHECK(b->rest->given_back > 0);
        buffer_free(b);
        CHECK(fixture.env.pool->idle_count == 0 && fixture.env.pool->live == 0);
        buffer_init(b, &fixture.env);
    }
    close_buffer();
}

static void huge_never_forbids_where_all_are_huge(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_NEVER)
    fixture.env.pool->info.thp = VMEM_THP_ALWAYS;
    buffer_promote(b, false);
    CHECK(has_flag(b->start, " nh"));
    buffer_free(b);
    CHECK(fixture.env.pool->idle_count == 0); /* or the next buffer would inherit it */
    fixture_close(&fixture);
}

static void who_may_have_huge_pages_keeps_those_of_the_last_owner(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    fixture.env.pool->info.thp = VMEM_THP_ALWAYS;
    CHECK(append_pattern(b, 4 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    const char *base = buffer_base(b);
    begin_next_life(b, BUFFER_HUGE_AUTO);
    CHECK(append_pattern(b, 12 * MIB, true) == BUFFER_OK);
    CHECK(buffer_base(b) == base && !has_flag(base + 8 * MIB, " nh"));
    close_buffer();
}

static void who_forbids_huge_pages_does_so_after_pages_went(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_NEVER)
    fixture.env.pool->info.thp = VMEM_THP_ALWAYS;
    buffer_promote(b, false);
    CHECK(append_pattern(b, 16 * MIB, true) == BUFFER_OK);
    buffer_truncate(b, 100);
    CHECK(b->rest->storage.committed < 8 * MIB);
    CHECK(append_pattern(b, 12 * MIB, true) == BUFFER_OK);
    CHECK(has_flag(buffer_base(b) + 10 * MIB, " nh"));
    close_buffer();
}

/* Low latency forbids them, and may be over by the time that the range is given up. */
static void a_range_that_forbids_does_not_wait(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_AUTO)
    fixture.env.pool->info.thp = VMEM_THP_ALWAYS;
    fixture.env.pool->low_latency = true;
    buffer_promote(b, false);
    CHECK(has_flag(b->start, " nh"));
    fixture.env.pool->low_latency = false;
    buffer_free(b);
    CHECK(fixture.env.pool->idle_count == 0);
    fixture_close(&fixture);
}

static void advice_is_given_again_after_pages_went(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_AUTO)
    CHECK(append_pattern(b, 30 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    buffer_truncate(b, 100);
    CHECK(b->rest->storage.committed < 30 * MIB);
    CHECK(append_pattern(b, 20 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    CHECK(has_flag(b->start + 16 * MIB, " hg"));
    close_buffer();
}

/* The page before the first huge one is not worth a call, and the whole range would count as without
 * advice from then on. */
static void a_front_of_less_than_a_huge_page_stays(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_ALWAYS)
    CHECK(append_pattern(b, 6 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    buffer_drop_front(b, 2 * MIB - 1);
    CHECK(b->rest->given_back == 0 && buffer_check(b));
    buffer_drop_front(b, page_size() + 1);
    CHECK(b->rest->given_back == 2 * MIB + b->rest->storage.lead && buffer_check(b));
    close_buffer();
}

struct memory {
    unsigned long resident; /* KiB */
    unsigned long huge;     /* how much of it stands in huge pages */
};

static void add_mapping(void *context, const char *line)
{
    struct memory *memory = context;
    unsigned long size;
    if (sscanf(line, "Rss: %lu", &size) == 1) {
        memory->resident += size;
    } else if (sscanf(line, "AnonHugePages: %lu", &size) == 1) {
        memory->huge += size;
    }
}

/* What stands behind the committed part, which may be several mappings. */
static struct memory memory_of(const char *base, size_t size)
{
    struct memory memory = {0, 0};
    CHECK(visit_mappings(&(struct mappings){base, size, add_mapping, &memory}));
    return memory;
}

static struct memory memory_behind(const struct buffer *b)
{
    return memory_of(buffer_base(b), buffer_accessible(b));
}

/* Whether the system has that many huge pages to give, 2 MiB each, to whoever begins with one. */
static bool are_huge_pages_to_be_had(size_t size)
{
    const struct vmem_info *info = &fixture.env.pool->info;
    void *base;
    if (!info->can_advise_huge || info->huge_page_size != 2 * MIB) {
        return false;
    }
    CHECK(vmem_reserve(size, 2 * MIB, &base) == 0 && vmem_commit(base, size) == 0);
    CHECK(vmem_advise_huge(base, size, true) == 0);
    memset(base, 1, size);
    struct memory memory = memory_of(base, size);
    CHECK(vmem_release(base, size) == 0);
    return memory.huge == size / KIB;
}

static void fill_in_pieces(struct buffer *b, size_t size)
{
    while (b->length < size) {
        CHECK(buffer_ensure(b, 64 * KIB, true) == BUFFER_OK);
        memset(buffer_take_in(b, 64 * KIB), 'x', 64 * KIB);
    }
}

/* Not even for the terminator; in the first life of a range, and in the next. The first block has
 * small pages where huge ones are not asked for from the start. */
static void check_whole_huge_pages(enum buffer_huge huge, size_t small)
{
    struct buffer *b;
    bool can = open_advised(&b, huge);
    if (!can || !are_huge_pages_to_be_had(32 * MIB)) {
        close_buffer();
        SKIP("no huge pages are to be had");
    }
    fixture.env.pool->budget = 64 * MIB;
    for (int life = 0; life < 3; life++) {
        fill_in_pieces(b, 32 * MIB);
        CHECK(memory_behind(b).resident <= (32 * MIB + 16 * KIB) / KIB);
        CHECK(memory_behind(b).huge >= (32 * MIB - small) / KIB);
        CHECK(buffer_check(b));
        begin_next_life(b, huge);
    }
    close_buffer();
}

static void whole_huge_pages_need_no_other(void)
{
    check_whole_huge_pages(BUFFER_HUGE_ALWAYS, 0);
}

static void huge_pages_follow_the_first_small_ones(void)
{
    check_whole_huge_pages(BUFFER_HUGE_AUTO, 2 * MIB);
}

/* From a reservation that begins before a huge page, and from one that is too small for that. */
static void remapped_huge_pages_stay_whole(void)
{
    for (size_t reservation = 8 * MIB; reservation <= 64 * MIB; reservation *= 8) {
        struct buffer *b;
        bool can = open_advised(&b, BUFFER_HUGE_ALWAYS);
        if (!can || !are_huge_pages_to_be_had(32 * MIB)) {
            close_buffer();
            SKIP("no huge pages are to be had");
        }
        fixture.env.pool->reservation = reservation;
        fill_in_pieces(b, reservation - 64 * KIB);
        const char *base = buffer_base(b);
        struct memory before = memory_behind(b);
        CHECK(before.huge >= (reservation - 4 * MIB) / KIB);
        CHECK(buffer_ensure(b, 2 * reservation, true) == BUFFER_OK);
        CHECK(buffer_base(b) != base && b->rest->storage.huge);
        struct memory after = memory_behind(b);
        CHECK(after.huge == before.huge && after.resident == before.resident);
        fill_in_pieces(b, 2 * reservation);
        CHECK(memory_behind(b).huge >= (2 * reservation - 4 * MIB) / KIB && buffer_check(b));
        close_buffer();
    }
}

static void remapped_ranges_are_advised_anew(void)
{
    OPEN_ADVISED_OR_SKIP(BUFFER_HUGE_AUTO)
    fixture.env.pool->reservation = 8 * MIB;
    CHECK(append_pattern(b, 7 * MIB, true) == BUFFER_OK && buffer_size(b) == 8 * MIB);
    CHECK(append_pattern(b, 20 * MIB, true) == BUFFER_OK && b->rest->storage.huge);
    CHECK(has_flag(b->start + 25 * MIB, " hg") && holds_pattern(b, 0, 27 * MIB));
    close_buffer();
}
#endif

static void named_buffers_work(void)
{
    struct buffer *b = open_buffer_with(MIB);
    CHECK(buffer_need_rest(b) == BUFFER_OK);
    b->rest->name = "packets";
    fixture.env.pool->info.can_name = true; /* where it cannot, the refusal is no matter */
    CHECK(append_pattern(b, 900 * KIB, true) == BUFFER_OK);
    CHECK(append_pattern(b, 2 * MIB, true) == BUFFER_OK && holds_pattern(b, 0, b->length));
    close_buffer();
}

static void every_commit_is_tracked(void)
{
    struct buffer *b = open_buffer_with(MIB);
    for (size_t n = 1; b->length < 20 * MIB; n += 1 + n / 2) {
        CHECK(append_pattern(b, n, true) == BUFFER_OK);
        bool paged = b->tier == BUFFER_RESERVED;
        CHECK(fixture.tracked_count == (paged ? 1u : 0u));
        CHECK(fixture_tracked(&fixture, buffer_base(b)) == (paged ? b->rest->storage.committed : 0));
    }
    CHECK(buffer_fit(b, true) == BUFFER_OK);
    CHECK(fixture_tracked(&fixture, buffer_base(b)) == b->rest->storage.committed);
    buffer_truncate(b, 10);
    CHECK(buffer_fit(b, true) == BUFFER_OK && b->tier == BUFFER_HEAP);
    CHECK(fixture.tracked_count == 0);
    close_buffer();
}

static void tracking_is_optional(void)
{
    struct buffer *b = open_buffer();
    fixture.env.committed = NULL;
    CHECK(append_pattern(b, 5 * MIB, true) == BUFFER_OK);
    close_buffer();
}

/* ---- the page map -------------------------------------------------------------------------- */

static void blocks_have_no_pages(void)
{
    struct buffer *b = open_buffer();
    CHECK(buffer_page_count(b) == 0 && buffer_page_map(b, NULL) == BUFFER_OK);
    CHECK(append_pattern(b, 100, true) == BUFFER_OK);
    CHECK(buffer_page_count(b) == 0 && buffer_page_map(b, NULL) == BUFFER_OK);
    close_buffer();
}

static void the_page_map_tells_three_states(void)
{
    struct buffer *b = open_buffer();
    b->huge = BUFFER_HUGE_NEVER;
    if (!fixture.env.pool->info.can_query_resident) {
        close_buffer();
        SKIP("the system does not tell what is resident");
    }
    CHECK(append_pattern(b, 3 * MIB, true) == BUFFER_OK);
    buffer_drop_front(b, 2 * MIB);
    CHECK(buffer_ensure(b, 4 * MIB, false) == BUFFER_OK);
    size_t page = page_size();
    size_t count = buffer_page_count(b);
    unsigned char *pages = malloc(count);
    CHECK(count == b->rest->storage.committed / page && pages != NULL);
    CHECK(buffer_page_map(b, pages) == BUFFER_OK);
    CHECK(pages[0] == BUFFER_PAGE_RESERVED && pages[2 * MIB / page - 1] == BUFFER_PAGE_RESERVED);
    CHECK(pages[2 * MIB / page] == BUFFER_PAGE_RESIDENT);
    CHECK(pages[count - 1] == BUFFER_PAGE_COMMITTED);
    free(pages);
    close_buffer();
}

/* ---- old contents -------------------------------------------------------------------------- */

/* One buffer writes secrets all over a range, the next one gets the range. */
static struct buffer *open_second_hand(void)
{
    struct buffer *b = open_buffer();
    const char *base;
    CHECK(buffer_ensure(b, 3 * MIB, true) == BUFFER_OK);
    memset(buffer_take_in(b, 3 * MIB), 's', 3 * MIB);
    base = buffer_base(b);
    buffer_free(b);
    owner_init(&owner, &fixture);
    CHECK(append_pattern(b, 5, true) == BUFFER_OK);
    buffer_promote(b, false);
    /* A frugal system takes the memory back at once, and then there is nothing to hide. */
    if (!pool_is_frugal(fixture.env.pool)) {
        const struct range *range = &b->rest->storage;
        size_t written = 3 * MIB + 1, whole = range_round_up(range, written, GROWTH_COMMIT_BLOCK);
        CHECK(buffer_base(b) == base && range->dirty == (range->huge ? whole : written));
    }
    CHECK(buffer_check(b));
    CHECK(b->start[5] == 0);
    return b;
}

static void zeros_hide_old_contents(void)
{
    struct buffer *b = open_second_hand();
    CHECK(buffer_extend_zero(b, 4 * MIB, false) == BUFFER_OK && buffer_check(b));
    CHECK(holds_pattern(b, 0, 5) && holds_zeros(b->start + 5, 4 * MIB + 1));
    close_buffer();
}

static void zeros_by_and_by_hide_old_contents(void)
{
    struct buffer *b = open_second_hand();
    for (size_t n = 0; b->length < 4 * MIB; n += 1 + n / 3) {
        size_t at = b->length;
        CHECK(buffer_extend_zero(b, n, false) == BUFFER_OK && buffer_check(b));
        CHECK(holds_zeros(b->start + at, n + 1));
    }
    close_buffer();
}

static void lent_tails_hide_old_contents(void)
{
    struct buffer *b = open_second_hand();
    for (size_t n = 0; n < 4 * MIB; n += 1 + n / 3) {
        CHECK(b->start + b->length == spare(b, n, false) && holds_zeros(b->start + 5, n + 1));
    }
    advance(b, 2 * MIB);
    CHECK(holds_zeros(b->start + 5, 2 * MIB + 1));
    close_buffer();
}

static void a_partly_written_tail_is_not_shown_to_the_next(void)
{
    struct buffer *b = open_reserved(10);
    memset(spare(b, 10000, false), 's', 10000);
    buffer_free(b);
    owner_init(&owner, &fixture);
    buffer_promote(b, false);
    CHECK(buffer_check(b));
    CHECK(buffer_extend_zero(b, 20000, false) == BUFFER_OK && holds_zeros(b->start, 20001));
    close_buffer();
}

static void ranges_with_a_dropped_front_are_reused(void)
{
    struct buffer *b = open_reserved(10 * MIB);
    const char *base = buffer_base(b);
    buffer_drop_front(b, 5 * MIB);
    CHECK(b->rest->given_back > 0);
    buffer_free(b);
    owner_init(&owner, &fixture);
    buffer_promote(b, false);
    CHECK(buffer_base(b) == base && b->rest->given_back == 0 && buffer_check(b));
    CHECK(buffer_extend_zero(b, 10 * MIB, false) == BUFFER_OK && buffer_check(b));
    CHECK(holds_zeros(b->start, 10 * MIB + 1));
    close_buffer();
}

static void many_buffers_share_the_pool(void)
{
    static struct owner owners[100];
    fixture_open_with(&fixture, MIB, 4 * MIB);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 100; i++) {
            owner_init(&owners[i], &fixture);
            CHECK(append_pattern(&owners[i].b, 1 + i * 700, true) == BUFFER_OK);
            fixture.env.committed = NULL; /* more than the fixture can remember */
            buffer_promote(&owners[i].b, i % 2 == 0);
        }
        for (size_t i = 0; i < 100; i++) {
            CHECK(buffer_check(&owners[i].b) && holds_pattern(&owners[i].b, 0, 1 + i * 700));
            buffer_free(&owners[i].b);
        }
        CHECK(fixture.env.pool->idle_count == POOL_SLOTS);
        CHECK(fixture.env.pool->idle_bytes <= 4 * MIB + POOL_SLOTS * 64 * KIB);
    }
    fixture_close(&fixture);
}

static const struct check_test tests[] = {
#ifdef __linux__
    TEST(large_buffers_ask_for_huge_pages),
    TEST(huge_always_asks_at_once),
    TEST(whole_huge_pages_need_no_other),
    TEST(huge_pages_follow_the_first_small_ones),
    TEST(remapped_huge_pages_stay_whole),
    TEST(huge_always_keeps_to_a_small_range),
    TEST(huge_never_does_not_ask),
    TEST(huge_never_takes_the_advice_off),
    TEST(a_shrunk_buffer_leaves_no_advice_to_the_next),
    TEST(a_dropped_front_leaves_no_advice_to_the_next),
    TEST(a_range_without_most_of_it_does_not_wait),
    TEST(huge_never_forbids_where_all_are_huge),
    TEST(who_may_have_huge_pages_keeps_those_of_the_last_owner),
    TEST(who_forbids_huge_pages_does_so_after_pages_went),
    TEST(a_range_that_forbids_does_not_wait),
    TEST(advice_is_given_again_after_pages_went),
    TEST(a_front_of_less_than_a_huge_page_stays),
    TEST(remapped_ranges_are_advised_anew),
#endif
    TEST(named_buffers_work),
    TEST(every_commit_is_tracked),
    TEST(tracking_is_optional),
    TEST(blocks_have_no_pages),
    TEST(the_page_map_tells_three_states),
    TEST(zeros_hide_old_contents),
    TEST(zeros_by_and_by_hide_old_contents),
    TEST(lent_tails_hide_old_contents),
    TEST(a_partly_written_tail_is_not_shown_to_the_next),
    TEST(ranges_with_a_dropped_front_are_reused),
    TEST(many_buffers_share_the_pool),
};

CHECK_MAIN(tests)
