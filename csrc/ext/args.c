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

int
args_size(PyObject *value, const char *what, size_t *size)
{
    PyObject *number = PyNumber_Index(value);
    if (number == NULL)
        return 0;
    Py_ssize_t found = PyLong_AsSsize_t(number);
    if (found < 0) {
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OverflowError))
            PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "%s must be from 0 to %zd, not %S", what, PY_SSIZE_T_MAX,
                     number);
    }
    Py_DECREF(number);
    *size = (size_t)found;
    return found >= 0;
}

int
args_offset(PyObject *value, void *size)
{
    return args_size(value, "offset", size);
}

int
args_length(PyObject *value, void *size)
{
    if (value == Py_None) {
        *(size_t *)size = ARGS_TO_THE_END;
        return 1;
    }
    return args_size(value, "length", size);
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
args_process(PyObject *value, void *process)
{
    PyObject *number = PyNumber_Index(value);
    if (number == NULL)
        return 0;
    Py_ssize_t found = PyLong_AsSsize_t(number);
    bool wrong = found <= 0;
    if (wrong) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "process must be the handle of a process, a number from 1 "
                                       "on, not %S", number);
    }
    Py_DECREF(number);
    *(intptr_t *)process = found;
    return !wrong;
}
