/* ring_items.c - what an argument means as items of a ring.
 *
 * What a reader would get wrong: foreign code runs here (iterators, __array__, __index__), and may
 * change the very ring that the items are for. So all of it is done before the ring is looked at.
 */
#include "ring_object.h"

#include "ndarray_layout.h"

void
Ring_payload_drop(struct ring_payload *payload)
{
    if (payload->buffer.obj != NULL)
        PyBuffer_Release(&payload->buffer);
    Py_CLEAR(payload->owner);
}

static int
from_buffer(RingObject *self, PyObject *exporter, struct ring_payload *payload)
{
    if (PyObject_GetBuffer(exporter, &payload->buffer, PyBUF_SIMPLE) < 0)
        return -1;
    payload->start = payload->buffer.buf;
    payload->count = (size_t)payload->buffer.len / self->ring.item_size;
    return 0;
}

/* bytearray() of an int would be that many zeros. */
static int
from_iterable(RingObject *self, PyObject *values, struct ring_payload *payload)
{
    if (PyUnicode_Check(values) || PyIndex_Check(values)) {
        PyErr_Format(PyExc_TypeError, "expected bytes or an iterable of integers, not %.200s",
                     Py_TYPE(values)->tp_name);
        return -1;
    }
    payload->owner = PyByteArray_FromObject(values);
    return payload->owner == NULL ? -1 : from_buffer(self, payload->owner, payload);
}

/* An array that holds our items as they are, told by NumPy's own fields. */
static bool
is_native(RingObject *self, PyObject *values)
{
    const struct numpy_names *numpy = &ring_state(self)->numpy;
    if (!numpy->layout_known || !Py_IS_TYPE(values, numpy->ndarray) || !self->plain)
        return false;
    const struct ndarray_fields *array = ndarray_fields(values);
    return array->descr == self->dtype && array->nd == 1 &&
           ndarray_has_flags(values, NDARRAY_C_CONTIGUOUS);
}

static int
converted(RingObject *self, PyObject *values, PyObject *one, struct ring_payload *payload)
{
    PyObject *args[] = {values, one};
    payload->owner = PyObject_Vectorcall(self->convert, args, 2, NULL);
    return payload->owner == NULL ? -1 : from_buffer(self, payload->owner, payload);
}

int
Ring_payload_many(RingObject *self, PyObject *values, bool iterables, struct ring_payload *payload)
{
    payload->owner = NULL;
    payload->buffer.obj = NULL;
    if (self->dtype == NULL && (PyObject_CheckBuffer(values) || !iterables))
        return from_buffer(self, values, payload);
    if (self->dtype == NULL)
        return from_iterable(self, values, payload);
    if (!is_native(self, values))
        return converted(self, values, Py_False, payload);
    payload->owner = Py_NewRef(values);
    payload->start = ndarray_fields(values)->data;
    payload->count = (size_t)ndarray_fields(values)->dimensions[0];
    return 0;
}

static int
pack_byte(PyObject *value, struct ring_payload *payload)
{
    Py_ssize_t number = PyNumber_AsSsize_t(value, NULL);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < 0 || number > 255) {
        PyErr_SetString(PyExc_ValueError, "byte must be in range(0, 256)");
        return -1;
    }
    payload->scratch[0] = (char)number;
    return 0;
}

int
Ring_payload_one(RingObject *self, PyObject *value, struct ring_payload *payload)
{
    payload->owner = NULL;
    payload->buffer.obj = NULL;
    payload->start = payload->scratch;
    payload->count = 1;
    if (self->dtype == NULL)
        return pack_byte(value, payload);
    if (self->pack != NULL && self->pack(value, payload->scratch))
        return 0;
    return converted(self, value, Py_True, payload);
}
