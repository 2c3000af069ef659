/* array_core.c - growable._core.ArrayCore: the rows of a Buffer; append, extend and view.
 *
 * What a reader would get wrong: the ndarray that view() gave last is kept here, and holds an
 * export of the Buffer. So whatever needs the Buffer unexported first lets go of it, where nobody
 * else has it; Array_drop_view is the only place that does. And its user may reshape it in place, so it
 * is given out again only if it still shows the rows.
 *
 * What is not one store or one memcpy is the work of two methods of the Python class,
 * _append_other and _extend_other.
 */
#include "array_object.h"
#include "export.h"
#include "ndarray_layout.h"
#include "sequence.h"

/* The cached view. */

static const struct numpy_names *
numpy_of(const ArrayObject *self)
{
    return &state_of(self->buffer)->numpy;
}

/* Nobody else can see a view that only we hold. */
void
Array_drop_view(ArrayObject *self)
{
    if (self->view != NULL && Py_REFCNT(self->view) == 1)
        Py_CLEAR(self->view);
}

/* Whether the dimensions after the first `skipped` are those of a row. */
static bool
has_row_shape(const ArrayObject *self, const struct ndarray_fields *array, int skipped)
{
    Py_ssize_t n = PyTuple_GET_SIZE(self->row_shape);
    if (array->nd != (int)n + skipped)
        return false;
    for (Py_ssize_t i = 0; i < n; i++)
        if (array->dimensions[i + skipped] !=
            PyLong_AsSsize_t(PyTuple_GET_ITEM(self->row_shape, i)))
            return false;
    return true;
}

static bool
has_item_size(const ArrayObject *self, PyObject *dtype)
{
    PyObject *size = PyObject_GetAttrString(dtype, "itemsize");
    size_t item_size = size == NULL ? 0 : PyLong_AsSize_t(size);
    Py_XDECREF(size);
    PyErr_Clear();
    return item_size == self->row_size / (size_t)self->row_items;
}

/* Whether the rows in an array's memory are as long as ours. The same dtype does not say so: its
 * __setstate__ changes the size of its items, for the arrays that are made afterwards. The strides of
 * an array without gaps tell, but for those of an axis with one item. */
static bool
has_row_size(const ArrayObject *self, const struct ndarray_fields *array, int skipped)
{
    for (int i = 0; i < array->nd; i++) {
        size_t n = i < skipped ? 1 : (size_t)array->dimensions[i];
        if (array->dimensions[i] > 1)
            return (size_t)array->strides[i] == self->row_size / n;
    }
    return has_item_size(self, array->descr);
}

/* Whether it is an array of items just as they stand in memory; of the very same dtype object. */
static bool
is_plain(const ArrayObject *self, PyObject *array)
{
    const struct numpy_names *numpy = numpy_of(self);
    return numpy->layout_known && Py_IS_TYPE(array, numpy->ndarray) &&
           ndarray_fields(array)->descr == self->dtype &&
           ndarray_has_flags(array, NDARRAY_C_CONTIGUOUS);
}

static bool
is_plain_rows(const ArrayObject *self, PyObject *array)
{
    return is_plain(self, array) && has_row_shape(self, ndarray_fields(array), 1) &&
           has_row_size(self, ndarray_fields(array), 1);
}

static bool
is_plain_row(const ArrayObject *self, PyObject *array)
{
    return is_plain(self, array) && has_row_shape(self, ndarray_fields(array), 0) &&
           has_row_size(self, ndarray_fields(array), 0);
}

static bool
is_current(const ArrayObject *self)
{
    const struct buffer *b = &self->buffer->buffer;
    if (self->view == NULL || b->released || !is_plain(self, self->view))
        return false;
    const struct ndarray_fields *view = ndarray_fields(self->view);
    return has_row_shape(self, view, 1) && view->dimensions[0] == Array_count_rows(self) &&
           (view->dimensions[0] == 0 || view->data == b->start) &&
           ((view->flags & NDARRAY_WRITEABLE) != 0) == !b->frozen;
}

