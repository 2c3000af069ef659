/* arrow_export.c - see arrow_export.h. The structs are in arrow_abi.h.
 *
 * What a reader would get wrong: a struct that is being built has no release function yet, so what
 * fails half-way frees it by hand; from the moment it has one, that alone frees it.
 */
#include "arrow_export.h"

#include <string.h>

#include "arrow_abi.h"

enum { FLAG_NULLABLE = 2 };

struct node {
    const char *format;
    const char *name;
    Py_ssize_t length;
    Py_ssize_t null_count;
    PyObject *buffers;
    PyObject *children;
};

static int
read_node(PyObject *object, struct node *node)
{
    if (PyTuple_Check(object) &&
        PyArg_ParseTuple(object, "ssnnO!O!:node", &node->format, &node->name, &node->length,
                         &node->null_count, &PyTuple_Type, &node->buffers, &PyTuple_Type,
                         &node->children))
        return 0;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "an Arrow node is a tuple");
    return -1;
}

/* Raw memory, since it may be freed without the GIL. */
static void *
allocate(size_t count, size_t size)
{
    void *memory = PyMem_RawCalloc(count > 0 ? count : 1, size);
    if (memory == NULL)
        PyErr_NoMemory();
    return memory;
}

static char *
copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = allocate(size, 1);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

/* Schemas. */

static void
free_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        struct ArrowSchema *child = schema->children[i];
        if (child != NULL && child->release != NULL)
            child->release(child);
        PyMem_RawFree(child);
    }
    PyMem_RawFree(schema->children);
    PyMem_RawFree((void *)(uintptr_t)schema->format);
    PyMem_RawFree((void *)(uintptr_t)schema->name);
    schema->release = NULL;
}

static int
fill_schema_children(struct ArrowSchema *schema, PyObject *children)
{
    Py_ssize_t n = PyTuple_GET_SIZE(children);
    schema->children = allocate((size_t)n, sizeof(struct ArrowSchema *));
    if (schema->children == NULL)
        return -1;
    schema->n_children = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        schema->children[i] = allocate(1, sizeof(struct ArrowSchema));
        if (schema->children[i] == NULL ||
            Arrow_fill_schema(schema->children[i], PyTuple_GET_ITEM(children, i)) < 0)
            return -1;
    }
    return 0;
}

/* Zeroed memory becomes a schema, or stays released. */
int
Arrow_fill_schema(struct ArrowSchema *schema, PyObject *object)
{
    struct node node;
    if (Py_EnterRecursiveCall(" in an Arrow schema"))
        return -1;
    int result = read_node(object, &node);
    if (result == 0) {
        schema->format = copy_text(node.format);
        schema->name = schema->format == NULL ? NULL : copy_text(node.name);
        result = schema->name == NULL ? -1 : fill_schema_children(schema, node.children);
        if (result < 0)
            free_schema(schema);
    }
    Py_LeaveRecursiveCall();
    if (result < 0)
        return -1;
    schema->flags = FLAG_NULLABLE;
    schema->release = free_schema;
    return 0;
}

static void
destroy_schema(PyObject *capsule)
{
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release != NULL)
        schema->release(schema);
    PyMem_RawFree(schema);
}

PyObject *
Arrow_schema(PyObject *Py_UNUSED(module), PyObject *node)
{
    struct ArrowSchema *schema = allocate(1, sizeof *schema);
    if (schema == NULL)
        return NULL;
    PyObject *capsule = NULL;
    if (Arrow_fill_schema(schema, node) == 0)
        capsule = PyCapsule_New(schema, "arrow_schema", destroy_schema);
    if (capsule == NULL) {
        if (schema->release != NULL)
            schema->release(schema);
        PyMem_RawFree(schema);
    }
    return capsule;
}

/* Arrays. The exports are in private_data, one for each buffer; those that are none have no obj.
 * */

static void
release_exports(const struct ArrowArray *array)
{
    Py_buffer *exports = array->private_data;
    for (int64_t i = 0; exports != NULL && i < array->n_buffers; i++)
        PyBuffer_Release(&exports[i]);
}

static void
free_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        struct ArrowArray *child = array->children[i];
        if (child != NULL && child->release != NULL)
            child->release(child);
        PyMem_RawFree(child);
    }
    release_exports(array);
    PyMem_RawFree(array->children);
    PyMem_RawFree(array->private_data);
    PyMem_RawFree((void *)(uintptr_t)array->buffers);
    array->release = NULL;
}

/* After the interpreter is gone there is nothing to give back to. */
static void
release_array(struct ArrowArray *array)
{
    if (!Py_IsInitialized()) {
        array->release = NULL;
        return;
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    free_array(array);
    PyGILState_Release(gil);
}

static int
fill_buffers(struct ArrowArray *array, PyObject *buffers)
{
    Py_ssize_t n = PyTuple_GET_SIZE(buffers);
    Py_buffer *exports = array->private_data = allocate((size_t)n, sizeof(Py_buffer));
    array->buffers = exports == NULL ? NULL : allocate((size_t)n, sizeof(void *));
    if (array->buffers == NULL)
        return -1;
    array->n_buffers = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *buffer = PyTuple_GET_ITEM(buffers, i);
        if (buffer == Py_None)
            continue;
        if (PyObject_GetBuffer(buffer, &exports[i], PyBUF_SIMPLE) < 0)
            return -1;
        array->buffers[i] = exports[i].buf;
    }
    return 0;
}

static int
fill_array_children(struct ArrowArray *array, PyObject *children)
{
    Py_ssize_t n = PyTuple_GET_SIZE(children);
    array->children = allocate((size_t)n, sizeof(struct ArrowArray *));
    if (array->children == NULL)
        return -1;
    array->n_children = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        array->children[i] = allocate(1, sizeof(struct ArrowArray));
        if (array->children[i] == NULL ||
            Arrow_fill_array(array->children[i], PyTuple_GET_ITEM(children, i)) < 0)
            return -1;
    }
    return 0;
}

/* Zeroed memory becomes an array, or stays released. */
int
Arrow_fill_array(struct ArrowArray *array, PyObject *object)
{
    struct node node;
    if (Py_EnterRecursiveCall(" in an Arrow array"))
        return -1;
    int result = read_node(object, &node);
    if (result == 0) {
        result = fill_buffers(array, node.buffers);
        if (result == 0)
            result = fill_array_children(array, node.children);
        if (result < 0)
            free_array(array);
    }
    Py_LeaveRecursiveCall();
    if (result < 0)
        return -1;
    array->length = node.length;
    array->null_count = node.null_count;
    array->release = release_array;
    return 0;
}

static void
destroy_array(PyObject *capsule)
{
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release != NULL)
        array->release(array);
    PyMem_RawFree(array);
}

PyObject *
Arrow_array(PyObject *Py_UNUSED(module), PyObject *node)
{
    struct ArrowArray *array = allocate(1, sizeof *array);
    if (array == NULL)
        return NULL;
    PyObject *capsule = NULL;
    if (Arrow_fill_array(array, node) == 0)
        capsule = PyCapsule_New(array, "arrow_array", destroy_array);
    if (capsule == NULL) {
        if (array->release != NULL)
            array->release(array);
        PyMem_RawFree(array);
    }
    return capsule;
}
