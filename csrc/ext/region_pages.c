/* region_pages.c - what a Region tells of its pages: runs, lost contents, written ranges.
 *
 * What a reader would get wrong: making Python objects may run the garbage collector, and with it
 * code that changes the Region. So each run is looked up anew, by where the last one ended.
 */
#include "region_object.h"

#include <string.h>

#include "args.h"

static const char *
state_name(struct page_traits traits)
{
    static const char *const names[] = {"reserved", "committed", "placeholder", "mapped"};
    return traits.guarded ? "guard" : names[traits.state];
}

/* growable.pages is imported when the first Region is asked. */
static int
import_pages(struct module_state *state)
{
    if (state->page_map != NULL)
        return 0;
    PyObject *module = PyImport_ImportModule("growable.pages");
    if (module == NULL)
        return -1;
    PyObject *run = PyObject_GetAttrString(module, "PageRun");
    PyObject *map = PyObject_GetAttrString(module, "PageMap");
    Py_DECREF(module);
    if (run == NULL || map == NULL) {
        Py_XDECREF(run);
        Py_XDECREF(map);
        return -1;
    }
    Py_XSETREF(state->page_run, run);
    Py_XSETREF(state->page_map, map);
    return 0;
}

static PyObject *
int_or_none(int number)
{
    return number == REGION_NO_NODE ? Py_NewRef(Py_None) : PyLong_FromLong(number);
}

/* The system is asked only about pages that may have memory. */
static int
ask_memory(RegionObject *self, const struct page_run *run, struct region_memory *memory)
{
    struct page_range range = {run->first, run->count};
    *memory = (struct region_memory){0, 0, REGION_NO_NODE};
    if (run->traits.state != PAGES_COMMITTED && run->traits.state != PAGES_MAPPED)
        return 0;
    int error = region_query_memory(&self->region, range, memory);
    return error == REGION_OK ? 0 : Region_raise(self, error, "query");
}

static PyObject *
make_run(RegionObject *self, struct page_run run)
{
    struct region_memory memory;
    size_t page_size = self->region.page_size;
    if (ask_memory(self, &run, &memory) < 0)
        return NULL;
    return PyObject_CallFunction(
        region_state(self)->page_run, "NNssNNNO", PyLong_FromSize_t(run.first * page_size),
        PyLong_FromSize_t(run.count * page_size), state_name(run.traits),
        args_access_name(run.traits.access), PyLong_FromSize_t(memory.resident),
        PyLong_FromSize_t(memory.huge), int_or_none(memory.node),
        run.traits.discarded != NOT_DISCARDED ? Py_True : Py_False);
}

PyObject *
Region_query(PyObject *op, PyObject *arg)
{
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("query");
    struct page_range range;
    if (!args_offset(arg, &a) || import_pages(region_state(self)) < 0)
        return NULL;
    int error = region_pages(&self->region, a.offset, 1, &range);
    if (error != REGION_OK) {
        Region_raise(self, error, "query");
        return NULL;
    }
    region_settle_guards(&self->region);
    return make_run(self, *pages_at(&self->region.pages, range.first));
}

/* Appends the run that holds the page and returns where it ends, or 0 with an exception. */
static size_t
append_run(RegionObject *self, size_t page, PyObject *list)
{
    struct page_range range;
    struct region *r = &self->region;
    int error = region_pages(r, page * r->page_size, REGION_TO_THE_END, &range);
    if (error != REGION_OK) {
        Region_raise(self, error, "pages");
        return 0;
    }
    struct page_run run = pages_span(&r->pages, page, r->pages.total);
    PyObject *item = make_run(self, run);
    int result = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return result < 0 ? 0 : run.first + run.count;
}

PyObject *
Region_pages(PyObject *op, PyObject *Py_UNUSED(unused))
{
    RegionObject *self = as_region(op);
    struct region *r = &self->region;
    if (import_pages(region_state(self)) < 0)
        return NULL;
    PyObject *list = PyList_New(0), *map = NULL;
    size_t page = 0;
    region_settle_guards(r);
    do
        page = list == NULL ? 0 : append_run(self, page, list);
    while (page != 0 && page * r->page_size < r->size);
    if (page != 0)
        map = PyObject_CallFunction(region_state(self)->page_map, "OnNO", list,
                                    (Py_ssize_t)r->page_size, PyLong_FromVoidPtr(r->base),
                                    self->name == NULL ? Py_None : self->name);
    Py_XDECREF(list);
    return map;
}

/* Ranges from the core, to be freed. */
struct ranges {
    struct byte_range *bytes;
    size_t count;
};

static void
free_ranges(RegionObject *self, struct ranges *ranges)
{
    struct buffer_env *env = self->region.env;
    env->free(env->context, ranges->bytes);
}

/* A list of (offset, length). */
static PyObject *
list_of(const struct ranges *ranges)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < ranges->count; i++) {
        PyObject *pair = Py_BuildValue("NN", PyLong_FromSize_t(ranges->bytes[i].offset),
                                       PyLong_FromSize_t(ranges->bytes[i].length));
        if (pair == NULL || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

static bool
are_same(const struct ranges *a, const struct ranges *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->bytes, b->bytes, a->count * sizeof *a->bytes) == 0);
}

/* 0, or -1 with an exception. */
static int
restore(RegionObject *self, const struct args_range *a, bool look, struct ranges *lost)
{
    struct page_range range;
    int error = region_pages(&self->region, a->offset, a->length, &range);
    if (error == REGION_OK)
        error = region_restore(&self->region, range, look, &lost->bytes, &lost->count);
    assert_valid_region(self);
    return error == REGION_OK ? 0 : Region_raise(self, error, "restore");
}

/* What was lost is told once. So the list is made after a mere look, and what is restored then is
 * the same, unless making it ran code that changed the Region. */
PyObject *
Region_restore(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("restore");
    struct ranges seen, lost;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&:restore", keywords, args_offset,
                                     &a, args_length, &a) ||
        restore(self, &a, true, &seen) < 0)
        return NULL;
    PyObject *list = list_of(&seen);
    if (list != NULL && restore(self, &a, false, &lost) < 0)
        Py_CLEAR(list);
    if (list != NULL) {
        if (!are_same(&seen, &lost))
            Py_SETREF(list, list_of(&lost));
        free_ranges(self, &lost);
    }
    free_ranges(self, &seen);
    return list;
}

PyObject *
Region_written(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"reset", NULL};
    RegionObject *self = as_region(op);
    int reset = 0;
    struct page_range all;
    struct ranges found;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:written", keywords, &reset))
        return NULL;
    int error = region_pages(&self->region, 0, REGION_TO_THE_END, &all);
    if (error == REGION_OK)
        error = region_written(&self->region, reset, &found.bytes, &found.count);
    if (error != REGION_OK) {
        Region_raise(self, error, "written");
        return NULL;
    }
    PyObject *list = list_of(&found);
    free_ranges(self, &found);
    return list;
}
