/* storage.h - where a buffer's bytes stand, and the one function that moves them elsewhere.
 *
 * Private to core/. What a reader would get wrong: nothing here looks at exports. The callers in
 * buffer.c ask for a move only when it is allowed.
 */
#ifndef GROWABLE_STORAGE_H
#define GROWABLE_STORAGE_H

#include "buffer.h"

/* Moves the contents to storage where `need` bytes fit without another move. `retire` keeps the old
 * block until buffer_free. */
enum storage_target { STORAGE_BY_SIZE, STORAGE_RESERVED, STORAGE_HEAP };
int storage_relocate(struct buffer *b, size_t need, enum storage_target target, bool retire);

/* The same to STORAGE_HEAP, from where all contents begin: the start of the object's block, in a buffer
 * without a rest. */
int storage_leave_object(struct buffer *b, size_t need);

/* The same to STORAGE_RESERVED, for contents that stand elsewhere; false where that is more than to
 * copy them to a warm range, and then nothing was done. Afterwards `limit` allows for `need`. */
bool storage_promote_quickly(struct buffer *b, size_t need, bool retire);

/* Commits so that `need` bytes and the terminator are accessible from the start. */
int storage_commit(struct buffer *b, size_t need);

/* The same up to the offset `end`, if that can be had without effort; as far as the result. */
size_t storage_commit_ahead(struct buffer *b, size_t end);

/* Moves the contents down to the base, over a gap at least as long as they are. */
int storage_slide(struct buffer *b);

/* Decommits [end, committed); `end` is a multiple of the page size. May do nothing. */
void storage_decommit_tail(struct buffer *b, size_t end);

/* Decommits the whole pages of the gap, once there are enough of them. */
void storage_decommit_gap(struct buffer *b);

/* Nothing past the end is lent any more, and the terminator stands. */
void storage_take_back_tail(struct buffer *b);

/* Frees everything; the contents are lost. */
void storage_free(struct buffer *b);

/* Recomputes the limit and the poison marks after the storage or the length changed. */
void storage_refresh(struct buffer *b);

/* The offset at which the contents end, and at which all ends that is in use or lent. */
static inline size_t
storage_end(const struct buffer *b)
{
    return buffer_offset(b) + b->length;
}

static inline size_t
storage_taken(const struct buffer *b)
{
    size_t end = storage_end(b);
    return b->rest->lent > end ? b->rest->lent : end;
}

/* The offset from which the committed size is counted, and how far behind it a block begins: sizes
 * grow and shrink with what is in use, not with all that ever went through a queue. */
static inline size_t
storage_origin(const struct buffer *b, size_t *lead)
{
    size_t origin = range_block_down(&b->rest->storage, b->rest->given_back);
    *lead = origin == 0 ? b->rest->storage.lead : 0;
    return origin;
}

/* Tells the environment how much is committed now. */
void storage_notify(const struct buffer *b);

int storage_fail(struct buffer *b, enum buffer_error error, size_t size, int system_error);

#endif
