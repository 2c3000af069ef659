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
int content_of_iterable(const BufferObject *self, PyObject *iterable, struct content *content);

void content_refresh(const BufferObject *self, struct content *content);
void content_release(struct content *content);

/* Fast for what is usual, and bytearray's errors for the rest. */
static inline int
byte_value(PyObject *item, char *value)
{
    int overflow;
    long number = PyLong_AsLongAndOverflow(item, &overflow);
    if ((unsigned long)number > 255) {
        if (number == -1 && PyErr_Occurred())
            return -1;
        PyErr_SetString(PyExc_ValueError, "byte must be in range(0, 256)");
        return -1;
    }
    *value = (char)number;
    return 0;
}

#endif
