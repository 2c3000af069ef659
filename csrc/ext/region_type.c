/* region_type.c - growable.Region: lifecycle, the verbs that take a range, attributes, the type.
 *
 * What a reader would get wrong: len(region) is what was reserved, and the buffer protocol exports
 * what is accessible from the beginning on, which may be less, or nothing.
 */
#include "region_object.h"

#include <stddef.h>

#include "args.h"

#if PY_VERSION_HEX < 0x030c0000
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY READONLY
#endif

/* Lifecycle. */

static RegionObject *
allocate(PyTypeObject *type, struct module_state *state, PyObject *name)
{
    RegionObject *self = (RegionObject *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->region = (struct region){.env = &state->env, .released = true};
    self->module = Py_NewRef(state->module);
    self->name = Py_XNewRef(name);
    return self;
}

static PyObject *
Region_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyType_GetModuleByDef(type, &growable_module), *name;
    struct module_state *state = module == NULL ? NULL : PyModule_GetState(module);
    struct region_options options;
    if (state == NULL || Region_parse_options(state, args, kwargs, &options, &name) < 0)
        return NULL;
    RegionObject *self = allocate(type, state, name);
    if (self == NULL)
        return NULL;
    int error = region_open(&self->region, &state->env, &options);
    if (error == REGION_OK)
        return (PyObject *)self;
    Region_raise(self, error, "Region");
    Py_DECREF(self);
    return NULL;
}

static int
Region_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return Region_traverse_alarms(as_region(op), visit, arg);
}

static int
Region_clear(PyObject *op)
{
    Region_clear_alarms(as_region(op));
    return 0;
}

/* An export holds a reference, so there is none. */
static void
Region_dealloc(PyObject *op)
{
    RegionObject *self = as_region(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject *module = self->module;
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(op);
    Region_clear_alarms(self);
    region_close(&self->region);
    Py_XDECREF(self->name);
    type->tp_free(op);
    Py_DECREF(type);
    Py_DECREF(module);
}

/* VirtualFree takes a size, and so somebody may name a part here. */
static bool
names_a_part(PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) != 0)
        return true;
    return kwargs != NULL && (PyDict_GetItemString(kwargs, "offset") != NULL ||
                              PyDict_GetItemString(kwargs, "length") != NULL);
}

static PyObject *
Region_release(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"force", NULL};
    int force = 0;
    if (names_a_part(args, kwargs)) {
        PyErr_Format(PyExc_TypeError, "release: a part of a Region cannot be released, only all its "
                                      "%zu bytes, by release(); decommit(offset, length) gives the "
                                      "memory of a part back", as_region(op)->region.size);
        return NULL;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p:release", keywords, &force))
        return NULL;
    return Region_result(as_region(op), region_release(&as_region(op)->region, force), "release");
}

/* 0, or -1 with an exception when released. */
static int
check_open(const RegionObject *self, const char *operation)
{
    return self->region.released ? Region_raise(self, REGION_RELEASED, operation) : 0;
}

static PyObject *
Region_enter(PyObject *op, PyObject *Py_UNUSED(unused))
{
    return check_open(as_region(op), "with") < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
Region_exit(PyObject *op, PyObject *Py_UNUSED(args))
{
    return Region_result(as_region(op), region_release(&as_region(op)->region, false), "release");
}

static PyObject *
Region_reduce(PyObject *op, PyObject *Py_UNUSED(unused))
{
    PyErr_Format(PyExc_TypeError, "cannot pickle a %.200s: its pages belong to one process",
                 Py_TYPE(op)->tp_name);
    return NULL;
}

static PyObject *
Region_repr(PyObject *op)
{
    const struct region *r = &as_region(op)->region;
    char text[ADDRESS_TEXT];
    if (r->released)
        return PyUnicode_FromString("<released growable.Region>");
    size_t committed = pages_in_state(&r->pages, PAGES_COMMITTED) * r->page_size;
    return PyUnicode_FromFormat("<growable.Region of %zu bytes at %s%s, %zu committed>", r->size,
                                address_text(r->base, text),
                                r->process == 0 ? "" : " of another process", committed);
}

/* The verbs that take a range. */

/* The pages of a range, or -1 with an exception. */
static int
find_pages(RegionObject *self, const struct args_range *a, struct page_range *range)
{
    int error = region_pages(&self->region, a->offset, a->length, range);
    return error == REGION_OK ? 0 : Region_raise(self, error, a->operation);
}

static PyObject *
Region_commit(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "access", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("commit");
    struct page_range range;
    unsigned access = ACCESS_RW;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&O&:commit", keywords, args_offset,
                                     &a, args_length, &a, Region_access,
                                     &access) || find_pages(self, &a, &range) < 0)
        return NULL;
    return Region_result(self, region_commit(&self->region, range, access, false), "commit");
}

