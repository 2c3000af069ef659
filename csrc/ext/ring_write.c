/* ring_write.c - items put in, at either end, and the room behind them lent.
 *
 * What a reader would get wrong: with overwrite=True who writes takes items away, too, and so needs
 * both ends.
 */
#include "ring_object.h"

static unsigned
writing_ends(const RingObject *self)
{
    return self->overwrite ? RING_BOTH : RING_WRITER;
}

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

PyObject *
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
        Ring_raise_writing(self, error, "write");
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
    return Ring_result(self, error, operation);
}

PyObject *
Ring_append(PyObject *op, PyObject *value)
{
    struct ring_payload payload;
    if (Ring_payload_one(as_ring(op), value, &payload) < 0)
        return NULL;
    return put_on_the_right(as_ring(op), &payload, "append");
}

PyObject *
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
    int error = self->overwrite ? ring_make_room_left(r, count) : RING_OK;
    struct ring_items room;
    if (error == RING_OK)
        error = ring_look_spare(r, &room);
    size_t needed = self->overwrite ? count : payload->count;
    if (error == RING_OK && room.count < needed)
        error = Ring_fail(self, RING_FULL, needed, room.count);
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
    return Ring_result(self, error, operation);
}

PyObject *
Ring_appendleft(PyObject *op, PyObject *value)
{
    struct ring_payload payload;
    if (Ring_payload_one(as_ring(op), value, &payload) < 0)
        return NULL;
    return put_on_the_left(as_ring(op), &payload, "appendleft");
}

PyObject *
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
    choice->count = wanted == RING_ALL ? choice->items.count : (size_t)wanted;
    if (choice->count > choice->items.count)
        return Ring_fail(self, RING_FULL, choice->count, choice->items.count);
    self->lent = choice->items.first + choice->count * self->ring.item_size;
    return RING_OK;
}

PyObject *
Ring_spare(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"n", NULL};
    Py_ssize_t wanted = RING_ALL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:spare", keywords, Ring_count, &wanted))
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

PyObject *
Ring_advance(PyObject *op, PyObject *value)
{
    RingObject *self = as_ring(op);
    Py_ssize_t count;
    if (!Ring_count(value, &count))
        return NULL;
    if (count == RING_ALL) {
        PyErr_SetString(PyExc_TypeError, "advance: n must be an integer, not None");
        return NULL;
    }
    int error = advance(self, (size_t)count);
    if (error != RING_SHORT)
        return Ring_result(self, error, "advance");
    PyErr_Format(PyExc_ValueError, "advance: %zd is more than spare() has lent", count);
    return NULL;
}
