/* section_object.h - the struct behind growable.Section, and what its files share.
 *
 * Methods have one order: arguments are converted, which may run foreign code; then the section is
 * looked at, and from there to the end nothing foreign runs.
 *
 * What a reader would get wrong: while `busy` another thread works on the section without the GIL.
 * Everything that would use or change the handle refuses then; section_gate() asks.
 */
#ifndef GROWABLE_SECTION_OBJECT_H
#define GROWABLE_SECTION_OBJECT_H

#include <Python.h>

#include "errors.h"
#include "section.h"
#include "state.h"

typedef struct {
    PyObject_HEAD
    struct section section;
    PyObject *module; /* keeps the types and the errors */
    PyObject *weakrefs;
    bool busy;
} SectionObject;

static inline SectionObject *
as_section(PyObject *op)
{
    return (SectionObject *)op;
}

static inline struct module_state *
section_state(const SectionObject *self)
{
    return PyModule_GetState(self->module);
}

/* section_errors.c: raises what an enum section_error means. `subject` is the name or the path that
 * it was about, or NULL. Always returns -1. */
int Section_raise(struct module_state *state, const struct section *s, int error,
                  const char *operation, PyObject *subject);

/* 0, or -1 with a StateError where the section is closed, or another thread is at work on it. */
int Section_gate(SectionObject *self, const char *operation);

/* section_view.c */
PyTypeObject *SectionView_make_type(PyObject *module);
PyObject *Section_view(PyObject *op, PyObject *args, PyObject *kwargs);

/* section_type.c, for module.c */
PyTypeObject *Section_make_type(PyObject *module);
PyObject *Section_capabilities(PyObject *module, PyObject *unused);

#endif
