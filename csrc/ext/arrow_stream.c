/* arrow_stream.c - an ArrowArrayStream of one array, in a PyCapsule.
 *
 * What a reader would get wrong: a consumer calls these functions from any thread, without the GIL.
 */
#include <errno.h>

#include "arrow_abi.h"
#include "arrow_export.h"

struct stream_state {
    PyObject *node;
    int done;
    char message[200]; /* of the last error, or empty */
};

/* Takes the exception's words; returns what the interface wants returned. */
static int
fail(struct stream_state *state)
{
    int code = PyErr_ExceptionMatches(PyExc_MemoryError) ? ENOMEM : EINVAL;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *text = value == NULL ? NULL : PyObject_Str(value);
    const char *words = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    PyErr_Clear();
    (void)PyOS_snprintf(state->message, sizeof state->message, "growable: %s",
                        words == NULL ? "not exported" : words);
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return code;
}

static int
get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct stream_state *state = stream->private_data;
    *out = (struct ArrowSchema){0};
    PyGILState_STATE gil = PyGILState_Ensure();
    int result = Arrow_fill_schema(out, state->node) < 0 ? fail(state) : 0;
    PyGILState_Release(gil);
    return result;
}

/* An array without a release function says that there are no more. */
static int
get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct stream_state *state = stream->private_data;
    *out = (struct ArrowArray){0};
    if (state->done)
        return 0;
    PyGILState_STATE gil = PyGILState_Ensure();
    int result = Arrow_fill_array(out, state->node) < 0 ? fail(state) : 0;
    PyGILState_Release(gil);
    state->done = result == 0;
    return result;
}

static const char *
get_last_error(struct ArrowArrayStream *stream)
{
    const struct stream_state *state = stream->private_data;
    return state->message[0] == 0 ? NULL : state->message;
}

/* After the interpreter is gone there is nothing to give back to. */
static void
release_stream(struct ArrowArrayStream *stream)
{
    struct stream_state *state = stream->private_data;
    stream->release = NULL;
    if (!Py_IsInitialized())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF(state->node);
    PyMem_RawFree(state);
    PyGILState_Release(gil);
}

static void
destroy_stream(PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream->release != NULL)
        stream->release(stream);
    PyMem_RawFree(stream);
}

static struct ArrowArrayStream *
make_stream(PyObject *node)
{
    struct ArrowArrayStream *stream = PyMem_RawCalloc(1, sizeof *stream);
    struct stream_state *state = PyMem_RawCalloc(1, sizeof *state);
    if (stream == NULL || state == NULL) {
        PyMem_RawFree(stream);
        PyMem_RawFree(state);
        PyErr_NoMemory();
        return NULL;
    }
    state->node = Py_NewRef(node);
    *stream = (struct ArrowArrayStream){
        .get_schema = get_schema,
        .get_next = get_next,
        .get_last_error = get_last_error,
        .release = release_stream,
        .private_data = state,
    };
    return stream;
}

PyObject *
Arrow_stream(PyObject *Py_UNUSED(module), PyObject *node)
{
    struct ArrowArrayStream *stream = make_stream(node);
    if (stream == NULL)
        return NULL;
    PyObject *capsule = PyCapsule_New(stream, "arrow_array_stream", destroy_stream);
    if (capsule == NULL) {
        release_stream(stream);
        PyMem_RawFree(stream);
    }
    return capsule;
}
