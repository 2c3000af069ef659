/* ring_view.c - views of items in the ring, and copies of them.
 *
 * What a reader would get wrong: the view is the object that the memoryview or the ndarray was made
 * of, for as long as it lives. It has no bf_releasebuffer, for the reason that export.h gives; the
 * ring itself has one, and each Py_buffer of it carries its struct ring_view in `internal`.
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

/* A subclass may keep a view of itself. */
static int
RingView_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((RingViewObject *)op)->ring);
    return 0;
}

static void
RingView_dealloc(PyObject *op)
{
    RingViewObject *self = (RingViewObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->ring != NULL) {
        ring_view_close(&self->view);
        Py_DECREF(self->ring);
    }
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)RingView_dealloc},
    {Py_tp_traverse, (void *)RingView_traverse},
    {Py_bf_getbuffer, (void *)RingView_getbuffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core._RingView",
    .basicsize = sizeof(RingViewObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
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
    RingViewObject *view = PyObject_GC_New(RingViewObject, ring_state(self)->ring_view_type);
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
        PyObject_GC_Track(view);
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

/* Views of a range. */

struct bounds {
    Py_ssize_t start, stop;
};

static int
choose_range(RingObject *self, void *argument, struct ring_choice *choice)
{
    struct bounds range = *(struct bounds *)argument;
    int error = ring_claim(&self->ring, RING_READER);
    if (error == RING_OK)
        error = ring_look(&self->ring, &choice->items);
    if (error != RING_OK)
        return error;
    Py_ssize_t count = PySlice_AdjustIndices((Py_ssize_t)choice->items.count, &range.start,
                                             &range.stop, 1);
    choice->skip = count > 0 ? (size_t)range.start : 0;
    choice->count = (size_t)count;
    return RING_OK;
}

static int
bound(PyObject *value, Py_ssize_t *result)
{
    if (value == Py_None)
        return 1;
    *result = PyNumber_AsSsize_t(value, NULL);
    return *result != -1 || !PyErr_Occurred();
}

PyObject *
Ring_view(PyObject *op, PyObject *const *args, Py_ssize_t n)
{
    struct bounds range = {0, PY_SSIZE_T_MAX};
    if (n > 2) {
        PyErr_Format(PyExc_TypeError, "view expected at most 2 arguments, got %zd", n);
        return NULL;
    }
    if ((n > 0 && !bound(args[0], &range.start)) || (n > 1 && !bound(args[1], &range.stop)))
        return NULL;
    return Ring_view_of(as_ring(op), choose_range, &range, "view");
}

PyObject *
Ring_view_all(RingObject *self, const char *operation)
{
    struct bounds range = {0, PY_SSIZE_T_MAX};
    return Ring_view_of(self, choose_range, &range, operation);
}

/* The buffer protocol: all items, as they are now. */

/* Their type is NumPy's to describe: it is the array's buffer. */
static int
get_array_buffer(RingObject *self, Py_buffer *buffer, int flags)
{
    PyObject *view = Ring_view_all(self, "__buffer__");
    int result = view == NULL ? -1 : PyObject_GetBuffer(view, buffer, flags);
    Py_XDECREF(view);
    return result;
}

static int
get_bytes_buffer(RingObject *self, Py_buffer *buffer, int flags)
{
    PyObject *op = (PyObject *)self;
    struct ring_items items;
    struct ring_view *view = PyMem_Malloc(sizeof *view);
    if (view == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (Ring_claim(self, RING_READER, "__buffer__") < 0 ||
        Ring_look(self, &items, "__buffer__") < 0 ||
        PyBuffer_FillInfo(buffer, op, items.start,
                          (Py_ssize_t)(items.count * self->ring.item_size), 0, flags) < 0) {
        PyMem_Free(view);
        return -1;
    }
    ring_view_open(&self->ring, &items, 0, items.count, view);
    buffer->internal = view;
    return 0;
}

int
Ring_getbuffer(PyObject *op, Py_buffer *buffer, int flags)
{
    RingObject *self = as_ring(op);
    buffer->obj = NULL;
    return self->dtype == NULL ? get_bytes_buffer(self, buffer, flags)
                               : get_array_buffer(self, buffer, flags);
}

void
Ring_releasebuffer(PyObject *Py_UNUSED(op), Py_buffer *buffer)
{
    ring_view_close(buffer->internal);
    PyMem_Free(buffer->internal);
}
