/* vmem_fault.c - the wrappers behind vmem_fault.h.
 *
 * Link with -Wl,--wrap=<function> for every function that a line beginning with WRAP names.
 *
 * What a reader would get wrong: without these options the program links only if the linker drops
 * this file, because the __real_ names are made by the linker alone.
 */
#include "vmem_fault.h"

#include "vmem.h"
#include "vmem_guard.h"
#include "vmem_prefault_thread.h"
#include "vmem_remote.h"
#include "vmem_section.h"
#include "vmem_signal.h"

#include <stdatomic.h>

#ifdef _WIN32
#define OUT_OF_MEMORY 8 /* ERROR_NOT_ENOUGH_MEMORY */
#else
#include <errno.h>
#define OUT_OF_MEMORY ENOMEM
#endif

static _Atomic bool armed;
static _Atomic long calls;
static _Atomic long first; /* the call that fails first; 0 = none */
static _Atomic long total; /* how many fail from there on; < 0 = all */

void vmem_fault_arm(long nth, long count)
{
    armed = false;
    calls = 0;
    first = nth;
    total = count;
    armed = true;
}

void vmem_fault_disarm(void)
{
    armed = false;
}

long vmem_fault_calls(void)
{
    return calls;
}

/* Counts one call and tells whether it must fail. */
static bool fails(void)
{
    if (!armed) {
        return false;
    }
    long number = ++calls;
    if (first <= 0 || number < first) {
        return false;
    }
    return total < 0 || number - first < total;
}

/* One wrapper: the prototypes that the linker's names need, then the choice. */
#define WRAP(name, parameters, arguments)                                                          \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        return fails() ? OUT_OF_MEMORY : __real_##name arguments;                                  \
    }

WRAP(vmem_query, (struct vmem_info *info), (info))
WRAP(vmem_reserve, (size_t size, size_t alignment, void **address), (size, alignment, address))
WRAP(vmem_reserve_before, (size_t size, size_t alignment, size_t lead, void **address),
     (size, alignment, lead, address))
WRAP(vmem_reserve_lazy, (size_t size, size_t alignment, void **address), (size, alignment, address))
WRAP(vmem_commit, (void *address, size_t size), (address, size))
WRAP(vmem_decommit, (void *address, size_t size), (address, size))
WRAP(vmem_discard, (void *address, size_t size), (address, size))
WRAP(vmem_protect, (void *address, size_t size, enum vmem_access access), (address, size, access))
WRAP(vmem_populate, (void *address, size_t size), (address, size))
WRAP(vmem_advise_huge, (void *address, size_t size, bool wanted), (address, size, wanted))
WRAP(vmem_name, (void *address, size_t size, const char *name), (address, size, name))
WRAP(vmem_remap,
     (void *address, size_t size, size_t kept, size_t kept_size, size_t new_size,
      size_t alignment, void **new_address),
     (address, size, kept, kept_size, new_size, alignment, new_address))
WRAP(vmem_resize, (void *address, size_t size, size_t new_size), (address, size, new_size))
WRAP(vmem_query_resident, (const void *address, size_t size, unsigned char *resident),
     (address, size, resident))
WRAP(vmem_probe, (struct vmem_info *info), (info))
WRAP(vmem_reserve_at, (size_t size, const struct vmem_place *place, void **address),
     (size, place, address))
WRAP(vmem_decommit_at, (void *address, size_t size, const struct vmem_place *place),
     (address, size, place))
WRAP(vmem_commit_as, (void *address, size_t size, enum vmem_access access),
     (address, size, access))
WRAP(vmem_protect_caching,
     (void *address, size_t size, enum vmem_access access, enum vmem_caching caching),
     (address, size, access, caching))
