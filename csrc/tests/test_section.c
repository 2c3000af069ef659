/* test_section.c - sections: core/section.h over the system's own.
 *
 * What a reader would get wrong: what a seal, a full file system or a truncated file does is looked
 * at where the system does it (Linux); the rest runs everywhere.
 */
#define _GNU_SOURCE

#include "check.h"
#include "child.h"
#include "section.h"
#include "vmem.h"
#include "vmem_section.h"

#ifdef GROWABLE_FAULT
#include "vmem_fault.h"
#endif

#include <stdint.h>

#ifdef __linux__
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#define HAVE_LINUX 1
#else
#define HAVE_LINUX 0
#endif

#ifdef _WIN32
#include <process.h>
#define process_id _getpid
#else
#include <unistd.h>
#define process_id getpid
#endif

static struct section_facts facts(void)
{
    struct section_facts found;
    section_query(&found);
    return found;
}

static void fill(char *start, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        start[i] = (char)(i * 31 + seed);
    }
}

static bool is_filled(const char *start, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        if (start[i] != (char)(i * 31 + seed)) {
            return false;
        }
    }
    return true;
}

static bool is_zero(const char *start, size_t size)
{
    return start[0] == 0 && memcmp(start, start + 1, size - 1) == 0;
}

/* A name that no other run of this program has. */
static const char *unique(const char *stem)
{
    static char name[64];
    snprintf(name, sizeof name, "%s-%ld", stem, (long)process_id());
    return name;
}

/* ---- anonymous --------------------------------------------------------------------------- */

static void is_zero_and_whole_pages(void)
{
    struct section s;
    struct section_view view;
    size_t page = facts().page_size;
    CHECK(section_create(&s, page + 1) == SECTION_OK);
    CHECK(s.size == 2 * page && s.writable && !s.sealed && s.name[0] == '\0');
    CHECK(section_view_open(&s, 0, SECTION_TO_THE_END, SECTION_ACCESS_RW, &view) == SECTION_OK);
    CHECK(view.size == 2 * page && view.writable && is_zero(view.start, view.size));
    section_view_close(&view);
    section_close(&s);
    section_close(&s);
}

static void sizes_out_of_range_are_refused(void)
{
    struct section s;
    CHECK(section_create(&s, 0) == SECTION_EMPTY);
    CHECK(section_create(&s, SIZE_MAX) == SECTION_TOO_LARGE && s.failed_size == SIZE_MAX);
    CHECK(section_create(&s, (size_t)PTRDIFF_MAX) == SECTION_TOO_LARGE);
    CHECK(section_create_named(&s, "x", 0) == SECTION_EMPTY);
}

static void more_than_there_is_is_refused(void)
{
    struct section s;
    if (sizeof(size_t) < 8) {
        SKIP("addresses end before memory does");
    }
    CHECK(section_create(&s, (size_t)1 << 45) == SECTION_NO_STORAGE);
    CHECK(s.limit != NULL && s.system_error != 0 && s.failed_size == (size_t)1 << 45);
    CHECK(section_create_named(&s, unique("huge"), (size_t)1 << 45) == SECTION_NO_STORAGE);
    CHECK(section_open_named(&s, unique("huge"), true) == SECTION_MISSING);
}

static void two_views_show_the_same_bytes(void)
{
    struct section s;
    struct section_view one;
    struct section_view two;
    size_t size = 2 * facts().granularity;
    CHECK(section_create(&s, size) == SECTION_OK);
    CHECK(section_view_open(&s, 0, size, SECTION_ACCESS_RW, &one) == SECTION_OK);
    CHECK(section_view_open(&s, 0, size, SECTION_ACCESS_R, &two) == SECTION_OK);
    CHECK(s.writable_views == 1 && !two.writable);
    fill(one.start, size, 1);
    CHECK(is_filled(two.start, size, 1));
    section_close(&s);
    fill(one.start, size, 2);
    CHECK(is_filled(two.start, size, 2));
    section_view_close(&one);
    section_view_close(&two);
    CHECK(s.writable_views == 0);
}

