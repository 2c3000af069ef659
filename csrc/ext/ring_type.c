/* ring_type.c - growable.RingBuffer but for its constructor's arguments and what NumPy does better,
 * which growable/ring.py adds in a subclass: attributes, and the tables of the type.
 *
 * What a reader would get wrong: `writer` and `reader` tell who has an end now. Asking takes none.
 */
#include "ring_object.h"

#include <stddef.h>

#if PY_VERSION_HEX < 0x030c0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_T_BOOL T_BOOL
#define Py_READONLY READONLY
#endif

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
    if (Ring_look(as_ring(op), &items, "is_full") < 0)
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
     "Raises\n------\nEOFError\n    There is nothing, and whoever wrote has closed the ring or died.\n"
     "ValueError\n    There is a time-out, and n is more than the capacity.\n"},
    {"readinto", WITH_KEYWORDS(Ring_readinto),
     "readinto($self, /, buffer, timeout=0)\n--\n\n"
     "Take items out into a buffer; return how many. Waits until they fill it, or the ring is full."},
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
    {"rotate", Ring_rotate, METH_VARARGS,
     "rotate($self, n=1, /)\n--\n\n"
     "Move n items from the right end to the left end; with n < 0 the other way."},
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
     "Give the ends up, so that the other side is told, and the mapping. The Section lives on.\n\n"
     "Other threads that wait on this very object get a StateError. BufferError while a view lives."},
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
