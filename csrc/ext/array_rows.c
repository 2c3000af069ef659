/* array_rows.c - which rows there are: putting some in, replacing, taking one out, setting how many.
 *
 * What a reader would get wrong: Python code can be interrupted between any two of its steps, by
 * another thread or a signal. So a count and the change that relies on it are in one function here.
 * And letting go of the cached view may run foreign code: that comes before anything is looked at.
 */
#include "array_object.h"
#include "content.h"

/* Numbers of rows. */

/* An Array, or the Table that it is a column of. */
static const char *
holder_of(const ArrayObject *self)
{
    return self->buffer->buffer.rest->holder.name;
}

int
Array_read_count(const ArrayObject *self, PyObject *arg, const char *operation, Py_ssize_t *rows)
{
    *rows = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    if (*rows == -1 && PyErr_Occurred())
        return -1;
    if (*rows >= 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s.%s: the number of rows must be >= 0, got %zd",
                 holder_of(self), operation, *rows);
    return -1;
}

int
Array_read_size(const ArrayObject *self, PyObject *arg, const char *operation, Py_ssize_t *size)
{
    Py_ssize_t rows;
    if (Array_read_count(self, arg, operation, &rows) < 0)
        return -1;
    if ((size_t)rows > BUFFER_MAX / self->row_size) {
        PyErr_Format(PyExc_MemoryError, "%s.%s: %zd rows of %zu bytes do not fit in memory",
                     holder_of(self), operation, rows, self->row_size);
        return -1;
    }
    *size = rows * (Py_ssize_t)self->row_size;
    return 0;
}

/* _set_capacity(rows): of an Array that was just made. */
PyObject *
Array_set_capacity(PyObject *op, PyObject *count)
{
    ArrayObject *self = as_array(op);
    Py_ssize_t size;
    if (Array_read_size(self, count, "capacity", &size) < 0)
        return NULL;
    if (!Buffer_is_new(self->buffer)) {
        PyErr_SetString(PyExc_TypeError, "_set_capacity: the Array is in use");
        return NULL;
    }
    if (Buffer_set_capacity(self->buffer, (size_t)size, holder_of(self)) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Rows that Python code has converted. */

/* The bytes of so many rows. */
static int
take_rows(const ArrayObject *self, PyObject *rows, Py_ssize_t count, struct content *content)
{
    if (content_of_buffer(self->buffer, rows, content) < 0)
        return -1;
    size_t size = (size_t)content->size;
    if (count >= 0 && size % self->row_size == 0 && size / self->row_size == (size_t)count)
        return 0;
    content_release(content);
    return Array_refuse_dtype(self);
}

/* _put(rows, count, operation): at the end. */
PyObject *
Array_put(PyObject *op, PyObject *args)
{
    ArrayObject *self = as_array(op);
    PyObject *rows;
    Py_ssize_t count;
    const char *operation;
    struct content content;
    if (!PyArg_ParseTuple(args, "Ons:_put", &rows, &count, &operation))
        return NULL;
    Array_drop_view(self);
    if (take_rows(self, rows, count, &content) < 0)
        return NULL;
    int result = count == 0 ? gate_write(self->buffer, operation)
                            : Buffer_append_bytes(self->buffer, content.bytes,
                                                  (size_t)content.size, operation);
    content_release(&content);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

static Py_ssize_t
clip(Py_ssize_t at, Py_ssize_t most)
{
    return at < 0 ? 0 : at < most ? at : most;
}

/* _replace(low, high, rows, count, operation): rows from `low` to `high`, as far as there are any. */
PyObject *
Array_replace(PyObject *op, PyObject *args)
{
    ArrayObject *self = as_array(op);
    PyObject *rows;
    Py_ssize_t low, high, count;
    const char *operation;
    struct content content;
    if (!PyArg_ParseTuple(args, "nnOns:_replace", &low, &high, &rows, &count, &operation))
        return NULL;
    Array_drop_view(self);
    if (take_rows(self, rows, count, &content) < 0)
        return NULL;
    high = clip(high, Array_count_rows(self));
    low = clip(low, high);
    int result = gate_read(self->buffer, operation);
    if (result == 0)
        result = Buffer_replace(self->buffer, (size_t)low * self->row_size,
                                (size_t)high * self->row_size, content.bytes,
                                (size_t)content.size, operation);
    content_release(&content);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* How many. */

static int
set_length(ArrayObject *self, Py_ssize_t size)
{
    PyObject *length = PyLong_FromSsize_t(size);
    PyObject *done = length == NULL ? NULL : Buffer_resize((PyObject *)self->buffer, length);
    Py_XDECREF(length);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Repeats one row in the rows from `begin` on, doubling what is there. */
static void
repeat_row(ArrayObject *self, Py_ssize_t begin, const char *row)
{
    const struct buffer *b = &self->buffer->buffer;
    size_t done = self->row_size, at = (size_t)begin * done, total = b->length - at;
    char *start = b->start + at;
    memcpy(start, row, done);
    while (done < total) {
        size_t n = done < total - done ? done : total - done;
        memcpy(start + done, start, n);
        done += n;
    }
}

static int
resize_filled(ArrayObject *self, Py_ssize_t size, const Py_buffer *fill)
{
    if (fill->buf != NULL && fill->len != (Py_ssize_t)self->row_size)
        return Array_refuse_dtype(self);
    Array_drop_view(self);
    Py_ssize_t before = Array_count_rows(self);
    if (set_length(self, size) < 0)
        return -1;
    if (fill->buf != NULL && Array_count_rows(self) > before)
        repeat_row(self, before, fill->buf);
    return 0;
}

/* _resize(rows, fill): new rows are zero bytes, or the bytes of `fill`, one row. */
PyObject *
Array_resize(PyObject *op, PyObject *args)
{
    PyObject *count;
    Py_buffer fill;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "Oz*:_resize", &count, &fill))
        return NULL;
    int result = Array_read_size(as_array(op), count, "resize", &size);
    if (result == 0)
        result = resize_filled(as_array(op), size, &fill);
    PyBuffer_Release(&fill);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* Taking out. */

PyObject *
Array_copy_of_row(const ArrayObject *self, Py_ssize_t at)
{
    Py_ssize_t size = (Py_ssize_t)self->row_size;
    const char *start = self->buffer->buffer.start + at * size;
    PyObject *bytes = bytearray_of(start, size);
    PyObject *array = bytes == NULL ? NULL : Array_of_bytes(self, bytes, 1, false);
    PyObject *row = array == NULL ? NULL : PySequence_GetItem(array, 0);
    Py_XDECREF(bytes);
    Py_XDECREF(array);
    return row;
}

/* Removes one row and returns it; made first, since that may fail. */
PyObject *
Array_take(PyObject *op, PyObject *index)
{
    ArrayObject *self = as_array(op);
    Py_ssize_t at = PyLong_AsSsize_t(index);
    if (at == -1 && PyErr_Occurred())
        return NULL;
    Array_drop_view(self);
    if (gate_read(self->buffer, "pop") < 0)
        return NULL;
    Py_ssize_t rows = Array_count_rows(self);
    at += at < 0 ? rows : 0;
    if (at < 0 || at >= rows) {
        PyErr_SetString(PyExc_IndexError, rows == 0 ? "pop from empty Array"
                                                    : "pop index out of range");
        return NULL;
    }
    PyObject *row = Array_copy_of_row(self, at);
    size_t size = self->row_size, start = (size_t)at * size;
    if (row != NULL && Buffer_replace(self->buffer, start, start + size, NULL, 0, "pop") < 0)
        Py_CLEAR(row);
    return row;
}
