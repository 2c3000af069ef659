/* test_vmem.c - the contract of vmem.h, on whatever system this is built for: pages and their states.
 *
 * What a reader would get wrong: a test of something the system lacks does not pass it over. It
 * asserts that the call fails with an error for which vmem_is_unsupported() holds.
 */
#ifndef _WIN32
#define _GNU_SOURCE
#endif

#include "vmem_support.h"

/* ---- query ------------------------------------------------------------------------------- */

static bool is_power_of_two(size_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static void query_is_sane(void)
{
    struct vmem_info info = query();
    CHECK(is_power_of_two(info.page_size) && info.page_size >= 4096);
    CHECK(is_power_of_two(info.granularity) && info.granularity >= info.page_size);
    CHECK(info.huge_page_size == 0 || is_power_of_two(info.huge_page_size));
    CHECK(info.huge_page_size == 0 || info.huge_page_size > info.page_size);
    CHECK(info.thp != VMEM_THP_UNSUPPORTED || info.huge_page_size == 0);
    CHECK(info.can_advise_huge == (info.thp != VMEM_THP_UNSUPPORTED));
    CHECK(info.address_limit > 0 && info.data_limit > 0 && info.max_mappings > 0);
}

static void query_repeats_itself(void)
{
    struct vmem_info first = query();
    struct vmem_info second = query();
    CHECK(first.page_size == second.page_size && first.granularity == second.granularity);
    CHECK(first.can_populate == second.can_populate && first.can_name == second.can_name);
    CHECK(first.can_remap == second.can_remap && first.can_discard == second.can_discard);
}

/* ---- reserve ----------------------------------------------------------------------------- */

static void reserved_pages_fault(void)
{
    size_t size = some_size();
    unsigned char *start = reserve(size);
    CHECK(faults(start, READS));
    CHECK(faults(start + size - 1, READS));
    CHECK(faults(start, WRITES));
    CHECK(vmem_release(start, size) == 0);
    CHECK(faults(start, READS));
}

static void check_alignment(size_t size, size_t alignment)
{
    void *address[4];
    for (int i = 0; i < 4; i++) {
        CHECK(vmem_reserve(size, alignment, &address[i]) == 0);
        CHECK(((uintptr_t)address[i] & (alignment - 1)) == 0);
    }
    for (int i = 0; i < 4; i++) {
        unsigned char *start = address[i];
        CHECK(vmem_commit(start, size) == 0);
        start[0] = start[size - 1] = (unsigned char)(i + 1);
    }
    for (int i = 0; i < 4; i++) {
        unsigned char *start = address[i];
        CHECK(start[0] == i + 1 && start[size - 1] == i + 1);
        CHECK(vmem_release(start, size) == 0);
    }
}

static void reservations_are_aligned(void)
{
    size_t largest = sizeof(void *) > 4 ? 1024 * MIB : 64 * MIB;
    size_t size = some_size();
    for (size_t alignment = query().granularity; alignment <= largest; alignment *= 2) {
        check_alignment(size, alignment);
    }
}

static void reservations_begin_before_a_boundary(void)
{
    size_t granularity = query().granularity;
    size_t size = some_size();
    size_t alignment = 32 * granularity;
    for (size_t lead = 0; lead < alignment; lead += granularity) {
        void *address;
        CHECK(vmem_reserve_before(size, alignment, lead, &address) == 0);
        unsigned char *start = address;
        CHECK((((uintptr_t)start + lead) & (alignment - 1)) == 0);
        CHECK(vmem_commit(start, size) == 0 && holds_only(start, size, 0));
        CHECK(vmem_release(start, size) == 0);
    }
}

static void alignment_wastes_no_addresses(void)
{
#ifdef __linux__
    size_t size = some_size();
    void *address[8];
    size_t before = process_size("VmSize:");
    if (before == 0) {
        SKIP("the system does not tell the size of a process");
    }
    for (int i = 0; i < 8; i++) {
        CHECK(vmem_reserve(size, 64 * MIB, &address[i]) == 0);
    }
    CHECK(process_size("VmSize:") - before < 64 * MIB);
    for (int i = 0; i < 8; i++) {
        CHECK(vmem_release(address[i], size) == 0);
    }
    CHECK(process_size("VmSize:") - before < 16 * MIB);
#else
    SKIP("the size of the address space is read from Linux's /proc");
#endif
}

static void impossible_reservations_fail(void)
{
    size_t granularity = query().granularity;
    size_t largest = SIZE_MAX & ~(granularity - 1);
    size_t half = SIZE_MAX / 2 + 1;
    void *address = UNTOUCHED;
    CHECK(vmem_reserve(largest, granularity, &address) != 0);
    CHECK(vmem_reserve(half, granularity, &address) != 0);
    CHECK(vmem_reserve(half, half, &address) != 0);
    CHECK(vmem_reserve(largest, half, &address) != 0);
    CHECK(vmem_reserve(granularity, half, &address) != 0);
    CHECK(address == UNTOUCHED);
}

static void large_reservation_is_free(void)
{
    size_t page = query().page_size;
    size_t size = (size_t)((sizeof(void *) > 4 ? UINT64_C(64) << 30 : UINT64_C(256) << 20));
    void *address;
    if (vmem_reserve(size, query().granularity, &address) != 0) {
        SKIP("addresses are limited here");
    }
    unsigned char *start = address;
    unsigned char *last = start + size - page;
    CHECK(vmem_commit(last, page) == 0);
    *last = 1;
    CHECK(vmem_release(start, size) == 0);
}

/* ---- commit and decommit ----------------------------------------------------------------- */

static void committed_pages_read_as_zero(void)
{
    size_t size = some_size();
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(holds_only(start, size, 0));
    memset(start, 0xa5, size);
    CHECK(holds_only(start, size, 0xa5));
    CHECK(vmem_release(start, size) == 0);
}

static void commit_stops_at_its_edge(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start + page, 2 * page) == 0);
    start[page] = start[3 * page - 1] = 1;
    CHECK(faults(start + page - 1, READS));
    CHECK(faults(start + 3 * page, READS));
    CHECK(vmem_release(start, size) == 0);
}

