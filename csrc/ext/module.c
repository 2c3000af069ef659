/* module.c - growable._core: the module, its state, the settings, and the self-test at import.
 *
 * What a reader would get wrong: the self-test is no luxury. A Buffer relies on the layout of the
 * interpreter's bytearray and on its fence against resizing; where one of them is not as we know it
 * the import fails, instead of a heap being corrupted later.
 */
#include "array_object.h"
#include "arrow_export.h"
#include "buffer_object.h"
#include "bytesio_object.h"
#include "export.h"
#include "pinned.h"
#include "region_object.h"
#include "ring_object.h"
#include "section_object.h"
#include "table_object.h"
#include "tail.h"

#ifdef GROWABLE_FAULT
#include "fault.h"
#endif

#if PY_VERSION_HEX < 0x030d0000
#include <tracemalloc.h>
#endif

enum { TRACE_DOMAIN = 0x67726f77 }; /* "grow": tracemalloc keeps our pages apart from the heap */

static const struct env_settings DEFAULTS = {
    .reservation = sizeof(size_t) > 4 ? (size_t)1 << 36 : (size_t)1 << 26,
    .budget = (size_t)64 << 20,
    .limit = (size_t)1 << 30,
    .prefault = ENV_PREFAULT_AHEAD,
};

static const char *const PREFAULTS[] = {"off", "ahead", "background", NULL};
static const char *const LATENCIES[] = {"normal", "low", NULL};

/* The environment that the core sees. */

static HOT void *
env_allocate(void *Py_UNUSED(context), size_t size)
{
    return PyMem_Malloc(size);
}

static HOT void *
env_reallocate(void *Py_UNUSED(context), void *block, size_t size)
{
    return PyMem_Realloc(block, size);
}

static HOT void
env_free(void *Py_UNUSED(context), void *block)
{
    PyMem_Free(block);
}

static void
env_committed(void *Py_UNUSED(context), const void *base, size_t committed)
{
    if (committed == 0)
        (void)PyTraceMalloc_Untrack(TRACE_DOMAIN, (uintptr_t)base);
    else
        (void)PyTraceMalloc_Track(TRACE_DOMAIN, (uintptr_t)base, committed);
}

static int
make_env(struct module_state *state)
{
    state->env = (struct buffer_env){
        .allocate = env_allocate,
        .reallocate = env_reallocate,
        .free = env_free,
        .committed = env_committed,
        .context = state,
    };
    int error = env_open(&state->env, &DEFAULTS);
    if (error == 0)
        return 0;
    if (error == ENV_NO_MEMORY) {
        PyErr_NoMemory();
        return -1;
    }
    PyErr_Format(PyExc_ImportError, "growable: the system does not tell its page size (error %d)",
                 error);
    return -1;
}

/* Settings. */

static int
huge_setting(PyObject *setting, enum buffer_huge *huge)
{
    if (setting != Py_None && !PyBool_Check(setting)) {
        PyErr_SetString(PyExc_TypeError, "huge_pages must be None, True or False");
        return -1;
    }
    *huge = setting == Py_None ? BUFFER_HUGE_AUTO
            : setting == Py_True ? BUFFER_HUGE_ALWAYS : BUFFER_HUGE_NEVER;
    return 0;
}

/* Which of the names it is. */
static int
choose(const char *what, const char *name, const char *const *names)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    PyErr_Format(PyExc_ValueError, "%s: unknown setting '%.100s'", what, name);
    return -1;
}

static PyObject *
core_configure(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"reservation", "pool_budget", "pool_limit", "huge_pages",
                               "prefault",    "latency",     NULL};
    struct module_state *state = PyModule_GetState(module);
    Py_ssize_t reservation, budget, limit;
    PyObject *setting;
    const char *prefault_name, *latency_name;
    enum buffer_huge huge;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "nnnOss:configure", keywords, &reservation,
                                     &budget, &limit, &setting, &prefault_name, &latency_name) ||
        huge_setting(setting, &huge) < 0)
        return NULL;
    int prefault = choose("prefault", prefault_name, PREFAULTS);
    int latency = prefault < 0 ? -1 : choose("latency", latency_name, LATENCIES);
    if (latency < 0)
        return NULL;
    if (reservation <= 0 || budget < 0 || limit < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "reservation must be > 0, pool_budget and pool_limit >= 0");
        return NULL;
    }
    struct env_settings settings = {
        .reservation = (size_t)reservation,
        .budget = (size_t)budget,
        .limit = (size_t)limit,
        .prefault = (unsigned char)prefault,
        .low_latency = latency == 1,
    };
    env_configure(&state->env, &settings);
    state->huge = huge;
    Py_RETURN_NONE;
}

