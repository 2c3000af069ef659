/* env.h - what the buffers of one interpreter share: memory, defaults, and facts of the system.
 *
 * What a reader would get wrong: this is as much of the OS layer as anything above core/ may see;
 * vmem.h is not on its include path.
 *
 * Not thread-safe: the caller serialises all calls on one environment.
 */
#ifndef GROWABLE_ENV_H
#define GROWABLE_ENV_H

#include <stdbool.h>
#include <stddef.h>

#define ENV_NO_LIMIT ((size_t)-1)

struct pool;

/* Who puts memory behind pages that are about to be written: nobody before they are, the writer by
 * some pages at a time, or a helper thread. */
enum env_prefault { ENV_PREFAULT_OFF, ENV_PREFAULT_AHEAD, ENV_PREFAULT_BACKGROUND };

/* Bytes. Reservation: the addresses that a buffer without a capacity gets. Budget: the warm memory
 * kept in idle reservations. Limit: all memory kept there, with that which the system may take. */
struct env_settings {
    size_t reservation, budget, limit;
    unsigned char prefault; /* an enum env_prefault */
    bool low_latency;       /* no huge pages, but where they were asked for; small steps */
};

/* The caller sets the callbacks, then calls env_open. */
struct buffer_env {
    void *(*allocate)(void *context, size_t size);
    void *(*reallocate)(void *context, void *block, size_t size);
    void (*free)(void *context, void *block); /* NULL is no error */
    /* Called after the committed size of a reservation changed; 0 when it is given up. */
    void (*committed)(void *context, const void *base, size_t committed);
    void *context;
    struct pool *pool;  /* private to core/ */
    size_t failed_size; /* with the last error of any buffer: see enum buffer_error */
    int system_error;
};

/* 0, the system's error code, or ENV_NO_MEMORY. */
enum { ENV_NO_MEMORY = -1 };
int env_open(struct buffer_env *env, const struct env_settings *settings);

/* No buffer of the environment may be alive. */
void env_close(struct buffer_env *env);

/* Buffers alive keep what they have. */
void env_configure(struct buffer_env *env, const struct env_settings *settings);

/* Leaves the pool as an import should: with warm pages for the first buffer, and without addresses. */
void env_prepare(struct buffer_env *env);

/* Releases idle reservations; the bytes of memory that were in them. */
size_t env_trim(struct buffer_env *env);

enum { ENV_LARGE_PAGE_SIZES = 8 };

/* Sizes in bytes; limits that the system lacks are ENV_NO_LIMIT. The texts are constants. */
struct env_facts {
    size_t page_size, granularity, huge_page_size;
    size_t address_limit, data_limit, max_mappings, lock_limit;
    size_t large_page_sizes[ENV_LARGE_PAGE_SIZES]; /* 0 after the last */
    unsigned numa_nodes;
    const char *overcommit; /* "heuristic", "always" or "never" */
    const char *thp;        /* "unsupported", "never", "advised" or "always" */
    bool reserve_lazy, discard, populate, advise_huge, name, remap, query_resident;
    bool lock, prefetch, large_pages, query_memory, set_caching, undo_discard, offer;
    bool other_process;
    bool placeholder, prefer_node, query_node, write_watch; /* after env_probe */
    struct env_settings settings;          /* in force */
    size_t reservations, reserved_bytes;   /* with buffers or idle */
    size_t pooled, pooled_bytes;           /* idle, and the warm bytes in them */
    size_t discarded_bytes;                /* more in them, which the system may take */
};

/* Asks the system anew. */
void env_query(struct buffer_env *env, struct env_facts *facts);

/* Finds out the capabilities that take unusual system calls, once; see vmem_probe. */
void env_probe(struct buffer_env *env);

/* Whether huge pages can be had by asking. */
bool env_has_huge_pages(const struct buffer_env *env);

/* The limit that a refused reservation, commit, lock or other call most likely hit, by the name that
 * its manual page gives it. `error` is the system's. The last one returns NULL where none is known. */
const char *env_reservation_limit(const struct buffer_env *env, int error);
const char *env_commit_limit(const struct buffer_env *env, int error);
const char *env_lock_limit(const struct buffer_env *env, int error);
const char *env_limit(int error);

/* The privilege that the system's error says is missing, or NULL. */
const char *env_missing_privilege(int error);

/* The system's text for its error code; for 0 and below, that our own limits refused. */
void env_describe_error(int error, char *text, size_t size);

#endif
