/* array_object.h - the struct behind growable.Array: a Buffer, and how its bytes are read as rows.
 *
 * A row is what NumPy calls an item, or a block of items where the row shape is not (). The C part
 * does what is done often: append, extend, view. Everything that converts or casts is left to
 * NumPy, in array.py.
 *
 * What a reader would get wrong: the length is the Buffer's alone, in bytes. Whoever gets hold of
 * the Buffer may change it, so no count of rows is kept here.
 */
#ifndef GROWABLE_ARRAY_OBJECT_H
#define GROWABLE_ARRAY_OBJECT_H

#include "array_pack.h"
#include "buffer_object.h"

typedef struct {
    PyObject_HEAD
    BufferObject *buffer;
    PyObject *dtype;
    PyObject *row_shape; /* a tuple of exact ints */
    PyObject *view;      /* the ndarray that view() gave last, or NULL */
    pack_function pack;  /* NULL where NumPy has to convert */
    size_t row_size;     /* bytes, > 0 */
    Py_ssize_t row_items;
    bool typed;          /* the buffer protocol can describe the dtype */
} ArrayObject;

static inline ArrayObject *
as_array(PyObject *op)
{
    return (ArrayObject *)op;
}

static inline Py_ssize_t
Array_count_rows(const ArrayObject *self)
{
    return (Py_ssize_t)(self->buffer->buffer.length / self->row_size);
}

/* Lets go of the cached view if nobody else has it. Foreign code may run. */
void Array_drop_view(ArrayObject *self);

/* The first rows of an exporter's bytes as an ndarray, which is an export of it. */
PyObject *Array_of_bytes(const ArrayObject *self, PyObject *exporter, Py_ssize_t rows,
                         bool readonly);

/* Says that the size of the dtype's items is another one than when the Array was made. Returns -1. */
int Array_refuse_dtype(const ArrayObject *self);

/* array_rows.c */
PyObject *Array_set_capacity(PyObject *op, PyObject *count);
PyObject *Array_put(PyObject *op, PyObject *args);
PyObject *Array_replace(PyObject *op, PyObject *args);
PyObject *Array_resize(PyObject *op, PyObject *args);
PyObject *Array_take(PyObject *op, PyObject *index);

/* An argument that is a number of rows: that number, or the bytes they take. Runs foreign code.
 * OverflowError where the number is no index, MemoryError where the rows do not fit in memory. */
int Array_read_count(const ArrayObject *self, PyObject *arg, const char *operation,
                     Py_ssize_t *rows);
int Array_read_size(const ArrayObject *self, PyObject *arg, const char *operation,
                    Py_ssize_t *size);

/* array_tail.c */
PyObject *Array_ensure(PyObject *op, PyObject *count);
PyObject *Array_spare(PyObject *op, PyObject *count);
PyObject *Array_advance(PyObject *op, PyObject *count);
PyObject *Array_read_once(PyObject *op, PyObject *args);

/* A copy of one row, as an ndarray gives it. Lets no other thread run. */
PyObject *Array_copy_of_row(const ArrayObject *self, Py_ssize_t at);

/* array_core.c, for module.c */
PyObject *Array_make_type(PyObject *module);
PyObject *Array_bind_numpy(PyObject *module, PyObject *args);
PyObject *Array_adopt_methods(PyObject *module, PyObject *type);

#endif
