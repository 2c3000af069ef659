/* test_ring.c - rings over sections: what they hold, whose ends they have, and two sides at once.
 *
 * What a reader would get wrong: the header that a test spoils is found by mapping the section once
 * more, as another process would; nothing of ring.c's layout is known here but that it begins there.
 */
#if !defined(_WIN32)
#define _GNU_SOURCE
#endif

#include "check.h"
#include "child.h"
#include "ring.h"
#include "section.h"

#include <stdatomic.h>
#include <stdint.h>

#ifdef GROWABLE_FAULT
#include "vmem_fault.h"
#endif

#ifdef _WIN32
#include <windows.h>
#else
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

enum { SECOND = 1000000000 };

struct pair {
    struct section section;
    struct ring ring;
};

static void open_unclaimed(struct pair *p, size_t capacity, size_t item_size)
{
    CHECK(section_create(&p->section, ring_section_size(capacity, item_size)) == SECTION_OK);
    CHECK(ring_open(&p->ring, &p->section, capacity, item_size, "|u1") == RING_OK);
}

static void open_pair(struct pair *p, size_t capacity, size_t item_size)
{
    open_unclaimed(p, capacity, item_size);
    CHECK(ring_claim(&p->ring, RING_BOTH) == RING_OK);
}

static void close_pair(struct pair *p)
{
    CHECK(ring_close(&p->ring) == RING_OK);
    section_close(&p->section);
}

static size_t length(struct ring *r)
{
    struct ring_items items;
    CHECK(ring_look(r, &items) == RING_OK);
    return items.count;
}

static char *first(struct ring *r)
{
    struct ring_items items;
    CHECK(ring_look(r, &items) == RING_OK);
    return items.start;
}

/* ---- one ring ---------------------------------------------------------------------------- */

static void tells_its_capacity(void)
{
    struct pair p;
    struct section_facts facts;
    section_query(&facts);
    open_pair(&p, 1, 1);
    CHECK(p.ring.capacity == facts.granularity);
    close_pair(&p);
    open_pair(&p, facts.granularity, 24);
    CHECK(p.ring.capacity >= facts.granularity && p.ring.size % facts.granularity == 0);
    close_pair(&p);
    CHECK(ring_section_size(0, 1) == 0 && ring_section_size(1, 0) == 0);
    CHECK(ring_section_size(SIZE_MAX, 1) == 0 && ring_section_size(SIZE_MAX / 2, 4) == 0);
}

static void every_window_is_contiguous(void)
{
    struct pair p;
    unsigned char item[24];
    open_pair(&p, 100, sizeof item);
    size_t most = p.ring.capacity;
    for (size_t i = 0; i < 5 * most; i++) {
        memset(item, (int)(i % 251), sizeof item);
        if (length(&p.ring) == most) {
            CHECK(ring_put(&p.ring, item, 1) == RING_FULL);
            CHECK(ring_drop(&p.ring, 1) == RING_OK);
        }
        CHECK(ring_put(&p.ring, item, 1) == RING_OK);
        size_t count = length(&p.ring);
        const unsigned char *bytes = (unsigned char *)first(&p.ring);
        CHECK(bytes[0] == (i + 1 - count) % 251 && bytes[count * sizeof item - 1] == i % 251);
    }
    close_pair(&p);
}

static void both_ends(void)
{
    struct pair p;
    open_pair(&p, 1, 1);
    CHECK(ring_put(&p.ring, "cd", 2) == RING_OK);
    CHECK(ring_put_left(&p.ring, "ab", 2) == RING_OK);
    CHECK(length(&p.ring) == 4 && memcmp(first(&p.ring), "abcd", 4) == 0);
    CHECK(ring_drop_right(&p.ring, 1) == RING_OK);
    CHECK(ring_drop(&p.ring, 1) == RING_OK);
    CHECK(length(&p.ring) == 2 && memcmp(first(&p.ring), "bc", 2) == 0);
    CHECK(ring_drop(&p.ring, 3) == RING_SHORT && ring_drop_right(&p.ring, 3) == RING_SHORT);
    CHECK(ring_put_left(&p.ring, NULL, p.ring.capacity) == RING_FULL);
    close_pair(&p);
}

