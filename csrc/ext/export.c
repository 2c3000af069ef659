/* export.c - see export.h.
 *
 * What a reader would get wrong: bytes that are exported here read-only may still change; whoever has
 * the exporter can write to them.
 */
#include "export.h"

typedef struct {
    PyObject_HEAD
    Py_buffer bytes;
    bool readonly;
} ExportObject;

static int
Export_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    ExportObject *self = (ExportObject *)op;
    return PyBuffer_FillInfo(view, op, self->bytes.buf, self->bytes.len, self->readonly, flags);
}

static void
Export_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyBuffer_Release(&((ExportObject *)op)->bytes);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)Export_dealloc},
    {Py_bf_getbuffer, (void *)Export_getbuffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core._Export",
    .basicsize = sizeof(ExportObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
Export_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

PyObject *
Export_new(PyTypeObject *type, PyObject *exporter, bool readonly)
{
    ExportObject *self = PyObject_New(ExportObject, type);
    if (self == NULL)
        return NULL;
    self->bytes.obj = NULL;
    self->readonly = readonly;
    if (PyObject_GetBuffer(exporter, &self->bytes, PyBUF_SIMPLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (self->bytes.readonly)
        self->readonly = true;
    return (PyObject *)self;
}
