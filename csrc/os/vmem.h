/* vmem.h - what an operating system can do with pages: the contract.
 *
 * The files of one platform implement it (those that end in _linux.c, _darwin.c or _windows.c);
 * nothing above this folder contains a system call or a platform #ifdef.
 *
 * A page is in one of three states:
 *
 *     none ----reserve----> reserved ----commit----> committed
 *       ^                    |    ^                      |
 *       +------release-------+    +------decommit--------+
 *
 *   none       not ours; may belong to anybody
 *   reserved   ours, but there is no memory behind it and any access faults
 *   committed  memory stands behind it; zero when first read, then what was written
 *
 * Rules for every function that takes (address, size):
 *   - both are multiples of the page size and size > 0;
 *   - the range lies inside one reservation obtained from this file;
 *   - the result is 0, or the system's own error code (errno, or GetLastError());
 *   - after a failure no page has changed its state, unless the function says otherwise;
 *   - nothing is printed and nothing above is called back.
 *
 * What a reader would get wrong: a reservation costs address space, not memory. It still
 * counts against RLIMIT_AS and uses up mappings (vmem_info.max_mappings).
 */
#ifndef GROWABLE_VMEM_H
#define GROWABLE_VMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMEM_NO_LIMIT ((size_t)-1)

enum vmem_access {
    VMEM_NO_ACCESS,
    VMEM_READ,
    VMEM_READ_WRITE,
    VMEM_READ_EXECUTE,
    VMEM_READ_WRITE_EXECUTE,
};

/* When the system promises memory for committed pages. */
enum vmem_overcommit {
    VMEM_OVERCOMMIT_HEURISTIC, /* only an obviously impossible commit fails */
    VMEM_OVERCOMMIT_ALWAYS,    /* a commit never fails; touching pages may kill */
    VMEM_OVERCOMMIT_NEVER,     /* every committed page is paid for at commit */
};

/* Transparent huge pages. */
enum vmem_thp {
    VMEM_THP_UNSUPPORTED,
    VMEM_THP_NEVER,
    VMEM_THP_ADVISED, /* where vmem_advise_huge asked for them */
    VMEM_THP_ALWAYS,  /* wherever vmem_advise_huge did not forbid them */
};

#define VMEM_LARGE_PAGE_SIZES 8
#define VMEM_NO_NODE (-1)

struct vmem_info {
    size_t page_size;       /* unit of commit and protection */
    size_t granularity;     /* unit of a reservation's address */
    size_t huge_page_size;  /* 0 where there are none */
    size_t address_limit;   /* bytes of addresses a process may hold (RLIMIT_AS) */
    size_t data_limit;      /* bytes of writable private memory (RLIMIT_DATA) */
    size_t max_mappings;    /* mappings a process may hold (vm.max_map_count) */
    size_t lock_limit;      /* bytes a process may lock (RLIMIT_MEMLOCK, minimum working set) */
    unsigned numa_nodes;    /* nodes are numbered below this; 1 where there is but one */
    /* Page sizes for vmem_place.page_size, smallest first, 0 after the last. That the system knows
     * a size does not mean that it has such a page free, or that this process may have it. */
    size_t large_page_sizes[VMEM_LARGE_PAGE_SIZES];
    enum vmem_overcommit overcommit;
    enum vmem_thp thp;
    /* Capabilities: a function whose field is false fails with an error for which
     * vmem_is_unsupported() is true. */
    bool can_reserve_lazy;
    bool can_discard;
    bool can_populate;
    bool can_advise_huge;
    bool can_name;
    bool can_remap;
    bool can_query_resident;
    bool can_lock;
    bool can_prefetch;
    bool can_large_pages;
    bool can_query_memory; /* where false, vmem_query_resident is all that is told */
    bool can_set_caching;
    bool can_offer;
    bool can_other_process; /* vmem_remote.h */
    /* These are false until vmem_probe has found them out. */
    bool can_placeholder;
    bool can_prefer_node;
    bool can_query_node;
    bool can_undo_discard;
    bool can_write_watch;
};

/* Reads the limits and capabilities in force now. Limits that the system does not have, or
 * does not tell, are VMEM_NO_LIMIT. */
