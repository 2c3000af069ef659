/* sequence.c - see sequence.h.
 *
 * What a reader would get wrong: PySequence_GetItem has added the length to an index below zero before
 * it calls sq_item. What is still below zero there is out of range, and is no index from the end. The
 * slot that the interpreter gives to Python classes does not know that, not even in those derived
 * from list: it takes items from the end for indices that are out of range.
 */
#include "sequence.h"

PyObject *
Sequence_item(PyObject *op, Py_ssize_t i)
{
    if (i < 0) {
        PyErr_Format(PyExc_IndexError, "%.200s index out of range", Py_TYPE(op)->tp_name);
        return NULL;
    }
    PyObject *index = PyLong_FromSsize_t(i);
    PyObject *item = index == NULL ? NULL : PyObject_GetItem(op, index);
    Py_XDECREF(index);
    return item;
}

PyObject *
Sequence_init_subclass(PyObject *type, PyObject *Py_UNUSED(unused))
{
    if (PyType_HasFeature((PyTypeObject *)type, Py_TPFLAGS_HEAPTYPE))
        ((PyHeapTypeObject *)type)->as_sequence.sq_item = Sequence_item;
    Py_RETURN_NONE;
}
