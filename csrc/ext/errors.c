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
            "requested : int or None\n    The size that was asked for, in bytes.\n"
            "limit : str or None\n    The name of the limit that was hit, such as 'RLIMIT_AS'.\n"
            "error_code : int or None\n    The system's own error code.\n", NULL},
        [ERROR_RESERVATION] = {"growable.ReservationError",
            "No range of addresses of the size asked for could be reserved.", &PyExc_MemoryError},
        [ERROR_COMMIT] = {"growable.CommitError",
            "The system refused to put memory behind reserved pages.", &PyExc_MemoryError},
        [ERROR_CAPACITY] = {"growable.CapacityError",
            "The operation needs more bytes than the capacity that was promised never to move.",
            &PyExc_MemoryError},
        [ERROR_STATE] = {"growable.StateError",
            "The object was released or frozen, or its pages are in the wrong state.",
            &PyExc_ValueError},
        [ERROR_UNSUPPORTED] = {"growable.UnsupportedError",
            "This system lacks the feature; growable.capabilities() tells beforehand.",
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
        PyUnicode_FromFormat("%s: this system has no %s; growable.capabilities() tells beforehand",
                             operation, feature));
}

int
errors_raise_exported(void)
{
    PyErr_SetString(PyExc_BufferError, "Existing exports of data: object cannot be re-sized");
    return -1;
}

/* Refusals by the system. */

static int
raise_reservation(struct module_state *state, const struct buffer *b, const char *operation)
{
    char text[128];
    env_describe_error(b->system_error, text, sizeof text);
    struct failure failure = {ERROR_RESERVATION, operation, b->failed_size,
                              env_reservation_limit(&state->env), b->system_error};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: cannot reserve %zu bytes of addresses: %s (limit: %s); "
                             "release other buffers, raise the limit or ask for less",
                             operation, b->failed_size, text, failure.limit));
}

static int
raise_commit(struct module_state *state, const struct buffer *b, const char *operation)
{
    char text[128];
    env_describe_error(b->system_error, text, sizeof text);
    struct failure failure = {ERROR_COMMIT, operation, b->failed_size,
                              env_commit_limit(&state->env), b->system_error};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: cannot commit %zu more bytes to the %zu committed: %s "
                             "(limit: %s); free memory, raise the limit or ask for less",
                             operation, b->failed_size, b->storage.committed, text,
                             failure.limit));
}

static int
raise_capacity(struct module_state *state, const struct buffer *b, const char *operation)
{
    struct failure failure = {ERROR_CAPACITY, operation, b->failed_size, "capacity", 0};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: %zu bytes are needed and the capacity is %zu; "
                             "make the Buffer with a larger capacity=, or without one",
                             operation, b->failed_size, b->capacity));
}

static int
raise_pinned(struct module_state *state, const struct buffer *b, const char *operation)
{
    struct failure failure = {ERROR_CAPACITY, operation, b->failed_size, "capacity", 0};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("%s: %zu bytes are needed, %zu can be had in place, and the storage "
                             "cannot move since its address was read; make the Buffer with "
                             "capacity=", operation, b->failed_size, buffer_capacity(b)));
}

static int
raise_state(struct module_state *state, const char *operation, const char *what)
{
    struct failure failure = {.kind = ERROR_STATE, .operation = operation};
    return errors_raise_failure(
        state, &failure, PyUnicode_FromFormat("%s: the Buffer is %s", operation, what));
}

static int
raise_system(struct module_state *state, const struct buffer *b, const char *operation)
{
    char text[128];
    env_describe_error(b->system_error, text, sizeof text);
    struct failure failure = {ERROR_BASE, operation, b->failed_size, NULL, b->system_error};
    return errors_raise_failure(
        state, &failure, PyUnicode_FromFormat("%s: the system refused: %s", operation, text));
}

static int
raise_full_while_exported(const struct buffer *b, const char *operation)
{
    PyErr_Format(PyExc_BufferError,
                 "Existing exports of data: object cannot be re-sized (%s: %zu bytes are needed "
                 "and %zu can be had without moving; release the exports, or make the Buffer "
                 "with capacity=)", operation, b->failed_size, buffer_capacity(b));
    return -1;
}

int
errors_raise(struct module_state *state, const struct buffer *b, int error, const char *operation)
{
    switch ((enum buffer_error)error) {
    case BUFFER_NOT_RESERVED:
        return raise_reservation(state, b, operation);
    case BUFFER_NOT_COMMITTED:
        return raise_commit(state, b, operation);
    case BUFFER_AT_CAPACITY:
        return raise_capacity(state, b, operation);
    case BUFFER_PINNED:
        return raise_pinned(state, b, operation);
    case BUFFER_EXPORTED:
        return raise_full_while_exported(b, operation);
    case BUFFER_FROZEN:
        return raise_state(state, operation, "frozen; copy it to change the copy");
    case BUFFER_RELEASED:
        return raise_state(state, operation, "released");
    case BUFFER_NOT_LENT:
        PyErr_Format(PyExc_ValueError,
                     "%s: %zu bytes asked for and %zu lent; spare() lends them, and any other "
                     "change of the length takes them back", operation, b->failed_size,
                     buffer_lent(b));
        return -1;
    case BUFFER_SYSTEM:
        return raise_system(state, b, operation);
    case BUFFER_OK:
    case BUFFER_TOO_LARGE:
    case BUFFER_NO_MEMORY:
        break;
    }
    PyErr_NoMemory();
    return -1;
}
