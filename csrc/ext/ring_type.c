/* ring_type.c - growable.RingBuffer but for its constructor's arguments and what NumPy does better,
 * which growable/ring.py adds in a subclass.
 *
 * What a reader would get wrong: each method first makes the ends its own that it needs, and so may
 * be refused where another process has them. Within one process that nobody shares the ring with,
 * that is one comparison.
 */
#include "ring_object.h"

#include <stddef.h>
#include <string.h>

#include "section_object.h"

#if PY_VERSION_HEX < 0x030c0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_T_BOOL T_BOOL
#define Py_READONLY READONLY
#endif

/* Arguments. */

enum { ALL = -1 };

/* A count from 0 up; None is ALL. */
static int
count_or_all(PyObject *value, void *result)
{
    Py_ssize_t count = ALL;
    if (value != Py_None) {
        count = PyNumber_AsSsize_t(value, PyExc_ValueError);
        if (count == -1 && PyErr_Occurred())
            return 0;
        if (count < 0) {
            PyErr_Format(PyExc_ValueError, "n must be None or at least 0, not %zd", count);
            return 0;
        }
    }
    *(Py_ssize_t *)result = count;
    return 1;
}

static int
claim(RingObject *self, unsigned ends, const char *operation)
{
    int error = ring_claim(&self->ring, ends);
    return error == RING_OK ? 0 : Ring_raise(self, error, operation);
}

static unsigned
writing_ends(const RingObject *self)
{
    return self->overwrite ? RING_BOTH : RING_WRITER;
}

static PyObject *
none_or_error(RingObject *self, int error, const char *operation)
{
    if (error == RING_OK)
        Py_RETURN_NONE;
    Ring_raise(self, error, operation);
    return NULL;
}

/* Making. */