static PyObject *
limit_or_none(size_t limit)
{
    return limit == ENV_NO_LIMIT ? Py_NewRef(Py_None) : PyLong_FromSize_t(limit);
}

static PyObject *
huge_or_auto(enum buffer_huge huge)
{
    return huge == BUFFER_HUGE_AUTO ? PyUnicode_FromString("auto")
                                    : PyBool_FromLong(huge == BUFFER_HUGE_ALWAYS);
}

static PyObject *
build_limits(const struct env_facts *facts)
{
    return Py_BuildValue("{sNsNsNsN}", "address_space", limit_or_none(facts->address_limit), "data",
                         limit_or_none(facts->data_limit), "mappings",
                         limit_or_none(facts->max_mappings), "locked",
                         limit_or_none(facts->lock_limit));
}

/* A dict of names and truths. */
static PyObject *
build_capabilities(const struct env_facts *facts)
{
    const struct {
        const char *name;
        bool can;
    } all[] = {
        {"reserve_lazy", facts->reserve_lazy},   {"discard", facts->discard},
        {"populate", facts->populate},           {"advise_huge", facts->advise_huge},
        {"name", facts->name},                   {"remap", facts->remap},
        {"query_resident", facts->query_resident}, {"lock", facts->lock},
        {"prefetch", facts->prefetch},           {"large_pages", facts->large_pages},
        {"query_memory", facts->query_memory},   {"set_caching", facts->set_caching},
        {"undo_discard", facts->undo_discard},   {"offer", facts->offer},
        {"placeholder", facts->placeholder},     {"prefer_node", facts->prefer_node},
        {"query_node", facts->query_node},       {"write_watch", facts->write_watch},
        {"other_process", facts->other_process}, {"physical_pages", false},
    };
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < Py_ARRAY_LENGTH(all); i++)
        if (PyDict_SetItemString(dict, all[i].name, all[i].can ? Py_True : Py_False) < 0)
            Py_CLEAR(dict);
    return dict;
}

static PyObject *
build_sizes(const size_t *sizes)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && i < ENV_LARGE_PAGE_SIZES && sizes[i] != 0; i++) {
        PyObject *size = PyLong_FromSize_t(sizes[i]);
        if (size == NULL || PyList_Append(list, size) < 0)
            Py_CLEAR(list);
        Py_XDECREF(size);
    }
    return list;
}

static PyObject *
build_defaults(const struct env_facts *facts, enum buffer_huge huge)
{
    const struct env_settings *settings = &facts->settings;
    return Py_BuildValue("{sNsNsNsNssss}", "reservation", PyLong_FromSize_t(settings->reservation),
                         "pool_budget", PyLong_FromSize_t(settings->budget), "pool_limit",
                         PyLong_FromSize_t(settings->limit), "huge_pages", huge_or_auto(huge),
                         "prefault", PREFAULTS[settings->prefault], "latency",
                         LATENCIES[settings->low_latency]);
}

static PyObject *
build_pool(const struct env_facts *facts)
{
    return Py_BuildValue("{sNsNsNsNsN}", "reservations", PyLong_FromSize_t(facts->reservations),
                         "reserved_bytes", PyLong_FromSize_t(facts->reserved_bytes), "pooled",
                         PyLong_FromSize_t(facts->pooled), "pooled_bytes",
                         PyLong_FromSize_t(facts->pooled_bytes), "discarded_bytes",
                         PyLong_FromSize_t(facts->discarded_bytes));
}

