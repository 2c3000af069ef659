/* buffer_copy.c - copy, deepcopy and pickling; out of band and without a copy under protocol 5.
 *
 * What a reader would get wrong: unpickling may hand back the very Buffer that was pickled, when the
 * out-of-band buffers still lead to it: PEP 574 allows it, and it is what zero-copy means within one
 * process.
 */
#include "buffer_object.h"

/* The state that a subclass adds: None, a dict, or (dict or None, slots). */
static PyObject *
extra_state(PyObject *op)
{
    return PyObject_CallMethod(op, "__getstate__", NULL);
}

static PyObject *
capacity_option(const BufferObject *self)
{
    size_t capacity = self->buffer.rest->capacity;
    return capacity == BUFFER_NO_CAPACITY ? Py_NewRef(Py_None) : PyLong_FromSize_t(capacity);
}

static PyObject *
name_option(const BufferObject *self)
{
    PyObject *name = name_of(self);
    return Py_NewRef(name == NULL ? Py_None : name);
}

/* Building. */

/* Past the subclass's __init__, whose arguments we do not know. */
static PyObject *
build(PyTypeObject *type, struct module_state *state, PyObject *payload, PyObject *capacity,
      PyObject *huge, PyObject *name)
{
    struct buffer_options options = {capacity, huge, name};
    PyObject *op = Buffer_allocate(type, state);
    if (op != NULL && Buffer_initialize_copy(op, payload, &options) < 0)
        Py_CLEAR(op);
    return op;
}

/* The Buffer of this very type that the payload shows whole, or NULL without an exception. */
static PyObject *
original(PyTypeObject *type, PyObject *payload)
{
    PyObject *view = PyMemoryView_FromObject(payload);
    if (view == NULL) {
        PyErr_Clear();
        return NULL;
    }
    const Py_buffer *shown = PyMemoryView_GET_BUFFER(view);
    PyObject *owner = shown->obj, *found = NULL;
    if (owner != NULL && Py_IS_TYPE(owner, type)) {
        const struct buffer *b = &as_buffer(owner)->buffer;
        if (shown->buf == b->start && (size_t)shown->len == b->length)
            found = Py_NewRef(owner);
    }
    Py_DECREF(view);
    return found;
}

PyObject *
Buffer_rebuild(PyObject *module, PyObject *args)
{
    struct module_state *state = PyModule_GetState(module);
    PyTypeObject *type;
    PyObject *payload, *capacity, *huge, *name;
    if (!PyArg_ParseTuple(args, "O!OOOO:_rebuild", &PyType_Type, &type, &payload, &capacity, &huge,
                          &name))
        return NULL;
    if (!PyType_IsSubtype(type, state->buffer_type)) {
        PyErr_Format(PyExc_TypeError, "_rebuild: %.200s is no Buffer type", type->tp_name);
        return NULL;
    }
    PyObject *found = original(type, payload);
    return found != NULL ? found : build(type, state, payload, capacity, huge, name);
}

/* Pickling. */

/* Steals the payload. */
static PyObject *
reduce_with(BufferObject *self, PyObject *payload)
{
    PyObject *op = (PyObject *)self;
    PyObject *capacity = capacity_option(self), *huge = Buffer_huge_pages_setting(self);
    PyObject *name = name_option(self), *state = extra_state(op), *result = NULL;
    if (payload != NULL && capacity != NULL && huge != NULL && state != NULL)
        result = Py_BuildValue("O(OOOOO)O", state_of(self)->rebuild, (PyObject *)Py_TYPE(op),
                               payload, capacity, huge, name, state);
    Py_XDECREF(payload);
    Py_XDECREF(capacity);
    Py_XDECREF(huge);
    Py_XDECREF(name);
    Py_XDECREF(state);
    return result;
}

PyObject *
Buffer_reduce_ex(PyObject *op, PyObject *protocol)
{
    BufferObject *self = as_buffer(op);
    long version = PyLong_AsLong(protocol);
    if ((version == -1 && PyErr_Occurred()) || gate_read(self, "pickle") < 0)
        return NULL;
    PyObject *payload = version >= 5 ? PyPickleBuffer_FromObject(op) : Buffer_bytes(op, NULL);
    return reduce_with(self, payload);
}