int vmem_query(struct vmem_info *info);

/* Finds out the capabilities that vmem_query leaves false, by trying them. Apart from it because
 * the calls are unusual: a service that is confined to a list of system calls may be killed for
 * one, which must not happen to a program that never asked for such a thing. After an error, which
 * says that descriptors are short, they may be asked for once more. */
int vmem_probe(struct vmem_info *info);

/* Reads address_limit and data_limit anew and nothing else: cheap enough for every reservation, since
 * a program may limit itself at any time. */
void vmem_query_limits(struct vmem_info *info);

/* none -> reserved. `size` is a multiple of the granularity; `alignment` is a power of two
 * and at least the granularity. *address is set on success only. */
int vmem_reserve(size_t size, size_t alignment, void **address);

/* The same, but the range begins `lead` bytes before a multiple of the alignment; `lead` is a multiple
 * of the granularity and less than the alignment. */
int vmem_reserve_before(size_t size, size_t alignment, size_t lead, void **address);

/* none -> committed, the whole range at once, with no promise of memory: pages are found (or the
 * process is killed) at first touch. Neighbouring ranges of this kind may merge into one mapping,
 * so that far more of them fit under max_mappings. Under VMEM_OVERCOMMIT_NEVER the whole range is
 * paid for at once all the same. Needs can_reserve_lazy. */
int vmem_reserve_lazy(size_t size, size_t alignment, void **address);

/* reserved or committed -> committed, readable and writable. Pages that were committed keep their
 * contents; the others read as zero. After a failure on a range whose pages were in different
 * states, or of different access or advice, some of them may be committed. */
int vmem_commit(void *address, size_t size);

/* reserved or committed -> reserved. The contents are lost and the commit charge is given back.
 * A preferred node and a write watch may be lost as well: see vmem_decommit_at. */
int vmem_decommit(void *address, size_t size);

/* committed -> committed. Each page keeps its contents or becomes zero, at the system's leisure,
 * until it is written next: the caller must not rely on either. Systems refuse pages that are locked;
 * on Linux no page of the range has lost its contents then. Needs can_discard. */
int vmem_discard(void *address, size_t size);

/* committed -> committed, with another access. Contents are kept. After a failure on a range as
 * mixed as vmem_commit describes, some pages may have the new access. */
int vmem_protect(void *address, size_t size, enum vmem_access access);

/* any state -> none, for the whole reservation as vmem_reserve, vmem_reserve_at,
 * vmem_reserve_lazy or vmem_remap gave it, placeholders and views of sections in it included. */
int vmem_release(void *address, size_t size);

/* Makes a reservation shorter or longer where it stands. Pages past its new end are none; those that
 * are added are reserved, and to be had only while nobody else has their addresses. Sizes are multiples
 * of the granularity. After a failure nothing has changed. Not on Windows, where a reservation is one
 * from first to last. */
int vmem_resize(void *address, size_t size, size_t new_size);

/* committed -> committed, with memory behind every page, as if each had been written. Contents are
 * kept. After a failure some pages may have been populated. Needs can_populate. */
int vmem_populate(void *address, size_t size);

/* Asks for huge pages in the range, or forbids them. Only advice: success promises nothing.
 * Works on reserved pages too. Pages lose the advice when they are decommitted; after vmem_remap
 * only the kept ones have it. Needs can_advise_huge. */
int vmem_advise_huge(void *address, size_t size, bool wanted);

/* Shows `name` beside the range in the system's own listings. At most 79 bytes are kept; a byte
 * that the system refuses is shown as '_'. Needs can_name. */
int vmem_name(void *address, size_t size, const char *name);

/* Moves a reservation to a larger range without copying a byte. The new reservation has `new_size`
 * bytes and begins as far before a multiple of the alignment as the old one does, so that what is
 * whole in the page tables moves whole; the committed pages [kept, kept + kept_size) of the old one
 * stand at the same offset in the new one, all other pages of which are reserved. The old range is
 * none afterwards. kept_size may be 0. After a failure nothing has changed; pages of different
 * access or advice, or partly kept by an earlier vmem_remap, may be a reason to fail: copy, then.
 * Needs can_remap. */
