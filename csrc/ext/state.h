/* state.h - what one interpreter's copy of the module holds.
 *
 * What a reader would get wrong: a Buffer reaches this through its environment's context and keeps
 * the module alive itself. Its type is no way to it: the garbage collector may have cleared the type
 * before the Buffer.
 */
#ifndef GROWABLE_STATE_H
#define GROWABLE_STATE_H

#include <Python.h>

#include <stdatomic.h>

#include "buffer.h"

enum error_kind {
    ERROR_BASE,
    ERROR_RESERVATION,
    ERROR_COMMIT,
    ERROR_CAPACITY,
    ERROR_STATE,
    ERROR_UNSUPPORTED,
    ERROR_KINDS
};

/* What we use of NumPy; all NULL until growable.array was imported. */
struct numpy_names {
    PyTypeObject *ndarray;
    PyTypeObject *dtype;
    PyObject *frombuffer;
    bool layout_known; /* ndarray_layout.h holds for this NumPy */
};

struct module_state {
    PyObject *module;      /* borrowed; every Buffer holds a reference, so that this outlives it */
    PyTypeObject *buffer_type;
    enum buffer_huge huge; /* what huge_pages="auto" means */
    struct buffer_env env; /* its callbacks come first: what short lives read stands close together */
    PyTypeObject *bytesio_type;
    PyTypeObject *array_type;
    PyTypeObject *export_type;
    PyTypeObject *region_type;
    PyTypeObject *region_view_type;
    PyTypeObject *ring_type;
    PyTypeObject *ring_view_type;
    PyTypeObject *section_type;
    PyTypeObject *section_view_type;
    PyTypeObject *tail_type;
    PyTypeObject *pinned_type;
    PyObject *errors[ERROR_KINDS];
    PyObject *rebuild;
    PyObject *page_run; /* of growable.pages; NULL until a Region was asked for its pages */
    PyObject *page_map;
    struct numpy_names numpy;
    struct RegionObject *watched_regions; /* borrowed; those with an on_hit */
    bool watching;                        /* from the first on_hit to the exit */
    _Atomic bool call_pending;            /* the interpreter was asked to tell of hits */
};

extern struct PyModuleDef growable_module;

#endif