static RingObject *
allocate(PyTypeObject *type)
{
    RingObject *self = (RingObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->module = Py_XNewRef(PyType_GetModuleByDef(type, &growable_module));
    if (self->module == NULL)
        Py_CLEAR(self);
    return self;
}

static int
make_section(RingObject *self, size_t capacity, size_t item_size)
{
    size_t size = ring_section_size(capacity, item_size);
    if (size == 0) {
        self->ring.failed_size = capacity;
        return Ring_raise(self, capacity == 0 ? RING_NO_ITEMS : RING_TOO_LARGE, "RingBuffer");
    }
    PyObject *type = (PyObject *)ring_state(self)->section_type;
    self->section = PyObject_CallFunction(type, "n", (Py_ssize_t)size);
    return self->section == NULL ? -1 : 0;
}

static int
take_section(RingObject *self, PyObject *section)
{
    if (!PyObject_TypeCheck(section, ring_state(self)->section_type)) {
        PyErr_Format(PyExc_TypeError, "section must be a Section or None, not %.200s",
                     Py_TYPE(section)->tp_name);
        return -1;
    }
    self->section = Py_NewRef(section);
    return Section_gate(as_section(section), "RingBuffer");
}

static int
open_ring(RingObject *self, size_t capacity, size_t item_size)
{
    struct section *section = &as_section(self->section)->section;
    int error = ring_open(&self->ring, section, capacity, item_size);
    return error == RING_OK ? 0 : Ring_raise(self, error, "RingBuffer");
}

/* `how` is None for bytes, or a tuple: dtype, character code, whether the items are no arrays,
 * frombuffer, convert. */
static int
take_dtype(RingObject *self, PyObject *how, size_t item_size)
{
    int code, plain;
    PyObject *dtype, *frombuffer, *convert;
    if (how == Py_None)
        return 0;
    if (!PyArg_ParseTuple(how, "OCpOO:RingCore", &dtype, &code, &plain, &frombuffer, &convert))
        return -1;
    self->dtype = Py_NewRef(dtype);
    self->frombuffer = Py_NewRef(frombuffer);
    self->convert = Py_NewRef(convert);
    self->plain = plain != 0;
    if (plain && code != 'V')
        self->pack = pack_find((Py_UCS4)code, item_size);
    return 0;
}

static int
capacity_size(PyObject *value, void *result)
{
    Py_ssize_t size = PyNumber_AsSsize_t(value, PyExc_ValueError);
    if (size == -1 && PyErr_Occurred())
        return 0;
    if (size <= 0) {
        PyErr_Format(PyExc_ValueError, "capacity must be at least 1, not %zd", size);
        return 0;
    }
    *(size_t *)result = (size_t)size;
    return 1;
}

static PyObject *
Ring_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    size_t capacity;
    Py_ssize_t item_size;
    int overwrite;
    PyObject *how, *section;
    if (!PyArg_ParseTuple(args, "O&nOpO:RingCore", capacity_size, &capacity, &item_size, &how,
                          &overwrite, &section))
        return NULL;
    RingObject *self = allocate(type);
    if (self == NULL)
        return NULL;
    self->overwrite = overwrite != 0;
    size_t size = item_size > 0 ? (size_t)item_size : 0;
    if (take_dtype(self, how, size) < 0 ||
        (section == Py_None ? make_section(self, capacity, size) : take_section(self, section)) < 0 ||
        open_ring(self, capacity, size) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* Views and waiting threads hold references, so there are none. */
static void
Ring_dealloc(PyObject *op)
{
    RingObject *self = as_ring(op);
    PyTypeObject *type = Py_TYPE(op);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    self->ring.waiters = 0;
    (void)ring_close(&self->ring);
    Py_XDECREF(self->section);
    Py_XDECREF(self->dtype);
    Py_XDECREF(self->convert);
    Py_XDECREF(self->frombuffer);
    Py_XDECREF(self->module);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
Ring_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    RingObject *self = as_ring(op);
    return none_or_error(self, ring_close(&self->ring), "close");
}

static PyObject *
Ring_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    if (!as_ring(op)->ring.open)
        return none_or_error(as_ring(op), RING_CLOSED, "__enter__");
    return Py_NewRef(op);
}

static PyObject *
Ring_exit(PyObject *op, PyObject *Py_UNUSED(args))
{
    return Ring_close(op, NULL);
}

/* Writing. */

/* As `overwrite` wants it: the newest stay. */
static int
put_newest(RingObject *self, const struct ring_payload *payload)
{
    struct ring *r = &self->ring;
    size_t count = payload->count < r->capacity ? payload->count : r->capacity;
    int error = ring_make_room(r, count);
    if (error != RING_OK)
        return error;
    return ring_put(r, payload->start + (payload->count - count) * r->item_size, count);
}

static int
put_all(RingObject *self, const struct ring_payload *payload)
{
    return self->overwrite ? put_newest(self, payload)
                           : ring_put(&self->ring, payload->start, payload->count);
}

static int
put_some(RingObject *self, const struct ring_payload *payload, size_t *done)
{
    struct ring_items room;
    int error = ring_look_spare(&self->ring, &room);
    if (error != RING_OK)
        return error;
    size_t left = payload->count - *done;
    size_t count = left < room.count ? left : room.count;
    if (count == 0)
        return RING_OK;
    error = ring_put(&self->ring, payload->start + *done * self->ring.item_size, count);
    *done += error == RING_OK ? count : 0;
    return error;
}

/* After a wait the end may have been given up by a signal handler: it is claimed anew. */
static int
put_in_pieces(RingObject *self, const struct ring_payload *payload, uint64_t timeout, size_t *done)
{
    uint64_t begun = timeout != 0 ? ring_clock() : 0;
    uint64_t passed = 0;
    for (;;) {
        int error = ring_claim(&self->ring, RING_WRITER);
        if (error == RING_OK)
            error = put_some(self, payload, done);
        if (error != RING_OK || *done == payload->count || passed >= timeout)
            return error;
        error = Ring_await(self, RING_WRITER, 1, timeout - passed);
        if (error != RING_OK)
            return error;
        passed = ring_clock() - begun;
    }
}

/* The reader of a pipe that is gone is a BrokenPipeError. */
static int
raise_writing(RingObject *self, int error, const char *operation)
{
    if (error == -1)
        return -1;
    if (error != RING_GONE)
        return Ring_raise(self, error, operation);
    PyErr_Format(PyExc_BrokenPipeError, "%s: whoever read has left", operation);
    return -1;
}

static PyObject *
Ring_write(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"items", "timeout", NULL};
    RingObject *self = as_ring(op);
    PyObject *values;
    uint64_t timeout = 0;
    size_t done = 0;
    struct ring_payload payload;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&:write", keywords, &values, Ring_timeout,
                                     &timeout) ||
        Ring_payload_many(self, values, false, &payload) < 0)
        return NULL;
    int error;
    if (self->overwrite) {
        error = ring_claim(&self->ring, RING_BOTH);
        if (error == RING_OK)
            error = put_newest(self, &payload);
        done = payload.count;
    } else {
        error = put_in_pieces(self, &payload, timeout, &done);
    }
    Ring_payload_drop(&payload);
    if (error != RING_OK && error != RING_TIMED_OUT) {
        raise_writing(self, error, "write");
        return NULL;
    }
    return PyLong_FromSize_t(done);
}