static void commit_again_keeps_contents(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start + page, page) == 0);
    memset(start + page, 7, page);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(holds_only(start, page, 0));
    CHECK(holds_only(start + page, page, 7));
    CHECK(holds_only(start + 2 * page, size - 2 * page, 0));
    CHECK(vmem_release(start, size) == 0);
}

static void commit_makes_protected_pages_writable(void)
{
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 3);
    CHECK(vmem_protect(start, size, VMEM_READ) == 0);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(works(start, WRITES));
    CHECK(holds_only(start, size, 3));
    start[0] = 4;
    CHECK(vmem_release(start, size) == 0);
}

static void decommitted_pages_are_reserved(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 9);
    CHECK(vmem_decommit(start + page, 2 * page) == 0);
    CHECK(faults(start + page, READS));
    CHECK(faults(start + 3 * page - 1, READS));
    CHECK(holds_only(start, page, 9));
    CHECK(holds_only(start + 3 * page, size - 3 * page, 9));
    CHECK(vmem_commit(start + page, 2 * page) == 0);
    CHECK(holds_only(start + page, 2 * page, 0));
    CHECK(vmem_release(start, size) == 0);
}

static void decommit_takes_reserved_pages_too(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve(size);
    CHECK(vmem_decommit(start, size) == 0);
    CHECK(vmem_commit(start + page, page) == 0);
    start[page] = 1;
    CHECK(vmem_decommit(start, size) == 0);
    CHECK(faults(start + page, READS));
    CHECK(vmem_commit(start, size) == 0);
    CHECK(holds_only(start, size, 0));
    CHECK(vmem_release(start, size) == 0);
}

static void decommit_takes_protected_pages_too(void)
{
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 9);
    CHECK(vmem_protect(start, size, VMEM_NO_ACCESS) == 0);
    CHECK(vmem_decommit(start, size) == 0);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(holds_only(start, size, 0));
    CHECK(vmem_release(start, size) == 0);
}

static void decommit_gives_memory_back(void)
{
#ifdef __linux__
    size_t size = 64 * MIB;
    unsigned char *start = reserve_committed(size, 1);
    size_t data = process_size("VmData:");
    size_t resident = process_size("VmRSS:");
    if (data == 0 || resident == 0) {
        SKIP("the system does not tell the memory of a process");
    }
    CHECK(vmem_decommit(start, size) == 0);
    CHECK(data - process_size("VmData:") > 60 * MIB);
    CHECK(resident - process_size("VmRSS:") > 60 * MIB);
    CHECK(vmem_release(start, size) == 0);
#else
    SKIP("memory in use is read from Linux's /proc");
#endif
}

#ifdef __linux__
/* Whether the mapping counts against the commit charge. */
static bool is_charged(const void *address)
{
    return has_flag(address, " ac");
}
#endif

static void decommit_gives_the_charge_back(void)
{
#ifdef __linux__
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve(size);
    bool charged_before = is_charged(start);
    CHECK(vmem_commit(start, size) == 0);
    start[0] = 1;
    if (!is_charged(start)) {
        SKIP("the system does not tell what is charged");
    }
    CHECK(!charged_before);
    CHECK(vmem_decommit(start + page, page) == 0);
    CHECK(is_charged(start) && !is_charged(start + page) && is_charged(start + 2 * page));
    CHECK(vmem_commit(start + page, page) == 0);
    CHECK(is_charged(start + page));
    CHECK(vmem_release(start, size) == 0);
#else
    SKIP("the charge of a mapping is read from Linux's /proc");
#endif
}

#ifdef _WIN32

static void refused_commit_changes_nothing(void)
{
    size_t size = (size_t)(UINT64_C(1) << 40);
    size_t page = query().page_size;
    void *address;
    if (vmem_reserve(size, query().granularity, &address) != 0) {
        SKIP("no range large enough to be refused");
    }
    unsigned char *start = address;
    CHECK(vmem_commit(start, page) == 0);
    start[0] = 1;
    CHECK(vmem_commit(start, size) != 0);
    CHECK(start[0] == 1);
    CHECK(vmem_release(start, size) == 0);
}