int vmem_remap(void *address, size_t size, size_t kept, size_t kept_size,
               size_t new_size, size_t alignment, void **new_address);

/* resident[i] = 1 where memory stands behind the i-th page of the range, else 0.
 * Needs can_query_resident. */
int vmem_query_resident(const void *address, size_t size, unsigned char *resident);

/* ---- a reservation in a certain place, or of a certain kind ------------------------------- */

/* What is asked of a reservation. Begin with VMEM_ANYWHERE and set what matters. */
struct vmem_place {
    void *address;      /* exactly here, a multiple of the granularity; NULL: anywhere. Excludes
                         * alignment, lowest, highest and top_down */
    size_t alignment;   /* a power of two, at least the granularity; 0: the granularity */
    uintptr_t lowest;   /* first address allowed; 0: none */
    uintptr_t highest;  /* last address allowed; 0: none */
    bool top_down;      /* as high as can be had */
    int numa_node;      /* where memory is taken from as long as it has some; or VMEM_NO_NODE */
    size_t page_size;   /* 0: ordinary pages. Else one of large_page_sizes: see vmem_reserve_at */
    bool placeholder;   /* see vmem_split; excludes page_size and write_watch */
    bool write_watch;   /* see vmem_written; excludes page_size and placeholder */
    bool executable;    /* its pages will be executed */
};

#define VMEM_ANYWHERE ((struct vmem_place){.numa_node = VMEM_NO_NODE})

/* none -> reserved, where and as `place` says. With page_size, none -> committed: `size` is a
 * multiple of it, all of the memory is there at once, readable and writable, and such pages are
 * only ever protected, locked, asked about and released as a whole. A combination that `place`
 * excludes is refused with the error of a wrong argument; a place that is taken, with one for which
 * vmem_is_occupied() is true. *address is set on success only. */
int vmem_reserve_at(size_t size, const struct vmem_place *place, void **address);

/* As vmem_decommit, for a part of a reservation made by vmem_reserve_at: the pages keep the node
 * and the write watch of `place`. Where the watch cannot be kept the pages are reserved and an error
 * is returned; vmem_written() then fails for them, it never tells too little. */
int vmem_decommit_at(void *address, size_t size, const struct vmem_place *place);

/* As vmem_commit, with any access. Pages that cannot be written may not be charged for until
 * vmem_protect makes them writable, which then can fail for want of memory. */
int vmem_commit_as(void *address, size_t size, enum vmem_access access);

/* How memory is cached; of use for the memory of devices alone. */
enum vmem_caching { VMEM_CACHED, VMEM_UNCACHED, VMEM_WRITE_COMBINED };

/* As vmem_protect; access is not VMEM_NO_ACCESS. Needs can_set_caching. */
int vmem_protect_caching(void *address, size_t size, enum vmem_access access,
                         enum vmem_caching caching);

/* ---- placeholders ------------------------------------------------------------------------ */

/* A reservation made with `placeholder` is one placeholder: reserved pages that cannot be committed
 * but can be cut into smaller placeholders, each of which can be replaced as a whole by private
 * reserved pages (vmem_replace) or by a view of a section. All need can_placeholder, and sizes and
 * addresses that are multiples of the granularity. A system for which reserved pages are all the
 * same knows nothing of placeholders: there each call succeeds for any part of a reservation, and it
 * is the caller who keeps the books. */

/* One placeholder -> two: [address, address + size), at one of its ends or within it, and the rest. */
int vmem_split(void *address, size_t size);

/* Neighbouring placeholders that fill [address, address + size) exactly -> one. */
int vmem_coalesce(void *address, size_t size);

/* One whole placeholder -> reserved pages. */
int vmem_replace(void *address, size_t size);

/* Private pages, reserved or committed, that came of a placeholder -> a placeholder; all of what
 * vmem_replace made, or a part of it. The contents are lost. */
int vmem_preserve(void *address, size_t size);

/* ---- memory behind committed pages ------------------------------------------------------- */

/* Keeps the pages in memory, and puts memory behind each. All in one, not counted: one unlock
 * undoes any number of locks. After a failure some pages may be locked. */
int vmem_lock(void *address, size_t size);