static PyObject *
put_on_the_right(RingObject *self, struct ring_payload *payload, const char *operation)
{
    int error = ring_claim(&self->ring, writing_ends(self));
    if (error == RING_OK)
        error = put_all(self, payload);
    Ring_payload_drop(payload);
    return none_or_error(self, error, operation);
}

static PyObject *
Ring_append(PyObject *op, PyObject *value)
{
    struct ring_payload payload;
    if (Ring_payload_one(as_ring(op), value, &payload) < 0)
        return NULL;
    return put_on_the_right(as_ring(op), &payload, "append");
}

static PyObject *
Ring_extend(PyObject *op, PyObject *values)
{
    struct ring_payload payload;
    if (Ring_payload_many(as_ring(op), values, true, &payload) < 0)
        return NULL;
    return put_on_the_right(as_ring(op), &payload, "extend");
}

/* One item after the other, as deque does it: the last one ends up first. */
static int
put_left(RingObject *self, const struct ring_payload *payload)
{
    struct ring *r = &self->ring;
    size_t count = payload->count < r->capacity ? payload->count : r->capacity;
    if (!self->overwrite && count < payload->count)
        return RING_FULL;
    int error = self->overwrite ? ring_make_room_left(r, count) : RING_OK;
    struct ring_items room;
    if (error == RING_OK)
        error = ring_look_spare(r, &room);
    if (error == RING_OK && room.count < count)
        error = RING_FULL;
    const char *from = payload->start + (payload->count - count) * r->item_size;
    for (size_t i = 0; i < count && error == RING_OK; i++)
        error = ring_put_left(r, from + i * r->item_size, 1);
    return error;
}

static PyObject *
put_on_the_left(RingObject *self, struct ring_payload *payload, const char *operation)
{
    int error = ring_claim(&self->ring, RING_BOTH);
    if (error == RING_OK)
        error = put_left(self, payload);
    Ring_payload_drop(payload);
    return none_or_error(self, error, operation);
}

static PyObject *
Ring_appendleft(PyObject *op, PyObject *value)
{
    struct ring_payload payload;
    if (Ring_payload_one(as_ring(op), value, &payload) < 0)
        return NULL;
    return put_on_the_left(as_ring(op), &payload, "appendleft");
}

static PyObject *
Ring_extendleft(PyObject *op, PyObject *values)
{
    struct ring_payload payload;
    if (Ring_payload_many(as_ring(op), values, true, &payload) < 0)
        return NULL;
    return put_on_the_left(as_ring(op), &payload, "extendleft");
}

/* The room behind the items. */

static int
choose_spare(RingObject *self, void *argument, struct ring_choice *choice)
{
    Py_ssize_t wanted = *(Py_ssize_t *)argument;
    int error = ring_claim(&self->ring, writing_ends(self));
    if (error == RING_OK && self->overwrite && wanted > 0)
        error = ring_make_room(&self->ring, (size_t)wanted);
    if (error == RING_OK)
        error = ring_look_spare(&self->ring, &choice->items);
    if (error != RING_OK)
        return error;
    choice->skip = 0;
    choice->count = wanted == ALL ? choice->items.count : (size_t)wanted;
    if (choice->count > choice->items.count)
        return RING_FULL;
    self->lent = choice->items.first + choice->count * self->ring.item_size;
    return RING_OK;
}

static PyObject *
Ring_spare(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"n", NULL};
    Py_ssize_t wanted = ALL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:spare", keywords, count_or_all, &wanted))
        return NULL;
    return Ring_view_of(as_ring(op), choose_spare, &wanted, "spare");
}

static int
advance(RingObject *self, size_t count)
{
    struct ring_items room;
    int error = ring_claim(&self->ring, RING_WRITER);
    if (error == RING_OK)
        error = ring_look_spare(&self->ring, &room);
    if (error != RING_OK)
        return error;
    size_t lent = self->lent > room.first ? (size_t)(self->lent - room.first) : 0;
    if (count > lent / self->ring.item_size || count > room.count)
        return RING_SHORT;
    return ring_put(&self->ring, NULL, count);
}

static PyObject *
Ring_advance(PyObject *op, PyObject *value)
{
    RingObject *self = as_ring(op);
    Py_ssize_t count;
    if (!count_or_all(value, &count))
        return NULL;
    if (count == ALL) {
        PyErr_SetString(PyExc_TypeError, "advance: n must be an integer, not None");
        return NULL;
    }
    int error = advance(self, (size_t)count);
    if (error != RING_SHORT)
        return none_or_error(self, error, "advance");
    PyErr_Format(PyExc_ValueError, "advance: %zd is more than spare() has lent", count);
    return NULL;
}

