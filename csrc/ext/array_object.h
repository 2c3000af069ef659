/* array_object.h - the struct behind growable.Array: a Buffer, and how its bytes are read as rows.
 *
 * A row is what NumPy calls an item, or a block of items where the row shape is not (). The C part
 * does what is done often: append, extend, view. Everything that converts or casts is left to NumPy,
 * in array.py.
 *
 * What a reader would get wrong: the length is the Buffer's alone, in bytes. Whoever gets hold of the
 * Buffer may change it, so no count of rows is kept here.
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

/* array_core.c, for module.c */
PyObject *Array_make_type(PyObject *module);
PyObject *Array_bind_numpy(PyObject *module, PyObject *args);
PyObject *Array_adopt_methods(PyObject *module, PyObject *type);

#endif