/* Pages that are not locked are fine. */
int vmem_unlock(void *address, size_t size);

/* Begins to read back what the system has moved out of memory. Only advice; pages that were never
 * written are not given memory. */
int vmem_prefetch(void *address, size_t size);

/* Makes what was written as data visible as instructions. */
int vmem_flush_instructions(void *address, size_t size);

/* Takes back a vmem_discard: 0 if no page of the range was dropped, an error otherwise, and then
 * nothing has changed. Needs can_undo_discard. */
int vmem_undo_discard(void *address, size_t size);

enum vmem_priority {
    VMEM_PRIORITY_VERY_LOW = 1, /* dropped first */
    VMEM_PRIORITY_LOW,
    VMEM_PRIORITY_BELOW_NORMAL,
    VMEM_PRIORITY_NORMAL,
};

/* Lets the system drop the contents when memory is short. The pages must not be touched before
 * vmem_reclaim. Needs can_offer. */
int vmem_offer(void *address, size_t size, enum vmem_priority priority);

/* Takes back a vmem_offer of the same range. *lost: some contents were dropped, and what the pages
 * hold is undefined. Needs can_offer. */
int vmem_reclaim(void *address, size_t size, bool *lost);

/* ---- the system's own view ----------------------------------------------------------------- */

enum vmem_state {
    VMEM_FREE,      /* none: no reservation of this file or of anybody */
    VMEM_RESERVED,  /* or committed without access, where the system cannot tell the two apart */
    VMEM_COMMITTED, /* private memory */
    VMEM_MAPPED,    /* a file or a section */
};

struct vmem_run {
    void *address; /* the page that was asked about */
    size_t size;   /* how far it is the same from there on, as the system keeps its books: the run
                    * that follows may be of the same kind */
    enum vmem_state state;
    enum vmem_access access; /* copy-on-write is told as writable */
};

/* Looks up the run of pages that begins at the page of `address`, be it ours or not. */
int vmem_query_run(const void *address, struct vmem_run *run);

/* What stands behind a page. */
enum vmem_memory { VMEM_ABSENT, VMEM_RESIDENT, VMEM_RESIDENT_HUGE };

/* memory[i] = the enum vmem_memory of the i-th (ordinary) page of the range. A page that was only
 * read and stands for zeros that all share is absent, where the system tells. Needs
 * can_query_memory; finds huge pages where the system tells of single ones. */
int vmem_query_memory(const void *address, size_t size, unsigned char *memory);

/* The node that the memory behind a page is on; VMEM_NO_NODE where nothing stands behind it. Needs
 * can_query_node. */
int vmem_query_node(const void *address, int *node);

struct vmem_range {
    void *address;
    size_t size;
};

/* Pages of a reservation with `write_watch` that were written since they were reserved, or since a
 * call with `reset`: by this process, by the kernel on its behalf, but not by others that share
 * them. Neighbours make one range, lowest first. *count is the room in `ranges`, at least 1, and
 * then how many were found; when it comes back as it went in, there may be more: ask again from
 * the end of the last one on. `reset` counts anew for the pages told of and for no others, with no
 * write lost in between. Pages to which vmem_populate or vmem_lock gave memory may count as
 * written. After a failure with `reset` the record may be incomplete: take everything
 * as written. Needs can_write_watch. */
int vmem_written(void *address, size_t size, bool reset, struct vmem_range *ranges,
                 size_t *count);

/* ---- errors ------------------------------------------------------------------------------ */

/* True for the error of vmem_reserve_at when somebody has the address. */
bool vmem_is_occupied(int error);

/* True for the error of vmem_discard when a page is locked. */
bool vmem_is_locked(int error);

/* Whether a call that was refused so most likely met vmem_info.max_mappings: counts them now, which
 * takes long where they are many. */
bool vmem_is_out_of_mappings(int error);

/* The name of the privilege that an error says is missing, or NULL. A constant. */
const char *vmem_missing_privilege(int error);

/* True for the error of a function that this system does not have. */
bool vmem_is_unsupported(int error);

/* Writes the system's text for `error`, always terminated; never fails. */
void vmem_describe(int error, char *text, size_t size);

#endif