#elif defined(__linux__)

static void commit_beyond_data_limit(void)
{
    size_t size = 256 * MIB;
    size_t page = query().page_size;
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start, page) == 0);
    memset(start, 1, page);
    size_t limit = limit_to(RLIMIT_DATA, "VmData:", 32 * MIB);
    CHECK(query().data_limit == limit);
    int error = vmem_commit(start + page, size - page);
    CHECK(error != 0 && !vmem_is_unsupported(error));
    CHECK(holds_only(start, page, 1));
    CHECK(faults(start + page, READS) && faults(start + size - 1, READS));
    CHECK(vmem_commit(start + page, MIB) == 0);
    CHECK(holds_only(start + page, MIB, 0));
    CHECK(vmem_release(start, size) == 0);
}

static void refused_commit_changes_nothing(void)
{
    if (!check_in_child(commit_beyond_data_limit)) {
        SKIP("the system does not limit memory");
    }
}

#else

static void refused_commit_changes_nothing(void)
{
    SKIP("no known way to have a commit refused");
}

#endif

#ifdef __linux__

static void reserve_beyond_address_limit(void)
{
    size_t granularity = query().granularity;
    size_t room = 128 * MIB;
    void *address = UNTOUCHED;
    size_t limit = limit_to(RLIMIT_AS, "VmSize:", room);
    CHECK(query().address_limit == limit);
    int error = vmem_reserve(4 * room, granularity, &address);
    CHECK(error != 0 && !vmem_is_unsupported(error));
    CHECK(vmem_reserve_lazy(4 * room, granularity, &address) != 0);
    CHECK(address == UNTOUCHED);
    CHECK(vmem_reserve(room / 2, granularity, &address) == 0);
    CHECK(vmem_commit(address, room / 2) == 0);
    memset(address, 1, MIB);
    CHECK(vmem_release(address, room / 2) == 0);
}

static void refused_remap_changes_nothing(void)
{
    size_t size = 8 * MIB;
    size_t page = query().page_size;
    unsigned char *start = reserve(size);
    void *address = UNTOUCHED;
    CHECK(vmem_commit(start + page, 2 * page) == 0);
    memset(start + page, 5, 2 * page);
    limit_to(RLIMIT_AS, "VmSize:", 64 * MIB);
    CHECK(vmem_remap(start, size, page, 2 * page, 512 * MIB, page, &address) != 0);
    CHECK(address == UNTOUCHED);
    CHECK(holds_only(start + page, 2 * page, 5));
    CHECK(faults(start, READS) && faults(start + 3 * page, READS));
    CHECK(vmem_remap(start, size, page, 2 * page, 16 * MIB, page, &address) == 0);
    CHECK(holds_only((unsigned char *)address + page, 2 * page, 5));
}

static void address_limit_is_kept(void)
{
    if (!check_in_child(reserve_beyond_address_limit)
        || !check_in_child(refused_remap_changes_nothing)) {
        SKIP("the system does not limit addresses");
    }
}

#else

static void address_limit_is_kept(void)
{
    SKIP("RLIMIT_AS is tested on Linux only");
}

#endif

/* ---- lazy reservations ------------------------------------------------------------------- */

static void lazy_pages_are_committed(void)
{
    size_t granularity = query().granularity;
    size_t page = query().page_size;
    size_t size = 16 * MIB;
    void *address = UNTOUCHED;
    int error = vmem_reserve_lazy(size, granularity, &address);
    if (!query().can_reserve_lazy) {
        CHECK(vmem_is_unsupported(error) && address == UNTOUCHED);
        return;
    }
    CHECK(error == 0);
    unsigned char *start = address;
    CHECK(holds_only(start, size, 0));
    memset(start, 6, size);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(holds_only(start, size, 6));
    CHECK(vmem_decommit(start + page, page) == 0);
    CHECK(faults(start + page, READS));
    CHECK(vmem_commit(start + page, page) == 0);
    CHECK(holds_only(start + page, page, 0));
    CHECK(holds_only(start + 2 * page, size - 2 * page, 6));
    CHECK(vmem_release(start, size) == 0);
}

static void lazy_reservations_are_aligned(void)
{
    size_t size = some_size();
    for (size_t alignment = query().granularity; alignment <= 64 * MIB; alignment *= 4) {
        void *address;
        if (!query().can_reserve_lazy) {
            CHECK(vmem_is_unsupported(vmem_reserve_lazy(size, alignment, &address)));
            continue;
        }
        CHECK(vmem_reserve_lazy(size, alignment, &address) == 0);
        CHECK(((uintptr_t)address & (alignment - 1)) == 0);
        memset(address, 1, size);
        CHECK(vmem_release(address, size) == 0);
    }
}

/* ---- discard, protect -------------------------------------------------------------------- */

