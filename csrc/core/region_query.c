/* region_query.c - what the system says about the memory behind a region, and what was written.
 *
 * What a reader would get wrong: resident bytes are a picture of one moment; the system moves pages
 * in and out as it likes.
 */
#include "region_private.h"

#include "vmem_signal.h"

enum { ASK_AT_ONCE = 4096, WRITTEN_AT_ONCE = 64 };

static int
ask_memory(const struct region *r, const char *address, size_t size, unsigned char *memory)
{
    if (region_info(r)->can_query_memory)
        return vmem_query_memory(address, size, memory);
    return vmem_query_resident(address, size, memory); /* 0 and 1 mean the same there */
}

static void
ask_node(const struct region *r, const char *address, struct region_memory *memory)
{
    env_probe(r->env);
    if (region_info(r)->can_query_node && vmem_query_node(address, &memory->node) != 0)
        memory->node = REGION_NO_NODE;
}

static void
add_page(const struct region *r, const char *address, unsigned char found,
         struct region_memory *memory)
{
    size_t size = region_info(r)->page_size;
    if (found == VMEM_ABSENT)
        return;
    if (memory->resident == 0)
        ask_node(r, address, memory);
    memory->resident += size;
    if (found == VMEM_RESIDENT_HUGE)
        memory->huge += size;
}

int
region_query_memory(struct region *r, struct page_range range, struct region_memory *memory)
{
    unsigned char found[ASK_AT_ONCE];
    const struct vmem_info *info = region_info(r);
    const char *address = region_address(r, range), *end = address + region_bytes(r, range);
    *memory = (struct region_memory){0, 0, REGION_NO_NODE};
    if (r->process != VMEM_THIS_PROCESS)
        return REGION_OK;
    if (!info->can_query_memory && !info->can_query_resident)
        return region_lacks(r, "query_resident");
    while (address < end) {
        size_t left = (size_t)(end - address) / info->page_size;
        size_t pages = left < ASK_AT_ONCE ? left : ASK_AT_ONCE;
        int error = ask_memory(r, address, pages * info->page_size, found);
        if (error != 0)
            return region_refused(r, REGION_SYSTEM, range, error);
        for (size_t i = 0; i < pages; i++)
            add_page(r, address + i * info->page_size, found[i], memory);
        address += pages * info->page_size;
    }
    return REGION_OK;
}

/* Write watch. */

struct found_ranges {
    struct byte_range *ranges;
    size_t count;
    size_t room;
};

static bool
add_range(struct region *r, struct found_ranges *found, size_t offset, size_t size)
{
    struct byte_range *last = found->count == 0 ? NULL : &found->ranges[found->count - 1];
    if (last != NULL && last->offset + last->length == offset) {
        last->length += size;
        return true;
    }
    if (found->count == found->room) {
        size_t room = found->room * 2 + WRITTEN_AT_ONCE, bytes = room * sizeof *found->ranges;
        struct buffer_env *env = r->env;
        void *block = found->ranges == NULL ? env->allocate(env->context, bytes)
                                            : env->reallocate(env->context, found->ranges, bytes);
        if (block == NULL)
            return false;
        found->ranges = block;
        found->room = room;
    }
    found->ranges[found->count++] = (struct byte_range){offset, size};
    return true;
}

/* One question to the system; *at goes on to where the next one begins. */
static int
ask_written(struct region *r, bool reset, size_t *at, struct found_ranges *found)
{
    struct vmem_range some[WRITTEN_AT_ONCE];
    size_t count = WRITTEN_AT_ONCE;
    int error = vmem_written(r->base + *at, r->size - *at, reset, some, &count);
    if (error != 0) {
        struct page_range all = {0, r->pages.total};
        bool forked = r->generation != vmem_process_generation();
        return region_refused(r, forked ? REGION_FORKED : REGION_SYSTEM, all, error);
    }
    *at = r->size;
    for (size_t i = 0; i < count; i++) {
        size_t offset = (size_t)((char *)some[i].address - r->base);
        if (!add_range(r, found, offset, some[i].size))
            return REGION_NO_MEMORY;
        if (count == WRITTEN_AT_ONCE)
            *at = offset + some[i].size;
    }
    return REGION_OK;
}

int
region_written(struct region *r, bool reset, struct byte_range **ranges, size_t *count)
{
    struct found_ranges found = {NULL, 0, 0};
    size_t at = 0;
    int error = r->options.write_watch ? REGION_OK : REGION_NOT_WATCHED;
    *ranges = NULL;
    *count = 0;
    while (error == REGION_OK && at < r->size)
        error = ask_written(r, reset, &at, &found);
    if (error != REGION_OK) {
        r->env->free(r->env->context, found.ranges);
        return error;
    }
    *ranges = found.ranges;
    *count = found.count;
    return REGION_OK;
}
