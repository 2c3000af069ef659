/* bytesio_object.h - the struct behind growable.BytesIO, and how its contents are reached.
 *
 * The contents stand in one of two places:
 *
 *     bytes    a bytes object, as in io.BytesIO: shared with the caller of getvalue() or with who gave
 *              the initial bytes while its reference count is above one, and then not written to;
 *              it may be longer than the contents
 *     buffer   a Buffer, from the first getbuffer() to a getvalue() while nothing is exported
 *
 * What a reader would get wrong: the Buffer is no secret. `view.obj` is that Buffer, so Python code
 * may grow, freeze or release it at any time. Hence nothing of it is remembered here: where its bytes
 * stand and how many there are is asked each time, and each change passes the Buffer's own gates.
 */
#ifndef GROWABLE_BYTESIO_OBJECT_H
#define GROWABLE_BYTESIO_OBJECT_H

#include "buffer_object.h"

/* Room for what io.BytesIO keeps after the object's head: six words in Python 3.11 to 3.15. */
enum { BYTESIO_BASE_WORDS = 8 };

typedef struct {
    PyObject_HEAD
    void *base[BYTESIO_BASE_WORDS]; /* io.BytesIO's own, all zero: to its methods the file is closed */
    PyObject *bytes;
    BufferObject *buffer; /* when bytes is NULL; both are NULL when closed */
    Py_ssize_t length;    /* of the contents in `bytes` */
    Py_ssize_t pos;       /* may be past the end */
    bool finalizing;      /* close() may leave views behind: they keep the Buffer */
    struct module_state *state; /* holds a reference to its module */
} BytesIOObject;

static inline BytesIOObject *
as_bytesio(PyObject *op)
{
    return (BytesIOObject *)op;
}

/* Where the contents start and how long they are. Good until foreign code runs or they change. */
struct extent {
    char *start; /* NULL with an exception when closed */
    Py_ssize_t length;
};

/* The slow parts of the two below: a closed file, a released Buffer; for the second any Buffer. */
struct extent BytesIO_refuse_look(const BytesIOObject *self);
int BytesIO_refuse_closed(const BytesIOObject *self);

static inline struct extent
BytesIO_look(const BytesIOObject *self)
{
    if (self->bytes != NULL)
        return (struct extent){PyBytes_AS_STRING(self->bytes), self->length};
    const BufferObject *buffer = self->buffer;
    if (buffer != NULL && !buffer->buffer.released)
        return (struct extent){buffer->buffer.start, (Py_ssize_t)buffer->buffer.length};
    return BytesIO_refuse_look(self);
}

/* 0, or -1 with an exception. */
static inline int
BytesIO_check_open(const BytesIOObject *self)
{
    return self->bytes != NULL ? 0 : BytesIO_refuse_closed(self);
}

/* Writes n bytes at the position, over what is there and past the end; zeros fill a gap. The bytes
 * may be our own. */
int BytesIO_put(BytesIOObject *self, const char *bytes, Py_ssize_t n);

/* Shortens to `length`, which is not more than there is. */
int BytesIO_cut(BytesIOObject *self, Py_ssize_t length);

/* Makes a bytes object the contents, at position 0; a closed file is open again. Steals the
 * reference, also when it fails because the old contents are exported. */
int BytesIO_adopt(BytesIOObject *self, PyObject *bytes);

/* All contents as bytes, without a copy where they are bytes already. */
PyObject *BytesIO_value(BytesIOObject *self);

/* The contents in a Buffer from now on. */
BufferObject *BytesIO_expose(BytesIOObject *self);

/* Closes. BufferError while views are alive, but not when the file goes away. */
int BytesIO_drop(BytesIOObject *self);

/* Bytes of memory that belong to the contents alone, or -1 with an exception. */
Py_ssize_t BytesIO_memory(const BytesIOObject *self);

/* bytesio_stream.c */
PyObject *BytesIO_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *BytesIO_read1(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *BytesIO_peek(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *BytesIO_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *BytesIO_next(PyObject *op);
PyObject *BytesIO_readlines(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *BytesIO_readinto(PyObject *op, PyObject *target);
PyObject *BytesIO_write(PyObject *op, PyObject *source);
PyObject *BytesIO_writelines(PyObject *op, PyObject *lines);
PyObject *BytesIO_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *BytesIO_tell(PyObject *op, PyObject *unused);
PyObject *BytesIO_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs);

/* bytesio_type.c, for module.c: derived from io.BytesIO. */
PyObject *BytesIO_make_type(PyObject *module);

#endif
