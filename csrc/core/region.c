/* region.c - reserve, commit, decommit, protect, release, lock.
 *
 * What a reader would get wrong: room in the list of runs is made before the system is called, so
 * that nothing can fail between a call that succeeded and the note of it.
 */
#include "region_private.h"
#include "section.h"

#include <string.h>

#include "growth.h"
#include "vmem_signal.h"

#define ASSERT_SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), "the same numbers")
ASSERT_SAME(ACCESS_NONE, VMEM_NO_ACCESS);
ASSERT_SAME(ACCESS_R, VMEM_READ);
ASSERT_SAME(ACCESS_RW, VMEM_READ_WRITE);
ASSERT_SAME(ACCESS_RX, VMEM_READ_EXECUTE);
ASSERT_SAME(ACCESS_RWX, VMEM_READ_WRITE_EXECUTE);
ASSERT_SAME(REGION_NO_NODE, VMEM_NO_NODE);

/* Refusals. */

int
region_refused(struct region *r, int error, struct page_range range, int system_error)
{
    r->failed_offset = range.first * r->page_size;
    r->failed_size = region_bytes(r, range);
    r->system_error = system_error;
    pool_look_again(r->env->pool); /* whoever tells of it names the limit in force now */
    return error;
}

int
region_lacks(struct region *r, const char *feature)
{
    r->feature = feature;
    return REGION_UNSUPPORTED;
}

int
region_wrong_state(struct region *r, const struct page_run *span)
{
    r->failed_offset = span->first * r->page_size;
    r->failed_size = span->count * r->page_size;
    r->found = span->traits;
    r->found.guarded = false; /* told only by who has asked whether it still is */
    return REGION_WRONG_STATE;
}

int
region_check_states(struct region *r, struct page_range range, unsigned states)
{
    PAGES_EACH(&r->pages, range, span)
        if ((states & STATE_BIT(span.traits.state)) == 0)
            return region_wrong_state(r, &span);
    return REGION_OK;
}

int
region_check_readable(struct region *r, struct page_range range)
{
    PAGES_EACH(&r->pages, range, span)
        if (!access_reads(span.traits.access))
            return region_wrong_state(r, &span);
    return REGION_OK;
}

int
region_check_ours(const struct region *r)
{
    return r->process == VMEM_THIS_PROCESS ? REGION_OK : REGION_ELSEWHERE;
}

static int
check_access(const struct region *r, unsigned access)
{
    return access_executes(access) && !r->options.executable ? REGION_NO_EXECUTION : REGION_OK;
}

/* Large pages are protected, locked and released as a whole. */
static int
check_whole(const struct region *r, struct page_range range)
{
    bool large = r->options.page_size != 0;
    return large && range.count != r->pages.total ? REGION_LARGE_PAGES : REGION_OK;
}

int
region_pages(struct region *r, size_t offset, size_t length, struct page_range *range)
{
    if (r->released)
        return REGION_RELEASED;
    r->failed_offset = offset;
    r->failed_size = length;
    if (offset >= r->size || length == 0)
        return REGION_OUT_OF_RANGE;
    if (length == REGION_TO_THE_END)
        length = r->size - offset;
    if (length > r->size - offset)
        return REGION_OUT_OF_RANGE;
    range->first = offset / r->page_size;
    range->count = (offset + length - 1) / r->page_size - range->first + 1;
    return REGION_OK;
}

/* Pieces. */

uint32_t
region_new_piece(struct region *r)
{
    return ++r->last_piece;
}

static struct page_range
first_piece(const struct region *r, size_t page, size_t end)
{
    struct page_range rest = {page, end - page};
    uint32_t piece = pages_at(&r->pages, page)->traits.piece;
    PAGES_EACH(&r->pages, rest, span)
        if (span.traits.piece != piece)
            return (struct page_range){page, span.first - page};
    return rest;
}

