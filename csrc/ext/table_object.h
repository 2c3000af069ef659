/* table_object.h - the struct behind growable.Table: Arrays of equal length that change together.
 *
 * Each change has three steps. Values are converted, which may run foreign code and may fail. Then
 * every column makes room, or says that it may give rows up, which may fail as well and changes no
 * length. Then all lengths change; nothing there can fail, and nothing foreign runs.
 *
 * What a reader would get wrong: a column is an Array that others hold too, and ArrayCore's own
 * methods can be called on it. So equal lengths are looked at before each change, not assumed.
 */
#ifndef GROWABLE_TABLE_OBJECT_H
#define GROWABLE_TABLE_OBJECT_H

#include "array_object.h"

typedef struct {
    PyObject_HEAD
    PyObject *names;   /* a tuple of exact, interned str */
    PyObject *columns; /* a tuple of as many ArrayCores, at least one */
    size_t row_size;   /* bytes of a row, over all columns */
} TableObject;

static inline TableObject *
as_table(PyObject *op)
{
    return (TableObject *)op;
}

static inline Py_ssize_t
width_of(const TableObject *self)
{
    return PyTuple_GET_SIZE(self->columns);
}

static inline ArrayObject *
column_at(const TableObject *self, Py_ssize_t i)
{
    return as_array(PyTuple_GET_ITEM(self->columns, i));
}

/* The rows, or -1 with an exception where the columns differ or were released. */
Py_ssize_t Table_count_rows(const TableObject *self, const char *operation);

/* Afterwards `rows` more rows fit everywhere. Foreign code may run before, and none once it fits. */
int Table_make_room(TableObject *self, size_t rows, const char *operation);

/* table_append.c */
PyObject *Table_append(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *Table_extend_blocks(PyObject *op, PyObject *tuple);

/* table_remove.c */
PyObject *Table_remove(PyObject *op, PyObject *index);
PyObject *Table_take(PyObject *op, PyObject *args);

/* table_core.c, for module.c */
PyObject *Table_make_type(PyObject *module);

#endif