static PyObject *
shape_of(Py_ssize_t rows, PyObject *row_shape)
{
    Py_ssize_t n = PyTuple_GET_SIZE(row_shape);
    PyObject *shape = PyTuple_New(n + 1), *first = PyLong_FromSsize_t(rows);
    if (shape == NULL || first == NULL) {
        Py_XDECREF(shape);
        Py_XDECREF(first);
        return NULL;
    }
    PyTuple_SET_ITEM(shape, 0, first);
    for (Py_ssize_t i = 0; i < n; i++)
        PyTuple_SET_ITEM(shape, i + 1, Py_NewRef(PyTuple_GET_ITEM(row_shape, i)));
    return shape;
}

/* Steals the array. */
static PyObject *
give_row_shape(const ArrayObject *self, PyObject *flat, Py_ssize_t rows)
{
    if (flat == NULL || PyTuple_GET_SIZE(self->row_shape) == 0)
        return flat;
    PyObject *shape = shape_of(rows, self->row_shape), *array = NULL;
    if (shape != NULL)
        array = PyObject_CallMethod(flat, "reshape", "(O)", shape);
    Py_XDECREF(shape);
    Py_DECREF(flat);
    return array;
}

static bool
shows_rows(const ArrayObject *self, PyObject *array)
{
    const struct numpy_names *numpy = numpy_of(self);
    if (numpy->layout_known && Py_IS_TYPE(array, numpy->ndarray))
        return has_row_size(self, ndarray_fields(array), 1);
    return has_item_size(self, self->dtype);
}

int
Array_refuse_dtype(const ArrayObject *self)
{
    PyErr_Format(PyExc_RuntimeError, "dtype %S was changed in place after the Array was made: rows "
                                     "of %zu bytes wanted", self->dtype, self->row_size);
    return -1;
}

PyObject *
Array_of_bytes(const ArrayObject *self, PyObject *exporter, Py_ssize_t rows, bool readonly)
{
    const struct module_state *state = state_of(self->buffer);
    if (state->numpy.frombuffer == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "growable: NumPy is gone");
        return NULL;
    }
    PyObject *items = PyLong_FromSsize_t(rows * self->row_items), *flat = NULL;
    PyObject *bytes = Export_new(state->export_type, exporter, readonly);
    if (items != NULL && bytes != NULL) {
        PyObject *args[] = {bytes, self->dtype, items};
        flat = PyObject_Vectorcall(state->numpy.frombuffer, args, Py_ARRAY_LENGTH(args), NULL);
    }
    Py_XDECREF(items);
    Py_XDECREF(bytes);
    PyObject *array = give_row_shape(self, flat, rows);
    if (array != NULL && !shows_rows(self, array)) {
        (void)Array_refuse_dtype(self);
        Py_CLEAR(array);
    }
    return array;
}

static PyObject *
make_view(const ArrayObject *self, bool readonly)
{
    return Array_of_bytes(self, (PyObject *)self->buffer, Array_count_rows(self), readonly);
}

/* A new reference. */
static PyObject *
current_view(ArrayObject *self)
{
    if (is_current(self))
        return Py_NewRef(self->view);
    Array_drop_view(self);
    PyObject *view = make_view(self, false);
    if (view != NULL)
        Py_XSETREF(self->view, Py_NewRef(view));
    return view;
}

static PyObject *
Array_view(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    ArrayObject *self = as_array(op);
    if (nargs == 0 && kwnames == NULL)
        return current_view(self);
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs != 0 || named != 1 ||
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "readonly") != 0) {
        PyErr_SetString(PyExc_TypeError, "view() takes readonly= and nothing else");
        return NULL;
    }
    int readonly = PyObject_IsTrue(args[0]);
    if (readonly < 0)
        return NULL;
    return readonly ? make_view(self, true) : current_view(self);
}

/* Growing. */

static inline bool
has_room(const ArrayObject *self, size_t extra)
{
    const struct buffer *b = &self->buffer->buffer;
    return self->buffer->pins == 0 && extra <= b->limit - b->length;
}

