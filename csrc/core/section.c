/* section.c - see section.h.
 *
 * What a reader would get wrong: that a section is large enough when it was made says nothing of a
 * file later. The OS layer looks at each mapping; what is checked here first is for the error's
 * sake.
 */
#include "section.h"

#include <string.h>

#include "vmem_remote.h"
#include "vmem_section.h"

_Static_assert((int)SECTION_ACCESS_NONE == (int)VMEM_NO_ACCESS, "numbers of access");
_Static_assert((int)SECTION_ACCESS_R == (int)VMEM_READ, "numbers of access");
_Static_assert((int)SECTION_ACCESS_RW == (int)VMEM_READ_WRITE, "numbers of access");
_Static_assert((int)SECTION_ACCESS_RX == (int)VMEM_READ_EXECUTE, "numbers of access");
_Static_assert((int)SECTION_ACCESS_RWX == (int)VMEM_READ_WRITE_EXECUTE, "numbers of access");
_Static_assert((int)SECTION_MODE_R == (int)VMEM_SECTION_READ, "numbers of modes");
_Static_assert((int)SECTION_MODE_UPDATE == (int)VMEM_SECTION_UPDATE, "numbers of modes");
_Static_assert((int)SECTION_MODE_REPLACE == (int)VMEM_SECTION_REPLACE, "numbers of modes");
_Static_assert((int)SECTION_MODE_NEW == (int)VMEM_SECTION_NEW, "numbers of modes");

static struct vmem_section os_of(const struct section *s)
{
    return (struct vmem_section){
        .pages = s->pages,
        .file = s->file,
        .kind = (enum vmem_section_kind)s->kind,
        .writable = s->writable,
        .sealed = s->sealed,
    };
}

static void take(struct section *s, const struct vmem_section *os)
{
    s->pages = os->pages;
    s->file = os->file;
    s->kind = (int)os->kind;
    s->writable = os->writable;
    s->sealed = os->sealed;
}

static struct vmem_section_info query(void)
{
    struct vmem_section_info info;
    vmem_section_query(&info);
    return info;
}

void section_query(struct section_facts *facts)
{
    struct vmem_section_info info = query();
    *facts = (struct section_facts){
        .page_size = info.page_size,
        .granularity = info.granularity,
        .seal = info.can_seal,
        .resize = info.can_resize,
        .map_placed = info.can_map_placed,
        .descriptors = info.has_descriptors,
    };
}

/* ---- errors ------------------------------------------------------------------------------ */

static int fail(struct section *s, enum section_error error, int system_error)
{
    s->system_error = system_error;
    return (int)error;
}

static int fail_size(struct section *s, enum section_error error, size_t size)
{
    s->failed_size = size;
    return fail(s, error, 0);
}

static int fail_unsupported(struct section *s, const char *what)
{
    s->limit = what;
    return fail(s, SECTION_UNSUPPORTED, 0);
}

/* Of a call that makes a section, or makes one larger. */
static int fail_make(struct section *s, int system_error, size_t size)
{
    s->failed_size = size;
    if (vmem_section_exists(system_error)) {
        return fail(s, SECTION_EXISTS, system_error);
    }
    if (vmem_section_missing(system_error)) {
        return fail(s, SECTION_MISSING, system_error);
    }
    if (vmem_section_no_storage(system_error)) {
        s->limit = vmem_section_limit((enum vmem_section_kind)s->kind, system_error);
        return fail(s, SECTION_NO_STORAGE, system_error);
    }
    if (vmem_is_unsupported(system_error)) {
        s->limit = s->kind == VMEM_SECTION_NAMED ? "place for named sections" : "such sections";
        return fail(s, SECTION_UNSUPPORTED, system_error);
    }
    return fail(s, SECTION_SYSTEM, system_error);
}

/* Of a call that maps; those say "no memory" for addresses. */
static int fail_map(struct section *s, int system_error, size_t offset, size_t size)
{
    s->failed_offset = offset;
    s->failed_size = size;
    if (vmem_section_is_short(system_error)) {
        return fail(s, SECTION_TRUNCATED, system_error);
    }
    if (vmem_is_unsupported(system_error)) {
        s->limit = "mappings of sections at chosen places";
        return fail(s, SECTION_UNSUPPORTED, system_error);
    }
    bool none = vmem_section_no_storage(system_error);
    return fail(s, none ? SECTION_NO_ADDRESSES : SECTION_SYSTEM, system_error);
}

