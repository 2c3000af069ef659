/* ring_wait.c - waiting for items or for room, without the GIL.
 *
 * What a reader would get wrong: signal handlers run here, so the ring may be closed, or another
 * thread's, when this returns. ring_wait looks anew each time.
 */
#include "ring_object.h"

static int
wait_once(RingObject *self, enum ring_end end, size_t count, uint64_t nanoseconds)
{
    int error;
    self->ring.waiters++;
    Py_BEGIN_ALLOW_THREADS
    error = ring_wait(&self->ring, end, count, nanoseconds);
    Py_END_ALLOW_THREADS
    self->ring.waiters--;
    return error;
}

int
Ring_await(RingObject *self, enum ring_end end, size_t count, uint64_t nanoseconds)
{
    int error = ring_wait(&self->ring, end, count, 0);
    uint64_t begun = error == RING_TIMED_OUT && nanoseconds != 0 ? ring_clock() : 0;
    uint64_t passed = 0;
    while (error == RING_TIMED_OUT && passed < nanoseconds) {
        error = wait_once(self, end, count, nanoseconds - passed);
        if (error == RING_TIMED_OUT && PyErr_CheckSignals() < 0)
            return -1;
        passed = ring_clock() - begun;
    }
    return error;
}

/* Of a closed ring others tell. */
bool
Ring_can_have(RingObject *self, Py_ssize_t count, const char *operation)
{
    const struct ring *r = &self->ring;
    if (!r->open || count == RING_ALL || (size_t)count <= r->capacity)
        return true;
    PyErr_Format(PyExc_ValueError, "%s: there will never be %zd items, the capacity is %zu",
                 operation, count, r->capacity);
    return false;
}

static PyObject *
wait_for(RingObject *self, PyObject *args, PyObject *kwargs, enum ring_end end, const char *format,
         const char *operation)
{
    static char *keywords[] = {"n", "timeout", NULL};
    Py_ssize_t count = 1;
    uint64_t timeout = RING_FOREVER;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, keywords, Ring_count, &count,
                                     Ring_timeout, &timeout) ||
        !Ring_can_have(self, count, operation) || Ring_claim(self, end, operation) < 0)
        return NULL;
    if (count == RING_ALL)
        count = 1;
    int error = Ring_await(self, end, (size_t)count, timeout);
    if (error == RING_OK || error == RING_TIMED_OUT)
        return PyBool_FromLong(error == RING_OK);
    if (end == RING_WRITER)
        Ring_raise_writing(self, error, operation);
    else if (error != -1)
        Ring_raise(self, error, operation);
    return NULL;
}

PyObject *
Ring_wait_readable(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return wait_for(as_ring(op), args, kwargs, RING_READER, "|O&O&:wait_readable",
                    "wait_readable");
}

PyObject *
Ring_wait_writable(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return wait_for(as_ring(op), args, kwargs, RING_WRITER, "|O&O&:wait_writable",
                    "wait_writable");
}