static void a_view_begins_anywhere(void)
{
    struct section s;
    struct section_view whole;
    struct section_view part;
    size_t size = 3 * facts().granularity;
    size_t offset = facts().granularity + facts().page_size + 5;
    CHECK(section_create(&s, size) == SECTION_OK);
    CHECK(section_view_open(&s, 0, size, SECTION_ACCESS_RW, &whole) == SECTION_OK);
    CHECK(section_view_open(&s, offset, 100, SECTION_ACCESS_RW, &part) == SECTION_OK);
    fill(part.start, 100, 9);
    CHECK(part.size == 100 && is_filled(whole.start + offset, 100, 9));
    CHECK(whole.start[offset - 1] == 0 && whole.start[offset + 100] == 0);
    section_view_close(&part);
    section_view_close(&whole);
    section_close(&s);
}

static void views_beyond_the_end_are_refused(void)
{
    struct section s;
    struct section_view view;
    size_t page = facts().page_size;
    CHECK(section_create(&s, page) == SECTION_OK);
    CHECK(section_view_open(&s, 0, page + 1, SECTION_ACCESS_R, &view) == SECTION_OUT_OF_RANGE);
    CHECK(s.failed_size == page + 1 && s.found_size == page);
    CHECK(section_view_open(&s, page, SECTION_TO_THE_END, SECTION_ACCESS_R, &view)
          == SECTION_OUT_OF_RANGE);
    CHECK(section_view_open(&s, SIZE_MAX, 2, SECTION_ACCESS_R, &view) == SECTION_OUT_OF_RANGE);
    CHECK(section_view_open(&s, 0, 0, SECTION_ACCESS_R, &view) == SECTION_OUT_OF_RANGE);
    section_close(&s);
    CHECK(section_view_open(&s, 0, page, SECTION_ACCESS_R, &view) == SECTION_CLOSED);
    CHECK(section_measure(&s) == SECTION_CLOSED && section_seal(&s) == SECTION_CLOSED);
    CHECK(section_resize(&s, 2 * page) == SECTION_CLOSED);
}

static void copy_on_write_keeps_changes_to_itself(void)
{
    struct section s;
    struct section_view shared;
    struct section_view mine;
    size_t page = facts().page_size;
    CHECK(section_create(&s, 2 * page) == SECTION_OK);
    CHECK(section_view_open(&s, 0, 2 * page, SECTION_ACCESS_RW, &shared) == SECTION_OK);
    fill(shared.start, 2 * page, 3);
    CHECK(section_view_open(&s, 0, 2 * page, SECTION_ACCESS_WC, &mine) == SECTION_OK);
    CHECK(mine.writable && s.writable_views == 1);
    mine.start[0]++;
    CHECK(is_filled(shared.start, 2 * page, 3));
    shared.start[page]++;
    CHECK(mine.start[page] == shared.start[page]);
    section_view_close(&mine);
    section_view_close(&shared);
    section_close(&s);
}

static void grows(void)
{
    struct section s;
    struct section_view before;
    struct section_view after;
    size_t unit = facts().granularity;
    CHECK(section_create(&s, unit) == SECTION_OK);
    if (!facts().resize) {
        CHECK(section_resize(&s, 2 * unit) == SECTION_UNSUPPORTED && s.size == unit);
        section_close(&s);
        SKIP("only files grow here");
    }
    CHECK(section_view_open(&s, 0, unit, SECTION_ACCESS_RW, &before) == SECTION_OK);
    fill(before.start, unit, 4);
    CHECK(section_resize(&s, 4 * unit - 1) == SECTION_OK && s.size == 4 * unit);
    CHECK(section_resize(&s, unit) == SECTION_SMALLER && s.size == 4 * unit);
    CHECK(section_resize(&s, 0) == SECTION_EMPTY);
    CHECK(section_view_open(&s, 0, 4 * unit, SECTION_ACCESS_RW, &after) == SECTION_OK);
    CHECK(is_filled(after.start, unit, 4) && is_zero(after.start + unit, 3 * unit));
    after.start[0]++;
    CHECK(before.start[0] == after.start[0]);
    if (sizeof(size_t) >= 8) {
        CHECK(section_resize(&s, (size_t)1 << 45) == SECTION_NO_STORAGE);
    }
    CHECK(section_measure(&s) == SECTION_OK && s.size == 4 * unit);
    section_view_close(&after);
    section_view_close(&before);
    section_close(&s);
}

