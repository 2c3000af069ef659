/* fault.h - lets tests fail the n-th call into the operating system; only in the fault preset.
 *
 * What a reader would get wrong: this reaches past core/ on purpose, and exists in no released
 * build.
 */
#ifndef GROWABLE_EXT_FAULT_H
#define GROWABLE_EXT_FAULT_H

#include <Python.h>

#include "vmem_fault.h"

static PyObject *
fault_arm(PyObject *Py_UNUSED(module), PyObject *args)
{
    long nth, count = 1;
    if (!PyArg_ParseTuple(args, "l|l:_fault_arm", &nth, &count))
        return NULL;
    vmem_fault_arm(nth, count);
    Py_RETURN_NONE;
}

static PyObject *
fault_disarm(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    vmem_fault_disarm();
    Py_RETURN_NONE;
}

static PyObject *
fault_calls(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLong(vmem_fault_calls());
}

#define FAULT_FUNCTIONS                                                              \
    {"_fault_arm", fault_arm, METH_VARARGS, "Fail `count` calls from the nth on."}, \
    {"_fault_disarm", fault_disarm, METH_NOARGS, "Fail no call."},                   \
    {"_fault_calls", fault_calls, METH_NOARGS, "Calls seen since the last arming."},

#endif
