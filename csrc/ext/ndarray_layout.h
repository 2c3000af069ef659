/* ndarray_layout.h - the fields of a numpy.ndarray, without NumPy's headers.
 *
 * NumPy's headers inline these offsets into every extension that is compiled against them, so NumPy
 * cannot change them without breaking all of those. We check them all the same, on arrays whose
 * attributes are known, before the first use; where they are not as we know them nothing here is
 * used, and the buffer protocol takes its place.
 *
 * What a reader would get wrong: an array's user may reshape it in place or change its strides. Look
 * at the fields anew each time.
 */
#ifndef GROWABLE_NDARRAY_LAYOUT_H
#define GROWABLE_NDARRAY_LAYOUT_H

#include <Python.h>
#include <stdbool.h>

struct ndarray_fields {
    PyObject_HEAD
    char *data;
    int nd;
    Py_ssize_t *dimensions;
    Py_ssize_t *strides;
    PyObject *base;
    PyObject *descr;
    int flags;
};

enum { NDARRAY_C_CONTIGUOUS = 0x0001, NDARRAY_WRITEABLE = 0x0400 };

static inline const struct ndarray_fields *
ndarray_fields(PyObject *array)
{
    return (const struct ndarray_fields *)array;
}

static inline bool
ndarray_has_flags(PyObject *array, int flags)
{
    return (ndarray_fields(array)->flags & flags) == flags;
}

#endif