static void a_sealed_section_cannot_be_written(void)
{
    struct section s;
    struct section_view writer;
    struct section_view reader;
    size_t unit = facts().granularity;
    CHECK(section_create(&s, unit) == SECTION_OK);
    CHECK(section_view_open(&s, 0, unit, SECTION_ACCESS_RW, &writer) == SECTION_OK);
    fill(writer.start, unit, 5);
    CHECK(section_seal(&s) == SECTION_IN_USE && !s.sealed);
    section_view_close(&writer);
    CHECK(section_seal(&s) == SECTION_OK && s.sealed && !s.writable);
    CHECK(section_seal(&s) == SECTION_OK);
    CHECK(section_view_open(&s, 0, unit, SECTION_ACCESS_RW, &writer) == SECTION_SEALED);
    CHECK(section_resize(&s, 2 * unit) == SECTION_SEALED);
    CHECK(section_view_open(&s, 0, unit, SECTION_ACCESS_R, &reader) == SECTION_OK);
    CHECK(is_filled(reader.start, unit, 5));
    section_view_close(&reader);
    CHECK(section_view_open(&s, 0, unit, SECTION_ACCESS_WC, &writer) == SECTION_OK);
    writer.start[0]++;
    section_view_close(&writer);
    section_close(&s);
}

/* ---- mappings side by side and in place -------------------------------------------------- */

static void a_section_repeats_without_a_gap(void)
{
    struct section s;
    void *address;
    size_t size = facts().granularity;
    CHECK(section_create(&s, 2 * size) == SECTION_OK);
    for (size_t offset = 0; offset <= size; offset += size) {
        CHECK(section_repeat(&s, offset, size, 3, SECTION_ACCESS_RW, &address) == SECTION_OK);
        char *bytes = address;
        fill(bytes + size / 2, size, (unsigned)offset); /* across the first border */
        CHECK(is_filled(bytes + size / 2, size, (unsigned)offset));
        CHECK(is_filled(bytes + size + size / 2, size, (unsigned)offset));
        CHECK(memcmp(bytes, bytes + size, size) == 0);
        CHECK(memcmp(bytes, bytes + 2 * size, size) == 0);
        CHECK(section_unrepeat(address, size, 3) == 0);
    }
    section_close(&s);
}

static void repeats_are_checked(void)
{
    struct section s;
    void *address = &s;
    size_t size = facts().granularity;
    CHECK(section_create(&s, size) == SECTION_OK);
    CHECK(section_repeat(&s, 1, size, 2, SECTION_ACCESS_RW, &address) == SECTION_OUT_OF_RANGE);
    CHECK(section_repeat(&s, 0, size - 1, 2, SECTION_ACCESS_RW, &address) == SECTION_MISALIGNED);
    CHECK(section_repeat(&s, 0, 2 * size, 2, SECTION_ACCESS_RW, &address) == SECTION_OUT_OF_RANGE);
    CHECK(section_repeat(&s, 0, size, 0, SECTION_ACCESS_RW, &address) == SECTION_NO_ADDRESSES);
    CHECK(section_repeat(&s, 0, size, UINT32_MAX, SECTION_ACCESS_RW, &address) != SECTION_OK);
    CHECK(address == &s);
    section_close(&s);
}

