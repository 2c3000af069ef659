/* ring_view.c - views of items in the ring, and copies of them.
 *
 * What a reader would get wrong: the view is the object that the memoryview or the ndarray was made
 * of, for as long as it lives. It has no bf_releasebuffer, for the reason that export.h gives.
 */
#include "ring_object.h"

typedef struct {
    PyObject_HEAD
    struct ring_view view;
    RingObject *ring; /* NULL: not open */
    char *start;
    Py_ssize_t size;
} RingViewObject;

static int
RingView_getbuffer(PyObject *op, Py_buffer *buffer, int flags)
{
    RingViewObject *self = (RingViewObject *)op;
    return PyBuffer_FillInfo(buffer, op, self->start, self->size, 0, flags);
}

static void
RingView_dealloc(PyObject *op)
{
    RingViewObject *self = (RingViewObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (self->ring != NULL) {
        ring_view_close(&self->view);
        Py_DECREF(self->ring);
    }
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)RingView_dealloc},
    {Py_bf_getbuffer, (void *)RingView_getbuffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core._RingView",
    .basicsize = sizeof(RingViewObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
RingView_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

/* Views. */

static PyObject *
as_items(RingObject *self, PyObject *bytes)
{
    PyObject *args[] = {bytes, self->dtype};
    return PyObject_Vectorcall(self->frombuffer, args, 2, NULL);
}

PyObject *
Ring_view_of(RingObject *self, ring_chooser choose, void *argument, const char *operation)
{
    struct ring_choice choice;
    RingViewObject *view = PyObject_New(RingViewObject, ring_state(self)->ring_view_type);
    if (view == NULL)
        return NULL;
    view->ring = NULL;
    PyObject *result = NULL;
    int error = choose(self, argument, &choice);
    if (error != RING_OK) {
        Ring_raise(self, error, operation);
    } else {
        size_t item_size = self->ring.item_size;
        ring_view_open(&self->ring, &choice.items, choice.skip, choice.count, &view->view);
        view->ring = (RingObject *)Py_NewRef(self);
        view->start = choice.items.start + choice.skip * item_size;
        view->size = (Py_ssize_t)(choice.count * item_size);
        result = self->dtype == NULL ? PyMemoryView_FromObject((PyObject *)view)
                                     : as_items(self, (PyObject *)view);
    }
    Py_DECREF(view);
    return result;
}

/* Copies. */

PyObject *
Ring_wrap(RingObject *self, PyObject *bytes)
{
    if (bytes == NULL || self->dtype == NULL)
        return bytes;
    PyObject *items = as_items(self, bytes);
    Py_DECREF(bytes);
    return items;
}
