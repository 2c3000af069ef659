/* region_args.c - the options of Region(), as numbers of C.
 *
 * What a reader would get wrong: __index__ is foreign code and may release the Region, so all
 * arguments are converted before anything is looked at.
 */
#include "region_object.h"

#include "args.h"

/* Numbers. */

/* An address, or 0 for None. */
static int
convert_address(PyObject *value, const char *what, uintptr_t *address)
{
    if (value == Py_None)
        return 1;
    PyObject *number = args_integer(value, "Region", what);
    if (number == NULL)
        return 0;
    size_t found = PyLong_AsSize_t(number);
    bool failed = found == (size_t)-1 && PyErr_Occurred();
    if (failed || found == 0) { /* an OverflowError it can only be */
        PyErr_Format(PyExc_ValueError, "Region: %s must be from 1 to %zu, not %S", what, SIZE_MAX,
                     number);
        failed = true;
    }
    Py_DECREF(number);
    *address = found;
    return !failed;
}

/* Access. */

int
Region_access(PyObject *value, void *access)
{
    unsigned all = 1u << ACCESS_NONE | 1u << ACCESS_R | 1u << ACCESS_RW | 1u << ACCESS_RX |
                   1u << ACCESS_RWX;
    return args_access(value, all, "\"none\", \"r\", \"rw\", \"rx\" or \"rwx\"", access);
}

/* "wc" is what copy_on_write makes of "rw". */
int
Region_access_or_copy(PyObject *value, void *access)
{
    if (args_is_text(value, "wc")) {
        *(unsigned *)access = ACCESS_WC;
        return 1;
    }
    return Region_access(value, access);
}

/* The options of Region(). */

struct given {
    PyObject *size, *address, *alignment, *lowest, *highest, *numa_node, *page_size, *process, *name;
    int commit, top_down, executable, placeholder, write_watch, physical;
    unsigned access;
};

static int
parse_given(PyObject *args, PyObject *kwargs, struct given *g)
{
    static char *keywords[] = {"size", "commit", "access", "address", "alignment", "lowest",
                               "highest", "top_down", "numa_node", "page_size", "executable",
                               "placeholder", "write_watch", "physical", "process", "name",
                               NULL};
    *g = (struct given){.address = Py_None, .alignment = Py_None, .lowest = Py_None,
                        .highest = Py_None, .numa_node = Py_None, .page_size = Py_None,
                        .process = Py_None, .name = Py_None, .access = ACCESS_RW};
    return PyArg_ParseTupleAndKeywords(
               args, kwargs, "O|$pO&OOOOpOOppppOO:Region", keywords, &g->size, &g->commit,
               Region_access, &g->access, &g->address, &g->alignment, &g->lowest, &g->highest,
               &g->top_down, &g->numa_node, &g->page_size, &g->executable, &g->placeholder,
               &g->write_watch, &g->physical, &g->process, &g->name)
               ? 0 : -1;
}

static int
convert_node(PyObject *value, int *node)
{
    size_t number;
    *node = REGION_NO_NODE;
    if (value == Py_None)
        return 1;
    if (!args_size(value, "Region", "numa_node", 0, &number))
        return 0;
    if (number > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "Region: there is no node %zu", number);
        return 0;
    }
    *node = (int)number;
    return 1;
}

static int
convert_options(const struct given *g, struct region_options *o)
{
    uintptr_t alignment = 0, page_size = 0;
    *o = (struct region_options){
        .access = (uint8_t)g->access,
        .commit = g->commit,
        .top_down = g->top_down,
        .executable = g->executable,
        .placeholder = g->placeholder,
        .write_watch = g->write_watch,
    };
    if (!args_size(g->size, "Region", "size", 1, &o->size) ||
        !convert_address(g->address, "address", &o->address) ||
        !convert_address(g->alignment, "alignment", &alignment) ||
        !convert_address(g->lowest, "lowest", &o->lowest) ||
        !convert_address(g->highest, "highest", &o->highest) ||
        !convert_address(g->page_size, "page_size", &page_size) ||
        !convert_node(g->numa_node, &o->numa_node) ||
        (g->process != Py_None && !args_process(g->process, "Region", &o->process)))
        return -1;
    o->alignment = alignment;
    o->page_size = page_size;
    return 0;
}

static int
bad(const char *message)
{
    PyErr_SetString(PyExc_ValueError, message);
    return -1;
}