#if HAVE_LINUX
/* On Windows the range must be a placeholder; test_vmem's way of making one is not ours. */
static void maps_in_place_and_back(void)
{
    struct section s;
    void *address;
    size_t page = facts().page_size;
    CHECK(section_create(&s, 4 * page) == SECTION_OK);
    CHECK(vmem_reserve(8 * page, page, &address) == 0);
    char *base = address;
    CHECK(section_map(&s, 2 * page, base + page, 2 * page, SECTION_ACCESS_RW) == SECTION_OK);
    CHECK(section_map(&s, 0, base + 3 * page, 4 * page, SECTION_ACCESS_R) == SECTION_OK);
    fill(base + page, 2 * page, 6);
    CHECK(is_filled(base + 5 * page, 2 * page, 6));
    CHECK(child_faults(base + 5 * page) && child_faults(base) && child_faults(base + 7 * page));
    CHECK(!child_faults(base + page));
    CHECK(section_unmap(base + page, 2 * page) == 0);
    CHECK(child_faults(base + page) && is_filled(base + 5 * page, 2 * page, 6));
    CHECK(section_map(&s, 4 * page, base, page, SECTION_ACCESS_R) == SECTION_OUT_OF_RANGE);
    CHECK(section_map(&s, 1, base, page, SECTION_ACCESS_R) == SECTION_MISALIGNED);
    CHECK(vmem_release(base, 8 * page) == 0);
    section_close(&s);
}
#endif

/* ---- names ------------------------------------------------------------------------------- */

static void a_name_is_opened_by_another(void)
{
    struct section one;
    struct section two;
    struct section_view a;
    struct section_view b;
    size_t unit = facts().granularity;
    const char *name = unique("shared");
    CHECK(section_open_named(&two, name, true) == SECTION_MISSING);
    CHECK(section_create_named(&one, name, unit) == SECTION_OK && strcmp(one.name, name) == 0);
    CHECK(section_create_named(&two, name, unit) == SECTION_EXISTS);
    CHECK(section_open_named(&two, name, false) == SECTION_OK);
    CHECK(two.size == unit && !two.writable);
    CHECK(section_view_open(&two, 0, unit, SECTION_ACCESS_RW, &b) == SECTION_READ_ONLY);
    CHECK(section_view_open(&one, 0, unit, SECTION_ACCESS_RW, &a) == SECTION_OK);
    CHECK(section_view_open(&two, 0, unit, SECTION_ACCESS_R, &b) == SECTION_OK);
    fill(a.start, unit, 7);
    CHECK(is_filled(b.start, unit, 7));
    section_close(&one);
    CHECK(section_open_named(&one, name, true) == SECTION_OK); /* `two` still holds it */
    section_close(&two);
    section_close(&one);
    CHECK(section_open_named(&one, name, true) == SECTION_MISSING);
    section_view_close(&a);
    section_view_close(&b);
}

static void names_are_checked(void)
{
    static const char *const wrong[] = {"", "a/b", "a\\b", "a\nb", "\x7f"};
    struct section s;
    char name[SECTION_NAME_BYTES + 2];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK(section_create_named(&s, wrong[i], 1) == SECTION_BAD_NAME);
        CHECK(section_open_named(&s, wrong[i], true) == SECTION_BAD_NAME);
    }
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK(section_create_named(&s, name, 1) == SECTION_BAD_NAME);
    name[SECTION_NAME_BYTES] = '\0';
    CHECK(section_create_named(&s, name, 1) == SECTION_OK);
    section_close(&s);
}

static void a_handle_is_adopted(void)
{
    struct section one;
    struct section two;
    struct section_view a;
    struct section_view b;
    size_t unit = facts().granularity;
    CHECK(section_create(&one, unit) == SECTION_OK);
    CHECK(section_adopt(&two, one.pages, NULL) == SECTION_OK);
    CHECK(two.size == unit && two.writable && two.pages != one.pages);
    CHECK(section_view_open(&one, 0, unit, SECTION_ACCESS_RW, &a) == SECTION_OK);
    section_close(&one);
    CHECK(section_view_open(&two, 0, unit, SECTION_ACCESS_RW, &b) == SECTION_OK);
    fill(a.start, unit, 8);
    CHECK(is_filled(b.start, unit, 8));
    section_view_close(&a);
    section_view_close(&b);
    section_close(&two);
    CHECK(section_adopt(&two, -1, NULL) != SECTION_OK);
}

/* ---- files ------------------------------------------------------------------------------- */

