/* vmem_query_linux.c - what Linux tells of pages: /proc/self/maps, /proc/self/pagemap, move_pages.
 *
 * What a reader would get wrong: Linux keeps no state "reserved". A page without access may have
 * contents behind it, and what is told of it is the mildest that fits: reserved.
 */
#define _GNU_SOURCE

#include "vmem_linux.h"

#include "vmem_scan_linux.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* ---- /proc/self/maps --------------------------------------------------------------------- */

int linux_maps_open(struct linux_maps *maps)
{
    maps->next = maps->filled = 0;
    maps->file = linux_open("/proc/self/maps");
    return maps->file >= 0 ? 0 : errno;
}

void linux_maps_close(struct linux_maps *maps)
{
    close(maps->file);
}

/* The next character, or -1. */
static int next_char(struct linux_maps *maps)
{
    if (maps->next == maps->filled) {
        ssize_t count;
        do {
            count = read(maps->file, maps->text, sizeof maps->text);
        } while (count < 0 && errno == EINTR);
        if (count <= 0) {
            return -1;
        }
        maps->next = 0;
        maps->filled = (size_t)count;
    }
    return (unsigned char)maps->text[maps->next++];
}

static int value_of(int digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Reads a hexadecimal number and the character that ends it. */
static uintptr_t read_address(struct linux_maps *maps, int *end)
{
    uintptr_t number = 0;
    for (*end = next_char(maps); value_of(*end) >= 0; *end = next_char(maps)) {
        number = number << 4 | (uintptr_t)value_of(*end);
    }
    return number;
}

/* Skips what stands before the next blank. */
static int skip_word(struct linux_maps *maps)
{
    int c = next_char(maps);
    while (c >= 0 && c != ' ' && c != '\n') {
        c = next_char(maps);
    }
    return c;
}

/* "rwxp " */
static void read_flags(struct linux_maps *maps, struct linux_mapping *mapping)
{
    mapping->protection = 0;
    mapping->protection |= next_char(maps) == 'r' ? PROT_READ : 0;
    mapping->protection |= next_char(maps) == 'w' ? PROT_WRITE : 0;
    mapping->protection |= next_char(maps) == 'x' ? PROT_EXEC : 0;
    mapping->shared = next_char(maps) == 's';
    skip_word(maps);
}

static void read_name(struct linux_maps *maps, struct linux_mapping *mapping, int c)
{
    size_t length = 0;
    while (c == ' ') {
        c = next_char(maps);
    }
    for (; c >= 0 && c != '\n'; c = next_char(maps)) {
        if (length < sizeof mapping->name - 1) {
            mapping->name[length++] = (char)c;
        }
    }
    mapping->name[length] = '\0';
}

/* start-end flags offset device inode name */
bool linux_maps_next(struct linux_maps *maps, struct linux_mapping *mapping)
{
    int c;
    mapping->start = read_address(maps, &c);
    if (c != '-') {
        return false;
    }
    mapping->end = read_address(maps, &c);
    read_flags(maps, mapping);
    skip_word(maps);
    skip_word(maps);
    c = next_char(maps);
    mapping->file = c != '0';
    if (c != '\n') {
        c = skip_word(maps);
    }
    mapping->name[0] = '\0';
    if (c == ' ') {
        read_name(maps, mapping, c);
    }
    return true;
}

static size_t count_mappings(void)
{
    struct linux_maps maps;
    struct linux_mapping mapping;
    size_t count = 0;
    if (linux_maps_open(&maps) != 0) {
        return 0;
    }
    while (linux_maps_next(&maps, &mapping)) {
        count++;
    }
    linux_maps_close(&maps);
    return count;
}

/* A change in the middle of one takes two more. */
bool vmem_is_out_of_mappings(int error)
{
    size_t most = linux_read_number("/proc/sys/vm/max_map_count", VMEM_NO_LIMIT);
    return error == ENOMEM && most != VMEM_NO_LIMIT && count_mappings() + 2 >= most;
}

/* ---- vmem_query_run ---------------------------------------------------------------------- */

static enum vmem_access access_of(int protection)
{
    if ((protection & PROT_READ) == 0) {
        return VMEM_NO_ACCESS;
    }
    if ((protection & PROT_EXEC) != 0) {
        return (protection & PROT_WRITE) != 0 ? VMEM_READ_WRITE_EXECUTE : VMEM_READ_EXECUTE;
    }
    return (protection & PROT_WRITE) != 0 ? VMEM_READ_WRITE : VMEM_READ;
}

static enum vmem_state state_of(const struct linux_mapping *mapping)
{
    if (mapping->file || mapping->shared) {
        return VMEM_MAPPED;
    }
    return mapping->protection == PROT_NONE ? VMEM_RESERVED : VMEM_COMMITTED;
}

int vmem_query_run(const void *address, struct vmem_run *run)
{
    struct linux_maps maps;
    struct linux_mapping mapping;
    uintptr_t page = (uintptr_t)address & ~(uintptr_t)(linux_page_size() - 1);
    uintptr_t end = ~(uintptr_t)(linux_page_size() - 1); /* the last page is never anybody's */
    int error = linux_maps_open(&maps);
    if (error != 0) {
        return error;
    }
    *run = (struct vmem_run){.address = (void *)page, .state = VMEM_FREE};
    while (linux_maps_next(&maps, &mapping)) {
        if (mapping.end <= page) {
            continue;
        }
        end = mapping.start;
        if (mapping.start <= page) {
            end = mapping.end;
            run->state = state_of(&mapping);
            run->access = access_of(mapping.protection);
        }
        break;
    }
    linux_maps_close(&maps);
    run->size = end - page;
    return 0;
}

/* ---- what stands behind pages ------------------------------------------------------------ */

static _Atomic int scan_answer = NOT_ASKED;

/* The kernel knows the request if a reserved page, which has nothing to tell, is no error. Where there
 * are no descriptors left that is asked another time. */
static int probe_scan(void *page, size_t size)
{
    struct scan scan;
    int refused = scan_open(&scan, page, size);
    if (refused != 0) {
        return refused == EMFILE || refused == ENFILE ? NOT_ASKED : NO;
    }
    scan.request.category_mask = PAGE_IS_PRESENT;
    scan.request.return_mask = PAGE_IS_PRESENT;
    int error = scan_some(&scan);
    scan_close(&scan);
    return error == 0 ? YES : NO;
}

bool linux_can_scan(void)
{
    return linux_ask(&scan_answer, probe_scan);
}

static void note(const struct page_region *found, uintptr_t start, unsigned char *memory)
{
    size_t page = linux_page_size();
    bool huge = (found->categories & PAGE_IS_HUGE) != 0;
    for (uintptr_t at = (uintptr_t)found->start; at < found->end; at += page) {
        memory[(at - start) / page] = huge ? VMEM_RESIDENT_HUGE : VMEM_RESIDENT;
    }
}

int vmem_query_memory(const void *address, size_t size, unsigned char *memory)
{
    struct scan scan;
    if (!linux_can_scan()) {
        return UNSUPPORTED;
    }
    int error = scan_open(&scan, address, size);
    if (error != 0) {
        return error;
    }
    memset(memory, VMEM_ABSENT, size / linux_page_size());
    scan.request.category_mask = PAGE_IS_PRESENT | PAGE_IS_PFNZERO;
    scan.request.category_inverted = PAGE_IS_PFNZERO;
    scan.request.return_mask = PAGE_IS_PRESENT | PAGE_IS_HUGE;
    while (error == 0 && !scan_is_done(&scan)) {
        error = scan_some(&scan);
        for (size_t i = 0; error == 0 && i < scan.count; i++) {
            note(&scan.found[i], (uintptr_t)address, memory);
        }
    }
    scan_close(&scan);
    return error;
}

/* Without nodes to move to, move_pages only tells where pages are, and gives none memory. */
static int find_node(const void *address, int *node)
{
    void *page = (void *)((uintptr_t)address & ~(uintptr_t)(linux_page_size() - 1));
    int status = -ENOENT;
    if (syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0) != 0) {
        return errno == EPERM ? UNSUPPORTED : errno;
    }
    *node = status >= 0 ? status : VMEM_NO_NODE;
    return 0;
}

int vmem_query_node(const void *address, int *node)
{
    return find_node(address, node);
}

bool linux_can_query_node(void)
{
    int node = VMEM_NO_NODE; /* stands on a page that has memory */
    return find_node(&node, &node) == 0 && node != VMEM_NO_NODE;
}
