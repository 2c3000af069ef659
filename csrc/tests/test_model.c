/* test_model.c - random operations on buffers, each beside a plain block of memory that does the same.
 *
 * The seed is printed with a failure; MODEL_SEED=n runs that one alone, MODEL_STEPS=n that many steps.
 *
 * What a reader would get wrong: the model is told whether somebody looks at the buffer (`looked_at`)
 * and then does only what the callers of core/ do then: growth at the end, and the lent tail.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEPS 200000
#elif !defined(NDEBUG)
#define STEPS 500000
#else
#define STEPS 4000000
#endif

enum {
    BUFFERS = 4,
    LONGEST = 6 * 1024 * 1024, /* of a buffer */
    LARGEST = 2 * 1024 * 1024, /* of one operation */
    SEEDS = 8,
    WHOLE = 256, /* steps between two comparisons of all bytes */
    CHANGE = 500 /* steps between two changes of the system */
};

/* ---- random numbers ---------------------------------------------------------------------- */

static uint64_t seed;
static uint64_t random_state;

static uint32_t random_bits(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33);
}

static size_t random_below(size_t n)
{
    return n == 0 ? 0 : (size_t)random_bits() % n;
}

static bool one_in(size_t n)
{
    return random_below(n) == 0;
}

/* Mostly small, now and then up to `most`. */
static size_t random_size(size_t most)
{
    size_t n;
    if (one_in(400)) {
        n = random_below(LARGEST);
    } else if (one_in(20)) {
        n = random_below(70000);
    } else if (one_in(4)) {
        n = random_below(5000);
    } else {
        n = random_below(40);
    }
    return n < most ? n : most;
}

#define MODEL_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "MODEL_SEED=%llu: ", (unsigned long long)seed);                        \
            CHECK(condition);                                                                      \
        }                                                                                          \
    } while (0)

/* ---- the model --------------------------------------------------------------------------- */

struct model {
    struct owner owner;
    char *bytes; /* what the buffer must hold */
    size_t length;
    char *tail; /* what stands in the lent tail */
    size_t lent;
    bool looked_at;
    bool alive;
};

static struct fixture fixture;
static struct model models[BUFFERS];

static void allocate_models(void)
{
    for (size_t i = 0; i < BUFFERS; i++) {
        models[i].bytes = malloc(LONGEST + 1);
        models[i].tail = malloc(LARGEST);
        CHECK(models[i].bytes != NULL && models[i].tail != NULL);
    }
}

static void free_models(void)
{
    for (size_t i = 0; i < BUFFERS; i++) {
        free(models[i].bytes);
        free(models[i].tail);
    }
}

static void compare(struct model *m, bool whole)
{
    const struct buffer *b = &m->owner.b;
    MODEL_CHECK(buffer_check(b));
    MODEL_CHECK(b->length == m->length);
    MODEL_CHECK(buffer_committed(b) >= b->length && buffer_capacity(b) >= buffer_committed(b));
    size_t edge = whole || m->length < 64 ? m->length : 64;
    MODEL_CHECK(memcmp(b->start, m->bytes, edge) == 0);
    MODEL_CHECK(memcmp(b->start + m->length - edge, m->bytes + m->length - edge, edge) == 0);
}

static void make(struct model *m)
{
    struct buffer *b = &m->owner.b;
    owner_init(&m->owner, &fixture);
    m->length = m->lent = 0;
    m->looked_at = false;
    m->alive = true;
    b->huge = (unsigned char)random_below(3);
    if (one_in(3)) {
        size_t capacity = one_in(2) ? random_below(100) : random_below(LONGEST);
        MODEL_CHECK(buffer_set_capacity(b, capacity) == BUFFER_OK);
        MODEL_CHECK(buffer_capacity(b) == capacity);
    }
}

static void destroy(struct model *m)
{
    compare(m, true);
    if (one_in(4)) {
        MODEL_CHECK(buffer_freeze(&m->owner.b) == BUFFER_OK);
        compare(m, true);
    }
    buffer_free(&m->owner.b);
    m->alive = false;
}

/* ---- operations that grow ------------------------------------------------------------------ */

/* Whether growing by n went as it must. */
static bool grew(struct model *m, int error, size_t n, const char *start)
{
    struct buffer *b = &m->owner.b;
    if (m->looked_at || b->pinned) {
        MODEL_CHECK(b->start == start);
    }
    if (error == BUFFER_OK) {
        return true;
    }
    size_t need = m->length + n;
    MODEL_CHECK(need > b->limit);
    if (error == BUFFER_AT_CAPACITY) {
        MODEL_CHECK(need > b->rest->capacity);
    } else if (error == BUFFER_EXPORTED) {
        MODEL_CHECK(m->looked_at && (b->pinned || b->rest->capacity == BUFFER_NO_CAPACITY));
    } else {
        MODEL_CHECK(error == BUFFER_PINNED && b->pinned);
    }
    return false;
}

static size_t growth_size(const struct model *m)
{
    return random_size(LONGEST - m->length);
}

