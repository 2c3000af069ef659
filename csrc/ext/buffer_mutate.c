/* buffer_mutate.c - everything of bytearray that changes the length or the bytes.
 *
 * What a reader would get wrong: each function converts its arguments first, since that may run
 * code which changes this very buffer; then it passes a gate; then it changes, with nothing
 * foreign in between. Sizes and indices are looked at only after the conversion.
 */
#include "content.h"

/* The gates. */

int
Buffer_fail(const BufferObject *self, int error, const char *operation)
{
    return errors_raise(state_of(self), &self->buffer, error, operation);
}

/* In a frame of its own, as are the ways for any object below: what appends bytes that fit needs neither
 * their variables nor the registers. */
HOT Py_NO_INLINE int
Buffer_grow(BufferObject *self, size_t extra, const char *operation)
{
    if (self->pins > 0)
        return errors_raise_exported();
    struct buffer *b = &self->buffer;
    int error = buffer_ensure(b, extra, is_movable(self));
    show_base(self);
    return error == BUFFER_OK ? 0 : Buffer_fail(self, error, operation);
}

int
Buffer_refuse(const BufferObject *self, const char *operation)
{
    return Buffer_fail(self, self->buffer.released ? BUFFER_RELEASED : BUFFER_FROZEN, operation);
}

int
gate_move(BufferObject *self, const char *operation)
{
    if (gate_write(self, operation) < 0)
        return -1;
    return is_movable(self) ? 0 : errors_raise_exported();
}

/* Growing at the end. */

HOT PyObject *
Buffer_append(PyObject *op, PyObject *item)
{
    BufferObject *self = as_buffer(op);
    char value;
    if (byte_value(item, &value) < 0 || gate_grow(self, 1, "append") < 0)
        return NULL;
    char *tail = buffer_take_in(&self->buffer, 1);
    Py_SET_SIZE(self, (Py_ssize_t)self->buffer.length);
    *tail = value;
    assert_valid(self);
    Py_RETURN_NONE;
}

int
Buffer_append_bytes(BufferObject *self, const char *bytes, size_t n, const char *operation)
{
    if (gate_grow(self, n, operation) < 0)
        return -1;
    buffer_replace_end(&self->buffer, self->buffer.length, bytes, n);
    Py_SET_SIZE(self, (Py_ssize_t)self->buffer.length);
    assert_valid(self);
    return 0;
}

static int
append_content(BufferObject *self, struct content *content, const char *operation)
{
    size_t n = (size_t)content->size;
    if (gate_grow(self, n, operation) < 0)
        return -1;
    if (n == 0)
        return gate_write(self, operation);
    content_refresh(self, content);
    buffer_replace_end(&self->buffer, self->buffer.length, content->bytes, n);
    Py_SET_SIZE(self, (Py_ssize_t)self->buffer.length);
    assert_valid(self);
    return 0;
}

static int
append_and_release(BufferObject *self, struct content *content, const char *operation)
{
    int result = append_content(self, content, operation);
    content_release(content);
    return result;
}

static Py_NO_INLINE int
inplace_add_any(BufferObject *self, PyObject *other)
{
    struct content content;
    if (content_of_buffer(self, other, &content) < 0) {
        PyErr_Format(PyExc_TypeError, "can't concat %.100s to %.100s", Py_TYPE(other)->tp_name,
                     Py_TYPE(self)->tp_name);
        return -1;
    }
    return append_and_release(self, &content, "+=");
}

HOT PyObject *
Buffer_inplace_add(PyObject *op, PyObject *other)
{
    BufferObject *self = as_buffer(op);
    int result = LIKELY(PyBytes_CheckExact(other) && PyBytes_GET_SIZE(other) > 0)
        ? Buffer_append_bytes(self, PyBytes_AS_STRING(other), (size_t)PyBytes_GET_SIZE(other), "+=")
        : inplace_add_any(self, other);
    return result < 0 ? NULL : Py_NewRef(op);
}

