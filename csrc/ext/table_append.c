/* table_append.c - rows put at the end of all columns: one row of values, or many rows as bytes.
 *
 * What a reader would get wrong: a value may be converted by foreign code, which may change the table.
 * So all bytes of the rows stand ready before room is made, and storing them cannot fail.
 */
#include "ndarray_layout.h"
#include "table_object.h"

enum { ROW_ON_STACK = 512 };

/* There is room. */
static void
put_rows(ArrayObject *column, const char *bytes, size_t size)
{
    memcpy(buffer_take_in(&column->buffer->buffer, size), bytes, size);
    Py_SET_SIZE(column->buffer, (Py_ssize_t)column->buffer->buffer.length);
    assert_valid(column->buffer);
}

/* Appending one row. First its values are gathered in the columns' order, then its bytes. */

/* Memory for a row: on the stack, as a rule. */
struct row {
    PyObject **values; /* borrowed from the arguments */
    char *bytes;
    char *heap;
    PyObject *few[16];
    char small[ROW_ON_STACK];
};

static int
row_init(struct row *row, const TableObject *self)
{
    size_t width = (size_t)width_of(self);
    size_t values = width * sizeof(PyObject *), bytes = self->row_size + PACK_LARGEST;
    row->values = row->few;
    row->bytes = row->small;
    row->heap = NULL;
    if (width <= Py_ARRAY_LENGTH(row->few) && bytes <= sizeof row->small)
        return 0;
    row->heap = PyMem_Malloc(values + bytes);
    if (row->heap == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    row->values = (PyObject **)(void *)row->heap;
    row->bytes = row->heap + values;
    return 0;
}

/* Python's own conversion: a buffer with the bytes of column i's value. */
static int
convert_value(TableObject *self, Py_ssize_t i, PyObject *value, char *to)
{
    size_t size = column_at(self, i)->row_size;
    PyObject *memory = PyObject_CallMethod((PyObject *)self, "_convert_value", "(nO)", i, value);
    Py_buffer view;
    if (memory == NULL || PyObject_GetBuffer(memory, &view, PyBUF_SIMPLE) < 0) {
        Py_XDECREF(memory);
        return -1;
    }
    bool fits = (size_t)view.len == size;
    if (fits)
        memcpy(to, view.buf, size);
    else
        PyErr_Format(PyExc_ValueError, "a value of %zu bytes wanted, not %zd", size, view.len);
    PyBuffer_Release(&view);
    Py_DECREF(memory);
    return fits ? 0 : -1;
}

/* A packer may write past its item, into what comes next. */
static int
convert_row(TableObject *self, struct row *row)
{
    char *to = row->bytes;
    for (Py_ssize_t i = 0; i < width_of(self); i++) {
        const ArrayObject *column = column_at(self, i);
        bool packed = column->pack != NULL && column->pack(row->values[i], to);
        if (!packed && convert_value(self, i, row->values[i], to) < 0)
            return -1;
        to += column->row_size;
    }
    return 0;
}

static int
append_row(TableObject *self, struct row *row)
{
    if (convert_row(self, row) < 0 || Table_make_room(self, 1, "append") < 0)
        return -1;
    const char *from = row->bytes;
    for (Py_ssize_t i = 0; i < width_of(self); i++) {
        ArrayObject *column = column_at(self, i);
        put_rows(column, from, column->row_size);
        from += column->row_size;
    }
    return 0;
}

/* Where a name stands in a tuple of names, or -1. Interned names are found by their address. */
static Py_ssize_t
find_name(PyObject *names, PyObject *name)
{
    Py_ssize_t n = PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < n; i++)
        if (PyTuple_GET_ITEM(names, i) == name)
            return i;
    for (Py_ssize_t i = 0; i < n; i++)
        if (PyUnicode_Compare(PyTuple_GET_ITEM(names, i), name) == 0)
            return i;
    return -1;
}

