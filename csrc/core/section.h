/* section.h - shareable pages: anonymous, named, or a file; and views of them.
 *
 * Every function that can fail returns 0 or an enum section_error and then leaves everything as it
 * was. `failed_*`, `limit` and `system_error` tell more about the last error.
 *
 * What a reader would get wrong: a mapping holds the pages, not the section. So a section may be
 * closed while its mappings live on, and a mapping needs nothing of it to be unmapped.
 *
 * Not thread-safe: the caller serialises all calls on one section. The exceptions are
 * section_create, section_create_named, section_open_file and section_resize, which may take long:
 * they touch no more than the struct that they are given.
 */
#ifndef GROWABLE_SECTION_H
#define GROWABLE_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECTION_NAME_BYTES = 200 };

enum section_error {
    SECTION_OK,
    SECTION_EMPTY,        /* no bytes were asked for, or a file has none */
    SECTION_TOO_LARGE,    /* failed_size bytes are more than can be addressed */
    SECTION_BAD_NAME,
    SECTION_EXISTS,       /* the name or the file is there already */
    SECTION_MISSING,      /* there is no such name or file */
    SECTION_NO_STORAGE,   /* for failed_size bytes: limit, system_error */
    SECTION_NO_ADDRESSES, /* for a mapping of failed_size bytes: system_error */
    SECTION_OUT_OF_RANGE, /* failed_offset, failed_size against found_size */
    SECTION_MISALIGNED,   /* failed_offset or failed_size are not multiples of what they must be */
    SECTION_TRUNCATED,    /* somebody has made it smaller: found_size */
    SECTION_SMALLER,      /* it cannot be made smaller than found_size */
    SECTION_TOO_SHORT,    /* a file opened for reading has fewer than failed_size bytes */
    SECTION_READ_ONLY,    /* opened for reading */
    SECTION_SEALED,
    SECTION_IN_USE,       /* writable mappings, or other handles, keep it from being sealed */
    SECTION_CLOSED,
    SECTION_UNSUPPORTED,  /* the system lacks `limit` */
    SECTION_UNSEALABLE,   /* it has a name, or is a file */
    SECTION_SYSTEM        /* another system call failed: system_error */
};

/* The numbers of the access of pages everywhere in core/. */
enum section_access {
    SECTION_ACCESS_NONE,
    SECTION_ACCESS_R,
    SECTION_ACCESS_RW,
    SECTION_ACCESS_RX,
    SECTION_ACCESS_RWX,
    SECTION_ACCESS_WC /* each page becomes private to the mapping when it is first written */
};

enum section_mode { SECTION_MODE_R, SECTION_MODE_UPDATE, SECTION_MODE_REPLACE, SECTION_MODE_NEW };

struct section {
    intptr_t pages; /* these four belong to the OS layer */
    intptr_t file;
    int kind;
    bool writable;
    bool sealed;
    bool open;
    bool handed_on;        /* somebody else may have a handle */
    bool placed_writable;  /* was mapped for writing by section_map or section_repeat */
    size_t size;           /* when it was last asked for, or set */
    size_t writable_views; /* views alive */
    char name[SECTION_NAME_BYTES + 1]; /* "" for none */
    size_t failed_offset, failed_size, found_size;
    const char *limit;
    int system_error;
};

struct section_facts {
    size_t page_size, granularity;
    bool seal, resize, map_placed;
    bool descriptors; /* handles are file descriptors */
};

void section_query(struct section_facts *facts);

/* ---- making and closing ------------------------------------------------------------------ */

/* Zeroed pages; the size is rounded up to whole pages. A struct that a failed call leaves behind
 * needs no section_close. */
int section_create(struct section *s, size_t size);
int section_create_named(struct section *s, const char *name, size_t size);

/* A section that another process, or this one, holds under the name. */
int section_open_named(struct section *s, const char *name, bool writable);

/* `size` is 0 for the size that the file has. */
int section_open_file(struct section *s, const char *path, enum section_mode mode, size_t size);

/* For a handle, which stays the caller's. `name` is what its maker knew it by, or NULL. */
int section_adopt(struct section *s, intptr_t handle, const char *name);

/* Mappings live on. Closing twice is fine. */
void section_close(struct section *s);

/* ---- the whole section ------------------------------------------------------------------- */

/* Asks how many bytes it has now, into `size`. */
int section_measure(struct section *s);

/* More bytes, zero; `size` is rounded up to whole pages but for a file. */
int section_resize(struct section *s, size_t size);

/* Nobody can write to the pages, or change their number, ever again. */
int section_seal(struct section *s);

/* A handle that means the section in another process, which `process` is a handle of. */
int section_share(struct section *s, intptr_t process, intptr_t *theirs);

/* ---- mappings ---------------------------------------------------------------------------- */

struct section_view {
    char *base; /* of the mapping: its first page */
    size_t mapped;
    char *start; /* of the bytes asked for */
    size_t size;
    bool writable;       /* its bytes can be written */
    struct section *owner; /* counts it; NULL when that is gone, or need not */
};

/* Maps [offset, offset + length), which need not be whole pages, wherever there is room.
 * SECTION_TO_THE_END: all from offset on. */
#define SECTION_TO_THE_END ((size_t)-1)
int section_view_open(struct section *s, size_t offset, size_t length, enum section_access access,
                      struct section_view *view);

/* Whoever holds views sees to it that their `owner` outlives them, or sets it to NULL. */
void section_view_close(struct section_view *view);

/* Lays pages of the section over [address, address + size), which are placeholder, reserved or
 * mapped pages of the caller's, of one piece (see vmem_section.h); and makes a placeholder of them
 * again. Offset and size are multiples of the page size. section_check_map only looks whether it can
 * be done. */
int section_check_map(struct section *s, size_t offset, size_t size, enum section_access access);
int section_map(struct section *s, size_t offset, void *address, size_t size,
                enum section_access access);
int section_unmap(void *address, size_t size);

/* Sets the access of pages that were mapped with SECTION_ACCESS_WC: none, reading, or writing, with
 * RW and WC meaning the same. 0 or the system's error code, as section_unmap. */
int section_protect_copy(void *address, size_t size, enum section_access access);

/* Maps [offset, offset + size) `times` times side by side: byte i of one is byte i of all. Offset and
 * size are multiples of the granularity. */
int section_repeat(struct section *s, size_t offset, size_t size, unsigned times,
                   enum section_access access, void **address);
int section_unrepeat(void *address, size_t size, unsigned times);

#endif
