/* bytesio_contents.c - where the contents of a BytesIO stand, and how they change.
 *
 * What a reader would get wrong: a bytes object is changed here. That is allowed while nobody else
 * holds a reference, as it is for whoever has just made one; each path that writes looks first.
 */
#include "bytesio_object.h"

#include "growth.h"

#include <stddef.h>

/* Looking. */

int
BytesIO_refuse_closed(const BytesIOObject *self)
{
    if (self->buffer != NULL)
        return 0;
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    return -1;
}

struct extent
BytesIO_refuse_look(const BytesIOObject *self)
{
    if (BytesIO_refuse_closed(self) == 0)
        (void)gate_read(self->buffer, "read");
    return (struct extent){NULL, 0};
}

/* Contents in bytes. */

#define BYTES_HEAD (offsetof(PyBytesObject, ob_sval) + 1)

static PyObject *
copy_bytes(PyObject *bytes, Py_ssize_t kept, Py_ssize_t size)
{
    PyObject *copy = PyBytes_FromStringAndSize(NULL, size);
    if (copy != NULL)
        memcpy(PyBytes_AS_STRING(copy), PyBytes_AS_STRING(bytes), (size_t)kept);
    return copy;
}

/* Somebody may have asked for the hash of an earlier value and let go of it. */
static inline void
forget_hash(PyObject *bytes)
{
    _Py_COMP_DIAG_PUSH
    _Py_COMP_DIAG_IGNORE_DEPR_DECLS
    ((PyBytesObject *)bytes)->ob_shash = -1;
    _Py_COMP_DIAG_POP
}

/* Makes the object `size` bytes long, keeping `kept` of them. Not _PyBytes_Resize: when there is no
 * memory that one frees the object, and the contents would be lost. */
static int
resize_bytes(BytesIOObject *self, Py_ssize_t kept, Py_ssize_t size)
{
    PyObject *bytes = self->bytes;
#ifndef Py_TRACE_REFS
    if (Py_REFCNT(bytes) == 1) {
        bytes = PyObject_Realloc(bytes, BYTES_HEAD + (size_t)size);
        if (bytes == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        Py_SET_SIZE(bytes, size);
        PyBytes_AS_STRING(bytes)[size] = 0;
        forget_hash(bytes);
        self->bytes = bytes;
        return 0;
    }
#endif
    PyObject *copy = copy_bytes(bytes, kept, size);
    if (copy == NULL)
        return -1;
    self->bytes = copy;
    Py_DECREF(bytes);
    return 0;
}

/* Makes bytes up to `end` ours to write to. */
static int
make_room(BytesIOObject *self, size_t end)
{
    Py_ssize_t size = PyBytes_GET_SIZE(self->bytes);
    if (end <= (size_t)size) {
        Py_ssize_t needed = Py_MAX((Py_ssize_t)end, self->length);
        return Py_REFCNT(self->bytes) == 1 ? 0 : resize_bytes(self, self->length, needed);
    }
    if (end > (size_t)PY_SSIZE_T_MAX - BYTES_HEAD) {
        PyErr_SetString(PyExc_OverflowError, "new buffer size too large");
        return -1;
    }
    size_t generous = growth_heap_size(end, (size_t)size);
    if (generous > (size_t)PY_SSIZE_T_MAX - BYTES_HEAD)
        generous = end;
    if (resize_bytes(self, self->length, (Py_ssize_t)generous) == 0)
        return 0;
    PyErr_Clear();
    return resize_bytes(self, self->length, (Py_ssize_t)end);
}

static int
put_in_bytes(BytesIOObject *self, const char *bytes, Py_ssize_t n)
{
    size_t end = (size_t)self->pos + (size_t)n;
    bool fits = Py_REFCNT(self->bytes) == 1 && end <= (size_t)PyBytes_GET_SIZE(self->bytes);
    if (!fits && make_room(self, end) < 0)
        return -1;
    char *start = PyBytes_AS_STRING(self->bytes);
    forget_hash(self->bytes);
    if (self->pos > self->length)
        memset(start + self->length, 0, (size_t)(self->pos - self->length));
    memcpy(start + self->pos, bytes, (size_t)n);
    self->pos = (Py_ssize_t)end;
    if (self->pos > self->length)
        self->length = self->pos;
    return 0;
}

/* Large parts that are not needed any more are given back, and a shared object is let go of. */
static int
cut_bytes(BytesIOObject *self, Py_ssize_t length)
{
    bool wasteful = length < PyBytes_GET_SIZE(self->bytes) / 2;
    if ((wasteful || Py_REFCNT(self->bytes) > 1) && resize_bytes(self, length, length) < 0)
        return -1;
    self->length = length;
    return 0;
}

static PyObject *
value_of_bytes(BytesIOObject *self)
{
    Py_ssize_t length = self->length;
    if (length <= 1) /* the interpreter shares those */
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self->bytes), length);
    if (length != PyBytes_GET_SIZE(self->bytes) && resize_bytes(self, length, length) < 0)
        return NULL;
    return Py_NewRef(self->bytes);
}

/* Contents in a Buffer. */

/* While a tail is lent the bytes may stand there, so they are copied before the gap is zeroed. */
static void
put_after_gap(BufferObject *buffer, size_t pos, const char *bytes, size_t n)
{
    struct buffer *b = &buffer->buffer;
    size_t end = b->length, gap = pos - end;
    if (buffer->tails == 0) {
        (void)buffer_extend_zero(b, gap, false); /* there is room */
        buffer_replace_end(b, pos, bytes, n);
        return;
    }
    buffer_replace_end(b, pos, bytes, n);
    poison_open(b->start + end, b->start + pos);
    memset(b->start + end, 0, gap);
}