/* ---- making and closing ------------------------------------------------------------------ */

static int start(struct section *s, enum vmem_section_kind kind)
{
    *s = (struct section){
        .pages = VMEM_NO_HANDLE,
        .file = VMEM_NO_HANDLE,
        .kind = (int)kind,
    };
    return SECTION_OK;
}

/* Whole pages for `size` bytes. */
static int round_size(struct section *s, size_t size, size_t *rounded)
{
    size_t mask = query().page_size - 1;
    if (size == 0) {
        return fail_size(s, SECTION_EMPTY, 0);
    }
    if (size > PTRDIFF_MAX - mask) {
        return fail_size(s, SECTION_TOO_LARGE, size);
    }
    *rounded = (size + mask) & ~mask;
    return SECTION_OK;
}

/* What the systems' rules for names have in common; and UTF-8 that is not text on one of them is
 * refused there. */
static bool is_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > SECTION_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\') {
            return false;
        }
    }
    return true;
}

static int made(struct section *s, const struct vmem_section *os, const char *name, size_t size)
{
    take(s, os);
    s->open = true;
    s->size = size;
    if (name != NULL) {
        memcpy(s->name, name, strlen(name) + 1);
    }
    return SECTION_OK;
}

/* For sections whose size somebody else decided. */
static int measured(struct section *s, const struct vmem_section *os, const char *name)
{
    size_t size = 0;
    int error = vmem_section_size(os, &size);
    if (error != 0) {
        struct vmem_section gone = *os;
        vmem_section_close(&gone, name);
        return fail_make(s, error, 0);
    }
    return made(s, os, name, size);
}

int section_create(struct section *s, size_t size)
{
    struct vmem_section os;
    start(s, VMEM_SECTION_ANONYMOUS);
    int error = round_size(s, size, &size);
    if (error != SECTION_OK) {
        return error;
    }
    error = vmem_section_create(size, &os);
    return error != 0 ? fail_make(s, error, size) : made(s, &os, NULL, size);
}

int section_create_named(struct section *s, const char *name, size_t size)
{
    struct vmem_section os;
    start(s, VMEM_SECTION_NAMED);
    int error = round_size(s, size, &size);
    if (error != SECTION_OK) {
        return error;
    }
    if (!is_name(name)) {
        return fail(s, SECTION_BAD_NAME, 0);
    }
    error = vmem_section_create_named(name, size, &os);
    return error != 0 ? fail_make(s, error, size) : made(s, &os, name, size);
}

int section_open_named(struct section *s, const char *name, bool writable)
{
    struct vmem_section os;
    start(s, VMEM_SECTION_NAMED);
    if (!is_name(name)) {
        return fail(s, SECTION_BAD_NAME, 0);
    }
    int error = vmem_section_open_named(name, writable, &os);
    return error != 0 ? fail_make(s, error, 0) : measured(s, &os, name);
}

/* What the file has is asked of the section afterwards: between the two it may have grown. */
int section_open_file(struct section *s, const char *path, enum section_mode mode, size_t size)
{
    struct vmem_section os;
    start(s, VMEM_SECTION_FILE);
    if (size > PTRDIFF_MAX) {
        return fail_size(s, SECTION_TOO_LARGE, size);
    }
    bool empty = mode == SECTION_MODE_REPLACE || mode == SECTION_MODE_NEW;
    if (empty && size == 0) {
        return fail_size(s, SECTION_EMPTY, 0);
    }
    int error = vmem_section_open_file(path, (enum vmem_section_mode)mode, size, &os);
    if (vmem_section_is_short(error)) {
        return fail_size(s, size == 0 ? SECTION_EMPTY : SECTION_TOO_SHORT, size);
    }
    return error != 0 ? fail_make(s, error, size) : measured(s, &os, NULL);
}

int section_adopt(struct section *s, intptr_t handle, const char *name)
{
    struct vmem_section os;
    start(s, VMEM_SECTION_FOREIGN);
    if (name != NULL && !is_name(name)) {
        return fail(s, SECTION_BAD_NAME, 0);
    }
    int error = vmem_section_adopt(handle, name, &os);
    s->handed_on = true;
    if (error != 0) {
        return fail_make(s, error, 0);
    }
    return measured(s, &os, os.kind == VMEM_SECTION_NAMED ? name : NULL);
}

