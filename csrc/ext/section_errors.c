/* section_errors.c - the one translation from enum section_error to exceptions.
 *
 * What a reader would get wrong: what open() would raise for a file is raised here too
 * (FileNotFoundError, PermissionError, ...), for names as well, and is no GrowableError.
 */
#include "section_object.h"

#include <string.h>

/* Of the class that the system's error code stands for. The fourth argument is the code on Windows;
 * elsewhere OSError does not look at it. */
static int
raise_system(const struct section *s, const char *operation, PyObject *subject)
{
    char text[128], told[192];
    env_describe_error(s->system_error, text, sizeof text);
    bool of_file = subject != NULL && subject != Py_None; /* told as open() does */
    bool of_handle = strcmp(operation, "from_handle") == 0;
    PyOS_snprintf(told, sizeof told, "%s: %s%s", operation, text,
                  of_handle ? "; the handle must be that of a section or a file" : "");
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "isOi", s->system_error,
                                            of_file ? text : told, of_file ? subject : Py_None,
                                            s->system_error);
    if (error != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return -1;
}

static int
raise_no_storage(struct module_state *state, const struct section *s, const char *operation)
{
    char text[128];
    env_describe_error(s->system_error, text, sizeof text);
    struct failure failure = {ERROR_COMMIT, operation, s->failed_size, s->limit, s->system_error};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: there is no storage for %zu bytes: %s (limit: %s); free some, "
                             "raise the limit or ask for less", operation, s->failed_size, text,
                             s->limit));
}

static int
raise_no_addresses(struct module_state *state, const struct section *s, const char *operation)
{
    char text[128];
    struct env_facts facts;
    env_query(&state->env, &facts); /* a program may have limited itself meanwhile */
    env_describe_error(s->system_error, text, sizeof text);
    struct failure failure = {ERROR_RESERVATION, operation, s->failed_size,
                              env_reservation_limit(&state->env, s->system_error), s->system_error};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: cannot map %zu bytes: %s (limit: %s); release other views, raise "
                             "the limit or ask for less", operation, s->failed_size, text,
                             failure.limit));
}

/* What a Region's methods call the offset within the Section; theirs is another. */
static const char *
offset_name(const char *operation)
{
    bool of_region = strcmp(operation, "map") == 0 || strcmp(operation, "replace") == 0;
    return of_region ? "section_offset" : "offset";
}

static int
raise_out_of_range(const struct section *s, const char *operation)
{
    const char *name = offset_name(operation);
    if (s->failed_size == 0)
        PyErr_Format(PyExc_ValueError,
                     "%s: no bytes are left from %s %zu on in a Section of %zu bytes",
                     operation, name, s->failed_offset, s->found_size);
    else
        PyErr_Format(PyExc_ValueError,
                     "%s: %s %zu and length %zu reach past the end of a Section of %zu bytes",
                     operation, name, s->failed_offset, s->failed_size, s->found_size);
    return -1;
}

static int
raise_misaligned(const struct section *s, const char *operation)
{
    struct section_facts facts;
    section_query(&facts);
    PyErr_Format(PyExc_ValueError, "%s: %s %zu and length %zu must be multiples of the page size, "
                                   "%zu", operation, offset_name(operation), s->failed_offset,
                 s->failed_size, facts.page_size);
    return -1;
}

static int
raise_state(struct module_state *state, const char *operation, const char *what)
{
    struct failure failure = {.kind = ERROR_STATE, .operation = operation};
    return errors_raise_failure(state, &failure,
                                PyUnicode_FromFormat("%s: %s", operation, what));
}

static int
raise_truncated(struct module_state *state, const struct section *s, const char *operation)
{
    struct failure failure = {.kind = ERROR_STATE, .operation = operation};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: somebody has made the Section smaller: it has %zu bytes, and "
                             "offset %zu and length %zu reach past them", operation,
                             s->found_size, s->failed_offset, s->failed_size));
}

