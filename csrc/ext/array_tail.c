/* array_tail.c - what array.py needs done in one step: growing by zero rows, taking a row out, and one
 * read into the tail.
 *
 * What a reader would get wrong: Python code can be interrupted between any two of its steps, by
 * another thread or a signal. So a count and the change that relies on it, or a pin and its end, are in
 * one function here.
 */
#include "array_object.h"

#include <string.h>

/* Growing. */

static PyObject *
size_of(const ArrayObject *self, Py_ssize_t rows)
{
    if (rows < 0 || (size_t)rows > (size_t)PY_SSIZE_T_MAX / self->row_size)
        return PyErr_NoMemory();
    return PyLong_FromSsize_t(rows * (Py_ssize_t)self->row_size);
}

static int
set_length(ArrayObject *self, Py_ssize_t rows)
{
    PyObject *size = size_of(self, rows);
    PyObject *done = size == NULL ? NULL : Buffer_resize((PyObject *)self->buffer, size);
    Py_XDECREF(size);
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

/* _resize(rows, fill): new rows are zero bytes, or the bytes of `fill`, one row. */
PyObject *
Array_resize(PyObject *op, PyObject *args)
{
    ArrayObject *self = as_array(op);
    Py_buffer fill;
    Py_ssize_t rows;
    if (!PyArg_ParseTuple(args, "nz*:_resize", &rows, &fill))
        return NULL;
    Array_drop_view(self);
    Py_ssize_t before = Array_count_rows(self);
    int result = 0;
    if (fill.buf != NULL && fill.len != (Py_ssize_t)self->row_size) {
        PyErr_SetString(PyExc_ValueError, "_resize: the fill is not one row");
        result = -1;
    }
    if (result == 0)
        result = set_length(self, rows);
    if (result == 0 && fill.buf != NULL && rows > before)
        repeat_row(self, before, fill.buf);
    PyBuffer_Release(&fill);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* Removing. */

static int
delete_row(ArrayObject *self, Py_ssize_t at)
{
    Py_ssize_t size = (Py_ssize_t)self->row_size;
    PyObject *start = PyLong_FromSsize_t(at * size), *stop = PyLong_FromSsize_t((at + 1) * size);
    PyObject *slice = start == NULL || stop == NULL ? NULL : PySlice_New(start, stop, NULL);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    int result = slice == NULL ? -1
                               : Buffer_ass_subscript((PyObject *)self->buffer, slice, NULL);
    Py_XDECREF(slice);
    return result;
}

PyObject *
Array_copy_of_row(const ArrayObject *self, Py_ssize_t at)
{
    Py_ssize_t size = (Py_ssize_t)self->row_size;
    const char *start = self->buffer->buffer.start + at * size;
    PyObject *bytes = PyByteArray_FromStringAndSize(start, size);
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
    if (row != NULL && delete_row(self, at) < 0)
        Py_CLEAR(row);
    return row;
}

/* One read. */

struct reading {
    PyObject *reader; /* called with (source, room): the count, or None for nothing now */
    PyObject *source;
    Py_ssize_t size;  /* of the tail */
    PyObject *kept;   /* bytes of a row that the last read ended with */
};

/* The view must go even where a traceback still refers to it. */
static void
release_view(PyObject *view)
{
    PyObject *type, *value, *traceback;
    if (view == NULL)
        return;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallMethod(view, "release", NULL);
    if (done == NULL)
        PyErr_Clear(); /* the source has made views of it, which are exports by themselves */
    Py_XDECREF(done);
    Py_DECREF(view);
    PyErr_Restore(type, value, traceback);
}

/* -1 with an exception, 0 for None too. */
static Py_ssize_t
checked_count(PyObject *result, Py_ssize_t room)
{
    if (result == NULL || result == Py_None)
        return result == NULL ? -1 : 0;
    Py_ssize_t n = PyLong_Check(result) ? PyLong_AsSsize_t(result) : -1;
    if (n >= 0 && n <= room)
        return n;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_OSError, "read_from: the source returned an impossible count");
    return -1;
}

/* What the reader returned; `end` is where what was read ends. */
static PyObject *
call_reader(const struct reading *reading, PyObject *tail, Py_ssize_t *end)
{
    Py_ssize_t kept = PyBytes_GET_SIZE(reading->kept);
    memcpy(PyMemoryView_GET_BUFFER(tail)->buf, PyBytes_AS_STRING(reading->kept), (size_t)kept);
    PyObject *room = PySequence_GetSlice(tail, kept, reading->size);
    PyObject *result = room == NULL ? NULL
        : PyObject_CallFunctionObjArgs(reading->reader, reading->source, room, NULL);
    release_view(room);
    Py_ssize_t count = checked_count(result, reading->size - kept);
    if (count < 0)
        Py_CLEAR(result);
    *end = kept + count;
    return result;
}

/* Takes in the whole rows and returns (what the reader returned, the bytes after them). */
static PyObject *
take_in_rows(ArrayObject *self, PyObject *result, const char *tail, Py_ssize_t end)
{
    Py_ssize_t whole = end - end % (Py_ssize_t)self->row_size;
    PyObject *rest = PyBytes_FromStringAndSize(tail + whole, end - whole);
    PyObject *pair = rest == NULL ? NULL : PyTuple_Pack(2, result, rest);
    PyObject *count = PyLong_FromSsize_t(whole), *done = NULL;
    if (pair != NULL && count != NULL)
        done = Buffer_advance((PyObject *)self->buffer, count);
    Py_XDECREF(rest);
    Py_XDECREF(count);
    if (done == NULL)
        Py_CLEAR(pair);
    Py_XDECREF(done);
    return pair;
}

static PyObject *
read_once(ArrayObject *self, const struct reading *reading)
{
    PyObject *size = PyLong_FromSsize_t(reading->size);
    PyObject *tail = size == NULL ? NULL : Buffer_spare((PyObject *)self->buffer, size);
    Py_XDECREF(size);
    if (tail == NULL)
        return NULL;
    Py_ssize_t end;
    self->buffer->pins++; /* nothing changes the length while the source writes */
    PyObject *result = call_reader(reading, tail, &end);
    self->buffer->pins--;
    PyObject *pair = result == NULL ? NULL
        : take_in_rows(self, result, PyMemoryView_GET_BUFFER(tail)->buf, end);
    release_view(tail);
    Py_XDECREF(result);
    return pair;
}

PyObject *
Array_read_once(PyObject *op, PyObject *args)
{
    ArrayObject *self = as_array(op);
    struct reading reading;
    if (!PyArg_ParseTuple(args, "OOnS:_read_once", &reading.reader, &reading.source, &reading.size,
                          &reading.kept))
        return NULL;
    if (reading.size < 0 || PyBytes_GET_SIZE(reading.kept) > reading.size) {
        PyErr_SetString(PyExc_ValueError, "_read_once: no room for what was kept");
        return NULL;
    }
    Array_drop_view(self);
    return read_once(self, &reading);
}
