/* ring_sequence.c - a RingBuffer as a sequence: single items, and what an index or a slice means.
 *
 * What a reader would get wrong: an item or a slice is a copy, so that holding it holds up nothing;
 * view() is what shares memory.
 */
#include "content.h"
#include "ring_object.h"

static PyObject *
copy_item(RingObject *self, const char *start)
{
    if (self->dtype == NULL)
        return PyLong_FromLong((unsigned char)*start);
    Py_ssize_t size = (Py_ssize_t)self->ring.item_size;
    PyObject *items = Ring_wrap(self, bytearray_of(start, size));
    if (items == NULL)
        return NULL;
    PyObject *item = PySequence_GetItem(items, 0);
    Py_DECREF(items);
    return item;
}

/* The item is copied before it goes, and where that fails it stays. Copying may run the garbage
 * collector; then the item that goes is not this one if a finalizer has taken it meanwhile. */
static PyObject *
pop_from(RingObject *self, unsigned ends, const char *operation)
{
    struct ring_items items;
    if (Ring_claim(self, ends, operation) < 0 || Ring_look(self, &items, operation) < 0)
        return NULL;
    if (items.count == 0) {
        PyErr_Format(PyExc_IndexError, "%s from an empty RingBuffer", operation);
        return NULL;
    }
    bool left = ends == RING_READER;
    size_t skip = left ? 0 : (items.count - 1) * self->ring.item_size;
    PyObject *item = copy_item(self, items.start + skip);
    if (item == NULL)
        return NULL;
    int error = ring_claim(&self->ring, ends);
    if (error == RING_OK)
        error = left ? ring_drop(&self->ring, 1) : ring_drop_right(&self->ring, 1);
    if (error == RING_OK)
        return item;
    Py_DECREF(item);
    Ring_raise(self, error, operation);
    return NULL;
}

PyObject *
Ring_pop(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return pop_from(as_ring(op), RING_BOTH, "pop");
}

PyObject *
Ring_popleft(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return pop_from(as_ring(op), RING_READER, "popleft");
}

/* How many items of the right end that is: `turn` modulo their number, as Python means it. */
static size_t
items_to_turn(const struct ring_items *items, Py_ssize_t turn)
{
    Py_ssize_t count = (Py_ssize_t)items->count, rest = count == 0 ? 0 : turn % count;
    return (size_t)(rest < 0 ? rest + count : rest);
}

PyObject *
Ring_rotate(PyObject *op, PyObject *args)
{
    RingObject *self = as_ring(op);
    Py_ssize_t turn = 1;
    struct ring_items items;
    if (!PyArg_ParseTuple(args, "|n:rotate", &turn) ||
        Ring_claim(self, RING_BOTH, "rotate") < 0 || Ring_look(self, &items, "rotate") < 0)
        return NULL;
    size_t count = items_to_turn(&items, turn);
    if (count == 0)
        Py_RETURN_NONE;
    void *scratch = PyMem_Malloc(count * self->ring.item_size);
    if (scratch == NULL)
        return PyErr_NoMemory();
    int error = ring_turn(&self->ring, count, scratch);
    PyMem_Free(scratch);
    return Ring_result(self, error, "rotate");
}

static PyObject *
item_at(RingObject *self, PyObject *key)
{
    struct ring_items items;
    Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if ((index == -1 && PyErr_Occurred()) || Ring_claim(self, RING_READER, "__getitem__") < 0 ||
        Ring_look(self, &items, "__getitem__") < 0)
        return NULL;
    size_t place = index < 0 ? (size_t)index + items.count : (size_t)index;
    if (place < items.count)
        return copy_item(self, items.start + place * self->ring.item_size);
    PyErr_Format(PyExc_IndexError, "RingBuffer index %zd is out of range: it has %zu items", index,
                 items.count);
    return NULL;
}

/* An array has __index__, too, and means something else by it. */
static bool
is_number(RingObject *self, PyObject *key)
{
    PyTypeObject *ndarray = ring_state(self)->numpy.ndarray;
    return PyIndex_Check(key) && (ndarray == NULL || !PyObject_TypeCheck(key, ndarray));
}

/* What a slice, or NumPy's other ways to index, gives is a copy, so that it holds up nothing. */
PyObject *
Ring_subscript(PyObject *op, PyObject *key)
{
    RingObject *self = as_ring(op);
    if (is_number(self, key))
        return item_at(self, key);
    PyObject *view = Ring_view_all(self, "__getitem__");
    PyObject *part = view == NULL ? NULL : PyObject_GetItem(view, key);
    Py_XDECREF(view);
    if (part == NULL)
        return NULL;
    PyObject *result = self->dtype == NULL ? PyBytes_FromObject(part)
                                           : PyObject_CallMethod(part, "copy", NULL);
    Py_DECREF(part);
    return result;
}

int
Ring_assign(PyObject *op, PyObject *key, PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "items leave a RingBuffer at its ends only");
        return -1;
    }
    PyObject *view = Ring_view_all(as_ring(op), "__setitem__");
    int result = view == NULL ? -1 : PyObject_SetItem(view, key, value);
    Py_XDECREF(view);
    return result;
}

Py_ssize_t
Ring_length(PyObject *op)
{
    struct ring_items items;
    return Ring_look(as_ring(op), &items, "len") < 0 ? -1 : (Py_ssize_t)items.count;
}
