/* buffer_type.c - growable.Buffer: lifecycle, slots over the base class, attributes, the type.
 *
 * What a reader would get wrong: reading is the base class's work, on our memory. The slots here
 * only pin the buffer around it and refuse a released one; what changes the length is in
 * buffer_mutate.c, and no slot of the base that resizes is inherited.
 */
#include "content.h"
#include "pinned.h"
#include "tail.h"

#include <stddef.h>

#if PY_VERSION_HEX < 0x030c0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

enum { REPR_LIMIT = 256, REPR_PART = 32 };

/* Lifecycle. */

struct module_state *
Buffer_state_of_type(PyTypeObject *type)
{
    if (type->tp_mro == NULL) { /* the garbage collector was here, and a finalizer calls */
        PyErr_Format(PyExc_TypeError, "the type %.200s is gone", type->tp_name);
        return NULL;
    }
    PyObject *module = PyType_GetModuleByDef(type, &growable_module);
    return module == NULL ? NULL : PyModule_GetState(module);
}

static PyObject *
Buffer_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    struct module_state *state = Buffer_state_of_type(type);
    return state == NULL ? NULL : Buffer_allocate(type, state);
}

static int
init_with(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"source", "encoding", "errors", "capacity", "huge_pages", "name",
                               NULL};
    PyObject *source = NULL;
    const char *encoding = NULL, *errors = NULL;
    struct buffer_options options = {NULL, NULL, NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Ozz$OOO:Buffer", keywords, &source, &encoding,
                                     &errors, &options.capacity, &options.huge_pages,
                                     &options.name))
        return -1;
    return Buffer_initialize(op, source, encoding, errors, &options);
}

/* The caller's dict may be in reach of the code that converting an argument runs. */
static int
Buffer_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    if (kwargs == NULL)
        return init_with(op, args, NULL);
    PyObject *held = PyDict_Copy(kwargs);
    int result = held == NULL ? -1 : init_with(op, args, held);
    Py_XDECREF(held);
    return result;
}

static PyObject *
pack_keywords(PyObject *const *values, PyObject *names)
{
    PyObject *kwargs = PyDict_New();
    for (Py_ssize_t i = 0; kwargs != NULL && i < PyTuple_GET_SIZE(names); i++)
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(names, i), values[i]) < 0)
            Py_CLEAR(kwargs);
    return kwargs;
}

static PyObject *
pack_arguments(PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *tuple = PyTuple_New(nargs);
    for (Py_ssize_t i = 0; tuple != NULL && i < nargs; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    return tuple;
}

PyObject *
Buffer_call_type(PyObject *type, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    PyObject *tuple = pack_arguments(args, nargs), *op = NULL;
    PyObject *kwargs = kwnames == NULL ? NULL : pack_keywords(args + nargs, kwnames);
    if (tuple != NULL && (kwargs != NULL || kwnames == NULL))
        op = PyType_Type.tp_call(type, tuple, kwargs);
    Py_XDECREF(tuple);
    Py_XDECREF(kwargs);
    return op;
}

/* Bytes that fit into the object need nothing else. */
static bool
fill_with_few(BufferObject *self, PyObject *source)
{
    if (!PyBytes_CheckExact(source) || PyBytes_GET_SIZE(source) >= BUFFER_BLOCK)
        return false;
    size_t n = (size_t)PyBytes_GET_SIZE(source);
    if (n > 0)
        memcpy(buffer_take_in(&self->buffer, n), PyBytes_AS_STRING(source), n);
    show_base(self);
    return true;
}

/* Buffer() and Buffer(source) need no tuple. */
static HOT PyObject *
Buffer_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const struct buffer_options none = {NULL, NULL, NULL};
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs > 1 || kwnames != NULL)
        return Buffer_call_type(type, args, nargs, kwnames);
    struct module_state *state = PyType_GetModuleState((PyTypeObject *)type);
    PyObject *op = state == NULL ? NULL : Buffer_allocate((PyTypeObject *)type, state);
    if (op == NULL)
        return NULL;
    if (nargs == 1 && !fill_with_few(as_buffer(op), args[0]) &&
        Buffer_initialize(op, args[0], NULL, NULL, &none) < 0) {
        Py_DECREF(op);
        return NULL;
    }
    as_buffer(op)->initialized = true;
    return op;
}

