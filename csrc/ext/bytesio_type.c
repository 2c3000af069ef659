/* bytesio_type.c - growable.BytesIO: io.BytesIO's methods, attributes, pickling, and the type.
 *
 * What a reader would get wrong: it is derived from io.BytesIO for the sake of isinstance(), and uses
 * nothing of it but its __dict__ and weak references. Each method of the base that looks at the
 * contents has a counterpart here; one that had none would say that the file is closed.
 */
#include "bytesio_object.h"
#include "content.h"

/* Arguments, as io takes them. */

static int
check_count(const char *name, Py_ssize_t nargs, Py_ssize_t least, Py_ssize_t most)
{
    if (nargs >= least && nargs <= most)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s expected at %s %zd argument%s, got %zd", name,
                 nargs < least ? "least" : "most", nargs < least ? least : most,
                 (nargs < least ? least : most) == 1 ? "" : "s", nargs);
    return -1;
}

static int
index_or_none(PyObject *arg, Py_ssize_t *value)
{
    if (arg == Py_None)
        return 0;
    if (!PyIndex_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "argument should be integer or None, not '%.200s'",
                     Py_TYPE(arg)->tp_name);
        return -1;
    }
    *value = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    return *value == -1 && PyErr_Occurred() ? -1 : 0;
}

/* An optional size; the default where there is none. */
static inline int
optional_size(const char *name, PyObject *const *args, Py_ssize_t nargs, Py_ssize_t *size)
{
    if (nargs == 0)
        return 0;
    if (nargs != 1)
        return check_count(name, nargs, 0, 1);
    long small = small_int(args[0]);
    if (small < 0)
        return index_or_none(args[0], size);
    *size = small;
    return 0;
}

static int
exact_index(PyObject *arg, Py_ssize_t *value)
{
    *value = small_int(arg);
    if (*value >= 0)
        return 0;
    PyObject *number = PyNumber_Index(arg);
    if (number == NULL)
        return -1;
    *value = PyLong_AsSsize_t(number);
    Py_DECREF(number);
    return *value == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Reading. */

/* All contents at once may be the bytes object itself. */
static PyObject *
take_from_start(BytesIOObject *self, const char *start, Py_ssize_t n)
{
    PyObject *taken;
    if (n > 1 && self->bytes != NULL && n == PyBytes_GET_SIZE(self->bytes))
        taken = Py_NewRef(self->bytes);
    else
        taken = PyBytes_FromStringAndSize(start, n);
    if (taken != NULL)
        self->pos = n;
    return taken;
}

static inline PyObject *
take_copy(BytesIOObject *self, const char *start, Py_ssize_t n)
{
    PyObject *taken = PyBytes_FromStringAndSize(start, n);
    if (taken != NULL)
        self->pos += n;
    return taken;
}

/* The next n bytes, of which there are as many; n > 0. */
static inline PyObject *
take_some(BytesIOObject *self, const char *start, Py_ssize_t n)
{
    return self->pos == 0 ? take_from_start(self, start, n)
                          : take_copy(self, start + self->pos, n);
}

/* The next n bytes, or as many as there are; all where n is negative. */
static inline PyObject *
take(BytesIOObject *self, struct extent all, Py_ssize_t n)
{
    Py_ssize_t left = all.length - self->pos;
    if (n < 0 || n > left)
        n = left;
    return n <= 0 ? PyBytes_FromStringAndSize(NULL, 0) : take_some(self, all.start, n);
}

static inline PyObject *
read_up_to(BytesIOObject *self, const char *name, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t size = -1;
    if (optional_size(name, args, nargs, &size) < 0)
        return NULL;
    struct extent all = BytesIO_look(self);
    return all.start == NULL ? NULL : take(self, all, size);
}

static PyObject *
BytesIO_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return read_up_to(as_bytesio(op), "read", args, nargs);
}

static PyObject *
BytesIO_read1(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return read_up_to(as_bytesio(op), "read1", args, nargs);
}

static PyObject *
BytesIO_peek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BytesIOObject *self = as_bytesio(op);
    Py_ssize_t size = -1, pos = self->pos;
    if (optional_size("peek", args, nargs, &size) < 0)
        return NULL;
    struct extent all = BytesIO_look(self);
    if (all.start == NULL)
        return NULL;
    PyObject *seen = take(self, all, size == 0 ? -1 : size);
    self->pos = pos;
    return seen;
}

