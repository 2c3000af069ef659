/* sequence.h - what a sequence written in C has, and a Python class derived from it would lose. */
#ifndef GROWABLE_SEQUENCE_H
#define GROWABLE_SEQUENCE_H

#include <Python.h>

/* sq_item for a type with mp_subscript. */
PyObject *Sequence_item(PyObject *op, Py_ssize_t i);

/* __init_subclass__, as a class method: keeps that slot in Python classes. */
PyObject *Sequence_init_subclass(PyObject *type, PyObject *unused);

#endif
