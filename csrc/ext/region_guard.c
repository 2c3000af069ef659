/* region_guard.c - Region.guard() and guard_hits(), and how on_hit gets to run on the main thread.
 *
 * A hit wakes a thread of the system layer, which asks the interpreter for a pending call; that one
 * takes the hits out of all watched Regions and calls what was given for them. No Python runs in a
 * fault handler, and none on a thread that tripped a guard.
 *
 * What a reader would get wrong: on_hit may do anything, such as release Regions or guard the page
 * again. So nothing is kept across a call of it: the search begins anew each time.
 */
#include "region_object.h"

#include "args.h"

/* What is called for the hits of some pages; NULL for nothing. Of several the newest one counts. */
struct alarm {
    struct alarm *next;
    struct page_range range;
    PyObject *function;
};

enum { HITS_AT_ONCE = 1000 };

/* The alarms of a Region. */

static bool
covers(struct page_range outer, struct page_range inner)
{
    return outer.first <= inner.first && inner.first + inner.count <= outer.first + outer.count;
}

/* Moves the alarms that `range` covers to another list: to free one may run foreign code. */
static struct alarm *
take_covered(RegionObject *self, struct page_range range)
{
    struct alarm *taken = NULL, **place = &self->alarms;
    while (*place != NULL) {
        struct alarm *a = *place;
        if (covers(range, a->range)) {
            *place = a->next;
            a->next = taken;
            taken = a;
        }
        else
            place = &a->next;
    }
    return taken;
}

static void
free_alarms(struct alarm *a)
{
    while (a != NULL) {
        struct alarm *next = a->next;
        Py_XDECREF(a->function);
        PyMem_Free(a);
        a = next;
    }
}

static PyObject *
function_for(const RegionObject *self, size_t page)
{
    struct page_range one = {page, 1};
    for (const struct alarm *a = self->alarms; a != NULL; a = a->next)
        if (covers(a->range, one))
            return Py_XNewRef(a->function);
    return NULL;
}

/* Watched Regions stand in a list of the module; they leave it when they die. */

static void
watch_region(RegionObject *self)
{
    struct module_state *state = region_state(self);
    if (self->watched)
        return;
    self->watched = true;
    self->previous_watched = NULL;
    self->next_watched = state->watched_regions;
    if (self->next_watched != NULL)
        self->next_watched->previous_watched = self;
    state->watched_regions = self;
}

static void
unwatch_region(RegionObject *self)
{
    if (!self->watched)
        return;
    if (self->previous_watched != NULL)
        self->previous_watched->next_watched = self->next_watched;
    else
        region_state(self)->watched_regions = self->next_watched;
    if (self->next_watched != NULL)
        self->next_watched->previous_watched = self->previous_watched;
    self->watched = false;
}

int
Region_traverse_alarms(RegionObject *self, visitproc visit, void *arg)
{
    for (struct alarm *a = self->alarms; a != NULL; a = a->next)
        Py_VISIT(a->function);
    return 0;
}

void
Region_clear_alarms(RegionObject *self)
{
    struct alarm *all = self->alarms;
    unwatch_region(self);
    self->alarms = NULL;
    free_alarms(all);
}

/* From a hit to on_hit. */

/* The search goes round from where the last hit was found. */
static bool
take_hit(RegionObject *self, size_t *offset)
{
    *offset = self->search_from;
    bool found = region_take_hit(&self->region, offset);
    if (!found) {
        *offset = 0;
        found = region_take_hit(&self->region, offset);
    }
    if (found)
        self->search_from = *offset + self->region.page_size;
    return found;
}

static void
call_on_hit(PyObject *function, size_t offset)
{
    PyObject *number = PyLong_FromSize_t(offset);
    PyObject *result = number == NULL ? NULL : PyObject_CallOneArg(function, number);
    if (result == NULL)
        PyErr_WriteUnraisable(function);
    Py_XDECREF(result);
    Py_XDECREF(number);
}

/* Whether there was a hit. */
static bool
tell_one_hit(struct module_state *state)
{
    size_t offset;
    for (RegionObject *self = state->watched_regions; self != NULL; self = self->next_watched) {
        if (!take_hit(self, &offset))
            continue;
        PyObject *function = function_for(self, offset / self->region.page_size);
        if (function != NULL)
            call_on_hit(function, offset);
        Py_XDECREF(function);
        return true;
    }
    return false;
}

static bool ask_for_call(void *context);

/* Not all at once where on_hit makes new hits: the program shall go on, too. */
static int
tell_hits(void *context)
{
    struct module_state *state = context;
    atomic_store(&state->call_pending, false);
    if (PyInterpreterState_Get() != PyInterpreterState_Main())
        return 0; /* before 3.12 the pending call may meet another one; the next hit asks again */
    for (int i = 0; i < HITS_AT_ONCE; i++)
        if (!tell_one_hit(state))
            return 0;
    (void)ask_for_call(state);
    return 0;
}

