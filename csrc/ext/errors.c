/* errors.c - exception classes, and messages that name the operation, the sizes, the limit that was
 * hit and the way out.
 *
 * What a reader would get wrong: the attributes are set on the instance after it was made, so that
 * the classes keep the constructors of MemoryError, ValueError and OSError.
 */
#include "errors.h"

#include <errno.h>

struct error_class {
    const char *name;
    const char *doc;
    PyObject *const *second_base; /* beside GrowableError */
};

static const char *const attributes[] = {"operation", "requested", "limit", "error_code"};

static PyObject *
default_attributes(void)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < Py_ARRAY_LENGTH(attributes); i++)
        if (PyDict_SetItemString(dict, attributes[i], Py_None) < 0)
            Py_CLEAR(dict);
    return dict;
}

static PyObject *
make_class(const struct error_class *spec, PyObject *growable_error)
{
    PyObject *second = spec->second_base == NULL ? NULL : *spec->second_base;
    PyObject *bases = growable_error == NULL ? PyTuple_Pack(1, PyExc_Exception)
                                             : PyTuple_Pack(2, growable_error, second);
    PyObject *dict = default_attributes();
    PyObject *class = NULL;
    if (bases != NULL && dict != NULL)
        class = PyErr_NewExceptionWithDoc(spec->name, spec->doc, bases, dict);
    Py_XDECREF(bases);
    Py_XDECREF(dict);
    return class;
}

int
errors_add(PyObject *module, struct module_state *state)
{
    const struct error_class classes[ERROR_KINDS] = {
        [ERROR_BASE] = {"growable.GrowableError",
            "Base class of all errors of growable.\n\n"
            "Attributes\n----------\n"
            "operation : str or None\n    What was tried.\n"
            "requested : int or None\n    The size that was asked for: in bytes, but in rows where an "
            "Array or a\n    Table raises CapacityError.\n"
            "limit : str or None\n    The name of the limit that was hit, such as 'RLIMIT_AS'.\n"
            "error_code : int or None\n    The system's own error code.\n", NULL},
        [ERROR_RESERVATION] = {"growable.ReservationError",
            "No range of addresses of the size asked for could be reserved.", &PyExc_MemoryError},
        [ERROR_COMMIT] = {"growable.CommitError",
            "The system refused to put memory behind reserved pages.", &PyExc_MemoryError},
        [ERROR_CAPACITY] = {"growable.CapacityError",
            "The operation needs more than the capacity that was promised never to move.\n\n"
            "`requested` is what would have been there: bytes of a Buffer, rows of an Array or a "
            "Table.",
            &PyExc_MemoryError},
        [ERROR_STATE] = {"growable.StateError",
            "The object was released or frozen, or its pages are in the wrong state.",
            &PyExc_ValueError},
        [ERROR_UNSUPPORTED] = {"growable.UnsupportedError",
            "This system lacks what was asked for; growable.capabilities() tells what it has.",
            &PyExc_OSError},
    };
    for (int kind = 0; kind < ERROR_KINDS; kind++) {
        PyObject *class = make_class(&classes[kind], state->errors[ERROR_BASE]);
        state->errors[kind] = class;
        if (class == NULL ||
            PyModule_AddObjectRef(module, strrchr(classes[kind].name, '.') + 1, class) < 0)
            return -1;
    }
    return 0;
}

static int
set_attribute(PyObject *error, const char *name, PyObject *value)
{
    int result = value == NULL ? -1 : PyObject_SetAttrString(error, name, value);
    Py_XDECREF(value);
    return result;
}

static PyObject *
optional_text(const char *text)
{
    return text == NULL ? Py_NewRef(Py_None) : PyUnicode_FromString(text);
}

static int
set_attributes(PyObject *error, const struct failure *failure)
{
    if (set_attribute(error, "operation", optional_text(failure->operation)) < 0 ||
        set_attribute(error, "limit", optional_text(failure->limit)) < 0)
        return -1;
    if (failure->requested != 0 &&
        set_attribute(error, "requested", PyLong_FromSize_t(failure->requested)) < 0)
        return -1;
    if (failure->system_error <= 0)
        return 0;
    return set_attribute(error, "error_code", PyLong_FromLong(failure->system_error));
}

