/* rest.c - getting a rest, and giving it up.
 *
 * What a reader would get wrong: a rest is not given up as soon as it tells nothing, but when the
 * contents leave a reservation, and with the buffer.
 */
#include "storage.h"

const struct buffer_rest buffer_no_rest = {
    .capacity = BUFFER_NO_CAPACITY, .displaced = -1,
    .holder = {.name = "Buffer", .row_size = HOLDER_OF_BYTES}};

struct buffer_rest *
rest_copy(struct buffer *b)
{
    struct buffer_rest *rest = b->env->allocate(b->env->context, sizeof *rest);
    if (rest == NULL)
        (void)storage_fail(b, BUFFER_NO_MEMORY, sizeof *rest, 0);
    else
        *rest = *b->rest;
    return rest;
}

int
buffer_need_rest(struct buffer *b)
{
    if (buffer_has_rest(b))
        return BUFFER_OK;
    struct buffer_rest *rest = rest_copy(b);
    if (rest == NULL)
        return BUFFER_NO_MEMORY;
    b->rest = rest;
    return BUFFER_OK;
}

void
rest_forget_tail(struct buffer_rest *rest)
{
    rest->lent = rest->lent_from = rest->lent_left = 0;
    rest->displaced = -1;
}

void
rest_clear(struct buffer_rest *rest)
{
    struct buffer_rest old = *rest;
    *rest = buffer_no_rest;
    rest->name = old.name;
    rest->name_owner = old.name_owner;
    rest->holder = old.holder;
}

static bool
tells_something(const struct buffer_rest *rest)
{
    return rest->capacity != BUFFER_NO_CAPACITY || rest->retired != NULL || rest->name != NULL ||
           rest->holder.row_size != HOLDER_OF_BYTES;
}

void
rest_drop(struct buffer *b)
{
    if (!tells_something(b->rest))
        rest_free(b);
}

HOT void
rest_free(struct buffer *b)
{
    if (buffer_has_rest(b))
        b->env->free(b->env->context, b->rest);
    b->rest = rest_none();
}
