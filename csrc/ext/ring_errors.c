/* ring_errors.c - the one translation from enum ring_error to exceptions.
 *
 * What a reader would get wrong: a ring that is full is an IndexError and not a CapacityError, since
 * that is what the rings that people have raise, and a time-out is no error here at all.
 */
#include "ring_object.h"

#include "section_object.h"

static int
raise_state(RingObject *self, const char *operation, const char *what)
{
    struct failure failure = {.kind = ERROR_STATE, .operation = operation};
    return errors_raise_failure(ring_state(self), &failure,
                                PyUnicode_FromFormat("%s: %s", operation, what));
}

static int
raise_taken(RingObject *self, const char *operation)
{
    struct failure failure = {.kind = ERROR_STATE, .operation = operation};
    const char *verb = self->ring.found_end == RING_WRITER ? "writes to" : "reads from";
    return errors_raise_failure(ring_state(self), &failure,
        PyUnicode_FromFormat("%s: another RingBuffer %s these items, in process %d; close that one "
                             "first", operation, verb, self->ring.found_process));
}

static int
raise_system(RingObject *self, const char *operation)
{
    char text[128];
    env_describe_error(self->ring.system_error, text, sizeof text);
    PyErr_Format(PyExc_OSError, "%s: %s", operation, text);
    return -1;
}

static int
raise_opening(RingObject *self, int error, const char *operation)
{
    const struct ring *r = &self->ring;
    if (error == RING_NO_ITEMS)
        PyErr_Format(PyExc_ValueError, "%s: capacity and item size must be at least 1", operation);
    else if (error == RING_TOO_LARGE)
        PyErr_Format(PyExc_ValueError, "%s: no RingBuffer can have %zu items", operation,
                     r->failed_size);
    else if (error == RING_TOO_SMALL)
        PyErr_Format(PyExc_ValueError, "%s: a Section for as many items must have %zu bytes, and "
                                       "this one has %zu", operation, r->failed_size,
                     r->found_size);
    else if (error == RING_MISMATCH)
        PyErr_Format(PyExc_ValueError, "%s: the items in this Section have %zu bytes, not %zu",
                     operation, r->found_size, r->failed_size);
    else
        PyErr_Format(PyExc_ValueError, "%s: the Section holds something else than a RingBuffer",
                     operation);
    return -1;
}

static int
raise_other_items(RingObject *self, const char *operation)
{
    PyErr_Format(PyExc_ValueError, "%s: the items in this Section are '%s', and not '%s'; give the "
                                   "dtype that it was made with", operation,
                 self->ring.found_format, Ring_format(self));
    return -1;
}

static int
raise_full(RingObject *self, const char *operation)
{
    const struct ring *r = &self->ring;
    if (r->failed_size > r->capacity)
        PyErr_Format(PyExc_IndexError, "%s: the RingBuffer is never so full: %zu items are more than "
                                       "its capacity, %zu", operation, r->failed_size, r->capacity);
    else
        PyErr_Format(PyExc_IndexError, "%s: the RingBuffer is too full: there is room for %zu of its "
                                       "%zu items, and %zu are needed; take some out, or make it "
                                       "with overwrite=True", operation, r->found_size, r->capacity,
                     r->failed_size);
    return -1;
}

static int
raise_short(RingObject *self, const char *operation)
{
    PyErr_Format(PyExc_ValueError, "%s: the RingBuffer has fewer items than %zu: %zu", operation,
                 self->ring.failed_size, self->ring.found_size);
    return -1;
}

int
Ring_raise(RingObject *self, int error, const char *operation)
{
    switch ((enum ring_error)error) {
    case RING_OK:
    case RING_TIMED_OUT:
        break;
    case RING_NO_ITEMS:
    case RING_TOO_LARGE:
    case RING_TOO_SMALL:
    case RING_FOREIGN:
    case RING_MISMATCH:
        return raise_opening(self, error, operation);
    case RING_OTHER_ITEMS:
        return raise_other_items(self, operation);
    case RING_SECTION:
        return Section_raise(ring_state(self), &as_section(self->section)->section,
                             self->ring.section_error, operation, NULL);
    case RING_SYSTEM:
        return raise_system(self, operation);
    case RING_CLOSED:
        return raise_state(self, operation, "the RingBuffer is closed");
    case RING_BUSY:
    case RING_ENDED:
        return raise_state(self, operation,
                           "another thread has closed this RingBuffer; a thread with one of its own, "
                           "RingBuffer(section=ring.section), gets EOFError after the last item");
    case RING_TAKEN:
        return raise_taken(self, operation);
    case RING_VIEWED:
        PyErr_Format(PyExc_BufferError, "%s: a view shows items that would be taken away; release() "
                                        "or delete it first", operation);
        return -1;
    case RING_FULL:
        return raise_full(self, operation);
    case RING_SHORT:
        return raise_short(self, operation);
    case RING_CORRUPT:
        return raise_state(self, operation, "somebody has written to the RingBuffer's own part of "
                                            "the Section");
    case RING_GONE:
        PyErr_Format(PyExc_EOFError, "%s: whoever had the other end has left", operation);
        return -1;
    }
    PyErr_SetString(PyExc_SystemError, "growable: an error that is none");
    return -1;
}

PyObject *
Ring_result(RingObject *self, int error, const char *operation)
{
    if (error == RING_OK)
        Py_RETURN_NONE;
    Ring_raise(self, error, operation);
    return NULL;
}

int
Ring_raise_writing(RingObject *self, int error, const char *operation)
{
    if (error == -1)
        return -1;
    if (error != RING_GONE)
        return Ring_raise(self, error, operation);
    PyErr_Format(PyExc_BrokenPipeError, "%s: whoever read has left", operation);
    return -1;
}
