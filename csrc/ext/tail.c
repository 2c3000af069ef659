/* tail.c - see tail.h.
 *
 * What a reader would get wrong: a memoryview can only be made of an object, never of a pointer that
 * must stay fenced; hence the type.
 */
#include "tail.h"

typedef struct {
    PyObject_HEAD
    BufferObject *owner;
    char *start;
    Py_ssize_t size;
} TailObject;

/* Any address that no other exporter uses. */
static const char mark;
void *const Tail_mark = (void *)(uintptr_t)&mark;

static int
Tail_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    TailObject *self = (TailObject *)op;
    if (PyBuffer_FillInfo(view, (PyObject *)self->owner, self->start, self->size, 0, flags) < 0)
        return -1;
    view->internal = Tail_mark;
    self->owner->base.ob_exports++; /* the Buffer's own bf_releasebuffer takes both back */
    self->owner->tails++;
    return 0;
}

static void
Tail_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_DECREF(((TailObject *)op)->owner);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)Tail_dealloc},
    {Py_bf_getbuffer, (void *)Tail_getbuffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core._Tail",
    .basicsize = sizeof(TailObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
Tail_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

/* Allocating may run the garbage collector, and with it code that would change the buffer. */
PyObject *
Tail_view(BufferObject *owner, char *start, Py_ssize_t n)
{
    PyTypeObject *type = state_of(owner)->tail_type;
    owner->pins++;
    TailObject *tail = (TailObject *)type->tp_alloc(type, 0);
    PyObject *view = NULL;
    if (tail != NULL) {
        tail->owner = (BufferObject *)Py_NewRef(owner);
        tail->start = start;
        tail->size = n;
        view = PyMemoryView_FromObject((PyObject *)tail);
        Py_DECREF(tail);
    }
    owner->pins--;
    return view;
}
