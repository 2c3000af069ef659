/* env.c - see env.h. */
#include "env.h"

#include <string.h>

#include "pool.h"

_Static_assert((int)ENV_LARGE_PAGE_SIZES == VMEM_LARGE_PAGE_SIZES, "all sizes are told");

int
env_open(struct buffer_env *env, const struct env_settings *settings)
{
    env->pool = env->allocate(env->context, sizeof *env->pool);
    if (env->pool == NULL)
        return ENV_NO_MEMORY;
    int error = pool_init(env->pool, settings);
    if (error != 0) {
        env->free(env->context, env->pool);
        env->pool = NULL;
    }
    return error;
}

void
env_close(struct buffer_env *env)
{
    if (env->pool == NULL)
        return;
    pool_clear(env->pool);
    env->free(env->context, env->pool);
    env->pool = NULL;
}

void
env_configure(struct buffer_env *env, const struct env_settings *settings)
{
    pool_configure(env->pool, settings);
    if (settings->low_latency)
        pool_prepare(env->pool);
}

void
env_prepare(struct buffer_env *env)
{
    pool_clear(env->pool);
    pool_prepare_first(env->pool);
}

size_t
env_trim(struct buffer_env *env)
{
    size_t memory = pool_waiting(env->pool);
    pool_clear(env->pool);
    return memory;
}

static void
query_system(const struct vmem_info *info, struct env_facts *facts)
{
    static const char *const overcommit[] = {"heuristic", "always", "never"};
    static const char *const thp[] = {"unsupported", "never", "advised", "always"};
    facts->page_size = info->page_size;
    facts->granularity = info->granularity;
    facts->huge_page_size = info->huge_page_size;
    facts->address_limit = info->address_limit;
    facts->data_limit = info->data_limit;
    facts->max_mappings = info->max_mappings;
    facts->lock_limit = info->lock_limit;
    facts->numa_nodes = info->numa_nodes;
    for (int i = 0; i < ENV_LARGE_PAGE_SIZES; i++)
        facts->large_page_sizes[i] = info->large_page_sizes[i];
    facts->overcommit = overcommit[info->overcommit];
    facts->thp = thp[info->thp];
}

static void
query_capabilities(const struct vmem_info *info, struct env_facts *facts)
{
    facts->reserve_lazy = info->can_reserve_lazy;
    facts->discard = info->can_discard;
    facts->populate = info->can_populate;
    facts->advise_huge = info->can_advise_huge;
    facts->name = info->can_name;
    facts->remap = info->can_remap;
    facts->query_resident = info->can_query_resident;
    facts->lock = info->can_lock;
    facts->prefetch = info->can_prefetch;
    facts->large_pages = info->can_large_pages;
    facts->query_memory = info->can_query_memory;
    facts->set_caching = info->can_set_caching;
    facts->undo_discard = info->can_undo_discard;
    facts->offer = info->can_offer;
    facts->other_process = info->can_other_process;
    facts->placeholder = info->can_placeholder;
    facts->prefer_node = info->can_prefer_node;
    facts->query_node = info->can_query_node;
    facts->write_watch = info->can_write_watch;
}

void
env_query(struct buffer_env *env, struct env_facts *facts)
{
    struct pool *pool = env->pool;
    pool_look_again(pool);
    query_system(&pool->info, facts);
    query_capabilities(&pool->info, facts);
    facts->settings = (struct env_settings){
        .reservation = pool->reservation, .budget = pool->budget, .limit = pool->limit,
        .prefault = pool->prefault, .low_latency = pool->low_latency};
    facts->reservations = pool->live;
    facts->reserved_bytes = pool->live_bytes + pool->exact_bytes;
    facts->pooled = pool->idle_count;
    facts->pooled_bytes = pool->idle_bytes;
    facts->discarded_bytes = pool->idle_discarded;
}

void
env_probe(struct buffer_env *env)
{
    pool_probe(env->pool);
}

bool
env_has_huge_pages(const struct buffer_env *env)
{
    const struct vmem_info *info = &env->pool->info;
    return info->can_advise_huge && info->thp != VMEM_THP_NEVER &&
           info->thp != VMEM_THP_UNSUPPORTED;
}

const char *
env_limit(int error)
{
    return vmem_is_out_of_mappings(error) ? "vm.max_map_count" : NULL;
}

const char *
env_reservation_limit(const struct buffer_env *env, int error)
{
    const struct vmem_info *info = &env->pool->info;
    const char *limit = env_limit(error);
    if (limit != NULL)
        return limit;
    if (info->address_limit != VMEM_NO_LIMIT)
        return "RLIMIT_AS";
    return env->pool->live >= pool_most_ranges(env->pool) ? "vm.max_map_count" : "address space";
}

const char *
env_commit_limit(const struct buffer_env *env, int error)
{
    const struct vmem_info *info = &env->pool->info;
    const char *limit = env_limit(error);
    if (limit != NULL)
        return limit;
    if (info->data_limit != VMEM_NO_LIMIT)
        return "RLIMIT_DATA";
    if (info->overcommit == VMEM_OVERCOMMIT_NEVER)
        return "CommitLimit, by vm.overcommit_memory=2";
    return info->address_limit != VMEM_NO_LIMIT ? "RLIMIT_AS" : "memory";
}

const char *
env_lock_limit(const struct buffer_env *env, int error)
{
    const char *limit = env_limit(error);
    if (limit != NULL)
        return limit;
    return env->pool->info.lock_limit == VMEM_NO_LIMIT ? "memory" : "RLIMIT_MEMLOCK";
}

const char *
env_missing_privilege(int error)
{
    return vmem_missing_privilege(error);
}

void
env_describe_error(int error, char *text, size_t size)
{
    static const char refused[] = "more than is left of the process's share of addresses or mappings";
    if (error > 0)
        vmem_describe(error, text, size);
    else if (size > 0) {
        size_t n = sizeof refused < size ? sizeof refused : size;
        memcpy(text, refused, n);
        text[n - 1] = 0;
    }
}
