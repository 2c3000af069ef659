/* args.h - arguments that Region and Section have alike, as values of C.
 *
 * All but args_name return 1, or 0 with an exception, as converters for "O&" do. Numbers and text
 * that cannot be right are ValueErrors.
 *
 * What a reader would get wrong: __index__ is foreign code and may release the object that the
 * argument is for, so all arguments are converted before anything is looked at.
 */
#ifndef GROWABLE_ARGS_H
#define GROWABLE_ARGS_H

#include <Python.h>

#include <stdbool.h>

/* A number from `least`, which is 0 or 1, to the largest size; the names are for the message. */
int args_size(PyObject *value, const char *operation, const char *what, size_t least, size_t *size);

/* A number of the Python type, for a message; NULL with a TypeError that names the argument. */
PyObject *args_integer(PyObject *value, const char *operation, const char *what);

/* Where an operation begins and how far it goes; a length of None is ARGS_TO_THE_END. The converters
 * take a struct args_range, of which they set one number. */
#define ARGS_TO_THE_END ((size_t)-1)
#define ARGS_WHOLE(operation) {operation, 0, ARGS_TO_THE_END}
struct args_range {
    const char *operation;
    size_t offset, length;
};
int args_offset(PyObject *value, void *range);
int args_length(PyObject *value, void *range);
int args_section_offset(PyObject *value, void *range); /* its offset */

/* One of the names of enum pages_access, of those that `allowed` has a bit (1 << access) for;
 * `spelled` lists them for the message. */
int args_access(PyObject *value, unsigned allowed, const char *spelled, unsigned *access);
const char *args_access_name(unsigned access);

/* Whether it is a str of this text. */
bool args_is_text(PyObject *value, const char *text);

/* The UTF-8 of a name, which belongs to the argument; NULL with an exception. */
const char *args_name(PyObject *name);

/* The handle of a process. */
int args_process(PyObject *value, const char *operation, intptr_t *process);

#endif