static PyObject *
core_trim(PyObject *module, PyObject *Py_UNUSED(unused))
{
    struct module_state *state = PyModule_GetState(module);
    return PyLong_FromSize_t(env_trim(&state->env));
}

static PyObject *
core_query(PyObject *module, PyObject *Py_UNUSED(unused))
{
    struct module_state *state = PyModule_GetState(module);
    struct env_facts facts;
    env_query(&state->env, &facts);
    return Py_BuildValue(
        "{sNsNsNsNsIsssssNsNsNsN}", "page_size", PyLong_FromSize_t(facts.page_size), "granularity",
        PyLong_FromSize_t(facts.granularity), "huge_page_size",
        PyLong_FromSize_t(facts.huge_page_size), "large_page_sizes",
        build_sizes(facts.large_page_sizes), "numa_nodes", facts.numa_nodes, "thp", facts.thp,
        "overcommit", facts.overcommit,
        "limits", build_limits(&facts), "defaults", build_defaults(&facts, state->huge), "pool",
        build_pool(&facts), "capabilities", build_capabilities(&facts));
}

/* What vmem_probe has to try is tried when somebody asks, and no sooner. */
static PyObject *
core_probe(PyObject *module, PyObject *Py_UNUSED(unused))
{
    struct module_state *state = PyModule_GetState(module);
    env_probe(&state->env);
    Py_RETURN_NONE;
}

static PyObject *
core_page_map(PyObject *module, PyObject *op)
{
    struct module_state *state = PyModule_GetState(module);
    if (!PyObject_TypeCheck(op, state->buffer_type)) {
        PyErr_Format(PyExc_TypeError, "page_map: expected a Buffer, not %.200s",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    struct buffer *b = &as_buffer(op)->buffer;
    if (b->released || b->tier != BUFFER_RESERVED)
        Py_RETURN_NONE;
    PyObject *map = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)buffer_page_count(b));
    if (map == NULL)
        return NULL;
    int error = buffer_page_map(b, (unsigned char *)PyBytes_AS_STRING(map));
    if (error != BUFFER_OK) {
        Buffer_fail(as_buffer(op), error, "page_map");
        Py_CLEAR(map);
    }
    return map;
}

/* The self-test: a reader, the fence, and growth under an export. */

static bool
reads_through_base(PyObject *buffer)
{
    PyObject *found = PyObject_CallMethod(buffer, "find", "y", "c");
    long at = found == NULL ? -1 : PyLong_AsLong(found);
    Py_XDECREF(found);
    return at == 2 && PyByteArray_Check(buffer) && PyByteArray_Size(buffer) == 3 &&
           memcmp(PyByteArray_AsString(buffer), "abc", 4) == 0;
}

static bool
is_fenced(PyObject *buffer)
{
    if (PyByteArray_Resize(buffer, 100) == 0 || !PyErr_ExceptionMatches(PyExc_BufferError))
        return false;
    PyErr_Clear();
    return PyByteArray_Size(buffer) == 3;
}

static bool
grows_under_export(PyObject *buffer)
{
    Py_buffer view;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_FULL_RO) < 0)
        return false;
    PyObject *done = PyObject_CallMethod(buffer, "extend", "y", "defghijklmnopqrstuvwxyz0123456789");
    bool same = done != NULL && view.buf == as_buffer(buffer)->buffer.start &&
                memcmp(PyByteArray_AsString(buffer), "abcdef", 6) == 0;
    Py_XDECREF(done);
    PyBuffer_Release(&view);
    return same;
}

static int
self_test(struct module_state *state)
{
    if (PyByteArray_Type.tp_basicsize == sizeof(PyByteArrayObject)) {
        PyObject *buffer = PyObject_CallFunction((PyObject *)state->buffer_type, "y", "abc");
        bool works = buffer != NULL && reads_through_base(buffer) && is_fenced(buffer) &&
                     grows_under_export(buffer);
        Py_XDECREF(buffer);
        if (works)
            return 0;
    }
    PyErr_Clear();
    PyErr_Format(PyExc_ImportError,
                 "growable: the bytearray of this interpreter (%s) does not work as growable knows "
                 "it; please report this version", Py_GetVersion());
    return -1;
}

