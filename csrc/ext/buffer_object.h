/* buffer_object.h - the struct behind growable.Buffer, and the gates every method goes through.
 *
 * Three counts say what may happen to the storage now:
 *   exports   live Py_buffers; nothing may move, shrink or be removed, but the end may grow
 *   pins      base methods running; nothing may change at all (and exports of contents still on
 *             the heap, which such a method takes of its own operands, do not promote them);
 *             other Buffers among a method's arguments are pinned with its own where no foreign
 *             code can run
 *   lent      the tail that spare() gave out (in the buffer's rest)
 *
 * Programs keep these by the million, so each byte of the struct counts; what few of them have is in
 * the rest (core/rest.h).
 *
 * What a reader would get wrong: foreign code (an iterator, __index__, __buffer__, a warning) may
 * change the buffer. So arguments are converted first, then a gate is passed, and from the gate to
 * the end of the change nothing foreign runs.
 */
#ifndef GROWABLE_BUFFER_OBJECT_H
#define GROWABLE_BUFFER_OBJECT_H

#include <Python.h>

#include "bytearray_layout.h"
#include "errors.h"
#include "state.h"

/* Each holds a reference to the module, and so keeps the environment: see state_of. */
typedef struct {
    PyByteArrayObject base;
    int32_t pins;
    uint32_t tails : 31; /* exports of the lent tail, among the others */
    uint32_t initialized : 1;
    struct buffer buffer;
    PyObject *weakrefs;
} BufferObject;

static inline BufferObject *
as_buffer(PyObject *op)
{
    return (BufferObject *)op;
}

static inline struct module_state *
state_of(const BufferObject *self)
{
    return (struct module_state *)self->buffer.env->context;
}

/* Borrowed; NULL for none. */
static inline PyObject *
name_of(const BufferObject *self)
{
    return buffer_has_rest(&self->buffer) ? self->buffer.rest->name_owner : NULL;
}

/* Whether `op` is a Buffer of the same interpreter as `self`. */
static inline bool
is_buffer(const BufferObject *self, PyObject *op)
{
    return PyObject_TypeCheck(op, state_of(self)->buffer_type);
}

static inline bool
is_movable(const BufferObject *self)
{
    return layout_exports(&self->base) == 0 && self->pins == 0;
}

static inline void
show_base(BufferObject *self)
{
    layout_point(&self->base, self->buffer.start, self->buffer.length);
}

/* The slow part of the gate to growth. */
int Buffer_grow(BufferObject *self, size_t extra, const char *operation);

/* The gate to growth at the end: afterwards `extra` bytes fit. 0, or -1 with an exception. */
static inline int
gate_grow(BufferObject *self, size_t extra, const char *operation)
{
    const struct buffer *b = &self->buffer;
    if (LIKELY(self->pins == 0 && extra <= b->limit - b->length))
        return 0;
    return Buffer_grow(self, extra, operation);
}

/* Raises what `error`, a result of a function of buffer.h, means. Always returns -1. */
int Buffer_fail(const BufferObject *self, int error, const char *operation);

/* Raises what a frozen or released buffer raises. Always returns -1. */
int Buffer_refuse(const BufferObject *self, const char *operation);

/* The gate to writing in place. */
static inline int
gate_write(const BufferObject *self, const char *operation)
{
    const struct buffer *b = &self->buffer;
    return b->frozen || b->released ? Buffer_refuse(self, operation) : 0;
}

/* The gate to reading. */
static inline int
gate_read(const BufferObject *self, const char *operation)
{
    return self->buffer.released ? Buffer_refuse(self, operation) : 0;
}

/* The gate to what moves or removes bytes. */
int gate_move(BufferObject *self, const char *operation);

/* In debug builds, the invariants. */
#ifdef NDEBUG
#define assert_valid(self) ((void)0)
#else
#define assert_valid(self) assert(buffer_check(&(self)->buffer))
#endif

/* Adds n bytes, which may be our own. */
int Buffer_append_bytes(BufferObject *self, const char *bytes, size_t n, const char *operation);

/* Puts n bytes, which are not our own unless they are exported, in the place of [lo, hi). */
int Buffer_replace(BufferObject *self, size_t lo, size_t hi, const char *bytes, size_t n,
                   const char *operation);

/* Lends the n bytes past the end, as a memoryview. */
PyObject *Buffer_lend(BufferObject *self, size_t n, const char *operation);

/* Whether nothing was ever put into it, and its storage is still to be chosen. */
bool Buffer_is_new(const BufferObject *self);

/* Gives a new Buffer its capacity. */
int Buffer_set_capacity(BufferObject *self, size_t capacity, const char *operation);

/* buffer_type.c, for module.c */
PyObject *Buffer_make_type(PyObject *module, struct module_state *state);

/* The state of the module that made a type or a base of it, or NULL with an exception. */
struct module_state *Buffer_state_of_type(PyTypeObject *type);

/* Calls a type through its tp_new and tp_init, from a vectorcall of its own. */
PyObject *Buffer_call_type(PyObject *type, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *kwnames);

/* Method tables of the other files, joined in buffer_type.c. */
PyObject *Buffer_append(PyObject *op, PyObject *item);
PyObject *Buffer_extend(PyObject *op, PyObject *iterable);
PyObject *Buffer_insert(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *Buffer_pop(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *Buffer_remove(PyObject *op, PyObject *value);
PyObject *Buffer_clear(PyObject *op, PyObject *unused);
PyObject *Buffer_reverse(PyObject *op, PyObject *unused);
PyObject *Buffer_resize(PyObject *op, PyObject *size);
PyObject *Buffer_take_bytes(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *Buffer_inplace_add(PyObject *op, PyObject *other);
PyObject *Buffer_inplace_repeat(PyObject *op, Py_ssize_t count);
PyObject *Buffer_inplace_multiply(PyObject *op, PyObject *count);
int Buffer_ass_item(PyObject *op, Py_ssize_t i, PyObject *value);
int Buffer_ass_subscript(PyObject *op, PyObject *index, PyObject *values);

PyObject *Buffer_spare(PyObject *op, PyObject *size);
PyObject *Buffer_advance(PyObject *op, PyObject *count);
PyObject *Buffer_read_from(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Buffer_ensure(PyObject *op, PyObject *size);

/* The contents, past a __bytes__ of a subclass. */
PyObject *Buffer_bytes(PyObject *op, PyObject *unused);

PyObject *Buffer_reduce_ex(PyObject *op, PyObject *protocol);
PyObject *Buffer_reduce(PyObject *op, PyObject *unused);
PyObject *Buffer_copy(PyObject *op, PyObject *unused);
PyObject *Buffer_deepcopy(PyObject *op, PyObject *memo);
PyObject *Buffer_rebuild(PyObject *module, PyObject *args);

/* Options as Python passed them, or NULL. */
struct buffer_options {
    PyObject *capacity;
    PyObject *huge_pages;
    PyObject *name;
};

/* Initialises `op` as Buffer(source, ...) would. */
int Buffer_initialize(PyObject *op, PyObject *source, const char *encoding, const char *errors,
                      const struct buffer_options *options);

/* The same with the bytes of a bytes-like object, whatever else it may be. */
int Buffer_initialize_copy(PyObject *op, PyObject *source, const struct buffer_options *options);
PyObject *Buffer_allocate(PyTypeObject *type, struct module_state *state);
PyObject *Buffer_huge_pages_setting(const BufferObject *self);

#endif
