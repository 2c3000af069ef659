/* table_core.c - growable._core.TableCore: Arrays of equal length that change their length together.
 *
 * Each change has three steps. Values are converted, which may run foreign code and may fail. Then
 * every column makes room, or says that it may give rows up, which may fail as well and changes no
 * length. Then all lengths change; nothing there can fail, and nothing foreign runs.
 *
 * What a reader would get wrong: a column is an Array that others hold too, and ArrayCore's own
 * methods can be called on it. So equal lengths are looked at before each change, not assumed.
 */
#include "table_core.h"

#include "array_object.h"
#include "ndarray_layout.h"
#include "sequence.h"

enum { ROW_ON_STACK = 512 };

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

/* Equal lengths. */

static int
refuse_lengths(const TableObject *self, Py_ssize_t i)
{
    const BufferObject *buffer = column_at(self, i)->buffer;
    if (i == 0)
        PyErr_Format(state_of(buffer)->errors[ERROR_STATE],
                     "the column %R ends with a part of a row: it was changed by itself",
                     PyTuple_GET_ITEM(self->names, 0));
    else
        PyErr_Format(state_of(buffer)->errors[ERROR_STATE],
                     "the columns %R and %R differ in length: one of them was changed by itself",
                     PyTuple_GET_ITEM(self->names, 0), PyTuple_GET_ITEM(self->names, i));
    return -1;
}

/* The rows, or -1 with an exception. */
static Py_ssize_t
count_rows(const TableObject *self, const char *operation)
{
    const ArrayObject *first = column_at(self, 0);
    if (gate_read(first->buffer, operation) < 0)
        return -1;
    size_t length = first->buffer->buffer.length, rows = length / first->row_size;
    if (length != rows * first->row_size)
        return refuse_lengths(self, 0);
    for (Py_ssize_t i = 1; i < width_of(self); i++) {
        const ArrayObject *column = column_at(self, i);
        if (gate_read(column->buffer, operation) < 0)
            return -1;
        if (column->buffer->buffer.length != rows * column->row_size)
            return refuse_lengths(self, i);
    }
    return (Py_ssize_t)rows;
}

/* Room in all columns. */

static inline bool
has_room(const ArrayObject *column, size_t extra)
{
    const struct buffer *b = &column->buffer->buffer;
    return column->buffer->pins == 0 && extra <= b->limit - b->length;
}

/* Adds to the exception which column it is about. */
static void
note_column(const TableObject *self, Py_ssize_t i)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *note = PyUnicode_FromFormat("growable: in column %R",
                                          PyTuple_GET_ITEM(self->names, i));
    PyObject *done = note == NULL ? NULL : PyObject_CallMethod(value, "add_note", "O", note);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(note);
    PyErr_Restore(type, value, traceback);
}

/* So that a Buffer which only the cached view pins may move. This may run foreign code. */
static int
drop_views_without_room(TableObject *self, size_t rows, const char *operation)
{
    for (Py_ssize_t i = 0; i < width_of(self); i++) {
        ArrayObject *column = column_at(self, i);
        if (rows > BUFFER_MAX / column->row_size) {
            PyErr_Format(PyExc_MemoryError, "Table.%s: %zu rows do not fit in memory", operation,
                         rows);
            return -1;
        }
        if (!has_room(column, rows * column->row_size))
            Array_drop_view(column);
    }
    return 0;
}

/* Afterwards `rows` more rows fit everywhere. */
static int
make_room(TableObject *self, size_t rows, const char *operation)
{
    if (drop_views_without_room(self, rows, operation) < 0 || count_rows(self, operation) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < width_of(self); i++) {
        ArrayObject *column = column_at(self, i);
        if (gate_write(column->buffer, operation) < 0)
            return -1;
        if (gate_grow(column->buffer, rows * column->row_size, operation) < 0) {
            note_column(self, i);
            return -1;
        }
    }
    return 0;
}

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
    if (convert_row(self, row) < 0 || make_room(self, 1, "append") < 0)
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

