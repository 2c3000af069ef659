/* table_core.c - growable._core.TableCore: columns of equal length, room in all of them, and the type.
 *
 * What a reader would get wrong: letting go of the cached views may run foreign code. So lengths are
 * compared after that, before each change.
 */
#include "sequence.h"
#include "table_object.h"

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

Py_ssize_t
Table_count_rows(const TableObject *self, const char *operation)
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

int
Table_make_room(TableObject *self, size_t rows, const char *operation)
{
    if (drop_views_without_room(self, rows, operation) < 0 || Table_count_rows(self, operation) < 0)
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

/* Room ahead, and the writable tails, which the columns lend one by one. */

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
    return Table_make_room(as_table(op), (size_t)rows, "ensure") < 0 ? NULL : Py_NewRef(Py_None);
}

static bool
is_lent(const ArrayObject *column, size_t rows)
{
    const struct buffer *b = &column->buffer->buffer;
    return column->buffer->pins == 0 && !b->frozen && rows <= buffer_lent(b) / column->row_size;
}

static PyObject *
Table_advance(PyObject *op, PyObject *count)
{
    TableObject *self = as_table(op);
    Py_ssize_t rows;
    if (read_count(count, "advance", &rows) < 0 || Table_count_rows(self, "advance") < 0)
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

/* Lifecycle. */

static Py_ssize_t
Table_length(PyObject *op)
{
    return Table_count_rows(as_table(op), "len");
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
        column_at(self, i)->buffer->buffer.rest->holder.name = "Table"; /* its own: an Array holds it */
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
           "Commit room for n more rows now: appending them cannot be refused afterwards."),
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
