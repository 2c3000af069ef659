/* array_pack.h - storing Python numbers as native items, for those types where that is one store.
 *
 * What a reader would get wrong: a packer that says no has not failed. It leaves to NumPy whatever
 * needs a conversion, runs foreign code, or ends in an exception or a warning; so a packer runs no
 * foreign code and never raises.
 */
#ifndef GROWABLE_ARRAY_PACK_H
#define GROWABLE_ARRAY_PACK_H

#include <Python.h>
#include <stdbool.h>

enum { PACK_LARGEST = 16 };

/* Writes `item` to `to`, which has room for PACK_LARGEST bytes; or returns false. */
typedef bool (*pack_function)(PyObject *item, char *to);

/* The packer for items of a native NumPy type, by its character code and size; NULL if none. */
pack_function pack_find(Py_UCS4 code, size_t size);

/* A packer by itself, so that append can do without a call. */
bool pack_double(PyObject *item, char *to);

#endif