static PyObject *
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
        make_room(self, (size_t)rows, "extend") < 0)
        return -1;
    for (Py_ssize_t at = 0; at < blocks->count; at++) {
        const Py_buffer *block = &blocks->views[at];
        if (block->len > 0)
            put_rows(column_at(self, at % width), block->buf, (size_t)block->len);
    }
    return 0;
}

static PyObject *
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

static int
read_count(PyObject *arg, const char *operation, Py_ssize_t *rows)
{
    *rows = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    if (*rows == -1 && PyErr_Occurred())
        return -1;
    if (*rows >= 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "Table.%s: the number of rows must be >= 0, got %zd", operation,
                 *rows);
    return -1;
}

static PyObject *
Table_ensure(PyObject *op, PyObject *count)
{
    Py_ssize_t rows;
    if (read_count(count, "ensure", &rows) < 0)
        return NULL;
    return make_room(as_table(op), (size_t)rows, "ensure") < 0 ? NULL : Py_NewRef(Py_None);
}

/* The writable tails, lent by the columns one by one and taken in together. */

static bool
is_lent(const ArrayObject *column, size_t rows)
{
    const struct buffer *b = &column->buffer->buffer;
    return column->buffer->pins == 0 && !b->frozen &&
           b->lent_from == buffer_offset(b) + b->length && rows <= b->lent_left / column->row_size;
}

static PyObject *
Table_advance(PyObject *op, PyObject *count)
{
    TableObject *self = as_table(op);
    Py_ssize_t rows;
    if (read_count(count, "advance", &rows) < 0 || count_rows(self, "advance") < 0)
        return NULL;
    for (Py_ssize_t i = 0; rows > 0 && i < width_of(self); i++)
        if (!is_lent(column_at(self, i), (size_t)rows)) {
            PyErr_Format(PyExc_ValueError, "Table.advance: %zd rows asked for, which are not lent; "
                                           "spare() lends them, and any other change of the length "
                                           "takes them back", rows);
            return NULL;
        }
    for (Py_ssize_t i = 0; rows > 0 && i < width_of(self); i++) {
        ArrayObject *column = column_at(self, i);
        (void)buffer_advance(&column->buffer->buffer, (size_t)rows * column->row_size);
        if (column->buffer->tails == 0)
            buffer_settle(&column->buffer->buffer);
        show_base(column->buffer);
        assert_valid(column->buffer);
    }
    Py_RETURN_NONE;
}

/* Removing rows. */

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
    Py_ssize_t rows = count_rows(self, operation);
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

static PyObject *
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

static PyObject *
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

/* Lifecycle. */

static Py_ssize_t
Table_length(PyObject *op)
{
    return count_rows(as_table(op), "len");
}

static int
check_parts(const struct module_state *state, PyObject *names, PyObject *columns)
{
    Py_ssize_t width = PyTuple_GET_SIZE(columns);
    if (width == 0 || PyTuple_GET_SIZE(names) != width) {
        PyErr_SetString(PyExc_ValueError, "TableCore: one name a column wanted, and a column");
        return -1;
    }
    for (Py_ssize_t i = 0; i < width; i++)
        if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(names, i)) ||
            !PyObject_TypeCheck(PyTuple_GET_ITEM(columns, i), state->array_type)) {
            PyErr_SetString(PyExc_TypeError, "TableCore: names and ArrayCores wanted");
            return -1;
        }
    return 0;
}

/* Room is made for each column by itself, so no two may have the same Buffer. */
static int
check_apart(PyObject *columns)
{
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(columns); i++)
        for (Py_ssize_t j = 0; j < i; j++)
            if (as_array(PyTuple_GET_ITEM(columns, i))->buffer ==
                as_array(PyTuple_GET_ITEM(columns, j))->buffer) {
                PyErr_SetString(PyExc_ValueError, "TableCore: two columns have the same Buffer");
                return -1;
            }
    return 0;
}

