/* bytearray_layout.h - the one place that knows how the interpreter lays out a bytearray.
 *
 * A Buffer is a bytearray whose storage is ours. The base struct is pointed at our bytes, so the
 * base class's reading methods and C code that uses PyByteArray_AS_STRING see them; and it carries
 * one export for life, so that whatever in the base class would resize meets BufferError.
 *
 * What a reader would get wrong: ob_alloc stays 0. Some base paths write up to ob_alloc without
 * asking about exports.
 */
#ifndef GROWABLE_BYTEARRAY_LAYOUT_H
#define GROWABLE_BYTEARRAY_LAYOUT_H

#include <Python.h>
#include <stddef.h>

#ifdef PYPY_VERSION
#error "growable needs CPython's bytearray"
#endif

#if PY_VERSION_HEX >= 0x030f0000
#define LAYOUT_HAS_BYTES_OBJECT 1
#define LAYOUT_SIZE (offsetof(PyByteArrayObject, ob_bytes_object) + sizeof(PyObject *))
#else
#define LAYOUT_SIZE (offsetof(PyByteArrayObject, ob_exports) + sizeof(Py_ssize_t))
#endif

_Static_assert(offsetof(PyByteArrayObject, ob_alloc) == sizeof(PyVarObject),
               "bytearray: ob_alloc does not follow the object's head");
_Static_assert(offsetof(PyByteArrayObject, ob_start) ==
                   offsetof(PyByteArrayObject, ob_bytes) + sizeof(char *),
               "bytearray: ob_start does not follow ob_bytes");
_Static_assert(sizeof(PyByteArrayObject) == LAYOUT_SIZE, "bytearray has fields unknown to us");

enum { LAYOUT_PHANTOM_EXPORT = 1 };

/* Points a new, zeroed object at our bytes for the first time. */
static inline int
layout_attach(PyByteArrayObject *base)
{
    base->ob_exports = LAYOUT_PHANTOM_EXPORT;
    base->ob_alloc = 0;
#ifdef LAYOUT_HAS_BYTES_OBJECT
    /* NULL would send bytearray.__init__ down its path for new objects, which clears ob_exports. */
    base->ob_bytes_object = PyBytes_FromStringAndSize(NULL, 0);
    return base->ob_bytes_object == NULL ? -1 : 0;
#else
    return 0;
#endif
}

static inline void
layout_detach(PyByteArrayObject *base)
{
#ifdef LAYOUT_HAS_BYTES_OBJECT
    Py_CLEAR(base->ob_bytes_object);
#else
    (void)base;
#endif
}

/* Shows the base class where the bytes stand now. */
static inline void
layout_point(PyByteArrayObject *base, char *start, size_t length)
{
    base->ob_bytes = start;
    base->ob_start = start;
    Py_SET_SIZE(base, (Py_ssize_t)length);
}

static inline Py_ssize_t
layout_exports(const PyByteArrayObject *base)
{
    return base->ob_exports - LAYOUT_PHANTOM_EXPORT;
}

#endif