static void makes_room(void)
{
    struct pair p;
    open_pair(&p, 1, 1);
    size_t most = p.ring.capacity;
    CHECK(ring_put(&p.ring, NULL, most) == RING_OK);
    first(&p.ring)[0] = 'a';
    first(&p.ring)[most - 1] = 'z';
    CHECK(ring_make_room(&p.ring, 1) == RING_OK && length(&p.ring) == most - 1);
    CHECK(ring_make_room(&p.ring, 1) == RING_OK && length(&p.ring) == most - 1);
    CHECK(ring_make_room(&p.ring, most + 1) == RING_FULL);
    CHECK(first(&p.ring)[most - 2] == 'z');
    CHECK(ring_make_room_left(&p.ring, 3) == RING_OK && length(&p.ring) == most - 3);
    CHECK(ring_make_room_left(&p.ring, most + 1) == RING_FULL);
    CHECK(ring_make_room(&p.ring, most) == RING_OK && length(&p.ring) == 0);
    close_pair(&p);
}

static void views_keep_what_they_show(void)
{
    struct pair p;
    struct ring_items items;
    struct ring_view one, two, three;
    open_pair(&p, 1, 1);
    CHECK(ring_put(&p.ring, "0123456789", 10) == RING_OK);
    CHECK(ring_look(&p.ring, &items) == RING_OK);
    ring_view_open(&p.ring, &items, 2, 3, &one);
    ring_view_open(&p.ring, &items, 4, 2, &two);
    ring_view_open(&p.ring, &items, 7, 0, &three);
    CHECK(ring_drop(&p.ring, 3) == RING_VIEWED && ring_drop(&p.ring, 2) == RING_OK);
    CHECK(ring_drop_right(&p.ring, 5) == RING_VIEWED && ring_drop_right(&p.ring, 4) == RING_OK);
    CHECK(ring_make_room(&p.ring, p.ring.capacity) == RING_VIEWED);
    CHECK(ring_close(&p.ring) == RING_VIEWED && ring_end_waits(&p.ring) == RING_VIEWED);
    ring_view_close(&two);
    CHECK(ring_drop_right(&p.ring, 1) == RING_OK);
    ring_view_close(&one);
    CHECK(ring_drop(&p.ring, 3) == RING_OK && length(&p.ring) == 0);
    ring_view_close(&three);
    close_pair(&p);
}

static void closed(void)
{
    struct pair p;
    struct ring_items items;
    open_pair(&p, 1, 1);
    p.ring.waiters = 1;
    CHECK(ring_close(&p.ring) == RING_BUSY);
    CHECK(ring_end_waits(&p.ring) == RING_OK);
    CHECK(ring_claim(&p.ring, RING_READER) == RING_ENDED);
    CHECK(ring_wait(&p.ring, RING_READER, 1, SECOND) == RING_ENDED);
    p.ring.waiters = 0;
    close_pair(&p);
    CHECK(ring_close(&p.ring) == RING_OK && ring_end_waits(&p.ring) == RING_OK);
    CHECK(ring_claim(&p.ring, RING_READER) == RING_CLOSED);
    CHECK(ring_look(&p.ring, &items) == RING_CLOSED);
    CHECK(ring_look_spare(&p.ring, &items) == RING_CLOSED);
    CHECK(ring_put(&p.ring, "a", 1) == RING_CLOSED && ring_drop(&p.ring, 0) == RING_CLOSED);
    CHECK(ring_put_left(&p.ring, "a", 1) == RING_CLOSED);
    CHECK(ring_drop_right(&p.ring, 0) == RING_CLOSED);
    CHECK(ring_wait(&p.ring, RING_READER, 1, 1) == RING_CLOSED);
}

/* ---- against a model --------------------------------------------------------------------- */

struct model {
    unsigned char items[1 << 18]; /* all that was ever put in, from the middle on */
    size_t begin, end;
};

static unsigned next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33);
}

