/* bytesio_type.c - growable.BytesIO: its state, its contents as a whole, pickling, and the type.
 *
 * What a reader would get wrong: it is derived from io.BytesIO for the sake of isinstance(), and uses
 * nothing of it but its __dict__ and weak references. Each method of the base that looks at the
 * contents has a counterpart here or in bytesio_stream.c; one that had none would say that the file is
 * closed.
 */
#include "bytesio_object.h"

/* State. */

static PyObject *
BytesIO_true(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return BytesIO_check_open(as_bytesio(op)) < 0 ? NULL : Py_NewRef(Py_True);
}

static PyObject *
BytesIO_false(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return BytesIO_check_open(as_bytesio(op)) < 0 ? NULL : Py_NewRef(Py_False);
}

static PyObject *
BytesIO_flush(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return BytesIO_check_open(as_bytesio(op)) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
BytesIO_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return BytesIO_drop(as_bytesio(op)) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    const BytesIOObject *self = as_bytesio(op);
    return PyBool_FromLong(self->bytes == NULL && self->buffer == NULL);
}

/* The contents as a whole. */

static PyObject *
BytesIO_getvalue(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return BytesIO_value(as_bytesio(op));
}

static PyObject *
BytesIO_getbuffer(PyObject *op, PyObject *Py_UNUSED(unused))
{
    BufferObject *buffer = BytesIO_expose(as_bytesio(op));
    return buffer == NULL ? NULL : PyMemoryView_FromObject((PyObject *)buffer);
}

static PyObject *
BytesIO_sizeof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Py_ssize_t contents = BytesIO_memory(as_bytesio(op));
    return contents < 0 ? NULL : PyLong_FromSsize_t(Py_TYPE(op)->tp_basicsize + contents);
}

/* Pickling. */

static PyObject *
copy_dict(PyObject *op)
{
    PyObject **dict = _PyObject_GetDictPtr(op);
    return dict == NULL || *dict == NULL ? Py_NewRef(Py_None) : PyDict_Copy(*dict);
}

static PyObject *
BytesIO_getstate(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PyObject *value = BytesIO_value(as_bytesio(op));
    PyObject *dict = value == NULL ? NULL : copy_dict(op);
    if (dict == NULL) {
        Py_XDECREF(value);
        return NULL;
    }
    return Py_BuildValue("(NnN)", value, as_bytesio(op)->pos, dict);
}

static int
state_position(PyObject *item, Py_ssize_t *pos)
{
    if (!PyLong_Check(item)) {
        PyErr_Format(PyExc_TypeError, "second item of state must be an integer, not %.200s",
                     Py_TYPE(item)->tp_name);
        return -1;
    }
    *pos = PyLong_AsSsize_t(item);
    if (*pos == -1 && PyErr_Occurred())
        return -1;
    if (*pos >= 0)
        return 0;
    PyErr_SetString(PyExc_ValueError, "position value cannot be negative");
    return -1;
}

static int
check_state_dict(PyObject *item)
{
    if (item == Py_None || PyDict_Check(item))
        return 0;
    PyErr_Format(PyExc_TypeError, "third item of state should be a dict, got a %.200s",
                 Py_TYPE(item)->tp_name);
    return -1;
}

static int
update_dict(PyObject *op, PyObject *values)
{
    if (values == Py_None)
        return 0;
    PyObject *dict = PyObject_GenericGetDict(op, NULL);
    int result = dict == NULL ? -1 : PyDict_Update(dict, values);
    Py_XDECREF(dict);
    return result;
}

static PyObject *
bytes_of(PyObject *source)
{
    if (PyBytes_CheckExact(source))
        return Py_NewRef(source);
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_CONTIG_RO) < 0)
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(view.buf, view.len);
    PyBuffer_Release(&view);
    return bytes;
}

static int
set_contents(BytesIOObject *self, PyObject *source, Py_ssize_t pos)
{
    PyObject *bytes = BytesIO_check_open(self) < 0 ? NULL : bytes_of(source);
    if (bytes == NULL)
        return -1;
    if (BytesIO_check_open(self) < 0) {
        Py_DECREF(bytes);
        return -1;
    }
    if (BytesIO_adopt(self, bytes) < 0)
        return -1;
    self->pos = pos;
    return 0;
}

static PyObject *
BytesIO_setstate(PyObject *op, PyObject *state)
{
    Py_ssize_t pos;
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) < 3) {
        PyErr_Format(PyExc_TypeError, "%.200s.__setstate__ argument should be 3-tuple, got %.200s",
                     Py_TYPE(op)->tp_name, Py_TYPE(state)->tp_name);
        return NULL;
    }
    if (BytesIO_check_open(as_bytesio(op)) < 0 ||
        state_position(PyTuple_GET_ITEM(state, 1), &pos) < 0 ||
        check_state_dict(PyTuple_GET_ITEM(state, 2)) < 0 ||
        set_contents(as_bytesio(op), PyTuple_GET_ITEM(state, 0), pos) < 0 ||
        update_dict(op, PyTuple_GET_ITEM(state, 2)) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Lifecycle. */

static PyObject *
BytesIO_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    struct module_state *state = Buffer_state_of_type(type);
    if (state == NULL)
        return NULL;
    PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *op = empty == NULL ? NULL : type->tp_alloc(type, 0);
    if (op == NULL) {
        Py_XDECREF(empty);
        return NULL;
    }
    Py_INCREF(state->module);
    as_bytesio(op)->state = state;
    as_bytesio(op)->bytes = empty;
    return op;
}