static void append(struct model *m)
{
    struct buffer *b = &m->owner.b;
    const char *start = b->start;
    size_t n = growth_size(m);
    if (!grew(m, buffer_ensure(b, n, !m->looked_at), n, start) || n == 0) {
        return;
    }
    int value = (int)random_below(256);
    memset(m->bytes + m->length, value, n);
    memset(buffer_take_in(b, n), value, n);
    m->length += n;
    m->lent = 0;
}

/* The new end may be a copy of our own bytes. */
static void replace_end(struct model *m)
{
    struct buffer *b = &m->owner.b;
    const char *start = b->start;
    size_t at = m->length - random_size(m->length);
    size_t present = m->length - at;
    size_t n = present + growth_size(m);
    if (n == present || !grew(m, buffer_ensure(b, n - present, !m->looked_at), n - present, start)) {
        return;
    }
    if (n <= m->length) {
        memmove(m->bytes + at, m->bytes, n);
        buffer_replace_end(b, at, b->start, n);
    } else {
        int value = (int)random_below(256);
        memset(m->bytes + at, value, n);
        buffer_replace_end(b, at, m->bytes + at, n);
    }
    m->length = at + n;
    m->lent = 0;
}

static void append_zeros(struct model *m)
{
    struct buffer *b = &m->owner.b;
    const char *start = b->start;
    size_t n = growth_size(m);
    if (!grew(m, buffer_extend_zero(b, n, !m->looked_at), n, start) || n == 0) {
        return;
    }
    memset(m->bytes + m->length, 0, n);
    MODEL_CHECK(memcmp(b->start + m->length, m->bytes + m->length, n) == 0);
    MODEL_CHECK(b->start[b->length] == 0);
    m->length += n;
    m->lent = 0;
}

static void insert(struct model *m)
{
    struct buffer *b = &m->owner.b;
    const char *start = b->start;
    size_t at = m->looked_at ? m->length : random_below(m->length + 1);
    size_t n = growth_size(m);
    if (!grew(m, buffer_open_gap(b, at, n, !m->looked_at), n, start) || n == 0) {
        return;
    }
    int value = (int)random_below(256);
    memmove(m->bytes + at + n, m->bytes + at, m->length - at);
    memset(m->bytes + at, value, n);
    memset(b->start + at, value, n);
    m->length += n;
    m->lent = 0;
}

static void ensure(struct model *m)
{
    struct buffer *b = &m->owner.b;
    const char *start = b->start;
    size_t n = growth_size(m);
    if (grew(m, buffer_ensure(b, n, !m->looked_at), n, start)) {
        MODEL_CHECK(b->limit - b->length >= n);
    }
    m->lent = 0; /* it may have been taken back */
}

/* ---- operations that shrink ---------------------------------------------------------------- */

/* Sizes from nothing to all, so that buffers do not only grow. */
static size_t shrink_size(const struct model *m)
{
    return one_in(60) ? m->length : one_in(12) ? random_below(m->length + 1) : random_size(m->length);
}

static void truncate_some(struct model *m)
{
    m->length -= shrink_size(m);
    m->lent = 0;
    buffer_truncate(&m->owner.b, m->length);
}

static void drop_front(struct model *m)
{
    size_t n = shrink_size(m);
    m->length -= n;
    m->lent = 0;
    memmove(m->bytes, m->bytes + n, m->length);
    buffer_drop_front(&m->owner.b, n);
}

static void cut(struct model *m)
{
    size_t n = shrink_size(m);
    size_t at = random_below(m->length - n + 1);
    m->length -= n;
    m->lent = 0;
    memmove(m->bytes + at, m->bytes + at + n, m->length - at);
    buffer_close_gap(&m->owner.b, at, n);
}

static void overwrite(struct model *m)
{
    size_t at = random_below(m->length + 1);
    size_t n = random_size(m->length - at);
    int value = (int)random_below(256);
    memset(m->bytes + at, value, n);
    memset(m->owner.b.start + at, value, n);
}

/* ---- the tail, and the rest ---------------------------------------------------------------- */

static void lend(struct model *m)
{
    struct buffer *b = &m->owner.b;
    const char *start = b->start;
    char *tail;
    size_t n = growth_size(m);
    if (!grew(m, buffer_spare(b, n, !m->looked_at, &tail), n, start)) {
        return;
    }
    memset(m->tail, 0, n);
    MODEL_CHECK(tail == b->start + b->length && memcmp(tail, m->tail, n) == 0);
    size_t written = random_below(n + 1);
    memset(m->tail, (int)random_below(256), written);
    memcpy(tail, m->tail, written);
    m->lent = n;
    if (!m->looked_at || one_in(3)) {
        buffer_settle(b);
    }
}

static void advance(struct model *m)
{
    struct buffer *b = &m->owner.b;
    if (m->lent == 0) {
        return;
    }
    MODEL_CHECK(buffer_advance(b, m->lent + 1) == BUFFER_NOT_LENT);
    size_t n = one_in(2) ? m->lent : random_below(m->lent + 1);
    MODEL_CHECK(buffer_advance(b, n) == BUFFER_OK);
    memcpy(m->bytes + m->length, m->tail, n);
    memmove(m->tail, m->tail + n, m->lent - n);
    m->length += n;
    m->lent -= n;
    if (m->lent == 0) {
        MODEL_CHECK(buffer_advance(b, 1) == BUFFER_NOT_LENT);
    }
}

