/* errors.h - the one translation from error codes to Python exceptions.
 *
 * What a reader would get wrong: where bytearray raises a built-in exception with a given message,
 * so do we; only what bytearray does not know raises a class of ours.
 */
#ifndef GROWABLE_ERRORS_H
#define GROWABLE_ERRORS_H

#include "state.h"

/* Makes the exception classes and adds them to the module. */
int errors_add(PyObject *module, struct module_state *state);

/* Raises what `error`, the result of the last function of buffer.h that was called, means. Always
 * returns -1. */
int errors_raise(struct module_state *state, const struct buffer *b, int error,
                 const char *operation);

/* What an exception of ours tells beside its text. */
struct failure {
    enum error_kind kind;
    const char *operation;
    size_t requested;  /* 0 for none */
    const char *limit; /* NULL for none */
    int system_error;  /* 0 and below: our own limits refused, not the system */
};

/* Raises the exception of that kind. Steals the message, which may be NULL with an exception set.
 * Always returns -1. */
int errors_raise_failure(struct module_state *state, const struct failure *failure,
                         PyObject *message);

/* Raises UnsupportedError. Always returns -1. */
int errors_raise_unsupported(struct module_state *state, const char *operation,
                             const char *feature);

/* bytearray's own BufferError. Always returns -1. */
int errors_raise_exported(void);

#endif