/* Never reaches the base's, which would free storage that is not its own. */
static HOT void
Buffer_dealloc(PyObject *op)
{
    BufferObject *self = as_buffer(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject *module = state_of(self)->module, *name = name_of(self);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    buffer_free(&self->buffer);
    layout_detach(&self->base);
    type->tp_free(op);
    Py_XDECREF(name);
    Py_DECREF(type);
    Py_DECREF(module);
}

/* The buffer protocol. */

/* The address is about to be known. While a base method runs, the plain exports that it takes of its
 * operands leave small contents where they are: they end before it does. */
static void
prepare_export(BufferObject *self, int flags)
{
    if (self->buffer.tier == BUFFER_RESERVED || layout_exports(&self->base) > 0)
        return;
    if (self->pins > 0 && flags == PyBUF_SIMPLE)
        return;
    buffer_promote(&self->buffer, true);
    show_base(self);
}

static HOT int
Buffer_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    BufferObject *self = as_buffer(op);
    struct buffer *b = &self->buffer;
    if (view == NULL) {
        PyErr_SetString(PyExc_BufferError, "Buffer: view==NULL argument is obsolete");
        return -1;
    }
    view->obj = NULL;
    if (gate_read(self, "export") < 0)
        return -1;
    if (!b->frozen)
        prepare_export(self, flags);
    if (PyBuffer_FillInfo(view, op, b->start, (Py_ssize_t)b->length, b->frozen, flags) < 0)
        return -1;
    self->base.ob_exports++;
    return 0;
}

static HOT void
Buffer_releasebuffer(PyObject *op, Py_buffer *view)
{
    BufferObject *self = as_buffer(op);
    self->base.ob_exports--;
    if (view->internal == Tail_mark && --self->tails == 0)
        buffer_settle(&self->buffer);
}

/* Slots that read. */

static void
pin(const BufferObject *self, PyObject *op, int32_t by)
{
    if (is_buffer(self, op))
        as_buffer(op)->pins += by;
}

static int
gate_read_operand(const BufferObject *self, PyObject *op)
{
    return is_buffer(self, op) ? gate_read(as_buffer(op), "read") : 0;
}

static HOT Py_ssize_t
Buffer_length(PyObject *op)
{
    const BufferObject *self = as_buffer(op);
    return gate_read(self, "len") < 0 ? -1 : (Py_ssize_t)self->buffer.length;
}

/* A released Buffer has no items, so what it raises can wait until none was found. */
static PyObject *
Buffer_item(PyObject *op, Py_ssize_t i)
{
    const BufferObject *self = as_buffer(op);
    if ((size_t)i < self->buffer.length)
        return PyLong_FromLong((unsigned char)self->buffer.start[i]);
    if (gate_read(self, "index") == 0)
        PyErr_SetString(PyExc_IndexError, "bytearray index out of range");
    return NULL;
}

static PyObject *
Buffer_subscript(PyObject *op, PyObject *index)
{
    BufferObject *self = as_buffer(op);
    long small = small_int(index);
    if (small >= 0)
        return Buffer_item(op, small);
    if (PyIndex_Check(index)) {
        Py_ssize_t i = PyNumber_AsSsize_t(index, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred())
            return NULL;
        return Buffer_item(op, i < 0 ? i + (Py_ssize_t)self->buffer.length : i);
    }
    if (gate_read(self, "index") < 0)
        return NULL;
    self->pins++;
    PyObject *result = PyByteArray_Type.tp_as_mapping->mp_subscript(op, index);
    self->pins--;
    return result;
}

static int
Buffer_contains(PyObject *op, PyObject *item)
{
    BufferObject *self = as_buffer(op);
    if (gate_read(self, "in") < 0)
        return -1;
    self->pins++;
    pin(self, item, 1);
    int result = PyByteArray_Type.tp_as_sequence->sq_contains(op, item);
    pin(self, item, -1);
    self->pins--;
    return result;
}

static PyObject *
Buffer_concat(PyObject *op, PyObject *other)
{
    BufferObject *self = as_buffer(op);
    if (gate_read(self, "+") < 0 || gate_read_operand(self, other) < 0)
        return NULL;
    self->pins++;
    pin(self, other, 1);
    PyObject *result = PyByteArray_Type.tp_as_sequence->sq_concat(op, other);
    pin(self, other, -1);
    self->pins--;
    return result;
}