static void fit(struct model *m)
{
    struct buffer *b = &m->owner.b;
    const char *start = b->start;
    MODEL_CHECK(buffer_fit(b, !m->looked_at) == BUFFER_OK);
    if (m->looked_at || b->pinned || b->rest->capacity != BUFFER_NO_CAPACITY) {
        MODEL_CHECK(b->start == start);
    }
    m->lent = m->looked_at ? m->lent : 0;
}

static void promote(struct model *m)
{
    buffer_promote(&m->owner.b, one_in(2));
    m->lent = 0;
}

static void pin(struct model *m)
{
    buffer_promote(&m->owner.b, true);
    m->owner.b.pinned = true;
    m->lent = 0;
}

static void look(struct model *m)
{
    m->looked_at = true;
}

/* Who looked away cannot write to the tail any more. */
static void look_away(struct model *m)
{
    m->looked_at = false;
    buffer_settle(&m->owner.b);
    MODEL_CHECK(m->owner.b.start[m->length] == 0);
}

static void renew(struct model *m)
{
    destroy(m);
    make(m);
}

/* ---- steps ------------------------------------------------------------------------------- */

struct operation {
    void (*run)(struct model *);
    unsigned weight;
    bool moves; /* not while somebody looks */
};

static const struct operation operations[] = {
    {append, 20, false},      {replace_end, 6, false},  {append_zeros, 8, false},
    {insert, 8, false},       {ensure, 4, false},
    {truncate_some, 10, true}, {drop_front, 12, true},  {cut, 8, true},     {overwrite, 8, false},
    {lend, 10, false},        {advance, 12, false},     {fit, 2, false},    {promote, 2, true},
    {look, 4, true},          {look_away, 6, false},    {pin, 1, true},     {renew, 2, true},
};

static const struct operation *choose(void)
{
    unsigned total = 0;
    size_t count = sizeof operations / sizeof operations[0];
    for (size_t i = 0; i < count; i++) {
        total += operations[i].weight;
    }
    size_t at = random_below(total);
    size_t i = 0;
    for (; at >= operations[i].weight; i++) {
        at -= operations[i].weight;
    }
    return &operations[i];
}

/* Sometimes the system is short of something for a while. */
static void change_the_system(void)
{
    struct pool *pool = fixture.env.pool;
    struct vmem_info info;
    CHECK(vmem_query(&info) == 0);
    pool->info = info;
    switch (random_below(12)) {
    case 0:
    case 1:
        pool->info.address_limit = random_below(64 * MIB);
        break;
    case 2:
        pool->info.data_limit = 1024 * MIB;
        break;
    case 3:
        pool->info.can_remap = false;
        break;
    case 4:
        pool->info.max_mappings = 0;
        break;
    case 5:
        pool->info.thp = VMEM_THP_NEVER;
        break;
    default:
        break;
    }
    if (one_in(4)) {
        static const size_t reservations[] = {16 * KIB, 64 * KIB, 256 * KIB, MIB, 64 * MIB};
        struct env_settings settings = {
            .reservation = reservations[random_below(5)],
            .budget = random_below(8 * MIB),
            .limit = random_below(32 * MIB),
            .prefault = (unsigned char)random_below(ENV_PREFAULT_BACKGROUND + 1),
            .low_latency = one_in(2),
        };
        env_configure(&fixture.env, &settings);
    }
}

static void step(size_t number)
{
    struct model *m = &models[random_below(BUFFERS)];
    const struct operation *operation = choose();
    if (m->looked_at && operation->moves) {
        return;
    }
    operation->run(m);
    compare(m, number % WHOLE == 0);
    if (number % CHANGE == 0) {
        change_the_system();
    }
}

static void run_seed(uint64_t number, size_t steps)
{
    seed = number;
    random_state = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    fixture_open_with(&fixture, 64 * KIB, 4 * MIB);
    allocate_models();
    for (size_t i = 0; i < BUFFERS; i++) {
        make(&models[i]);
    }
    for (size_t i = 0; i < steps; i++) {
        step(i);
    }
    for (size_t i = 0; i < BUFFERS; i++) {
        destroy(&models[i]);
    }
    free_models();
    fixture_close(&fixture);
}

static size_t setting(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : (size_t)strtoull(text, NULL, 10);
}

static void buffers_do_what_plain_memory_does(void)
{
    size_t steps = setting("MODEL_STEPS", STEPS);
    size_t only = setting("MODEL_SEED", 0);
    if (only != 0) {
        run_seed(only, steps);
        return;
    }
    for (size_t number = 1; number <= SEEDS; number++) {
        run_seed(number, steps / SEEDS);
    }
    printf("%zu steps ... ", steps);
}

static const struct check_test tests[] = {
    TEST(buffers_do_what_plain_memory_does),
};

CHECK_MAIN(tests)