static PyObject *
Region_decommit(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "force", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("decommit");
    struct page_range range;
    int force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&$p:decommit", keywords, args_offset,
                                     &a, args_length, &a, &force) ||
        find_pages(self, &a, &range) < 0)
        return NULL;
    return Region_result(self, region_decommit(&self->region, range, force), "decommit");
}

static PyObject *
Region_protect(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "access", "nocache", "write_combine", "force",
                               NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("protect");
    struct page_range range;
    unsigned access;
    int nocache = 0, write_combine = 0, force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&O&|$ppp:protect", keywords, args_offset,
                                     &a, args_length, &a, Region_access_or_copy, &access,
                                     &nocache, &write_combine, &force))
        return NULL;
    if (nocache && write_combine) {
        PyErr_SetString(PyExc_ValueError, "protect: nocache= and write_combine= exclude each other");
        return NULL;
    }
    if (access == ACCESS_NONE && (nocache || write_combine)) {
        PyErr_SetString(PyExc_ValueError, "protect: nocache= and write_combine= need an access other "
                                          "than \"none\"");
        return NULL;
    }
    if (find_pages(self, &a, &range) < 0)
        return NULL;
    enum region_caching caching = nocache ? REGION_UNCACHED
                                  : write_combine ? REGION_WRITE_COMBINED : REGION_CACHED;
    unsigned before = pages_at(&self->region.pages, range.first)->traits.access;
    PyObject *result = PyUnicode_FromString(args_access_name(before)); /* while it may fail */
    if (result == NULL)
        return NULL;
    int error = region_protect(&self->region, range, access, caching, force);
    assert_valid_region(self);
    if (error != REGION_OK) {
        Py_CLEAR(result);
        Region_raise(self, error, "protect");
    }
    return result;
}

static int
convert_priority(PyObject *value, void *result)
{
    int *priority = result;
    *priority = 0;
    if (value == Py_None)
        return 1;
    long number = PyLong_AsLong(value);
    if (number == -1 && PyErr_Occurred())
        return 0;
    if (number < 1 || number > 4) {
        PyErr_Format(PyExc_ValueError, "priority must be None or from 1 (dropped first) to 4, "
                                       "not %ld", number);
        return 0;
    }
    *priority = (int)number;
    return 1;
}

static PyObject *
Region_discard(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "priority", "force", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("discard");
    struct page_range range;
    int priority = 0, force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&$O&p:discard", keywords, args_offset,
                                     &a, args_length, &a, convert_priority,
                                     &priority, &force) || find_pages(self, &a, &range) < 0)
        return NULL;
    return Region_result(self, region_discard(&self->region, range, priority, force), "discard");
}

/* lock, unlock and prefetch. */
static PyObject *
act_on_pages(PyObject *op, PyObject *args, PyObject *kwargs, const char *operation,
             int (*act)(struct region *, struct page_range))
{
    static char *keywords[] = {"offset", "length", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE(operation);
    struct page_range range;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&", keywords, args_offset, &a,
                                     args_length, &a) ||
        find_pages(self, &a, &range) < 0)
        return NULL;
    return Region_result(self, act(&self->region, range), operation);
}

static PyObject *
Region_lock(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return act_on_pages(op, args, kwargs, "lock", region_lock);
}

static PyObject *
Region_unlock(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return act_on_pages(op, args, kwargs, "unlock", region_unlock);
}

static PyObject *
Region_prefetch(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return act_on_pages(op, args, kwargs, "prefetch", region_prefetch);
}

/* region.pages().plot() in one step. */
static PyObject *
Region_plot(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *map = Region_pages(op, NULL);
    PyObject *plot = map == NULL ? NULL : PyObject_GetAttrString(map, "plot");
    PyObject *result = plot == NULL ? NULL : PyObject_Call(plot, args, kwargs);
    Py_XDECREF(plot);
    Py_XDECREF(map);
    return result;
}

/* Attributes. */

static Py_ssize_t
Region_len(PyObject *op)
{
    const RegionObject *self = as_region(op);
    return check_open(self, "len") < 0 ? -1 : (Py_ssize_t)self->region.size;
}

static PyObject *
get_address(PyObject *op, void *Py_UNUSED(closure))
{
    const RegionObject *self = as_region(op);
    return check_open(self, "address") < 0 ? NULL : PyLong_FromVoidPtr(self->region.base);
}

