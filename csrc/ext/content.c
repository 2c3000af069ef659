/* content.c - taking the bytes of arguments, with the interpreter's own conversions and errors.
 *
 * What a reader would get wrong: iterables are collected in a bytearray that nobody else can reach,
 * so an iterator that changes the target, lies about its length or raises half-way changes nothing.
 */
#include "content.h"

int
content_byte_value(PyObject *item, char *value)
{
    int overflow;
    long number = PyLong_AsLongAndOverflow(item, &overflow);
    if (number == -1 && PyErr_Occurred())
        return -1;
    *value = (char)number;
    if (number >= 0 && number <= 255)
        return 0;
    PyErr_SetString(PyExc_ValueError, "byte must be in range(0, 256)");
    return -1;
}

static int
borrow(struct content *content, PyObject *owner, const char *bytes, Py_ssize_t size)
{
    content->owner = Py_NewRef(owner);
    content->bytes = bytes;
    content->size = size;
    content->view.obj = NULL;
    return 0;
}

/* Steals the bytearray. */
static int
adopt(struct content *content, PyObject *copy)
{
    if (copy == NULL)
        return -1;
    content->owner = copy;
    content->bytes = PyByteArray_AS_STRING(copy);
    content->size = PyByteArray_GET_SIZE(copy);
    content->view.obj = NULL;
    return 0;
}

static int
borrow_buffer(PyObject *source, struct content *content)
{
    BufferObject *other = as_buffer(source);
    if (other->buffer.released)
        return Buffer_fail(other, BUFFER_RELEASED, "read");
    return borrow(content, source, other->buffer.start, (Py_ssize_t)other->buffer.length);
}

/* 1 when it was borrowed, 0 when it is of another type, -1 with an exception. */
static int
borrow_known(const BufferObject *self, PyObject *source, struct content *content)
{
    if (PyBytes_CheckExact(source))
        borrow(content, source, PyBytes_AS_STRING(source), PyBytes_GET_SIZE(source));
    else if (PyByteArray_CheckExact(source))
        borrow(content, source, PyByteArray_AS_STRING(source), PyByteArray_GET_SIZE(source));
    else if (source == (PyObject *)self || Py_IS_TYPE(source, state_of(self)->buffer_type))
        return borrow_buffer(source, content) < 0 ? -1 : 1;
    else
        return 0;
    return 1;
}

int
content_of_buffer(const BufferObject *self, PyObject *source, struct content *content)
{
    int known = borrow_known(self, source, content);
    if (known != 0)
        return known < 0 ? -1 : 0;
    if (PyObject_GetBuffer(source, &content->view, PyBUF_SIMPLE) < 0)
        return -1;
    content->owner = NULL;
    content->bytes = content->view.buf;
    content->size = content->view.len;
    return 0;
}

/* Made empty first: CPython 3.11 reads the export count of one that found no memory for its bytes
   before it was set. */
PyObject *
bytearray_of(const char *bytes, Py_ssize_t size)
{
    PyObject *made = PyByteArray_FromStringAndSize(NULL, 0);
    if (made == NULL || size == 0)
        return made;
    if (PyByteArray_Resize(made, size) < 0)
        Py_CLEAR(made);
    else if (bytes != NULL)
        memcpy(PyByteArray_AS_STRING(made), bytes, (size_t)size);
    return made;
}

static PyObject *
copy_view(Py_buffer *view)
{
    PyObject *copy = bytearray_of(NULL, view->len);
    if (copy != NULL &&
        PyBuffer_ToContiguous(PyByteArray_AS_STRING(copy), view, view->len, 'C') < 0)
        Py_CLEAR(copy);
    PyBuffer_Release(view);
    return copy;
}

/* Of any layout; what is not contiguous is copied. */
static int
content_of_view(PyObject *source, struct content *content)
{
    if (PyObject_GetBuffer(source, &content->view, PyBUF_FULL_RO) < 0)
        return -1;
    if (!PyBuffer_IsContiguous(&content->view, 'C'))
        return adopt(content, copy_view(&content->view));
    content->owner = NULL;
    content->bytes = content->view.buf;
    content->size = content->view.len;
    return 0;
}

/* 1 for a count, 0 when it is none after all, -1 with an exception. */
static int
content_of_count(PyObject *source, struct content *content)
{
    Py_ssize_t count = PyNumber_AsSsize_t(source, PyExc_OverflowError);
    if (count == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "negative count");
        return -1;
    }
    content->owner = NULL;
    content->view.obj = NULL;
    content->bytes = NULL;
    content->size = count;
    return 1;
}