static void discarded_pages_keep_or_lose_all(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 8);
    int error = vmem_discard(start + page, size - page);
    if (!query().can_discard) {
        CHECK(vmem_is_unsupported(error));
    } else {
        CHECK(error == 0);
        for (size_t at = page; at < size; at += page) {
            CHECK(holds_only(start + at, page, 0) || holds_only(start + at, page, 8));
        }
    }
    CHECK(holds_only(start, page, 8));
    memset(start, 4, size);
    CHECK(holds_only(start, size, 4));
    CHECK(vmem_release(start, size) == 0);
}

static void protection_is_obeyed(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 2);
    CHECK(vmem_protect(start + page, page, VMEM_READ) == 0);
    CHECK(holds_only(start, size, 2));
    CHECK(works(start + page, READS) && faults(start + page, WRITES));
    CHECK(works(start, WRITES) && works(start + 2 * page, WRITES));
    CHECK(vmem_protect(start + page, page, VMEM_NO_ACCESS) == 0);
    CHECK(faults(start + page, READS) && faults(start + page, WRITES));
    CHECK(vmem_protect(start + page, page, VMEM_READ_WRITE) == 0);
    CHECK(works(start + page, WRITES));
    CHECK(holds_only(start, size, 2));
    CHECK(vmem_release(start, size) == 0);
}

/* ---- populate, residency ----------------------------------------------------------------- */

#define SLACK 16 /* an emulator may write one byte for each smaller page of its host */

static bool count_resident(const unsigned char *start, size_t size, size_t *count)
{
    unsigned char map[16 * SLACK];
    size_t pages = size / query().page_size;
    CHECK(pages <= 16);
    memset(map, 0xee, sizeof map);
    CHECK(vmem_query_resident(start, size, map) == 0);
    *count = 0;
    for (size_t i = 0; i < pages; i++) {
        CHECK(map[i] <= 1);
        *count += map[i];
    }
    return map[pages] == 0xee;
}

static void residency_follows_touch(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    size_t count;
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start, size) == 0);
    if (vmem_advise_huge(start, size, false) != 0) {
        CHECK(!query().can_advise_huge);
    }
    if (!query().can_query_resident) {
        unsigned char map[16];
        CHECK(vmem_is_unsupported(vmem_query_resident(start, size, map)));
        return;
    }
    if (!count_resident(start, size, &count)) {
        SKIP("an emulator with other pages than its host's");
    }
    CHECK(count == 0);
    start[page] = start[3 * page] = 1;
    CHECK(count_resident(start, size, &count) && count == 2);
    CHECK(count_resident(start + 3 * page, page, &count) && count == 1);
    CHECK(vmem_decommit(start, size) == 0);
    if (is_emulated()) {
        SKIP("an emulator that refuses to tell of reserved pages");
    }
    CHECK(count_resident(start, size, &count) && count == 0);
    CHECK(vmem_release(start, size) == 0);
}

static void populated_pages_are_resident(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    size_t count;
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start, size) == 0);
    start[page] = 5;
    int error = vmem_populate(start, size);
    if (!query().can_populate) {
        CHECK(vmem_is_unsupported(error));
    } else {
        CHECK(error == 0);
        if (query().can_query_resident && count_resident(start, size, &count)) {
            CHECK(count == size / page);
        }
    }
    CHECK(start[page] == 5);
    start[page] = 0;
    CHECK(holds_only(start, size, 0));
    CHECK(vmem_release(start, size) == 0);
}

static void populate_refuses_what_it_cannot_write(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    unsigned char *start = reserve(size);
    CHECK(vmem_commit(start, 2 * page) == 0);
    CHECK(vmem_populate(start, size) != 0);
    CHECK(faults(start + 2 * page, READS));
    CHECK(vmem_protect(start, page, VMEM_READ) == 0);
    CHECK(vmem_populate(start, page) != 0);
    CHECK(works(start, READS) && faults(start, WRITES));
    CHECK(vmem_release(start, size) == 0);
}

/* ---- huge pages, names ------------------------------------------------------------------- */

static void huge_advice_is_only_advice(void)
{
    size_t size = 4 * MIB;
    unsigned char *start = reserve(size);
    int reserved = vmem_advise_huge(start, size, true);
    CHECK(vmem_commit(start, size) == 0);
    int committed = vmem_advise_huge(start, size, false);
    if (query().can_advise_huge) {
        CHECK(reserved == 0 && committed == 0);
    } else {
        CHECK(vmem_is_unsupported(reserved) && vmem_is_unsupported(committed));
    }
    CHECK(holds_only(start, size, 0));
    CHECK(vmem_release(start, size) == 0);
}

static void huge_advice_gives_huge_pages(void)
{
#ifdef __linux__
    struct vmem_info info = query();
    char line[256];
    void *address;
    if (!info.can_advise_huge || info.thp < VMEM_THP_ADVISED || info.huge_page_size > 32 * MIB) {
        SKIP("no huge pages are to be had");
    }
    size_t size = 4 * info.huge_page_size;
    CHECK(vmem_reserve(size, info.huge_page_size, &address) == 0);
    CHECK(vmem_advise_huge(address, size, true) == 0);
    CHECK(vmem_commit(address, size) == 0);
    memset(address, 1, size);
    bool seen = mapping_line(address, "AnonHugePages:", line, sizeof line)
                && strtoull(line + strlen("AnonHugePages:"), NULL, 10) > 0;
    CHECK(vmem_release(address, size) == 0);
    if (!seen) {
        SKIP("the system had no huge page to give, or does not tell");
    }
#else
    SKIP("huge pages are counted in Linux's /proc");
#endif
}

