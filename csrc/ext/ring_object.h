/* ring_object.h - the struct behind growable.RingBuffer, and what its files share.
 *
 * Methods have one order: arguments are converted, which may run foreign code; memory for the result
 * is taken, which may run the garbage collector; then the ring is looked at, and from there to the
 * end nothing foreign runs.
 *
 * Each method first makes the ends its own that it needs, and so may be refused where another
 * process has them. Within one process that nobody shares the ring with, that is one comparison.
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
    PyObject *format;     /* what the items are, as text; NULL for bytes */
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

/* What the items are, as text. Bytes are to NumPy what it calls by that. NULL with an exception. */
static inline const char *
Ring_format(RingObject *self)
{
    return self->format == NULL ? "|u1" : PyUnicode_AsUTF8(self->format);
}

/* Returns `error`, which is about that many items where there are, or is room for, `found`. */
static inline int
Ring_fail(RingObject *self, int error, size_t wanted, size_t found)
{
    self->ring.failed_size = wanted;
    self->ring.found_size = found;
    return error;
}

/* For who writes: a reader that is gone is a BrokenPipeError, and -1 has its exception already. */
int Ring_raise_writing(RingObject *self, int error, const char *operation);

/* For `return`: None, or NULL after an error. */
PyObject *Ring_result(RingObject *self, int error, const char *operation);

/* Makes the ends ours. 0, or -1 with an exception. */
static inline int
Ring_claim(RingObject *self, unsigned ends, const char *operation)
{
    int error = ring_claim(&self->ring, ends);
    return error == RING_OK ? 0 : Ring_raise(self, error, operation);
}

/* The items that there are now. 0, or -1 with an exception. */
static inline int
Ring_look(RingObject *self, struct ring_items *items, const char *operation)
{
    int error = ring_look(&self->ring, items);
    return error == RING_OK ? 0 : Ring_raise(self, error, operation);
}

/* ring_args.c: converters for "O&". */
enum { RING_ALL = -1 };
int Ring_count(PyObject *value, void *count);         /* a Py_ssize_t from 0 up; None is RING_ALL */
int Ring_timeout(PyObject *value, void *nanoseconds); /* a uint64_t, of seconds; None: for ever */

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

/* The same of all items. */
PyObject *Ring_view_all(RingObject *self, const char *operation);

/* Memory that holds items, as bytes or as an ndarray. Steals `bytes`, which may be NULL. */
PyObject *Ring_wrap(RingObject *self, PyObject *bytes);

PyObject *Ring_view(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
int Ring_getbuffer(PyObject *op, Py_buffer *buffer, int flags);
void Ring_releasebuffer(PyObject *op, Py_buffer *buffer);

/* ring_wait.c: an enum ring_error; or -1 with an exception, of a signal handler. */
int Ring_await(RingObject *self, enum ring_end end, size_t count, uint64_t nanoseconds);

/* False, with an exception, where so many items can never be there at once. */
bool Ring_can_have(RingObject *self, Py_ssize_t count, const char *operation);

PyObject *Ring_wait_readable(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Ring_wait_writable(PyObject *op, PyObject *args, PyObject *kwargs);

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

/* ring_init.c */
PyObject *Ring_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
void Ring_dealloc(PyObject *op);
PyObject *Ring_close(PyObject *op, PyObject *unused);
PyObject *Ring_enter(PyObject *op, PyObject *unused);
PyObject *Ring_exit(PyObject *op, PyObject *args);

/* ring_write.c */
PyObject *Ring_write(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Ring_append(PyObject *op, PyObject *value);
PyObject *Ring_extend(PyObject *op, PyObject *values);
PyObject *Ring_appendleft(PyObject *op, PyObject *value);
PyObject *Ring_extendleft(PyObject *op, PyObject *values);
PyObject *Ring_spare(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Ring_advance(PyObject *op, PyObject *value);

/* ring_read.c */
PyObject *Ring_read(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Ring_readinto(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Ring_peek(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Ring_consume(PyObject *op, PyObject *value);
PyObject *Ring_clear(PyObject *op, PyObject *unused);

/* ring_sequence.c */
PyObject *Ring_pop(PyObject *op, PyObject *unused);
PyObject *Ring_popleft(PyObject *op, PyObject *unused);
PyObject *Ring_rotate(PyObject *op, PyObject *args);
PyObject *Ring_subscript(PyObject *op, PyObject *key);
int Ring_assign(PyObject *op, PyObject *key, PyObject *value);
Py_ssize_t Ring_length(PyObject *op);

/* ring_type.c, for module.c */
PyTypeObject *Ring_make_type(PyObject *module);

#endif
