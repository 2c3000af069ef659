/* buffer_tail.c - ensure, spare, advance and read_from: receiving straight into the end.
 *
 * What a reader would get wrong: while a source writes into the tail the buffer is pinned, so a
 * source that changes the buffer meets BufferError instead of a torn result; and bytes that a
 * source has given cannot be put back, so read_from keeps those of the reads that succeeded.
 */
#include "buffer_object.h"
#include "tail.h"

enum { FIRST_CHUNK = 64 * 1024, LARGEST_CHUNK = 16 * 1024 * 1024 };

static int
size_argument(PyObject *arg, const char *operation, Py_ssize_t *size)
{
    *size = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    if (*size == -1 && PyErr_Occurred())
        return -1;
    if (*size >= 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s: size must be >= 0, got %zd", operation, *size);
    return -1;
}

PyObject *
Buffer_ensure(PyObject *op, PyObject *size)
{
    BufferObject *self = as_buffer(op);
    Py_ssize_t n;
    if (size_argument(size, "ensure", &n) < 0 || gate_write(self, "ensure") < 0 ||
        gate_grow(self, (size_t)n, "ensure") < 0)
        return NULL;
    assert_valid(self);
    Py_RETURN_NONE;
}

/* Room for n bytes that can be lent. Their address is about to be known, so small contents are
 * promoted first. */
static int
make_room(BufferObject *self, size_t n, const char *operation)
{
    if (gate_write(self, operation) < 0)
        return -1;
    if (is_movable(self))
        buffer_promote(&self->buffer, true);
    if (Buffer_grow(self, n, operation) < 0)
        return -1;
    int error = buffer_need_rest(&self->buffer);
    return error == BUFFER_OK ? 0 : Buffer_fail(self, error, operation);
}

/* A view of the n bytes past the end. It is made before they are lent: where that fails, a tail that
 * was lent earlier is still there, with what was written to it. */
PyObject *
Buffer_lend(BufferObject *self, size_t n, const char *operation)
{
    struct buffer *b = &self->buffer;
    if (make_room(self, n, operation) < 0)
        return NULL;
    bool movable = is_movable(self);
    char *tail = b->start + b->length;
    PyObject *view = Tail_view(self, tail, (Py_ssize_t)n);
    if (view != NULL)
        (void)buffer_spare(b, n, movable, &tail); /* there is room, and a rest */
    assert_valid(self);
    return view;
}

PyObject *
Buffer_spare(PyObject *op, PyObject *size)
{
    BufferObject *self = as_buffer(op);
    Py_ssize_t n;
    return size_argument(size, "spare", &n) < 0 ? NULL : Buffer_lend(self, (size_t)n, "spare");
}

static int
take_in(BufferObject *self, size_t n, const char *operation)
{
    int error = buffer_advance(&self->buffer, n);
    if (self->tails == 0)
        buffer_settle(&self->buffer);
    show_base(self);
    if (error != BUFFER_OK)
        return Buffer_fail(self, error, operation);
    assert_valid(self);
    return 0;
}

PyObject *
Buffer_advance(PyObject *op, PyObject *count)
{
    BufferObject *self = as_buffer(op);
    Py_ssize_t n;
    if (size_argument(count, "advance", &n) < 0)
        return NULL;
    if (self->pins > 0)
        errors_raise_exported();
    else if (take_in(self, (size_t)n, "advance") == 0)
        Py_RETURN_NONE;
    return NULL;
}

/* Sources: an object and the name of the method that fills a writable buffer. */

struct source {
    PyObject *object;   /* owned */
    const char *method;
};

/* The io module's raw file is what reads a descriptor: it retries after signals, releases the GIL
 * and returns None when a non-blocking descriptor has nothing. */
static PyObject *
open_descriptor(PyObject *fd)
{
    PyObject *io = PyImport_ImportModule("io");
    if (io == NULL)
        return NULL;
    PyObject *class = PyObject_GetAttrString(io, "FileIO");
    Py_DECREF(io);
    PyObject *args = class == NULL ? NULL : Py_BuildValue("(Os)", fd, "rb");
    PyObject *kwargs = args == NULL ? NULL : Py_BuildValue("{sO}", "closefd", Py_False);
    PyObject *file = kwargs == NULL ? NULL : PyObject_Call(class, args, kwargs);
    Py_XDECREF(class);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return file;
}

static int
find_method(PyObject *object, const char *name)
{
    PyObject *method = PyObject_GetAttrString(object, name);
    if (method != NULL) {
        Py_DECREF(method);
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    return 0;
}

static int
open_object(PyObject *object, struct source *source)
{
    static const char *const methods[] = {"readinto", "recv_into"};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(methods); i++) {
        int found = find_method(object, methods[i]);
        if (found < 0)
            return -1;
        if (found > 0) {
            *source = (struct source){Py_NewRef(object), methods[i]};
            return 0;
        }
    }
    PyErr_Format(PyExc_TypeError,
                 "read_from: source must be a file descriptor, a binary file with readinto() or a "
                 "socket with recv_into(), not %.200s", Py_TYPE(object)->tp_name);
    return -1;
}

static int
open_source(PyObject *object, struct source *source)
{
    if (!PyLong_Check(object))
        return open_object(object, source);
    *source = (struct source){open_descriptor(object), "readinto"};
    return source->object == NULL ? -1 : 0;
}

/* One read. The count, NOTHING_NOW, or -1 with an exception. */

enum { NOTHING_NOW = -2 };

static Py_ssize_t
checked_count(PyObject *result, Py_ssize_t size)
{
    if (result == Py_None)
        return NOTHING_NOW;
    Py_ssize_t n = PyNumber_AsSsize_t(result, PyExc_ValueError);
    if (n == -1 && PyErr_Occurred())
        return -1;
    if (n >= 0 && n <= size)
        return n;
    PyErr_Format(PyExc_OSError,
                 "read_from: the source returned invalid length %zd (should have been between 0 "
                 "and %zd)", n, size);
    return -1;
}

static Py_ssize_t
call_source(const struct source *source, PyObject *view, Py_ssize_t size)
{
    PyObject *result = PyObject_CallMethod(source->object, source->method, "O", view);
    if (result == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_BlockingIOError))
            return -1;
        PyErr_Clear();
        return NOTHING_NOW;
    }
    Py_ssize_t n = checked_count(result, size);
    Py_DECREF(result);
    return n;
}