static int
refuse_names(const TableObject *self, PyObject *given)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given); i++)
        if (find_name(self->names, PyTuple_GET_ITEM(given, i)) < 0) {
            PyErr_Format(PyExc_TypeError, "append() got a value for %R, which is no column",
                         PyTuple_GET_ITEM(given, i));
            return -1;
        }
    for (Py_ssize_t i = 0; i < width_of(self); i++)
        if (find_name(given, PyTuple_GET_ITEM(self->names, i)) < 0) {
            PyErr_Format(PyExc_TypeError, "append() misses a value for column %R",
                         PyTuple_GET_ITEM(self->names, i));
            return -1;
        }
    return -1;
}

/* Keywords are distinct, so as many as there are columns, each of them one, are all of them. */
static int
take_named(const TableObject *self, struct row *row, PyObject *const *values, PyObject *given)
{
    if (PyTuple_GET_SIZE(given) != width_of(self))
        return refuse_names(self, given);
    for (Py_ssize_t i = 0; i < width_of(self); i++) {
        bool in_place = PyTuple_GET_ITEM(given, i) == PyTuple_GET_ITEM(self->names, i);
        Py_ssize_t at = in_place ? i : find_name(self->names, PyTuple_GET_ITEM(given, i));
        if (at < 0)
            return refuse_names(self, given);
        row->values[at] = values[i];
    }
    return 0;
}

static int
take_items(const TableObject *self, struct row *row, PyObject *tuple)
{
    if (PyTuple_GET_SIZE(tuple) != width_of(self)) {
        PyErr_Format(PyExc_ValueError, "append: a row of %zd values wanted, not %zd",
                     width_of(self), PyTuple_GET_SIZE(tuple));
        return -1;
    }
    for (Py_ssize_t i = 0; i < width_of(self); i++)
        row->values[i] = PyTuple_GET_ITEM(tuple, i);
    return 0;
}

/* Whether it is an array of plain numbers, of which Python's own are made quickly. */
static bool
is_numbers(const TableObject *self, PyObject *row)
{
    const struct numpy_names *numpy = &state_of(column_at(self, 0)->buffer)->numpy;
    if (!numpy->layout_known || !Py_IS_TYPE(row, numpy->ndarray) || ndarray_fields(row)->nd != 1)
        return false;
    PyObject *kind = PyObject_GetAttrString(ndarray_fields(row)->descr, "kind");
    bool numbers = kind != NULL && PyUnicode_GET_LENGTH(kind) == 1 &&
                   strchr("biuf", (int)PyUnicode_READ_CHAR(kind, 0)) != NULL;
    Py_XDECREF(kind);
    PyErr_Clear();
    return numbers;
}

/* A new reference to the row as a tuple. */
static PyObject *
row_as_tuple(TableObject *self, PyObject *row)
{
    if (PyTuple_Check(row))
        return Py_NewRef(row);
    if (PyList_CheckExact(row))
        return PyList_AsTuple(row);
    if (is_numbers(self, row)) {
        PyObject *list = PyObject_CallMethod(row, "tolist", NULL);
        PyObject *values = list == NULL ? NULL : PySequence_Tuple(list);
        Py_XDECREF(list);
        return values;
    }
    PyObject *tuple = PyObject_CallMethod((PyObject *)self, "_values_of", "(O)", row);
    if (tuple != NULL && !PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "append: a tuple wanted");
        Py_CLEAR(tuple);
    }
    return tuple;
}

static int
append_items(TableObject *self, struct row *row, PyObject *given)
{
    PyObject *tuple = row_as_tuple(self, given);
    if (tuple == NULL)
        return -1;
    int result = take_items(self, row, tuple) < 0 ? -1 : append_row(self, row);
    Py_DECREF(tuple);
    return result;
}

PyObject *
Table_append(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    TableObject *self = as_table(op);
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs > 1 || (nargs == 1) == (named > 0)) {
        PyErr_SetString(PyExc_TypeError,
                        "append() takes one row, or a value for each column by its name");
        return NULL;
    }
    struct row row;
    if (row_init(&row, self) < 0)
        return NULL;
    int result;
    if (nargs == 1)
        result = append_items(self, &row, args[0]);
    else
        result = take_named(self, &row, args, kwnames) < 0 ? -1 : append_row(self, &row);
    PyMem_Free(row.heap);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* Appending many rows: blocks of bytes, a column after the other, in batches of any number of rows. */