static Py_NO_INLINE int
extend_any(BufferObject *self, PyObject *source)
{
    struct content content;
    if (!PyObject_CheckBuffer(source)) {
        if (content_of_iterable(source, &content) < 0)
            return -1;
    }
    else if (content_of_buffer(self, source, &content) < 0) {
        PyErr_Format(PyExc_TypeError, "can't set bytearray slice from %.100s",
                     Py_TYPE(source)->tp_name);
        return -1;
    }
    return append_and_release(self, &content, "extend");
}

HOT PyObject *
Buffer_extend(PyObject *op, PyObject *source)
{
    BufferObject *self = as_buffer(op);
    int result = LIKELY(PyBytes_CheckExact(source) && PyBytes_GET_SIZE(source) > 0)
        ? Buffer_append_bytes(self, PyBytes_AS_STRING(source), (size_t)PyBytes_GET_SIZE(source),
                              "extend")
        : extend_any(self, source);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Doubles what is there until it is enough. */
static void
repeat_tail(char *start, size_t length, size_t total)
{
    for (size_t done = length; done < total;) {
        size_t n = done < total - done ? done : total - done;
        memcpy(start + done, start, n);
        done += n;
    }
}

static int
remove_all(BufferObject *self, const char *operation)
{
    if (self->buffer.length == 0)
        return gate_write(self, operation);
    if (gate_move(self, operation) < 0)
        return -1;
    buffer_truncate(&self->buffer, 0);
    buffer_drop_front(&self->buffer, 0);
    show_base(self);
    assert_valid(self);
    return 0;
}

PyObject *
Buffer_inplace_repeat(PyObject *op, Py_ssize_t count)
{
    BufferObject *self = as_buffer(op);
    struct buffer *b = &self->buffer;
    if (count <= 0)
        return remove_all(self, "*=") < 0 ? NULL : Py_NewRef(op);
    if (b->length > 0 && (size_t)count > BUFFER_MAX / b->length)
        return PyErr_NoMemory();
    size_t length = b->length, total = length * (size_t)count;
    if (gate_write(self, "*=") < 0 || gate_grow(self, total - length, "*=") < 0)
        return NULL;
    if (total == length)
        return Py_NewRef(op);
    (void)buffer_take_in(b, total - length);
    repeat_tail(b->start, length, total);
    Py_SET_SIZE(self, (Py_ssize_t)b->length);
    assert_valid(self);
    return Py_NewRef(op);
}

PyObject *
Buffer_inplace_multiply(PyObject *op, PyObject *count)
{
    if (!PyIndex_Check(count))
        Py_RETURN_NOTIMPLEMENTED;
    Py_ssize_t n = PyNumber_AsSsize_t(count, PyExc_OverflowError);
    if (n == -1 && PyErr_Occurred())
        return NULL;
    return Buffer_inplace_repeat(op, n);
}

static int
extend_zero(BufferObject *self, size_t n, const char *operation)
{
    if (gate_grow(self, n, operation) < 0)
        return -1;
    (void)buffer_extend_zero(&self->buffer, n, false); /* there is room */
    show_base(self);
    assert_valid(self);
    return 0;
}

static int
truncate_to(BufferObject *self, size_t length, const char *operation)
{
    if (gate_move(self, operation) < 0)
        return -1;
    buffer_truncate(&self->buffer, length);
    show_base(self);
    assert_valid(self);
    return 0;
}

PyObject *
Buffer_resize(PyObject *op, PyObject *size)
{
    BufferObject *self = as_buffer(op);
    Py_ssize_t wanted = PyNumber_AsSsize_t(size, PyExc_OverflowError);
    if (wanted == -1 && PyErr_Occurred())
        return NULL;
    if (wanted < 0) {
        PyErr_Format(PyExc_ValueError, "bytearray.resize(): new size must be >= 0, got %zd",
                     wanted);
        return NULL;
    }
    size_t length = self->buffer.length;
    int result = gate_write(self, "resize");
    if (result == 0 && (size_t)wanted > length)
        result = extend_zero(self, (size_t)wanted - length, "resize");
    else if (result == 0 && (size_t)wanted < length)
        result = truncate_to(self, (size_t)wanted, "resize");
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Replacing a stretch [lo, hi). */

static int
remove_stretch(BufferObject *self, size_t lo, size_t hi, const char *operation)
{
    if (lo == hi)
        return gate_write(self, operation);
    if (gate_move(self, operation) < 0)
        return -1;
    struct buffer *b = &self->buffer;
    if (hi == b->length)
        buffer_truncate(b, lo);
    if (lo == 0)
        buffer_drop_front(b, hi < b->length ? hi : b->length);
    else if (hi < b->length)
        buffer_close_gap(b, lo, hi - lo);
    show_base(self);
    return 0;
}

/* Room for `extra` more bytes at `hi`, before the end. */
static int
open_stretch(BufferObject *self, size_t hi, size_t extra, const char *operation)
{
    if (gate_move(self, operation) < 0 || gate_grow(self, extra, operation) < 0)
        return -1;
    (void)buffer_open_gap(&self->buffer, hi, extra, false); /* there is room */
    show_base(self);
    return 0;
}

/* From `lo` to the end and beyond it, where nothing has to move. */
static int
replace_end(BufferObject *self, size_t lo, const char *bytes, size_t n, const char *operation)
{
    if (gate_grow(self, lo + n - self->buffer.length, operation) < 0)
        return -1;
    buffer_replace_end(&self->buffer, lo, bytes, n);
    show_base(self);
    assert_valid(self);
    return 0;
}

int
Buffer_replace(BufferObject *self, size_t lo, size_t hi, const char *bytes, size_t n,
               const char *operation)
{
    size_t present = hi - lo;
    int result = gate_write(self, operation);
    if (result == 0 && n > present && hi == self->buffer.length)
        return replace_end(self, lo, bytes, n, operation);
    bool at_front = lo == 0 && hi < self->buffer.length;
    if (result == 0 && n < present)
        result = remove_stretch(self, at_front ? 0 : lo + n, at_front ? present - n : hi,
                                operation);
    else if (result == 0 && n > present)
        result = open_stretch(self, hi, n - present, operation);
    if (result < 0)
        return -1;
    if (n > 0)
        memmove(self->buffer.start + lo, bytes, n);
    assert_valid(self);
    return 0;
}

/* Every step-th byte. */

struct stretch {
    Py_ssize_t start, stop, step, count;
};

static int
remove_steps(BufferObject *self, struct stretch at)
{
    if (gate_move(self, "del") < 0)
        return -1;
    if (at.count == 0)
        return 0;
    if (at.step < 0) {
        at.start += at.step * (at.count - 1);
        at.step = -at.step;
    }
    char *to = self->buffer.start + at.start;
    const char *from = to;
    const char *end = self->buffer.start + self->buffer.length;
    for (Py_ssize_t i = 0; i < at.count; i++) {
        from++;
        Py_ssize_t kept = i + 1 < at.count ? at.step - 1 : end - from;
        memmove(to, from, (size_t)kept);
        to += kept;
        from += kept;
    }
    buffer_truncate(&self->buffer, self->buffer.length - (size_t)at.count);
    show_base(self);
    assert_valid(self);
    return 0;
}

static int
assign_steps(BufferObject *self, struct stretch at, const char *bytes, Py_ssize_t n)
{
    if (gate_write(self, "slice assignment") < 0)
        return -1;
    if (n != at.count) {
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign bytes of size %zd to extended slice of size %zd", n,
                     at.count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        self->buffer.start[at.start + i * at.step] = bytes[i];
    return 0;
}

static void
adjust(const BufferObject *self, struct stretch *at)
{
    at->count = PySlice_AdjustIndices((Py_ssize_t)self->buffer.length, &at->start, &at->stop,
                                      at->step);
    /* b[5:2] = ... inserts before 5, not before 2. */
    if ((at->step < 0 && at->start < at->stop) || (at->step > 0 && at->start > at->stop))
        at->stop = at->start;
}

static int
delete_slice(BufferObject *self, struct stretch at)
{
    adjust(self, &at);
    if (at.step != 1)
        return remove_steps(self, at);
    int result = remove_stretch(self, (size_t)at.start, (size_t)at.stop, "del");
    assert_valid(self);
    return result;
}

/* Our own memory, seen through a view, may not be read while it is written step by step. */
static int
detach(struct content *content)
{
    if (content->view.obj == NULL)
        return 0;
    PyObject *copy = bytearray_of(content->bytes, content->size);
    if (copy == NULL)
        return -1;
    content_release(content);
    content->owner = copy;
    content->view.obj = NULL;
    content->bytes = PyByteArray_AS_STRING(copy);
    return 0;
}

static int
assign_content(BufferObject *self, struct stretch at, struct content *content)
{
    if (at.step != 1 && detach(content) < 0)
        return -1;
    adjust(self, &at);
    if (at.step == 1)
        return Buffer_replace(self, (size_t)at.start, (size_t)at.stop, content->bytes,
                              (size_t)content->size, "slice assignment");
    if (content->size == 0)
        return remove_steps(self, at);
    return assign_steps(self, at, content->bytes, content->size);
}

static int
assign_slice(BufferObject *self, PyObject *slice, PyObject *values)
{
    struct stretch at;
    if (PySlice_Unpack(slice, &at.start, &at.stop, &at.step) < 0)
        return -1;
    if (values == NULL)
        return delete_slice(self, at);
    struct content content;
    if (content_of_values(self, values, &content) < 0)
        return -1;
    int result = assign_content(self, at, &content);
    content_release(&content);
    return result;
}

/* Single items. */

static int
assign_item(BufferObject *self, Py_ssize_t i, PyObject *value)
{
    char byte = 0;
    if (value != NULL && byte_value(value, &byte) < 0)
        return -1;
    size_t length = self->buffer.length;
    if (i < 0)
        i += (Py_ssize_t)length;
    if (gate_read(self, "item assignment") < 0)
        return -1;
    if (i < 0 || (size_t)i >= length) {
        PyErr_SetString(PyExc_IndexError, "bytearray index out of range");
        return -1;
    }
    if (value == NULL)
        return remove_stretch(self, (size_t)i, (size_t)i + 1, "del");
    if (gate_write(self, "item assignment") < 0)
        return -1;
    self->buffer.start[i] = byte;
    return 0;
}

int
Buffer_ass_item(PyObject *op, Py_ssize_t i, PyObject *value)
{
    return assign_item(as_buffer(op), i, value);
}

int
Buffer_ass_subscript(PyObject *op, PyObject *index, PyObject *values)
{
    if (PyIndex_Check(index)) {
        Py_ssize_t i = PyNumber_AsSsize_t(index, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred())
            return -1;
        return assign_item(as_buffer(op), i, values);
    }
    if (PySlice_Check(index))
        return assign_slice(as_buffer(op), index, values);
    PyErr_Format(PyExc_TypeError, "bytearray indices must be integers or slices, not %.200s",
                 Py_TYPE(index)->tp_name);
    return -1;
}

static int
check_arity(const char *name, Py_ssize_t nargs, Py_ssize_t least, Py_ssize_t most)
{
    if (nargs >= least && nargs <= most)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s expected %s %zd argument%s, got %zd", name,
                 least == most ? "exactly" : nargs < least ? "at least" : "at most",
                 nargs < least ? least : most, (nargs < least ? least : most) == 1 ? "" : "s",
                 nargs);
    return -1;
}

static int
index_value(PyObject *arg, Py_ssize_t *value)
{
    PyObject *number = PyNumber_Index(arg);
    if (number == NULL)
        return -1;
    *value = PyLong_AsSsize_t(number);
    Py_DECREF(number);
    return *value == -1 && PyErr_Occurred() ? -1 : 0;
}

static size_t
clamp_index(Py_ssize_t index, size_t length)
{
    if (index < 0)
        index += (Py_ssize_t)length;
    if (index < 0)
        return 0;
    return (size_t)index < length ? (size_t)index : length;
}

PyObject *
Buffer_insert(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BufferObject *self = as_buffer(op);
    Py_ssize_t index;
    char value;
    if (check_arity("insert", nargs, 2, 2) < 0 || index_value(args[0], &index) < 0 ||
        byte_value(args[1], &value) < 0)
        return NULL;
    size_t at = clamp_index(index, self->buffer.length);
    if (Buffer_replace(self, at, at, &value, 1, "insert") < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
Buffer_pop(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BufferObject *self = as_buffer(op);
    Py_ssize_t index = -1;
    if (check_arity("pop", nargs, 0, 1) < 0 || (nargs == 1 && index_value(args[0], &index) < 0) ||
        gate_read(self, "pop") < 0)
        return NULL;
    Py_ssize_t length = (Py_ssize_t)self->buffer.length;
    if (length == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from empty bytearray");
        return NULL;
    }
    if (index < 0)
        index += length;
    if (index < 0 || index >= length) {
        PyErr_SetString(PyExc_IndexError, "pop index out of range");
        return NULL;
    }
    long value = (unsigned char)self->buffer.start[index];
    if (remove_stretch(self, (size_t)index, (size_t)index + 1, "pop") < 0)
        return NULL;
    assert_valid(self);
    return PyLong_FromLong(value);
}

PyObject *
Buffer_remove(PyObject *op, PyObject *item)
{
    BufferObject *self = as_buffer(op);
    char value;
    if (byte_value(item, &value) < 0 || gate_read(self, "remove") < 0)
        return NULL;
    const char *start = self->buffer.start;
    const char *found = memchr(start, (unsigned char)value, self->buffer.length);
    if (found == NULL) {
        PyErr_SetString(PyExc_ValueError, "value not found in bytearray");
        return NULL;
    }
    size_t at = (size_t)(found - start);
    if (remove_stretch(self, at, at + 1, "remove") < 0)
        return NULL;
    assert_valid(self);
    Py_RETURN_NONE;
}

PyObject *
Buffer_clear(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (remove_all(as_buffer(op), "clear") < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
Buffer_reverse(PyObject *op, PyObject *Py_UNUSED(unused))
{
    BufferObject *self = as_buffer(op);
    if (gate_write(self, "reverse") < 0)
        return NULL;
    char *head = self->buffer.start, *tail = head + self->buffer.length;
    while (head < tail) {
        char byte = *--tail;
        *tail = *head;
        *head++ = byte;
    }
    Py_RETURN_NONE;
}

static int
bytes_to_take(const BufferObject *self, PyObject *n, Py_ssize_t *count)
{
    Py_ssize_t size;
    if (n == Py_None) {
        *count = (Py_ssize_t)self->buffer.length;
        return 0;
    }
    if (!PyIndex_Check(n)) {
        PyErr_SetString(PyExc_TypeError, "n must be an integer or None");
        return -1;
    }
    *count = PyNumber_AsSsize_t(n, PyExc_IndexError);
    if (*count == -1 && PyErr_Occurred())
        return -1;
    size = (Py_ssize_t)self->buffer.length;
    if (*count < 0)
        *count += size;
    if (*count >= 0 && *count <= size)
        return 0;
    PyErr_Format(PyExc_IndexError, "can't take %zd bytes outside size %zd", *count, size);
    return -1;
}

PyObject *
Buffer_take_bytes(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BufferObject *self = as_buffer(op);
    Py_ssize_t count;
    if (check_arity("take_bytes", nargs, 0, 1) < 0 || gate_read(self, "take_bytes") < 0 ||
        bytes_to_take(self, nargs == 0 ? Py_None : args[0], &count) < 0 ||
        gate_move(self, "take_bytes") < 0)
        return NULL;
    PyObject *taken = PyBytes_FromStringAndSize(self->buffer.start, count);
    if (taken == NULL)
        return NULL;
    if (remove_stretch(self, 0, (size_t)count, "take_bytes") < 0)
        Py_CLEAR(taken);
    assert_valid(self);
    return taken;
}