/* So that a Buffer which only the cached view pins may move. True if that was done: letting go of a
 * view may run the callback of a weak reference, so all arguments have to be looked at anew. */
static inline bool
made_movable(ArrayObject *self, size_t extra)
{
    if (has_room(self, extra))
        return false;
    Array_drop_view(self);
    return true;
}

/* For a size that the compiler does not know, a call of memcpy costs more than the copy. */
static inline void
copy_row(char *to, const char *row, size_t size)
{
    switch (size) {
    case 8:
        memcpy(to, row, 8);
        break;
    case 4:
        memcpy(to, row, 4);
        break;
    case 1:
        *to = *row;
        break;
    default:
        memcpy(to, row, size);
    }
}

static int
put_row(ArrayObject *self, const char *row)
{
    size_t size = self->row_size;
    (void)made_movable(self, size);
    if (gate_grow(self->buffer, size, "append") < 0)
        return -1;
    char *tail = buffer_take_in(&self->buffer->buffer, size);
    Py_SET_SIZE(self->buffer, (Py_ssize_t)self->buffer->buffer.length);
    copy_row(tail, row, size);
    assert_valid(self->buffer);
    return 0;
}

/* What is not a number of the packer's. */
static PyObject *
append_any(ArrayObject *self, PyObject *row)
{
    if (is_plain_row(self, row)) {
        if (!made_movable(self, self->row_size) || is_plain_row(self, row))
            return Buffer_append_bytes(self->buffer, ndarray_fields(row)->data, self->row_size,
                                       "append") < 0 ? NULL : Py_NewRef(Py_None);
    }
    return PyObject_CallMethod((PyObject *)self, "_append_other", "(O)", row);
}