/* Reading. */

/* Waits until there are as many, or any where `wanted` is ALL. RING_OK where there are some, or the
 * time is up. */
static int
await_items(RingObject *self, Py_ssize_t wanted, uint64_t timeout)
{
    size_t count = wanted == ALL ? 1 : (size_t)wanted;
    int error = ring_claim(&self->ring, RING_READER);
    if (error != RING_OK || timeout == 0)
        return error;
    if (count > self->ring.capacity)
        count = self->ring.capacity;
    error = Ring_await(self, RING_READER, count, timeout);
    struct ring_items items;
    if (error == RING_GONE && ring_look(&self->ring, &items) == RING_OK && items.count != 0)
        return RING_OK;
    if (error != RING_OK && error != RING_TIMED_OUT)
        return error;
    return ring_claim(&self->ring, RING_READER);
}

static bool
has_waited(RingObject *self, Py_ssize_t wanted, uint64_t timeout, const char *operation)
{
    int error = await_items(self, wanted, timeout);
    if (error != RING_OK && error != -1)
        Ring_raise(self, error, operation);
    return error == RING_OK;
}

static int
look(RingObject *self, struct ring_items *items, const char *operation)
{
    int error = ring_look(&self->ring, items);
    return error == RING_OK ? 0 : Ring_raise(self, error, operation);
}

static size_t
at_most(Py_ssize_t wanted, size_t found)
{
    return wanted == ALL || (size_t)wanted > found ? found : (size_t)wanted;
}

static PyObject *
empty_bytes(RingObject *self, size_t count)
{
    Py_ssize_t size = (Py_ssize_t)(count * self->ring.item_size);
    return self->dtype == NULL ? PyBytes_FromStringAndSize(NULL, size)
                               : PyByteArray_FromStringAndSize(NULL, size);
}

static char *
bytes_of(RingObject *self, PyObject *bytes)
{
    return self->dtype == NULL ? PyBytes_AS_STRING(bytes) : PyByteArray_AS_STRING(bytes);
}

/* Taking memory may run the garbage collector, and that a finalizer that takes items. Only then
 * are there fewer than before. */
static PyObject *
take(RingObject *self, size_t count, const char *operation)
{
    struct ring_items items;
    PyObject *bytes = empty_bytes(self, count);
    if (bytes == NULL)
        return NULL;
    int error = ring_claim(&self->ring, RING_READER);
    if (error == RING_OK)
        error = ring_look(&self->ring, &items);
    if (error == RING_OK && items.count < count)
        error = RING_SHORT;
    if (error == RING_OK && count != 0) {
        memcpy(bytes_of(self, bytes), items.start, count * self->ring.item_size);
        error = ring_drop(&self->ring, count);
    }
    if (error == RING_OK)
        return Ring_wrap(self, bytes);
    Py_DECREF(bytes);
    Ring_raise(self, error, operation);
    return NULL;
}

static PyObject *
Ring_read(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"n", "timeout", NULL};
    RingObject *self = as_ring(op);
    Py_ssize_t wanted = ALL;
    uint64_t timeout = 0;
    struct ring_items items;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&:read", keywords, count_or_all, &wanted,
                                     Ring_timeout, &timeout) ||
        !has_waited(self, wanted, timeout, "read") || look(self, &items, "read") < 0)
        return NULL;
    return take(self, at_most(wanted, items.count), "read");
}

static PyObject *
readinto(RingObject *self, const Py_buffer *buffer, uint64_t timeout)
{
    size_t room = (size_t)buffer->len / self->ring.item_size;
    struct ring_items items;
    if (!has_waited(self, (Py_ssize_t)room, timeout, "readinto") ||
        look(self, &items, "readinto") < 0)
        return NULL;
    size_t count = room < items.count ? room : items.count;
    if (count != 0)
        memmove(buffer->buf, items.start, count * self->ring.item_size);
    int error = ring_drop(&self->ring, count);
    if (error == RING_OK)
        return PyLong_FromSize_t(count);
    Ring_raise(self, error, "readinto");
    return NULL;
}

static PyObject *
Ring_readinto(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"buffer", "timeout", NULL};
    Py_buffer buffer;
    uint64_t timeout = 0;
    PyObject *target;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&:readinto", keywords, &target, Ring_timeout,
                                     &timeout) ||
        PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    PyObject *result = readinto(as_ring(op), &buffer, timeout);
    PyBuffer_Release(&buffer);
    return result;
}