void section_close(struct section *s)
{
    if (s->open) {
        struct vmem_section os = os_of(s);
        vmem_section_close(&os, s->name[0] != '\0' ? s->name : NULL);
        take(s, &os);
        s->open = false;
    }
}

/* ---- the whole section ------------------------------------------------------------------- */

int section_measure(struct section *s)
{
    size_t size = 0;
    if (!s->open) {
        return fail(s, SECTION_CLOSED, 0);
    }
    struct vmem_section os = os_of(s);
    int error = vmem_section_size(&os, &size);
    if (error != 0) {
        return fail(s, SECTION_SYSTEM, error);
    }
    s->size = size;
    return SECTION_OK;
}

static int check_resize(struct section *s, size_t size)
{
    int error = section_measure(s);
    if (error != SECTION_OK) {
        return error;
    }
    if (size < s->size) {
        s->found_size = s->size;
        return fail_size(s, SECTION_SMALLER, size);
    }
    if (s->sealed) {
        return fail(s, SECTION_SEALED, 0);
    }
    if (!s->writable) {
        return fail(s, SECTION_READ_ONLY, 0);
    }
    if (s->kind != VMEM_SECTION_FILE && !query().can_resize) {
        return fail_unsupported(s, "growth of sections that are no files");
    }
    return SECTION_OK;
}

int section_resize(struct section *s, size_t size)
{
    size_t rounded = size;
    int error = s->kind == VMEM_SECTION_FILE ? SECTION_OK : round_size(s, size, &rounded);
    if (error == SECTION_OK) {
        error = check_resize(s, rounded);
    }
    if (error != SECTION_OK || rounded == s->size) {
        return error;
    }
    if (rounded > PTRDIFF_MAX) {
        return fail_size(s, SECTION_TOO_LARGE, size);
    }
    size_t more = rounded - s->size;
    struct vmem_section os = os_of(s);
    int system_error = vmem_section_resize(&os, rounded);
    if (vmem_is_unsupported(system_error)) {
        return fail_unsupported(s, "growth of this section");
    }
    if (system_error != 0) {
        return fail_make(s, system_error, more);
    }
    take(s, &os);
    s->size = rounded;
    return SECTION_OK;
}

int section_seal(struct section *s)
{
    if (!s->open) {
        return fail(s, SECTION_CLOSED, 0);
    }
    if (s->sealed) {
        return SECTION_OK;
    }
    if (!s->writable) {
        return fail(s, SECTION_READ_ONLY, 0);
    }
    struct vmem_section_info info = query();
    bool others = s->handed_on || s->placed_writable;
    if (s->writable_views != 0 || (others && !info.forces_seal)) {
        return fail(s, SECTION_IN_USE, 0);
    }
    struct vmem_section os = os_of(s);
    int error = vmem_section_seal(&os);
    if (vmem_section_busy(error)) {
        return fail(s, SECTION_IN_USE, error);
    }
    if (error != 0) {
        return fail(s, vmem_is_unsupported(error) ? SECTION_UNSEALABLE : SECTION_SYSTEM, error);
    }
    take(s, &os);
    return SECTION_OK;
}

int section_share(struct section *s, intptr_t process, intptr_t *theirs)
{
    if (!s->open) {
        return fail(s, SECTION_CLOSED, 0);
    }
    int error = vmem_remote_share(process, s->pages, theirs);
    if (error != 0) {
        return vmem_is_unsupported(error) ? fail_unsupported(s, "other_process")
                                          : fail(s, SECTION_SYSTEM, error);
    }
    s->handed_on = true;
    return SECTION_OK;
}

/* ---- mappings ---------------------------------------------------------------------------- */

static bool is_shared_writing(enum section_access access)
{
    return access == SECTION_ACCESS_RW || access == SECTION_ACCESS_RWX;
}

static enum vmem_access os_access(enum section_access access)
{
    return access == SECTION_ACCESS_WC ? VMEM_READ_WRITE : (enum vmem_access)access;
}

static int check_access(struct section *s, enum section_access access)
{
    if (!s->open) {
        return fail(s, SECTION_CLOSED, 0);
    }
    if (is_shared_writing(access) && !s->writable) {
        return fail(s, s->sealed ? SECTION_SEALED : SECTION_READ_ONLY, 0);
    }
    return SECTION_OK;
}

