/* ring_init.c - making a RingBuffer, and giving it up.
 *
 * What a reader would get wrong: what the arguments of the constructor are stands in
 * growable/ring.py, which reads them and asks NumPy what a dtype is. Here they come ready.
 */
#include "ring_object.h"

#include "section_object.h"

static RingObject *
allocate(PyTypeObject *type)
{
    RingObject *self = (RingObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->module = Py_XNewRef(PyType_GetModuleByDef(type, &growable_module));
    if (self->module == NULL)
        Py_CLEAR(self);
    return self;
}

static int
make_section(RingObject *self, size_t capacity, size_t item_size)
{
    size_t size = ring_section_size(capacity, item_size);
    if (size == 0) {
        self->ring.failed_size = capacity;
        return Ring_raise(self, item_size == 0 ? RING_NO_ITEMS : RING_TOO_LARGE, "RingBuffer");
    }
    PyObject *type = (PyObject *)ring_state(self)->section_type;
    self->section = PyObject_CallFunction(type, "n", (Py_ssize_t)size);
    return self->section == NULL ? -1 : 0;
}

static int
take_section(RingObject *self, PyObject *section)
{
    if (!PyObject_TypeCheck(section, ring_state(self)->section_type)) {
        PyErr_Format(PyExc_TypeError, "section must be a Section or None, not %.200s",
                     Py_TYPE(section)->tp_name);
        return -1;
    }
    self->section = Py_NewRef(section);
    return Section_gate(as_section(section), "RingBuffer");
}

static int
open_ring(RingObject *self, size_t capacity, size_t item_size)
{
    struct section *section = &as_section(self->section)->section;
    const char *format = Ring_format(self);
    if (format == NULL)
        return -1;
    int error = ring_open(&self->ring, section, capacity, item_size, format);
    return error == RING_OK ? 0 : Ring_raise(self, error, "RingBuffer");
}

/* `how` is None for bytes, or a tuple: dtype, character code, whether the items are no arrays,
 * frombuffer, convert, format. */
static int
take_dtype(RingObject *self, PyObject *how, size_t item_size)
{
    int code, plain;
    PyObject *dtype, *frombuffer, *convert, *format;
    if (how == Py_None)
        return 0;
    if (!PyArg_ParseTuple(how, "OCpOOU:RingCore", &dtype, &code, &plain, &frombuffer, &convert,
                          &format))
        return -1;
    self->dtype = Py_NewRef(dtype);
    self->frombuffer = Py_NewRef(frombuffer);
    self->convert = Py_NewRef(convert);
    self->format = Py_NewRef(format);
    self->plain = plain != 0;
    if (plain && code != 'V')
        self->pack = pack_find((Py_UCS4)code, item_size);
    return 0;
}

static int
capacity_size(PyObject *value, void *result)
{
    Py_ssize_t size = PyNumber_AsSsize_t(value, PyExc_ValueError);
    if (size == -1 && PyErr_Occurred())
        return 0;
    if (size <= 0) {
        PyErr_Format(PyExc_ValueError, "capacity must be at least 1, not %zd", size);
        return 0;
    }
    *(size_t *)result = (size_t)size;
    return 1;
}

PyObject *
Ring_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    size_t capacity;
    Py_ssize_t item_size;
    int overwrite;
    PyObject *how, *section;
    if (!PyArg_ParseTuple(args, "O&nOpO:RingCore", capacity_size, &capacity, &item_size, &how,
                          &overwrite, &section))
        return NULL;
    RingObject *self = allocate(type);
    if (self == NULL)
        return NULL;
    self->overwrite = overwrite != 0;
    size_t size = item_size > 0 ? (size_t)item_size : 0;
    if (take_dtype(self, how, size) < 0 ||
        (section == Py_None ? make_section(self, capacity, size)
                            : take_section(self, section)) < 0 ||
        open_ring(self, capacity, size) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* Views and waiting threads hold references, so there are none. */
void
Ring_dealloc(PyObject *op)
{
    RingObject *self = as_ring(op);
    PyTypeObject *type = Py_TYPE(op);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    self->ring.waiters = 0;
    (void)ring_close(&self->ring);
    Py_XDECREF(self->section);
    Py_XDECREF(self->dtype);
    Py_XDECREF(self->convert);
    Py_XDECREF(self->frombuffer);
    Py_XDECREF(self->format);
    Py_XDECREF(self->module);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Threads that wait are told so, and need the GIL to leave. */
static int
end_waits(RingObject *self)
{
    int error = self->ring.waiters != 0 ? ring_end_waits(&self->ring) : RING_OK;
    while (error == RING_OK && self->ring.open && self->ring.waiters != 0) {
        Py_BEGIN_ALLOW_THREADS
        ring_rest();
        Py_END_ALLOW_THREADS
    }
    return error;
}

PyObject *
Ring_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    RingObject *self = as_ring(op);
    int error = end_waits(self);
    if (error != RING_OK)
        return Ring_result(self, error, "close");
    return Ring_result(self, ring_close(&self->ring), "close");
}

PyObject *
Ring_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (!as_ring(op)->ring.open)
        return Ring_result(as_ring(op), RING_CLOSED, "__enter__");
    return Py_NewRef(op);
}

PyObject *
Ring_exit(PyObject *op, PyObject *Py_UNUSED(args))
{
    return Ring_close(op, NULL);
}