static int
initial_bytes(PyObject *args, PyObject *kwargs, PyObject **source)
{
    static char *keywords[] = {"initial_bytes", NULL};
    *source = Py_None;
    if (kwargs != NULL || PyTuple_GET_SIZE(args) > 1)
        return PyArg_ParseTupleAndKeywords(args, kwargs, "|O:BytesIO", keywords, source) ? 0 : -1;
    if (PyTuple_GET_SIZE(args) == 1)
        *source = PyTuple_GET_ITEM(args, 0);
    return 0;
}

/* Bytes open a closed file again, and nothing else does: as in io. */
static int
set_initial(BytesIOObject *self, PyObject *source)
{
    if (PyBytes_CheckExact(source))
        return BytesIO_adopt(self, Py_NewRef(source));
    if (source != Py_None)
        return set_contents(self, source, 0);
    if (self->bytes == NULL && self->buffer == NULL)
        return 0;
    PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
    return empty == NULL ? -1 : BytesIO_adopt(self, empty);
}

static int
BytesIO_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *source;
    if (initial_bytes(args, kwargs, &source) < 0)
        return -1;
    Py_INCREF(source); /* the caller's dict may be in reach of the code that taking its bytes runs */
    int result = set_initial(as_bytesio(op), source);
    Py_DECREF(source);
    return result;
}

/* BytesIO() and BytesIO(initial_bytes) need no tuple. */
static PyObject *
BytesIO_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs > 1 || kwnames != NULL)
        return Buffer_call_type(type, args, nargs, kwnames);
    PyObject *op = BytesIO_new((PyTypeObject *)type, NULL, NULL);
    if (op != NULL && nargs == 1 && set_initial(as_bytesio(op), args[0]) < 0)
        Py_CLEAR(op);
    return op;
}

static PyTypeObject *
base_of(PyObject *op)
{
    return as_bytesio(op)->state->bytesio_type->tp_base;
}

/* A heap type's own tp_traverse visits the type of the object, a static type's does not. */
static int
BytesIO_traverse(PyObject *op, visitproc visit, void *arg)
{
    PyTypeObject *base = base_of(op);
    if (!(base->tp_flags & Py_TPFLAGS_HEAPTYPE))
        Py_VISIT(Py_TYPE(op));
    return base->tp_traverse(op, visit, arg);
}

static int
BytesIO_clear(PyObject *op)
{
    return base_of(op)->tp_clear(op);
}

/* The base calls close(), which may be a subclass's. */
static void
BytesIO_finalize(PyObject *op)
{
    as_bytesio(op)->finalizing = true;
    base_of(op)->tp_finalize(op);
    as_bytesio(op)->finalizing = false;
}

/* The base frees the object, and gives up its reference to the type where it has one. */
static void
BytesIO_dealloc(PyObject *op)
{
    BytesIOObject *self = as_bytesio(op);
    PyTypeObject *type = Py_TYPE(op), *base = base_of(op);
    PyObject *module = self->state->module;
    Py_CLEAR(self->bytes);
    Py_CLEAR(self->buffer);
    bool base_counts_types = base->tp_flags & Py_TPFLAGS_HEAPTYPE;
    base->tp_dealloc(op);
    if (!base_counts_types)
        Py_DECREF(type);
    Py_DECREF(module);
}

/* The type. */

PyDoc_STRVAR(bytesio_doc,
"BytesIO(initial_bytes=b'')\n--\n\n"
"An io.BytesIO that can be written to while getbuffer() is in use.\n\n"
"The first getbuffer() moves the contents into a growable.Buffer; views of it stay valid, at the\n"
"same address, while the file grows.\n");

#define METHOD(name, function, flags, doc) {name, (PyCFunction)(void (*)(void))function, flags, doc}

