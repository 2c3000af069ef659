/* tail.h - the exporter behind spare(): a view of bytes past a Buffer's end.
 *
 * What a reader would get wrong: the view's owner is the Buffer itself, so the view counts as one
 * of its exports and keeps it alive; the Tail object is gone as soon as the view is made.
 */
#ifndef GROWABLE_TAIL_H
#define GROWABLE_TAIL_H

#include "buffer_object.h"

PyTypeObject *Tail_make_type(PyObject *module);

/* What a view of a tail carries in its `internal`. */
extern void *const Tail_mark;

/* A writable memoryview of the n bytes at `start`. */
PyObject *Tail_view(BufferObject *owner, char *start, Py_ssize_t n);

#endif