/* Of any interpreter, and of any subclass. */
static bool
is_any_buffer(PyObject *op)
{
    const PyTypeObject *type = Py_TYPE(op);
    while (type != NULL && type->tp_dealloc != Buffer_dealloc)
        type = type->tp_base;
    return type != NULL;
}

static bool
inherits_radd(PyObject *op)
{
    PyObject *method = PyObject_GetAttrString((PyObject *)Py_TYPE(op), "__radd__");
    bool inherited = method != NULL && Py_IS_TYPE(method, &PyWrapperDescr_Type);
    if (method == NULL)
        PyErr_Clear();
    Py_XDECREF(method);
    return inherited;
}

static PyObject *Buffer_add(PyObject *left, PyObject *right);

static binaryfunc
addition_of(PyObject *op)
{
    const PyNumberMethods *number = Py_TYPE(op)->tp_as_number;
    return number == NULL ? NULL : number->nb_add;
}

/* What the interpreter would ask between a bytearray's addition, which there is none of, and its
 * concatenation: the addition of the right operand. NULL if there is none or it was asked before. */
static binaryfunc
addition_to_ask(PyObject *left, PyObject *right)
{
    binaryfunc add = addition_of(right);
    if (add == NULL || add == Buffer_add || addition_of(left) != Buffer_add)
        return NULL;
    if (is_any_buffer(right) && (PyType_IsSubtype(Py_TYPE(right), Py_TYPE(left)) ||
                                 inherits_radd(right)))
        return NULL;
    return add;
}

/* A subclass that exports something else (PEP 688) is asked for that. */
static bool
exports_itself(PyObject *op)
{
    return Py_TYPE(op)->tp_as_buffer->bf_getbuffer == Buffer_getbuffer;
}

static PyObject *
append_to_bytes(PyObject *left, const struct buffer *b)
{
    size_t n = (size_t)PyBytes_GET_SIZE(left);
    if (b->length == 0)
        return Py_NewRef(left);
    if (b->length > (size_t)PY_SSIZE_T_MAX - n)
        return PyErr_NoMemory();
    PyObject *sum = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n + b->length));
    if (sum == NULL)
        return NULL;
    memcpy(PyBytes_AS_STRING(sum), PyBytes_AS_STRING(left), n);
    memcpy(PyBytes_AS_STRING(sum) + n, b->start, b->length);
    return sum;
}

/* In a subclass made by a class statement the interpreter finds no concatenation beside this (both
 * are called __add__), so it leaves nothing to be tried after it. */
static PyObject *
add_to_buffer(PyObject *left, PyObject *right)
{
    binaryfunc add = addition_to_ask(left, right);
    PyObject *sum = add == NULL ? NULL : add(left, right);
    if (add != NULL && sum != Py_NotImplemented)
        return sum;
    Py_XDECREF(sum);
    return Buffer_concat(left, right);
}

/* Python calls this with the Buffer on the right too, before bytes' own concatenation, which would
 * export it. A bytearray on the left is left alone: its += asks here first, and has to stay in place. */
static PyObject *
Buffer_add(PyObject *left, PyObject *right)
{
    if (is_any_buffer(left))
        return add_to_buffer(left, right);
    if (!PyBytes_CheckExact(left) || !exports_itself(right) ||
        as_buffer(right)->buffer.released)
        Py_RETURN_NOTIMPLEMENTED;
    return append_to_bytes(left, &as_buffer(right)->buffer);
}

static PyObject *
Buffer_repeat(PyObject *op, Py_ssize_t count)
{
    if (gate_read(as_buffer(op), "*") < 0)
        return NULL;
    return PyByteArray_Type.tp_as_sequence->sq_repeat(op, count);
}

/* Python may call this with the Buffer on the right. */
static PyObject *
Buffer_remainder(PyObject *left, PyObject *right)
{
    if (!is_any_buffer(left))
        Py_RETURN_NOTIMPLEMENTED;
    BufferObject *self = as_buffer(left);
    if (gate_read(self, "%") < 0)
        return NULL;
    self->pins++;
    PyObject *result = PyByteArray_Type.tp_as_number->nb_remainder(left, right);
    self->pins--;
    return result;
}

