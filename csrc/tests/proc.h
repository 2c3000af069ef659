/* proc.h - what Linux tells a process of itself: its sizes, and its mappings one by one.
 *
 * What a reader would get wrong: a range may lie in several mappings, and what stood behind one of
 * them may have become part of its neighbour's. Elsewhere than on Linux there is nothing here.
 */
#ifndef GROWABLE_PROC_H
#define GROWABLE_PROC_H

#ifdef __linux__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of /proc/self/status in bytes; 0 where there is none. */
static inline size_t process_size(const char *key)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kib = strtoull(line + strlen(key), NULL, 10);
        }
    }
    fclose(status);
    return (size_t)kib * 1024;
}

struct mappings {
    const void *start; /* those that share a byte with [start, start + size) */
    size_t size;
    void (*visit)(void *context, const char *line);
    void *context;
};

static inline bool is_among(const struct mappings *wanted, unsigned long long start,
                            unsigned long long end)
{
    uintptr_t first = (uintptr_t)wanted->start;
    return start < first + wanted->size && first < end;
}

/* Visits each line that /proc/self/smaps has on them, the one with the addresses first. False where
 * there is no such list. */
static inline bool visit_mappings(const struct mappings *wanted)
{
    char line[8192];
    bool inside = false;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    if (smaps == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, smaps) != NULL) {
        unsigned long long start;
        unsigned long long end;
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2) {
            inside = is_among(wanted, start, end);
        }
        if (inside) {
            wanted->visit(wanted->context, line);
        }
    }
    fclose(smaps);
    return true;
}

struct line_search {
    const char *key;
    char *line;
    size_t size;
    bool found;
};

static inline void keep_first(void *context, const char *line)
{
    struct line_search *search = context;
    if (!search->found && strncmp(line, search->key, strlen(search->key)) == 0) {
        search->found = true;
        snprintf(search->line, search->size, "%s", line);
    }
}

/* The line that starts with `key`, for the mapping around `address`. The key "" finds the one with
 * the addresses. */
static inline bool mapping_line(const void *address, const char *key, char *line, size_t size)
{
    struct line_search search = {key, line, size, false};
    struct mappings around = {address, 1, keep_first, &search};
    return visit_mappings(&around) && search.found;
}

/* Whether the mapping around the address carries the flag (" hg", " nh", " ac"). */
static inline bool has_flag(const void *address, const char *flag)
{
    char line[256];
    return mapping_line(address, "VmFlags:", line, sizeof line) && strstr(line, flag) != NULL;
}

#endif

#endif
