/* fixture.h - an environment for the tests of core/: it counts what is allocated and tracked, fails
 * allocations on demand, and fills every block with rubbish.
 *
 * What a reader would get wrong: pool.info is a copy of what the system said, and core/ looks at the
 * copy. So a test sets its fields to play a system that is short of something, and core/ is kept from
 * asking for the real limits anew until fixture_ask_the_system. A refused commit asks all the same.
 */
#ifndef GROWABLE_FIXTURE_H
#define GROWABLE_FIXTURE_H

#include "buffer.h"
#include "check.h"
#include "pool.h"
#include "proc.h"

#include <stdint.h>
#include <stdio.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* More than this the allocator never gives; those of the sanitizers would end the program. */
#define LARGEST_BLOCK (SIZE_MAX / 4 > UINT32_MAX ? SIZE_MAX >> 25 : SIZE_MAX / 4)

enum { TRACKED = 64 /* ranges that the environment is told of at a time */ };

struct fixture {
    struct buffer_env env;
    long blocks;  /* allocated and not freed */
    long calls;   /* of allocate and reallocate */
    long fail_at; /* the call that fails; 0 = none */
    long fails;   /* how many fail from there on; < 0 = all */
    struct {
        const void *base;
        size_t committed;
    } tracked[TRACKED];
    size_t tracked_count;
};

/* ---- the environment's callbacks --------------------------------------------------------- */

static inline bool fixture_refuses(struct fixture *f)
{
    long number = ++f->calls;
    if (f->fail_at <= 0 || number < f->fail_at) {
        return false;
    }
    return f->fails < 0 || number - f->fail_at < f->fails;
}

static inline void *fixture_allocate(void *context, size_t size)
{
    struct fixture *f = context;
    if (fixture_refuses(f) || size > LARGEST_BLOCK) {
        return NULL;
    }
    void *block = malloc(size);
    if (block != NULL) {
        memset(block, 0xa5, size < MIB ? size : MIB);
        f->blocks++;
    }
    return block;
}

static inline void *fixture_reallocate(void *context, void *block, size_t size)
{
    struct fixture *f = context;
    CHECK(block != NULL && size != 0);
    if (fixture_refuses(f) || size > LARGEST_BLOCK) {
        return NULL;
    }
    return realloc(block, size);
}

static inline void fixture_free(void *context, void *block)
{
    struct fixture *f = context;
    if (block != NULL) {
        f->blocks--;
        free(block);
    }
}

static inline size_t fixture_find(const struct fixture *f, const void *base)
{
    size_t i = 0;
    while (i < f->tracked_count && f->tracked[i].base != base) {
        i++;
    }
    return i;
}

static inline void fixture_committed(void *context, const void *base, size_t committed)
{
    struct fixture *f = context;
    size_t i = fixture_find(f, base);
    if (committed != 0) {
        CHECK(i < TRACKED);
        f->tracked[i].base = base;
        f->tracked[i].committed = committed;
        f->tracked_count += i == f->tracked_count;
    } else {
        CHECK(i < f->tracked_count);
        f->tracked[i] = f->tracked[--f->tracked_count];
    }
}

/* What the environment was told of the range at `base` last; 0 for nothing. */
static inline size_t fixture_tracked(const struct fixture *f, const void *base)
{
    size_t i = fixture_find(f, base);
    return i < f->tracked_count ? f->tracked[i].committed : 0;
}

/* ---- open and close ---------------------------------------------------------------------- */

static inline void fixture_prepare(struct fixture *f)
{
    *f = (struct fixture){0};
    f->env = (struct buffer_env){
        .allocate = fixture_allocate,
        .reallocate = fixture_reallocate,
        .free = fixture_free,
        .committed = fixture_committed,
        .context = f,
    };
}

static inline void fixture_keep_limits(struct vmem_info *info)
{
    (void)info;
}

static inline void fixture_ask_the_system(struct fixture *f)
{
    f->env.pool->query_limits = vmem_query_limits;
}

static inline void fixture_open_with(struct fixture *f, size_t reservation, size_t budget)
{
    fixture_prepare(f);
    struct env_settings settings = {.reservation = reservation, .budget = budget,
                                    .limit = budget, .prefault = ENV_PREFAULT_AHEAD};
    CHECK(env_open(&f->env, &settings) == 0);
    f->env.pool->query_limits = fixture_keep_limits;
    f->env.pool->refused = POOL_WORTH; /* it has been seen that ranges pay */
}

static inline void fixture_open(struct fixture *f)
{
    fixture_open_with(f, 64 * MIB, 16 * MIB);
}

/* Checks that nothing is left behind. */
static inline void fixture_close(struct fixture *f)
{
    struct pool *pool = f->env.pool;
    CHECK(pool->live == pool->idle_count);
    CHECK(f->tracked_count == 0);
    pool_clear(pool);
    CHECK(pool->live == 0 && pool->live_bytes == 0 && pool->exact_bytes == 0 &&
          pool->idle_bytes == 0 && pool->idle_discarded == 0);
    CHECK(pool->loans.warm == 0 && pool->loans.discarded == 0);
    env_close(&f->env);
    CHECK(f->blocks == 0);
}

/* ---- buffers ----------------------------------------------------------------------------- */

/* The object that a buffer stands in. */
struct owner {
    struct buffer b;
};

static inline void owner_init(struct owner *o, struct fixture *f)
{
    memset(o, 0xa5, sizeof *o);
    buffer_init(&o->b, &f->env);
    CHECK(buffer_check(&o->b));
}

enum { PERIOD = 251 };

/* Byte number i of the contents that append_pattern writes: never zero. */
static inline char pattern(size_t i)
{
    return (char)(i * 31 % PERIOD + 1);
}

static inline void write_pattern(char *start, size_t from, size_t n)
{
    size_t done = n < PERIOD ? n : PERIOD;
    for (size_t i = 0; i < done; i++) {
        start[i] = pattern(from + i);
    }
    while (done < n) {
        size_t more = done < n - done ? done : n - done;
        memcpy(start + done, start, more);
        done += more;
    }
}

static inline int append_pattern(struct buffer *b, size_t n, bool movable)
{
    int error = buffer_ensure(b, n, movable);
    if (error == BUFFER_OK && n != 0) {
        size_t at = b->length;
        char *tail = buffer_take_in(b, n);
        write_pattern(tail, at, n);
    }
    CHECK(buffer_check(b));
    return error;
}

static inline bool holds_pattern(const struct buffer *b, size_t from, size_t n)
{
    size_t first = n < PERIOD ? n : PERIOD;
    for (size_t i = 0; i < first; i++) {
        if (b->start[i] != pattern(from + i)) {
            return false;
        }
    }
    return memcmp(b->start + first, b->start, n - first) == 0;
}

static inline bool holds_zeros(const char *start, size_t n)
{
    return n == 0 || (start[0] == 0 && memcmp(start, start + 1, n - 1) == 0);
}

#endif
