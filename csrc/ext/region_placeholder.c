/* region_placeholder.c - split, coalesce, replace, map and unmap, the verbs of placeholders.
 *
 * What a reader would get wrong: replacing by private pages commits them as well, unless access is
 * None. That is two steps to the system, and the first is taken back where the second fails.
 */
#include "region_object.h"

#include "args.h"
#include "section_object.h"

PyObject *
Region_split(PyObject *op, PyObject *arg)
{
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("split");
    if (!args_offset(arg, &a))
        return NULL;
    return Region_result(self, region_split(&self->region, a.offset), "split");
}

PyObject *
Region_coalesce(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("coalesce");
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&:coalesce", keywords, args_offset, &a,
                                     args_length, &a))
        return NULL;
    return Region_result(self, region_coalesce(&self->region, a.offset, a.length), "coalesce");
}

static int
replace_private(struct region *r, size_t offset, size_t length, int access)
{
    struct page_range range;
    int error = region_replace(r, offset, length);
    if (error != REGION_OK || access < 0)
        return error;
    (void)region_pages(r, offset, length, &range);
    error = region_commit(r, range, (unsigned)access, true);
    if (error != REGION_OK) {
        struct region refusal = *r;
        (void)region_preserve(r, offset, length, true);
        r->failed_offset = refusal.failed_offset;
        r->failed_size = refusal.failed_size;
        r->system_error = refusal.system_error;
    }
    return error;
}

/* An access, or -1 for None. */
static int
convert_access(PyObject *value, void *result)
{
    unsigned access;
    if (value == Py_None) {
        *(int *)result = -1;
        return 1;
    }
    if (!Region_access(value, &access))
        return 0;
    *(int *)result = (int)access;
    return 1;
}

/* A struct section, or NULL for None. */
static int
find_section(RegionObject *self, PyObject *value, const char *operation, SectionObject **section)
{
    *section = NULL;
    if (value == Py_None)
        return 0;
    if (!Py_IS_TYPE(value, region_state(self)->section_type)) {
        PyErr_Format(PyExc_TypeError, "section must be a Section, not %.200s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    *section = as_section(value);
    return Section_gate(*section, operation);
}

static PyObject *
map_section(RegionObject *self, SectionObject *section, size_t section_offset,
            const struct args_range *a, unsigned access, bool exact)
{
    int error = region_map(&self->region, a->offset, a->length, &section->section,
                           section_offset, access, exact);
    if (error != REGION_SECTION)
        return Region_result(self, error, a->operation);
    assert_valid_region(self);
    Section_raise(region_state(self), &section->section, self->region.section_error, a->operation,
                  NULL);
    return NULL;
}

PyObject *
Region_replace(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "section", "section_offset", "access", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("replace"), from = ARGS_WHOLE("replace");
    PyObject *value = Py_None;
    SectionObject *section;
    int access = ACCESS_RW;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&|OO&O&:replace", keywords, args_offset,
                                     &a, args_length, &a, &value, args_section_offset, &from,
                                     convert_access, &access) ||
        find_section(self, value, "replace", &section) < 0)
        return NULL;
    if (section == NULL)
        return Region_result(self, replace_private(&self->region, a.offset, a.length, access),
                             "replace");
    return map_section(self, section, from.offset, &a,
                       access < 0 ? ACCESS_NONE : (unsigned)access, true);
}

static int
make_copy_on_write(unsigned *access)
{
    if (*access != ACCESS_RW && *access != ACCESS_WC) {
        PyErr_SetString(PyExc_ValueError, "map: copy_on_write=True goes with access \"rw\"");
        return -1;
    }
    *access = ACCESS_WC;
    return 0;
}

PyObject *
Region_map(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"section", "section_offset", "offset", "length", "access",
                               "copy_on_write", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("map"), from = ARGS_WHOLE("map");
    PyObject *value;
    SectionObject *section;
    unsigned access = ACCESS_RW;
    int copy_on_write = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&O&O&O&p:map", keywords, &value,
                                     args_section_offset, &from, args_offset, &a,
                                     args_length, &a, Region_access_or_copy, &access,
                                     &copy_on_write) ||
        (copy_on_write && make_copy_on_write(&access) < 0) ||
        find_section(self, value, "map", &section) < 0)
        return NULL;
    if (section == NULL) {
        PyErr_SetString(PyExc_TypeError, "section must be a Section, not None");
        return NULL;
    }
    return map_section(self, section, from.offset, &a, access, false);
}

/* What the page at the offset is; where there is none, which others tell, reserved. */
static enum pages_state
state_at(const RegionObject *self, size_t offset)
{
    const struct region *r = &self->region;
    if (r->released || offset >= r->size)
        return PAGES_RESERVED;
    return (enum pages_state)pages_at(&r->pages, offset / r->page_size)->traits.state;
}

PyObject *
Region_unmap(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "preserve", "force", NULL};
    RegionObject *self = as_region(op);
    struct args_range a = ARGS_WHOLE("unmap");
    int preserve = 0, force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&|$pp:unmap", keywords, args_offset,
                                     &a, args_length, &a, &preserve, &force))
        return NULL;
    enum pages_state found = state_at(self, a.offset);
    if (found == PAGES_MAPPED)
        return Region_result(
            self, region_unmap(&self->region, a.offset, a.length, preserve, force), "unmap");
    if (!preserve && found != PAGES_PLACEHOLDER) {
        PyErr_SetString(PyExc_ValueError, "unmap: private pages become a placeholder again, with "
                                          "preserve=True; to give back their memory alone, "
                                          "decommit()");
        return NULL;
    }
    return Region_result(self, region_preserve(&self->region, a.offset, a.length, force), "unmap");
}
