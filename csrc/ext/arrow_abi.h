/* arrow_abi.h - the three structs of the Arrow C data and C stream interfaces.
 *
 * Their names, fields and order are the interface, so they are not ours to choose; no header and no
 * library of Arrow's is needed for them. See https://arrow.apache.org/docs/format/CDataInterface.html
 *
 * What a reader would get wrong: a consumer may move any of them, a child too, by copying the struct
 * and setting the old one's `release` to NULL. So nothing may keep the address of one, and each child
 * must be able to outlive its parent.
 */
#ifndef GROWABLE_ARROW_ABI_H
#define GROWABLE_ARROW_ABI_H

#include <stdint.h>

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif
