/* args.c - arguments that Region and Section have alike, as values of C.
 *
 * What a reader would get wrong: a number that is too large for any size is a ValueError as well, and
 * not the OverflowError that most of Python makes of it.
 */
#include "args.h"

#include <string.h>

#include "region.h"
#include "section.h"

/* Numbers. */

_Static_assert(REGION_TO_THE_END == ARGS_TO_THE_END && SECTION_TO_THE_END == ARGS_TO_THE_END,
               "all have one length that means: to the end");

PyObject *
args_integer(PyObject *value, const char *operation, const char *what)
{
    if (PyIndex_Check(value))
        return PyNumber_Index(value);
    PyErr_Format(PyExc_TypeError, "%s: %s must be an integer, not %.200s", operation, what,
                 Py_TYPE(value)->tp_name);
    return NULL;
}

int
args_size(PyObject *value, const char *operation, const char *what, size_t least, size_t *size)
{
    PyObject *number = args_integer(value, operation, what);
    if (number == NULL)
        return 0;
    int overflow;
    long long found = PyLong_AsLongLongAndOverflow(number, &overflow);
    bool too_large = overflow > 0 || found > PY_SSIZE_T_MAX;
    bool too_small = !too_large && found < (long long)least;
    if (too_large)
        PyErr_Format(PyExc_ValueError, "%s: %s must be at most %zd, not %S", operation, what,
                     PY_SSIZE_T_MAX, number);
    else if (too_small)
        PyErr_Format(PyExc_ValueError, "%s: %s must be at least %zu, not %S", operation, what, least,
                     number);
    Py_DECREF(number);
    *size = (size_t)found;
    return !too_large && !too_small;
}

int
args_offset(PyObject *value, void *range)
{
    struct args_range *r = range;
    return args_size(value, r->operation, "offset", 0, &r->offset);
}

int
args_section_offset(PyObject *value, void *range)
{
    struct args_range *r = range;
    return args_size(value, r->operation, "section_offset", 0, &r->offset);
}

int
args_length(PyObject *value, void *range)
{
    struct args_range *r = range;
    r->length = ARGS_TO_THE_END;
    return value == Py_None || args_size(value, r->operation, "length", 0, &r->length);
}

/* Access. */

static const char *const access_names[] = {"none", "r", "rw", "rx", "rwx", "wc"};

_Static_assert((int)SECTION_ACCESS_WC == (int)ACCESS_WC, "an access has one number");

const char *
args_access_name(unsigned access)
{
    return access_names[access];
}

int
args_access(PyObject *value, unsigned allowed, const char *spelled, unsigned *access)
{
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "access must be a str, not %.200s", Py_TYPE(value)->tp_name);
        return 0;
    }
    for (unsigned i = ACCESS_NONE; i <= ACCESS_WC; i++)
        if ((allowed & 1u << i) != 0 && args_is_text(value, access_names[i])) {
            *access = i;
            return 1;
        }
    PyErr_Format(PyExc_ValueError, "access must be %s, not %R", spelled, value);
    return 0;
}

/* Text. */

bool
args_is_text(PyObject *value, const char *text)
{
    return PyUnicode_Check(value) && PyUnicode_CompareWithASCIIString(value, text) == 0;
}

const char *
args_name(PyObject *name)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "name must be a str or None, not %.200s",
                     Py_TYPE(name)->tp_name);
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL || strlen(text) == (size_t)size)
        return text;
    PyErr_SetString(PyExc_ValueError, "name must not contain a null character");
    return NULL;
}

int
args_process(PyObject *value, const char *operation, intptr_t *process)
{
    PyObject *number = args_integer(value, operation, "process");
    if (number == NULL)
        return 0;
    Py_ssize_t found = PyLong_AsSsize_t(number);
    bool wrong = found <= 0;
    if (wrong) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "%s: process must be the handle of a process, a number from "
                                       "1 on, not %S", operation, number);
    }
    Py_DECREF(number);
    *process = found;
    return !wrong;
}
