/* region_private.h - what the files of region_*.c share.
 *
 * What a reader would get wrong: a refusal is noted in the region before it is returned, so that the
 * layer above can tell of it; hence these functions and no bare error codes.
 */
#ifndef GROWABLE_REGION_PRIVATE_H
#define GROWABLE_REGION_PRIVATE_H

#include "pool.h"
#include "region.h"
#include "vmem_remote.h"

/* A set of states, for region_check_states. */
#define STATE_BIT(state) (1u << (state))

/* Notes what the system refused and returns `error`, or REGION_UNSUPPORTED. */
int region_refused(struct region *r, int error, struct page_range range, int system_error);

/* REGION_WRONG_STATE unless every page of the range is in one of the states. */
int region_check_states(struct region *r, struct page_range range, unsigned states);

/* REGION_WRONG_STATE unless every page of the range is committed or mapped and allows reading. */
int region_check_readable(struct region *r, struct page_range range);

int region_wrong_state(struct region *r, const struct page_run *span);
int region_lacks(struct region *r, const char *feature);

/* One call to the system for each piece that the range touches: Windows keeps pieces apart. Stops at
 * the first error; *done is how many pages were gone through by then. */
typedef int region_act(struct region *r, struct page_range part, unsigned access);
int region_each_piece(struct region *r, struct page_range range, region_act *act, unsigned access,
                      size_t *done);

/* REGION_ELSEWHERE if the pages are those of another process. */
int region_check_ours(const struct region *r);

/* Tells the environment how much is committed now. */
void region_tell_committed(struct region *r);

/* Before pages get another access or state: no guard stands in the way, and none will undo it. */
void region_take_guards_off(struct region *r, struct page_range range, unsigned access);

/* After that other access was refused: the guards are as the runs say. A page that was hit since the
 * runs were settled is guarded anew. */
void region_put_guards_back(struct region *r, struct page_range range);

/* REGION_WRONG_STATE if a page of the range is guarded. */
int region_check_unguarded(struct region *r, struct page_range range);

void region_close_guard(struct region *r);

/* Forgets the witnesses of a range. */
void region_drop_witnesses(struct region *r, struct page_range range);

static inline const struct vmem_info *
region_info(const struct region *r)
{
    return &r->env->pool->info;
}

#endif
