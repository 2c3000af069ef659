/* export.h - an object that is an export of another for as long as it lives.
 *
 * NumPy keeps the object that its array was made of, not an export of it. A memoryview in between
 * would be one, but anybody can reach it through the array's base and release it. This cannot be
 * released.
 *
 * What a reader would get wrong: the type has no bf_releasebuffer, and must not have one. NumPy puts a
 * memoryview of its own in between where there is one.
 */
#ifndef GROWABLE_EXPORT_H
#define GROWABLE_EXPORT_H

#include <Python.h>
#include <stdbool.h>

PyTypeObject *Export_make_type(PyObject *module);

/* Exports `exporter`'s bytes now, and until the new object is gone. */
PyObject *Export_new(PyTypeObject *type, PyObject *exporter, bool readonly);

#endif