static void step(struct ring *r, struct model *m, uint64_t *random)
{
    unsigned char bytes[3000];
    size_t count = next_random(random) % (next_random(random) % 4 == 0 ? 3000 : 40);
    size_t room = r->capacity - (m->end - m->begin);
    memset(bytes, (int)next_random(random), sizeof bytes);
    switch (next_random(random) % 5) {
    case 0:
    case 1:
        CHECK(ring_put(r, bytes, count) == (count <= room ? RING_OK : RING_FULL));
        if (count <= room) {
            memcpy(m->items + m->end, bytes, count);
            m->end += count;
        }
        return;
    case 2:
        CHECK(ring_put_left(r, bytes, count) == (count <= room ? RING_OK : RING_FULL));
        if (count <= room) {
            m->begin -= count;
            memcpy(m->items + m->begin, bytes, count);
        }
        return;
    case 3:
        if (ring_drop(r, count) == RING_OK) {
            m->begin += count;
        }
        return;
    default:
        if (ring_drop_right(r, count) == RING_OK) {
            m->end -= count;
        }
    }
}

static void random_steps(void)
{
    static struct model m;
    struct pair p;
    uint64_t random = 47;
    open_pair(&p, 1, 1);
    m.begin = m.end = sizeof m.items / 2;
    for (int i = 0; i < 20000; i++) {
        step(&p.ring, &m, &random);
        CHECK(length(&p.ring) == m.end - m.begin);
        CHECK(memcmp(first(&p.ring), m.items + m.begin, m.end - m.begin) == 0);
        if (m.begin < 4000 || m.end > sizeof m.items - 4000) {
            CHECK(ring_drop(&p.ring, m.end - m.begin) == RING_OK);
            m.begin = m.end = sizeof m.items / 2;
        }
    }
    close_pair(&p);
}

/* ---- sections that do not fit ------------------------------------------------------------ */

/* Text beyond what the header has room for makes no difference. */
static void long_formats(void)
{
    struct pair p;
    struct ring other;
    char format[2 * RING_FORMAT_BYTES + 1];
    memset(format, 'f', sizeof format - 1);
    format[sizeof format - 1] = '\0';
    CHECK(section_create(&p.section, ring_section_size(1, 8)) == SECTION_OK);
    CHECK(ring_open(&p.ring, &p.section, 1, 8, format) == RING_OK);
    format[RING_FORMAT_BYTES] = '\0';
    CHECK(ring_open(&other, &p.section, 1, 8, format) == RING_OK);
    CHECK(ring_close(&other) == RING_OK);
    format[RING_FORMAT_BYTES - 1] = '\0';
    CHECK(ring_open(&other, &p.section, 1, 8, format) == RING_OTHER_ITEMS);
    CHECK(strlen(other.found_format) == RING_FORMAT_BYTES);
    close_pair(&p);
}

static void sections_that_do_not_fit(void)
{
    struct pair p;
    struct ring other;
    open_pair(&p, 1000, 8);
    CHECK(ring_open(&other, &p.section, 1000, 4, "|u1") == RING_MISMATCH);
    CHECK(other.found_size == 8 && other.failed_size == 4);
    CHECK(ring_open(&other, &p.section, 1000, 8, "<f8") == RING_OTHER_ITEMS);
    CHECK(strcmp(other.found_format, "|u1") == 0);
    CHECK(ring_open(&other, &p.section, 1 << 20, 8, "|u1") == RING_TOO_SMALL);
    CHECK(other.failed_size > other.found_size);
    CHECK(ring_open(&other, &p.section, 0, 8, "|u1") == RING_NO_ITEMS);
    CHECK(ring_open(&other, &p.section, 1, 0, "|u1") == RING_NO_ITEMS);
    CHECK(ring_open(&other, &p.section, SIZE_MAX, 8, "|u1") == RING_TOO_LARGE);
    close_pair(&p);
    CHECK(ring_open(&other, &p.section, 1, 8, "|u1") == RING_SECTION);
    CHECK(other.section_error == SECTION_CLOSED);
}