static int
check_place(const struct region_options *o, const struct env_facts *facts)
{
    if (o->address != 0 && (o->alignment != 0 || o->lowest != 0 || o->highest != 0 || o->top_down))
        return bad("Region: address= goes without alignment=, lowest=, highest= and top_down=");
    if (o->address != 0 && o->address < facts->granularity) {
        PyErr_Format(PyExc_ValueError, "Region: address must be at least the granularity, %zu, "
                                       "not %zu", facts->granularity, o->address);
        return -1;
    }
    if (o->alignment != 0 &&
        ((o->alignment & (o->alignment - 1)) != 0 || o->alignment < facts->granularity)) {
        PyErr_Format(PyExc_ValueError, "Region: alignment must be a power of two and at least the "
                                       "granularity, %zu, not %zu", facts->granularity,
                     o->alignment);
        return -1;
    }
    if (o->highest != 0 && (o->highest < o->lowest || o->highest - o->lowest < o->size - 1)) {
        PyErr_Format(PyExc_ValueError, "Region: %zu bytes do not fit from lowest=%zu to "
                                       "highest=%zu", o->size, o->lowest, o->highest);
        return -1;
    }
    if (o->numa_node != REGION_NO_NODE && (unsigned)o->numa_node >= facts->numa_nodes) {
        PyErr_Format(PyExc_ValueError, "Region: there is no node %d; info()[\"numa_nodes\"] is %u",
                     o->numa_node, facts->numa_nodes);
        return -1;
    }
    return 0;
}

static bool
is_large_page_size(const struct env_facts *facts, size_t size)
{
    for (int i = 0; i < ENV_LARGE_PAGE_SIZES && facts->large_page_sizes[i] != 0; i++)
        if (facts->large_page_sizes[i] == size)
            return true;
    return false;
}

static int
no_such_pages(const struct env_facts *facts, size_t size)
{
    char list[128] = "";
    int used = 0;
    for (int i = 0; i < ENV_LARGE_PAGE_SIZES && facts->large_page_sizes[i] != 0; i++)
        used += PyOS_snprintf(list + used, sizeof list - (size_t)used, "%s%llu", i == 0 ? "" : ", ",
                              (unsigned long long)facts->large_page_sizes[i]);
    PyErr_Format(PyExc_ValueError, "Region: page_size must be one of info()[\"large_page_sizes\"], "
                                   "(%s), not %zu", list, size);
    return -1;
}

/* An ordinary page size is asked for as well as none. */
static int
check_kind(struct region_options *o, const struct env_facts *facts)
{
    if (o->page_size == facts->page_size)
        o->page_size = 0;
    if (o->page_size != 0 && facts->large_pages && !is_large_page_size(facts, o->page_size))
        return no_such_pages(facts, o->page_size);
    if (o->page_size != 0 && o->address % o->page_size != 0) {
        PyErr_Format(PyExc_ValueError, "Region: address must be a multiple of page_size=%zu, not %zu",
                     o->page_size, o->address);
        return -1;
    }
    if (o->page_size != 0 && (o->placeholder || o->write_watch))
        return bad("Region: page_size= goes without placeholder= and write_watch=");
    if (o->placeholder && o->write_watch)
        return bad("Region: placeholder= and write_watch= exclude each other");
    if (o->access != ACCESS_RW && !o->commit && o->page_size == 0)
        return bad("Region: access= is of pages that are committed at once: pass commit=True, or give "
                   "the access to commit()");
    if (o->placeholder && o->commit)
        return bad("Region: a placeholder cannot be committed before it is replaced");
    return 0;
}

/* Those of another process are as plain as can be. */
static int
check_elsewhere(const struct region_options *o)
{
    if (o->process != 0 && (o->page_size != 0 || o->placeholder || o->write_watch))
        return bad("Region: process= goes without page_size=, placeholder= and write_watch=");
    return 0;
}

/* MEM_PHYSICAL gives pages that never leave memory, to those who may lock any. A section does
 * without that privilege all that can be done with it otherwise. */
static int
refuse_physical(struct module_state *state)
{
    struct failure failure = {.kind = ERROR_UNSUPPORTED, .operation = "Region",
                              .limit = "SeLockMemoryPrivilege"};
    return errors_raise_failure(state, &failure,
        PyUnicode_FromString("Region: windows onto physical pages (AWE) are not built, as they need "
                             "the privilege SeLockMemoryPrivilege; map a Section piece by piece "
                             "into a Region made with placeholder=True"));
}

int
Region_parse_options(struct module_state *state, PyObject *args, PyObject *kwargs,
                     struct region_options *options, PyObject **name)
{
    struct given g;
    struct env_facts facts;
    const char *text = NULL;
    if (parse_given(args, kwargs, &g) < 0 || convert_options(&g, options) < 0 ||
        (g.name != Py_None && (text = args_name(g.name)) == NULL))
        return -1;
    if (g.physical)
        return refuse_physical(state);
    env_query(&state->env, &facts);
    if (check_place(options, &facts) < 0 || check_kind(options, &facts) < 0 ||
        check_elsewhere(options) < 0)
        return -1;
    *name = g.name == Py_None ? NULL : g.name;
    options->name = text;
    return 0;
}
