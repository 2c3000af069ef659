/* arrow_export.h - Python objects' memory as Arrow C structs in PyCapsules.
 *
 * A node describes one array: (format, name, length, null_count, buffers, children), with buffers
 * a tuple of None or exporters of bytes, and children a tuple of nodes. growable/arrow.py makes
 * them.
 *
 * What a reader would get wrong: the structs are released by whoever received them, on any thread,
 * with or without the GIL, and children may be released apart from their parent.
 */
#ifndef GROWABLE_ARROW_EXPORT_H
#define GROWABLE_ARROW_EXPORT_H

#include <Python.h>

struct ArrowSchema;
struct ArrowArray;

/* Zeroed memory becomes a schema or an array of a node, or stays released. 0, or -1 with an
 * exception. */
int Arrow_fill_schema(struct ArrowSchema *schema, PyObject *node);
int Arrow_fill_array(struct ArrowArray *array, PyObject *node);

/* A capsule "arrow_schema" of a node. */
PyObject *Arrow_schema(PyObject *module, PyObject *node);

/* A capsule "arrow_array" of a node; it exports the buffers until it is released. */
PyObject *Arrow_array(PyObject *module, PyObject *node);

/* arrow_stream.c: a capsule "arrow_array_stream" that yields the array of a node, once. */
PyObject *Arrow_stream(PyObject *module, PyObject *node);

#endif
