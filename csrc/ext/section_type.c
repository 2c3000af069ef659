/* section_type.c - growable.Section: making, attributes, methods, and the type.
 *
 * What a reader would get wrong: pickling is not here. Only multiprocessing can send a handle along,
 * so growable/section.py tells its pickler how, and any other meets the TypeError of __reduce__.
 */
#include "section_object.h"

#include "args.h"

#if PY_VERSION_HEX < 0x030c0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

/* Arguments. */

static int
wrong_mode(const char *names, PyObject *mode)
{
    PyErr_Format(PyExc_ValueError, "mode must be %s, not %R", names, mode);
    return 0;
}

static int
file_mode(PyObject *value, void *mode)
{
    static const char *const names[] = {"r", "r+", "w+", "x+"}; /* as enum section_mode counts */
    for (int i = 0; i < (int)Py_ARRAY_LENGTH(names); i++)
        if (args_is_text(value, names[i])) {
            *(enum section_mode *)mode = (enum section_mode)i;
            return 1;
        }
    return wrong_mode("\"r\", \"r+\", \"w+\" or \"x+\"", value);
}

static int
name_mode(PyObject *value, void *writable)
{
    if (!args_is_text(value, "r") && !args_is_text(value, "r+"))
        return wrong_mode("\"r\" or \"r+\"", value);
    *(bool *)writable = args_is_text(value, "r+");
    return 1;
}

/* Making. */

static SectionObject *
allocate(PyTypeObject *type)
{
    SectionObject *self = (SectionObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->module = Py_NewRef(PyType_GetModule(type));
    return self;
}

/* `self`, or NULL with the exception for `error`. Steals self. */
static PyObject *
finish(SectionObject *self, int error, const char *operation, PyObject *subject)
{
    if (error == SECTION_OK)
        return (PyObject *)self;
    Section_raise(section_state(self), &self->section, error, operation, subject);
    Py_DECREF(self);
    return NULL;
}

/* Storage for gigabytes takes seconds. */
static int
create_unlocked(struct section *s, const char *name, size_t size)
{
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = name == NULL ? section_create(s, size) : section_create_named(s, name, size);
    Py_END_ALLOW_THREADS
    return error;
}

static PyObject *
Section_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"size", "name", NULL};
    size_t size;
    PyObject *value, *name = Py_None;
    const char *text = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:Section", keywords, &value, &name) ||
        !args_size(value, "Section", "size", 1, &size) ||
        (name != Py_None && (text = args_name(name)) == NULL))
        return NULL;
    SectionObject *self = allocate(type);
    if (self == NULL)
        return NULL;
    return finish(self, create_unlocked(&self->section, text, size), "Section", name);
}

static PyObject *
Section_open(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "mode", NULL};
    PyObject *name;
    bool writable = true;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&:open", keywords, &name, name_mode,
                                     &writable))
        return NULL;
    const char *text = args_name(name);
    SectionObject *self = text == NULL ? NULL : allocate((PyTypeObject *)type);
    if (self == NULL)
        return NULL;
    return finish(self, section_open_named(&self->section, text, writable), "open", name);
}

static int
open_unlocked(struct section *s, const char *path, enum section_mode mode, size_t size)
{
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = section_open_file(s, path, mode, size);
    Py_END_ALLOW_THREADS
    return error;
}

static int
optional_size(PyObject *value, void *size)
{
    return value == Py_None || args_size(value, "from_file", "size", 1, size);
}

static PyObject *
Section_from_file(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"path", "mode", "size", NULL};
    PyObject *path, *encoded = NULL;
    enum section_mode mode = SECTION_MODE_UPDATE;
    size_t size = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&O&:from_file", keywords, &path, file_mode,
                                     &mode, optional_size, &size) ||
        !PyUnicode_FSConverter(path, &encoded))
        return NULL;
    SectionObject *self = allocate((PyTypeObject *)type);
    PyObject *result = NULL;
    if (self != NULL) {
        int error = open_unlocked(&self->section, PyBytes_AS_STRING(encoded), mode, size);
        result = finish(self, error, "from_file", path);
    }
    Py_DECREF(encoded);
    return result;
}

