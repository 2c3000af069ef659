/* check.h - the whole test harness of the C tests.
 *
 * A test is a function without arguments; a test program is a table of them:
 *
 *     static void appends_one_byte(void) { CHECK(1 + 1 == 2); }
 *     static const struct check_test tests[] = {TEST(appends_one_byte)};
 *     CHECK_MAIN(tests)
 *
 * `program` runs all tests, `program name` one of them. The last line printed is
 * `N passed, 0 failed`; a test that was skipped is in neither number and is counted on a line of
 * its own. Exit code 0 when all went well, 1 for a failed check, 2 for an unknown name.
 *
 * What a reader would get wrong: the first failed CHECK ends the program (the tests after it are
 * not run), so a test need not tidy up after a failure.
 */
#ifndef GROWABLE_CHECK_H
#define GROWABLE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_test {
    const char *name;
    void (*run)(void);
};

#define TEST(function) {#function, function}

/* Why the running test was skipped, or NULL. */
static const char *check_skip_reason;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            check_failed(__FILE__, __LINE__, #condition);                                          \
        }                                                                                          \
    } while (0)

/* Leaves the test function that it stands in. */
#define SKIP(reason)                                                                               \
    do {                                                                                           \
        check_skip_reason = (reason);                                                              \
        return;                                                                                    \
    } while (0)

static inline void check_failed(const char *file, int line, const char *condition)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, condition);
    exit(1);
}

static inline bool check_run(const struct check_test *test)
{
    printf("%s ... ", test->name);
    fflush(stdout);
    check_skip_reason = NULL;
    test->run();
    if (check_skip_reason != NULL) {
        printf("skipped: %s\n", check_skip_reason);
        return false;
    }
    printf("ok\n");
    return true;
}

static inline int check_main(int argc, char **argv, const struct check_test *tests, size_t count)
{
    const char *wanted = argc > 1 ? argv[1] : NULL;
    unsigned passed = 0;
    unsigned skipped = 0;
    for (size_t i = 0; i < count; i++) {
        if (wanted != NULL && strcmp(wanted, tests[i].name) != 0) {
            continue;
        }
        if (check_run(&tests[i])) {
            passed++;
        } else {
            skipped++;
        }
    }
    if (wanted != NULL && passed + skipped == 0) {
        fprintf(stderr, "no test is called %s\n", wanted);
        return 2;
    }
    if (skipped != 0) {
        printf("%u skipped\n", skipped);
    }
    printf("%u passed, 0 failed\n", passed);
    return 0;
}

#define CHECK_MAIN(tests)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return check_main(argc, argv, tests, sizeof(tests) / sizeof(tests)[0]);                    \
    }

#endif