static void write_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    for (size_t i = 0; i < size; i++) {
        CHECK(fputc((char)(i * 31 + 1), file) != EOF);
    }
    CHECK(fclose(file) == 0);
}

static void a_file_is_read_and_written(void)
{
    struct section s;
    struct section_view view;
    size_t page = facts().page_size;
    const char *path = unique("test_section_file");
    CHECK(section_open_file(&s, path, SECTION_MODE_R, 0) == SECTION_MISSING);
    write_file(path, page + 10);
    CHECK(section_open_file(&s, path, SECTION_MODE_R, 0) == SECTION_OK);
    CHECK(s.size == page + 10 && !s.writable);
    CHECK(section_view_open(&s, 0, s.size, SECTION_ACCESS_RW, &view) == SECTION_READ_ONLY);
    CHECK(section_view_open(&s, 0, s.size, SECTION_ACCESS_R, &view) == SECTION_OK);
    CHECK(is_filled(view.start, page + 10, 1));
    section_view_close(&view);
    section_close(&s);
    CHECK(section_open_file(&s, path, SECTION_MODE_R, page + 11) == SECTION_TOO_SHORT);
    CHECK(section_open_file(&s, path, SECTION_MODE_UPDATE, 0) == SECTION_OK && s.writable);
    CHECK(section_view_open(&s, page, 10, SECTION_ACCESS_RW, &view) == SECTION_OK);
    fill(view.start, 10, 2);
    section_view_close(&view);
    CHECK(section_resize(&s, 3 * page + 1) == SECTION_OK && s.size == 3 * page + 1);
    CHECK(section_view_open(&s, 0, s.size, SECTION_ACCESS_RW, &view) == SECTION_OK);
    CHECK(is_filled(view.start, page, 1) && is_filled(view.start + page, 10, 2));
    CHECK(is_zero(view.start + page + 10, 2 * page - 9));
    section_view_close(&view);
    CHECK(section_seal(&s) == SECTION_UNSEALABLE);
    section_close(&s);
    CHECK(remove(path) == 0);
}

static void a_file_is_made(void)
{
    struct section s;
    size_t page = facts().page_size;
    const char *path = unique("test_section_made");
    CHECK(section_open_file(&s, path, SECTION_MODE_UPDATE, page) == SECTION_MISSING);
    CHECK(section_open_file(&s, path, SECTION_MODE_NEW, 0) == SECTION_EMPTY);
    CHECK(section_open_file(&s, path, SECTION_MODE_NEW, 77) == SECTION_OK && s.size == 77);
    section_close(&s);
    CHECK(section_open_file(&s, path, SECTION_MODE_NEW, 77) == SECTION_EXISTS);
    CHECK(section_open_file(&s, path, SECTION_MODE_REPLACE, 10) == SECTION_OK && s.size == 10);
    section_close(&s);
    write_file(path, 0);
    CHECK(section_open_file(&s, path, SECTION_MODE_R, 0) == SECTION_EMPTY);
    CHECK(section_open_file(&s, path, SECTION_MODE_UPDATE, 0) == SECTION_EMPTY);
    CHECK(section_open_file(&s, path, SECTION_MODE_UPDATE, 5) == SECTION_OK && s.size == 5);
    section_close(&s);
    CHECK(section_open_file(&s, path, SECTION_MODE_NEW, SIZE_MAX) == SECTION_TOO_LARGE);
    CHECK(remove(path) == 0);
}

/* ---- refusals ---------------------------------------------------------------------------- */

#ifdef GROWABLE_FAULT
static struct section subject; /* what an operation works on */
static struct section_view subject_view;
static void *subject_address;

static int do_create(void)
{
    return section_create(&subject, 1);
}

static int do_create_named(void)
{
    return section_create_named(&subject, unique("refused"), 1);
}

static int do_adopt(void)
{
    struct section other;
    int error = section_create(&other, 1);
    if (error == SECTION_OK) {
        error = section_adopt(&subject, other.pages, NULL);
        section_close(&other);
    }
    return error;
}