int
region_each_piece(struct region *r, struct page_range range, region_act *act, unsigned access,
                  size_t *done)
{
    size_t end = range.first + range.count;
    *done = 0;
    while (*done < range.count) {
        struct page_range part = first_piece(r, range.first + *done, end);
        int error = act(r, part, access);
        if (error != 0)
            return error;
        *done += part.count;
    }
    return 0;
}

/* Tells the environment how much is committed; it keeps books by the base, and of this process. */
void
region_tell_committed(struct region *r)
{
    size_t committed = pages_in_state(&r->pages, PAGES_COMMITTED) * r->page_size;
    if (r->process != VMEM_THIS_PROCESS)
        return;
    if (committed != r->told_committed)
        r->env->committed(r->env->context, r->base, committed);
    r->told_committed = committed;
}

/* Lifecycle. */

static struct vmem_place
place_of(const struct region_options *o, size_t granularity)
{
    struct vmem_place place = VMEM_ANYWHERE;
    place.address = (void *)growth_round_down(o->address, granularity);
    place.alignment = o->alignment;
    place.lowest = o->lowest;
    place.highest = o->highest;
    place.top_down = o->top_down;
    place.numa_node = o->numa_node;
    place.page_size = o->page_size;
    place.placeholder = o->placeholder;
    place.write_watch = o->write_watch;
    place.executable = o->executable;
    return place;
}

/* The capabilities that the options need, by the names that the caller knows. */
static int
check_capabilities(struct region *r)
{
    const struct region_options *o = &r->options;
    const struct vmem_info *info = region_info(r);
    if (o->numa_node != REGION_NO_NODE || o->placeholder || o->write_watch)
        env_probe(r->env);
    if (o->numa_node != REGION_NO_NODE && !info->can_prefer_node)
        return region_lacks(r, "prefer_node");
    if (o->page_size != 0 && !info->can_large_pages)
        return region_lacks(r, "large_pages");
    if (o->placeholder && !info->can_placeholder)
        return region_lacks(r, "placeholder");
    if (o->write_watch && !info->can_write_watch)
        return region_lacks(r, "write_watch");
    if (o->process != VMEM_THIS_PROCESS && !info->can_other_process)
        return region_lacks(r, "other_process");
    return REGION_OK;
}

/* The size in whole pages, with what lies between the address asked for and the one rounded down.
 * False where it has no such size. */
static bool
work_out_size(struct region *r)
{
    const struct region_options *o = &r->options;
    size_t granularity = region_info(r)->granularity;
    size_t ahead = o->address & (granularity - 1);
    size_t unit = o->placeholder ? granularity : r->page_size;
    size_t whole = unit > granularity ? unit : granularity;
    if (o->size > PTRDIFF_MAX - 2 * whole - ahead)
        return false;
    r->size = growth_round_up(o->size + ahead, unit);
    r->reserved = growth_round_up(r->size, whole);
    return true;
}

static int
ask_for_addresses(struct region *r, void **address)
{
    struct vmem_place place = place_of(&r->options, region_info(r)->granularity);
    if (r->process != VMEM_THIS_PROCESS)
        return vmem_remote_reserve(r->process, r->reserved, &place, address);
    return vmem_reserve_at(r->reserved, &place, address);
}

static int
reserve(struct region *r)
{
    void *address;
    int error = ask_for_addresses(r, &address);
    if (error != 0 && !vmem_is_occupied(error) && pool_relieve(r->env->pool))
        error = ask_for_addresses(r, &address);
    if (error == 0) {
        r->base = address;
        return REGION_OK;
    }
    r->system_error = error;
    pool_look_again(r->env->pool);
    if (vmem_is_occupied(error))
        return REGION_OCCUPIED;
    return vmem_is_unsupported(error) ? region_lacks(r, "this placement") : REGION_NOT_RESERVED;
}

