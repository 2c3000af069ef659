/* region_args.c - what Python passes to a Region, as numbers of C.
 *
 * What a reader would get wrong: __index__ is foreign code and may release the Region, so all
 * arguments are converted before anything is looked at.
 */
#include "region_object.h"

#include <string.h>

/* Numbers. */

/* A number from 0 to the largest size; `what` is for the message. */
static int
convert_size(PyObject *value, const char *what, size_t *size)
{
    PyObject *number = PyNumber_Index(value);
    if (number == NULL)
        return 0;
    Py_ssize_t found = PyLong_AsSsize_t(number);
    if (found < 0) {
        if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OverflowError))
            PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "%s must be from 0 to %zd, not %S", what,
                     PY_SSIZE_T_MAX, number);
    }
    Py_DECREF(number);
    *size = (size_t)found;
    return found >= 0;
}

int
Region_offset(PyObject *value, void *size)
{
    return convert_size(value, "offset", size);
}

int
Region_length(PyObject *value, void *size)
{
    if (value == Py_None) {
        *(size_t *)size = REGION_TO_THE_END;
        return 1;
    }
    return convert_size(value, "length", size);
}

/* An address, or 0 for None. */
static int
convert_address(PyObject *value, const char *what, uintptr_t *address)
{
    if (value == Py_None)
        return 1;
    PyObject *number = PyNumber_Index(value);
    if (number == NULL)
        return 0;
    size_t found = PyLong_AsSize_t(number);
    bool failed = found == (size_t)-1 && PyErr_Occurred();
    if (failed || found == 0) {
        if (failed && !PyErr_ExceptionMatches(PyExc_OverflowError)) {
            Py_DECREF(number);
            return 0;
        }
        PyErr_Format(PyExc_ValueError, "%s must be from 1 to %zu, not %S", what, SIZE_MAX, number);
        failed = true;
    }
    Py_DECREF(number);
    *address = found;
    return !failed;
}

/* Access. */

static const char *const access_names[] = {"none", "r", "rw", "rx", "rwx", "wc"};

const char *
Region_access_name(unsigned access)
{
    return access_names[access];
}

int
Region_access(PyObject *value, void *access)
{
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "access must be a str, not %.200s", Py_TYPE(value)->tp_name);
        return 0;
    }
    for (unsigned i = ACCESS_NONE; i <= ACCESS_RWX; i++)
        if (PyUnicode_CompareWithASCIIString(value, access_names[i]) == 0) {
            *(unsigned *)access = i;
            return 1;
        }
    PyErr_Format(PyExc_ValueError, "access must be \"none\", \"r\", \"rw\", \"rx\" or \"rwx\", not %R",
                 value);
    return 0;
}

/* The options of Region(). */

struct given {
    PyObject *size, *address, *alignment, *lowest, *highest, *numa_node, *page_size, *name;
    int commit, top_down, executable, placeholder, write_watch;
    unsigned access;
};

static int
parse_given(PyObject *args, PyObject *kwargs, struct given *g)
{
    static char *keywords[] = {"size", "commit", "access", "address", "alignment", "lowest",
                               "highest", "top_down", "numa_node", "page_size", "executable",
                               "placeholder", "write_watch", "name", NULL};
    *g = (struct given){.address = Py_None, .alignment = Py_None, .lowest = Py_None,
                        .highest = Py_None, .numa_node = Py_None, .page_size = Py_None,
                        .name = Py_None, .access = ACCESS_RW};
    return PyArg_ParseTupleAndKeywords(
               args, kwargs, "O|$pO&OOOOpOOpppO:Region", keywords, &g->size, &g->commit,
               Region_access, &g->access, &g->address, &g->alignment, &g->lowest, &g->highest,
               &g->top_down, &g->numa_node, &g->page_size, &g->executable, &g->placeholder,
               &g->write_watch, &g->name)
               ? 0 : -1;
}

static int
convert_node(PyObject *value, int *node)
{
    size_t number;
    *node = REGION_NO_NODE;
    if (value == Py_None)
        return 1;
    if (!convert_size(value, "numa_node", &number))
        return 0;
    if (number > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "numa_node: there is no node %zu", number);
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
    if (!convert_size(g->size, "size", &o->size) ||
        !convert_address(g->address, "address", &o->address) ||
        !convert_address(g->alignment, "alignment", &alignment) ||
        !convert_address(g->lowest, "lowest", &o->lowest) ||
        !convert_address(g->highest, "highest", &o->highest) ||
        !convert_address(g->page_size, "page_size", &page_size) ||
        !convert_node(g->numa_node, &o->numa_node))
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

/* An ordinary page size is asked for as well as none. */
static int
check_kind(struct region_options *o, const struct env_facts *facts)
{
    if (o->page_size == facts->page_size)
        o->page_size = 0;
    if (o->page_size != 0 && facts->large_pages && !is_large_page_size(facts, o->page_size)) {
        PyErr_Format(PyExc_ValueError, "Region: page_size must be one of "
                                       "info()[\"large_page_sizes\"], not %zu", o->page_size);
        return -1;
    }
    if (o->page_size != 0 && (o->placeholder || o->write_watch))
        return bad("Region: page_size= goes without placeholder= and write_watch=");
    if (o->placeholder && o->write_watch)
        return bad("Region: placeholder= and write_watch= exclude each other");
    if (o->placeholder && o->commit)
        return bad("Region: a placeholder cannot be committed before it is replaced");
    return 0;
}

static int
check_name(PyObject *name)
{
    Py_ssize_t size;
    if (name == Py_None)
        return 0;
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "name must be a str or None, not %.200s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL)
        return -1;
    return strlen(text) == (size_t)size ? 0 : bad("name must not contain a null character");
}

int
Region_parse_options(struct module_state *state, PyObject *args, PyObject *kwargs,
                     struct region_options *options, PyObject **name)
{
    struct given g;
    struct env_facts facts;
    if (parse_given(args, kwargs, &g) < 0 || convert_options(&g, options) < 0 ||
        check_name(g.name) < 0)
        return -1;
    if (options->size == 0)
        return bad("Region: size must be at least 1");
    env_query(&state->env, &facts);
    if (check_place(options, &facts) < 0 || check_kind(options, &facts) < 0)
        return -1;
    *name = g.name == Py_None ? NULL : g.name;
    options->name = *name == NULL ? NULL : PyUnicode_AsUTF8(*name);
    return 0;
}
