/* region_placeholder.c - split, coalesce, replace and unmap, the verbs of placeholders.
 *
 * What a reader would get wrong: replacing by private pages commits them as well, unless access is
 * None. That is two steps to the system, and the first is taken back where the second fails.
 */
#include "region_object.h"

PyObject *
Region_split(PyObject *op, PyObject *arg)
{
    RegionObject *self = as_region(op);
    size_t offset;
    if (!Region_offset(arg, &offset))
        return NULL;
    return Region_result(self, region_split(&self->region, offset), "split");
}

PyObject *
Region_coalesce(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", NULL};
    RegionObject *self = as_region(op);
    size_t offset, length;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&:coalesce", keywords, Region_offset,
                                     &offset, Region_length, &length))
        return NULL;
    return Region_result(self, region_coalesce(&self->region, offset, length), "coalesce");
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

PyObject *
Region_replace(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "access", NULL};
    RegionObject *self = as_region(op);
    size_t offset, length;
    int access = ACCESS_RW;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&|O&:replace", keywords, Region_offset,
                                     &offset, Region_length, &length, convert_access, &access))
        return NULL;
    return Region_result(self, replace_private(&self->region, offset, length, access), "replace");
}

PyObject *
Region_unmap(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"offset", "length", "preserve", "force", NULL};
    RegionObject *self = as_region(op);
    size_t offset, length;
    int preserve = 0, force = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&|$pp:unmap", keywords, Region_offset,
                                     &offset, Region_length, &length, &preserve, &force))
        return NULL;
    if (!preserve) {
        PyErr_SetString(PyExc_ValueError, "unmap: private pages become a placeholder again, with "
                                          "preserve=True; to give back their memory alone, "
                                          "decommit()");
        return NULL;
    }
    return Region_result(self, region_preserve(&self->region, offset, length, force), "unmap");
}