int
content_of_any(const BufferObject *self, PyObject *source, struct content *content)
{
    int known = borrow_known(self, source, content);
    if (known == 0 && PyIndex_Check(source))
        known = content_of_count(source, content);
    if (known != 0)
        return known < 0 ? -1 : 0;
    if (PyObject_CheckBuffer(source))
        return content_of_view(source, content);
    return adopt(content, PyObject_CallOneArg((PyObject *)&PyByteArray_Type, source));
}

static int
content_of_self(const BufferObject *self, struct content *content)
{
    const struct buffer *b = &self->buffer;
    return adopt(content, bytearray_of(b->start, (Py_ssize_t)b->length));
}

int
content_of_values(const BufferObject *self, PyObject *source, struct content *content)
{
    if (source == (PyObject *)self)
        return content_of_self(self, content);
    int known = borrow_known(self, source, content);
    if (known != 0)
        return known < 0 ? -1 : 0;
    if (!PyByteArray_Check(source) && (PyNumber_Check(source) || PyUnicode_Check(source))) {
        PyErr_SetString(PyExc_TypeError, "can assign only bytes, buffers, or iterables "
                                         "of ints in range(0, 256)");
        return -1;
    }
    if (PyObject_CheckBuffer(source))
        return content_of_view(source, content);
    return adopt(content, PyObject_CallOneArg((PyObject *)&PyByteArray_Type, source));
}

/* Iterables. Not bytearray's own extend: with a length hint of 0 that one writes to the interpreter's
 * shared empty string. */

enum { LARGEST_HINT = 4096 }; /* a hint may lie; past this the bytearray grows as it fills */

static PyObject *
get_iterator(PyObject *iterable)
{
    PyObject *iterator = PyObject_GetIter(iterable);
    if (iterator == NULL && PyErr_ExceptionMatches(PyExc_TypeError))
        PyErr_Format(PyExc_TypeError, "can't extend bytearray with %.100s",
                     Py_TYPE(iterable)->tp_name);
    return iterator;
}

static int
put_byte(PyObject *collected, Py_ssize_t at, char value)
{
    Py_ssize_t size = PyByteArray_GET_SIZE(collected);
    if (at == size && PyByteArray_Resize(collected, size + size / 2 + 64) < 0)
        return -1;
    PyByteArray_AS_STRING(collected)[at] = value;
    return 0;
}

static void
name_text_as_the_culprit(PyObject *iterable)
{
#if PY_VERSION_HEX >= 0x030d0000
    if (PyErr_ExceptionMatches(PyExc_TypeError) && PyUnicode_Check(iterable))
        PyErr_Format(PyExc_TypeError, "expected iterable of integers; got: 'str'");
#else
    (void)iterable;
#endif
}

static int
collect_items(PyObject *iterator, PyObject *iterable, PyObject *collected)
{
    Py_ssize_t size = 0;
    PyObject *item;
    while ((item = PyIter_Next(iterator)) != NULL) {
        char value;
        int converted = byte_value(item, &value);
        if (converted < 0)
            name_text_as_the_culprit(iterable);
        Py_DECREF(item);
        if (converted < 0 || put_byte(collected, size, value) < 0)
            return -1;
        size++;
    }
    return PyErr_Occurred() ? -1 : PyByteArray_Resize(collected, size);
}

static PyObject *
collect(PyObject *iterator, PyObject *iterable)
{
    Py_ssize_t hint = PyObject_LengthHint(iterable, 32);
    if (hint < 0)
        return NULL;
    PyObject *collected = bytearray_of(NULL, Py_MIN(hint, LARGEST_HINT));
    if (collected != NULL && collect_items(iterator, iterable, collected) < 0)
        Py_CLEAR(collected);
    return collected;
}

int
content_of_iterable(PyObject *iterable, struct content *content)
{
    PyObject *iterator = get_iterator(iterable);
    if (iterator == NULL)
        return -1;
    PyObject *collected = collect(iterator, iterable);
    Py_DECREF(iterator);
    return adopt(content, collected);
}

void
content_refresh(const BufferObject *self, struct content *content)
{
    if (content->owner == (PyObject *)self)
        content->bytes = self->buffer.start;
}

void
content_release(struct content *content)
{
    Py_XDECREF(content->owner);
    if (content->view.obj != NULL)
        PyBuffer_Release(&content->view);
}