static int
set_up(struct region *r)
{
    struct page_traits traits = {.state = PAGES_RESERVED, .access = ACCESS_NONE};
    if (r->options.placeholder)
        traits.state = PAGES_PLACEHOLDER;
    if (r->options.page_size != 0)
        traits = (struct page_traits){.state = PAGES_COMMITTED, .access = ACCESS_RW};
    return pages_init(&r->pages, r->env, r->size / r->page_size, traits) ? REGION_OK
                                                                         : REGION_NO_MEMORY;
}

/* Large pages are there from the start and readable and writable; others are committed now. */
static int
commit_at_once(struct region *r)
{
    struct page_range all = {0, r->pages.total};
    if (r->options.page_size == 0)
        return r->options.commit ? region_commit(r, all, r->options.access, true) : REGION_OK;
    region_tell_committed(r);
    if (r->options.access == ACCESS_RW)
        return REGION_OK;
    return region_protect(r, all, r->options.access, REGION_CACHED, true);
}

/* A handle of our own, since the caller may close his. */
static int
open_process(struct region *r)
{
    if (r->options.process == VMEM_THIS_PROCESS)
        return REGION_OK;
    r->system_error = vmem_remote_open(r->options.process, &r->process);
    return r->system_error == 0 ? REGION_OK : REGION_NOT_RESERVED;
}

static void
close_process(struct region *r)
{
    if (r->process != VMEM_THIS_PROCESS)
        vmem_remote_close(r->process);
}

static void
show_name(struct region *r, const char *name)
{
    if (name != NULL && r->process == VMEM_THIS_PROCESS && region_info(r)->can_name)
        (void)vmem_name(r->base, r->reserved, name);
}

int
region_open(struct region *r, struct buffer_env *env, const struct region_options *options)
{
    *r = (struct region){.env = env, .options = *options, .released = true};
    r->options.name = NULL;
    r->page_size = options->page_size != 0 ? options->page_size : region_info(r)->page_size;
    r->failed_size = options->size;
    r->generation = vmem_process_generation();
    int error = check_access(r, options->access);
    if (error == REGION_OK)
        error = check_capabilities(r);
    if (error != REGION_OK)
        return error;
    if (!work_out_size(r))
        return REGION_OUT_OF_RANGE;
    if (options->page_size != 0)
        r->failed_size = r->size;
    error = open_process(r);
    if (error != REGION_OK)
        return error;
    error = set_up(r);
    if (error == REGION_OK)
        error = reserve(r);
    if (error != REGION_OK) {
        pages_free(&r->pages);
        close_process(r);
        return error;
    }
    r->released = false;
    show_name(r, options->name);
    error = commit_at_once(r);
    if (error != REGION_OK)
        region_close(r);
    return error;
}

/* A process that has ended has given them back already. */
static void
release_addresses(struct region *r)
{
    if (r->process != VMEM_THIS_PROCESS)
        (void)vmem_remote_release(r->process, r->base, r->reserved);
    else
        (void)vmem_release(r->base, r->reserved);
}

void
region_close(struct region *r)
{
    if (r->released)
        return;
    if (r->told_committed != 0)
        r->env->committed(r->env->context, r->base, 0);
    region_close_guard(r);
    release_addresses(r);
    close_process(r);
    pages_free(&r->pages);
    r->env->free(r->env->context, r->witnesses);
    r->witnesses = NULL;
    r->witness_count = r->witness_room = 0;
    r->released = true;
}

int
region_release(struct region *r, bool force)
{
    if (r->released)
        return REGION_OK;
    if (r->exports != NULL && !force) {
        r->failed_size = r->export_count;
        r->failed_offset = r->exports->offset;
        return REGION_EXPORTED;
    }
    region_close(r);
    return REGION_OK;
}

/* Commit and protect. */

static int
commit_piece(struct region *r, struct page_range part, unsigned access)
{
    char *address = region_address(r, part);
    size_t size = region_bytes(r, part);
    if (r->process != VMEM_THIS_PROCESS)
        return vmem_remote_commit(r->process, address, size, (enum vmem_access)access);
    return vmem_commit_as(address, size, (enum vmem_access)access);
}