/* The next line of the n > 0 bytes that are left. */
static inline PyObject *
take_line(BytesIOObject *self, const char *start, Py_ssize_t n)
{
    const char *line = start + self->pos;
    const char *newline = memchr(line, '\n', (size_t)n);
    return newline == NULL ? take_some(self, start, n)
                           : take_copy(self, line, newline - line + 1);
}

static PyObject *
BytesIO_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BytesIOObject *self = as_bytesio(op);
    Py_ssize_t size = -1;
    if (optional_size("readline", args, nargs, &size) < 0)
        return NULL;
    struct extent all = BytesIO_look(self);
    if (all.start == NULL)
        return NULL;
    Py_ssize_t left = all.length - self->pos;
    if (size < 0 || size > left)
        size = left;
    return size <= 0 ? PyBytes_FromStringAndSize(NULL, 0) : take_line(self, all.start, size);
}

/* The next line, or NULL: with an exception, or at the end without one. */
static PyObject *
BytesIO_next(PyObject *op)
{
    BytesIOObject *self = as_bytesio(op);
    struct extent all = BytesIO_look(self);
    if (all.start == NULL)
        return NULL;
    Py_ssize_t left = all.length - self->pos;
    return left <= 0 ? NULL : take_line(self, all.start, left);
}

static int
line_hint(PyObject *arg, Py_ssize_t *hint)
{
    *hint = -1;
    if (arg == Py_None)
        return 0;
    if (!PyLong_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "integer argument expected, got '%s'", Py_TYPE(arg)->tp_name);
        return -1;
    }
    *hint = PyLong_AsSsize_t(arg);
    return *hint == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Where the contents stand is looked up for each line: making the list longer may run a finalizer. */
