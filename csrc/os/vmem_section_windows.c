/* vmem_section_windows.c - the contract of vmem_section.h on Windows 8.1 and later.
 *
 * What a reader would get wrong: views and placeholders come and go as wholes. A view cannot be
 * unmapped in part, nor laid over a part of a reservation; the reservation must have been made of
 * placeholders and the one at that place be exactly as large (Windows 10 1803). Without placeholders
 * two views side by side are had the old way: find room, give it back, and map there before somebody
 * else does; then again, elsewhere, where that went wrong.
 *
 * A view whose last page the section fills only in part, in place of a placeholder, is at the
 * system's mercy: sizes must match exactly, and a view is no larger than the section.
 */
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0603
#endif
#define WIN32_LEAN_AND_MEAN

#include "vmem_section.h"

#include <windows.h>

#include <string.h>

/* Names that older headers lack. */
#ifndef MEM_PRESERVE_PLACEHOLDER
#define MEM_PRESERVE_PLACEHOLDER 0x00000002
#endif
#ifndef MEM_REPLACE_PLACEHOLDER
#define MEM_REPLACE_PLACEHOLDER 0x00004000
#endif
#ifndef MEM_RESERVE_PLACEHOLDER
#define MEM_RESERVE_PLACEHOLDER 0x00040000
#endif

#define UNSUPPORTED ERROR_NOT_SUPPORTED
#define PREFIX L"Local\\growable."

enum { NAME_UNITS = 256, PATH_UNITS = 32768, ATTEMPTS = 64 };

static int last_error(void)
{
    DWORD error = GetLastError();
    return error != 0 ? (int)error : (int)ERROR_GEN_FAILURE;
}

static HANDLE handle_of(intptr_t handle)
{
    return (HANDLE)handle;
}

static SYSTEM_INFO system_info(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info;
}

static DWORD high_half(size_t size)
{
    return (DWORD)((unsigned long long)size >> 32);
}

static DWORD low_half(size_t size)
{
    return (DWORD)(size & 0xffffffffu);
}

/* ---- functions that not every Windows has ------------------------------------------------ */

typedef PVOID(WINAPI *allocate_function)(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void *, ULONG);
typedef PVOID(WINAPI *map_function)(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG, void *,
                                    ULONG);
typedef BOOL(WINAPI *unmap_function)(HANDLE, PVOID, ULONG);

struct section_facts {
    PVOID base;
    ULONG attributes;
    LARGE_INTEGER size;
};
typedef LONG(WINAPI *query_function)(HANDLE, int, void *, SIZE_T, SIZE_T *);

typedef void (*any_function)(void);

static any_function find(const wchar_t *module_name, const char *name)
{
    HMODULE module = GetModuleHandleW(module_name);
    return module != NULL ? (any_function)GetProcAddress(module, name) : NULL;
}

static void *reserve_placeholder(size_t size)
{
    allocate_function allocate = (allocate_function)find(L"kernelbase.dll", "VirtualAlloc2");
    if (allocate == NULL) {
        SetLastError(UNSUPPORTED);
        return NULL;
    }
    return allocate(NULL, NULL, size, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, NULL,
                    0);
}

static bool has_placeholders(void)
{
    size_t size = system_info().dwAllocationGranularity;
    char *range = find(L"kernelbase.dll", "MapViewOfFile3") != NULL
                          && find(L"kernelbase.dll", "UnmapViewOfFile2") != NULL
                      ? reserve_placeholder(2 * size)
                      : NULL;
    if (range == NULL) {
        return false;
    }
    bool split = VirtualFree(range, size, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER);
    if (split) {
        VirtualFree(range + size, 0, MEM_RELEASE);
    }
    VirtualFree(range, 0, MEM_RELEASE);
    return split;
}