PyObject *
Buffer_reduce(PyObject *op, PyObject *Py_UNUSED(unused))
{
    BufferObject *self = as_buffer(op);
    return gate_read(self, "pickle") < 0 ? NULL : reduce_with(self, Buffer_bytes(op, NULL));
}

/* Copying. */

static int
set_slots(PyObject *op, PyObject *slots)
{
    PyObject *name, *value;
    Py_ssize_t i = 0;
    int result = 0;
    while (result == 0 && PyDict_Next(slots, &i, &name, &value)) {
        Py_INCREF(name); /* a __setattr__ may empty the dict */
        Py_INCREF(value);
        result = PyObject_SetAttr(op, name, value);
        Py_DECREF(name);
        Py_DECREF(value);
    }
    return result;
}

static int
update_dict(PyObject *op, PyObject *values)
{
    PyObject *dict = PyObject_GetAttrString(op, "__dict__");
    int result = dict == NULL ? -1 : PyDict_Update(dict, values);
    Py_XDECREF(dict);
    return result;
}

static int
set_default_state(PyObject *op, PyObject *state)
{
    PyObject *values = state, *slots = NULL;
    if (PyTuple_Check(state) && PyTuple_GET_SIZE(state) == 2) {
        values = PyTuple_GET_ITEM(state, 0);
        slots = PyTuple_GET_ITEM(state, 1);
    }
    if (values != Py_None && update_dict(op, values) < 0)
        return -1;
    return slots != NULL && PyDict_Check(slots) ? set_slots(op, slots) : 0;
}

static int
set_state(PyObject *op, PyObject *state)
{
    if (state == Py_None)
        return 0;
    PyObject *method = PyObject_GetAttrString(op, "__setstate__");
    if (method == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return set_default_state(op, state);
    }
    PyObject *done = PyObject_CallOneArg(method, state);
    Py_DECREF(method);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
copy_without_state(BufferObject *self)
{
    PyObject *capacity = capacity_option(self), *huge = Buffer_huge_pages_setting(self);
    PyObject *name = name_option(self), *copy = NULL;
    if (capacity != NULL && huge != NULL)
        copy = build(Py_TYPE(self), state_of(self), (PyObject *)self, capacity, huge, name);
    Py_XDECREF(capacity);
    Py_XDECREF(huge);
    Py_XDECREF(name);
    return copy;
}

/* Steals both. */
static PyObject *
give_state(PyObject *copy, PyObject *state)
{
    if (copy != NULL && (state == NULL || set_state(copy, state) < 0))
        Py_CLEAR(copy);
    Py_XDECREF(state);
    return copy;
}

PyObject *
Buffer_copy(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (gate_read(as_buffer(op), "copy") < 0)
        return NULL;
    PyObject *copy = copy_without_state(as_buffer(op));
    return copy == NULL ? NULL : give_state(copy, extra_state(op));
}

/* Steals the state. */
static PyObject *
deepcopy_state(PyObject *state, PyObject *memo)
{
    PyObject *module = state == NULL ? NULL : PyImport_ImportModule("copy");
    PyObject *copy = module == NULL ? NULL
                                    : PyObject_CallMethod(module, "deepcopy", "OO", state, memo);
    Py_XDECREF(module);
    Py_XDECREF(state);
    return copy;
}

/* So that a state which leads back to the original leads to the copy. */
static int
remember(PyObject *memo, PyObject *op, PyObject *copy)
{
    PyObject *id = PyLong_FromVoidPtr(op);
    int result = id == NULL ? -1 : PyObject_SetItem(memo, id, copy);
    Py_XDECREF(id);
    return result;
}

PyObject *
Buffer_deepcopy(PyObject *op, PyObject *memo)
{
    if (gate_read(as_buffer(op), "deepcopy") < 0)
        return NULL;
    PyObject *copy = copy_without_state(as_buffer(op));
    if (copy != NULL && remember(memo, op, copy) < 0)
        Py_CLEAR(copy);
    return copy == NULL ? NULL : give_state(copy, deepcopy_state(extra_state(op), memo));
}
