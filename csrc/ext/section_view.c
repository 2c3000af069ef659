/* section_view.c - Section.view(): a memoryview of a mapping of its own.
 *
 * What a reader would get wrong: the mapping belongs to the object that the memoryview was made of,
 * and is gone with the last export of it. The Section may be closed long before.
 */
#include "section_object.h"

#include "args.h"

typedef struct {
    PyObject_HEAD
    struct section_view view;
    PyObject *owner; /* the Section, which counts its views */
} SectionViewObject;

static int
SectionView_getbuffer(PyObject *op, Py_buffer *buffer, int flags)
{
    const struct section_view *view = &((SectionViewObject *)op)->view;
    return PyBuffer_FillInfo(buffer, op, view->start, (Py_ssize_t)view->size, !view->writable,
                             flags);
}

static void
SectionView_dealloc(PyObject *op)
{
    SectionViewObject *self = (SectionViewObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (self->view.base != NULL)
        section_view_close(&self->view);
    Py_XDECREF(self->owner);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)SectionView_dealloc},
    {Py_bf_getbuffer, (void *)SectionView_getbuffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core._SectionView",
    .basicsize = sizeof(SectionViewObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
SectionView_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

/* Arguments. */

/* The access that the Section itself allows, for None. */
static const unsigned ACCESS_BY_DEFAULT = ~0u;

static int
convert_access(PyObject *value, void *access)
{
    unsigned all = 1u << SECTION_ACCESS_R | 1u << SECTION_ACCESS_RW | 1u << SECTION_ACCESS_WC;
    if (value == Py_None)
        return 1;
    return args_access(value, all, "\"r\", \"rw\" or \"wc\"", access);
}

static PyObject *
view_of(SectionObject *self, size_t offset, size_t length, enum section_access access)
{
    PyTypeObject *type = section_state(self)->section_view_type;
    SectionViewObject *view = (SectionViewObject *)type->tp_alloc(type, 0);
    if (view == NULL)
        return NULL;
    PyObject *result = NULL;
    int error = section_view_open(&self->section, offset, length, access, &view->view);
    if (error != SECTION_OK) {
        Section_raise(section_state(self), &self->section, error, "view", NULL);
    } else {
        view->owner = Py_NewRef((PyObject *)self);
        result = PyMemoryView_FromObject((PyObject *)view);
    }
    Py_DECREF(view);
    return result;
}

PyObject *
Section_view(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "access", NULL};
    SectionObject *self = as_section(op);
    struct args_range a = ARGS_WHOLE("view");
    unsigned access = ACCESS_BY_DEFAULT;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&O&:view", keywords, args_offset,
                                     &a, args_length, &a, convert_access, &access))
        return NULL;
    if (Section_gate(self, "view") < 0)
        return NULL;
    if (access == ACCESS_BY_DEFAULT)
        access = self->section.writable ? SECTION_ACCESS_RW : SECTION_ACCESS_R;
    return view_of(self, a.offset, a.length, (enum section_access)access);
}