static int do_open_named(void)
{
    struct section other;
    int error = section_create_named(&other, unique("refused"), 1);
    if (error == SECTION_OK) {
        error = section_open_named(&subject, unique("refused"), true);
        section_close(&other);
    }
    return error;
}

static int do_file(void)
{
    return section_open_file(&subject, unique("test_section_refused"), SECTION_MODE_REPLACE, 10);
}

/* A file, since all systems can make one larger. */
static int do_resize(void)
{
    int error = do_file();
    return error != SECTION_OK ? error : section_resize(&subject, 100);
}

static int do_view(void)
{
    int error = do_create();
    if (error == SECTION_OK) {
        error = section_view_open(&subject, 0, 1, SECTION_ACCESS_R, &subject_view);
    }
    if (error == SECTION_OK) {
        section_view_close(&subject_view);
    }
    return error;
}

static int do_seal(void)
{
    int error = do_create();
    return error != SECTION_OK ? error : section_seal(&subject);
}

static int do_repeat(void)
{
    int error = section_create(&subject, facts().granularity);
    if (error == SECTION_OK) {
        error = section_repeat(&subject, 0, facts().granularity, 2, SECTION_ACCESS_RW,
                               &subject_address);
    }
    return error != SECTION_OK
               ? error
               : section_unrepeat(subject_address, facts().granularity, 2);
}

/* Runs an operation with its n-th call refused until it meets no refusal, and checks that each
 * refusal is told, and leaves nothing that cannot be closed. */
static void refuse_each_call(int (*operation)(void))
{
    long nth = 0;
    bool met = true;
    while (met) {
        subject = (struct section){0};
        vmem_fault_arm(++nth, 1);
        int error = operation();
        met = vmem_fault_calls() >= nth;
        vmem_fault_disarm();
        CHECK((error != SECTION_OK) == met);
        section_close(&subject);
    }
    CHECK(nth > 1);
}

static void every_refusal_is_told(void)
{
    static int (*const operations[])(void) = {
        do_create, do_create_named, do_adopt, do_open_named, do_file,
        do_resize, do_view,         do_seal,  do_repeat,
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        refuse_each_call(operations[i]);
    }
    CHECK(remove(unique("test_section_refused")) == 0);
}
#endif

/* ---- what Linux does --------------------------------------------------------------------- */

#if HAVE_LINUX
static bool is_in_folder(const char *name)
{
    char path[300];
    struct stat found;
    snprintf(path, sizeof path, "/dev/shm/growable.%s", name);
    return stat(path, &found) == 0;
}

/* The kernel keeps it from happening: not even whoever has the descriptor can. */
static void nobody_makes_it_smaller(void)
{
    struct section s;
    size_t page = facts().page_size;
    CHECK(section_create(&s, 2 * page) == SECTION_OK);
    CHECK(ftruncate((int)s.pages, (off_t)page) == -1 && errno == EPERM);
    section_close(&s);
}

static void a_seal_holds_for_all(void)
{
    struct section s;
    struct section other;
    struct section_view view;
    size_t page = facts().page_size;
    CHECK(section_create(&s, page) == SECTION_OK);
    CHECK(section_adopt(&other, s.pages, NULL) == SECTION_OK);
    CHECK(section_view_open(&other, 0, page, SECTION_ACCESS_RW, &view) == SECTION_OK);
    CHECK(section_seal(&s) == SECTION_IN_USE); /* the kernel knows of a mapping that we do not */
    section_view_close(&view);
    CHECK(section_seal(&s) == SECTION_OK);
    CHECK(pwrite((int)s.pages, "x", 1, 0) == -1 && errno == EPERM);
    CHECK(section_view_open(&other, 0, page, SECTION_ACCESS_RW, &view) == SECTION_SYSTEM);
    section_close(&other);
    CHECK(section_adopt(&other, s.pages, NULL) == SECTION_OK && other.sealed && !other.writable);
    CHECK(section_view_open(&other, 0, page, SECTION_ACCESS_RW, &view) == SECTION_SEALED);
    CHECK(section_view_open(&other, 0, page, SECTION_ACCESS_R, &view) == SECTION_OK);
    CHECK(child_faults(view.start));
    section_view_close(&view);
    section_close(&other);
    section_close(&s);
}