void vmem_section_query(struct vmem_section_info *info)
{
    SYSTEM_INFO system = system_info();
    *info = (struct vmem_section_info){
        .page_size = system.dwPageSize,
        .granularity = system.dwAllocationGranularity,
        .can_seal = true,
        .can_resize = false,
        .can_map_placed = has_placeholders(),
    };
}

/* ---- sections ---------------------------------------------------------------------------- */

/* The whole size is charged when the section is made. */
static int make(HANDLE file, DWORD access, size_t size, const wchar_t *name, HANDLE *made)
{
    HANDLE pages = CreateFileMappingW(file, NULL, access, high_half(size), low_half(size), name);
    if (pages == NULL) {
        return last_error();
    }
    if (name != NULL && GetLastError() == ERROR_ALREADY_EXISTS) {
        CloseHandle(pages);
        return ERROR_ALREADY_EXISTS;
    }
    *made = pages;
    return 0;
}

/* Nothing of it is executable, but views of it may be. A process that has forbidden itself to make
 * code is refused such a section. */
static int make_memory(size_t size, const wchar_t *name, enum vmem_section_kind kind,
                       struct vmem_section *section)
{
    HANDLE pages;
    int error = make(INVALID_HANDLE_VALUE, PAGE_EXECUTE_READWRITE, size, name, &pages);
    if (error == ERROR_ACCESS_DENIED) {
        error = make(INVALID_HANDLE_VALUE, PAGE_READWRITE, size, name, &pages);
    }
    if (error == 0) {
        *section = (struct vmem_section){
            .pages = (intptr_t)pages,
            .file = VMEM_NO_HANDLE,
            .kind = kind,
            .writable = true,
        };
    }
    return error;
}

int vmem_section_create(size_t size, struct vmem_section *section)
{
    return make_memory(size, NULL, VMEM_SECTION_ANONYMOUS, section);
}

static int full_name(const char *name, wchar_t *full)
{
    int units = (int)wcslen(PREFIX);
    memcpy(full, PREFIX, sizeof PREFIX);
    int more = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, name, -1, full + units,
                                   NAME_UNITS - units);
    return more > 0 ? 0 : last_error();
}

int vmem_section_create_named(const char *name, size_t size, struct vmem_section *section)
{
    wchar_t full[NAME_UNITS];
    int error = full_name(name, full);
    return error != 0 ? error : make_memory(size, full, VMEM_SECTION_NAMED, section);
}

int vmem_section_open_named(const char *name, bool writable, struct vmem_section *section)
{
    wchar_t full[NAME_UNITS];
    int error = full_name(name, full);
    if (error != 0) {
        return error;
    }
    DWORD access = SECTION_QUERY | SECTION_MAP_READ | (writable ? SECTION_MAP_WRITE : 0u);
    HANDLE pages = OpenFileMappingW(access | SECTION_MAP_EXECUTE, FALSE, full);
    if (pages == NULL && GetLastError() == ERROR_ACCESS_DENIED) {
        pages = OpenFileMappingW(access, FALSE, full);
    }
    if (pages == NULL) {
        return last_error();
    }
    *section = (struct vmem_section){
        .pages = (intptr_t)pages,
        .file = VMEM_NO_HANDLE,
        .kind = VMEM_SECTION_NAMED,
        .writable = writable,
    };
    return 0;
}

/* ---- files ------------------------------------------------------------------------------- */

static DWORD disposition_of(enum vmem_section_mode mode)
{
    switch (mode) {
    case VMEM_SECTION_REPLACE:
        return CREATE_ALWAYS;
    case VMEM_SECTION_NEW:
        return CREATE_NEW;
    case VMEM_SECTION_READ:
    case VMEM_SECTION_UPDATE:
        break;
    }
    return OPEN_EXISTING;
}

