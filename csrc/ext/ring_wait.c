/* ring_wait.c - waiting for items or for room, without the GIL.
 *
 * What a reader would get wrong: signal handlers run here, so the ring may be closed, or another
 * thread's, when this returns. ring_wait looks anew each time.
 */
#include "ring_object.h"

#include <math.h>

int
Ring_timeout(PyObject *value, void *nanoseconds)
{
    uint64_t *result = nanoseconds;
    if (value == Py_None) {
        *result = RING_FOREVER;
        return 1;
    }
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1.0 && PyErr_Occurred())
        return 0;
    if (!(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "timeout must be None or at least 0, not %R", value);
        return 0;
    }
    *result = seconds < 1e9 ? (uint64_t)ceil(seconds * 1e9) : RING_FOREVER;
    return 1;
}

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