static int
collect_lines(PyObject *op, Py_ssize_t hint, PyObject *lines)
{
    Py_ssize_t total = 0;
    PyObject *line;
    while ((hint <= 0 || total < hint) && (line = BytesIO_next(op)) != NULL) {
        total += PyBytes_GET_SIZE(line);
        int result = PyList_Append(lines, line);
        Py_DECREF(line);
        if (result < 0)
            return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
BytesIO_readlines(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t hint;
    if (check_count("readlines", nargs, 0, 1) < 0 || BytesIO_check_open(as_bytesio(op)) < 0 ||
        line_hint(nargs == 0 ? Py_None : args[0], &hint) < 0)
        return NULL;
    Py_ssize_t pos = as_bytesio(op)->pos;
    PyObject *lines = PyList_New(0);
    if (lines != NULL && collect_lines(op, hint, lines) < 0) {
        as_bytesio(op)->pos = pos;
        Py_CLEAR(lines);
    }
    return lines;
}

static PyObject *
read_into(BytesIOObject *self, char *target, Py_ssize_t n)
{
    struct extent all = BytesIO_look(self);
    if (all.start == NULL)
        return NULL;
    Py_ssize_t left = all.length - self->pos;
    if (n > left)
        n = left < 0 ? 0 : left;
    PyObject *count = PyLong_FromSsize_t(n);
    if (count == NULL || n == 0)
        return count;
    memmove(target, all.start + self->pos, (size_t)n); /* the target may be a view of ours */
    self->pos += n;
    return count;
}

static PyObject *
BytesIO_readinto(PyObject *op, PyObject *target)
{
    Py_buffer view;
    if (PyObject_GetBuffer(target, &view, PyBUF_WRITABLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "readinto() argument must be read-write bytes-like object, not %.50s",
                     target == Py_None ? "None" : Py_TYPE(target)->tp_name);
        return NULL;
    }
    PyObject *count = read_into(as_bytesio(op), view.buf, view.len);
    PyBuffer_Release(&view);
    return count;
}

/* Writing. What is to be returned is made first: once bytes are written nothing may fail. */

static inline PyObject *
put_and_count(BytesIOObject *self, const char *bytes, Py_ssize_t n)
{
    PyObject *count = PyLong_FromSsize_t(n);
    if (count != NULL && BytesIO_put(self, bytes, n) < 0)
        Py_CLEAR(count);
    return count;
}

/* Taking the source's bytes may run code that closes the file. */
static PyObject *
put_any(BytesIOObject *self, PyObject *source)
{
    Py_buffer view;
    if (BytesIO_check_open(self) < 0 || PyObject_GetBuffer(source, &view, PyBUF_CONTIG_RO) < 0)
        return NULL;
    PyObject *count = put_and_count(self, view.buf, view.len);
    PyBuffer_Release(&view);
    return count;
}

static PyObject *
BytesIO_write(PyObject *op, PyObject *source)
{
    BytesIOObject *self = as_bytesio(op);
    return PyBytes_CheckExact(source)
        ? put_and_count(self, PyBytes_AS_STRING(source), PyBytes_GET_SIZE(source))
        : put_any(self, source);
}

static int
put_line(BytesIOObject *self, PyObject *line)
{
    if (PyBytes_CheckExact(line))
        return BytesIO_put(self, PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line));
    PyObject *count = put_any(self, line);
    Py_XDECREF(count);
    return count == NULL ? -1 : 0;
}

static PyObject *
BytesIO_writelines(PyObject *op, PyObject *lines)
{
    BytesIOObject *self = as_bytesio(op);
    PyObject *iterator = BytesIO_check_open(self) < 0 ? NULL : PyObject_GetIter(lines);
    if (iterator == NULL)
        return NULL;
    PyObject *line;
    int result = 0;
    while (result == 0 && (line = PyIter_Next(iterator)) != NULL) {
        result = put_line(self, line);
        Py_DECREF(line);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
BytesIO_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BytesIOObject *self = as_bytesio(op);
    Py_ssize_t size = self->pos;
    if (optional_size("truncate", args, nargs, &size) < 0)
        return NULL;
    struct extent all = BytesIO_look(self);
    if (all.start == NULL)
        return NULL;
    if (size < 0) {
        PyErr_Format(PyExc_ValueError, "negative size value %zd", size);
        return NULL;
    }
    PyObject *result = PyLong_FromSsize_t(size);
    if (result != NULL && size < all.length && BytesIO_cut(self, size) < 0)
        Py_CLEAR(result);
    return result;
}

/* Position and state. */

static PyObject *
BytesIO_tell(PyObject *op, PyObject *Py_UNUSED(unused))
{
    const BytesIOObject *self = as_bytesio(op);
    if (self->bytes != NULL)
        return PyLong_FromSsize_t(self->pos);
    return BytesIO_refuse_closed(self) < 0 ? NULL : PyLong_FromSsize_t(self->pos);
}

static int
whence_value(PyObject *arg, int *whence)
{
    int overflow;
    long value = PyLong_AsLongAndOverflow(arg, &overflow);
    if (value == -1 && PyErr_Occurred())
        return -1;
    *whence = (int)value;
    if (overflow == 0 && *whence == value)
        return 0;
    PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
    return -1;
}

/* What a position counts from, or -1 with an exception. */
static Py_ssize_t
origin(const BytesIOObject *self, Py_ssize_t pos, Py_ssize_t length, int whence)
{
    if (whence == 0 && pos < 0)
        PyErr_Format(PyExc_ValueError, "negative seek value %zd", pos);
    else if (whence < 0 || whence > 2)
        PyErr_Format(PyExc_ValueError, "invalid whence (%i, should be 0, 1 or 2)", whence);
    else
        return whence == 0 ? 0 : whence == 1 ? self->pos : length;
    return -1;
}

static PyObject *
seek_to(BytesIOObject *self, Py_ssize_t pos, int whence)
{
    struct extent all = BytesIO_look(self);
    if (all.start == NULL)
        return NULL;
    Py_ssize_t from = origin(self, pos, all.length, whence);
    if (from < 0)
        return NULL;
    if (pos > PY_SSIZE_T_MAX - from) {
        PyErr_SetString(PyExc_OverflowError, "new position too large");
        return NULL;
    }
    pos = pos < -from ? 0 : pos + from;
    PyObject *result = PyLong_FromSsize_t(pos);
    if (result != NULL)
        self->pos = pos;
    return result;
}

static PyObject *
BytesIO_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t pos;
    int whence = 0;
    if (check_count("seek", nargs, 1, 2) < 0 || exact_index(args[0], &pos) < 0 ||
        (nargs == 2 && whence_value(args[1], &whence) < 0))
        return NULL;
    return seek_to(as_bytesio(op), pos, whence);
}

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