static int check_range(struct section *s, size_t offset, size_t size, size_t end, size_t unit)
{
    s->failed_offset = offset;
    s->failed_size = size;
    s->found_size = end;
    if (offset > end || size > end - offset || size == 0) {
        return fail(s, SECTION_OUT_OF_RANGE, 0);
    }
    return (offset | size) % unit != 0 ? fail(s, SECTION_MISALIGNED, 0) : SECTION_OK;
}

static size_t up_to(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* Remembers what the section has, for a message, when it has too little. */
static int map_failed(struct section *s, int error, size_t offset, size_t size)
{
    size_t before = s->size;
    if (vmem_section_is_short(error) && section_measure(s) == SECTION_OK) {
        s->found_size = s->size;
        s->size = before;
    }
    return fail_map(s, error, offset, size);
}

static int map_view(struct section *s, size_t offset, size_t length, enum section_access access,
                    struct section_view *view)
{
    struct vmem_section_info info = query();
    size_t lead = offset % info.granularity;
    size_t mapped = up_to(lead + length, info.page_size);
    struct vmem_section os = os_of(s);
    void *base;
    int error = vmem_section_view(&os, offset - lead, mapped, os_access(access),
                                  access == SECTION_ACCESS_WC, &base);
    if (error != 0) {
        return map_failed(s, error, offset, length);
    }
    *view = (struct section_view){
        .base = base,
        .mapped = mapped,
        .start = (char *)base + lead,
        .size = length,
        .writable = is_shared_writing(access) || access == SECTION_ACCESS_WC,
        .owner = is_shared_writing(access) ? s : NULL,
    };
    s->writable_views += view->owner != NULL;
    return SECTION_OK;
}

int section_view_open(struct section *s, size_t offset, size_t length, enum section_access access,
                      struct section_view *view)
{
    int error = check_access(s, access);
    if (error == SECTION_OK) {
        error = section_measure(s);
    }
    if (error != SECTION_OK) {
        return error;
    }
    if (length == SECTION_TO_THE_END) {
        length = offset < s->size ? s->size - offset : 0;
    }
    error = check_range(s, offset, length, s->size, 1);
    return error != SECTION_OK ? error : map_view(s, offset, length, access, view);
}

void section_view_close(struct section_view *view)
{
    (void)vmem_section_unview(view->base, view->mapped);
    if (view->owner != NULL) {
        view->owner->writable_views--;
    }
    *view = (struct section_view){0};
}

static int check_placed(struct section *s, size_t offset, size_t size, enum section_access access,
                        size_t unit)
{
    int error = check_access(s, access);
    if (error == SECTION_OK) {
        error = section_measure(s);
    }
    size_t page = query().page_size;
    return error != SECTION_OK ? error : check_range(s, offset, size, up_to(s->size, page), unit);
}

int section_check_map(struct section *s, size_t offset, size_t size, enum section_access access)
{
    return check_placed(s, offset, size, access, query().page_size);
}

int section_map(struct section *s, size_t offset, void *address, size_t size,
                enum section_access access)
{
    int error = section_check_map(s, offset, size, access);
    if (error != SECTION_OK) {
        return error;
    }
    struct vmem_section os = os_of(s);
    int system_error = vmem_section_map(&os, offset, address, size, os_access(access),
                                        access == SECTION_ACCESS_WC);
    if (system_error != 0) {
        return map_failed(s, system_error, offset, size);
    }
    s->placed_writable |= is_shared_writing(access);
    return SECTION_OK;
}

int section_unmap(void *address, size_t size)
{
    return vmem_section_unmap(address, size);
}

int section_protect_copy(void *address, size_t size, enum section_access access)
{
    return vmem_section_protect_copy(address, size, os_access(access));
}

int section_repeat(struct section *s, size_t offset, size_t size, unsigned times,
                   enum section_access access, void **address)
{
    int error = check_placed(s, offset, size, access, query().granularity);
    if (error != SECTION_OK) {
        return error;
    }
    struct vmem_section os = os_of(s);
    int system_error = vmem_section_repeat(&os, offset, size, times, os_access(access), address);
    if (system_error != 0) {
        return map_failed(s, system_error, offset, size);
    }
    s->placed_writable |= is_shared_writing(access);
    return SECTION_OK;
}

int section_unrepeat(void *address, size_t size, unsigned times)
{
    return vmem_section_unrepeat(address, size, times);
}
