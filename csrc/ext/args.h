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

/* A number from 0 to the largest size; `what` is for the message. */
int args_size(PyObject *value, const char *what, size_t *size);

/* Converters into a size_t. A length of None is ARGS_TO_THE_END. */
#define ARGS_TO_THE_END ((size_t)-1)
int args_offset(PyObject *value, void *size);
int args_length(PyObject *value, void *size);

/* One of the names of enum pages_access, of those that `allowed` has a bit (1 << access) for;
 * `spelled` lists them for the message. */
int args_access(PyObject *value, unsigned allowed, const char *spelled, unsigned *access);
const char *args_access_name(unsigned access);

/* Whether it is a str of this text. */
bool args_is_text(PyObject *value, const char *text);

/* The UTF-8 of a name, which belongs to the argument; NULL with an exception. */
const char *args_name(PyObject *name);

/* A converter for "O&": the handle of a process, an intptr_t. */
int args_process(PyObject *value, void *process);

#endif