static PyObject *
get_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(as_region(op)->region.size);
}

static PyObject *
get_page_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(as_region(op)->region.page_size);
}

static PyObject *
get_granularity(PyObject *op, void *Py_UNUSED(closure))
{
    struct env_facts facts;
    env_query(as_region(op)->region.env, &facts);
    return PyLong_FromSize_t(facts.granularity);
}

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *name = as_region(op)->name;
    return Py_NewRef(name == NULL ? Py_None : name);
}

static PyObject *
get_released(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(as_region(op)->region.released);
}

static PyObject *
get_exports(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(as_region(op)->region.export_count);
}

static PyObject *
Region_sizeof(PyObject *op, PyObject *Py_UNUSED(unused))
{
    const struct region *r = &as_region(op)->region;
    size_t size = (size_t)Py_TYPE(op)->tp_basicsize + r->pages.room * sizeof *r->pages.runs +
                  r->witness_room * sizeof *r->witnesses;
    if (!r->released && r->process == 0)
        size += pages_in_state(&r->pages, PAGES_COMMITTED) * r->page_size;
    return PyLong_FromSize_t(size);
}

/* The type. */

#define METHOD(name, function, flags, doc) \
    {name, (PyCFunction)(void (*)(void))(function), flags, doc}
#define KEYWORDS (METH_VARARGS | METH_KEYWORDS)

PyDoc_STRVAR(region_doc,
"Region(size, *, commit=False, access='rw', address=None, alignment=None,\n"
"       lowest=None, highest=None, top_down=False, numa_node=None, page_size=None,\n"
"       executable=False, placeholder=False, write_watch=False, physical=False,\n"
"       process=None, name=None)\n"
"--\n\n"
"A reservation of addresses, whose pages are committed, protected and given back\n"
"by byte offset and length.\n\n"
"Offsets, lengths and sizes are bytes. An operation acts on all pages that its range touches;\n"
"a length of None is to the end. Ranges are checked first, and every method raises ValueError\n"
"for numbers that cannot be right, StateError for pages in the wrong state or a Region that was\n"
"released, and BufferError for what a live memoryview or array needs otherwise.\n\n"
"Parameters\n----------\n"
"size : int\n    Bytes to reserve, rounded up to whole pages.\n"
"commit : bool\n    Commit all pages at once.\n"
"access : str\n    'none', 'r', 'rw', 'rx' or 'rwx': of the pages committed at once.\n"
"address : int, optional\n    Reserve there or fail; rounded down to the granularity.\n"
"alignment : int, optional\n    A power of two, at least the granularity.\n"
"lowest, highest : int, optional\n    The first and the last address allowed.\n"
"top_down : bool\n    Reserve at the highest address that can be had.\n"
"numa_node : int, optional\n    The node to take memory from while it has some.\n"
"page_size : int, optional\n    One of info()['large_page_sizes']: reserved and committed together.\n"
"executable : bool\n    Needed for access 'rx' and 'rwx'.\n"
"placeholder : bool\n    One placeholder, to be split and replaced.\n"
"write_watch : bool\n    Needed for written().\n"
"physical : bool\n    A window onto physical pages: always an UnsupportedError, see the notes.\n"
"process : int, optional\n"
"    The handle of another process, on Windows: the pages are there. They can be committed,\n"
"    decommitted, protected, asked about and released from here, but not seen.\n"
"name : str, optional\n    Shown in the system's listings where it has such.\n\n"
"Raises\n------\n"
"ReservationError\n"
"    There are not as many addresses, not there (limit 'address'), or not so; or no large\n"
"    pages are free.\n"
"CommitError\n    There is no memory; limit tells which limit was hit.\n"
"UnsupportedError\n    The system lacks what was asked for; capabilities() tells what it has.\n"
"ValueError\n    A number, or a combination of arguments, that cannot be right.\n\n"
"Notes\n-----\n"
"A window onto memory that is larger than itself is a Region of one placeholder, into which a\n"
"Section is mapped piece by piece. Windows' own windows onto physical pages (AWE) do the same and\n"
"take the privilege SeLockMemoryPrivilege; they are not built.\n\n"
"Examples\n--------\n"
">>> region = Region(1 << 30)\n"
">>> region.commit(0, 65536)\n"
">>> region.view(0, 5)[:] = b'hello'\n"
">>> region.query(0).state\n"
"'committed'\n"
">>> region.release()\n");

#define RANGE "offset=0, length=None"

