/* region_errors.c - the one translation from enum region_error to exceptions.
 *
 * What a reader would get wrong: a wrong number is a plain ValueError. A StateError, which is a
 * ValueError too, says that the same numbers may be right at another time.
 */
#include "region_object.h"

#include <string.h>

#include "args.h"

static const char *
state_name(struct page_traits traits)
{
    static const char *const names[] = {"reserved", "committed", "a placeholder", "mapped"};
    if (traits.discarded != NOT_DISCARDED)
        return "discarded";
    if (traits.guarded)
        return "guarded";
    return names[traits.state];
}

/* What would put pages of this kind right for most operations. */
static const char *
way_out(struct page_traits traits)
{
    if (traits.discarded != NOT_DISCARDED && !access_writes(traits.access))
        return "protect() them with access 'rw' first, then restore() them";
    if (traits.discarded != NOT_DISCARDED)
        return "restore() them first";
    if (traits.guarded)
        return "touch or protect() them first";
    switch ((enum pages_state)traits.state) {
    case PAGES_RESERVED:
        return "commit() them first";
    case PAGES_PLACEHOLDER:
        return "replace() it first";
    case PAGES_COMMITTED:
        return "protect() them with an access that allows it";
    case PAGES_MAPPED:
        break;
    }
    return "unmap() them first";
}

static bool
needs_placeholder(const char *operation)
{
    return strcmp(operation, "split") == 0 || strcmp(operation, "coalesce") == 0 ||
           strcmp(operation, "replace") == 0 || strcmp(operation, "map") == 0;
}

static const char *
hint_for(const char *operation, struct page_traits found)
{
    if (needs_placeholder(operation))
        return "a placeholder is needed, which unmap(offset, length, preserve=True) makes of them";
    if (strcmp(operation, "unmap") != 0)
        return way_out(found);
    return found.state == PAGES_PLACEHOLDER ? "leave them out, there is nothing to unmap"
                                            : "unmap them by a call of their own";
}

static int
raise_wrong_state(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    struct failure failure = {.kind = ERROR_STATE, .operation = operation};
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: the %zu bytes at offset %zu are %s, with access '%s'; %s",
                             operation, r->failed_size, r->failed_offset, state_name(r->found),
                             args_access_name(r->found.access), hint_for(operation, r->found)));
}

static int
raise_out_of_range(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    if (r->pages.total == 0)
        PyErr_Format(PyExc_ValueError, "%s: no Region can have %zu bytes", operation,
                     r->options.size);
    else if (r->failed_size == 0)
        PyErr_Format(PyExc_ValueError, "%s: the length must be at least 1", operation);
    else if (r->failed_size == REGION_TO_THE_END)
        PyErr_Format(PyExc_ValueError, "%s: offset %zu is not inside of a Region of %zu bytes",
                     operation, r->failed_offset, r->size);
    else
        PyErr_Format(PyExc_ValueError,
                     "%s: offset %zu and length %zu reach past the end of a Region of %zu bytes",
                     operation, r->failed_offset, r->failed_size, r->size);
    return -1;
}

static int
raise_exported(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    const char *force = strcmp(operation, "commit") == 0
                            ? "" : ", or pass force=True, after which using them crashes";
    PyErr_Format(PyExc_BufferError,
                 "%s: existing exports need these pages as they are (%zu of them, one from offset "
                 "%zu on); release them first%s",
                 operation, r->failed_size, r->failed_offset, force);
    return -1;
}

/* What the limit of a reservation is called: a place that was asked for is one. */
static const char *
reservation_limit(const RegionObject *self)
{
    const struct region_options *o = &self->region.options;
    const char *privilege = env_missing_privilege(self->region.system_error);
    if (privilege != NULL)
        return privilege;
    if (o->process != 0)
        return "process=";
    if (o->page_size != 0)
        return "free large pages";
    if (o->lowest != 0 || o->highest != 0)
        return "lowest=, highest=";
    return env_reservation_limit(self->region.env, self->region.system_error);
}

