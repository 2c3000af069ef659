/* buffer_support.h - a buffer for a test, and steps that tests of several files take with it.
 *
 * What a reader would get wrong: there is one fixture and one buffer a program, open one at a time.
 */
#ifndef GROWABLE_BUFFER_SUPPORT_H
#define GROWABLE_BUFFER_SUPPORT_H

#include "fixture.h"

static struct fixture fixture;
static struct owner owner;

static inline struct buffer *open_buffer(void)
{
    fixture_open(&fixture);
    owner_init(&owner, &fixture);
    return &owner.b;
}

/* With a small default, so that buffers outgrow their reservations. */
static inline struct buffer *open_buffer_with(size_t reservation)
{
    fixture_open_with(&fixture, reservation, 16 * MIB);
    owner_init(&owner, &fixture);
    return &owner.b;
}

static inline struct buffer *open_reserved(size_t length)
{
    struct buffer *b = open_buffer();
    CHECK(append_pattern(b, length, true) == BUFFER_OK);
    buffer_promote(b, false);
    CHECK(b->tier == BUFFER_RESERVED && buffer_check(b));
    return b;
}

static inline void close_buffer(void)
{
    buffer_free(&owner.b);
    fixture_close(&fixture);
}

static inline size_t page_size(void)
{
    return fixture.env.pool->info.page_size;
}

/* The system plays one whose addresses are limited: the heap takes all that nobody looks at. */
static inline void limit_the_pool(void)
{
    fixture.env.pool->info.address_limit = 64 * MIB;
}

/* No reservation at all. */
static inline void refuse_reservations(void)
{
    fixture.env.pool->info.address_limit = 0;
}

static inline char *spare(struct buffer *b, size_t n, bool movable)
{
    char *tail;
    CHECK(buffer_spare(b, n, movable, &tail) == BUFFER_OK);
    CHECK(tail == b->start + b->length && holds_zeros(tail, n));
    CHECK(buffer_check(b));
    return tail;
}

static inline void advance(struct buffer *b, size_t n)
{
    CHECK(buffer_advance(b, n) == BUFFER_OK);
    CHECK(buffer_check(b));
}

/* A queue: bytes come in at the end and leave at the front, far more than the reservation holds. */
static inline void run_queue(struct buffer *b, size_t total, size_t step, size_t most)
{
    size_t in = 0;
    size_t out = 0;
    while (out < total) {
        CHECK(buffer_ensure(b, step, true) == BUFFER_OK);
        write_pattern(buffer_take_in(b, step), in, step);
        in += step;
        CHECK(buffer_check(b));
        if (b->length > most) {
            CHECK(b->start[0] == pattern(out) && b->start[b->length - 1] == pattern(in - 1));
            out += b->length - 7;
            buffer_drop_front(b, b->length - 7);
            CHECK(buffer_check(b) && holds_pattern(b, out, 7));
        }
    }
}

#endif