static PyObject *
Section_from_handle(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"handle", "name", NULL};
    Py_ssize_t handle;
    PyObject *name = Py_None;
    const char *text = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|O:from_handle", keywords, &handle, &name) ||
        (name != Py_None && (text = args_name(name)) == NULL))
        return NULL;
    SectionObject *self = allocate((PyTypeObject *)type);
    if (self == NULL)
        return NULL;
    return finish(self, section_adopt(&self->section, handle, text), "from_handle", NULL);
}

static void
Section_dealloc(PyObject *op)
{
    SectionObject *self = as_section(op);
    PyTypeObject *type = Py_TYPE(op);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    section_close(&self->section);
    Py_XDECREF(self->module);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Attributes. */

static int
measure(SectionObject *self, const char *operation)
{
    if (Section_gate(self, operation) < 0)
        return -1;
    int error = section_measure(&self->section);
    return error == SECTION_OK
               ? 0 : Section_raise(section_state(self), &self->section, error, operation, NULL);
}

static PyObject *
get_size(PyObject *op, void *Py_UNUSED(closure))
{
    SectionObject *self = as_section(op);
    return measure(self, "size") < 0 ? NULL : PyLong_FromSize_t(self->section.size);
}

static Py_ssize_t
Section_len(PyObject *op)
{
    SectionObject *self = as_section(op);
    return measure(self, "len") < 0 ? -1 : (Py_ssize_t)self->section.size;
}

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    const char *name = as_section(op)->section.name;
    if (name[0] == '\0')
        Py_RETURN_NONE;
    return PyUnicode_FromString(name);
}

static PyObject *
get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!as_section(op)->section.open);
}

static PyObject *
get_readonly(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!as_section(op)->section.writable);
}

static PyObject *
get_sealed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(as_section(op)->section.sealed);
}

/* Whoever has seen it may have handed it on. */
static PyObject *
hand_on(SectionObject *self, const char *operation)
{
    if (Section_gate(self, operation) < 0)
        return NULL;
    self->section.handed_on = true;
    return PyLong_FromSsize_t((Py_ssize_t)self->section.pages);
}

static PyObject *
get_handle(PyObject *op, void *Py_UNUSED(closure))
{
    return hand_on(as_section(op), "handle");
}

static PyObject *
Section_fileno(PyObject *op, PyObject *Py_UNUSED(unused))
{
    struct section_facts facts;
    if (Section_gate(as_section(op), "fileno") < 0)
        return NULL;
    section_query(&facts);
    if (!facts.descriptors) {
        errors_raise_unsupported(section_state(as_section(op)), "fileno",
                                 "file descriptors of sections (see Section.handle)");
        return NULL;
    }
    return hand_on(as_section(op), "fileno");
}

/* Methods. */

static int
resize_unlocked(SectionObject *self, size_t size)
{
    int error;
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS
    error = section_resize(&self->section, size);
    Py_END_ALLOW_THREADS
    self->busy = false;
    return error;
}

static PyObject *
result_of(SectionObject *self, int error, const char *operation)
{
    if (error == SECTION_OK)
        Py_RETURN_NONE;
    Section_raise(section_state(self), &self->section, error, operation, NULL);
    return NULL;
}

static PyObject *
Section_resize(PyObject *op, PyObject *value)
{
    SectionObject *self = as_section(op);
    size_t size;
    if (!args_size(value, "resize", "size", 0, &size) || Section_gate(self, "resize") < 0)
        return NULL;
    return result_of(self, resize_unlocked(self, size), "resize");
}

static PyObject *
Section_seal(PyObject *op, PyObject *Py_UNUSED(unused))
{
    SectionObject *self = as_section(op);
    if (Section_gate(self, "seal") < 0)
        return NULL;
    return result_of(self, section_seal(&self->section), "seal");
}

static PyObject *
Section_share(PyObject *op, PyObject *value)
{
    SectionObject *self = as_section(op);
    intptr_t process, theirs;
    if (!args_process(value, "share", &process) || Section_gate(self, "share") < 0)
        return NULL;
    int error = section_share(&self->section, process, &theirs);
    if (error == SECTION_OK)
        return PyLong_FromSsize_t(theirs);
    Section_raise(section_state(self), &self->section, error, "share", NULL);
    return NULL;
}