/* Asked after a refusal only: where a process can have such addresses, it is granted them. */
static bool
is_far_out(uintptr_t number)
{
    return (uint64_t)number >> 47 != 0;
}

static const char *
far_out(const struct region_options *o)
{
    if (is_far_out(o->address) || is_far_out(o->address + o->size))
        return "address=";
    if (is_far_out(o->lowest))
        return "lowest=";
    return is_far_out(o->alignment) ? "alignment=" : NULL;
}

static int
raise_far_out(const RegionObject *self, const char *operation, const char *argument)
{
    const struct region *r = &self->region;
    struct failure failure = {ERROR_RESERVATION, operation, r->failed_size, argument,
                              r->system_error};
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: cannot reserve %zu bytes: %s asks for addresses beyond those that "
                             "a process can have; take a smaller number", operation, r->failed_size,
                             argument));
}

static int
raise_no_large_pages(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    char text[128];
    env_describe_error(r->system_error, text, sizeof text);
    struct failure failure = {ERROR_RESERVATION, operation, r->failed_size,
                              reservation_limit(self), r->system_error};
    bool privilege = env_missing_privilege(r->system_error) != NULL;
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: cannot reserve %zu bytes in pages of %zu: %s (limit: %s); %s",
                             operation, r->failed_size, r->options.page_size, text, failure.limit,
                             privilege ? "give the user this privilege"
                                       : "release others, or have more set aside, on Linux by "
                                         "vm.nr_hugepages"));
}

static int
raise_not_reserved(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    const char *argument = far_out(&r->options);
    if (argument != NULL)
        return raise_far_out(self, operation, argument);
    if (r->options.page_size != 0)
        return raise_no_large_pages(self, operation);
    char text[128];
    env_describe_error(r->system_error, text, sizeof text);
    struct failure failure = {ERROR_RESERVATION, operation, r->failed_size,
                              reservation_limit(self), r->system_error};
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: cannot reserve %zu bytes: %s (limit: %s); release other "
                             "regions, raise the limit or ask for less", operation,
                             r->failed_size, text, failure.limit));
}

static int
raise_occupied(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    struct failure failure = {ERROR_RESERVATION, operation, r->failed_size, "address",
                              r->system_error};
    char text[ADDRESS_TEXT];
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: some of the %zu bytes at address %s are in use; leave address= "
                             "out, or take another", operation, r->failed_size,
                             address_text((const void *)r->options.address, text)));
}

static int
raise_not_committed(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    char text[128];
    env_describe_error(r->system_error, text, sizeof text);
    struct failure failure = {ERROR_COMMIT, operation, r->failed_size,
                              env_commit_limit(r->env, r->system_error), r->system_error};
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: cannot commit %zu bytes at offset %zu: %s (limit: %s); free "
                             "memory, raise the limit or ask for less", operation,
                             r->failed_size, r->failed_offset, text, failure.limit));
}

static int
raise_not_locked(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    char text[128];
    env_describe_error(r->system_error, text, sizeof text);
    struct failure failure = {ERROR_COMMIT, operation, r->failed_size,
                              env_lock_limit(r->env, r->system_error), r->system_error};
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: cannot lock %zu bytes at offset %zu into memory: %s (limit: "
                             "%s); unlock others, raise the limit or ask for less", operation,
                             r->failed_size, r->failed_offset, text, failure.limit));
}

static int
raise_system(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    char text[128];
    env_describe_error(r->system_error, text, sizeof text);
    const char *limit = env_limit(r->system_error);
    struct failure failure = {ERROR_BASE, operation, r->failed_size, limit, r->system_error};
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: the system refused, for %zu bytes at offset %zu: %s%s%s", operation,
                             r->failed_size, r->failed_offset, text,
                             limit == NULL ? "" : "; raise the limit or change fewer ranges: ",
                             limit == NULL ? "" : limit));
}

static int
raise_state(const RegionObject *self, const char *operation, const char *what)
{
    struct failure failure = {.kind = ERROR_STATE, .operation = operation};
    return errors_raise_failure(region_state(self), &failure,
                                PyUnicode_FromFormat("%s: %s", operation, what));
}

