/* buffer_init.c - making a Buffer: storage, options, and contents as bytearray takes them.
 *
 * What a reader would get wrong: the options belong to the storage, so they count at the first
 * __init__ only; the contents can be set anew, as for a bytearray, but all or nothing.
 */
#include "content.h"

enum { LONG_COPY = 1024 * 1024 }; /* some hundred microseconds */

/* An exact Buffer needs none of what tp_alloc does for subclasses, such as zeroing their slots. */
static BufferObject *
allocate_object(PyTypeObject *type, const struct module_state *state)
{
    if (!LIKELY(type == state->buffer_type))
        return (BufferObject *)type->tp_alloc(type, 0);
    BufferObject *self = PyObject_New(BufferObject, type);
    if (self != NULL) {
        self->pins = 0;
        self->tails = 0;
        self->initialized = false;
        self->weakrefs = NULL;
    }
    return self;
}

HOT PyObject *
Buffer_allocate(PyTypeObject *type, struct module_state *state)
{
    BufferObject *self = allocate_object(type, state);
    if (self == NULL)
        return NULL;
    Py_INCREF(state->module);
    buffer_init(&self->buffer, &state->env);
    self->buffer.huge = (unsigned char)state->huge;
    if (layout_attach(&self->base) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    show_base(self);
    return (PyObject *)self;
}

/* Options. They are converted first, since that may run code which uses this very buffer; they apply
 * only to one that nobody has used. */

struct settings {
    bool has_capacity, has_huge;
    size_t capacity;
    enum buffer_huge huge;
    PyObject *name; /* borrowed, or NULL */
};

static bool
is_given(PyObject *option)
{
    return option != NULL && option != Py_None;
}

static int
convert_capacity(PyObject *option, struct settings *settings)
{
    if (!PyIndex_Check(option)) {
        PyErr_Format(PyExc_TypeError, "capacity must be an integer or None, not %.200s",
                     Py_TYPE(option)->tp_name);
        return -1;
    }
    Py_ssize_t n = PyNumber_AsSsize_t(option, PyExc_OverflowError);
    if (n == -1 && PyErr_Occurred())
        return -1;
    if (n < 0) {
        PyErr_Format(PyExc_ValueError, "capacity must be >= 0, got %zd", n);
        return -1;
    }
    settings->has_capacity = true;
    settings->capacity = (size_t)n;
    return 0;
}

static int
convert_huge_pages(const BufferObject *self, PyObject *option, struct settings *settings)
{
    if (PyUnicode_Check(option) && PyUnicode_CompareWithASCIIString(option, "auto") == 0)
        return 0;
    if (!PyBool_Check(option)) {
        PyErr_Format(PyExc_ValueError, "huge_pages must be 'auto', True or False, not %R", option);
        return -1;
    }
    if (option == Py_True && !env_has_huge_pages(self->buffer.env))
        return errors_raise_unsupported(state_of(self), "huge_pages=True", "huge pages");
    settings->has_huge = true;
    settings->huge = option == Py_True ? BUFFER_HUGE_ALWAYS : BUFFER_HUGE_NEVER;
    return 0;
}

static int
convert_name(PyObject *option, struct settings *settings)
{
    if (!PyUnicode_Check(option)) {
        PyErr_Format(PyExc_TypeError, "name must be str or None, not %.200s",
                     Py_TYPE(option)->tp_name);
        return -1;
    }
    settings->name = option;
    return PyUnicode_AsUTF8(option) == NULL ? -1 : 0;
}

static int
convert_options(const BufferObject *self, const struct buffer_options *options,
                struct settings *settings)
{
    *settings = (struct settings){0};
    if (is_given(options->name) && convert_name(options->name, settings) < 0)
        return -1;
    if (is_given(options->huge_pages) &&
        convert_huge_pages(self, options->huge_pages, settings) < 0)
        return -1;
    return is_given(options->capacity) ? convert_capacity(options->capacity, settings) : 0;
}

bool
Buffer_is_new(const BufferObject *self)
{
    const struct buffer *b = &self->buffer;
    return b->length == 0 && b->tier == BUFFER_SMALL && !b->pinned && !b->released &&
           is_movable(self);
}

static bool
is_unused(const BufferObject *self)
{
    return !self->initialized && Buffer_is_new(self);
}

int
Buffer_set_capacity(BufferObject *self, size_t capacity, const char *operation)
{
    int error = buffer_set_capacity(&self->buffer, capacity);
    show_base(self);
    if (error == BUFFER_TOO_LARGE)
        error = BUFFER_NOT_RESERVED;
    return error == BUFFER_OK ? 0 : Buffer_fail(self, error, operation);
}

/* An instance of a subclass of str could lead back here, and the garbage collector does not look into a
 * Buffer. */
static int
set_name(BufferObject *self, PyObject *name)
{
    struct buffer *b = &self->buffer;
    PyObject *text = PyUnicode_FromObject(name);
    const char *bytes = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    int error = bytes == NULL ? BUFFER_OK : buffer_need_rest(b);
    if (bytes == NULL || error != BUFFER_OK) {
        Py_XDECREF(text);
        return bytes == NULL ? -1 : Buffer_fail(self, error, "Buffer");
    }
    PyObject *old = name_of(self);
    b->rest->name = bytes;
    b->rest->name_owner = text;
    Py_XDECREF(old);
    return 0;
}

static void
drop_name(BufferObject *self)
{
    PyObject *old = name_of(self);
    if (old == NULL)
        return;
    self->buffer.rest->name = NULL;
    self->buffer.rest->name_owner = NULL;
    Py_DECREF(old);
}

static int
apply_settings(BufferObject *self, const struct settings *settings)
{
    if (!settings->has_capacity && !settings->has_huge && settings->name == NULL)
        return 0;
    if (gate_write(self, "__init__") < 0)
        return -1;
    if (!is_unused(self)) {
        PyErr_SetString(PyExc_TypeError, "capacity, huge_pages and name are given when a Buffer is "
                                         "made; one in use cannot change them");
        return -1;
    }
    if (settings->name != NULL && set_name(self, settings->name) < 0)
        return -1;
    if (settings->has_huge)
        self->buffer.huge = (unsigned char)settings->huge;
    if (!settings->has_capacity)
        return 0;
    return Buffer_set_capacity(self, settings->capacity, "Buffer");
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

/* A Buffer that only its maker knows, and a source that nobody can change or free meanwhile. */
static bool
is_private_copy(const BufferObject *self, const struct content *content)
{
    bool stable = content->view.obj != NULL ||
                  (content->owner != NULL && PyBytes_CheckExact(content->owner));
    return Py_REFCNT(self) == 1 && stable;
}

/* Long copies, with the page faults in them, let other threads run. */
static void
fill(BufferObject *self, const struct content *content, size_t n)
{
    struct buffer *b = &self->buffer;
    bool longer = n > b->length;
    if (n >= LONG_COPY && is_private_copy(self, content)) {
        if (longer)
            (void)buffer_take_in(b, n - b->length);
        self->pins++;
        Py_BEGIN_ALLOW_THREADS
        copy_memory(b->start, content->bytes, n);
        Py_END_ALLOW_THREADS
        self->pins--;
    } else if (longer)
        buffer_replace_end(b, 0, content->bytes, n);
    else if (n > 0)
        copy_memory(b->start, content->bytes, n);
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
        fill(self, content, n);
    if (n < b->length)
        buffer_truncate(b, n);
    show_base(self);
    assert_valid(self);
    return 0;
}

/* As Buffer_allocate left it, unless an exception's own code has used it meanwhile. */
static void
undo_settings(BufferObject *self)
{
    struct buffer *b = &self->buffer;
    if (self->initialized || b->length > 0 || b->pinned || b->released || !is_movable(self))
        return;
    drop_name(self);
    buffer_reset(b);
    b->huge = (unsigned char)state_of(self)->huge;
    show_base(self);
}

static int
initialize(BufferObject *self, struct content *content, const struct settings *settings)
{
    bool unused = is_unused(self);
    int result = apply_settings(self, settings);
    if (result == 0)
        result = replace_contents(self, content);
    if (result == 0)
        self->initialized = true;
    else if (unused)
        undo_settings(self);
    content_release(content);
    return result;
}

int
Buffer_initialize(PyObject *op, PyObject *source, const char *encoding, const char *errors,
                  const struct buffer_options *options)
{
    BufferObject *self = as_buffer(op);
    struct settings settings;
    struct content content;
    if (convert_options(self, options, &settings) < 0 ||
        content_of_source(self, source, encoding, errors, &content) < 0)
        return -1;
    return initialize(self, &content, &settings);
}

int
Buffer_initialize_copy(PyObject *op, PyObject *source, const struct buffer_options *options)
{
    BufferObject *self = as_buffer(op);
    struct settings settings;
    struct content content;
    if (convert_options(self, options, &settings) < 0 ||
        content_of_buffer(self, source, &content) < 0)
        return -1;
    return initialize(self, &content, &settings);
}