/* Pages that are copied when they are written have an access of their own. */
static int
protect_piece(struct region *r, struct page_range part, unsigned access)
{
    char *address = region_address(r, part);
    size_t size = region_bytes(r, part);
    if (r->process != VMEM_THIS_PROCESS)
        return vmem_remote_protect(r->process, address, size, (enum vmem_access)access);
    if (pages_at(&r->pages, part.first)->traits.mapped_as == ACCESS_WC)
        return section_protect_copy(address, size, (enum section_access)access);
    return vmem_protect(address, size, (enum vmem_access)access);
}

static int
decommit_piece(struct region *r, struct page_range part, unsigned access)
{
    struct vmem_place place = place_of(&r->options, region_info(r)->granularity);
    (void)access;
    if (r->process != VMEM_THIS_PROCESS)
        return vmem_remote_decommit(r->process, region_address(r, part), region_bytes(r, part));
    return vmem_decommit_at(region_address(r, part), region_bytes(r, part), &place);
}

/* Makes the pages again what the runs say, after the system did a part of the work. What it refuses
 * now cannot be helped: pages that are listed as reserved may stay committed, which nobody sees. */
static void
undo(struct region *r, struct page_range range)
{
    PAGES_EACH(&r->pages, range, span) {
        struct page_range part = {span.first, span.count};
        if (span.traits.state == PAGES_RESERVED)
            (void)decommit_piece(r, part, 0);
        else
            (void)protect_piece(r, part, span.traits.access);
    }
}

static void
note_access(struct region *r, struct page_range range, enum pages_state from, unsigned access)
{
    PAGES_EACH(&r->pages, range, span) {
        struct page_traits traits = span.traits;
        if (traits.state == from)
            traits.state = PAGES_COMMITTED;
        traits.access = (uint8_t)access;
        if (traits.mapped_as == ACCESS_WC && access == ACCESS_RW)
            traits.access = ACCESS_WC;
        traits.guarded = false;
        pages_set(&r->pages, span.first, span.count, traits);
    }
}

/* What was written as data is about to be executed. Without this other processors may see old
 * instructions; a system that refuses needs none. */
static void
flush_if_executable(struct region *r, struct page_range range, unsigned access)
{
    if (access_executes(access) && r->process == VMEM_THIS_PROCESS)
        (void)vmem_flush_instructions(region_address(r, range), region_bytes(r, range));
}

static int
set_access(struct region *r, struct page_range range, unsigned access, region_act *act, int failure)
{
    size_t done;
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    region_take_guards_off(r, range, access);
    int system_error = region_each_piece(r, range, act, access, &done);
    if (system_error != 0 && pool_relieve(r->env->pool))
        system_error = region_each_piece(r, range, act, access, &done);
    if (system_error != 0) {
        undo(r, range);
        region_put_guards_back(r, range);
        return region_refused(r, failure, range, system_error);
    }
    note_access(r, range, PAGES_RESERVED, access);
    flush_if_executable(r, range, access);
    return REGION_OK;
}

int
region_commit(struct region *r, struct page_range range, unsigned access, bool force)
{
    int error = r->options.page_size != 0 ? REGION_LARGE_PAGES : check_access(r, access);
    if (error == REGION_OK)
        error = region_check_states(r, range,
                                    STATE_BIT(PAGES_RESERVED) | STATE_BIT(PAGES_COMMITTED));
    if (error == REGION_OK && !force)
        error = region_check_exports(r, range, access);
    if (error == REGION_OK)
        error = set_access(r, range, access, commit_piece, REGION_NOT_COMMITTED);
    if (error == REGION_OK)
        region_tell_committed(r);
    return error;
}

static int
protect_uncached(struct region *r, struct page_range part, unsigned access)
{
    return vmem_protect_caching(region_address(r, part), region_bytes(r, part),
                                (enum vmem_access)access, VMEM_UNCACHED);
}