static int
raise_not_a_piece(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    struct failure failure = {.kind = ERROR_STATE, .operation = operation};
    if (r->failed_size == 0)
        return errors_raise_failure(region_state(self), &failure,
            PyUnicode_FromFormat("%s: offset %zu is not %s", operation, r->failed_offset,
                                 r->feature));
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: offset %zu and length %zu are not %s", operation,
                             r->failed_offset, r->failed_size, r->feature));
}

static int
raise_locked(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    struct failure failure = {ERROR_STATE, operation, r->failed_size, NULL, r->system_error};
    return errors_raise_failure(region_state(self), &failure,
        PyUnicode_FromFormat("%s: some of the %zu bytes at offset %zu are locked into memory; "
                             "unlock() them first", operation, r->failed_size, r->failed_offset));
}

static int
raise_misaligned(const RegionObject *self, const char *operation)
{
    const struct region *r = &self->region;
    struct env_facts facts;
    env_query(r->env, &facts);
    size_t unit = facts.granularity;
    bool offset = r->failed_offset % unit != 0;
    PyErr_Format(PyExc_ValueError, "%s: %s must be a multiple of the granularity, %zu, not %zu",
                 operation, offset ? "offset" : "length", unit,
                 offset ? r->failed_offset : r->failed_size);
    return -1;
}

int
Region_raise(const RegionObject *self, int error, const char *operation)
{
    switch ((enum region_error)error) {
    case REGION_OUT_OF_RANGE:
        return raise_out_of_range(self, operation);
    case REGION_NOT_RESERVED:
        return raise_not_reserved(self, operation);
    case REGION_OCCUPIED:
        return raise_occupied(self, operation);
    case REGION_NOT_COMMITTED:
        return raise_not_committed(self, operation);
    case REGION_NOT_LOCKED:
        return raise_not_locked(self, operation);
    case REGION_WRONG_STATE:
        return raise_wrong_state(self, operation);
    case REGION_NO_EXECUTION:
        PyErr_Format(PyExc_ValueError, "%s: access \"rx\" and \"rwx\" need a Region made with "
                                       "executable=True", operation);
        return -1;
    case REGION_LARGE_PAGES:
        return raise_state(self, operation, "large pages are committed for the Region's life, and "
                                            "protected and locked only as a whole");
    case REGION_EXPORTED:
        return raise_exported(self, operation);
    case REGION_NOT_A_PIECE:
        return raise_not_a_piece(self, operation);
    case REGION_MISALIGNED:
        return raise_misaligned(self, operation);
    case REGION_NOTHING_LEFT:
        PyErr_Format(PyExc_ValueError, "%s: offset must be greater than 0: there is nothing before "
                                       "the first page", operation);
        return -1;
    case REGION_LOCKED:
        return raise_locked(self, operation);
    case REGION_FORKED:
        return raise_state(self, operation, "what was written is not on record in the child of a fork; "
                                            "make a Region there");
    case REGION_NOT_WATCHED:
        return raise_state(self, operation, "the Region was made without write_watch=True");
    case REGION_UNSUPPORTED:
        return errors_raise_unsupported(region_state(self), operation, self->region.feature);
    case REGION_SECTION: /* of map and replace alone, which tell by Section_raise */
        break;
    case REGION_ELSEWHERE:
        return raise_state(self, operation, "the pages are those of another process (process=), of no "
                                            "use here; share() a Section to see the same ones");
    case REGION_RELEASED:
        return raise_state(self, operation, "the Region is released");
    case REGION_SYSTEM:
        return raise_system(self, operation);
    case REGION_OK:
    case REGION_NO_MEMORY:
        break;
    }
    PyErr_NoMemory();
    return -1;
}

PyObject *
Region_result(RegionObject *self, int error, const char *operation)
{
    assert_valid_region(self);
    if (error == REGION_OK)
        Py_RETURN_NONE;
    Region_raise(self, error, operation);
    return NULL;
}