static void all_storage_is_there_at_once(void)
{
    struct section s;
    struct stat found;
    size_t page = facts().page_size;
    CHECK(section_create(&s, 100 * page) == SECTION_OK);
    CHECK(fstat((int)s.pages, &found) == 0 && (size_t)found.st_blocks * 512 == 100 * page);
    CHECK(section_resize(&s, 200 * page) == SECTION_OK);
    CHECK(fstat((int)s.pages, &found) == 0 && (size_t)found.st_blocks * 512 == 200 * page);
    section_close(&s);
}

static void limited(void *argument)
{
    struct section s;
    struct stat found;
    size_t page = facts().page_size;
    struct rlimit limit = {.rlim_cur = 64 * page, .rlim_max = 64 * page};
    signal(SIGXFSZ, SIG_IGN);
    CHECK(argument == NULL && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(section_create(&s, 65 * page) == SECTION_NO_STORAGE);
    CHECK(strcmp(s.limit, "RLIMIT_FSIZE") == 0);
    CHECK(section_create(&s, 32 * page) == SECTION_OK);
    CHECK(section_resize(&s, 65 * page) == SECTION_NO_STORAGE && s.size == 32 * page);
    CHECK(section_measure(&s) == SECTION_OK && s.size == 32 * page);
    CHECK(fstat((int)s.pages, &found) == 0 && (size_t)found.st_blocks * 512 == 32 * page);
    CHECK(section_resize(&s, 64 * page) == SECTION_OK);
    section_close(&s);
    CHECK(section_create_named(&s, unique("limited"), 65 * page) == SECTION_NO_STORAGE);
    CHECK(!is_in_folder(unique("limited")));
}

static void a_limit_is_an_error_and_no_signal(void)
{
    CHECK(child_run(limited, NULL) == 0);
}

static void a_file_cut_off_is_noticed_when_it_is_mapped(void)
{
    struct section s;
    struct section_view view;
    void *address;
    size_t page = facts().page_size;
    const char *path = unique("test_section_cut");
    write_file(path, 4 * page);
    CHECK(section_open_file(&s, path, SECTION_MODE_UPDATE, 0) == SECTION_OK);
    CHECK(truncate(path, (off_t)(page + 1)) == 0);
    CHECK(section_view_open(&s, 0, 4 * page, SECTION_ACCESS_R, &view) == SECTION_OUT_OF_RANGE);
    CHECK(s.found_size == page + 1);
    CHECK(section_repeat(&s, 0, 4 * page, 2, SECTION_ACCESS_R, &address) == SECTION_OUT_OF_RANGE);
    struct vmem_section os = {.pages = s.pages, .file = VMEM_NO_HANDLE, .writable = true};
    CHECK(vmem_section_is_short(vmem_section_check(&os, page, 2 * page)));
    CHECK(vmem_section_check(&os, 0, 2 * page) == 0);
    CHECK(section_view_open(&s, 0, page + 1, SECTION_ACCESS_RW, &view) == SECTION_OK);
    CHECK(!child_faults(view.start + page));
    CHECK(truncate(path, 1) == 0);
    CHECK(child_faults(view.start + page)); /* SIGBUS: nothing can be done about it */
    section_view_close(&view);
    section_close(&s);
    CHECK(remove(path) == 0);
}

static void die_holding(void *argument)
{
    struct section s;
    CHECK(section_create_named(&s, argument, 1) == SECTION_OK);
    raise(SIGKILL);
}

static void a_name_left_behind_gives_way(void)
{
    struct section s;
    char name[64];
    snprintf(name, sizeof name, "%s", unique("orphan"));
    CHECK(child_run(die_holding, name) == -SIGKILL && is_in_folder(name));
    CHECK(section_open_named(&s, name, true) == SECTION_MISSING && !is_in_folder(name));
    CHECK(child_run(die_holding, name) == -SIGKILL && is_in_folder(name));
    CHECK(section_create_named(&s, name, 1) == SECTION_OK);
    section_close(&s);
    CHECK(child_run(die_holding, name) == -SIGKILL && is_in_folder(name));
    CHECK(section_create_named(&s, unique("another"), 1) == SECTION_OK && !is_in_folder(name));
    section_close(&s);
}

static void close_in_child(void *argument)
{
    section_close(argument);
}

static void a_forked_child_takes_no_name_away(void)
{
    struct section s;
    struct section again;
    CHECK(section_create_named(&s, unique("forked"), 1) == SECTION_OK);
    CHECK(child_run(close_in_child, &s) == 0);
    CHECK(section_open_named(&again, unique("forked"), true) == SECTION_OK);
    section_close(&s);
    section_close(&again);
    CHECK(!is_in_folder(unique("forked")));
}

/* Whatever is not a section of ours is left alone. */
static void other_files_are_left_alone(void)
{
    struct section s;
    const char *path = "/dev/shm/growable-not-ours";
    write_file(path, 5);
    CHECK(section_create_named(&s, unique("other"), 1) == SECTION_OK);
    section_close(&s);
    CHECK(remove(path) == 0);
    char link_path[300];
    snprintf(link_path, sizeof link_path, "/dev/shm/growable.%s", unique("link"));
    CHECK(symlink("/etc/hostname", link_path) == 0);
    CHECK(section_open_named(&s, unique("link"), false) == SECTION_SYSTEM);
    CHECK(section_create_named(&s, unique("link"), 1) == SECTION_EXISTS);
    CHECK(remove(link_path) == 0);
}

enum { RACERS = 4, ROUNDS = 300 };

/* Every one of them opens the name or makes it, and checks that it never gets half a section. */
static void race(void *argument)
{
    const char *name = argument;
    for (int i = 0; i < ROUNDS; i++) {
        struct section s;
        int error = section_open_named(&s, name, true);
        if (error == SECTION_MISSING) {
            error = section_create_named(&s, name, 3);
        }
        CHECK(error == SECTION_OK || error == SECTION_EXISTS || error == SECTION_MISSING);
        if (error == SECTION_OK) {
            CHECK(s.size == facts().page_size);
            section_close(&s);
        }
    }
}

static void racing_for_a_name_is_safe(void)
{
    char name[64];
    pid_t children[RACERS];
    snprintf(name, sizeof name, "%s", unique("race"));
    fflush(stdout);
    for (int i = 0; i < RACERS; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            race(name);
            _exit(0);
        }
    }
    for (int i = 0; i < RACERS; i++) {
        int status;
        CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
    }
    CHECK(!is_in_folder(name));
}
#endif