/* The module. */

static int
keep_type(PyTypeObject **place, void *type)
{
    *place = type;
    return type == NULL ? -1 : 0;
}

static int
publish_type(PyObject *module, const char *name, PyTypeObject *type)
{
    return PyModule_AddObjectRef(module, name, (PyObject *)type);
}

static int
make_types(PyObject *module, struct module_state *state)
{
    if (keep_type(&state->tail_type, Tail_make_type(module)) < 0 ||
        keep_type(&state->pinned_type, Pinned_make_type(module)) < 0 ||
        keep_type(&state->export_type, Export_make_type(module)) < 0 ||
        keep_type(&state->buffer_type, Buffer_make_type(module, state)) < 0 ||
        keep_type(&state->bytesio_type, BytesIO_make_type(module)) < 0 ||
        keep_type(&state->array_type, Array_make_type(module)) < 0 ||
        keep_type(&state->region_type, Region_make_type(module)) < 0 ||
        keep_type(&state->region_view_type, RegionView_make_type(module)) < 0 ||
        keep_type(&state->ring_type, Ring_make_type(module)) < 0 ||
        keep_type(&state->ring_view_type, RingView_make_type(module)) < 0 ||
        keep_type(&state->section_type, Section_make_type(module)) < 0 ||
        keep_type(&state->section_view_type, SectionView_make_type(module)) < 0)
        return -1;
    if (publish_type(module, "Buffer", state->buffer_type) < 0 ||
        publish_type(module, "BytesIO", state->bytesio_type) < 0 ||
        publish_type(module, "Region", state->region_type) < 0 ||
        publish_type(module, "RingCore", state->ring_type) < 0 ||
        publish_type(module, "Section", state->section_type) < 0)
        return -1;
    if (publish_type(module, "ArrayCore", state->array_type) < 0)
        return -1;
    PyObject *table_type = Table_make_type(module);
    int result = PyModule_AddObjectRef(module, "TableCore", table_type);
    Py_XDECREF(table_type);
    return result;
}

static int
find_rebuild(PyObject *module, struct module_state *state)
{
    state->rebuild = PyObject_GetAttrString(module, "_rebuild");
    return state->rebuild == NULL ? -1 : 0;
}

static int
core_exec(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);
    state->module = module;
    if (make_env(state) < 0 || errors_add(module, state) < 0 || find_rebuild(module, state) < 0 ||
        make_types(module, state) < 0 || self_test(state) < 0)
        return -1;
    env_prepare(&state->env);
    return 0;
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct module_state *state = PyModule_GetState(module);
    Py_VISIT(state->buffer_type);
    Py_VISIT(state->bytesio_type);
    Py_VISIT(state->array_type);
    Py_VISIT(state->export_type);
    Py_VISIT(state->region_type);
    Py_VISIT(state->region_view_type);
    Py_VISIT(state->ring_type);
    Py_VISIT(state->ring_view_type);
    Py_VISIT(state->section_type);
    Py_VISIT(state->section_view_type);
    Py_VISIT(state->tail_type);
    Py_VISIT(state->pinned_type);
    for (int kind = 0; kind < ERROR_KINDS; kind++)
        Py_VISIT(state->errors[kind]);
    Py_VISIT(state->rebuild);
    Py_VISIT(state->page_run);
    Py_VISIT(state->page_map);
    Py_VISIT(state->numpy.ndarray);
    Py_VISIT(state->numpy.dtype);
    Py_VISIT(state->numpy.frombuffer);
    return 0;
}

/* Breaks the one cycle that no type breaks. What a Buffer uses stays until core_free: a finalizer may
 * make one between this and the clearing of its type. */
static int
core_clear(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->rebuild);
    Py_CLEAR(state->page_run);
    Py_CLEAR(state->page_map);
    Py_CLEAR(state->numpy.ndarray);
    Py_CLEAR(state->numpy.dtype);
    Py_CLEAR(state->numpy.frombuffer);
    return 0;
}

