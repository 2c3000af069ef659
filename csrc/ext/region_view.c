/* region_view.c - exports of a Region: of its accessible beginning, and of a range.
 *
 * What a reader would get wrong: a memoryview can only be made of an object, so Region.view() makes
 * one that knows the range, takes a memoryview of it and lets it go. The memoryview's owner is the
 * Region itself.
 */
#include "region_object.h"

#include "args.h"

typedef struct {
    PyObject_HEAD
    RegionObject *owner;
    size_t offset;
    size_t length;
} RegionViewObject;

/* Everything that can fail comes before the export is linked, but for what the flags forbid. */
static int
export_range(RegionObject *self, size_t offset, size_t length, Py_buffer *view, int flags)
{
    view->obj = NULL;
    struct region_export *export = PyMem_Malloc(sizeof *export);
    if (export == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int error = region_export_begin(&self->region, offset, length, export);
    if (error != REGION_OK) {
        PyMem_Free(export);
        return Region_raise(self, error, "view");
    }
    if (PyBuffer_FillInfo(view, (PyObject *)self, self->region.base + offset,
                          (Py_ssize_t)export->length, !export->writable, flags) < 0) {
        region_export_end(&self->region, export);
        PyMem_Free(export);
        return -1;
    }
    view->internal = export;
    return 0;
}

int
Region_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    return export_range(as_region(op), 0, REGION_TO_THE_END, view, flags);
}

void
Region_releasebuffer(PyObject *op, Py_buffer *view)
{
    region_export_end(&as_region(op)->region, view->internal);
    PyMem_Free(view->internal);
}

static int
RegionView_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    const RegionViewObject *self = (RegionViewObject *)op;
    return export_range(self->owner, self->offset, self->length, view, flags);
}

static void
RegionView_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_DECREF(((RegionViewObject *)op)->owner);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)RegionView_dealloc},
    {Py_bf_getbuffer, (void *)RegionView_getbuffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core._RegionView",
    .basicsize = sizeof(RegionViewObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
RegionView_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

PyObject *
Region_view(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", NULL};
    struct args_range a = ARGS_WHOLE("view");
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&:view", keywords, args_offset, &a,
                                     args_length, &a))
        return NULL;
    PyTypeObject *type = region_state(as_region(op))->region_view_type;
    RegionViewObject *view = (RegionViewObject *)type->tp_alloc(type, 0);
    if (view == NULL)
        return NULL;
    view->owner = (RegionObject *)Py_NewRef(op);
    view->offset = a.offset;
    view->length = a.length;
    PyObject *result = PyMemoryView_FromObject((PyObject *)view);
    Py_DECREF(view);
    return result;
}