static PyObject *
Section_close(PyObject *op, PyObject *Py_UNUSED(unused))
{
    SectionObject *self = as_section(op);
    if (!self->section.open)
        Py_RETURN_NONE;
    if (Section_gate(self, "close") < 0)
        return NULL;
    section_close(&self->section);
    Py_RETURN_NONE;
}

static PyObject *
Section_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return Section_gate(as_section(op), "__enter__") < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
Section_exit(PyObject *op, PyObject *Py_UNUSED(args))
{
    return Section_close(op, NULL);
}

static PyObject *
Section_reduce(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(protocol))
{
    PyErr_SetString(PyExc_TypeError,
                    "cannot pickle a Section but to send it to another process by multiprocessing; "
                    "what it holds can be copied with bytes(section.view())");
    return NULL;
}

static PyObject *
Section_repr(PyObject *op)
{
    const struct section *s = &as_section(op)->section;
    const char *sealed = s->sealed ? ", sealed" : "";
    if (!s->open)
        return PyUnicode_FromString("<closed growable.Section>");
    if (s->name[0] == '\0')
        return PyUnicode_FromFormat("<growable.Section of %zu bytes%s>", s->size, sealed);
    PyObject *name = get_name(op, NULL);
    PyObject *text = name == NULL ? NULL
        : PyUnicode_FromFormat("<growable.Section of %zu bytes, name=%R%s>", s->size, name, sealed);
    Py_XDECREF(name);
    return text;
}

/* The type. */

PyDoc_STRVAR(section_doc,
"Section(size, name=None)\n--\n\n"
"Pages that can be mapped more than once, and by more than one process.\n\n"
"All mappings show the same bytes. They are zero at first, and there is storage for all of them\n"
"when the call returns.\n\n"
"Parameters\n----------\n"
"size : int\n    In bytes; rounded up to whole pages.\n"
"name : str, optional\n"
"    What other processes of the same user can open it by, see `Section.open`. It must not be in\n"
"    use, and is free again when the last process that has the Section open has closed it.\n\n"
"Raises\n------\n"
"CommitError\n    There is no storage for as many bytes.\n"
"FileExistsError\n    The name is in use.\n");

PyDoc_STRVAR(open_doc,
"open($type, /, name, mode=\"r+\")\n--\n\n"
"Open the section that this or another process made under the name.\n\n"
"Parameters\n----------\n"
"name : str\n    As given to `Section`.\n"
"mode : {\"r+\", \"r\"}\n    Whether it can be written.\n\n"
"Raises\n------\n"
"FileNotFoundError\n    Nobody has a section of that name open.\n");

PyDoc_STRVAR(from_file_doc,
"from_file($type, /, path, mode=\"r+\", size=None)\n--\n\n"
"Make the bytes of a file a section.\n\n"
"Parameters\n----------\n"
"path : path-like\n    The file.\n"
"mode : {\"r+\", \"r\", \"w+\", \"x+\"}\n"
"    \"r\" and \"r+\" open a file that exists, for reading or for writing too; \"w+\" makes it, or\n"
"    empties it first; \"x+\" makes it and refuses one that exists.\n"
"size : int, optional\n"
"    At least that many bytes: a file that has fewer is made larger. Needed for a file that is\n"
"    empty.\n\n"
"Raises\n------\n"
"CommitError\n    The file system has no room for as many bytes.\n"
"OSError\n    As for `open`.\n\n"
"Notes\n-----\n"
"A file that is made smaller by somebody else while it is mapped is a fault for who reads past its\n"
"new end (SIGBUS on Linux and macOS). Views look at its size when they are made.\n");

PyDoc_STRVAR(from_handle_doc,
"from_handle($type, /, handle, name=None)\n--\n\n"
"Make a Section of a handle from elsewhere, which stays the caller's.\n\n"
"Parameters\n----------\n"
"handle : int\n"
"    A file descriptor, such as one that came over a socket; on Windows the handle of a section.\n"
"name : str, optional\n    What it was made under, if it was.\n");