Py_NO_INLINE static PyObject *
append_item(PyObject *op, PyObject *item)
{
    ArrayObject *self = as_array(op);
    char row[PACK_LARGEST];
    if (self->pack == NULL || !self->pack(item, row))
        return append_any(self, item);
    if (put_row(self, row) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* What is done most often, a float that fits, is apart from the rest, so that no register has to
 * be saved for it. */
static PyObject *
Array_append(PyObject *op, PyObject *item)
{
    const ArrayObject *self = as_array(op);
    BufferObject *buffer = self->buffer;
    if (!PyFloat_CheckExact(item) || self->pack != pack_double || !has_room(self, sizeof(double)))
        return append_item(op, item);
    double value = PyFloat_AS_DOUBLE(item);
    char *tail = buffer_take_in(&buffer->buffer, sizeof value);
    Py_SET_SIZE(buffer, (Py_ssize_t)buffer->buffer.length);
    memcpy(tail, &value, sizeof value);
    assert_valid(buffer);
    Py_RETURN_NONE;
}

static size_t
size_of_rows(const ArrayObject *self, PyObject *array)
{
    return (size_t)ndarray_fields(array)->dimensions[0] * self->row_size;
}

/* An array over our own memory is an export, so nothing moves while it is read. */
static PyObject *
extend_plain(ArrayObject *self, PyObject *array)
{
    size_t size = size_of_rows(self, array);
    int result = size == 0 ? gate_write(self->buffer, "extend")
                           : Buffer_append_bytes(self->buffer, ndarray_fields(array)->data, size,
                                                 "extend");
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* Lists and tuples of plain numbers. First all must be storable, then they are stored where they
 * belong. Packers run no foreign code, so nothing changes in between. */

static bool
can_pack(const ArrayObject *self, PyObject *const *items, Py_ssize_t n)
{
    char scratch[PACK_LARGEST];
    for (Py_ssize_t i = 0; i < n; i++)
        if (!self->pack(items[i], scratch))
            return false;
    return true;
}

static bool
is_packable(const ArrayObject *self, PyObject *source)
{
    return self->pack != NULL && (PyList_CheckExact(source) || PyTuple_CheckExact(source)) &&
           (size_t)PySequence_Fast_GET_SIZE(source) <= BUFFER_MAX / PACK_LARGEST &&
           can_pack(self, PySequence_Fast_ITEMS(source), PySequence_Fast_GET_SIZE(source));
}

static PyObject *
extend_packed(ArrayObject *self, PyObject *sequence)
{
    PyObject *const *items = PySequence_Fast_ITEMS(sequence);
    Py_ssize_t n = PySequence_Fast_GET_SIZE(sequence);
    size_t size = (size_t)n * self->row_size;
    if (gate_write(self->buffer, "extend") < 0 || gate_grow(self->buffer, size, "extend") < 0)
        return NULL;
    if (n == 0)
        Py_RETURN_NONE;
    char row[PACK_LARGEST], *to = buffer_take_in(&self->buffer->buffer, size);
    for (Py_ssize_t i = 0; i < n; i++, to += self->row_size) {
        (void)self->pack(items[i], row);
        copy_row(to, row, self->row_size);
    }
    Py_SET_SIZE(self->buffer, (Py_ssize_t)self->buffer->buffer.length);
    assert_valid(self->buffer);
    Py_RETURN_NONE;
}

static PyObject *
Array_extend(PyObject *op, PyObject *source)
{
    ArrayObject *self = as_array(op);
    if (is_plain_rows(self, source)) {
        if (!made_movable(self, size_of_rows(self, source)) || is_plain_rows(self, source))
            return extend_plain(self, source);
    }
    else if (is_packable(self, source)) {
        size_t size = (size_t)PySequence_Fast_GET_SIZE(source) * self->row_size;
        if (!made_movable(self, size) || is_packable(self, source))
            return extend_packed(self, source);
    }
    return PyObject_CallMethod(op, "_extend_other", "(O)", source);
}

/* Slots. */

static Py_ssize_t
Array_length(PyObject *op)
{
    const ArrayObject *self = as_array(op);
    return gate_read(self->buffer, "len") < 0 ? -1 : Array_count_rows(self);
}

static PyObject *
Array_subscript(PyObject *op, PyObject *index)
{
    PyObject *view = current_view(as_array(op));
    PyObject *result = view == NULL ? NULL : PyObject_GetItem(view, index);
    Py_XDECREF(view);
    return result;
}

/* The view's own export; it keeps the view, and that the Buffer's. */
static int
Array_getbuffer(PyObject *op, Py_buffer *export, int flags)
{
    ArrayObject *self = as_array(op);
    if (export == NULL) {
        PyErr_SetString(PyExc_BufferError, "Array: view==NULL argument is obsolete");
        return -1;
    }
    export->obj = NULL;
    if (!self->typed && (flags & PyBUF_FORMAT)) {
        PyErr_Format(PyExc_BufferError, "the buffer protocol cannot describe %S; use view()",
                     self->dtype);
        return -1;
    }
    PyObject *view = current_view(self);
    if (view == NULL)
        return -1;
    int result = PyObject_GetBuffer(view, export, flags);
    Py_DECREF(view);
    return result;
}

/* Never called, since the view is the exporter. But NumPy keeps no export of an object whose type
 * has no such slot: it takes the memory of that for fixed. */
static void
Array_releasebuffer(PyObject *Py_UNUSED(op), Py_buffer *Py_UNUSED(export))
{
}

/* Lifecycle. */

static Py_ssize_t
count_items(PyObject *row_shape)
{
    Py_ssize_t items = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(row_shape); i++) {
        PyObject *size = PyTuple_GET_ITEM(row_shape, i);
        Py_ssize_t n = PyLong_CheckExact(size) ? PyLong_AsSsize_t(size) : -1;
        if (n <= 0 || n > PY_SSIZE_T_MAX / items) {
            PyErr_Clear();
            PyErr_Format(PyExc_ValueError, "row_shape must be positive sizes of a row that fits in "
                                           "memory, not %R", row_shape);
            return -1;
        }
        items *= n;
    }
    return items;
}

static int
measure_row(ArrayObject *self)
{
    PyObject *size = PyObject_GetAttrString(self->dtype, "itemsize");
    Py_ssize_t item_size = size == NULL ? -1 : PyLong_AsSsize_t(size);
    Py_XDECREF(size);
    if (item_size == -1 && PyErr_Occurred())
        return -1;
    self->row_items = count_items(self->row_shape);
    if (self->row_items < 0)
        return -1;
    if (item_size <= 0 || item_size > PY_SSIZE_T_MAX / self->row_items) {
        PyErr_Format(PyExc_ValueError, "rows of %zd items of %zd bytes cannot be stored",
                     self->row_items, item_size);
        return -1;
    }
    self->row_size = (size_t)(item_size * self->row_items);
    return 0;
}

static struct module_state *
state_for(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &growable_module);
    return module == NULL ? NULL : PyModule_GetState(module);
}

static int
check_parts(const struct module_state *state, PyObject *buffer, PyObject *dtype)
{
    if (!Py_IS_TYPE(buffer, state->buffer_type)) {
        PyErr_Format(PyExc_TypeError, "ArrayCore: expected a Buffer, not %.200s",
                     Py_TYPE(buffer)->tp_name);
        return -1;
    }
    if (state->numpy.dtype == NULL || !PyObject_TypeCheck(dtype, state->numpy.dtype)) {
        PyErr_Format(PyExc_TypeError, "ArrayCore: expected a numpy.dtype, not %.200s",
                     Py_TYPE(dtype)->tp_name);
        return -1;
    }
    return 0;
}

/* From now on the Buffer's messages speak of the Array, even when that is gone. */
static int
hold(const ArrayObject *self)
{
    struct buffer *b = &self->buffer->buffer;
    int error = buffer_need_rest(b);
    if (error != BUFFER_OK)
        return Buffer_fail(self->buffer, error, "Array");
    b->rest->holder = (struct buffer_holder){"Array", self->row_size};
    return 0;
}

/* ArrayCore(buffer, dtype, row_shape, code, typed): for growable.Array only. */
static PyObject *
Array_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    const struct module_state *state = state_for(type);
    PyObject *buffer, *dtype, *row_shape;
    int code, typed;
    if (state == NULL || !PyArg_ParseTuple(args, "OOO!Cp:ArrayCore", &buffer, &dtype, &PyTuple_Type,
                                           &row_shape, &code, &typed) ||
        check_parts(state, buffer, dtype) < 0)
        return NULL;
    ArrayObject *self = (ArrayObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->buffer = (BufferObject *)Py_NewRef(buffer);
    self->dtype = Py_NewRef(dtype);
    self->row_shape = Py_NewRef(row_shape);
    self->typed = typed != 0;
    if (measure_row(self) < 0 || hold(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (self->row_items == 1 && PyTuple_GET_SIZE(row_shape) == 0)
        self->pack = pack_find((Py_UCS4)code, self->row_size);
    return (PyObject *)self;
}

static void
Array_dealloc(PyObject *op)
{
    ArrayObject *self = as_array(op);
    PyTypeObject *type = Py_TYPE(op);
    Py_XDECREF(self->view);
    Py_XDECREF(self->dtype);
    Py_XDECREF(self->row_shape);
    Py_XDECREF(self->buffer);
    type->tp_free(op);
    Py_DECREF(type);
}

/* What array.py builds on. */

static PyObject *
drop_view_now(PyObject *op, PyObject *Py_UNUSED(unused))
{
    Array_drop_view(as_array(op));
    Py_RETURN_NONE;
}

static PyObject *
get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(as_array(op)->buffer);
}

/* What may be added before the capacity that was asked for; None where none was. */
static PyObject *
get_room(PyObject *op, void *Py_UNUSED(closure))
{
    const struct buffer *b = &as_array(op)->buffer->buffer;
    if (b->rest->capacity == BUFFER_NO_CAPACITY)
        Py_RETURN_NONE;
    return PyLong_FromSize_t(b->rest->capacity - b->length);
}

static PyObject *
get_dtype(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(as_array(op)->dtype);
}

static PyObject *
get_row_shape(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(as_array(op)->row_shape);
}

static PyObject *
get_row_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(as_array(op)->row_size);
}

/* NumPy. */

static bool
knows_layout(PyObject *contiguous, PyObject *strided)
{
    static const Py_ssize_t shape[] = {2, 3}, strides[] = {6, 2}, wide_strides[] = {6, 4};
    const struct ndarray_fields *a = ndarray_fields(contiguous), *b = ndarray_fields(strided);
    if (Py_TYPE(contiguous)->tp_basicsize < (Py_ssize_t)sizeof(struct ndarray_fields) ||
        Py_TYPE(strided) != Py_TYPE(contiguous) || a->nd != 2 || b->nd != 2 ||
        a->descr != b->descr || b->base != contiguous || a->data != b->data)
        return false;
    return memcmp(a->dimensions, shape, sizeof shape) == 0 &&
           memcmp(a->strides, strides, sizeof strides) == 0 && b->dimensions[1] == 2 &&
           memcmp(b->strides, wide_strides, sizeof wide_strides) == 0 &&
           ndarray_has_flags(contiguous, NDARRAY_C_CONTIGUOUS | NDARRAY_WRITEABLE) &&
           (b->flags & (NDARRAY_C_CONTIGUOUS | NDARRAY_WRITEABLE)) == 0;
}

/* Whether what `exporter` exports is what we read from its fields. */
static bool
agrees_with_export(PyObject *contiguous)
{
    Py_buffer view;
    if (PyObject_GetBuffer(contiguous, &view, PyBUF_STRIDES) < 0) {
        PyErr_Clear();
        return false;
    }
    bool same = view.buf == ndarray_fields(contiguous)->data && view.ndim == 2 && view.len == 12;
    PyBuffer_Release(&view);
    return same;
}

PyObject *
Array_bind_numpy(PyObject *module, PyObject *args)
{
    struct module_state *state = PyModule_GetState(module);
    PyObject *ndarray, *dtype, *frombuffer, *contiguous, *strided;
    if (!PyArg_ParseTuple(args, "O!O!OOO:bind_numpy", &PyType_Type, &ndarray, &PyType_Type, &dtype,
                          &frombuffer, &contiguous, &strided))
        return NULL;
    struct numpy_names *numpy = &state->numpy;
    numpy->layout_known = Py_IS_TYPE(contiguous, (PyTypeObject *)ndarray) &&
                          knows_layout(contiguous, strided) && agrees_with_export(contiguous);
    Py_XSETREF(numpy->ndarray, (PyTypeObject *)Py_NewRef(ndarray));
    Py_XSETREF(numpy->dtype, (PyTypeObject *)Py_NewRef(dtype));
    Py_XSETREF(numpy->frombuffer, Py_NewRef(frombuffer));
    return PyBool_FromLong(numpy->layout_known);
}

/* The type. */

#define METHOD(name, function, flags, doc) {name, (PyCFunction)(void (*)(void))function, flags, doc}

static PyMethodDef methods[] = {
    METHOD("append", Array_append, METH_O,
           "append($self, row, /)\n--\n\nAppend one row at the end. Works while exported.\n\n"
           "The row is converted as for a NumPy array under casting='same_kind'; an integer must\n"
           "fit. Raises TypeError, ValueError or OverflowError where it cannot be."),
    METHOD("extend", Array_extend, METH_O,
           "extend($self, rows, /)\n--\n\n"
           "Append rows: an array of any layout, cast under casting='same_kind' if need be, a nested\n"
           "sequence, an iterable or another Array. Works while exported; if anything\n"
           "raises, nothing is appended."),
    METHOD("view", Array_view, METH_FASTCALL | METH_KEYWORDS,
           "view($self, *, readonly=False)\n--\n\n"
           "The present rows as a numpy.ndarray, without a copy.\n\n"
           "It stays valid, and shows the same memory, while the Array grows. The same object is\n"
           "returned until the length changes, unless readonly is true. While anybody holds it,\n"
           "or an array made from it, rows cannot be removed."),
    METHOD("ensure", Array_ensure, METH_O,
           "ensure($self, n, /)\n--\n\n"
           "Commit room for n more rows now: appending them cannot be refused afterwards."),
    METHOD("spare", Array_spare, METH_O,
           "spare($self, n, /)\n--\n\n"
           "A writable ndarray of n zero rows past the end, to be filled and then taken in.\n\n"
           "Any other change of the length takes them back. The array counts as an export."),
    METHOD("advance", Array_advance, METH_O,
           "advance($self, k, /)\n--\n\n"
           "Take in the first k of the rows that spare() lent. Raises ValueError if they were not\n"
           "lent, or something else took them back."),
    METHOD("_drop_view", drop_view_now, METH_NOARGS,
           "_drop_view($self, /)\n--\n\nLet go of the cached view if nobody else has it."),
    METHOD("_set_capacity", Array_set_capacity, METH_O,
           "_set_capacity($self, rows, /)\n--\n\nThe capacity of an Array that was just made."),
    METHOD("_put", Array_put, METH_VARARGS,
           "_put($self, rows, count, operation, /)\n--\n\nAppend the bytes of so many rows."),
    METHOD("_replace", Array_replace, METH_VARARGS,
           "_replace($self, low, high, rows, count, operation, /)\n--\n\n"
           "Put the bytes of so many rows in the place of those from low to high."),
    METHOD("_resize", Array_resize, METH_VARARGS,
           "_resize($self, rows, fill, /)\n--\n\n"
           "Set the length; new rows are zero bytes, or those of fill."),
    METHOD("_take", Array_take, METH_O,
           "_take($self, index, /)\n--\n\nRemove one row and return a copy of it."),
    METHOD("_read_once", Array_read_once, METH_VARARGS,
           "_read_once($self, reader, source, size, kept, /)\n--\n\n"
           "Call reader(source, room) for a tail of so many bytes, take in whole rows, and return\n"
           "what it returned and the bytes that are left over."),
    METHOD("__init_subclass__", Sequence_init_subclass, METH_NOARGS | METH_CLASS,
           "__init_subclass__($type, /)\n--\n\nKeep what a sequence in C has."),
    {NULL, NULL, 0, NULL},
};

enum { HOT_METHODS = 3 }; /* the first of the table */

/* The interpreter calls a method without detours only where the method's type is just that of the
 * object. So the Python class gets descriptors of its own. */
PyObject *
Array_adopt_methods(PyObject *module, PyObject *type)
{
    PyTypeObject *core = ((struct module_state *)PyModule_GetState(module))->array_type;
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, core)) {
        PyErr_SetString(PyExc_TypeError, "adopt_methods: a subclass of ArrayCore is needed");
        return NULL;
    }
    for (int i = 0; i < HOT_METHODS; i++) {
        PyObject *method = PyDescr_NewMethod((PyTypeObject *)type, &methods[i]);
        int done = method == NULL ? -1 : PyObject_SetAttrString(type, methods[i].ml_name, method);
        Py_XDECREF(method);
        if (done < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyGetSetDef getset[] = {
    {"dtype", get_dtype, NULL, "The dtype of the items.", NULL},
    {"row_shape", get_row_shape, NULL, "The shape of a row: () where a row is one item.", NULL},
    {"_buffer", get_buffer, NULL, "The Buffer behind the rows.", NULL},
    {"_room", get_room, NULL, "Bytes left of the hard capacity, or None.", NULL},
    {"_row_size", get_row_size, NULL, "Bytes of a row.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"What growable.Array has in C."},
    {Py_tp_new, (void *)Array_new},
    {Py_tp_dealloc, (void *)Array_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_bf_getbuffer, (void *)Array_getbuffer},
    {Py_bf_releasebuffer, (void *)Array_releasebuffer},
    {Py_sq_length, (void *)Array_length},
    {Py_sq_item, (void *)Sequence_item},
    {Py_mp_length, (void *)Array_length},
    {Py_mp_subscript, (void *)Array_subscript},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core.ArrayCore",
    .basicsize = sizeof(ArrayObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyObject *
Array_make_type(PyObject *module)
{
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}
