/* buffer_init.c - making a Buffer: storage, options, and contents as bytearray takes them.
 *
 * What a reader would get wrong: the options belong to the storage, so they count at the first
 * __init__ only; the contents can be set anew, as for a bytearray, but all or nothing.
 */
#include "content.h"

/* An exact Buffer needs none of what tp_alloc does for subclasses, such as zeroing their slots. */
static BufferObject *
allocate_object(PyTypeObject *type, const struct module_state *state)
{
    if (type != state->buffer_type)
        return (BufferObject *)type->tp_alloc(type, 0);
    BufferObject *self = PyObject_New(BufferObject, type);
    if (self != NULL) {
        self->pins = self->tails = 0;
        self->name = self->weakrefs = NULL;
        self->initialized = false;
    }
    return self;
}

PyObject *
Buffer_allocate(PyTypeObject *type, struct module_state *state)
{
    BufferObject *self = allocate_object(type, state);
    if (self == NULL)
        return NULL;
    buffer_init(&self->buffer, &state->env, self->block, SMALL_BLOCK);
    self->buffer.huge = (unsigned char)state->huge;
    if (layout_attach(&self->base) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    show_base(self);
    return (PyObject *)self;
}

/* Options. */

static int
set_capacity(BufferObject *self, PyObject *capacity)
{
    Py_ssize_t n = PyNumber_AsSsize_t(capacity, PyExc_OverflowError);
    if (n == -1 && PyErr_Occurred())
        return -1;
    if (n < 0) {
        PyErr_Format(PyExc_ValueError, "capacity must be >= 0, got %zd", n);
        return -1;
    }
    int error = buffer_set_capacity(&self->buffer, (size_t)n);
    show_base(self);
    if (error == BUFFER_TOO_LARGE)
        error = BUFFER_NOT_RESERVED;
    return error == BUFFER_OK ? 0 : errors_raise(state_of(self), &self->buffer, error, "capacity");
}

static int
set_huge_pages(BufferObject *self, PyObject *setting)
{
    if (PyUnicode_Check(setting) && PyUnicode_CompareWithASCIIString(setting, "auto") == 0)
        return 0;
    if (!PyBool_Check(setting)) {
        PyErr_Format(PyExc_ValueError, "huge_pages must be 'auto', True or False, not %R", setting);
        return -1;
    }
    if (setting == Py_True && !env_has_huge_pages(self->buffer.env))
        return errors_raise_unsupported(state_of(self), "huge_pages=True", "huge pages");
    self->buffer.huge = setting == Py_True ? BUFFER_HUGE_ALWAYS : BUFFER_HUGE_NEVER;
    return 0;
}

static int
set_name(BufferObject *self, PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "name must be str or None, not %.200s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    self->buffer.name = PyUnicode_AsUTF8(name);
    if (self->buffer.name == NULL)
        return -1;
    self->name = Py_NewRef(name);
    return 0;
}

static bool
is_given(PyObject *option)
{
    return option != NULL && option != Py_None;
}

static int
set_options(BufferObject *self, const struct buffer_options *options)
{
    if (is_given(options->name) && set_name(self, options->name) < 0)
        return -1;
    if (is_given(options->huge_pages) && set_huge_pages(self, options->huge_pages) < 0)
        return -1;
    if (is_given(options->capacity) && set_capacity(self, options->capacity) < 0)
        return -1;
    return 0;
}

static int
check_options(const BufferObject *self, const struct buffer_options *options)
{
    if (!self->initialized || !(is_given(options->capacity) || is_given(options->huge_pages) ||
                                is_given(options->name)))
        return 0;
    PyErr_SetString(PyExc_TypeError, "capacity, huge_pages and name are given when a Buffer is "
                                     "made; its storage cannot change them");
    return -1;
}

PyObject *
Buffer_huge_pages_setting(const BufferObject *self)
{
    if (self->buffer.huge == BUFFER_HUGE_AUTO)
        return PyUnicode_FromString("auto");
    return PyBool_FromLong(self->buffer.huge == BUFFER_HUGE_ALWAYS);
}

/* Contents. */

static int
refuse_encoding(const char *encoding, const char *errors)
{
    if (encoding == NULL && errors == NULL)
        return 0;
    PyErr_SetString(PyExc_TypeError, encoding != NULL ? "encoding without a string argument"
                                                      : "errors without a string argument");
    return -1;
}

static int
content_of_text(const BufferObject *self, PyObject *text, const char *encoding, const char *errors,
                struct content *content)
{
    if (encoding == NULL) {
        PyErr_SetString(PyExc_TypeError, "string argument without an encoding");
        return -1;
    }
    PyObject *encoded = PyUnicode_AsEncodedString(text, encoding, errors);
    if (encoded == NULL)
        return -1;
    int result = content_of_any(self, encoded, content);
    Py_DECREF(encoded);
    return result;
}

static int
content_of_source(const BufferObject *self, PyObject *source, const char *encoding,
                  const char *errors, struct content *content)
{
    if (source != NULL && PyUnicode_Check(source))
        return content_of_text(self, source, encoding, errors, content);
    if (refuse_encoding(encoding, errors) < 0)
        return -1;
    if (source != NULL)
        return content_of_any(self, source, content);
    *content = (struct content){0};
    return 0;
}

/* Only the bytes that are there; the rest comes as zeros from the storage. */
static void
fill_zero(BufferObject *self, size_t n)
{
    struct buffer *b = &self->buffer;
    memset(b->start, 0, b->length < n ? b->length : n);
    if (n > b->length)
        (void)buffer_extend_zero(b, n - b->length, false); /* there is room */
}

static void
fill(BufferObject *self, const char *bytes, size_t n)
{
    struct buffer *b = &self->buffer;
    if (n > b->length)
        (void)buffer_take_in(b, n - b->length);
    if (n > 0)
        memcpy(b->start, bytes, n);
}

/* Replaces what is there. Room for the new contents comes first, then nothing can fail. */
static int
replace_contents(BufferObject *self, struct content *content)
{
    struct buffer *b = &self->buffer;
    size_t n = (size_t)content->size;
    if (gate_write(self, "__init__") < 0)
        return -1;
    if (content->owner == (PyObject *)self)
        return 0;
    if (b->length > 0 && gate_move(self, "__init__") < 0)
        return -1;
    if (n > b->length && gate_grow(self, n - b->length, "__init__") < 0)
        return -1;
    if (content->bytes == NULL)
        fill_zero(self, n);
    else
        fill(self, content->bytes, n);
    if (n < b->length)
        buffer_truncate(b, n);
    show_base(self);
    assert_valid(self);
    return 0;
}

int
Buffer_initialize(PyObject *op, PyObject *source, const char *encoding, const char *errors,
                  const struct buffer_options *options)
{
    BufferObject *self = as_buffer(op);
    struct content content;
    if (check_options(self, options) < 0 ||
        content_of_source(self, source, encoding, errors, &content) < 0)
        return -1;
    int result = 0;
    if (!self->initialized)
        result = set_options(self, options);
    if (result == 0)
        result = replace_contents(self, &content);
    self->initialized = true;
    content_release(&content);
    return result;
}