static PyMethodDef methods[] = {
    METHOD("readable", BytesIO_true, METH_NOARGS, "readable($self, /)\n--\n\nTrue."),
    METHOD("writable", BytesIO_true, METH_NOARGS, "writable($self, /)\n--\n\nTrue."),
    METHOD("seekable", BytesIO_true, METH_NOARGS, "seekable($self, /)\n--\n\nTrue."),
    METHOD("isatty", BytesIO_false, METH_NOARGS, "isatty($self, /)\n--\n\nFalse."),
    METHOD("flush", BytesIO_flush, METH_NOARGS, "flush($self, /)\n--\n\nDo nothing."),
    METHOD("close", BytesIO_close, METH_NOARGS,
           "close($self, /)\n--\n\nGive the contents up. Raises BufferError while a view lives."),
    METHOD("tell", BytesIO_tell, METH_NOARGS, "tell($self, /)\n--\n\nThe position."),
    METHOD("seek", BytesIO_seek, METH_FASTCALL,
           "seek($self, pos, whence=0, /)\n--\n\n"
           "Set the position, counted from the start (0), from where it is (1) or from the end (2),\n"
           "and return it."),
    METHOD("read", BytesIO_read, METH_FASTCALL,
           "read($self, size=-1, /)\n--\n\nUp to size bytes, or all that are left."),
    METHOD("read1", BytesIO_read1, METH_FASTCALL,
           "read1($self, size=-1, /)\n--\n\nThe same as read."),
    METHOD("peek", BytesIO_peek, METH_FASTCALL,
           "peek($self, size=-1, /)\n--\n\n"
           "What read would return, without moving on; for size 0 too (as BytesIO.peek of Python\n"
           "3.15)."),
    METHOD("readline", BytesIO_readline, METH_FASTCALL,
           "readline($self, size=-1, /)\n--\n\n"
           "The next line with its newline, at most size bytes of it."),
    METHOD("readlines", BytesIO_readlines, METH_FASTCALL,
           "readlines($self, size=None, /)\n--\n\n"
           "A list of the lines that are left, or of as many as have size bytes together."),
    METHOD("readinto", BytesIO_readinto, METH_O,
           "readinto($self, buffer, /)\n--\n\nFill a writable buffer and return how many bytes."),
    METHOD("write", BytesIO_write, METH_O,
           "write($self, b, /)\n--\n\n"
           "Write a bytes-like object at the position and return its length.\n\n"
           "Works while a view from getbuffer() lives."),
    METHOD("writelines", BytesIO_writelines, METH_O,
           "writelines($self, lines, /)\n--\n\nWrite each item of an iterable."),
    METHOD("truncate", BytesIO_truncate, METH_FASTCALL,
           "truncate($self, size=None, /)\n--\n\n"
           "Cut off what is past size, or past the position, and return it.\n\n"
           "Raises BufferError if that removes bytes while a view lives."),
    METHOD("getvalue", BytesIO_getvalue, METH_NOARGS,
           "getvalue($self, /)\n--\n\nAll contents as bytes."),
    METHOD("getbuffer", BytesIO_getbuffer, METH_NOARGS,
           "getbuffer($self, /)\n--\n\n"
           "A writable view of the contents. Its `obj` is the growable.Buffer that holds them."),
    METHOD("__getstate__", BytesIO_getstate, METH_NOARGS,
           "__getstate__($self, /)\n--\n\nContents, position and __dict__, for pickle."),
    METHOD("__setstate__", BytesIO_setstate, METH_O,
           "__setstate__($self, state, /)\n--\n\nTake over such a state."),
    METHOD("__sizeof__", BytesIO_sizeof, METH_NOARGS,
           "__sizeof__($self, /)\n--\n\nSize in memory, in bytes, with contents of its own."),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"closed", get_closed, NULL, "True once closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)bytesio_doc},
    {Py_tp_new, (void *)BytesIO_new},
    {Py_tp_init, (void *)BytesIO_init},
    {Py_tp_dealloc, (void *)BytesIO_dealloc},
    {Py_tp_traverse, (void *)BytesIO_traverse},
    {Py_tp_clear, (void *)BytesIO_clear},
    {Py_tp_finalize, (void *)BytesIO_finalize},
    {Py_tp_iter, (void *)PyObject_SelfIter},
    {Py_tp_iternext, (void *)BytesIO_next},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable.BytesIO",
    .basicsize = sizeof(BytesIOObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

/* Whether our fields come after all that io.BytesIO has. */
static bool
is_as_known(PyObject *base)
{
    if (!PyType_Check(base))
        return false;
    const PyTypeObject *type = (PyTypeObject *)base;
    return type->tp_basicsize <= (Py_ssize_t)offsetof(BytesIOObject, bytes) &&
           type->tp_itemsize == 0 && type->tp_traverse != NULL && type->tp_clear != NULL &&
           type->tp_finalize != NULL;
}

PyObject *
BytesIO_make_type(PyObject *module)
{
    PyObject *io = PyImport_ImportModule("io"), *type = NULL;
    PyObject *base = io == NULL ? NULL : PyObject_GetAttrString(io, "BytesIO");
    Py_XDECREF(io);
    if (base != NULL && is_as_known(base))
        type = PyType_FromModuleAndSpec(module, &spec, base);
    else if (base != NULL)
        PyErr_Format(PyExc_ImportError, "growable: the io.BytesIO of this interpreter (%s) does not "
                     "work as growable knows it; please report this version", Py_GetVersion());
    Py_XDECREF(base);
    if (type != NULL)
        ((PyTypeObject *)type)->tp_vectorcall = BytesIO_vectorcall;
    return type;
}