int
errors_raise_failure(struct module_state *state, const struct failure *failure, PyObject *message)
{
    if (message == NULL)
        return -1;
    PyObject *class = state->errors[failure->kind];
    PyObject *error = failure->kind == ERROR_UNSUPPORTED
                          ? PyObject_CallFunction(class, "iO", ENOSYS, message)
                          : PyObject_CallOneArg(class, message);
    Py_DECREF(message);
    if (error == NULL)
        return -1;
    if (set_attributes(error, failure) == 0)
        PyErr_SetObject(class, error);
    Py_DECREF(error);
    return -1;
}

int
errors_raise_unsupported(struct module_state *state, const char *operation, const char *feature)
{
    struct failure failure = {.kind = ERROR_UNSUPPORTED, .operation = operation, .limit = feature};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: this system has no %s; growable.capabilities() tells what it has",
                             operation, feature));
}

int
errors_raise_exported(void)
{
    PyErr_SetString(PyExc_BufferError, "Existing exports of data: object cannot be re-sized");
    return -1;
}

/* What could not be done, and to whom. */

enum { LABEL_SIZE = 64 };

struct attempt {
    struct module_state *state;
    const struct buffer_holder *holder;
    const struct buffer *b;
    const char *operation;
    char label[LABEL_SIZE]; /* "append", "Array.append" */
};

static const char *
unit_of(const struct buffer_holder *holder)
{
    return holder->row_size == HOLDER_OF_BYTES ? "bytes" : "rows";
}

static size_t
in_units(const struct buffer_holder *holder, size_t bytes)
{
    return holder->row_size == HOLDER_OF_BYTES ? bytes : bytes / holder->row_size;
}

/* Of what was asked for no part is left out. */
static size_t
units_needed(const struct attempt *attempt)
{
    size_t bytes = attempt->state->env.failed_size, units = in_units(attempt->holder, bytes);
    return units + (in_units(attempt->holder, bytes - 1) == units);
}

static void
set_label(struct attempt *attempt)
{
    const char *name = attempt->holder->name, *operation = attempt->operation;
    if (attempt->holder->row_size == HOLDER_OF_BYTES || strcmp(name, operation) == 0)
        PyOS_snprintf(attempt->label, LABEL_SIZE, "%s", operation);
    else
        PyOS_snprintf(attempt->label, LABEL_SIZE, "%s.%s", name, operation);
}

/* Refusals by the system. They are about pages, so they count bytes whoever asks. */

static int
raise_reservation(const struct attempt *attempt)
{
    const struct buffer_env *env = &attempt->state->env;
    char text[128];
    env_describe_error(env->system_error, text, sizeof text);
    struct failure failure = {ERROR_RESERVATION, attempt->operation, env->failed_size,
                              env_reservation_limit(env, env->system_error),
                              env->system_error};
    return errors_raise_failure(attempt->state, &failure,
        PyUnicode_FromFormat("%s: cannot reserve %zu bytes of addresses: %s (limit: %s); "
                             "release other buffers, raise the limit or ask for less",
                             attempt->label, env->failed_size, text, failure.limit));
}

static int
raise_commit(const struct attempt *attempt)
{
    const struct buffer_env *env = &attempt->state->env;
    char text[128];
    env_describe_error(env->system_error, text, sizeof text);
    struct failure failure = {ERROR_COMMIT, attempt->operation, env->failed_size,
                              env_commit_limit(env, env->system_error),
                              env->system_error};
    return errors_raise_failure(attempt->state, &failure,
        PyUnicode_FromFormat("%s: cannot commit %zu more bytes to the %zu committed: %s "
                             "(limit: %s); free memory, raise the limit or ask for less",
                             attempt->label, env->failed_size, buffer_accessible(attempt->b), text,
                             failure.limit));
}

static int
raise_system(const struct attempt *attempt)
{
    const struct buffer_env *env = &attempt->state->env;
    char text[128];
    env_describe_error(env->system_error, text, sizeof text);
    struct failure failure = {ERROR_BASE, attempt->operation, env->failed_size, NULL,
                              env->system_error};
    return errors_raise_failure(attempt->state, &failure,
                         PyUnicode_FromFormat("%s: the system refused: %s", attempt->label, text));
}