static int
raise_unsealable(struct module_state *state, const char *operation)
{
    struct failure failure = {.kind = ERROR_UNSUPPORTED, .operation = operation,
                              .limit = "section_seal"};
    struct section_facts facts;
    section_query(&facts);
    if (!facts.seal)
        return errors_raise_unsupported(state, operation, failure.limit);
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: only a Section without a name that is no file can be sealed, as "
                             "Section(size) makes it; send that to others by multiprocessing",
                             operation));
}

static int
raise_read_only(struct module_state *state, const char *operation)
{
    bool maps = strcmp(operation, "resize") != 0 && strcmp(operation, "seal") != 0;
    return raise_state(state, operation, maps
        ? "the Section was opened for reading; use access=\"r\" or \"wc\", or open it with "
          "mode=\"r+\""
        : "the Section was opened for reading; open it with mode=\"r+\"");
}

static int
raise_value(const char *operation, const char *what)
{
    PyErr_Format(PyExc_ValueError, "%s: %s", operation, what);
    return -1;
}

static int
raise_empty(const char *operation)
{
    bool of_file = strcmp(operation, "from_file") == 0;
    return raise_value(operation, of_file ? "there is nothing to map; pass size=, and a mode that "
                                            "writes"
                                          : "size must be at least 1");
}

static int
raise_smaller(const struct section *s, const char *operation)
{
    PyErr_Format(PyExc_ValueError, "%s: a Section can only grow, and it has %zu bytes already, "
                                   "more than %zu", operation, s->found_size, s->failed_size);
    return -1;
}

static int
raise_too_short(const struct section *s, const char *operation)
{
    PyErr_Format(PyExc_ValueError,
                 "%s: the file has fewer than %zu bytes, and mode \"r\" does not make it larger",
                 operation, s->failed_size);
    return -1;
}

int
Section_raise(struct module_state *state, const struct section *s, int error,
              const char *operation, PyObject *subject)
{
    switch ((enum section_error)error) {
    case SECTION_OK:
        break;
    case SECTION_EMPTY:
        return raise_empty(operation);
    case SECTION_TOO_LARGE:
        PyErr_Format(PyExc_ValueError, "%s: no Section can have %zu bytes", operation,
                     s->failed_size);
        return -1;
    case SECTION_BAD_NAME:
        return raise_value(operation, "name must be 1 to 200 bytes of UTF-8 without \"/\", \"\\\" "
                                      "and control characters");
    case SECTION_EXISTS:
    case SECTION_MISSING:
    case SECTION_SYSTEM:
        return raise_system(s, operation, subject);
    case SECTION_NO_STORAGE:
        return raise_no_storage(state, s, operation);
    case SECTION_NO_ADDRESSES:
        return raise_no_addresses(state, s, operation);
    case SECTION_OUT_OF_RANGE:
        return raise_out_of_range(s, operation);
    case SECTION_MISALIGNED:
        return raise_misaligned(s, operation);
    case SECTION_TRUNCATED:
        return raise_truncated(state, s, operation);
    case SECTION_SMALLER:
        return raise_smaller(s, operation);
    case SECTION_TOO_SHORT:
        return raise_too_short(s, operation);
    case SECTION_READ_ONLY:
        return raise_read_only(state, operation);
    case SECTION_SEALED:
        return raise_state(state, operation, "the Section is sealed");
    case SECTION_IN_USE:
        return raise_state(state, operation, "a mapping, here or in another process, can write to "
                                             "the Section; release it first");
    case SECTION_CLOSED:
        return raise_state(state, operation, "the Section is closed");
    case SECTION_UNSEALABLE:
        return raise_unsealable(state, operation);
    case SECTION_UNSUPPORTED:
        return errors_raise_unsupported(state, operation, s->limit);
    }
    PyErr_SetString(PyExc_SystemError, "growable: an error that is none");
    return -1;
}

int
Section_gate(SectionObject *self, const char *operation)
{
    if (self->busy)
        return raise_state(section_state(self), operation, "another thread is resizing the Section");
    if (!self->section.open)
        return Section_raise(section_state(self), &self->section, SECTION_CLOSED, operation, NULL);
    return 0;
}