/* What another process can do to the first page at any time. */
static void spoil(struct section *s, size_t from, size_t size, int value)
{
    struct section_view view;
    CHECK(section_view_open(s, from, size, SECTION_ACCESS_RW, &view) == SECTION_OK);
    memset(view.start, value, size);
    section_view_close(&view);
}

static void holds_something_else(void)
{
    struct section s;
    struct ring r;
    CHECK(section_create(&s, ring_section_size(1, 1)) == SECTION_OK);
    spoil(&s, 0, 64, 'x');
    CHECK(ring_open(&r, &s, 1, 1, "|u1") == RING_FOREIGN);
    spoil(&s, 0, 4, 0);
    CHECK(ring_open(&r, &s, 1, 1, "|u1") == RING_FOREIGN);
    CHECK(ring_open(&r, &s, 1, 1, "|u1") == RING_FOREIGN);
    spoil(&s, 0, 64, 0);
    CHECK(ring_open(&r, &s, 1, 1, "|u1") == RING_OK && ring_close(&r) == RING_OK);
    CHECK(s.writable_views == 0);
    section_close(&s);
}

static void rubbish_in_the_indices(void)
{
    struct pair p;
    struct ring_items items;
    open_pair(&p, 1, 1);
    for (size_t from = 128; from < 1024; from += 8) {
        spoil(&p.section, from, 8, 0x5a);
        int error = ring_look(&p.ring, &items);
        CHECK(error == RING_OK || error == RING_CORRUPT);
        CHECK(error != RING_OK || items.count <= p.ring.capacity);
        error = ring_put(&p.ring, "x", 1);
        CHECK(error == RING_OK || error == RING_CORRUPT || error == RING_FULL);
        error = ring_drop(&p.ring, 1);
        CHECK(error == RING_OK || error == RING_CORRUPT || error == RING_SHORT);
        (void)ring_wait(&p.ring, RING_READER, p.ring.capacity, 1);
    }
    close_pair(&p);
}

/* ---- two rings over one section ---------------------------------------------------------- */

static void an_end_belongs_to_one(void)
{
    struct pair p;
    struct ring other;
    int process;
    open_pair(&p, 1, 1);
    CHECK(ring_open(&other, &p.section, 1, 1, "|u1") == RING_OK);
    CHECK(ring_claim(&other, RING_WRITER) == RING_TAKEN && other.found_end == RING_WRITER);
    CHECK(ring_claim(&other, RING_BOTH) == RING_TAKEN && other.ends == 0);
    CHECK(ring_owner_of(&other, RING_READER, &process) == RING_OTHERS && process != 0);
    CHECK(ring_owner_of(&p.ring, RING_READER, &process) == RING_OURS);
    ring_give_up(&p.ring, RING_WRITER);
    CHECK(ring_owner_of(&other, RING_WRITER, &process) == RING_LEFT && process == 0);
    CHECK(ring_claim(&other, RING_BOTH) == RING_TAKEN && other.ends == 0);
    CHECK(ring_claim(&other, RING_WRITER) == RING_OK);
    CHECK(ring_put(&other, "abc", 3) == RING_OK && length(&p.ring) == 3);
    CHECK(memcmp(first(&p.ring), "abc", 3) == 0);
    CHECK(ring_close(&other) == RING_OK);
    CHECK(ring_wait(&p.ring, RING_READER, 3, SECOND) == RING_OK);
    CHECK(ring_wait(&p.ring, RING_READER, 4, SECOND) == RING_GONE);
    close_pair(&p);
}

static void waits_no_longer_than_asked(void)
{
    struct pair p;
    open_pair(&p, 1, 1);
    uint64_t begun = ring_clock();
    CHECK(ring_wait(&p.ring, RING_READER, 1, 0) == RING_TIMED_OUT);
    while (ring_clock() - begun < 20000000) {
        CHECK(ring_wait(&p.ring, RING_READER, 1, 20000000) == RING_TIMED_OUT);
    }
    CHECK(ring_clock() - begun < (uint64_t)10 * SECOND);
    CHECK(ring_wait(&p.ring, RING_WRITER, p.ring.capacity, 0) == RING_OK);
    close_pair(&p);
}