static int
choose_first(RingObject *self, void *argument, struct ring_choice *choice)
{
    int error = ring_claim(&self->ring, RING_READER);
    if (error == RING_OK)
        error = ring_look(&self->ring, &choice->items);
    if (error != RING_OK)
        return error;
    choice->skip = 0;
    choice->count = at_most(*(Py_ssize_t *)argument, choice->items.count);
    return RING_OK;
}

static PyObject *
Ring_peek(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"n", "timeout", NULL};
    RingObject *self = as_ring(op);
    Py_ssize_t wanted = ALL;
    uint64_t timeout = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&:peek", keywords, count_or_all, &wanted,
                                     Ring_timeout, &timeout) ||
        !has_waited(self, wanted, timeout, "peek"))
        return NULL;
    return Ring_view_of(self, choose_first, &wanted, "peek");
}

struct bounds {
    Py_ssize_t start, stop;
};

static int
choose_range(RingObject *self, void *argument, struct ring_choice *choice)
{
    struct bounds range = *(struct bounds *)argument;
    int error = ring_claim(&self->ring, RING_READER);
    if (error == RING_OK)
        error = ring_look(&self->ring, &choice->items);
    if (error != RING_OK)
        return error;
    Py_ssize_t count = PySlice_AdjustIndices((Py_ssize_t)choice->items.count, &range.start,
                                             &range.stop, 1);
    choice->skip = count > 0 ? (size_t)range.start : 0;
    choice->count = (size_t)count;
    return RING_OK;
}

static int
bound(PyObject *value, Py_ssize_t *result)
{
    if (value == Py_None)
        return 1;
    *result = PyNumber_AsSsize_t(value, NULL);
    return *result != -1 || !PyErr_Occurred();
}

static PyObject *
Ring_view(PyObject *op, PyObject *const *args, Py_ssize_t n)
{
    struct bounds range = {0, PY_SSIZE_T_MAX};
    if (n > 2) {
        PyErr_Format(PyExc_TypeError, "view expected at most 2 arguments, got %zd", n);
        return NULL;
    }
    if ((n > 0 && !bound(args[0], &range.start)) || (n > 1 && !bound(args[1], &range.stop)))
        return NULL;
    return Ring_view_of(as_ring(op), choose_range, &range, "view");
}

static PyObject *
Ring_consume(PyObject *op, PyObject *value)
{
    RingObject *self = as_ring(op);
    Py_ssize_t count;
    if (!count_or_all(value, &count) || claim(self, RING_READER, "consume") < 0)
        return NULL;
    if (count == ALL) {
        PyErr_SetString(PyExc_TypeError, "consume: n must be an integer, not None");
        return NULL;
    }
    return none_or_error(self, ring_drop(&self->ring, (size_t)count), "consume");
}

static PyObject *
Ring_clear(PyObject *op, PyObject *Py_UNUSED(unused))
{
    RingObject *self = as_ring(op);
    struct ring_items items;
    if (claim(self, RING_READER, "clear") < 0 || look(self, &items, "clear") < 0)
        return NULL;
    return none_or_error(self, ring_drop(&self->ring, items.count), "clear");
}

/* Single items. */

static PyObject *
copy_item(RingObject *self, const char *start)
{
    if (self->dtype == NULL)
        return PyLong_FromLong((unsigned char)*start);
    Py_ssize_t size = (Py_ssize_t)self->ring.item_size;
    PyObject *items = Ring_wrap(self, PyByteArray_FromStringAndSize(start, size));
    if (items == NULL)
        return NULL;
    PyObject *item = PySequence_GetItem(items, 0);
    Py_DECREF(items);
    return item;
}

/* The item is copied before it goes, and where that fails it stays. Copying may run the garbage
 * collector; then the item that goes is not this one if a finalizer has taken it meanwhile. */
static PyObject *
pop_from(RingObject *self, unsigned ends, const char *operation)
{
    struct ring_items items;
    if (claim(self, ends, operation) < 0 || look(self, &items, operation) < 0)
        return NULL;
    if (items.count == 0) {
        PyErr_Format(PyExc_IndexError, "%s from an empty RingBuffer", operation);
        return NULL;
    }
    bool left = ends == RING_READER;
    size_t skip = left ? 0 : (items.count - 1) * self->ring.item_size;
    PyObject *item = copy_item(self, items.start + skip);
    if (item == NULL)
        return NULL;
    int error = ring_claim(&self->ring, ends);
    if (error == RING_OK)
        error = left ? ring_drop(&self->ring, 1) : ring_drop_right(&self->ring, 1);
    if (error == RING_OK)
        return item;
    Py_DECREF(item);
    Ring_raise(self, error, operation);
    return NULL;
}

static PyObject *
Ring_pop(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return pop_from(as_ring(op), RING_BOTH, "pop");
}

