/* rest.h - what few buffers have: a reservation, a lent tail, a capacity, a name, a holder.
 *
 * A program may keep millions of small buffers, so all this stands in a block of its own, which a
 * buffer has once it needs any of it. All others share one constant that says "nothing of that":
 *
 *     struct buffer, small       on the heap                    reserved
 *       start --> block            start --> in the heap block    start --> in the range
 *       block     contents         heap      base and size        block     not in use
 *       rest  --> the constant     rest  --> the constant         rest  --> its own: the range, ...
 *
 * What a reader would get wrong: the pointer is never NULL, so everything here can be read at once;
 * but whoever writes must know that the buffer has a rest of its own (it is reserved, or
 * buffer_need_rest was called), because the constant cannot be written to.
 */
#ifndef GROWABLE_REST_H
#define GROWABLE_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hot.h"
#include "range.h"

#define BUFFER_NO_CAPACITY ((size_t)-1)

/* Whose rows stand in a buffer: the owner's messages speak of that object, and count in its unit. */
struct buffer_holder {
    const char *name; /* "Array", "Table"; "Buffer" */
    size_t row_size;
};

enum { HOLDER_OF_BYTES = 0 }; /* as a row_size: it counts bytes */

struct buffer_rest {
    struct range storage; /* all zero unless the buffer is reserved, as are the next two */
    size_t given_back;    /* offset below which the gap's pages are decommitted */
    size_t populated;     /* offset up to which memory was asked for before it was written */
    size_t lent;          /* offset up to which somebody may write to a lent tail */
    size_t lent_from;     /* where the end must be for buffer_advance to take bytes in, */
    size_t lent_left;     /* and how many of them */
    size_t capacity;      /* the hard limit, or BUFFER_NO_CAPACITY */
    char *retired;        /* the block that a promotion for an export left behind */
    const char *name;     /* of the pages; borrowed; NULL for none */
    void *name_owner;     /* these two are the owner's; nothing in core/ looks at them */
    struct buffer_holder holder;
    int16_t displaced;    /* the lent byte under the terminator, or -1 */
    unsigned char ordered; /* not 0: the helper thread may be at work on the pages */
};

/* No reservation, no tail, no capacity, no name; and the holder is a Buffer. */
extern HIDDEN const struct buffer_rest buffer_no_rest;

/* That constant as a buffer's rest. */
static inline struct buffer_rest *
rest_none(void)
{
    return (struct buffer_rest *)&buffer_no_rest;
}

/* Private to core/: */
struct buffer;

/* One with the same in it, or NULL: then BUFFER_NO_MEMORY was noted. */
struct buffer_rest *rest_copy(struct buffer *b);

/* Nothing is lent any more. */
void rest_forget_tail(struct buffer_rest *rest);

/* Nothing is left in it but what the owner set: the name and the holder. */
void rest_clear(struct buffer_rest *rest);

/* Gives up the rest of a buffer that is not reserved and has lent nothing, if it tells nothing. */
void rest_drop(struct buffer *b);

/* Gives it up in any case. */
void rest_free(struct buffer *b);

#endif