struct blocks {
    Py_ssize_t count;
    Py_buffer *views;
};

static void
blocks_release(struct blocks *blocks)
{
    while (blocks->count > 0)
        PyBuffer_Release(&blocks->views[--blocks->count]);
    PyMem_Free(blocks->views);
}

static int
blocks_take(struct blocks *blocks, PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    blocks->count = 0;
    blocks->views = PyMem_Calloc((size_t)n + 1, sizeof *blocks->views);
    if (blocks->views == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    while (blocks->count < n) {
        Py_buffer *view = &blocks->views[blocks->count];
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(tuple, blocks->count), view, PyBUF_SIMPLE) < 0)
            return -1;
        blocks->count++;
    }
    return 0;
}

/* Whether bytes stand in what a column has past its end, where the new rows go. */
static bool
is_in_tail(const TableObject *self, const Py_buffer *block)
{
    const char *low = block->buf, *high = low + block->len;
    for (Py_ssize_t i = 0; i < width_of(self); i++) {
        const BufferObject *buffer = column_at(self, i)->buffer;
        const struct buffer *b = &buffer->buffer;
        if (buffer->tails > 0 && high > b->start + b->length && low < b->start + b->limit)
            return true;
    }
    return false;
}

/* A block in memory of its own instead. */
static int
copy_block(Py_buffer *block)
{
    PyObject *copy = PyBytes_FromStringAndSize(block->buf, block->len);
    if (copy == NULL)
        return -1;
    PyBuffer_Release(block);
    int result = PyObject_GetBuffer(copy, block, PyBUF_SIMPLE);
    Py_DECREF(copy);
    return result;
}

/* Storing one block would overwrite another that stands in a lent tail. */
static int
copy_what_is_in_tails(const TableObject *self, const struct blocks *blocks)
{
    for (Py_ssize_t i = 0; i < blocks->count; i++)
        if (is_in_tail(self, &blocks->views[i]) && copy_block(&blocks->views[i]) < 0)
            return -1;
    return 0;
}

/* The rows of one batch, or -1 where its blocks differ. */
static Py_ssize_t
rows_of_batch(const TableObject *self, const Py_buffer *batch)
{
    size_t rows = (size_t)batch[0].len / column_at(self, 0)->row_size;
    for (Py_ssize_t i = 0; i < width_of(self); i++) {
        size_t size = column_at(self, i)->row_size;
        if (rows > BUFFER_MAX / size || (size_t)batch[i].len != rows * size)
            return -1;
    }
    return (Py_ssize_t)rows;
}

/* All rows of all batches, or -1 with an exception. */
static Py_ssize_t
rows_of_blocks(const TableObject *self, const struct blocks *blocks)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t at = 0; at < blocks->count; at += width_of(self)) {
        Py_ssize_t rows = rows_of_batch(self, &blocks->views[at]);
        if (rows < 0 || rows > PY_SSIZE_T_MAX - total) {
            PyErr_SetString(PyExc_ValueError, "blocks of equally many rows wanted");
            return -1;
        }
        total += rows;
    }
    return total;
}

/* The blocks stay exported, so they are what they were when room was made. */
static int
append_blocks(TableObject *self, const struct blocks *blocks)
{
    Py_ssize_t rows = rows_of_blocks(self, blocks), width = width_of(self);
    if (rows < 0 || copy_what_is_in_tails(self, blocks) < 0 ||
        Table_make_room(self, (size_t)rows, "extend") < 0)
        return -1;
    for (Py_ssize_t at = 0; at < blocks->count; at++) {
        const Py_buffer *block = &blocks->views[at];
        if (block->len > 0)
            put_rows(column_at(self, at % width), block->buf, (size_t)block->len);
    }
    return 0;
}

PyObject *
Table_extend_blocks(PyObject *op, PyObject *tuple)
{
    TableObject *self = as_table(op);
    if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) % width_of(self) != 0) {
        PyErr_SetString(PyExc_ValueError, "_extend_blocks: a tuple with a block a column wanted");
        return NULL;
    }
    struct blocks blocks;
    int result = blocks_take(&blocks, tuple) < 0 ? -1 : append_blocks(self, &blocks);
    blocks_release(&blocks);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}