static PyObject *
Ring_popleft(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return pop_from(as_ring(op), RING_READER, "popleft");
}

static PyObject *
item_at(RingObject *self, PyObject *key)
{
    struct ring_items items;
    Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if ((index == -1 && PyErr_Occurred()) || claim(self, RING_READER, "__getitem__") < 0 ||
        look(self, &items, "__getitem__") < 0)
        return NULL;
    size_t place = index < 0 ? (size_t)index + items.count : (size_t)index;
    if (place < items.count)
        return copy_item(self, items.start + place * self->ring.item_size);
    PyErr_SetString(PyExc_IndexError, "RingBuffer index out of range");
    return NULL;
}

static PyObject *
view_of_all(RingObject *self, const char *operation)
{
    struct bounds range = {0, PY_SSIZE_T_MAX};
    return Ring_view_of(self, choose_range, &range, operation);
}

/* An array has __index__, too, and means something else by it. */
static bool
is_number(RingObject *self, PyObject *key)
{
    PyTypeObject *ndarray = ring_state(self)->numpy.ndarray;
    return PyIndex_Check(key) && (ndarray == NULL || !PyObject_TypeCheck(key, ndarray));
}

/* What a slice, or NumPy's other ways to index, gives is a copy, so that it holds up nothing. */
static PyObject *
Ring_subscript(PyObject *op, PyObject *key)
{
    RingObject *self = as_ring(op);
    if (is_number(self, key))
        return item_at(self, key);
    PyObject *view = view_of_all(self, "__getitem__");
    PyObject *part = view == NULL ? NULL : PyObject_GetItem(view, key);
    Py_XDECREF(view);
    if (part == NULL)
        return NULL;
    PyObject *result = self->dtype == NULL ? PyBytes_FromObject(part)
                                           : PyObject_CallMethod(part, "copy", NULL);
    Py_DECREF(part);
    return result;
}

static int
Ring_assign(PyObject *op, PyObject *key, PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "items leave a RingBuffer at its ends only");
        return -1;
    }
    PyObject *view = view_of_all(as_ring(op), "__setitem__");
    int result = view == NULL ? -1 : PyObject_SetItem(view, key, value);
    Py_XDECREF(view);
    return result;
}

static Py_ssize_t
Ring_length(PyObject *op)
{
    struct ring_items items;
    return look(as_ring(op), &items, "len") < 0 ? -1 : (Py_ssize_t)items.count;
}

/* Waiting. */

static PyObject *
wait_for(RingObject *self, PyObject *args, PyObject *kwargs, enum ring_end end, const char *format,
         const char *operation)
{
    static char *keywords[] = {"n", "timeout", NULL};
    Py_ssize_t count = 1;
    uint64_t timeout = RING_FOREVER;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, keywords, count_or_all, &count,
                                     Ring_timeout, &timeout) ||
        claim(self, end, operation) < 0)
        return NULL;
    if (count == ALL)
        count = 1;
    if ((size_t)count > self->ring.capacity) {
        PyErr_Format(PyExc_ValueError, "%s: there will never be %zd, the capacity is %zu",
                     operation, count, self->ring.capacity);
        return NULL;
    }
    int error = Ring_await(self, end, (size_t)count, timeout);
    if (error == RING_OK || error == RING_TIMED_OUT)
        return PyBool_FromLong(error == RING_OK);
    if (end == RING_WRITER)
        raise_writing(self, error, operation);
    else if (error != -1)
        Ring_raise(self, error, operation);
    return NULL;
}

static PyObject *
Ring_wait_readable(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return wait_for(as_ring(op), args, kwargs, RING_READER, "|O&O&:wait_readable",
                    "wait_readable");
}

static PyObject *
Ring_wait_writable(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return wait_for(as_ring(op), args, kwargs, RING_WRITER, "|O&O&:wait_writable",
                    "wait_writable");
}

/* Attributes. */

static PyObject *
get_capacity(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(as_ring(op)->ring.capacity);
}

static PyObject *
get_itemsize(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(as_ring(op)->ring.item_size);
}

static PyObject *
get_is_full(PyObject *op, void *Py_UNUSED(closure))
{
    struct ring_items items;
    if (look(as_ring(op), &items, "is_full") < 0)
        return NULL;
    return PyBool_FromLong(items.count == as_ring(op)->ring.capacity);
}

static PyObject *
get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!as_ring(op)->ring.open);
}

static PyObject *
get_dtype(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *dtype = as_ring(op)->dtype;
    return Py_NewRef(dtype == NULL ? Py_None : dtype);
}

static PyObject *
get_section(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(as_ring(op)->section);
}