PyDoc_STRVAR(view_doc,
"view($self, /, offset=0, length=None, access=None)\n--\n\n"
"Map a range and return a memoryview of it.\n\n"
"The mapping lives as long as the memoryview and what was made of it, whatever becomes of the\n"
"Section.\n\n"
"Parameters\n----------\n"
"offset : int\n    Any byte.\n"
"length : int, optional\n    To the end, if not given.\n"
"access : {\"rw\", \"r\", \"wc\"}, optional\n"
"    \"wc\" is copy on write: what is written stays in this view. \"rw\" where the Section can be\n"
"    written, else \"r\", if not given.\n\n"
"Raises\n------\n"
"ValueError\n    The range reaches past the end, as it is now.\n"
"StateError\n    The Section is closed, or cannot be written.\n");

static PyMethodDef methods[] = {
    {"open", (PyCFunction)(void (*)(void))Section_open,
     METH_CLASS | METH_VARARGS | METH_KEYWORDS, open_doc},
    {"from_file", (PyCFunction)(void (*)(void))Section_from_file,
     METH_CLASS | METH_VARARGS | METH_KEYWORDS, from_file_doc},
    {"from_handle", (PyCFunction)(void (*)(void))Section_from_handle,
     METH_CLASS | METH_VARARGS | METH_KEYWORDS, from_handle_doc},
    {"view", (PyCFunction)(void (*)(void))Section_view, METH_VARARGS | METH_KEYWORDS, view_doc},
    {"resize", Section_resize, METH_O,
     "resize($self, size, /)\n--\n\n"
     "Make it larger; the new bytes are zero, and views stay as they are.\n\n"
     "Raises\n------\n"
     "CommitError\n    There is no storage for as many bytes.\n"
     "UnsupportedError\n    This system can enlarge only files.\n"},
    {"seal", Section_seal, METH_NOARGS,
     "seal($self, /)\n--\n\n"
     "See to it that nobody can write to the bytes, or change how many they are, ever again.\n\n"
     "Raises\n------\n"
     "StateError\n    A mapping that can write exists, here or in another process.\n"
     "UnsupportedError\n    It has a name or is a file.\n"},
    {"share", Section_share, METH_O,
     "share($self, process, /)\n--\n\n"
     "Give another process a handle of the Section, on Windows; return its number there.\n\n"
     "Parameters\n----------\n"
     "process : int\n"
     "    The handle of a process, such as `multiprocessing.Process.sentinel`. There, the number is\n"
     "    for `Section.from_handle`, and stays to be closed.\n\n"
     "Raises\n------\n"
     "UnsupportedError\n"
     "    Only Windows has it; elsewhere `fileno` can be sent over a socket.\n"},
    {"close", Section_close, METH_NOARGS,
     "close($self, /)\n--\n\nGive the handle up. Views and mappings live on."},
    {"fileno", Section_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\nThe file descriptor, for instance to send it over a socket."},
    {"__enter__", Section_enter, METH_NOARGS, NULL},
    {"__exit__", Section_exit, METH_VARARGS, NULL},
    {"__reduce_ex__", Section_reduce, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"size", get_size, NULL, "Bytes that it has now; whoever shares it may have added some.", NULL},
    {"name", get_name, NULL, "What other processes can open it by, or None.", NULL},
    {"closed", get_closed, NULL, "Whether the handle was given up.", NULL},
    {"readonly", get_readonly, NULL, "Whether it cannot be mapped for writing.", NULL},
    {"sealed", get_sealed, NULL, "Whether nobody can write to it.", NULL},
    {"handle", get_handle, NULL,
     "The file descriptor; on Windows the handle of the section.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(SectionObject, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)section_doc},
    {Py_tp_new, (void *)Section_new},
    {Py_tp_dealloc, (void *)Section_dealloc},
    {Py_tp_repr, (void *)Section_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_tp_members, members},
    {Py_sq_length, (void *)Section_len},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable.Section",
    .basicsize = sizeof(SectionObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
Section_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

PyObject *
Section_capabilities(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    struct section_facts facts;
    section_query(&facts);
    return Py_BuildValue("{sNsNsN}", "section_seal", PyBool_FromLong(facts.seal), "section_resize",
                         PyBool_FromLong(facts.resize), "section_map",
                         PyBool_FromLong(facts.map_placed));
}