/* Runs on the system layer's thread, without the interpreter's lock. */
static bool
ask_for_call(void *context)
{
    struct module_state *state = context;
    if (atomic_exchange(&state->call_pending, true))
        return true;
    if (Py_AddPendingCall(tell_hits, state) == 0)
        return true;
    atomic_store(&state->call_pending, false);
    return false;
}

/* Watching, from the first on_hit to the end of the interpreter. */

static int
start_watching(struct module_state *state)
{
    int system_error = region_watch(ask_for_call, state);
    if (system_error == 0)
        return 0;
    struct failure failure = {ERROR_BASE, "guard", 0, NULL, system_error};
    char text[128];
    env_describe_error(system_error, text, sizeof text);
    return errors_raise_failure(state, &failure,
        PyUnicode_FromFormat("guard: no thread to tell of hits could be started: %s", text));
}

/* In a child after fork(): the thread is not there. */
PyObject *
Region_watch_again(PyObject *module, PyObject *Py_UNUSED(unused))
{
    struct module_state *state = PyModule_GetState(module);
    atomic_store(&state->call_pending, false);
    if (state->watching && start_watching(state) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* At exit: the hits so far are told of now, and no others will be. */
PyObject *
Region_unwatch(PyObject *module, PyObject *Py_UNUSED(unused))
{
    struct module_state *state = PyModule_GetState(module);
    if (state->watching) {
        state->watching = false;
        region_unwatch();
        (void)ask_for_call(state);
        if (Py_MakePendingCalls() < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
attribute_of(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *attribute = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return attribute;
}

/* from_module.function(hook), or from_module.function(keyword=hook). */
static int
register_hook(struct module_state *state, const char *from_module, const char *function,
              const char *keyword, const char *hook_name)
{
    PyObject *registrar = attribute_of(from_module, function), *names = NULL, *result = NULL;
    PyObject *hook = registrar == NULL ? NULL : PyObject_GetAttrString(state->module, hook_name);
    if (hook != NULL && keyword != NULL)
        names = Py_BuildValue("(s)", keyword);
    if (hook != NULL && (keyword == NULL || names != NULL))
        result = PyObject_Vectorcall(registrar, &hook, keyword == NULL, names);
    Py_XDECREF(names);
    Py_XDECREF(hook);
    Py_XDECREF(registrar);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
register_hooks(struct module_state *state)
{
#ifndef MS_WINDOWS
    if (register_hook(state, "os", "register_at_fork", "after_in_child", "_watch_again") < 0)
        return -1;
#endif
    return register_hook(state, "atexit", "register", NULL, "_unwatch");
}

static int
need_watching(struct module_state *state)
{
    if (state->watching)
        return 0;
    if (PyInterpreterState_Get() != PyInterpreterState_Main())
        return errors_raise_unsupported(state, "guard", "on_hit in a subinterpreter");
    if (start_watching(state) < 0)
        return -1;
    if (register_hooks(state) < 0) {
        region_unwatch();
        return -1;
    }
    state->watching = true;
    return 0;
}

/* The methods. */

static int
convert_on_hit(PyObject *value, void *result)
{
    if (value != Py_None && !PyCallable_Check(value)) {
        PyErr_Format(PyExc_TypeError, "on_hit must be callable or None, not %.200s",
                     Py_TYPE(value)->tp_name);
        return 0;
    }
    *(PyObject **)result = value == Py_None ? NULL : value;
    return 1;
}

static PyObject *
guard_pages(RegionObject *self, struct page_range range, PyObject *on_hit)
{
    struct alarm *a = PyMem_Malloc(sizeof *a);
    if (a == NULL)
        return PyErr_NoMemory();
    int error = region_guard(&self->region, range);
    if (error != REGION_OK) {
        PyMem_Free(a);
        return Region_result(self, error, "guard");
    }
    struct alarm *old = take_covered(self, range);
    *a = (struct alarm){self->alarms, range, Py_XNewRef(on_hit)};
    self->alarms = a;
    if (on_hit != NULL)
        watch_region(self);
    free_alarms(old);
    Py_RETURN_NONE;
}

PyObject *
Region_guard(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "on_hit", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("guard");
    PyObject *on_hit = NULL;
    struct page_range range;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&|O&:guard", keywords, args_offset,
                                     &a, args_length, &a, convert_on_hit, &on_hit) ||
        (on_hit != NULL && need_watching(region_state(self)) < 0))
        return NULL;
    int error = region_pages(&self->region, a.offset, a.length, &range);
    return error == REGION_OK ? guard_pages(self, range, on_hit)
                              : Region_result(self, error, "guard");
}

PyObject *
Region_guard_hits(PyObject *op, PyObject *Py_UNUSED(unused))
{
    RegionObject *self = as_region(op);
    if (self->region.released)
        return Region_result(self, REGION_RELEASED, "guard_hits");
    PyObject *list = PyList_New(0);
    size_t offset = 0;
    while (list != NULL && region_next_hit(&self->region, &offset)) {
        PyObject *number = PyLong_FromSize_t(offset);
        if (number == NULL || PyList_Append(list, number) < 0)
            Py_CLEAR(list);
        Py_XDECREF(number);
        offset += self->region.page_size;
    }
    return list;
}