/* Refusals of our own, in the unit of `capacity=`. */

static int
raise_capacity(const struct attempt *attempt)
{
    const struct buffer_holder *holder = attempt->holder;
    size_t needed = units_needed(attempt);
    struct failure failure = {ERROR_CAPACITY, attempt->operation, needed, "capacity", 0};
    return errors_raise_failure(attempt->state, &failure,
        PyUnicode_FromFormat("%s: %zu %s are needed and the capacity is %zu; "
                             "make the %s with a larger capacity=, or without one",
                             attempt->label, needed, unit_of(holder),
                             in_units(holder, attempt->b->rest->capacity), holder->name));
}

static int
raise_pinned(const struct attempt *attempt)
{
    const struct buffer_holder *holder = attempt->holder;
    size_t needed = units_needed(attempt);
    struct failure failure = {ERROR_CAPACITY, attempt->operation, needed, "capacity", 0};
    return errors_raise_failure(attempt->state, &failure,
        PyUnicode_FromFormat("%s: %zu %s are needed, %zu can be had in place, and the storage "
                             "cannot move since its address was read; make the %s with "
                             "capacity=", attempt->label, needed, unit_of(holder),
                             in_units(holder, buffer_capacity(attempt->b)), holder->name));
}

static int
raise_full_while_exported(const struct attempt *attempt)
{
    const struct buffer_holder *holder = attempt->holder;
    PyErr_Format(PyExc_BufferError,
                 "Existing exports of data: object cannot be re-sized (%s: %zu %s are needed "
                 "and %zu can be had without moving; release the exports, or make the %s "
                 "with capacity=)", attempt->label, units_needed(attempt), unit_of(holder),
                 in_units(holder, buffer_capacity(attempt->b)), holder->name);
    return -1;
}

static int
raise_not_lent(const struct attempt *attempt)
{
    const struct buffer_holder *holder = attempt->holder;
    PyErr_Format(PyExc_ValueError,
                 "%s: %zu %s asked for and %zu lent; spare() lends them, and any other "
                 "change of the length takes them back", attempt->label, units_needed(attempt),
                 unit_of(holder), in_units(holder, buffer_lent(attempt->b)));
    return -1;
}

static int
raise_state(const struct attempt *attempt, const char *what)
{
    struct failure failure = {.kind = ERROR_STATE, .operation = attempt->operation};
    return errors_raise_failure(attempt->state, &failure,
                         PyUnicode_FromFormat("%s: the %s is %s", attempt->label,
                                              attempt->holder->name, what));
}

static int
raise_no_memory(const struct attempt *attempt)
{
    if (attempt->holder->row_size == HOLDER_OF_BYTES)
        PyErr_NoMemory();
    else
        PyErr_Format(PyExc_MemoryError, "%s: no memory for so many rows", attempt->label);
    return -1;
}

int
errors_raise(struct module_state *state, const struct buffer *b, int error, const char *operation)
{
    struct attempt attempt = {
        .state = state, .holder = &b->rest->holder, .b = b, .operation = operation};
    set_label(&attempt);
    switch ((enum buffer_error)error) {
    case BUFFER_NOT_RESERVED:
        return raise_reservation(&attempt);
    case BUFFER_NOT_COMMITTED:
        return raise_commit(&attempt);
    case BUFFER_AT_CAPACITY:
        return raise_capacity(&attempt);
    case BUFFER_PINNED:
        return raise_pinned(&attempt);
    case BUFFER_EXPORTED:
        return raise_full_while_exported(&attempt);
    case BUFFER_FROZEN:
        return raise_state(&attempt, "frozen; copy it to change the copy");
    case BUFFER_RELEASED:
        return raise_state(&attempt, "released");
    case BUFFER_NOT_LENT:
        return raise_not_lent(&attempt);
    case BUFFER_SYSTEM:
        return raise_system(&attempt);
    case BUFFER_OK:
    case BUFFER_TOO_LARGE:
    case BUFFER_NO_MEMORY:
        break;
    }
    return raise_no_memory(&attempt);
}