static bool is_listed_as(const void *address, const char *wanted)
{
#ifdef __linux__
    char line[512];
    return mapping_line(address, "", line, sizeof line) && strstr(line, wanted) != NULL;
#else
    (void)address;
    (void)wanted;
    return true;
#endif
}

static void name_is_shown(void)
{
    size_t size = some_size();
    unsigned char *start = reserve(size);
    char long_name[200];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    int error = vmem_name(start, size, "a[b]\n\xc3\xa9");
    if (query().can_name) {
        CHECK(error == 0);
        CHECK(is_listed_as(start, "a_b____"));
        CHECK(vmem_name(start, size, long_name) == 0);
        CHECK(is_listed_as(start, "xxxxxxxx"));
    } else {
        CHECK(vmem_is_unsupported(error));
        CHECK(vmem_is_unsupported(vmem_name(start, size, long_name)));
    }
    CHECK(vmem_release(start, size) == 0);
}

/* ---- remap ------------------------------------------------------------------------------- */

static bool remap_is_missing(void)
{
    size_t size = some_size();
    void *address = UNTOUCHED;
    if (query().can_remap) {
        return false;
    }
    unsigned char *start = reserve_committed(size, 1);
    int error = vmem_remap(start, size, 0, size, 2 * size, query().granularity, &address);
    CHECK(vmem_is_unsupported(error) && address == UNTOUCHED);
    CHECK(holds_only(start, size, 1));
    CHECK(vmem_release(start, size) == 0);
    return true;
}

static void remap_keeps_contents_and_offset(void)
{
    size_t page = query().page_size;
    size_t size = 32 * page;
    size_t alignment = 2 * MIB;
    uintptr_t mask = alignment - 1;
    void *address;
    if (remap_is_missing()) {
        return;
    }
    unsigned char *old = reserve(size);
    CHECK(vmem_commit(old + 3 * page, 5 * page) == 0);
    memset(old + 3 * page, 0x42, 5 * page);
    CHECK(vmem_remap(old, size, 3 * page, 5 * page, 64 * MIB, alignment, &address) == 0);
    unsigned char *start = address;
    CHECK(((uintptr_t)start & mask) == ((uintptr_t)old & mask));
    CHECK(holds_only(start + 3 * page, 5 * page, 0x42));
    CHECK(faults(start, READS) && faults(start + 3 * page - 1, READS));
    CHECK(faults(start + 8 * page, READS) && faults(start + 64 * MIB - 1, READS));
    CHECK(faults(old, READS) && faults(old + 3 * page, READS) && faults(old + 8 * page, READS));
    CHECK(vmem_commit(start, 16 * page) == 0);
    CHECK(holds_only(start, 3 * page, 0) && holds_only(start + 8 * page, 8 * page, 0));
    CHECK(holds_only(start + 3 * page, 5 * page, 0x42));
    CHECK(vmem_release(start, 64 * MIB) == 0);
    CHECK(faults(start + 3 * page, READS));
}

static bool resize_is_missing(void)
{
    void *address;
    size_t size = 4 * query().granularity;
    CHECK(vmem_reserve(size, query().granularity, &address) == 0);
    int error = vmem_resize(address, size, size / 2);
    CHECK(error == 0 || vmem_is_unsupported(error));
    CHECK(vmem_release(address, error == 0 ? size / 2 : size) == 0);
    return error != 0;
}

static void resize_keeps_the_place_and_the_contents(void)
{
    size_t unit = query().granularity;
    void *address;
    if (resize_is_missing()) {
        SKIP("reservations have one size");
    }
    CHECK(vmem_reserve(64 * unit, unit, &address) == 0);
    unsigned char *start = address;
    CHECK(vmem_commit(start, 2 * unit) == 0);
    memset(start, 7, 2 * unit);
    CHECK(vmem_resize(start, 64 * unit, 2 * unit) == 0);
    CHECK(vmem_resize(start, 2 * unit, 2 * unit) == 0);
    CHECK(vmem_resize(start, 2 * unit, 32 * unit) == 0);
    CHECK(holds_only(start, 2 * unit, 7));
    CHECK(faults(start + 2 * unit, READS) && faults(start + 32 * unit - 1, READS));
    CHECK(vmem_commit(start, 32 * unit) == 0 && holds_only(start + 2 * unit, 30 * unit, 0));
    CHECK(vmem_release(start, 32 * unit) == 0);
    CHECK(faults(start, READS));
}