/* Every byte of a stream depends on its place, with no short period. */
static unsigned char byte_at(size_t place)
{
    return (unsigned char)(place * 2654435761u >> 13);
}

enum { STREAM = 4 << 20 };

static int wait_until(struct ring *r, enum ring_end end, size_t count)
{
    int error;
    do {
        error = ring_wait(r, end, count, RING_FOREVER);
    } while (error == RING_TIMED_OUT);
    return error;
}

static size_t some(size_t wish, size_t left)
{
    return wish < left ? wish : left;
}

static void send_stream(struct section *s)
{
    struct ring r;
    CHECK(ring_open(&r, s, 1, 1, "|u1") == RING_OK && ring_claim(&r, RING_WRITER) == RING_OK);
    uint64_t random = 1;
    for (size_t sent = 0; sent < STREAM;) {
        struct ring_items room;
        size_t count = some(1 + next_random(&random) % 3000, STREAM - sent);
        CHECK(wait_until(&r, RING_WRITER, count) == RING_OK);
        CHECK(ring_look_spare(&r, &room) == RING_OK && room.count >= count);
        for (size_t i = 0; i < count; i++) {
            room.start[i] = (char)byte_at(sent + i);
        }
        CHECK(ring_put(&r, NULL, count) == RING_OK);
        sent += count;
    }
    CHECK(ring_close(&r) == RING_OK);
}

static void check_stream(struct section *s)
{
    struct ring r;
    CHECK(ring_open(&r, s, 1, 1, "|u1") == RING_OK && ring_claim(&r, RING_READER) == RING_OK);
    size_t got = 0;
    while (wait_until(&r, RING_READER, 1) == RING_OK) {
        struct ring_items items;
        CHECK(ring_look(&r, &items) == RING_OK);
        for (size_t i = 0; i < items.count; i++) {
            CHECK((unsigned char)items.start[i] == byte_at(got + i));
        }
        CHECK(ring_drop(&r, items.count) == RING_OK);
        got += items.count;
    }
    CHECK(got == STREAM);
    CHECK(ring_close(&r) == RING_OK);
}

#ifdef _WIN32
static DWORD WINAPI send_in_thread(void *section)
{
    send_stream(section);
    return 0;
}

static void two_threads(void)
{
    struct section s, copy;
    CHECK(section_create(&s, ring_section_size(8192, 1)) == SECTION_OK);
    CHECK(section_adopt(&copy, s.pages, NULL) == SECTION_OK);
    HANDLE thread = CreateThread(NULL, 0, send_in_thread, &copy, 0, NULL);
    CHECK(thread != NULL);
    check_stream(&s);
    CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
    CloseHandle(thread);
    section_close(&copy);
    section_close(&s);
}
#else
static void *send_in_thread(void *section)
{
    send_stream(section);
    return NULL;
}

static void two_threads(void)
{
    struct section s, copy;
    pthread_t thread;
    CHECK(section_create(&s, ring_section_size(8192, 1)) == SECTION_OK);
    CHECK(section_adopt(&copy, s.pages, NULL) == SECTION_OK);
    CHECK(pthread_create(&thread, NULL, send_in_thread, &copy) == 0);
    check_stream(&s);
    CHECK(pthread_join(thread, NULL) == 0);
    section_close(&copy);
    section_close(&s);
}
#endif

/* ---- a thread that looks on -------------------------------------------------------------- */

enum { ROUNDS = 2000000 };

#ifndef _WIN32
struct onlooker {
    struct ring *ring;
    _Atomic bool started, stop;
    int error;
};

static void *look_on(void *argument)
{
    struct onlooker *self = argument;
    self->started = true;
    while (!self->stop && (self->error == RING_OK || self->error == RING_TIMED_OUT)) {
        self->error = ring_wait(self->ring, RING_READER, 1, 0);
    }
    return NULL;
}