static const struct check_test tests[] = {
    TEST(is_zero_and_whole_pages),
    TEST(sizes_out_of_range_are_refused),
    TEST(more_than_there_is_is_refused),
    TEST(two_views_show_the_same_bytes),
    TEST(a_view_begins_anywhere),
    TEST(views_beyond_the_end_are_refused),
    TEST(copy_on_write_keeps_changes_to_itself),
    TEST(grows),
    TEST(a_sealed_section_cannot_be_written),
    TEST(a_section_repeats_without_a_gap),
    TEST(repeats_are_checked),
    TEST(a_name_is_opened_by_another),
    TEST(names_are_checked),
    TEST(a_handle_is_adopted),
    TEST(a_file_is_read_and_written),
    TEST(a_file_is_made),
#ifdef GROWABLE_FAULT
    TEST(every_refusal_is_told),
#endif
#if HAVE_LINUX
    TEST(maps_in_place_and_back),
    TEST(nobody_makes_it_smaller),
    TEST(a_seal_holds_for_all),
    TEST(all_storage_is_there_at_once),
    TEST(a_limit_is_an_error_and_no_signal),
    TEST(a_file_cut_off_is_noticed_when_it_is_mapped),
    TEST(a_name_left_behind_gives_way),
    TEST(a_forked_child_takes_no_name_away),
    TEST(other_files_are_left_alone),
    TEST(racing_for_a_name_is_safe),
#endif
};

CHECK_MAIN(tests)