/* A released Buffer equals only itself, like a released memoryview. */
static PyObject *
Buffer_richcompare(PyObject *op, PyObject *other, int comparison)
{
    BufferObject *self = as_buffer(op);
    bool closed = self->buffer.released ||
                  (is_buffer(self, other) && as_buffer(other)->buffer.released);
    if (closed && (comparison == Py_EQ || comparison == Py_NE))
        return PyBool_FromLong((op == other) == (comparison == Py_EQ));
    if (closed) {
        Buffer_refuse(self->buffer.released ? self : as_buffer(other), "compare");
        return NULL;
    }
    self->pins++;
    pin(self, other, 1);
    PyObject *result = PyByteArray_Type.tp_richcompare(op, other, comparison);
    pin(self, other, -1);
    self->pins--;
    return result;
}

static PyObject *
Buffer_iter(PyObject *op)
{
    return gate_read(as_buffer(op), "iter") < 0 ? NULL : PyByteArray_Type.tp_iter(op);
}

/* repr. */

static PyObject *
repr_of_part(const struct buffer *b, size_t at, size_t n)
{
    PyObject *part = PyBytes_FromStringAndSize(b->start + at, (Py_ssize_t)n);
    PyObject *repr = part == NULL ? NULL : PyObject_Repr(part);
    Py_XDECREF(part);
    return repr;
}

static PyObject *
repr_shortened(const struct buffer *b)
{
    PyObject *head = repr_of_part(b, 0, REPR_PART);
    PyObject *tail = repr_of_part(b, b->length - REPR_PART, REPR_PART), *repr = NULL;
    if (head != NULL && tail != NULL)
        repr = PyUnicode_FromFormat("<growable.Buffer of %zu bytes: %U ... %U>", b->length, head,
                                    tail);
    Py_XDECREF(head);
    Py_XDECREF(tail);
    return repr;
}

static PyObject *
Buffer_repr(PyObject *op)
{
    const struct buffer *b = &as_buffer(op)->buffer;
    if (b->released)
        return PyUnicode_FromString("<released growable.Buffer>");
    return b->length > REPR_LIMIT ? repr_shortened(b) : PyByteArray_Type.tp_repr(op);
}

static int
warn_about_str(void)
{
    PyObject *flags = PySys_GetObject("flags"); /* borrowed */
    PyObject *level = flags == NULL ? NULL : PyObject_GetAttrString(flags, "bytes_warning");
    long warn = level == NULL ? -1 : PyLong_AsLong(level);
    Py_XDECREF(level);
    if (warn == -1 && PyErr_Occurred())
        return -1;
    return warn <= 0 ? 0 : PyErr_WarnEx(PyExc_BytesWarning, "str() on a bytearray instance", 1);
}

static PyObject *
Buffer_str(PyObject *op)
{
    return warn_about_str() < 0 ? NULL : Buffer_repr(op);
}

/* bytes(b) looks here before it asks for an export, which would give a small buffer pages of its own. */
PyObject *
Buffer_bytes(PyObject *op, PyObject *Py_UNUSED(unused))
{
    const BufferObject *self = as_buffer(op);
    if (!exports_itself(op))
        return PyBytes_FromObject(op);
    if (gate_read(self, "bytes") < 0)
        return NULL;
    return PyBytes_FromStringAndSize(self->buffer.start, (Py_ssize_t)self->buffer.length);
}

/* State and memory. */

static PyObject *
Buffer_freeze(PyObject *op, PyObject *Py_UNUSED(unused))
{
    BufferObject *self = as_buffer(op);
    struct buffer *b = &self->buffer;
    if (gate_read(self, "freeze") < 0)
        return NULL;
    if (!b->frozen && !is_movable(self)) {
        PyErr_Format(PyExc_BufferError, "freeze: %zd writable exports are alive; release them "
                                        "first", layout_exports(&self->base) + self->pins);
        return NULL;
    }
    int error = buffer_freeze(b);
    if (error != BUFFER_OK)
        Buffer_fail(self, error, "freeze");
    return error != BUFFER_OK ? NULL : Py_NewRef(Py_None);
}