static int open_file(const char *path, enum vmem_section_mode mode, HANDLE *file)
{
    DWORD access = GENERIC_READ | (mode != VMEM_SECTION_READ ? GENERIC_WRITE : 0u) |
                   (mode == VMEM_SECTION_NEW ? DELETE : 0u);
    DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    HANDLE heap = GetProcessHeap();
    wchar_t *wide = HeapAlloc(heap, 0, PATH_UNITS * sizeof *wide);
    if (wide == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    int error = 0;
    if (MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, PATH_UNITS) == 0) {
        error = last_error();
    } else {
        *file = CreateFileW(wide, access, shared, NULL, disposition_of(mode), FILE_ATTRIBUTE_NORMAL,
                            NULL);
        error = *file == INVALID_HANDLE_VALUE ? last_error() : 0;
    }
    HeapFree(heap, 0, wide);
    return error;
}

static int file_size(HANDLE file, size_t *size)
{
    LARGE_INTEGER found;
    if (!GetFileSizeEx(file, &found)) {
        return last_error();
    }
    if (found.QuadPart > PTRDIFF_MAX) {
        return ERROR_FILE_TOO_LARGE;
    }
    *size = (size_t)found.QuadPart;
    return 0;
}

/* NTFS finds the clusters of a file that is not sparse when its end is set. */
static int set_file_size(HANDLE file, size_t size)
{
    LARGE_INTEGER end = {.QuadPart = (LONGLONG)size};
    bool set = SetFilePointerEx(file, end, NULL, FILE_BEGIN) && SetEndOfFile(file);
    return set ? 0 : last_error();
}

/* With its last handle the file is gone. */
static void delete_opened(HANDLE file)
{
    FILE_DISPOSITION_INFO gone = {.DeleteFile = TRUE};
    (void)SetFileInformationByHandle(file, FileDispositionInfo, &gone, sizeof gone);
}

static int size_opened(HANDLE file, enum vmem_section_mode mode, size_t wanted, size_t *size)
{
    int error = file_size(file, size);
    if (error != 0) {
        return error;
    }
    if (mode == VMEM_SECTION_READ || (*size >= wanted && *size != 0)) {
        return *size == 0 || *size < wanted ? ERROR_HANDLE_EOF : 0;
    }
    *size = wanted;
    return wanted == 0 ? ERROR_HANDLE_EOF : set_file_size(file, wanted);
}

int vmem_section_open_file(const char *path, enum vmem_section_mode mode, size_t size,
                           struct vmem_section *section)
{
    HANDLE file;
    HANDLE pages = NULL;
    bool writable = mode != VMEM_SECTION_READ;
    if (size > PTRDIFF_MAX) {
        return ERROR_FILE_TOO_LARGE;
    }
    int error = open_file(path, mode, &file);
    if (error != 0) {
        return error;
    }
    error = size_opened(file, mode, size, &size);
    if (error == 0) {
        error = make(file, writable ? PAGE_READWRITE : PAGE_READONLY, size, NULL, &pages);
    }
    if (error != 0) {
        if (mode == VMEM_SECTION_NEW) {
            delete_opened(file);
        }
        CloseHandle(file);
        return error;
    }
    *section = (struct vmem_section){
        .pages = (intptr_t)pages,
        .file = (intptr_t)file,
        .kind = VMEM_SECTION_FILE,
        .writable = writable,
    };
    return 0;
}

/* ---- what a section is ------------------------------------------------------------------- */

/* NtQuerySection is the only call that tells; it has been in every Windows NT. */
int vmem_section_size(const struct vmem_section *section, size_t *size)
{
    struct section_facts facts;
    query_function query = (query_function)find(L"ntdll.dll", "NtQuerySection");
    if (query == NULL) {
        return UNSUPPORTED;
    }
    if (query(handle_of(section->pages), 0, &facts, sizeof facts, NULL) < 0) {
        return ERROR_INVALID_HANDLE;
    }
    *size = (size_t)facts.size.QuadPart;
    return 0;
}

static bool accepts_writing(HANDLE pages)
{
    void *view = MapViewOfFile(pages, FILE_MAP_WRITE, 0, 0, 1);
    return view != NULL && UnmapViewOfFile(view);
}

