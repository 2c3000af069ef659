/* test_copy.c - copying to each placement within a page, overlapping or not.
 *
 * What a reader would get wrong: nothing here is about time. That the slow placement is avoided shows
 * in benchmarks/placement.py; here every byte must arrive, and none beside them be touched.
 */
#include "check.h"
#include "copy.h"

enum { PAGE = 4096, ROOM = 6 * PAGE };

static unsigned char memory[ROOM], expected[ROOM];

static void fill(void)
{
    for (size_t i = 0; i < ROOM; i++)
        memory[i] = expected[i] = (unsigned char)(i * 131 + i / 251);
}

static bool copies_like_memmove(void (*copy)(char *, const char *, size_t), size_t to, size_t from,
                                size_t n)
{
    fill();
    memmove(expected + to, expected + from, n);
    copy((char *)memory + to, (char *)memory + from, n);
    return memcmp(memory, expected, ROOM) == 0;
}

static void every_size_arrives(void)
{
    for (size_t n = 0; n <= 300; n++)
        CHECK(copies_like_memmove(copy_downward, 4 * PAGE + 16, PAGE, n));
}

static void every_size_arrives_upward(void)
{
    for (size_t n = 0; n <= 300; n++)
        CHECK(copies_like_memmove(copy_upward, 4 * PAGE + 16, PAGE, n));
}

static void every_placement_arrives(void)
{
    for (size_t ahead = 0; ahead < 80; ahead++)
        for (size_t n = COPY_LONG - 1; n <= COPY_LONG + 65; n += 3)
            CHECK(copies_like_memmove(copy_memory, 3 * PAGE + ahead, PAGE, n));
    for (size_t ahead = 0; ahead < 80; ahead++)
        for (size_t n = COPY_UNEVEN_LEAST - 1; n <= COPY_UNEVEN_LEAST + 65; n += 3)
            CHECK(copies_like_memmove(copy_memory, 3 * PAGE + ahead, 0, n) &&
                  copies_like_memmove(copy_memory, 3 * PAGE - ahead, 0, n));
}

static void a_target_above_its_source_may_overlap(void)
{
    for (size_t ahead = 1; ahead < 80; ahead++)
        CHECK(copies_like_memmove(copy_memory, PAGE + ahead, PAGE, 2 * PAGE + 5));
}

static void a_target_just_below_its_source_may_overlap(void)
{
    for (size_t below = 1; below < 80; below++)
        CHECK(copies_like_memmove(copy_upward, PAGE - below, PAGE, 2 * PAGE + 5) &&
              copies_like_memmove(copy_memory, PAGE - below, PAGE, 2 * PAGE + 5));
}

static void a_target_below_its_source_may_overlap(void)
{
    for (size_t ahead = 1; ahead < 80; ahead++)
        CHECK(copies_like_memmove(copy_memory, ahead, PAGE, 3 * PAGE + 5));
}

static void the_window_is_what_lies_just_before_the_target(void)
{
    const char *page = (const char *)(uintptr_t)(16 * PAGE);
    CHECK(!copy_collides(page, page));
    CHECK(copy_collides(page, page - 1));
    CHECK(copy_collides(page, page - COPY_WINDOW + 1));
    CHECK(!copy_collides(page, page - COPY_WINDOW));
    CHECK(!copy_collides(page, page + 1));
    CHECK(copy_collides(page, page + COPY_ALIAS - 16));
    CHECK(copy_collides(page + 3 * COPY_ALIAS, page - 16));
}

static void what_is_uneven(void)
{
    const char *page = (const char *)(uintptr_t)(16 * PAGE);
    CHECK(copy_is_uneven(page, page + 16, COPY_UNEVEN_MOST));
    CHECK(copy_is_uneven(page, page - 48, COPY_UNEVEN_LEAST));
    CHECK(!copy_is_uneven(page, page + 16, COPY_UNEVEN_MOST + 1));
    CHECK(!copy_is_uneven(page, page + 16, COPY_UNEVEN_LEAST - 1));
    CHECK(!copy_is_uneven(page, page + 32, COPY_UNEVEN_MOST));
}

static const struct check_test tests[] = {
    TEST(every_size_arrives),
    TEST(every_size_arrives_upward),
    TEST(every_placement_arrives),
    TEST(a_target_above_its_source_may_overlap),
    TEST(a_target_just_below_its_source_may_overlap),
    TEST(a_target_below_its_source_may_overlap),
    TEST(the_window_is_what_lies_just_before_the_target),
    TEST(what_is_uneven),
};

CHECK_MAIN(tests)
