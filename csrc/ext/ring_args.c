/* ring_args.c - what Python passes to a RingBuffer's methods, as numbers of C.
 *
 * What a reader would get wrong: __index__ and __float__ are foreign code and may close the ring,
 * so all arguments are converted before it is looked at.
 */
#include "ring_object.h"

#include <math.h>

int
Ring_count(PyObject *value, void *result)
{
    Py_ssize_t count = RING_ALL;
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
