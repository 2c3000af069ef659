/* ring_read.c - items read, looked at, and let go of, at the left end.
 *
 * What a reader would get wrong: taking memory for a result may run the garbage collector, and that
 * a finalizer that takes items of this very ring. So it comes before the look that counts.
 */
#include "content.h"
#include "ring_object.h"

#include <string.h>

/* Waits until there are as many, or the ring is full, or any where `wanted` is RING_ALL. RING_OK where
 * there are some, or the time is up. */
static int
await_items(RingObject *self, Py_ssize_t wanted, uint64_t timeout)
{
    size_t count = wanted == RING_ALL ? 1 : (size_t)wanted;
    int error = ring_claim(&self->ring, RING_READER);
    if (error != RING_OK || timeout == 0)
        return error;
    if (count > self->ring.capacity)
        count = self->ring.capacity;
    error = Ring_await(self, RING_READER, count, timeout);
    struct ring_items items;
    if (error == RING_GONE && ring_look(&self->ring, &items) == RING_OK && items.count != 0)
        return RING_OK;
    if (error != RING_OK && error != RING_TIMED_OUT)
        return error;
    return ring_claim(&self->ring, RING_READER);
}

static bool
has_waited(RingObject *self, Py_ssize_t wanted, uint64_t timeout, const char *operation)
{
    int error = await_items(self, wanted, timeout);
    if (error != RING_OK && error != -1)
        Ring_raise(self, error, operation);
    return error == RING_OK;
}

static size_t
at_most(Py_ssize_t wanted, size_t found)
{
    return wanted == RING_ALL || (size_t)wanted > found ? found : (size_t)wanted;
}

static PyObject *
empty_bytes(RingObject *self, size_t count)
{
    Py_ssize_t size = (Py_ssize_t)(count * self->ring.item_size);
    return self->dtype == NULL ? PyBytes_FromStringAndSize(NULL, size)
                               : bytearray_of(NULL, size);
}

static char *
bytes_of(RingObject *self, PyObject *bytes)
{
    return self->dtype == NULL ? PyBytes_AS_STRING(bytes) : PyByteArray_AS_STRING(bytes);
}

/* Only where a finalizer took some are there fewer than before. */
static PyObject *
take(RingObject *self, size_t count, const char *operation)
{
    struct ring_items items;
    PyObject *bytes = empty_bytes(self, count);
    char *start = bytes == NULL ? NULL : bytes_of(self, bytes);
    PyObject *result = Ring_wrap(self, bytes); /* while it may fail */
    if (result == NULL)
        return NULL;
    int error = ring_claim(&self->ring, RING_READER);
    if (error == RING_OK)
        error = ring_look(&self->ring, &items);
    if (error == RING_OK && items.count < count)
        error = Ring_fail(self, RING_SHORT, count, items.count);
    if (error == RING_OK && count != 0) {
        memcpy(start, items.start, count * self->ring.item_size);
        error = ring_drop(&self->ring, count);
    }
    if (error == RING_OK)
        return result;
    Py_DECREF(result);
    Ring_raise(self, error, operation);
    return NULL;
}

PyObject *
Ring_read(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"n", "timeout", NULL};
    RingObject *self = as_ring(op);
    Py_ssize_t wanted = RING_ALL;
    uint64_t timeout = 0;
    struct ring_items items;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&:read", keywords, Ring_count, &wanted,
                                     Ring_timeout, &timeout) ||
        (timeout != 0 && !Ring_can_have(self, wanted, "read")) ||
        !has_waited(self, wanted, timeout, "read") || Ring_look(self, &items, "read") < 0)
        return NULL;
    return take(self, at_most(wanted, items.count), "read");
}

static PyObject *
readinto(RingObject *self, const Py_buffer *buffer, uint64_t timeout)
{
    size_t room = (size_t)buffer->len / self->ring.item_size;
    struct ring_items items;
    if (!has_waited(self, (Py_ssize_t)room, timeout, "readinto") ||
        Ring_look(self, &items, "readinto") < 0)
        return NULL;
    size_t count = room < items.count ? room : items.count;
    if (count != 0)
        memmove(buffer->buf, items.start, count * self->ring.item_size);
    int error = ring_drop(&self->ring, count);
    if (error == RING_OK)
        return PyLong_FromSize_t(count);
    Ring_raise(self, error, "readinto");
    return NULL;
}

PyObject *
Ring_readinto(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"buffer", "timeout", NULL};
    Py_buffer buffer;
    uint64_t timeout = 0;
    PyObject *target;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&:readinto", keywords, &target, Ring_timeout,
                                     &timeout) ||
        PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    PyObject *result = readinto(as_ring(op), &buffer, timeout);
    PyBuffer_Release(&buffer);
    return result;
}

static int
choose_first(RingObject *self, void *argument, struct ring_choice *choice)
{
    int error = ring_claim(&self->ring, RING_READER);
    if (error == RING_OK)
        error = ring_look(&self->ring, &choice->items);
    if (error != RING_OK)
        return error;
    choice->skip = 0;
    choice->count = at_most(*(Py_ssize_t *)argument, choice->items.count);
    return RING_OK;
}

PyObject *
Ring_peek(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"n", "timeout", NULL};
    RingObject *self = as_ring(op);
    Py_ssize_t wanted = RING_ALL;
    uint64_t timeout = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&:peek", keywords, Ring_count, &wanted,
                                     Ring_timeout, &timeout) ||
        (timeout != 0 && !Ring_can_have(self, wanted, "peek")) ||
        !has_waited(self, wanted, timeout, "peek"))
        return NULL;
    return Ring_view_of(self, choose_first, &wanted, "peek");
}

PyObject *
Ring_consume(PyObject *op, PyObject *value)
{
    RingObject *self = as_ring(op);
    Py_ssize_t count;
    if (!Ring_count(value, &count) || Ring_claim(self, RING_READER, "consume") < 0)
        return NULL;
    if (count == RING_ALL) {
        PyErr_SetString(PyExc_TypeError, "consume: n must be an integer, not None");
        return NULL;
    }
    return Ring_result(self, ring_drop(&self->ring, (size_t)count), "consume");
}

PyObject *
Ring_clear(PyObject *op, PyObject *Py_UNUSED(unused))
{
    RingObject *self = as_ring(op);
    struct ring_items items;
    if (Ring_claim(self, RING_READER, "clear") < 0 || Ring_look(self, &items, "clear") < 0)
        return NULL;
    return Ring_result(self, ring_drop(&self->ring, items.count), "clear");
}
