/* table_core.h - growable._core.TableCore, for module.c. */
#ifndef GROWABLE_TABLE_CORE_H
#define GROWABLE_TABLE_CORE_H

#include <Python.h>

PyObject *Table_make_type(PyObject *module);

#endif