/* The closure is the end. */
static const enum ring_end writer = RING_WRITER, reader = RING_READER;

static bool
owner_of(RingObject *self, void *closure, enum ring_owner *owner, int *process)
{
    if (!self->ring.open) {
        Ring_raise(self, RING_CLOSED, "writer, reader");
        return false;
    }
    *owner = ring_owner_of(&self->ring, *(const enum ring_end *)closure, process);
    return true;
}

static PyObject *
get_owner(PyObject *op, void *closure)
{
    enum ring_owner owner;
    int process;
    if (!owner_of(as_ring(op), closure, &owner, &process))
        return NULL;
    if (owner == RING_NOBODY || owner == RING_LEFT)
        Py_RETURN_NONE;
    return PyLong_FromLong(process);
}

static PyObject *
get_gone(PyObject *op, void *closure)
{
    enum ring_owner owner;
    int process;
    if (!owner_of(as_ring(op), closure, &owner, &process))
        return NULL;
    return PyBool_FromLong(owner == RING_LEFT);
}

/* The buffer protocol: all items, as they are now. */

/* Their type is NumPy's to describe: it is the array's buffer. */
static int
get_array_buffer(RingObject *self, Py_buffer *buffer, int flags)
{
    PyObject *view = view_of_all(self, "__buffer__");
    int result = view == NULL ? -1 : PyObject_GetBuffer(view, buffer, flags);
    Py_XDECREF(view);
    return result;
}