/* Runs after the last Buffer, since each keeps the module. */
static void
core_free(void *module)
{
    struct module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->rebuild);
    Py_CLEAR(state->page_run);
    Py_CLEAR(state->page_map);
    Py_CLEAR(state->buffer_type);
    Py_CLEAR(state->bytesio_type);
    Py_CLEAR(state->array_type);
    Py_CLEAR(state->export_type);
    Py_CLEAR(state->region_type);
    Py_CLEAR(state->region_view_type);
    Py_CLEAR(state->ring_type);
    Py_CLEAR(state->ring_view_type);
    Py_CLEAR(state->section_type);
    Py_CLEAR(state->section_view_type);
    Py_CLEAR(state->tail_type);
    Py_CLEAR(state->pinned_type);
    for (int kind = 0; kind < ERROR_KINDS; kind++)
        Py_CLEAR(state->errors[kind]);
    env_close(&state->env);
}

static PyObject *
core_export(PyObject *module, PyObject *exporter)
{
    struct module_state *state = PyModule_GetState(module);
    return Export_new(state->export_type, exporter, false);
}

static PyMethodDef functions[] = {
    {"export", core_export, METH_O,
     "export($module, exporter, /)\n--\n\n"
     "An object that is an export of the exporter's bytes for as long as it lives."},
    {"configure", (PyCFunction)(void (*)(void))core_configure, METH_VARARGS | METH_KEYWORDS,
     "configure($module, /, reservation, pool_budget, pool_limit, huge_pages, prefault, latency)\n"
     "--\n\nSet the defaults: sizes in bytes, huge_pages None for 'auto'."},
    {"trim", core_trim, METH_NOARGS,
     "trim($module, /)\n--\n\nRelease idle reservations; the bytes of memory that were in them."},
    {"query", core_query, METH_NOARGS,
     "query($module, /)\n--\n\nLimits, capabilities, defaults and the pool, read now."},
    {"probe", core_probe, METH_NOARGS,
     "probe($module, /)\n--\n\n"
     "Find out the capabilities that take unusual system calls; query() tells of them afterwards."},
    {"section_capabilities", Section_capabilities, METH_NOARGS,
     "section_capabilities($module, /)\n--\n\nWhat this system can do with sections."},
    {"page_map", core_page_map, METH_O,
     "page_map($module, buffer, /)\n--\n\n"
     "One byte a page of the storage up to what is committed: 0 reserved, 1 committed, 2 resident;\n"
     "None where the contents do not stand in pages of their own."},
    {"adopt_methods", Array_adopt_methods, METH_O,
     "adopt_methods($module, kind, /)\n--\n\nGive a subclass of ArrayCore its own hot methods."},
    {"arrow_schema", Arrow_schema, METH_O,
     "arrow_schema($module, node, /)\n--\n\nThe type of a node, in a PyCapsule."},
    {"arrow_array", Arrow_array, METH_O,
     "arrow_array($module, node, /)\n--\n\nThe buffers of a node, in a PyCapsule."},
    {"arrow_stream", Arrow_stream, METH_O,
     "arrow_stream($module, node, /)\n--\n\nThe type and the buffers of a node, in a PyCapsule."},
    {"bind_numpy", Array_bind_numpy, METH_VARARGS,
     "bind_numpy($module, ndarray, dtype, frombuffer, contiguous, strided, /)\n--\n\n"
     "Tell the core of NumPy: its types, and two arrays to check the layout on."},
    {"_watch_again", Region_watch_again, METH_NOARGS, "Helper for guards, after a fork."},
    {"_unwatch", Region_unwatch, METH_NOARGS, "Helper for guards, at exit."},
    {"_rebuild", Buffer_rebuild, METH_VARARGS, "Helper for pickle."},
#ifdef GROWABLE_FAULT
    FAULT_FUNCTIONS
#endif
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)core_exec},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

struct PyModuleDef growable_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "growable._core",
    .m_doc = "The C core of growable. Use the names that growable itself exports.",
    .m_size = sizeof(struct module_state),
    .m_methods = functions,
    .m_slots = module_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&growable_module);
}