static PyObject *
Buffer_release(PyObject *op, PyObject *Py_UNUSED(unused))
{
    BufferObject *self = as_buffer(op);
    struct buffer *b = &self->buffer;
    if (b->released)
        Py_RETURN_NONE;
    if (!is_movable(self)) {
        PyErr_Format(PyExc_BufferError, "release: %zd exports are alive; release them first",
                     layout_exports(&self->base) + self->pins);
        return NULL;
    }
    buffer_release(b);
    show_base(self);
    Py_RETURN_NONE;
}

static PyObject *
Buffer_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return gate_read(as_buffer(op), "with") < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
Buffer_exit(PyObject *op, PyObject *Py_UNUSED(args))
{
    return Buffer_release(op, NULL);
}

static PyObject *
Buffer_shrink_to_fit(PyObject *op, PyObject *Py_UNUSED(unused))
{
    BufferObject *self = as_buffer(op);
    struct buffer *b = &self->buffer;
    if (self->pins > 0 && errors_raise_exported() < 0)
        return NULL;
    int error = buffer_fit(b, is_movable(self));
    show_base(self);
    if (error != BUFFER_OK)
        Buffer_fail(self, error, "shrink_to_fit");
    assert_valid(self);
    return error != BUFFER_OK ? NULL : Py_NewRef(Py_None);
}

static PyObject *
Buffer_alloc(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromSize_t(buffer_memory(&as_buffer(op)->buffer));
}

static PyObject *
Buffer_sizeof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    const struct buffer *b = &as_buffer(op)->buffer;
    size_t rest = buffer_has_rest(b) ? sizeof *b->rest : 0;
    size_t outside = b->tier == BUFFER_SMALL ? 0 : buffer_memory(b);
    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize + rest + outside);
}

/* Attributes. */

static PyObject *
get_capacity(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(buffer_capacity(&as_buffer(op)->buffer));
}

static PyObject *
get_committed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(buffer_committed(&as_buffer(op)->buffer));
}

/* Whoever asks may keep the number, so nothing moves from here on. */
static PyObject *
get_address(PyObject *op, void *Py_UNUSED(closure))
{
    BufferObject *self = as_buffer(op);
    struct buffer *b = &self->buffer;
    if (gate_read(self, "address") < 0)
        return NULL;
    if (is_movable(self) && !b->frozen) {
        buffer_promote(b, true);
        show_base(self);
    }
    b->pinned = true;
    return PyLong_FromVoidPtr(b->start);
}

static PyObject *
get_exports(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(layout_exports(&as_buffer(op)->base));
}

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *name = name_of(as_buffer(op));
    return Py_NewRef(name == NULL ? Py_None : name);
}

/* The type. */

PyDoc_STRVAR(buffer_doc,
"Buffer(source=b'', encoding=None, errors=None, *, capacity=None, huge_pages='auto', name=None)\n"
"--\n\n"
"A bytearray that grows in place and never moves while it is exported.\n\n"
"Parameters\n----------\n"
"source, encoding, errors\n    As for bytearray.\n"
"capacity : int, optional\n"
"    Bytes that can be had without ever moving, and the most that the Buffer holds. Without it\n"
"    the storage moves when it is outgrown and nothing is exported.\n"
"huge_pages : 'auto', True or False\n"
"    Whether to ask the system for huge pages; 'auto' does so for large contents.\n"
"name : str, optional\n    Shown by the system beside the pages, where it can (Linux 5.17).\n\n"
"Raises\n------\n"
"ReservationError\n    If the addresses for `capacity` cannot be reserved.\n"
"CapacityError\n    If the source is larger than the capacity.\n"
"UnsupportedError\n    If huge_pages is True and the system has none.\n"
"MemoryError, CommitError\n    If there is no memory for the source.\n");

#define METHOD(name, function, flags, doc) {name, (PyCFunction)(void (*)(void))function, flags, doc}