/* Both indices go on by the whole ring at once, between any two looks of the other thread. */
static void waits_beside_other_threads(void)
{
    struct pair p;
    pthread_t thread;
    open_pair(&p, 1, 1);
    struct onlooker other = {.ring = &p.ring};
    CHECK(pthread_create(&thread, NULL, look_on, &other) == 0);
    while (!other.started) {
        continue;
    }
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(ring_make_room(&p.ring, p.ring.capacity) == RING_OK);
        CHECK(ring_put(&p.ring, NULL, p.ring.capacity) == RING_OK);
    }
    other.stop = true;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(other.error == RING_OK || other.error == RING_TIMED_OUT);
    close_pair(&p);
}
#else
static void waits_beside_other_threads(void)
{
    SKIP("the same code as with pthreads");
}
#endif

/* ---- two processes ----------------------------------------------------------------------- */

#ifdef __linux__
static pid_t start_child(void (*body)(struct section *), struct section *s)
{
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body(s);
        _exit(0);
    }
    return child;
}

static void two_processes(void)
{
    struct section s;
    int status;
    CHECK(section_create(&s, ring_section_size(8192, 1)) == SECTION_OK);
    pid_t child = start_child(send_stream, &s);
    check_stream(&s);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    section_close(&s);
}

static void claim_and_sleep(struct section *s, unsigned ends)
{
    struct ring r;
    CHECK(ring_open(&r, s, 1, 1, "|u1") == RING_OK && ring_claim(&r, ends) == RING_OK);
    if (ends == RING_WRITER) {
        CHECK(ring_put(&r, "last words", 10) == RING_OK);
    }
    alarm(20); /* outlives a test that fails by no more than that */
    alarm(60); /* should the test fail */
    pause();
}

static void write_and_sleep(struct section *s)
{
    claim_and_sleep(s, RING_WRITER);
}

static void read_and_sleep(struct section *s)
{
    claim_and_sleep(s, RING_READER);
}

/* It is a zombie, too, until the end of the test. */
static void kill_child(pid_t child)
{
    siginfo_t found;
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitid(P_PID, (id_t)child, &found, WEXITED | WNOWAIT) == 0);
}