WRAP(vmem_split, (void *address, size_t size), (address, size))
WRAP(vmem_coalesce, (void *address, size_t size), (address, size))
WRAP(vmem_replace, (void *address, size_t size), (address, size))
WRAP(vmem_preserve, (void *address, size_t size), (address, size))
WRAP(vmem_lock, (void *address, size_t size), (address, size))
WRAP(vmem_unlock, (void *address, size_t size), (address, size))
WRAP(vmem_prefetch, (void *address, size_t size), (address, size))
WRAP(vmem_flush_instructions, (void *address, size_t size), (address, size))
WRAP(vmem_undo_discard, (void *address, size_t size), (address, size))
WRAP(vmem_offer, (void *address, size_t size, enum vmem_priority priority),
     (address, size, priority))
WRAP(vmem_reclaim, (void *address, size_t size, bool *lost), (address, size, lost))
WRAP(vmem_query_run, (const void *address, struct vmem_run *run), (address, run))
WRAP(vmem_query_memory, (const void *address, size_t size, unsigned char *memory),
     (address, size, memory))
WRAP(vmem_query_node, (const void *address, int *node), (address, node))
WRAP(vmem_written,
     (void *address, size_t size, bool reset, struct vmem_range *ranges, size_t *count),
     (address, size, reset, ranges, count))
WRAP(vmem_remote_open, (intptr_t handle, intptr_t *process), (handle, process))
WRAP(vmem_remote_reserve,
     (intptr_t process, size_t size, const struct vmem_place *place, void **address),
     (process, size, place, address))
WRAP(vmem_remote_commit,
     (intptr_t process, void *address, size_t size, enum vmem_access access),
     (process, address, size, access))
WRAP(vmem_remote_decommit, (intptr_t process, void *address, size_t size),
     (process, address, size))
WRAP(vmem_remote_protect,
     (intptr_t process, void *address, size_t size, enum vmem_access access),
     (process, address, size, access))
WRAP(vmem_remote_share, (intptr_t process, intptr_t handle, intptr_t *theirs),
     (process, handle, theirs))
WRAP(vmem_section_create, (size_t size, struct vmem_section *section), (size, section))
WRAP(vmem_section_create_named, (const char *name, size_t size, struct vmem_section *section),
     (name, size, section))
WRAP(vmem_section_open_named, (const char *name, bool writable, struct vmem_section *section),
     (name, writable, section))
WRAP(vmem_section_open_file,
     (const char *path, enum vmem_section_mode mode, size_t size, struct vmem_section *section),
     (path, mode, size, section))
WRAP(vmem_section_adopt, (intptr_t handle, const char *name, struct vmem_section *section),
     (handle, name, section))
WRAP(vmem_section_size, (const struct vmem_section *section, size_t *size), (section, size))
WRAP(vmem_section_resize, (struct vmem_section *section, size_t size), (section, size))
WRAP(vmem_section_seal, (struct vmem_section *section), (section))
WRAP(vmem_section_view,
     (const struct vmem_section *section, size_t offset, size_t size, enum vmem_access access,
      bool copy_on_write, void **address),
     (section, offset, size, access, copy_on_write, address))
WRAP(vmem_section_map,
     (const struct vmem_section *section, size_t offset, void *address, size_t size,
      enum vmem_access access, bool copy_on_write),
     (section, offset, address, size, access, copy_on_write))
WRAP(vmem_section_unmap, (void *address, size_t size), (address, size))
WRAP(vmem_section_protect_copy, (void *address, size_t size, enum vmem_access access),
     (address, size, access))
WRAP(vmem_section_repeat,
     (const struct vmem_section *section, size_t offset, size_t size, unsigned times,
      enum vmem_access access, void **address),
     (section, offset, size, times, access, address))
WRAP(vmem_guard_open, (void *address, size_t size, size_t unit, struct vmem_guard **guard),
     (address, size, unit, guard))
WRAP(vmem_guard_arm,
     (struct vmem_guard *guard, void *address, size_t size, enum vmem_access access),
     (guard, address, size, access))
WRAP(vmem_guard_watch, (bool (*tell)(void *context), void *context), (tell, context))
WRAP(vmem_prefault, (struct vmem_prefault *order), (order))
WRAP(vmem_prefault_start, (void), ())
WRAP(vmem_signal_open, (uint64_t key, intptr_t *signal), (key, signal))
