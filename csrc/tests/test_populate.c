/* test_populate.c - memory that the writer asks for before it writes a long piece.
 *
 * What a reader would get wrong: nothing is written in the first tests. That pages are resident all
 * the same is what they look at.
 */
#include "fixture.h"
#include "growth.h"
#include "pool.h"
#include "populate.h"

static struct fixture fixture;
static struct owner owner;

/* Reserved, and with room for a mebibyte; NULL where pages are not put there some at a time. */
static struct buffer *open_buffer(void)
{
    fixture_open_with(&fixture, 64 * MIB, 16 * MIB);
    owner_init(&owner, &fixture);
    const struct vmem_info *info = &fixture.env.pool->info;
    if (!info->can_populate || info->thp == VMEM_THP_ALWAYS)
        return NULL;
    buffer_promote(&owner.b, false);
    CHECK(owner.b.tier == BUFFER_RESERVED);
    CHECK(buffer_ensure(&owner.b, MIB, true) == BUFFER_OK);
    return &owner.b;
}

static void close_buffer(void)
{
    buffer_free(&owner.b);
    fixture_close(&fixture);
}

static size_t resident(const struct buffer *b, size_t from, size_t to)
{
    static unsigned char pages[1024];
    size_t page = fixture.env.pool->info.page_size, count = 0;
    CHECK((to - from) / page <= sizeof pages);
    CHECK(vmem_query_resident(buffer_base(b) + from, to - from, pages) == 0);
    for (size_t i = 0; i < (to - from) / page; i++)
        count += pages[i];
    return count * page;
}

#define OPEN_OR_SKIP()                                                                             \
    struct buffer *b = open_buffer();                                                              \
    if (b == NULL) {                                                                               \
        close_buffer();                                                                            \
        SKIP("pages are not put there some at a time");                                            \
    }

static void what_is_expected_is_there(void)
{
    OPEN_OR_SKIP();
    populate_expected(b, 256 * KIB);
    CHECK(b->rest->populated == 256 * KIB);
    CHECK(resident(b, 0, 256 * KIB) == 256 * KIB);
    CHECK(resident(b, 256 * KIB, MIB) == 0);
    close_buffer();
}

static void no_more_is_asked_for_than_is_missing(void)
{
    OPEN_OR_SKIP();
    populate_expected(b, 256 * KIB);
    populate_expected(b, 128 * KIB);
    CHECK(b->rest->populated == 256 * KIB);
    populate_expected(b, 512 * KIB);
    CHECK(resident(b, 0, 512 * KIB) == 512 * KIB);
    close_buffer();
}

static void a_few_pages_are_not_worth_a_call(void)
{
    OPEN_OR_SKIP();
    populate_expected(b, GROWTH_POPULATE_WRITE - 1);
    CHECK(b->rest->populated == 0 && resident(b, 64 * KIB, MIB) == 0);
    close_buffer();
}

static void nothing_is_asked_for_when_switched_off(void)
{
    OPEN_OR_SKIP();
    fixture.env.pool->prefault = ENV_PREFAULT_OFF;
    populate_expected(b, 256 * KIB);
    CHECK(b->rest->populated == 0 && resident(b, 64 * KIB, MIB) == 0);
    close_buffer();
}

static void a_long_piece_is_expected(void)
{
    OPEN_OR_SKIP();
    static char piece[100000];
    memset(piece, 'x', sizeof piece);
    buffer_replace_end(b, 0, piece, sizeof piece);
    CHECK(b->rest->populated > sizeof piece);
    CHECK(b->length == sizeof piece && memcmp(b->start, piece, sizeof piece) == 0);
    CHECK(b->start[b->length] == 0 && buffer_check(b));
    close_buffer();
}

static void the_pool_counts_what_was_expected(void)
{
    OPEN_OR_SKIP();
    fixture.env.pool->info.overcommit = VMEM_OVERCOMMIT_HEURISTIC;
    populate_expected(b, 512 * KIB);
    buffer_free(b);
    CHECK(fixture.env.pool->idle_bytes >= 512 * KIB);
    owner_init(&owner, &fixture);
    close_buffer();
}

/* How far a buffer's storage is. */
struct progress {
    size_t committed, populated;
};

static struct progress progress_of(const struct buffer *b)
{
    return (struct progress){b->rest->storage.committed, b->rest->populated};
}

static void check_quick_append(struct buffer *b)
{
    struct progress before = progress_of(b);
    CHECK(buffer_ensure(b, KIB, true) == BUFFER_OK);
    memset(buffer_take_in(b, KIB), 'q', KIB);
    struct progress after = progress_of(b);
    CHECK(after.committed == before.committed || after.populated == before.populated);
    CHECK(after.committed - before.committed <= GROWTH_COMMIT_QUICK);
    CHECK(after.populated - before.populated <= 4 * GROWTH_POPULATE_QUICK);
    CHECK(after.populated > b->length); /* no page is left to a fault */
}

static void no_append_both_commits_and_asks_for_pages(void)
{
    OPEN_OR_SKIP();
    fixture.env.pool->low_latency = true;
    if (pool_is_frugal(fixture.env.pool) || fixture.env.pool->info.page_size > 4 * KIB) {
        close_buffer();
        SKIP("other steps");
    }
    populate_expected(b, MIB + 1); /* for so much there is room */
    while (b->length < 12 * MIB)
        check_quick_append(b);
    CHECK(buffer_check(b));
    close_buffer();
}

static const struct check_test tests[] = {
    TEST(what_is_expected_is_there),
    TEST(no_more_is_asked_for_than_is_missing),
    TEST(a_few_pages_are_not_worth_a_call),
    TEST(nothing_is_asked_for_when_switched_off),
    TEST(a_long_piece_is_expected),
    TEST(the_pool_counts_what_was_expected),
    TEST(no_append_both_commits_and_asks_for_pages),
};

CHECK_MAIN(tests)
