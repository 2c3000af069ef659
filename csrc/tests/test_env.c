/* test_env.c - an environment: how it is opened and configured, and what it tells.
 *
 * What a reader would get wrong: errors are described from what was noted of them, not from errno.
 */
#include "pool_support.h"

static void an_environment_opens_and_closes(void)
{
    struct fixture f;
    fixture_open(&f);
    CHECK(f.blocks == 1 && f.env.pool->reservation == 64 * MIB);
    fixture_close(&f);
    CHECK(f.env.pool == NULL);
    env_close(&f.env);
}

static void an_environment_needs_memory(void)
{
    struct fixture f;
    fixture_prepare(&f);
    f.fail_at = 1;
    f.fails = 1;
    CHECK(env_open(&f.env, &SETTINGS) == ENV_NO_MEMORY && f.env.pool == NULL && f.blocks == 0);
    env_close(&f.env);
}

static void configuring_drops_idle_ranges(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range range = take(pool, 1);
    pool_give(pool, &range);
    env_configure(&fixture.env, &SETTINGS);
    CHECK(pool->idle_count == 0 && pool->reservation == 8 * MIB && pool->budget == MIB &&
          pool->limit == 4 * MIB && pool->prefault == ENV_PREFAULT_BACKGROUND);
    range = take(pool, 1);
    CHECK(range.size == 8 * MIB);
    pool_give(pool, &range);
    close_pool();
}

static void configuring_forgets_refusals(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->attainable = MIB;
    env_configure(&fixture.env, &SETTINGS);
    struct range range = take(pool, 1);
    CHECK(range.size == 8 * MIB);
    pool_discard(pool, &range);
    close_pool();
}

static void facts_are_told(void)
{
    struct env_facts facts;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct range idle = take(pool, 1);
    struct range live = take(pool, 1);
    use(&idle, MIB);
    pool_give(pool, &idle);
    memset(&facts, 0x55, sizeof facts);
    env_query(&fixture.env, &facts);
    CHECK(facts.page_size == pool->info.page_size && facts.granularity >= facts.page_size);
    CHECK(facts.huge_page_size == pool->info.huge_page_size);
    CHECK(facts.settings.reservation == 64 * MIB && facts.settings.budget == 16 * MIB &&
          facts.settings.limit == 16 * MIB && facts.discarded_bytes == 0);
    CHECK(facts.reservations == 2 && facts.reserved_bytes == 128 * MIB);
    CHECK(facts.pooled == 1 && facts.pooled_bytes == MIB);
    CHECK(facts.remap == pool->info.can_remap && facts.name == pool->info.can_name);
    pool_give(pool, &live);
    close_pool();
}

static void settings_have_names(void)
{
    static const char *const overcommit[] = {"heuristic", "always", "never"};
    static const char *const thp[] = {"unsupported", "never", "advised", "always"};
    struct env_facts facts;
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    env_query(&fixture.env, &facts);
    CHECK(strcmp(facts.overcommit, overcommit[pool->info.overcommit]) == 0);
    CHECK(strcmp(facts.thp, thp[pool->info.thp]) == 0);
    close_pool();
}

static void huge_pages_can_be_had_by_asking(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    pool->info.can_advise_huge = true;
    pool->info.thp = VMEM_THP_ADVISED;
    CHECK(env_has_huge_pages(&fixture.env));
    pool->info.thp = VMEM_THP_ALWAYS;
    CHECK(env_has_huge_pages(&fixture.env));
    pool->info.thp = VMEM_THP_NEVER;
    CHECK(!env_has_huge_pages(&fixture.env));
    pool->info.thp = VMEM_THP_UNSUPPORTED;
    CHECK(!env_has_huge_pages(&fixture.env));
    pool->info.thp = VMEM_THP_ADVISED;
    pool->info.can_advise_huge = false;
    CHECK(!env_has_huge_pages(&fixture.env));
    close_pool();
}

static void limits_have_names(void)
{
    struct pool *pool = open_pool(64 * MIB, 16 * MIB);
    struct vmem_info *info = &pool->info;
    info->address_limit = info->data_limit = VMEM_NO_LIMIT;
    info->overcommit = VMEM_OVERCOMMIT_HEURISTIC;
    CHECK(strcmp(env_reservation_limit(&fixture.env, 0), "address space") == 0);
    CHECK(strcmp(env_commit_limit(&fixture.env, 0), "memory") == 0);
    info->max_mappings = 0;
    CHECK(strcmp(env_reservation_limit(&fixture.env, 0), "vm.max_map_count") == 0);
    info->address_limit = MIB;
    CHECK(strcmp(env_reservation_limit(&fixture.env, 0), "RLIMIT_AS") == 0);
    CHECK(strcmp(env_commit_limit(&fixture.env, 0), "RLIMIT_AS") == 0);
    info->overcommit = VMEM_OVERCOMMIT_NEVER;
    CHECK(strstr(env_commit_limit(&fixture.env, 0), "overcommit") != NULL);
    info->data_limit = MIB;
    CHECK(strcmp(env_commit_limit(&fixture.env, 0), "RLIMIT_DATA") == 0);
    close_pool();
}

static void errors_are_described(void)
{
    char text[128] = "x";
    char one[1] = {'x'};
    env_describe_error(12, text, sizeof text);
    CHECK(strlen(text) > 0);
    env_describe_error(POOL_REFUSED, text, sizeof text);
    CHECK(strstr(text, "addresses") != NULL);
    env_describe_error(0, text, 8);
    CHECK(strlen(text) == 7);
    env_describe_error(0, one, 1);
    CHECK(one[0] == 0);
    env_describe_error(0, NULL, 0);
}

static const struct check_test tests[] = {
    TEST(an_environment_opens_and_closes),
    TEST(an_environment_needs_memory),
    TEST(configuring_drops_idle_ranges),
    TEST(configuring_forgets_refusals),
    TEST(facts_are_told),
    TEST(settings_have_names),
    TEST(huge_pages_can_be_had_by_asking),
    TEST(limits_have_names),
    TEST(errors_are_described),
};

CHECK_MAIN(tests)