static int
protect_write_combined(struct region *r, struct page_range part, unsigned access)
{
    return vmem_protect_caching(region_address(r, part), region_bytes(r, part),
                                (enum vmem_access)access, VMEM_WRITE_COMBINED);
}

/* Whether pages that were mapped with one access may have another. */
static bool
mapping_allows(unsigned mapped_as, unsigned access)
{
    static const unsigned char allowed[] = {
        [ACCESS_NONE] = 1u << ACCESS_NONE,
        [ACCESS_R] = 1u << ACCESS_NONE | 1u << ACCESS_R,
        [ACCESS_RW] = 1u << ACCESS_NONE | 1u << ACCESS_R | 1u << ACCESS_RW,
        [ACCESS_RX] = 1u << ACCESS_NONE | 1u << ACCESS_R | 1u << ACCESS_RX,
        [ACCESS_RWX] = 1u << ACCESS_NONE | 1u << ACCESS_R | 1u << ACCESS_RW | 1u << ACCESS_RX |
                       1u << ACCESS_RWX,
        [ACCESS_WC] = 1u << ACCESS_NONE | 1u << ACCESS_R | 1u << ACCESS_RW | 1u << ACCESS_WC,
    };
    return (allowed[mapped_as] >> access & 1u) != 0;
}

/* The systems differ in what they let a mapping become; this is what all of them do. */
static int
check_mappings(struct region *r, struct page_range range, unsigned access)
{
    PAGES_EACH(&r->pages, range, span) {
        bool mapped = span.traits.state == PAGES_MAPPED;
        if (mapped ? !mapping_allows(span.traits.mapped_as, access) : access == ACCESS_WC)
            return region_wrong_state(r, &span);
    }
    return REGION_OK;
}

int
region_protect(struct region *r, struct page_range range, unsigned access,
               enum region_caching caching, bool force)
{
    static region_act *const acts[] = {protect_piece, protect_uncached, protect_write_combined};
    if (caching != REGION_CACHED && !region_info(r)->can_set_caching)
        return region_lacks(r, "set_caching");
    int error = caching != REGION_CACHED ? region_check_ours(r) : REGION_OK;
    if (error == REGION_OK)
        error = check_access(r, access);
    if (error == REGION_OK)
        error = check_whole(r, range);
    if (error == REGION_OK)
        error = region_check_states(r, range, STATE_BIT(PAGES_COMMITTED) | STATE_BIT(PAGES_MAPPED));
    if (error == REGION_OK)
        error = check_mappings(r, range, access);
    if (error == REGION_OK && !force)
        error = region_check_exports(r, range, access);
    if (error == REGION_OK)
        error = set_access(r, range, access, acts[caching], REGION_SYSTEM);
    return error;
}

/* Decommit. */

static void
note_decommitted(struct region *r, struct page_range range)
{
    region_drop_witnesses(r, range);
    PAGES_EACH(&r->pages, range, span) {
        struct page_traits traits = {.piece = span.traits.piece, .state = PAGES_RESERVED};
        pages_set(&r->pages, span.first, span.count, traits);
    }
    region_tell_committed(r);
}

int
region_decommit(struct region *r, struct page_range range, bool force)
{
    size_t done;
    int error = r->options.page_size != 0 ? REGION_LARGE_PAGES : REGION_OK;
    if (error == REGION_OK)
        error = region_check_states(r, range,
                                    STATE_BIT(PAGES_RESERVED) | STATE_BIT(PAGES_COMMITTED));
    if (error == REGION_OK && !force)
        error = region_check_exports(r, range, ACCESS_NONE);
    if (error != REGION_OK)
        return error;
    if (!pages_prepare(&r->pages))
        return REGION_NO_MEMORY;
    region_take_guards_off(r, range, ACCESS_NONE);
    int system_error = region_each_piece(r, range, decommit_piece, 0, &done);
    if (done != 0)
        note_decommitted(r, (struct page_range){range.first, done});
    if (done != range.count)
        region_put_guards_back(r, (struct page_range){range.first + done, range.count - done});
    return system_error == 0 ? REGION_OK : region_refused(r, REGION_SYSTEM, range, system_error);
}

