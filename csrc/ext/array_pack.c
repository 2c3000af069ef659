/* array_pack.c - see array_pack.h.
 *
 * What a reader would get wrong: a subclass of int is no number here, since bool is one and NumPy
 * has its own view of it; a subclass of float is, since numpy.float64 is one.
 */
#include "array_pack.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Floats. */

static bool
value_of_number(PyObject *item, double *value)
{
    if (PyFloat_Check(item)) {
        *value = PyFloat_AS_DOUBLE(item);
        return true;
    }
    if (!PyLong_CheckExact(item))
        return false;
    *value = PyLong_AsDouble(item);
    if (*value != -1.0 || !PyErr_Occurred())
        return true;
    PyErr_Clear();
    return false;
}

bool
pack_double(PyObject *item, char *to)
{
    double value;
    if (!value_of_number(item, &value))
        return false;
    memcpy(to, &value, sizeof value);
    return true;
}

/* Not isinf: mingw's is a macro that converts a double to float, with a warning. */
static bool
is_infinite(double value)
{
    return fabs(value) == HUGE_VAL;
}

/* NumPy warns when a finite number becomes infinite. */
static bool
pack_float(PyObject *item, char *to)
{
    double value;
    if (!value_of_number(item, &value))
        return false;
    float narrow = (float)value;
    if (is_infinite((double)narrow) && !is_infinite(value))
        return false;
    memcpy(to, &narrow, sizeof narrow);
    return true;
}

static bool
pack_half(PyObject *item, char *to)
{
    double value;
    if (!value_of_number(item, &value))
        return false;
    if (PyFloat_Pack2(value, to, PY_LITTLE_ENDIAN) == 0)
        return true;
    PyErr_Clear();
    return false;
}

static bool
value_of_complex(PyObject *item, Py_complex *value)
{
    *value = (Py_complex){0};
    if (!PyComplex_CheckExact(item))
        return value_of_number(item, &value->real);
    *value = PyComplex_AsCComplex(item);
    return true;
}

static bool
pack_complex_double(PyObject *item, char *to)
{
    Py_complex value;
    if (!value_of_complex(item, &value))
        return false;
    memcpy(to, &value, sizeof value);
    return true;
}

/* Integers. */

static bool
value_of_int(PyObject *item, long long *value)
{
    if (!PyLong_CheckExact(item))
        return false;
    int overflow;
    *value = PyLong_AsLongLongAndOverflow(item, &overflow);
    return overflow == 0;
}

static bool
pack_int8(PyObject *item, char *to)
{
    long long value;
    if (!value_of_int(item, &value) || value < INT8_MIN || value > INT8_MAX)
        return false;
    *to = (char)value;
    return true;
}

static bool
pack_int16(PyObject *item, char *to)
{
    long long value;
    if (!value_of_int(item, &value) || value < INT16_MIN || value > INT16_MAX)
        return false;
    memcpy(to, &(int16_t){(int16_t)value}, sizeof(int16_t));
    return true;
}

static bool
pack_int32(PyObject *item, char *to)
{
    long long value;
    if (!value_of_int(item, &value) || value < INT32_MIN || value > INT32_MAX)
        return false;
    memcpy(to, &(int32_t){(int32_t)value}, sizeof(int32_t));
    return true;
}

static bool
pack_int64(PyObject *item, char *to)
{
    long long value;
    if (!value_of_int(item, &value))
        return false;
    memcpy(to, &value, sizeof value);
    return true;
}

static bool
pack_uint8(PyObject *item, char *to)
{
    long long value;
    if (!value_of_int(item, &value) || value < 0 || value > UINT8_MAX)
        return false;
    *to = (char)value;
    return true;
}

static bool
pack_uint16(PyObject *item, char *to)
{
    long long value;
    if (!value_of_int(item, &value) || value < 0 || value > UINT16_MAX)
        return false;
    memcpy(to, &(uint16_t){(uint16_t)value}, sizeof(uint16_t));
    return true;
}

static bool
pack_uint32(PyObject *item, char *to)
{
    long long value;
    if (!value_of_int(item, &value) || value < 0 || value > UINT32_MAX)
        return false;
    memcpy(to, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
    return true;
}

static bool
pack_uint64(PyObject *item, char *to)
{
    if (!PyLong_CheckExact(item))
        return false;
    unsigned long long value = PyLong_AsUnsignedLongLong(item);
    if (value == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    memcpy(to, &value, sizeof value);
    return true;
}

static bool
pack_bool(PyObject *item, char *to)
{
    *to = item == Py_True;
    return item == Py_True || item == Py_False;
}

/* Choosing. */

_Static_assert(sizeof(Py_complex) == PACK_LARGEST && sizeof(long long) == 8 && sizeof(float) == 4 &&
                   sizeof(double) == 8,
               "NumPy's native types have these sizes");

static pack_function
find_signed(size_t size)
{
    return size == 1 ? pack_int8 : size == 2 ? pack_int16 : size == 4 ? pack_int32
         : size == 8 ? pack_int64 : NULL;
}

static pack_function
find_unsigned(size_t size)
{
    return size == 1 ? pack_uint8 : size == 2 ? pack_uint16 : size == 4 ? pack_uint32
         : size == 8 ? pack_uint64 : NULL;
}

pack_function
pack_find(Py_UCS4 code, size_t size)
{
    switch (code) {
    case 'b': case 'h': case 'i': case 'l': case 'q':
        return find_signed(size);
    case 'B': case 'H': case 'I': case 'L': case 'Q':
        return find_unsigned(size);
    case '?':
        return size == 1 ? pack_bool : NULL;
    case 'e':
        return size == 2 ? pack_half : NULL;
    case 'f':
        return size == sizeof(float) ? pack_float : NULL;
    case 'd':
        return size == sizeof(double) ? pack_double : NULL;
    case 'D':
        return size == sizeof(Py_complex) ? pack_complex_double : NULL;
    default:
        return NULL;
    }
}