static PyMethodDef methods[] = {
    METHOD("commit", Region_commit, KEYWORDS,
           "commit($self, /, " RANGE ", access='rw')\n--\n\n"
           "Put zeroed memory behind the pages and make them accessible, all or none.\n\n"
           "Pages that are committed keep their contents and get the access. Raises CommitError\n"
           "where the system refuses, and then nothing has changed; ValueError for 'rx' and 'rwx'\n"
           "unless the Region was made with executable=True."),
    METHOD("decommit", Region_decommit, KEYWORDS,
           "decommit($self, /, " RANGE ", *, force=False)\n--\n\n"
           "Take the memory and the commit charge away; the addresses stay reserved.\n\n"
           "Raises BufferError while an export shows one of the pages; with force=True using it\n"
           "afterwards crashes."),
    METHOD("release", Region_release, KEYWORDS,
           "release($self, /, *, force=False)\n--\n\n"
           "Give the whole reservation back. Raises BufferError while exported; with force=True\n"
           "using an export afterwards crashes. A part cannot be released: TypeError."),
    METHOD("protect", Region_protect, KEYWORDS,
           "protect($self, /, offset, length, access, *, nocache=False, write_combine=False,\n"
           "        force=False)\n--\n\n"
           "Set what access committed pages allow; return that of the first page before.\n\n"
           "Raises BufferError where an export could no longer do what it may do; with\n"
           "force=True using it so afterwards crashes. ValueError as for commit().\n"
           "UnsupportedError for nocache and write_combine on all systems but Windows."),
    METHOD("discard", Region_discard, KEYWORDS,
           "discard($self, /, " RANGE ", *, priority=None, force=False)\n--\n\n"
           "Let the system drop the contents of pages with access 'rw' when memory is short.\n\n"
           "Views of them can be taken again after restore(). priority: from 1 (dropped first)\n"
           "to 4; UnsupportedError on all systems but Windows. GrowableError where the system\n"
           "refuses half-way: restore() tells what is lost then."),
    METHOD("guard", Region_guard, KEYWORDS,
           "guard($self, /, offset, length, on_hit=None)\n--\n\n"
           "Set a one-shot alarm: the first access to each page trips it and then succeeds.\n\n"
           "on_hit(offset) runs soon after, on the main thread. A system call that is given a\n"
           "guarded page fails with EFAULT. Raises UnsupportedError for on_hit in a\n"
           "subinterpreter."),
    METHOD("guard_hits", Region_guard_hits, METH_NOARGS,
           "guard_hits($self, /)\n--\n\n"
           "Offsets, in bytes, of the pages whose guard was tripped since they were guarded last."),
    METHOD("restore", Region_restore, KEYWORDS,
           "restore($self, /, " RANGE ")\n--\n\n"
           "Take discard() back; return the ranges whose contents were dropped.\n\n"
           "Each is (offset, length) in bytes, and is zero now; all others are as they were. The\n"
           "list is exact, page by page."),
    METHOD("lock", Region_lock, KEYWORDS,
           "lock($self, /, " RANGE ")\n--\n\n"
           "Keep the pages in memory. Raises CommitError, naming the limit, and then none is\n"
           "locked. Not counted: one unlock undoes all locks."),
    METHOD("unlock", Region_unlock, KEYWORDS,
           "unlock($self, /, " RANGE ")\n--\n\nAllow the pages to be moved out of memory again."),
    METHOD("prefetch", Region_prefetch, KEYWORDS,
           "prefetch($self, /, " RANGE ")\n--\n\n"
           "Begin to read back what the system has moved out of memory. Only advice; returns at\n"
           "once."),
    METHOD("query", Region_query, METH_O,
           "query($self, offset, /)\n--\n\n"
           "The PageRun that holds the byte at the offset.\n\n"
           "State and access are what the Region has on record; resident, huge and node are asked\n"
           "of the system at that moment."),
    METHOD("pages", Region_pages, METH_NOARGS,
           "pages($self, /)\n--\n\n"
           "All runs of equal pages, as a PageMap: from the first page to the last, without gaps.\n\n"
           "Where its facts come from is told at query()."),
    METHOD("plot", Region_plot, KEYWORDS,
           "plot($self, /, *args, **kwargs)\n--\n\n"
           "Draw pages() with matplotlib; see PageMap.plot. ImportError without matplotlib."),
    METHOD("written", Region_written, KEYWORDS,
           "written($self, /, reset=False)\n--\n\n"
           "The ranges of pages written since they were reserved, or since the last reset.\n\n"
           "Each is (offset, length) in bytes, as the system has it on record. Needs a Region made\n"
           "with write_watch=True (StateError). Where it raises after reset=True, everything may\n"
           "have been written."),
    METHOD("split", Region_split, METH_O,
           "split($self, offset, /)\n--\n\n"
           "Make two placeholders of the one around the offset, a multiple of the granularity.\n\n"
           "Raises StateError where the offset is not inside of a placeholder."),
    METHOD("coalesce", Region_coalesce, KEYWORDS,
           "coalesce($self, /, offset, length)\n--\n\n"
           "Make one placeholder of those that fill the range exactly; StateError where they do\n"
           "not."),
    METHOD("replace", Region_replace, KEYWORDS,
           "replace($self, /, offset, length, section=None, section_offset=0, access='rw')\n--\n\n"
           "Replace one whole placeholder: by pages of a Section, or by private pages, which are\n"
           "committed, or only reserved where access is None.\n\n"
           "Raises StateError where the range is not exactly one placeholder, CommitError where\n"
           "there is no memory."),
    METHOD("map", Region_map, KEYWORDS,
           "map($self, /, section, section_offset=0, offset=0, length=None, access='rw',\n"
           "    copy_on_write=False)\n--\n\n"
           "Map pages of a Section over a part of a placeholder.\n\n"
           "Parameters\n----------\n"
           "section : Section\n    It may be mapped any number of times, and be closed after.\n"
           "section_offset : int\n    A multiple of the page size.\n"
           "offset, length : int\n"
           "    Where in the Region: multiples of the granularity, within one placeholder, which is\n"
           "    split as needed. Without a length, as far as both the Region and the Section go.\n"
           "access : {\"rw\", \"r\", \"rx\", \"rwx\", \"none\", \"wc\"}\n"
           "    \"wc\" is copy on write.\n"
           "copy_on_write : bool\n    What is written stays in this mapping.\n\n"
           "Raises\n------\n"
           "StateError\n    The Region was not made with placeholder=True, the range is not within a\n"
           "    placeholder, or the Section cannot be mapped so.\n"),
    METHOD("unmap", Region_unmap, KEYWORDS,
           "unmap($self, /, offset, length, *, preserve=False, force=False)\n--\n\n"
           "Make reserved pages, or with preserve=True a placeholder, of one whole mapping; or a\n"
           "placeholder, with preserve=True, of private pages that replaced one.\n\n"
           "Raises StateError where the range is not exactly that, BufferError while an export\n"
           "shows one of the pages; with force=True using it afterwards crashes."),
    METHOD("view", Region_view, KEYWORDS,
           "view($self, /, " RANGE ")\n--\n\n"
           "A memoryview of committed pages, read-only unless all of them may be written.\n\n"
           "Without a length it shows the accessible pages from the offset on."),
    METHOD("__enter__", Region_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn self."),
    METHOD("__exit__", Region_exit, METH_VARARGS,
           "__exit__($self, exc_type=None, exc=None, traceback=None, /)\n--\n\nRelease."),
    METHOD("__reduce__", Region_reduce, METH_NOARGS,
           "__reduce__($self, /)\n--\n\nRaise TypeError: a Region belongs to one process."),
    METHOD("__sizeof__", Region_sizeof, METH_NOARGS,
           "__sizeof__($self, /)\n--\n\nSize in memory, in bytes, with what is committed."),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"address", get_address, NULL, "Address of the first byte.", NULL},
    {"size", get_size, NULL, "Bytes reserved, in whole pages.", NULL},
    {"page_size", get_page_size, NULL, "Unit of commit and protection, in bytes.", NULL},
    {"granularity", get_granularity, NULL, "Unit of a reservation's address, in bytes.", NULL},
    {"name", get_name, NULL, "The name given when the Region was made, or None.", NULL},
    {"released", get_released, NULL, "Whether release() was called.", NULL},
    {"exports", get_exports, NULL, "How many exports are alive.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(RegionObject, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)region_doc},
    {Py_tp_new, (void *)Region_new},
    {Py_tp_traverse, (void *)Region_traverse},
    {Py_tp_clear, (void *)Region_clear},
    {Py_tp_dealloc, (void *)Region_dealloc},
    {Py_tp_repr, (void *)Region_repr},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_members, members},
    {Py_bf_getbuffer, (void *)Region_getbuffer},
    {Py_bf_releasebuffer, (void *)Region_releasebuffer},
    {Py_mp_length, (void *)Region_len},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "growable.Region",
    .basicsize = sizeof(RegionObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *
Region_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