static int
get_bytes_buffer(RingObject *self, Py_buffer *buffer, int flags)
{
    PyObject *op = (PyObject *)self;
    struct ring_items items;
    struct ring_view *view = PyMem_Malloc(sizeof *view);
    if (view == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (claim(self, RING_READER, "__buffer__") < 0 || look(self, &items, "__buffer__") < 0 ||
        PyBuffer_FillInfo(buffer, op, items.start,
                          (Py_ssize_t)(items.count * self->ring.item_size), 0, flags) < 0) {
        PyMem_Free(view);
        return -1;
    }
    ring_view_open(&self->ring, &items, 0, items.count, view);
    buffer->internal = view;
    return 0;
}

static int
Ring_getbuffer(PyObject *op, Py_buffer *buffer, int flags)
{
    RingObject *self = as_ring(op);
    buffer->obj = NULL;
    return self->dtype == NULL ? get_bytes_buffer(self, buffer, flags)
                               : get_array_buffer(self, buffer, flags);
}

static void
Ring_releasebuffer(PyObject *Py_UNUSED(op), Py_buffer *buffer)
{
    ring_view_close(buffer->internal);
    PyMem_Free(buffer->internal);
}

static PyObject *
Ring_reduce(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(protocol))
{
    PyErr_SetString(PyExc_TypeError,
                    "cannot pickle a RingBuffer but to send it to another process by "
                    "multiprocessing; what it holds can be copied with ring[:]");
    return NULL;
}

/* The type. */

#define WITH_KEYWORDS(function) \
    (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"write", WITH_KEYWORDS(Ring_write),
     "write($self, /, items, timeout=0)\n--\n\n"
     "Put items in at the right end, as many as there is room for; return how many.\n\n"
     "Waits for room until all are in, but no longer than `timeout` seconds (None: for ever).\n"
     "With overwrite=True the oldest make room, and nothing waits.\n\n"
     "Raises\n------\nBrokenPipeError\n    Whoever read has closed the ring or has died.\n"},
    {"append", Ring_append, METH_O,
     "append($self, item, /)\n--\n\n"
     "Put an item in at the right end. IndexError if the ring is full and does not overwrite."},
    {"extend", Ring_extend, METH_O,
     "extend($self, items, /)\n--\n\n"
     "Put all items in at the right end, or none. IndexError if there is no room and the ring does\n"
     "not overwrite."},
    {"appendleft", Ring_appendleft, METH_O,
     "appendleft($self, item, /)\n--\n\n"
     "Put an item in at the left end. A full ring that overwrites drops the one at the right end."},
    {"extendleft", Ring_extendleft, METH_O,
     "extendleft($self, items, /)\n--\n\n"
     "Put items in at the left end, one after the other, so that the last one ends up first."},
    {"spare", WITH_KEYWORDS(Ring_spare),
     "spare($self, /, n=None)\n--\n\n"
     "A writable view of room for n items behind the last one, or of all the room there is."},
    {"advance", Ring_advance, METH_O,
     "advance($self, n, /)\n--\n\nTake in n items that were written to spare()."},
    {"read", WITH_KEYWORDS(Ring_read),
     "read($self, /, n=None, timeout=0)\n--\n\n"
     "Take up to n items out at the left end, or all; return a copy of them.\n\n"
     "Waits until there are n (or any), but no longer than `timeout` seconds (None: for ever), and\n"
     "returns what there is then.\n\n"
     "Raises\n------\nEOFError\n    There is nothing, and whoever wrote has closed the ring or died.\n"},
    {"readinto", WITH_KEYWORDS(Ring_readinto),
     "readinto($self, /, buffer, timeout=0)\n--\n\n"
     "Take items out into a buffer until it is full; return how many. Waits as read() does."},
    {"peek", WITH_KEYWORDS(Ring_peek),
     "peek($self, /, n=None, timeout=0)\n--\n\n"
     "A contiguous view of up to n items at the left end, which stay. Waits as read() does."},
    {"view", (PyCFunction)(void (*)(void))Ring_view, METH_FASTCALL,
     "view($self, start=0, stop=None, /)\n--\n\n"
     "A contiguous view of items [start:stop], without a copy. view(-n) shows the newest n.\n\n"
     "While it lives these items cannot be taken out or overwritten: BufferError."},
    {"consume", Ring_consume, METH_O,
     "consume($self, n, /)\n--\n\nLet go of the first n items. ValueError if there are fewer."},
    {"clear", Ring_clear, METH_NOARGS, "clear($self, /)\n--\n\nLet go of all items."},
    {"pop", Ring_pop, METH_NOARGS,
     "pop($self, /)\n--\n\nTake the last item out and return it. IndexError if there is none."},
    {"popleft", Ring_popleft, METH_NOARGS,
     "popleft($self, /)\n--\n\nTake the first item out and return it. IndexError if there is none."},
    {"wait_readable", WITH_KEYWORDS(Ring_wait_readable),
     "wait_readable($self, /, n=1, timeout=None)\n--\n\n"
     "Wait until there are n items; return whether there are.\n\n"
     "Raises\n------\nEOFError\n    There are fewer, and whoever wrote has closed the ring or died.\n"},
    {"wait_writable", WITH_KEYWORDS(Ring_wait_writable),
     "wait_writable($self, /, n=1, timeout=None)\n--\n\n"
     "Wait until there is room for n items; return whether there is.\n\n"
     "Raises\n------\nBrokenPipeError\n    There is not, and whoever read has closed the ring or died.\n"},
    {"close", Ring_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Give the ends up, so that the other side is told, and the mapping. The Section lives on."},
    {"__enter__", Ring_enter, METH_NOARGS, NULL},
    {"__exit__", Ring_exit, METH_VARARGS, NULL},
    {"__reduce_ex__", Ring_reduce, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"capacity", get_capacity, NULL, "Items that it can hold, at least as many as asked for.", NULL},
    {"maxlen", get_capacity, NULL, "The same as capacity, by the name that deque has for it.", NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of one item.", NULL},
    {"is_full", get_is_full, NULL, "Whether it holds as many items as it can.", NULL},
    {"closed", get_closed, NULL, "Whether it was closed.", NULL},
    {"dtype", get_dtype, NULL, "The dtype of the items, or None for bytes.", NULL},
    {"section", get_section, NULL, "The Section that it stands in, to share it by.", NULL},
    {"writer", get_owner, NULL, "The process that writes, or None.", (void *)(uintptr_t)&writer},
    {"reader", get_owner, NULL, "The process that reads, or None.", (void *)(uintptr_t)&reader},
    {"writer_gone", get_gone, NULL, "Whether whoever wrote has closed the ring or died.",
     (void *)(uintptr_t)&writer},
    {"reader_gone", get_gone, NULL, "Whether whoever read has closed the ring or died.",
     (void *)(uintptr_t)&reader},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(RingObject, weakrefs), Py_READONLY, NULL},
    {"overwrite", Py_T_BOOL, offsetof(RingObject, overwrite), Py_READONLY,
     "Whether the oldest items make room for new ones."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)"RingCore(capacity, item_size, how, overwrite, section, /)\n--\n\n"
                        "What growable.RingBuffer has in C."},
    {Py_tp_new, (void *)Ring_new},
    {Py_tp_dealloc, (void *)Ring_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_tp_members, members},
    {Py_mp_length, (void *)Ring_length},
    {Py_mp_subscript, (void *)Ring_subscript},
    {Py_mp_ass_subscript, (void *)Ring_assign},
    {Py_bf_getbuffer, (void *)Ring_getbuffer},
    {Py_bf_releasebuffer, (void *)Ring_releasebuffer},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable._core.RingCore",
    .basicsize = sizeof(RingObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
Ring_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