/* A traceback may still hold the view, and with it an export. Where the source made views of its own
 * it stays an export until they are gone. */
static void
release_view(PyObject *view)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallMethod(view, "release", NULL);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_DECREF(view);
    PyErr_Restore(type, value, traceback);
}

static Py_ssize_t
read_once(BufferObject *self, const struct source *source, Py_ssize_t size)
{
    PyObject *view = Buffer_lend(self, (size_t)size, "read_from");
    if (view == NULL)
        return -1;
    self->pins++;
    Py_ssize_t n = call_source(source, view, size);
    release_view(view);
    self->pins--;
    int taken = n > 0 ? take_in(self, (size_t)n, "read_from") : 0;
    buffer_end_lending(&self->buffer); /* a later advance() must not find what the source left */
    return taken < 0 ? -1 : n;
}

/* To the end of the source. */

static Py_ssize_t
room_left(const BufferObject *self)
{
    const struct buffer *b = &self->buffer;
    size_t room = b->rest->capacity == BUFFER_NO_CAPACITY ? LARGEST_CHUNK
                                                       : b->rest->capacity - b->length;
    return (Py_ssize_t)(room < LARGEST_CHUNK ? room : LARGEST_CHUNK);
}

static void
note_what_is_kept(Py_ssize_t total)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *note = PyUnicode_FromFormat(
        "growable: the %zd bytes that had been read before stay in the Buffer", total);
    PyObject *done = note == NULL ? NULL : PyObject_CallMethod(value, "add_note", "O", note);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(note);
    PyErr_Restore(type, value, traceback);
}

static Py_ssize_t
read_to_end(BufferObject *self, const struct source *source)
{
    Py_ssize_t total = 0, chunk = FIRST_CHUNK;
    for (;;) {
        Py_ssize_t room = room_left(self);
        if (room == 0 && total > 0)
            return total; /* full; the next call says so */
        Py_ssize_t size = chunk < room || room == 0 ? chunk : room;
        Py_ssize_t n = read_once(self, source, size);
        if (n == -1 && total > 0)
            note_what_is_kept(total);
        if (n == -1)
            return -1;
        if (n == 0 || (n == NOTHING_NOW && total > 0))
            return total;
        if (n == NOTHING_NOW)
            return NOTHING_NOW;
        total += n;
        if (n == size && chunk < LARGEST_CHUNK)
            chunk *= 2;
    }
}

static int
optional_size(PyObject *arg, Py_ssize_t *size)
{
    *size = -1;
    if (arg == NULL || arg == Py_None)
        return 0;
    *size = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    return *size == -1 && PyErr_Occurred() ? -1 : 0;
}

PyObject *
Buffer_read_from(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"source", "size", NULL};
    BufferObject *self = as_buffer(op);
    PyObject *object, *size_arg = NULL;
    Py_ssize_t size;
    struct source source;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:read_from", keywords, &object, &size_arg) ||
        optional_size(size_arg, &size) < 0 || gate_write(self, "read_from") < 0 ||
        open_source(object, &source) < 0)
        return NULL;
    Py_ssize_t n = size == 0 ? 0 : size > 0 ? read_once(self, &source, size)
                                            : read_to_end(self, &source);
    Py_DECREF(source.object);
    if (n == NOTHING_NOW)
        Py_RETURN_NONE;
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}