static int duplicate(HANDLE handle, DWORD access, DWORD options, HANDLE *made)
{
    HANDLE self = GetCurrentProcess();
    return DuplicateHandle(self, handle, self, made, access, FALSE, options) ? 0 : last_error();
}

int vmem_section_adopt(intptr_t handle, const char *name, struct vmem_section *section)
{
    HANDLE pages;
    size_t size = 0;
    int error = duplicate(handle_of(handle), 0, DUPLICATE_SAME_ACCESS, &pages);
    if (error != 0) {
        return error;
    }
    struct vmem_section found = {
        .pages = (intptr_t)pages,
        .file = VMEM_NO_HANDLE,
        .kind = name != NULL ? VMEM_SECTION_NAMED : VMEM_SECTION_FOREIGN,
    };
    error = vmem_section_size(&found, &size);
    if (error != 0) {
        CloseHandle(pages);
        return error;
    }
    found.writable = accepts_writing(pages);
    *section = found;
    return 0;
}

/* A larger section over the same file shows the same bytes as the old one and its views. */
int vmem_section_resize(struct vmem_section *section, size_t size)
{
    HANDLE file = handle_of(section->file);
    HANDLE pages;
    size_t old_size = 0;
    if (section->file == VMEM_NO_HANDLE || !section->writable) {
        return UNSUPPORTED;
    }
    int error = file_size(file, &old_size);
    if (error == 0 && old_size < size) {
        error = set_file_size(file, size);
    }
    if (error == 0) {
        error = make(file, PAGE_READWRITE, size, NULL, &pages);
    }
    if (error != 0) {
        (void)set_file_size(file, old_size); /* refused while views are there */
        return error;
    }
    CloseHandle(handle_of(section->pages));
    section->pages = (intptr_t)pages;
    return 0;
}

int vmem_section_seal(struct vmem_section *section)
{
    HANDLE reader;
    if (section->kind != VMEM_SECTION_ANONYMOUS) {
        return UNSUPPORTED;
    }
    DWORD access = SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_EXECUTE;
    int error = duplicate(handle_of(section->pages), access, 0, &reader);
    if (error != 0) {
        return error;
    }
    CloseHandle(handle_of(section->pages));
    section->pages = (intptr_t)reader;
    section->writable = false;
    section->sealed = true;
    return 0;
}

/* The system takes a name away with the last handle. */
void vmem_section_close(struct vmem_section *section, const char *name)
{
    (void)name;
    if (section->file != VMEM_NO_HANDLE) {
        CloseHandle(handle_of(section->file));
    }
    CloseHandle(handle_of(section->pages));
    section->pages = VMEM_NO_HANDLE;
    section->file = VMEM_NO_HANDLE;
}

/* ---- mappings ---------------------------------------------------------------------------- */

/* How many of `size` bytes from `offset` a view can have: the section may end within its last
 * page. */
static int fit(const struct vmem_section *section, size_t offset, size_t size, size_t *fitting)
{
    size_t found = 0;
    size_t mask = system_info().dwPageSize - 1;
    int error = vmem_section_size(section, &found);
    if (error != 0) {
        return error;
    }
    size_t whole = (found + mask) & ~mask;
    if (offset > whole || size > whole - offset) {
        return ERROR_HANDLE_EOF;
    }
    *fitting = size < found - offset ? size : found - offset;
    return 0;
}

int vmem_section_check(const struct vmem_section *section, size_t offset, size_t size)
{
    size_t fitting;
    return fit(section, offset, size, &fitting);
}

static bool writes(enum vmem_access access)
{
    return access == VMEM_READ_WRITE || access == VMEM_READ_WRITE_EXECUTE;
}

static bool executes(enum vmem_access access)
{
    return access == VMEM_READ_EXECUTE || access == VMEM_READ_WRITE_EXECUTE;
}