static int
put_past_end(BufferObject *buffer, size_t pos, const char *bytes, size_t n)
{
    struct buffer *b = &buffer->buffer;
    if (gate_grow(buffer, pos + n - b->length, "write") < 0)
        return -1;
    if (pos > b->length)
        put_after_gap(buffer, pos, bytes, n);
    else
        buffer_replace_end(b, pos, bytes, n);
    show_base(buffer);
    assert_valid(buffer);
    return 0;
}

static int
put_in_buffer(BytesIOObject *self, const char *bytes, Py_ssize_t n)
{
    BufferObject *buffer = self->buffer;
    size_t pos = (size_t)self->pos, end = pos + (size_t)n;
    int result = gate_write(buffer, "write");
    if (result == 0 && end > buffer->buffer.length)
        result = put_past_end(buffer, pos, bytes, (size_t)n);
    else if (result == 0)
        memmove(buffer->buffer.start + pos, bytes, (size_t)n);
    if (result == 0)
        self->pos = (Py_ssize_t)end;
    return result;
}

static int
cut_buffer(BufferObject *buffer, Py_ssize_t length)
{
    if (gate_move(buffer, "truncate") < 0)
        return -1;
    buffer_truncate(&buffer->buffer, (size_t)length);
    show_base(buffer);
    assert_valid(buffer);
    return 0;
}

/* While nobody else can reach the Buffer its contents become the bytes that are asked for, so that
 * asking again costs nothing and no memory is held twice. */
static PyObject *
value_of_buffer(BytesIOObject *self)
{
    struct extent all = BytesIO_look(self);
    PyObject *value = all.start == NULL ? NULL : PyBytes_FromStringAndSize(all.start, all.length);
    if (value == NULL || Py_REFCNT(self->buffer) > 1)
        return value;
    self->bytes = Py_NewRef(value);
    self->length = all.length;
    Py_CLEAR(self->buffer);
    return value;
}

/* Either. */

int
BytesIO_put(BytesIOObject *self, const char *bytes, Py_ssize_t n)
{
    if (n == 0 || BytesIO_check_open(self) < 0)
        return n == 0 ? BytesIO_check_open(self) : -1;
    if (self->pos > PY_SSIZE_T_MAX - n) {
        PyErr_SetString(PyExc_OverflowError, "new buffer size too large");
        return -1;
    }
    return self->bytes != NULL ? put_in_bytes(self, bytes, n) : put_in_buffer(self, bytes, n);
}

int
BytesIO_cut(BytesIOObject *self, Py_ssize_t length)
{
    return self->bytes != NULL ? cut_bytes(self, length) : cut_buffer(self->buffer, length);
}

PyObject *
BytesIO_value(BytesIOObject *self)
{
    if (self->bytes != NULL)
        return value_of_bytes(self);
    return BytesIO_check_open(self) < 0 ? NULL : value_of_buffer(self);
}

static int
refuse_exported(const BytesIOObject *self)
{
    if (self->buffer != NULL && layout_exports(&self->buffer->base) > 0 && !self->finalizing)
        return errors_raise_exported();
    return 0;
}

int
BytesIO_drop(BytesIOObject *self)
{
    if (refuse_exported(self) < 0)
        return -1;
    Py_CLEAR(self->bytes);
    Py_CLEAR(self->buffer);
    return 0;
}

/* The new contents are there before the old ones go: a weak reference to the Buffer may have a
 * callback. */
int
BytesIO_adopt(BytesIOObject *self, PyObject *bytes)
{
    if (refuse_exported(self) < 0) {
        Py_DECREF(bytes);
        return -1;
    }
    PyObject *old_bytes = self->bytes, *old_buffer = (PyObject *)self->buffer;
    self->bytes = bytes;
    self->buffer = NULL;
    self->length = PyBytes_GET_SIZE(bytes);
    self->pos = 0;
    Py_XDECREF(old_bytes);
    Py_XDECREF(old_buffer);
    return 0;
}

/* Into pages at once, since the address is about to be known. */
static BufferObject *
make_buffer(const BytesIOObject *self, struct extent all)
{
    struct module_state *state = self->state;
    BufferObject *buffer = (BufferObject *)Buffer_allocate(state->buffer_type, state);
    if (buffer == NULL)
        return NULL;
    buffer->initialized = true;
    buffer_promote(&buffer->buffer, false);
    show_base(buffer);
    if (all.length > 0 &&
        Buffer_append_bytes(buffer, all.start, (size_t)all.length, "getbuffer") < 0)
        Py_CLEAR(buffer);
    return buffer;
}

BufferObject *
BytesIO_expose(BytesIOObject *self)
{
    struct extent all = BytesIO_look(self);
    if (all.start == NULL || self->buffer != NULL)
        return all.start == NULL ? NULL : self->buffer;
    BufferObject *buffer = make_buffer(self, all);
    if (buffer != NULL) {
        self->buffer = buffer;
        Py_CLEAR(self->bytes);
    }
    return buffer;
}

Py_ssize_t
BytesIO_memory(const BytesIOObject *self)
{
    if (self->bytes != NULL)
        return Py_REFCNT(self->bytes) > 1
            ? 0 : (Py_ssize_t)BYTES_HEAD + PyBytes_GET_SIZE(self->bytes);
    if (self->buffer == NULL)
        return 0;
    PyObject *size = PyObject_CallMethod((PyObject *)self->buffer, "__sizeof__", NULL);
    Py_ssize_t n = size == NULL ? -1 : PyLong_AsSsize_t(size);
    Py_XDECREF(size);
    return n;
}
