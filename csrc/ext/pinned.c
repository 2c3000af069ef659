/* pinned.c - a method descriptor that pins its first argument around the method it wraps.
 *
 * What a reader would get wrong: it also is the gate to reading, so that a released Buffer raises
 * in methods which would otherwise see an empty bytearray.
 */
#include "pinned.h"

#include <stddef.h>

#if PY_VERSION_HEX < 0x030c0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

typedef struct {
    PyObject_HEAD
    PyObject *method; /* bytearray's own method descriptor */
    PyTypeObject *owner;
    vectorcallfunc vectorcall;
} PinnedObject;

/* Whether no code of Python's can run for the sake of this argument: then another Buffer among them
 * may be pinned as well, and is not moved by the export that the method takes of it. */
static bool
is_inert(const PinnedObject *self, PyObject *argument)
{
    return Py_IS_TYPE(argument, self->owner) || PyBytes_CheckExact(argument) ||
           PyLong_CheckExact(argument) || argument == Py_None;
}

static bool
are_inert(const PinnedObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    while (nargs > 0 && is_inert(self, args[nargs - 1]))
        nargs--;
    return nargs == 0;
}

static void
pin_all(const PinnedObject *self, PyObject *const *args, Py_ssize_t nargs, int32_t by)
{
    for (Py_ssize_t i = 0; i < nargs; i++)
        if (Py_IS_TYPE(args[i], self->owner))
            as_buffer(args[i])->pins += by;
}

static PyObject *
Pinned_call(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PinnedObject *self = (PinnedObject *)op;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs < 1 || !PyObject_TypeCheck(args[0], self->owner))
        return PyObject_Vectorcall(self->method, args, nargsf, kwnames);
    BufferObject *buffer = as_buffer(args[0]);
    if (gate_read(buffer, "read") < 0)
        return NULL;
    Py_ssize_t operands = kwnames == NULL && are_inert(self, args + 1, nargs - 1) ? nargs - 1 : 0;
    buffer->pins++;
    pin_all(self, args + 1, operands, 1);
    PyObject *result = PyObject_Vectorcall(self->method, args, nargsf, kwnames);
    pin_all(self, args + 1, operands, -1);
    buffer->pins--;
    return result;
}

static PyObject *
Pinned_get(PyObject *op, PyObject *instance, PyObject *Py_UNUSED(type))
{
    if (instance == NULL)
        return Py_NewRef(op);
    return PyMethod_New(op, instance);
}

static PyObject *
Pinned_repr(PyObject *op)
{
    PyObject *name = PyObject_GetAttrString(((PinnedObject *)op)->method, "__name__");
    if (name == NULL)
        return NULL;
    PyObject *repr = PyUnicode_FromFormat("<method '%U' of 'growable.Buffer' objects>", name);
    Py_DECREF(name);
    return repr;
}

static PyObject *
Pinned_forward(PyObject *op, void *name)
{
    return PyObject_GetAttrString(((PinnedObject *)op)->method, name);
}

static PyObject *
Pinned_qualname(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *name = PyObject_GetAttrString(((PinnedObject *)op)->method, "__name__");
    PyObject *qualname = name == NULL ? NULL : PyUnicode_FromFormat("Buffer.%U", name);
    Py_XDECREF(name);
    return qualname;
}

static PyObject *
Pinned_objclass(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((PinnedObject *)op)->owner);
}

/* By name, as built-in methods are: getattr(Buffer, 'find'). */
static PyObject *
Pinned_reduce(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
    PyObject *getter = PyMapping_GetItemString(builtins, "getattr");
    PyObject *name = PyObject_GetAttrString(((PinnedObject *)op)->method, "__name__");
    PyObject *result = NULL;
    if (getter != NULL && name != NULL)
        result = Py_BuildValue("O(OO)", getter, ((PinnedObject *)op)->owner, name);
    Py_XDECREF(getter);
    Py_XDECREF(name);
    return result;
}