static PyMethodDef methods[] = {
    METHOD("append", Buffer_append, METH_O,
           "append($self, item, /)\n--\n\nAppend a single item to the end of the Buffer.\n\n"
           "Works while the Buffer is exported."),
    METHOD("extend", Buffer_extend, METH_O,
           "extend($self, iterable_of_ints, /)\n--\n\n"
           "Append all the items from a bytes-like object, an iterator or a sequence.\n\n"
           "Works while the Buffer is exported. If the iterable raises, nothing is appended."),
    METHOD("insert", Buffer_insert, METH_FASTCALL,
           "insert($self, index, item, /)\n--\n\n"
           "Insert a single item before the given index.\n\n"
           "Raises BufferError if that moves bytes which are exported."),
    METHOD("pop", Buffer_pop, METH_FASTCALL,
           "pop($self, index=-1, /)\n--\n\nRemove and return a single item.\n\n"
           "Raises IndexError if there is none, BufferError while exported."),
    METHOD("remove", Buffer_remove, METH_O,
           "remove($self, value, /)\n--\n\nRemove the first occurrence of a value.\n\n"
           "Raises ValueError if there is none, BufferError while exported."),
    METHOD("clear", Buffer_clear, METH_NOARGS,
           "clear($self, /)\n--\n\nRemove all items. Raises BufferError while exported."),
    METHOD("reverse", Buffer_reverse, METH_NOARGS,
           "reverse($self, /)\n--\n\nReverse the order of the values in place."),
    METHOD("resize", Buffer_resize, METH_O,
           "resize($self, size, /)\n--\n\n"
           "Set the length to `size` bytes; new bytes are zero (as bytearray.resize of Python 3.14).\n\n"
           "Raises ValueError for a negative size, BufferError if it shrinks while exported."),
    METHOD("take_bytes", Buffer_take_bytes, METH_FASTCALL,
           "take_bytes($self, n=None, /)\n--\n\n"
           "Take the first n bytes out and return them as bytes (as bytearray.take_bytes of Python\n"
           "3.15). A negative n counts from the end; None takes all.\n\n"
           "Raises IndexError if there are fewer, BufferError while exported."),
    METHOD("ensure", Buffer_ensure, METH_O,
           "ensure($self, n, /)\n--\n\n"
           "Commit room for n more bytes now: appending them cannot be refused afterwards.\n\n"
           "Raises CommitError, CapacityError or MemoryError now rather than later, and BufferError\n"
           "if they can only be had by moving while exported."),
    METHOD("spare", Buffer_spare, METH_O,
           "spare($self, n, /)\n--\n\n"
           "A writable memoryview of n zeroed bytes past the end, to be filled by recv_into,\n"
           "readinto or C code and then taken in by advance().\n\n"
           "Any other change of the length takes them back. The view counts as an export.\n"
           "Raises as ensure() does."),
    METHOD("advance", Buffer_advance, METH_O,
           "advance($self, k, /)\n--\n\n"
           "Take the first k of the bytes that spare() lent into the Buffer.\n\n"
           "Raises ValueError if they were not lent or something else took them back."),
    METHOD("read_from", Buffer_read_from, METH_VARARGS | METH_KEYWORDS,
           "read_from($self, /, source, size=-1)\n--\n\n"
           "Append what a file (readinto), a socket (recv_into) or a file descriptor gives, without\n"
           "a copy in between.\n\n"
           "Parameters\n----------\n"
           "source : file object, socket or int\n"
           "size : int\n    With size >= 0 one read of at most that many bytes, which may be short;\n"
           "    otherwise reads to the end, or until the capacity is reached.\n\n"
           "Returns\n-------\n"
           "int or None\n    Bytes appended; 0 at the end; None if a non-blocking source has nothing.\n\n"
           "Raises\n------\n"
           "OSError\n    From the source, or if it reports an impossible count. Bytes of the reads\n"
           "    before stay.\n"
           "TypeError\n    If the source can do none of the above."),
    METHOD("shrink_to_fit", Buffer_shrink_to_fit, METH_NOARGS,
           "shrink_to_fit($self, /)\n--\n\n"
           "Give back memory that the contents do not need. While exported nothing moves."),
    METHOD("freeze", Buffer_freeze, METH_NOARGS,
           "freeze($self, /)\n--\n\n"
           "Make the Buffer read-only for good, by page protection where it has pages of its own.\n\n"
           "Raises BufferError while a writable export lives."),
    METHOD("release", Buffer_release, METH_NOARGS,
           "release($self, /)\n--\n\n"
           "Give all memory back. Using the Buffer afterwards raises StateError.\n\n"
           "Raises BufferError while exported."),
    METHOD("__enter__", Buffer_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn self."),
    METHOD("__exit__", Buffer_exit, METH_VARARGS,
           "__exit__($self, exc_type=None, exc=None, traceback=None, /)\n--\n\nRelease."),
    METHOD("__reduce__", Buffer_reduce, METH_NOARGS,
           "__reduce__($self, /)\n--\n\nHelper for pickle."),
    METHOD("__reduce_ex__", Buffer_reduce_ex, METH_O,
           "__reduce_ex__($self, protocol, /)\n--\n\n"
           "Helper for pickle; out of band under protocol 5 (PEP 574)."),
    METHOD("__copy__", Buffer_copy, METH_NOARGS,
           "__copy__($self, /)\n--\n\nA Buffer of the same type, capacity and contents."),
    METHOD("__deepcopy__", Buffer_deepcopy, METH_O,
           "__deepcopy__($self, memo, /)\n--\n\nThe same; a subclass's state is copied deeply."),
    METHOD("__alloc__", Buffer_alloc, METH_NOARGS,
           "__alloc__($self, /)\n--\n\nBytes allocated or committed for the contents."),
    METHOD("__bytes__", Buffer_bytes, METH_NOARGS,
           "__bytes__($self, /)\n--\n\nThe contents as bytes."),
    METHOD("__sizeof__", Buffer_sizeof, METH_NOARGS,
           "__sizeof__($self, /)\n--\n\nSize in memory, in bytes, with what is committed."),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"capacity", get_capacity, NULL,
     "Bytes that can be had without moving; with capacity= the hard limit.", NULL},
    {"committed", get_committed, NULL,
     "Bytes from the start that are accessible now, up to the capacity.", NULL},
    {"address", get_address, NULL,
     "Address of the first byte. Reading it pins the storage: it never moves afterwards.", NULL},
    {"exports", get_exports, NULL, "How many exports are alive.", NULL},
    {"name", get_name, NULL, "The name given when the Buffer was made, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(BufferObject, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)buffer_doc},
    {Py_tp_new, (void *)Buffer_new},
    {Py_tp_init, (void *)Buffer_init},
    {Py_tp_dealloc, (void *)Buffer_dealloc},
    {Py_tp_repr, (void *)Buffer_repr},
    {Py_tp_str, (void *)Buffer_str},
    {Py_tp_iter, (void *)Buffer_iter},
    {Py_tp_richcompare, (void *)Buffer_richcompare},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {Py_bf_getbuffer, (void *)Buffer_getbuffer},
    {Py_bf_releasebuffer, (void *)Buffer_releasebuffer},
    {Py_sq_length, (void *)Buffer_length},
    {Py_sq_concat, (void *)Buffer_concat},
    {Py_sq_repeat, (void *)Buffer_repeat},
    {Py_sq_item, (void *)Buffer_item},
    {Py_sq_ass_item, (void *)Buffer_ass_item},
    {Py_sq_contains, (void *)Buffer_contains},
    {Py_sq_inplace_concat, (void *)Buffer_inplace_add},
    {Py_sq_inplace_repeat, (void *)Buffer_inplace_repeat},
    {Py_mp_length, (void *)Buffer_length},
    {Py_mp_subscript, (void *)Buffer_subscript},
    {Py_mp_ass_subscript, (void *)Buffer_ass_subscript},
    {Py_nb_add, (void *)Buffer_add},
    {Py_nb_remainder, (void *)Buffer_remainder},
    {Py_nb_inplace_add, (void *)Buffer_inplace_add},
    {Py_nb_inplace_multiply, (void *)Buffer_inplace_multiply},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable.Buffer",
    .basicsize = sizeof(BufferObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

PyObject *
Buffer_make_type(PyObject *module, struct module_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, (PyObject *)&PyByteArray_Type);
    if (type == NULL)
        return NULL;
    ((PyTypeObject *)type)->tp_vectorcall = Buffer_vectorcall;
    if (Pinned_wrap_methods((PyTypeObject *)type, state) < 0)
        Py_CLEAR(type);
    else
        ((PyTypeObject *)type)->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE; /* as bytearray is */
    return type;
}
