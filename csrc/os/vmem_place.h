/* vmem_place.h - the arithmetic of vmem_reserve_at, the same on every system. For this folder only.
 *
 * What a reader would get wrong: `last` and `highest` are the last byte of a range, not the one
 * after it, so that a range may end with the last byte of the address space.
 */
#ifndef GROWABLE_VMEM_PLACE_H
#define GROWABLE_VMEM_PLACE_H

#include "vmem.h"

static inline bool place_is_power_of_two(size_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static inline bool place_is_limited(const struct vmem_place *place)
{
    return place->lowest != 0 || place->highest != 0;
}

/* Whether `place` asks for something that can be, on a system with this granularity. */
static inline bool place_is_sane(size_t size, const struct vmem_place *place, size_t granularity)
{
    bool somewhere = place->alignment != 0 || place_is_limited(place) || place->top_down;
    bool special = place->page_size != 0;
    if (size == 0 || ((uintptr_t)place->address & (granularity - 1)) != 0
        || (place->address != NULL && somewhere)) {
        return false;
    }
    if (place->alignment != 0
        && (!place_is_power_of_two(place->alignment) || place->alignment < granularity)) {
        return false;
    }
    if (special && (!place_is_power_of_two(place->page_size) || size % place->page_size != 0
                    || (uintptr_t)place->address % place->page_size != 0)) {
        return false;
    }
    if (special + place->placeholder + place->write_watch > 1) {
        return false;
    }
    return place->numa_node >= VMEM_NO_NODE
           && (place->highest == 0 || place->highest >= place->lowest);
}

static inline size_t place_alignment(const struct vmem_place *place, size_t granularity)
{
    size_t alignment = place->alignment > granularity ? place->alignment : granularity;
    return place->page_size > alignment ? place->page_size : alignment;
}

/* The lowest, or highest, aligned start of `size` bytes within [first, last]; 0 if there is none. */
static inline uintptr_t place_fit(uintptr_t first, uintptr_t last, size_t size, size_t alignment,
                                  bool top_down)
{
    uintptr_t mask = alignment - 1;
    if (first > last || last - first < size - 1 || first > UINTPTR_MAX - mask) {
        return 0;
    }
    uintptr_t lowest = (first + mask) & ~mask;
    uintptr_t highest = (last - (size - 1)) & ~mask;
    if (lowest > highest || highest < first) {
        return 0;
    }
    return top_down ? highest : lowest;
}

#endif
