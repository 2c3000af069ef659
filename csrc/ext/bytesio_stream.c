/* bytesio_stream.c - reading and writing at the position of a growable.BytesIO, and moving it.
 *
 * What a reader would get wrong: taking an argument may run code that closes the file or changes what is
 * in it. So arguments are taken first, and where the contents stand is looked up after that.
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

PyObject *
BytesIO_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return read_up_to(as_bytesio(op), "read", args, nargs);
}

PyObject *
BytesIO_read1(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return read_up_to(as_bytesio(op), "read1", args, nargs);
}

PyObject *
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

PyObject *
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
PyObject *
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

PyObject *
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

PyObject *
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

PyObject *
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

PyObject *
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

PyObject *
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

/* The position. */

PyObject *
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

PyObject *
BytesIO_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t pos;
    int whence = 0;
    if (check_count("seek", nargs, 1, 2) < 0 || exact_index(args[0], &pos) < 0 ||
        (nargs == 2 && whence_value(args[1], &whence) < 0))
        return NULL;
    return seek_to(as_bytesio(op), pos, whence);
}
