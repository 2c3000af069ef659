/* vmem.h - what an operating system can do with pages: the contract.
 *
 * One platform file implements it (vmem_linux.c, vmem_darwin.c, vmem_windows.c);
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

struct vmem_info {
    size_t page_size;       /* unit of commit and protection */
    size_t granularity;     /* unit of a reservation's address */
    size_t huge_page_size;  /* 0 where there are none */
    size_t address_limit;   /* bytes of addresses a process may hold (RLIMIT_AS) */
    size_t data_limit;      /* bytes of writable private memory (RLIMIT_DATA) */
    size_t max_mappings;    /* mappings a process may hold (vm.max_map_count) */
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
};

/* Reads the limits and capabilities in force now. Limits that the system does not have, or
 * does not tell, are VMEM_NO_LIMIT. */
int vmem_query(struct vmem_info *info);

/* Reads address_limit and data_limit anew and nothing else: cheap enough for every reservation, since
 * a program may limit itself at any time. */
void vmem_query_limits(struct vmem_info *info);

/* none -> reserved. `size` is a multiple of the granularity; `alignment` is a power of two
 * and at least the granularity. *address is set on success only. */
int vmem_reserve(size_t size, size_t alignment, void **address);

/* none -> committed, the whole range at once, with no promise of memory: pages are found (or the
 * process is killed) at first touch. Neighbouring ranges of this kind may merge into one mapping,
 * so that far more of them fit under max_mappings. Under VMEM_OVERCOMMIT_NEVER the whole range is
 * paid for at once all the same. Needs can_reserve_lazy. */
int vmem_reserve_lazy(size_t size, size_t alignment, void **address);

/* reserved or committed -> committed, readable and writable. Pages that were committed keep their
 * contents; the others read as zero. After a failure on a range whose pages were in different
 * states, or of different access or advice, some of them may be committed. */
int vmem_commit(void *address, size_t size);

/* reserved or committed -> reserved. The contents are lost and the commit charge is given back. */
int vmem_decommit(void *address, size_t size);

/* committed -> committed. Each page keeps its contents or becomes zero, at the system's leisure,
 * until it is written next: the caller must not rely on either. Needs can_discard. */
int vmem_discard(void *address, size_t size);

/* committed -> committed, with another access. Contents are kept. After a failure on a range as
 * mixed as vmem_commit describes, some pages may have the new access. */
int vmem_protect(void *address, size_t size, enum vmem_access access);

/* any state -> none, for the whole reservation as vmem_reserve, vmem_reserve_lazy or vmem_remap
 * gave it. */
int vmem_release(void *address, size_t size);

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
 * bytes and the given alignment; the committed pages [kept, kept + kept_size) of the old one stand
 * at the same offset in the new one, all other pages of which are reserved. The old range is
 * none afterwards. kept_size may be 0. After a failure nothing has changed; pages of different
 * access or advice, or partly kept by an earlier vmem_remap, may be a reason to fail: copy, then.
 * Needs can_remap. */
int vmem_remap(void *address, size_t size, size_t kept, size_t kept_size,
               size_t new_size, size_t alignment, void **new_address);

/* resident[i] = 1 where memory stands behind the i-th page of the range, else 0.
 * Needs can_query_resident. */
int vmem_query_resident(const void *address, size_t size, unsigned char *resident);

/* True for the error of a function that this system does not have. */
bool vmem_is_unsupported(int error);

/* Writes the system's text for `error`, always terminated; never fails. */
void vmem_describe(int error, char *text, size_t size);

#endif
