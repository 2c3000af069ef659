/* array_tail.c - the tail: room made for rows that are to come, lent out, taken in, and read into.
 *
 * What a reader would get wrong: while a source writes into the tail the Buffer is pinned; the pin and
 * its end are in one function, since Python code can be interrupted anywhere.
 */
#include "array_object.h"

#include <string.h>

/* Lending. */

PyObject *
Array_ensure(PyObject *op, PyObject *count)
{
    ArrayObject *self = as_array(op);
    Py_ssize_t size;
    if (Array_read_size(self, count, "ensure", &size) < 0)
        return NULL;
    Array_drop_view(self);
    if (gate_write(self->buffer, "ensure") < 0 ||
        gate_grow(self->buffer, (size_t)size, "ensure") < 0)
        return NULL;
    assert_valid(self->buffer);
    Py_RETURN_NONE;
}

PyObject *
Array_spare(PyObject *op, PyObject *count)
{
    ArrayObject *self = as_array(op);
    Py_ssize_t size;
    if (Array_read_size(self, count, "spare", &size) < 0)
        return NULL;
    Array_drop_view(self);
    PyObject *tail = Buffer_lend(self->buffer, (size_t)size, "spare");
    if (tail == NULL)
        return NULL;
    PyObject *rows = Array_of_bytes(self, tail, size / (Py_ssize_t)self->row_size, false);
    Py_DECREF(tail);
    return rows;
}

PyObject *
Array_advance(PyObject *op, PyObject *count)
{
    ArrayObject *self = as_array(op);
    Py_ssize_t rows;
    if (Array_read_count(self, count, "advance", &rows) < 0)
        return NULL;
    Py_ssize_t most = PY_SSIZE_T_MAX / (Py_ssize_t)self->row_size; /* more than can be lent */
    PyObject *size = PyLong_FromSsize_t(Py_MIN(rows, most) * (Py_ssize_t)self->row_size);
    PyObject *done = size == NULL ? NULL : Buffer_advance((PyObject *)self->buffer, size);
    Py_XDECREF(size);
    return done;
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
    PyObject *tail = Buffer_lend(self->buffer, (size_t)reading->size, "read_from");
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
