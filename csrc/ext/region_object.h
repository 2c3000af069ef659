/* region_object.h - the struct behind growable.Region, and what its files share.
 *
 * Methods have one order: arguments are converted, which may run foreign code; then the range is
 * checked, and from there to the end nothing foreign runs.
 *
 * What a reader would get wrong: an export is not of the Region's size. Each Py_buffer carries in
 * `internal` the struct region_export that says which bytes it may use; the object that a view was
 * made of (a RegionView) is gone by then, and `obj` is the Region.
 */
#ifndef GROWABLE_REGION_OBJECT_H
#define GROWABLE_REGION_OBJECT_H

#include <Python.h>

#include "errors.h"
#include "region.h"
#include "state.h"

/* "%p" of PyUnicode_FromFormat looks different from system to system. */
enum { ADDRESS_TEXT = 24 };

static inline const char *
address_text(const void *address, char text[ADDRESS_TEXT])
{
    PyOS_snprintf(text, ADDRESS_TEXT, "0x%llx", (unsigned long long)(uintptr_t)address);
    return text;
}

struct alarm;

typedef struct RegionObject {
    PyObject_HEAD
    struct region region;
    PyObject *module; /* keeps the environment */
    PyObject *name;   /* NULL for none */
    PyObject *weakrefs;
    struct alarm *alarms; /* newest first */
    size_t search_from;   /* where to look for the next hit */
    bool watched;         /* in the module's list */
    struct RegionObject *next_watched, *previous_watched;
} RegionObject;

static inline RegionObject *
as_region(PyObject *op)
{
    return (RegionObject *)op;
}

static inline struct module_state *
region_state(const RegionObject *self)
{
    return (struct module_state *)self->region.env->context;
}

/* In debug builds, the invariants. */
#ifdef NDEBUG
#define assert_valid_region(self) ((void)0)
#else
#define assert_valid_region(self) assert(region_check(&(self)->region))
#endif

/* region_errors.c: raises what an enum region_error means. Always returns -1. */
int Region_raise(const RegionObject *self, int error, const char *operation);

/* The same for `return`: None, or NULL after an error. */
PyObject *Region_result(RegionObject *self, int error, const char *operation);

/* region_args.c: a converter for "O&". */
int Region_access(PyObject *value, void *access); /* an unsigned */
int Region_access_or_copy(PyObject *value, void *access);

/* The options of Region(); *name is borrowed from the arguments or NULL. */
int Region_parse_options(struct module_state *state, PyObject *args, PyObject *kwargs,
                         struct region_options *options, PyObject **name);

/* region_view.c */
PyTypeObject *RegionView_make_type(PyObject *module);
int Region_getbuffer(PyObject *op, Py_buffer *view, int flags);
void Region_releasebuffer(PyObject *op, Py_buffer *view);
PyObject *Region_view(PyObject *op, PyObject *args, PyObject *kwargs);

/* region_pages.c */
PyObject *Region_query(PyObject *op, PyObject *offset);
PyObject *Region_pages(PyObject *op, PyObject *unused);
PyObject *Region_restore(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Region_written(PyObject *op, PyObject *args, PyObject *kwargs);

/* region_guard.c */
PyObject *Region_guard(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Region_guard_hits(PyObject *op, PyObject *unused);
int Region_traverse_alarms(RegionObject *self, visitproc visit, void *arg);
void Region_clear_alarms(RegionObject *self);
PyObject *Region_watch_again(PyObject *module, PyObject *unused); /* for module.c */
PyObject *Region_unwatch(PyObject *module, PyObject *unused);

/* region_placeholder.c */
PyObject *Region_split(PyObject *op, PyObject *offset);
PyObject *Region_coalesce(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Region_map(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Region_replace(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *Region_unmap(PyObject *op, PyObject *args, PyObject *kwargs);

/* region_type.c, for module.c */
PyTypeObject *Region_make_type(PyObject *module);

#endif
