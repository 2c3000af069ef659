/* populate.h - memory put behind the pages past the end before they are written.
 *
 * The first write to a page costs a fault; to ask for some pages at a time costs less, and a helper
 * thread that asks costs the writer nothing. Which of these, if any, is a setting (enum env_prefault).
 *
 * Private to core/. What a reader would get wrong: the storage knows nothing of the helper, so
 * whatever changes the state of pages calls populate_stop, or populate_skip, first.
 */
#ifndef GROWABLE_POPULATE_H
#define GROWABLE_POPULATE_H

#include "buffer.h"

/* To be called when the length is about to become `need` at most, which is committed. Afterwards
 * `limit` allows for it. Never fails: what is refused is done by the first write. */
void populate_ahead(struct buffer *b, size_t need);

/* The same, but nothing is asked for yet: the first growth after this one does. */
void populate_later(struct buffer *b, size_t need);

/* To be called when all up to the offset `end`, which is committed, is about to be written. */
void populate_expected(struct buffer *b, size_t end);

/* The offset at which growth should come to populate_ahead again, past all that is in use or lent. */
size_t populate_edge(const struct buffer *b);

/* The helper leaves the storage alone from here on, or the pages below the offset `end`. */
void populate_stop(struct buffer *b);
void populate_skip(struct buffer *b, size_t end);

#endif