static DWORD view_access(enum vmem_access access, bool copy_on_write)
{
    DWORD wanted = FILE_MAP_READ;
    if (writes(access)) {
        wanted = copy_on_write ? FILE_MAP_COPY : FILE_MAP_WRITE;
    }
    return wanted | (executes(access) ? FILE_MAP_EXECUTE : 0u);
}

static DWORD page_access(enum vmem_access access, bool copy_on_write)
{
    switch (access) {
    case VMEM_READ:
        return PAGE_READONLY;
    case VMEM_READ_WRITE:
        return copy_on_write ? PAGE_WRITECOPY : PAGE_READWRITE;
    case VMEM_READ_EXECUTE:
        return PAGE_EXECUTE_READ;
    case VMEM_READ_WRITE_EXECUTE:
        return copy_on_write ? PAGE_EXECUTE_WRITECOPY : PAGE_EXECUTE_READWRITE;
    case VMEM_NO_ACCESS:
        break;
    }
    return PAGE_NOACCESS;
}

/* A view without access has to be made with some. */
static int take_access(void *address, size_t size, enum vmem_access access)
{
    DWORD before;
    if (access != VMEM_NO_ACCESS || VirtualProtect(address, size, PAGE_NOACCESS, &before)) {
        return 0;
    }
    return last_error();
}

static int view_at(const struct vmem_section *section, size_t offset, void *wanted, size_t size,
                   enum vmem_access access, bool copy_on_write, void **address)
{
    size_t fitting;
    int error = fit(section, offset, size, &fitting);
    if (error != 0) {
        return error;
    }
    if (writes(access) && !copy_on_write && !section->writable) {
        return ERROR_ACCESS_DENIED;
    }
    void *view = MapViewOfFileEx(handle_of(section->pages), view_access(access, copy_on_write),
                                 high_half(offset), low_half(offset), fitting, wanted);
    if (view == NULL) {
        return last_error();
    }
    error = take_access(view, size, access);
    if (error != 0) {
        UnmapViewOfFile(view);
        return error;
    }
    *address = view;
    return 0;
}

int vmem_section_view(const struct vmem_section *section, size_t offset, size_t size,
                      enum vmem_access access, bool copy_on_write, void **address)
{
    return view_at(section, offset, NULL, size, access, copy_on_write, address);
}

int vmem_section_unview(void *address, size_t size)
{
    (void)size; /* the system knows it */
    return UnmapViewOfFile(address) ? 0 : last_error();
}

int vmem_section_map(const struct vmem_section *section, size_t offset, void *address, size_t size,
                     enum vmem_access access, bool copy_on_write)
{
    map_function map = (map_function)find(L"kernelbase.dll", "MapViewOfFile3");
    if (map == NULL) {
        return UNSUPPORTED;
    }
    int error = vmem_section_check(section, offset, size);
    if (error != 0) {
        return error;
    }
    if (writes(access) && !copy_on_write && !section->writable) {
        return ERROR_ACCESS_DENIED;
    }
    DWORD protection = access == VMEM_NO_ACCESS ? PAGE_READONLY
                                                : page_access(access, copy_on_write);
    if (map(handle_of(section->pages), GetCurrentProcess(), address, offset, size,
            MEM_REPLACE_PLACEHOLDER, protection, NULL, 0)
        == NULL) {
        return last_error();
    }
    error = take_access(address, size, access);
    if (error != 0) {
        (void)vmem_section_unmap(address, size);
    }
    return error;
}

int vmem_section_unmap(void *address, size_t size)
{
    unmap_function unmap = (unmap_function)find(L"kernelbase.dll", "UnmapViewOfFile2");
    (void)size;
    if (unmap == NULL) {
        return UNSUPPORTED;
    }
    return unmap(GetCurrentProcess(), address, MEM_PRESERVE_PLACEHOLDER) ? 0 : last_error();
}

/* PAGE_READWRITE is refused for such a view, and would write through. */
int vmem_section_protect_copy(void *address, size_t size, enum vmem_access access)
{
    DWORD before;
    return VirtualProtect(address, size, page_access(access, true), &before) ? 0 : last_error();
}