static int
Pinned_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((PinnedObject *)op)->method);
    Py_VISIT(((PinnedObject *)op)->owner);
    return 0;
}

/* There is no tp_clear: the owner's breaks the cycle, and a finalizer may still call us after that. */
static void
Pinned_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_XDECREF(((PinnedObject *)op)->method);
    Py_XDECREF(((PinnedObject *)op)->owner);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"__reduce__", Pinned_reduce, METH_NOARGS, "Helper for pickle."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"__name__", Pinned_forward, NULL, NULL, "__name__"},
    {"__doc__", Pinned_forward, NULL, NULL, "__doc__"},
    {"__text_signature__", Pinned_forward, NULL, NULL, "__text_signature__"},
    {"__qualname__", Pinned_qualname, NULL, NULL, NULL},
    {"__objclass__", Pinned_objclass, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(PinnedObject, vectorcall), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void *)Pinned_dealloc},
    {Py_tp_traverse, (void *)Pinned_traverse},
    {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_descr_get, (void *)Pinned_get},
    {Py_tp_repr, (void *)Pinned_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core._pinned_method",
    .basicsize = sizeof(PinnedObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
Pinned_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

static PyObject *
wrap(PyTypeObject *pinned_type, PyTypeObject *owner, PyObject *method)
{
    PinnedObject *self = (PinnedObject *)pinned_type->tp_alloc(pinned_type, 0);
    if (self == NULL)
        return NULL;
    self->method = Py_NewRef(method);
    self->owner = (PyTypeObject *)Py_NewRef(owner);
    self->vectorcall = Pinned_call;
    return (PyObject *)self;
}

/* Special methods are slots, and pinned as such; class and static methods have no buffer to pin. */
static bool
is_wrappable(PyObject *attribute)
{
    return Py_IS_TYPE(attribute, &PyMethodDescr_Type);
}

static int
wrap_method(PyTypeObject *type, struct module_state *state, PyObject *name, PyObject *method)
{
    PyObject *pinned = wrap(state->pinned_type, type, method);
    int result = pinned == NULL ? -1 : PyObject_SetAttr((PyObject *)type, name, pinned);
    Py_XDECREF(pinned);
    return result;
}

static int
wrap_name(PyTypeObject *type, struct module_state *state, PyObject *own, PyObject *name)
{
    int defined = PySequence_Contains(own, name);
    if (defined != 0 || PyUnicode_READ_CHAR(name, 0) == '_')
        return defined < 0 ? -1 : 0;
    PyObject *attribute = PyObject_GetAttr((PyObject *)&PyByteArray_Type, name);
    if (attribute == NULL)
        return -1;
    int result = is_wrappable(attribute) ? wrap_method(type, state, name, attribute) : 0;
    Py_DECREF(attribute);
    return result;
}

/* Steals both. */
static int
wrap_all(PyTypeObject *type, struct module_state *state, PyObject *own, PyObject *names)
{
    int result = own == NULL || names == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(names); i++)
        result = wrap_name(type, state, own, PyList_GET_ITEM(names, i));
    Py_XDECREF(own);
    Py_XDECREF(names);
    return result;
}

/* Names only: in CPython 3.11 a dictionary's items iterator that finds no memory for its tuple is
   taken out of the garbage collector before it ever was in it. */
static PyObject *
names_of(PyTypeObject *type)
{
    PyObject *proxy = PyObject_GetAttrString((PyObject *)type, "__dict__");
    PyObject *names = proxy == NULL ? NULL : PyMapping_Keys(proxy);
    Py_XDECREF(proxy);
    return names;
}

int
Pinned_wrap_methods(PyTypeObject *type, struct module_state *state)
{
    PyObject *names = names_of(&PyByteArray_Type);
    PyObject *own = names == NULL ? NULL : names_of(type);
    return wrap_all(type, state, own, names);
}
