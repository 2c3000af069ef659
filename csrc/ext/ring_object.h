/* ring_object.h - the struct behind growable.RingBuffer, and what its files share.
 *
 * Methods have one order: arguments are converted, which may run foreign code; memory for the result
 * is taken, which may run the garbage collector; then the ring is looked at, and from there to the
 * end nothing foreign runs.
 *
 * What a reader would get wrong: the numbers of items that the ring told before a wait are old after
 * it. Other threads, and signal handlers, have run meanwhile.
 */
#ifndef GROWABLE_RING_OBJECT_H
#define GROWABLE_RING_OBJECT_H

#include <Python.h>

#include "array_pack.h"
#include "errors.h"
#include "ring.h"
#include "state.h"

typedef struct {
    PyObject_HEAD
    struct ring ring;
    PyObject *module;     /* keeps the types and the errors */
    PyObject *section;    /* a SectionObject */
    PyObject *dtype;      /* NULL: the items are bytes */
    PyObject *convert;    /* NULL, or a function: values, whether one -> their bytes */
    PyObject *frombuffer; /* numpy's, or NULL */
    PyObject *weakrefs;
    pack_function pack;   /* NULL where NumPy has to convert */
    uint64_t lent;        /* the index after the last item that spare() lent */
    bool plain;           /* the items are no arrays themselves */
    bool overwrite;
} RingObject;

static inline RingObject *
as_ring(PyObject *op)
{
    return (RingObject *)op;
}

static inline struct module_state *
ring_state(const RingObject *self)
{
    return PyModule_GetState(self->module);
}

/* ring_errors.c: raises what an enum ring_error means. Always returns -1. */
int Ring_raise(RingObject *self, int error, const char *operation);

/* ring_view.c */
PyTypeObject *RingView_make_type(PyObject *module);

/* Which items a view shows, given a ring that the caller may use. Returns an enum ring_error. */
struct ring_choice {
    struct ring_items items;
    size_t skip, count;
};
typedef int (*ring_chooser)(RingObject *self, void *argument, struct ring_choice *choice);

/* A memoryview or an ndarray of the items that `choose` picks. */
PyObject *Ring_view_of(RingObject *self, ring_chooser choose, void *argument,
                       const char *operation);

/* A copy, as bytes or as an ndarray, of memory that holds `count` items. */
PyObject *Ring_wrap(RingObject *self, PyObject *bytes);

/* ring_wait.c: a time-out in seconds, None for ever. A converter for "O&" into a uint64_t. */
int Ring_timeout(PyObject *value, void *nanoseconds);

/* An enum ring_error; or -1 with an exception, of a signal handler. */
int Ring_await(RingObject *self, enum ring_end end, size_t count, uint64_t nanoseconds);

/* ring_items.c: the bytes of an argument that holds items. */
struct ring_payload {
    const char *start;
    size_t count; /* items */
    Py_buffer buffer;
    PyObject *owner;
    char scratch[PACK_LARGEST];
};

int Ring_payload_many(RingObject *self, PyObject *values, bool iterables,
                      struct ring_payload *payload);
int Ring_payload_one(RingObject *self, PyObject *value, struct ring_payload *payload);
void Ring_payload_drop(struct ring_payload *payload);

/* ring_type.c, for module.c */
PyTypeObject *Ring_make_type(PyObject *module);

#endif
