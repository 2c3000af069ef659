/* table_remove.c - rows taken out of all columns: a row, a stretch, or every so many.
 *
 * What a reader would get wrong: the numbers of the rows are worked out after the cached views are let
 * go of, which may run foreign code, and all columns are asked before the first one changes.
 */
#include "table_object.h"

static int
check_removable(const TableObject *self, const char *operation)
{
    for (Py_ssize_t i = 0; i < width_of(self); i++)
        if (gate_move(column_at(self, i)->buffer, operation) < 0)
            return -1;
    return 0;
}

/* The gate was passed. */
static void
remove_stretch(struct buffer *b, size_t low, size_t high)
{
    size_t length = b->length;
    if (high == length)
        buffer_truncate(b, low);
    if (low == 0)
        buffer_drop_front(b, high < length ? high : 0);
    else if (high < length)
        buffer_close_gap(b, low, high - low);
}

/* As an index says: a row, or a slice. Then, for the rows there are: `low`, `low + step`, ... before
 * `high`, with a step above 0. */
struct removal {
    Py_ssize_t low, high, step;
    bool one;
};

/* Runs foreign code. */
static int
read_index(PyObject *index, struct removal *at)
{
    at->one = !PySlice_Check(index);
    if (!at->one)
        return PySlice_Unpack(index, &at->low, &at->high, &at->step);
    if (!PyIndex_Check(index)) {
        PyErr_Format(PyExc_TypeError, "rows are removed by a number or a slice, not %.200s",
                     Py_TYPE(index)->tp_name);
        return -1;
    }
    at->low = PyNumber_AsSsize_t(index, PyExc_IndexError);
    return at->low == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
place_row(struct removal *at, Py_ssize_t rows)
{
    Py_ssize_t number = at->low;
    at->low += number < 0 ? rows : 0;
    if (at->low < 0 || at->low >= rows) {
        PyErr_Format(PyExc_IndexError, "row %zd is out of bounds for %zd rows", number, rows);
        return -1;
    }
    at->high = at->low + 1;
    at->step = 1;
    return 0;
}

static void
place_slice(struct removal *at, Py_ssize_t rows)
{
    Py_ssize_t n = PySlice_AdjustIndices(rows, &at->low, &at->high, at->step);
    Py_ssize_t span = n > 1 ? at->step * (n - 1) : 0;
    at->low = n == 0 ? 0 : span < 0 ? at->low + span : at->low;
    at->high = n == 0 ? 0 : at->low + (span < 0 ? -span : span) + 1;
    at->step = n < 2 ? 1 : at->step < 0 ? -at->step : at->step;
}

/* Moves what stays between the rows, and what follows them, to the front. The gate was passed. */
static void
remove_steps(struct buffer *b, size_t row_size, const struct removal *rows)
{
    char *to = b->start + (size_t)rows->low * row_size;
    const char *from = to, *end = b->start + b->length;
    for (Py_ssize_t at = rows->low; at < rows->high; at += rows->step) {
        from += row_size;
        size_t left = (size_t)(end - from), between = (size_t)(rows->step - 1) * row_size;
        size_t kept = rows->high - at > rows->step ? between : left;
        memmove(to, from, kept);
        to += kept;
        from += kept;
    }
    buffer_truncate(b, (size_t)(to - b->start));
}

/* Where the rows are, if they may be removed. */
static int
check_removal(TableObject *self, struct removal *at, const char *operation)
{
    for (Py_ssize_t i = 0; i < width_of(self); i++)
        Array_drop_view(column_at(self, i));
    Py_ssize_t rows = Table_count_rows(self, operation);
    if (rows < 0 || (at->one && place_row(at, rows) < 0))
        return -1;
    if (!at->one)
        place_slice(at, rows);
    return at->low == at->high ? 0 : check_removable(self, operation);
}

static void
remove_rows(ArrayObject *column, const struct removal *at)
{
    struct buffer *b = &column->buffer->buffer;
    if (at->step == 1)
        remove_stretch(b, (size_t)at->low * column->row_size,
                       (size_t)at->high * column->row_size);
    else
        remove_steps(b, column->row_size, at);
    show_base(column->buffer);
    assert_valid(column->buffer);
}

static void
remove_from_all(TableObject *self, const struct removal *at)
{
    for (Py_ssize_t i = 0; at->low != at->high && i < width_of(self); i++)
        remove_rows(column_at(self, i), at);
}

PyObject *
Table_remove(PyObject *op, PyObject *index)
{
    TableObject *self = as_table(op);
    struct removal at;
    if (read_index(index, &at) < 0 || check_removal(self, &at, "del") < 0)
        return NULL;
    remove_from_all(self, &at);
    Py_RETURN_NONE;
}

static PyObject *
copy_of_row(const TableObject *self, Py_ssize_t at)
{
    PyObject *values = PyTuple_New(width_of(self));
    for (Py_ssize_t i = 0; values != NULL && i < width_of(self); i++) {
        PyObject *value = Array_copy_of_row(column_at(self, i), at);
        if (value == NULL)
            Py_CLEAR(values);
        else
            PyTuple_SET_ITEM(values, i, value);
    }
    return values;
}

/* The row as a tuple of a subclass of tuple, made without running its Python code. */
static PyObject *
copy_of_row_as(const TableObject *self, Py_ssize_t at, PyObject *kind)
{
    PyObject *values = copy_of_row(self, at);
    PyObject *args = values == NULL ? NULL : PyTuple_Pack(1, values);
    PyObject *row = args == NULL ? NULL : PyTuple_Type.tp_new((PyTypeObject *)kind, args, NULL);
    Py_XDECREF(values);
    Py_XDECREF(args);
    return row;
}

/* Removes one row and returns it. It is made first, since that may fail; what finalizers did to the
 * table meanwhile is looked for, and then it is made again. */
static PyObject *
take_row(TableObject *self, const struct removal *index, PyObject *kind)
{
    const struct buffer *first = &column_at(self, 0)->buffer->buffer;
    for (;;) {
        struct removal at = *index;
        if (check_removal(self, &at, "pop") < 0)
            return NULL;
        const char *start = first->start;
        size_t length = first->length;
        PyObject *row = copy_of_row_as(self, at.low, kind);
        if (row == NULL)
            return NULL;
        if (first->start == start && first->length == length &&
            check_removable(self, "pop") == 0) {
            remove_from_all(self, &at);
            return row;
        }
        Py_DECREF(row);
        if (PyErr_Occurred())
            return NULL;
    }
}

PyObject *
Table_take(PyObject *op, PyObject *args)
{
    struct removal at;
    PyObject *index, *kind;
    if (!PyArg_ParseTuple(args, "OO!:_take", &index, &PyType_Type, &kind))
        return NULL;
    if (PySlice_Check(index) || !PyType_IsSubtype((PyTypeObject *)kind, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "_take: the number of a row and a tuple type wanted");
        return NULL;
    }
    return read_index(index, &at) < 0 ? NULL : take_row(as_table(op), &at, kind);
}
