/* content.h - the bytes of an argument.
 *
 * What a reader would get wrong: for a Buffer or a bytearray the pointer is borrowed without an
 * export, so that taking it neither promotes nor fences anything. It is good until foreign code
 * runs or the buffer itself changes: take it, pass the gate, call content_refresh, copy.
 */
#ifndef GROWABLE_CONTENT_H
#define GROWABLE_CONTENT_H

#include "buffer_object.h"

struct content {
    const char *bytes;
    Py_ssize_t size;
    PyObject *owner; /* borrowed from, or NULL; a strong reference */
    Py_buffer view;  /* view.obj is NULL when there is none */
};

/* The bytes of a bytes-like object. 0, or -1 with the object's own exception. */
int content_of_buffer(const BufferObject *self, PyObject *source, struct content *content);

/* What bytearray(source) holds: of a count (as `size` zero bytes, with bytes == NULL), a bytes-like
 * object or an iterable. */
int content_of_any(const BufferObject *self, PyObject *source, struct content *content);

/* The same, but never our own bytes: a copy of them instead, as bytearray does. */
int content_of_values(const BufferObject *self, PyObject *source, struct content *content);

/* What bytearray().extend(iterable) would hold. */
int content_of_iterable(PyObject *iterable, struct content *content);

void content_refresh(const BufferObject *self, struct content *content);
void content_release(struct content *content);

/* A new bytearray, its bytes undefined when `bytes` is NULL; NULL with an exception. */
PyObject *bytearray_of(const char *bytes, Py_ssize_t size);

/* The value of an exact int of one digit, which is what bytes come as; -1 for anything else. */
static inline long
small_int(PyObject *item)
{
#if PY_VERSION_HEX >= 0x030c0000
    if (PyLong_CheckExact(item) && PyUnstable_Long_IsCompact((PyLongObject *)item))
        return (long)PyUnstable_Long_CompactValue((PyLongObject *)item);
#else
    if (PyLong_CheckExact(item) && (size_t)Py_SIZE(item) <= 1)
        return Py_SIZE(item) == 0 ? 0 : (long)((PyLongObject *)item)->ob_digit[0];
#endif
    return -1;
}

/* byte_value for what small_int does not know, with bytearray's errors. */
int content_byte_value(PyObject *item, char *value);

static inline int
byte_value(PyObject *item, char *value)
{
    long number = small_int(item);
    *value = (char)number;
    return (unsigned long)number <= 255 ? 0 : content_byte_value(item, value);
}

#endif