static void resize_takes_nobody_elses_addresses(void)
{
    size_t unit = query().granularity;
    void *address;
    if (resize_is_missing()) {
        SKIP("reservations have one size");
    }
    CHECK(vmem_reserve(8 * unit, unit, &address) == 0);
    unsigned char *start = address;
    CHECK(vmem_commit(start, 8 * unit) == 0);
    memset(start, 7, 8 * unit);
    CHECK(vmem_resize(start, 4 * unit, 6 * unit) != 0); /* as if the second half were another's */
    CHECK(vmem_resize(start, 4 * unit, SIZE_MAX & ~(unit - 1)) != 0);
    CHECK(holds_only(start, 8 * unit, 7));
    CHECK(vmem_release(start, 8 * unit) == 0);
}

static void remap_takes_any_part(void)
{
    size_t page = query().page_size;
    size_t size = 8 * page;
    if (remap_is_missing()) {
        return;
    }
    for (size_t kept = 0; kept <= 8; kept++) {
        for (size_t count = 0; count <= 8 - kept; count++) {
            void *address;
            unsigned char *old = reserve(size);
            if (count != 0) {
                CHECK(vmem_commit(old + kept * page, count * page) == 0);
                memset(old + kept * page, 9, count * page);
            }
            CHECK(vmem_remap(old, size, kept * page, count * page, 2 * size, page, &address) == 0);
            CHECK(holds_only((unsigned char *)address + kept * page, count * page, 9));
            CHECK(vmem_release(address, 2 * size) == 0);
        }
    }
}

static void remap_drops_what_is_not_kept(void)
{
    size_t page = query().page_size;
    size_t size = 8 * page;
    void *address;
    if (remap_is_missing()) {
        return;
    }
    unsigned char *old = reserve_committed(size, 1);
    CHECK(vmem_remap(old, size, 2 * page, 3 * page, size, page, &address) == 0);
    unsigned char *start = address;
    CHECK(faults(start + page, READS) && faults(start + 5 * page, READS));
    CHECK(vmem_commit(start, size) == 0);
    CHECK(holds_only(start, 2 * page, 0) && holds_only(start + 5 * page, 3 * page, 0));
    CHECK(holds_only(start + 2 * page, 3 * page, 1));
    CHECK(vmem_release(start, size) == 0);
}

static void impossible_remap_changes_nothing(void)
{
    size_t page = query().page_size;
    size_t size = 8 * page;
    size_t largest = SIZE_MAX & ~(query().granularity - 1);
    void *address = UNTOUCHED;
    if (remap_is_missing()) {
        return;
    }
    unsigned char *old = reserve(size);
    CHECK(vmem_commit(old, 2 * page) == 0);
    memset(old, 1, 2 * page);
    CHECK(vmem_remap(old, size, 0, 2 * page, largest, page, &address) != 0);
    CHECK(vmem_remap(old, size, 0, 2 * page, page, page, &address) != 0);
    CHECK(address == UNTOUCHED);
    CHECK(holds_only(old, 2 * page, 1));
    CHECK(faults(old + 2 * page, READS));
    CHECK(vmem_release(old, size) == 0);
}

/* Two protections are two mappings to a kernel. It may move them or refuse: nothing in between. */
static void remap_of_mixed_pages_is_all_or_nothing(void)
{
    size_t page = query().page_size;
    size_t size = 8 * page;
    void *address = UNTOUCHED;
    if (remap_is_missing()) {
        return;
    }
    unsigned char *start = reserve_committed(size, 1);
    CHECK(vmem_protect(start + 2 * page, page, VMEM_READ) == 0);
    int error = vmem_remap(start, size, 0, 4 * page, 2 * size, page, &address);
    CHECK((error == 0) == (address != UNTOUCHED));
    size_t new_size = error == 0 ? 2 * size : size;
    start = error == 0 ? address : start;
    CHECK(holds_only(start, 4 * page, 1));
    CHECK(works(start, WRITES) && faults(start + 2 * page, WRITES));
    CHECK(works(start + 3 * page, WRITES));
    CHECK(error == 0 || holds_only(start, size, 1));
    CHECK(vmem_release(start, new_size) == 0);
}

/* ---- no mapping left --------------------------------------------------------------------- */

#ifdef __linux__

#define MOST_MAPPINGS 200000

static unsigned char *striped; /* every second page has another access: a mapping for each page */
static size_t striped_size;
static size_t stripes;

/* Uses up all mappings but about `free`, and tells whether that could be done. */
static void use_up_mappings(size_t free)
{
    size_t page = query().page_size;
    striped_size = 2 * (query().max_mappings + 16) * page;
    striped = reserve(striped_size);
    stripes = 0;
    while (2 * stripes * page < striped_size
           && vmem_protect(striped + 2 * stripes * page, page, VMEM_READ) == 0) {
        stripes++;
    }
    if (2 * stripes * page >= striped_size) {
        _exit(CHILD_NOT_LIMITED);
    }
    for (size_t i = 0; i < free / 2; i++) {
        stripes--;
        CHECK(vmem_protect(striped + 2 * stripes * page, page, VMEM_NO_ACCESS) == 0);
    }
}

static void give_mappings_back(void)
{
    CHECK(vmem_decommit(striped, striped_size) == 0);
    CHECK(vmem_release(striped, striped_size) == 0);
}