/* A tuple of the same names, interned as keywords are. */
static PyObject *
intern_names(PyObject *names)
{
    PyObject *interned = PyTuple_New(PyTuple_GET_SIZE(names));
    for (Py_ssize_t i = 0; interned != NULL && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = Py_NewRef(PyTuple_GET_ITEM(names, i));
        PyUnicode_InternInPlace(&name);
        PyTuple_SET_ITEM(interned, i, name);
    }
    return interned;
}

static int
measure_row(TableObject *self)
{
    for (Py_ssize_t i = 0; i < width_of(self); i++) {
        size_t size = column_at(self, i)->row_size;
        if (size > BUFFER_MAX / 2 - self->row_size) {
            PyErr_SetString(PyExc_ValueError, "a row of the table does not fit in memory");
            return -1;
        }
        self->row_size += size;
    }
    return 0;
}

/* TableCore(names, columns): for growable.Table only. */
static PyObject *
Table_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *module = PyType_GetModuleByDef(type, &growable_module), *names, *columns;
    if (module == NULL || !PyArg_ParseTuple(args, "O!O!:TableCore", &PyTuple_Type, &names,
                                            &PyTuple_Type, &columns) ||
        check_parts(PyModule_GetState(module), names, columns) < 0 || check_apart(columns) < 0)
        return NULL;
    TableObject *self = (TableObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->columns = Py_NewRef(columns);
    for (Py_ssize_t i = 0; i < width_of(self); i++)
        column_at(self, i)->buffer->holder.name = "Table";
    self->names = intern_names(names);
    if (self->names == NULL || measure_row(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
Table_dealloc(PyObject *op)
{
    TableObject *self = as_table(op);
    PyTypeObject *type = Py_TYPE(op);
    Py_XDECREF(self->names);
    Py_XDECREF(self->columns);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
get_names(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(as_table(op)->names);
}

static PyObject *
get_arrays(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(as_table(op)->columns);
}

/* The type. */

#define METHOD(name, function, flags, doc) {name, (PyCFunction)(void (*)(void))function, flags, doc}

static PyMethodDef methods[] = {
    METHOD("append", Table_append, METH_FASTCALL | METH_KEYWORDS,
           "append(self, row=<no value>, /, **values)\n\n"
           "Append one row: a sequence in the order of the columns, a mapping or a record by name,\n"
           "or the values by name as keyword arguments. Works while exported.\n\n"
           "Values are converted as Array.append does; if anything raises, no column has changed."),
    METHOD("ensure", Table_ensure, METH_O,
           "ensure($self, n, /)\n--\n\n"
           "Make sure, now, that n more rows can be appended with no system call and no error."),
    METHOD("_extend_blocks", Table_extend_blocks, METH_O,
           "_extend_blocks($self, blocks, /)\n--\n\n"
           "Append rows: a tuple of their bytes, batch by batch and in each column by column."),
    METHOD("_advance", Table_advance, METH_O,
           "_advance($self, rows, /)\n--\n\nTake in rows that all columns lent."),
    METHOD("_remove", Table_remove, METH_O,
           "_remove($self, index, /)\n--\n\nRemove a row, or a slice of rows, from all columns."),
    METHOD("_take", Table_take, METH_VARARGS,
           "_take($self, index, kind, /)\n--\n\nRemove one row and return it as a kind of tuple."),
    METHOD("__init_subclass__", Sequence_init_subclass, METH_NOARGS | METH_CLASS,
           "__init_subclass__($type, /)\n--\n\nKeep what a sequence in C has."),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"_names", get_names, NULL, "The names of the columns.", NULL},
    {"_arrays", get_arrays, NULL, "The columns.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"What growable.Table has in C."},
    {Py_tp_new, (void *)Table_new},
    {Py_tp_dealloc, (void *)Table_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_sq_length, (void *)Table_length},
    {Py_mp_length, (void *)Table_length},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core.TableCore",
    .basicsize = sizeof(TableObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyObject *
Table_make_type(PyObject *module)
{
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}