/* Lock and prefetch. */

static int
lock_piece(struct region *r, struct page_range part, unsigned access)
{
    (void)access;
    return vmem_lock(region_address(r, part), region_bytes(r, part));
}

static int
unlock_piece(struct region *r, struct page_range part, unsigned access)
{
    (void)access;
    return vmem_unlock(region_address(r, part), region_bytes(r, part));
}

static int
prefetch_piece(struct region *r, struct page_range part, unsigned access)
{
    (void)access;
    return vmem_prefetch(region_address(r, part), region_bytes(r, part));
}

/* `act` on pages that can be read. */
static int
act_on_readable(struct region *r, struct page_range range, region_act *act, int failure)
{
    size_t done;
    int error = region_check_ours(r);
    if (error == REGION_OK)
        error = region_check_readable(r, range);
    if (error == REGION_OK)
        error = region_check_unguarded(r, range);
    if (error == REGION_OK)
        error = check_whole(r, range);
    if (error != REGION_OK)
        return error;
    int system_error = region_each_piece(r, range, act, 0, &done);
    return system_error == 0 ? REGION_OK : region_refused(r, failure, range, system_error);
}

int
region_lock(struct region *r, struct page_range range)
{
    if (!region_info(r)->can_lock)
        return region_lacks(r, "lock");
    int error = act_on_readable(r, range, lock_piece, REGION_NOT_LOCKED);
    if (error == REGION_NOT_LOCKED) {
        struct page_range part = range;
        int system_error = r->system_error;
        (void)act_on_readable(r, part, unlock_piece, REGION_SYSTEM);
        r->system_error = system_error;
    }
    return error;
}

int
region_unlock(struct region *r, struct page_range range)
{
    if (!region_info(r)->can_lock)
        return region_lacks(r, "lock");
    return act_on_readable(r, range, unlock_piece, REGION_SYSTEM);
}

int
region_prefetch(struct region *r, struct page_range range)
{
    if (!region_info(r)->can_prefetch)
        return region_lacks(r, "prefetch");
    return act_on_readable(r, range, prefetch_piece, REGION_SYSTEM);
}

/* Invariants. */

static bool
traits_are_sound(struct page_traits traits)
{
    bool accessible = traits.state == PAGES_COMMITTED || traits.state == PAGES_MAPPED;
    if (!accessible && (traits.access != ACCESS_NONE || traits.guarded))
        return false;
    if (traits.mapped_as != ACCESS_NONE && traits.state != PAGES_MAPPED)
        return false;
    return !traits.discarded || traits.state == PAGES_COMMITTED;
}

static bool
witnesses_are_sound(const struct region *r)
{
    for (size_t i = 0; i < r->witness_count; i++) {
        const struct witness *w = &r->witnesses[i];
        if (w->page >= r->pages.total || w->word >= r->page_size / sizeof(uintptr_t))
            return false;
        if (i > 0 && w[-1].page >= w->page)
            return false;
        if (!pages_at(&r->pages, w->page)->traits.discarded)
            return false;
    }
    return r->witness_count <= r->witness_room;
}

bool
region_check(const struct region *r)
{
    if (r->released)
        return r->pages.runs == NULL;
    if (!pages_check(&r->pages) || !witnesses_are_sound(r))
        return false;
    for (size_t i = 0; i < r->pages.count; i++)
        if (!traits_are_sound(r->pages.runs[i].traits))
            return false;
    size_t exports = 0;
    for (const struct region_export *e = r->exports; e != NULL; e = e->next, exports++)
        if (e->length == 0 || e->offset >= r->size || e->length > r->size - e->offset)
            return false;
    return exports == r->export_count && r->pages.total * r->page_size == r->size;
}