/* ---- side by side ------------------------------------------------------------------------ */

static void unmap_views(char *range, size_t size, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        UnmapViewOfFile(range + i * size);
    }
}

static void release_placeholders(char *range, size_t size, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        VirtualFree(range + i * size, 0, MEM_RELEASE);
    }
}

/* Cuts one placeholder into `times` of them. */
static int split(char *range, size_t size, unsigned times)
{
    for (unsigned i = 0; i + 1 < times; i++) {
        if (!VirtualFree(range + i * size, size, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER)) {
            int error = last_error();
            release_placeholders(range, size, 0, i + 1);
            return error;
        }
    }
    return 0;
}

static int repeat_placed(const struct vmem_section *section, size_t offset, size_t size,
                         unsigned times, enum vmem_access access, void **address)
{
    char *range = reserve_placeholder(size * times);
    if (range == NULL) {
        return last_error();
    }
    int error = split(range, size, times);
    if (error != 0) {
        return error;
    }
    for (unsigned i = 0; i < times; i++) {
        error = vmem_section_map(section, offset, range + i * size, size, access, false);
        if (error != 0) {
            unmap_views(range, size, i);
            release_placeholders(range, size, i, times);
            return error;
        }
    }
    *address = range;
    return 0;
}

/* ERROR_INVALID_ADDRESS: somebody took the place meanwhile. */
static int repeat_in_a_gap(const struct vmem_section *section, size_t offset, size_t size,
                           unsigned times, enum vmem_access access, void **address)
{
    char *range = VirtualAlloc(NULL, size * times, MEM_RESERVE, PAGE_NOACCESS);
    if (range == NULL) {
        return last_error();
    }
    VirtualFree(range, 0, MEM_RELEASE);
    for (unsigned i = 0; i < times; i++) {
        void *view;
        int error = view_at(section, offset, range + i * size, size, access, false, &view);
        if (error != 0) {
            unmap_views(range, size, i);
            return error;
        }
    }
    *address = range;
    return 0;
}

int vmem_section_repeat(const struct vmem_section *section, size_t offset, size_t size,
                        unsigned times, enum vmem_access access, void **address)
{
    if (times == 0 || size > PTRDIFF_MAX / times) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (has_placeholders()) {
        return repeat_placed(section, offset, size, times, access, address);
    }
    int error = ERROR_INVALID_ADDRESS;
    for (int i = 0; i < ATTEMPTS && error == ERROR_INVALID_ADDRESS; i++) {
        error = repeat_in_a_gap(section, offset, size, times, access, address);
    }
    return error;
}

int vmem_section_unrepeat(void *address, size_t size, unsigned times)
{
    char *range = address;
    int error = 0;
    for (unsigned i = 0; i < times; i++) {
        if (!UnmapViewOfFile(range + i * size)) {
            error = last_error();
        }
    }
    return error;
}

/* ---- errors ------------------------------------------------------------------------------ */

bool vmem_section_exists(int error)
{
    return error == ERROR_ALREADY_EXISTS || error == ERROR_FILE_EXISTS;
}

bool vmem_section_missing(int error)
{
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
}

bool vmem_section_busy(int error)
{
    return error == ERROR_BUSY;
}

bool vmem_section_is_short(int error)
{
    return error == ERROR_HANDLE_EOF;
}

bool vmem_section_no_storage(int error)
{
    return error == ERROR_COMMITMENT_LIMIT || error == ERROR_NOT_ENOUGH_MEMORY
           || error == ERROR_DISK_FULL || error == ERROR_FILE_TOO_LARGE
           || error == ERROR_NO_SYSTEM_RESOURCES;
}

const char *vmem_section_limit(enum vmem_section_kind kind, int error)
{
    (void)error;
    return kind == VMEM_SECTION_FILE ? "free space of the disk" : "commit limit";
}