static void remap_with_few_mappings(size_t free)
{
    size_t page = query().page_size;
    size_t size = 8 * page;
    unsigned char *start = reserve(size);
    void *address = UNTOUCHED;
    CHECK(vmem_commit(start + 2 * page, 3 * page) == 0);
    memset(start + 2 * page, 7, 3 * page);
    use_up_mappings(free);
    int error = vmem_remap(start, size, 2 * page, 3 * page, 16 * page, page, &address);
    give_mappings_back();
    CHECK((error == 0) == (address != UNTOUCHED));
    size_t new_size = error == 0 ? 2 * size : size;
    start = error == 0 ? address : start;
    CHECK(holds_only(start + 2 * page, 3 * page, 7));
    CHECK(faults(start, READS) && faults(start + 5 * page, READS));
    CHECK(free > 4 || error != 0);
    CHECK(free < 16 || error == 0);
    CHECK(vmem_commit(start, new_size) == 0);
    CHECK(vmem_release(start, new_size) == 0);
}

static void reserve_with_few_mappings(size_t free)
{
    void *address[8];
    size_t count = 0;
    size_t page = query().page_size;
    use_up_mappings(free);
    size_t before = process_size("VmSize:");
    while (count < 8 && vmem_reserve(page, MIB, &address[count]) == 0) {
        count++;
    }
    CHECK(process_size("VmSize:") - before == count * page);
    while (count != 0) {
        CHECK(vmem_release(address[--count], page) == 0);
    }
    CHECK(process_size("VmSize:") == before);
    give_mappings_back();
}

static void run_out_of_mappings(void)
{
    for (size_t free = 0; free <= 24; free += 8) {
        remap_with_few_mappings(free);
        reserve_with_few_mappings(free);
    }
}

static void mapping_limit_is_survived(void)
{
    if (is_emulated() || query().max_mappings > MOST_MAPPINGS) {
        SKIP("emulated, or too many mappings to use them up");
    }
    if (!check_in_child(run_out_of_mappings)) {
        SKIP("the system does not limit mappings");
    }
}

#else

static void mapping_limit_is_survived(void)
{
    SKIP("the number of mappings is limited on Linux only");
}

#endif

/* ---- release, errors --------------------------------------------------------------------- */

static void release_takes_every_state(void)
{
    size_t page = query().page_size;
    size_t size = some_size();
    for (int round = 0; round < 100; round++) {
        unsigned char *start = reserve(size);
        CHECK(vmem_commit(start, 6 * page) == 0);
        memset(start, 1, 6 * page);
        CHECK(vmem_protect(start, page, VMEM_NO_ACCESS) == 0);
        CHECK(vmem_protect(start + page, page, VMEM_READ) == 0);
        CHECK(vmem_decommit(start + 3 * page, page) == 0);
        CHECK(vmem_release(start, size) == 0);
    }
}

static void errors_have_text(void)
{
    char text[256] = "";
    char small[4] = "zzz";
    void *address;
    int error = vmem_reserve(SIZE_MAX & ~(query().granularity - 1), query().granularity, &address);
    CHECK(error != 0 && !vmem_is_unsupported(error) && !vmem_is_unsupported(0));
    vmem_describe(error, text, sizeof text);
    CHECK(strlen(text) > 3 && strchr(text, '\n') == NULL && strchr(text, '\r') == NULL);
    vmem_describe(error, small, sizeof small);
    CHECK(strncmp(small, text, 3) == 0 && small[3] == '\0');
    vmem_describe(error, small, 1);
    CHECK(small[0] == '\0');
    small[0] = 'z';
    vmem_describe(error, small, 0);
    CHECK(small[0] == 'z');
    vmem_describe(1234567, text, sizeof text);
    CHECK(text[0] != '\0');
    vmem_describe(-1, text, sizeof text);
    CHECK(text[0] != '\0');
}

#ifndef _WIN32

static void use_after_fork(void)
{
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 1);
    CHECK(vmem_decommit(start, size) == 0);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(holds_only(start, size, 0));
    CHECK(vmem_release(start, size) == 0);
}

static void works_after_fork(void)
{
    CHECK(check_in_child(use_after_fork));
}

#else

static void works_after_fork(void)
{
    SKIP("Windows has no fork");
}

#endif

/* ---- injected failures (a build with vmem_fault.c and its linker options) ------------------ */

#ifdef GROWABLE_FAULT

#include "vmem_fault.h"

static void armed_calls_fail(void)
{
    size_t granularity = query().granularity;
    size_t size = some_size();
    void *address = UNTOUCHED;
    vmem_fault_arm(2, 2);
    CHECK(vmem_reserve(size, granularity, &address) == 0);
    void *start = address;
    address = UNTOUCHED;
    int error = vmem_reserve(size, granularity, &address);
    CHECK(error != 0 && !vmem_is_unsupported(error) && address == UNTOUCHED);
    CHECK(vmem_commit(start, size) == error);
    CHECK(vmem_commit(start, size) == 0);
    CHECK(vmem_release(start, size) == 0);
    CHECK(vmem_fault_calls() == 4);
    vmem_fault_disarm();
    query();
    CHECK(vmem_fault_calls() == 4);
}