static void bury(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

static void the_writer_is_killed(void)
{
    struct pair p;
    int process;
    open_unclaimed(&p, 1, 1);
    CHECK(ring_claim(&p.ring, RING_READER) == RING_OK);
    pid_t child = start_child(write_and_sleep, &p.section);
    CHECK(wait_until(&p.ring, RING_READER, 10) == RING_OK);
    CHECK(ring_owner_of(&p.ring, RING_WRITER, &process) == RING_OTHERS && process == (int)child);
    CHECK(ring_claim(&p.ring, RING_WRITER) == RING_TAKEN && p.ring.found_process == (int)child);
    kill_child(child);
    CHECK(ring_owner_of(&p.ring, RING_WRITER, &process) == RING_LEFT);
    CHECK(wait_until(&p.ring, RING_READER, 11) == RING_GONE);
    CHECK(length(&p.ring) == 10 && memcmp(first(&p.ring), "last words", 10) == 0);
    CHECK(ring_claim(&p.ring, RING_WRITER) == RING_OK);
    bury(child);
    close_pair(&p);
}

static void the_reader_is_killed(void)
{
    struct pair p;
    int process;
    open_unclaimed(&p, 1, 1);
    pid_t child = start_child(read_and_sleep, &p.section);
    while (ring_owner_of(&p.ring, RING_READER, &process) != RING_OTHERS) {
        usleep(1000);
    }
    CHECK(ring_claim(&p.ring, RING_WRITER) == RING_OK);
    CHECK(ring_put(&p.ring, NULL, p.ring.capacity) == RING_OK);
    kill_child(child);
    CHECK(wait_until(&p.ring, RING_WRITER, 1) == RING_GONE);
    bury(child);
    CHECK(ring_claim(&p.ring, RING_READER) == RING_OK && length(&p.ring) == p.ring.capacity);
    close_pair(&p);
}

static void is_not_the_childs(void *argument)
{
    struct pair *p = argument;
    CHECK(p->ring.ends == RING_BOTH);
    CHECK(ring_claim(&p->ring, RING_READER) == RING_TAKEN && p->ring.ends == 0);
    CHECK(p->ring.found_process == (int)getppid());
    CHECK(length(&p->ring) == 3);
    CHECK(ring_close(&p->ring) == RING_OK);
}

static void a_fork_has_no_ends(void)
{
    struct pair p;
    int process;
    open_pair(&p, 1, 1);
    CHECK(ring_put(&p.ring, "abc", 3) == RING_OK);
    CHECK(child_run(is_not_the_childs, &p) == 0);
    CHECK(ring_owner_of(&p.ring, RING_READER, &process) == RING_OURS);
    CHECK(ring_owner_of(&p.ring, RING_WRITER, &process) == RING_OURS);
    close_pair(&p);
}
/* Such a child cannot look up when it was started. It runs all the same. */
static void takes_the_writers_end_without_descriptors(struct section *s)
{
    struct ring r;
    CHECK(ring_open(&r, s, 1, 1, "|u1") == RING_OK);
    struct rlimit none = {0, 0};
    r.generation++; /* as after a fork: it introduces itself anew */
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(ring_claim(&r, RING_WRITER) == RING_OK);
    CHECK(ring_put(&r, "a", 1) == RING_OK);
    alarm(60); /* should the test fail */
    pause();
}

static void a_process_without_descriptors_runs(void)
{
    struct pair p;
    int process;
    open_unclaimed(&p, 1, 1);
    pid_t child = start_child(takes_the_writers_end_without_descriptors, &p.section);
    CHECK(ring_claim(&p.ring, RING_READER) == RING_OK);
    CHECK(wait_until(&p.ring, RING_READER, 1) == RING_OK);
    CHECK(ring_owner_of(&p.ring, RING_WRITER, &process) == RING_OTHERS && process == child);
    CHECK(ring_claim(&p.ring, RING_WRITER) == RING_TAKEN);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(ring_owner_of(&p.ring, RING_WRITER, &process) == RING_LEFT);
    CHECK(ring_claim(&p.ring, RING_WRITER) == RING_OK);
    close_pair(&p);
}
#else
static void a_process_without_descriptors_runs(void)
{
    SKIP("asks /proc");
}

static void two_processes(void)
{
    SKIP("tests/ring has it, for processes that are not forked");
}

static void the_writer_is_killed(void)
{
    SKIP("needs fork");
}

static void the_reader_is_killed(void)
{
    SKIP("needs fork");
}

static void a_fork_has_no_ends(void)
{
    SKIP("needs fork");
}
#endif

/* ---- failures ---------------------------------------------------------------------------- */

#ifdef GROWABLE_FAULT
static void every_call_fails_in_turn(void)
{
    struct section s;
    struct ring r;
    CHECK(section_create(&s, ring_section_size(1, 1)) == SECTION_OK);
    int error = RING_SECTION;
    for (long nth = 1; error != RING_OK; nth++) {
        CHECK(nth < 20);
        vmem_fault_arm(nth, 1);
        error = ring_open(&r, &s, 1, 1, "|u1");
        vmem_fault_disarm();
        CHECK(error == RING_OK || error == RING_SECTION || error == RING_SYSTEM);
        CHECK(r.open == (error == RING_OK) && s.writable_views == 0);
    }
    CHECK(ring_close(&r) == RING_OK);
    section_close(&s);
}
#else
static void every_call_fails_in_turn(void)
{
    SKIP("needs the preset fault");
}
#endif

static const struct check_test tests[] = {
    TEST(tells_its_capacity),
    TEST(every_window_is_contiguous),
    TEST(both_ends),
    TEST(makes_room),
    TEST(views_keep_what_they_show),
    TEST(closed),
    TEST(random_steps),
    TEST(sections_that_do_not_fit),
    TEST(long_formats),
    TEST(holds_something_else),
    TEST(rubbish_in_the_indices),
    TEST(an_end_belongs_to_one),
    TEST(waits_no_longer_than_asked),
    TEST(two_threads),
    TEST(waits_beside_other_threads),
    TEST(two_processes),
    TEST(the_writer_is_killed),
    TEST(the_reader_is_killed),
    TEST(a_fork_has_no_ends),
    TEST(a_process_without_descriptors_runs),
    TEST(every_call_fails_in_turn),
};

CHECK_MAIN(tests)