static void every_function_can_fail(void)
{
    struct vmem_info info = query();
    size_t size = some_size();
    unsigned char *start = reserve_committed(size, 1);
    unsigned char map[16 * SLACK];
    struct vmem_place place = VMEM_ANYWHERE;
    struct vmem_run run;
    struct vmem_range range;
    size_t count = 1;
    int node = 77;
    bool lost = true;
    void *address = UNTOUCHED;
    vmem_fault_arm(1, -1);
    CHECK(vmem_query(&info) != 0);
    CHECK(vmem_reserve(size, size, &address) != 0);
    CHECK(vmem_reserve_before(size, size, 0, &address) != 0);
    CHECK(vmem_reserve_lazy(size, size, &address) != 0);
    CHECK(vmem_commit(start, size) != 0);
    CHECK(vmem_decommit(start, size) != 0);
    CHECK(vmem_discard(start, size) != 0);
    CHECK(vmem_protect(start, size, VMEM_READ) != 0);
    CHECK(vmem_populate(start, size) != 0);
    CHECK(vmem_advise_huge(start, size, true) != 0);
    CHECK(vmem_name(start, size, "name") != 0);
    CHECK(vmem_remap(start, size, 0, size, 2 * size, size, &address) != 0);
    CHECK(vmem_query_resident(start, size, map) != 0);
    CHECK(vmem_probe(&info) != 0);
    CHECK(vmem_reserve_at(size, &place, &address) != 0);
    CHECK(vmem_decommit_at(start, size, &place) != 0);
    CHECK(vmem_commit_as(start, size, VMEM_READ) != 0);
    CHECK(vmem_protect_caching(start, size, VMEM_READ, VMEM_CACHED) != 0);
    CHECK(vmem_split(start, size) != 0 && vmem_coalesce(start, size) != 0);
    CHECK(vmem_replace(start, size) != 0 && vmem_preserve(start, size) != 0);
    CHECK(vmem_lock(start, size) != 0 && vmem_unlock(start, size) != 0);
    CHECK(vmem_prefetch(start, size) != 0 && vmem_flush_instructions(start, size) != 0);
    CHECK(vmem_undo_discard(start, size) != 0);
    CHECK(vmem_offer(start, size, VMEM_PRIORITY_LOW) != 0);
    CHECK(vmem_reclaim(start, size, &lost) != 0 && lost);
    CHECK(vmem_query_run(start, &run) != 0 && vmem_query_memory(start, size, map) != 0);
    CHECK(vmem_query_node(start, &node) != 0 && node == 77);
    CHECK(vmem_written(start, size, true, &range, &count) != 0 && count == 1);
    CHECK(vmem_fault_calls() == 33 && address == UNTOUCHED);
    vmem_fault_disarm();
    CHECK(holds_only(start, size, 1));
    CHECK(vmem_release(start, size) == 0);
}

#endif

static const struct check_test tests[] = {
    TEST(query_is_sane),
    TEST(query_repeats_itself),
    TEST(reserved_pages_fault),
    TEST(reservations_are_aligned),
    TEST(reservations_begin_before_a_boundary),
    TEST(alignment_wastes_no_addresses),
    TEST(impossible_reservations_fail),
    TEST(large_reservation_is_free),
    TEST(committed_pages_read_as_zero),
    TEST(commit_stops_at_its_edge),
    TEST(commit_again_keeps_contents),
    TEST(commit_makes_protected_pages_writable),
    TEST(decommitted_pages_are_reserved),
    TEST(decommit_takes_reserved_pages_too),
    TEST(decommit_takes_protected_pages_too),
    TEST(decommit_gives_memory_back),
    TEST(decommit_gives_the_charge_back),
    TEST(refused_commit_changes_nothing),
    TEST(address_limit_is_kept),
    TEST(lazy_pages_are_committed),
    TEST(lazy_reservations_are_aligned),
    TEST(discarded_pages_keep_or_lose_all),
    TEST(protection_is_obeyed),
    TEST(residency_follows_touch),
    TEST(populated_pages_are_resident),
    TEST(populate_refuses_what_it_cannot_write),
    TEST(huge_advice_is_only_advice),
    TEST(huge_advice_gives_huge_pages),
    TEST(name_is_shown),
    TEST(remap_keeps_contents_and_offset),
    TEST(resize_keeps_the_place_and_the_contents),
    TEST(resize_takes_nobody_elses_addresses),
    TEST(remap_takes_any_part),
    TEST(remap_drops_what_is_not_kept),
    TEST(impossible_remap_changes_nothing),
    TEST(remap_of_mixed_pages_is_all_or_nothing),
    TEST(mapping_limit_is_survived),
    TEST(release_takes_every_state),
    TEST(errors_have_text),
    TEST(works_after_fork),
#ifdef GROWABLE_FAULT
    TEST(armed_calls_fail),
    TEST(every_function_can_fail),
#endif
};

CHECK_MAIN(tests)
