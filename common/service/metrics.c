#include "common/service/metrics.h"

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/mem.h"
#include "common/service/process_metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BUCKETS 64
#define MAX_REFRESHERS 8
#define OVERFLOW_VALUE "other"

struct metric_series {
    const struct metric_desc *desc;
    char *values[METRICS_MAX_LABELS];
    char *labels; /* name="value",.. as in the exposition */
    struct metric_series *next_in_bucket;
    size_t bound_count;
    _Atomic bool is_hidden;
    _Atomic double value;           /* histograms: the sum */
    _Atomic uint64_t *observations; /* histograms: per bucket, not cumulated; the last is
                                       above all bounds */
};

struct family {
    struct metric_series **series; /* in order of creation */
    size_t count;
    struct metric_series *buckets[HASH_BUCKETS];
};

struct refresher {
    void (*refresh)(void *context);
    void *context;
};

struct metrics {
    const char *program;
    int64_t started_at_ms;
    const struct metric_desc *table;
    size_t count;
    pthread_mutex_t lock; /* guards what follows; values are atomics and need none */
    struct family *families;
    struct refresher refreshers[MAX_REFRESHERS];
    size_t refresher_count;
};

static size_t count_labels(const struct metric_desc *desc)
{
    size_t count = 0;
    while (count < METRICS_MAX_LABELS && desc->labels[count] != NULL) {
        count++;
    }
    return count;
}

static bool is_counter_name(const char *name)
{
    size_t len = strlen(name);
    return len > 6 && strcmp(name + len - 6, "_total") == 0;
}

static void check_desc(const struct metric_desc *desc)
{
    REQUIRE(desc->name != NULL && desc->help != NULL);
    REQUIRE(is_counter_name(desc->name) == (desc->type == METRIC_COUNTER));
    REQUIRE((desc->bounds != NULL) == (desc->type == METRIC_HISTOGRAM));
}

struct metrics *metrics_new(const char *program, const struct metric_desc *table,
                            size_t count)
{
    struct metrics *m = mem_calloc(1, sizeof *m);
    m->program = program;
    m->started_at_ms = clock_real_ms();
    m->table = table;
    m->count = count;
    m->families = mem_calloc(count, sizeof *m->families);
    REQUIRE(pthread_mutex_init(&m->lock, NULL) == 0);
    for (size_t id = 0; id < count; id++) {
        check_desc(&table[id]);
        if (count_labels(&table[id]) == 0) {
            metrics_series(m, id, NULL, NULL, NULL);
        }
    }
    return m;
}

static void free_series(struct metric_series *s)
{
    for (size_t i = 0; i < METRICS_MAX_LABELS; i++) {
        free(s->values[i]);
    }
    free(s->observations);
    free(s->labels);
    free(s);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t id = 0; id < m->count; id++) {
        for (size_t i = 0; i < m->families[id].count; i++) {
            free_series(m->families[id].series[i]);
        }
        free(m->families[id].series);
    }
    pthread_mutex_destroy(&m->lock);
    free(m->families);
    free(m);
}

/* FNV-1a over the values, each with its NUL. */
static size_t hash_values(const char *const *values, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(values[i]) + 1;
        for (size_t j = 0; j < bytes; j++) {
            hash = (hash ^ (unsigned char)values[i][j]) * 0x100000001b3u;
        }
    }
    return hash % HASH_BUCKETS;
}

static bool has_values(const struct metric_series *s, const char *const *values,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(s->values[i], values[i]) != 0) {
            return false;
        }
    }
    return true;
}

static struct metric_series *find_series(const struct family *f,
                                         const char *const *values, size_t count)
{
    struct metric_series *s = f->buckets[hash_values(values, count)];
    while (s != NULL && !has_values(s, values, count)) {
        s = s->next_in_bucket;
    }
    return s;
}

/* The exposition is UTF-8; a label value escapes backslash, quote and newline. */
static void add_label_value(struct buf *out, struct view value)
{
    while (value.len > 0) {
        uint32_t c = 0;
        value = view_skip(value, escape_next_char(value, &c));
        if (c == '\n') {
            buf_add_cstr(out, "\\n");
            continue;
        }
        if (c == '\\' || c == '"') {
            buf_add_char(out, '\\');
        }
        escape_add_char(out, c);
    }
}

static char *format_labels(const struct metric_desc *desc, const char *const *values)
{
    struct buf text = { 0 };
    for (size_t i = 0; i < count_labels(desc); i++) {
        buf_printf(&text, "%s%s=\"", i == 0 ? "" : ",", desc->labels[i]);
        add_label_value(&text, view_cstr(values[i]));
        buf_add_char(&text, '"');
    }
    char *labels = mem_strdup(buf_cstr(&text));
    buf_release(&text);
    return labels;
}

static struct metric_series *add_series(struct family *f, const struct metric_desc *desc,
                                        const char *const *values)
{
    size_t label_count = count_labels(desc);
    struct metric_series *s = mem_calloc(1, sizeof *s);
    s->desc = desc;
    s->labels = format_labels(desc, values);
    for (size_t i = 0; i < label_count; i++) {
        s->values[i] = mem_strdup(values[i]);
    }
    if (desc->type == METRIC_HISTOGRAM) {
        while (desc->bounds[s->bound_count] != 0) {
            s->bound_count++;
        }
        s->observations = mem_calloc(s->bound_count + 1, sizeof *s->observations);
    }
    struct metric_series **bucket = &f->buckets[hash_values(values, label_count)];
    s->next_in_bucket = *bucket;
    *bucket = s;
    f->series = mem_resize(f->series, f->count + 1, sizeof(struct metric_series *));
    f->series[f->count++] = s;
    return s;
}

struct metric_series *metrics_series(struct metrics *m, size_t id, const char *value1,
                                     const char *value2, const char *value3)
{
    REQUIRE(id < m->count);
    const char *values[METRICS_MAX_LABELS] = { value1, value2, value3 };
    const char *others[METRICS_MAX_LABELS] = { OVERFLOW_VALUE, OVERFLOW_VALUE,
                                               OVERFLOW_VALUE };
    const struct metric_desc *desc = &m->table[id];
    size_t label_count = count_labels(desc);
    for (size_t i = 0; i < METRICS_MAX_LABELS; i++) {
        REQUIRE((values[i] != NULL) == (i < label_count));
    }

    pthread_mutex_lock(&m->lock);
    struct family *f = &m->families[id];
    struct metric_series *s = find_series(f, values, label_count);
    if (s == NULL && f->count < METRICS_MAX_SERIES) {
        s = add_series(f, desc, values);
    } else if (s == NULL) {
        s = find_series(f, others, label_count);
        s = s == NULL ? add_series(f, desc, others) : s;
    }
    pthread_mutex_unlock(&m->lock);
    return s;
}

/* C11 has no fetch_add for floating point. */
static void atomic_add(_Atomic double *value, double amount)
{
    double old = atomic_load_explicit(value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        value, &old, old + amount, memory_order_relaxed, memory_order_relaxed)) {
    }
}

void metric_add(struct metric_series *s, double amount)
{
    REQUIRE(s->desc->type == METRIC_GAUGE ||
            (s->desc->type == METRIC_COUNTER && amount >= 0));
    atomic_add(&s->value, amount);
}

void metric_set(struct metric_series *s, double value)
{
    REQUIRE(s->desc->type == METRIC_GAUGE);
    atomic_store_explicit(&s->value, value, memory_order_relaxed);
    atomic_store_explicit(&s->is_hidden, false, memory_order_relaxed);
}

void metric_hide(struct metric_series *s)
{
    REQUIRE(s->desc->type == METRIC_GAUGE);
    atomic_store_explicit(&s->is_hidden, true, memory_order_relaxed);
}

void metric_observe(struct metric_series *s, double value)
{
    REQUIRE(s->desc->type == METRIC_HISTOGRAM);
    size_t i = 0;
    while (i < s->bound_count && value > s->desc->bounds[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&s->observations[i], 1, memory_order_relaxed);
    atomic_add(&s->value, value);
}

double metric_value(const struct metric_series *s)
{
    return atomic_load_explicit(&s->value, memory_order_relaxed);
}

void metrics_on_scrape(struct metrics *m, void (*refresh)(void *context), void *context)
{
    pthread_mutex_lock(&m->lock);
    REQUIRE(m->refresher_count < MAX_REFRESHERS);
    m->refreshers[m->refresher_count++] = (struct refresher){ refresh, context };
    pthread_mutex_unlock(&m->lock);
}

/* The shortest text that reads back as the same value. */
static void add_number(struct buf *out, double value)
{
    if (isnan(value)) {
        buf_add_cstr(out, "NaN");
    } else if (isinf(value)) {
        buf_add_cstr(out, value > 0 ? "+Inf" : "-Inf");
    } else {
        char text[40];
        int digits = 15;
        do {
            snprintf(text, sizeof text, "%.*g", digits++, value);
        } while (digits <= 17 && strtod(text, NULL) != value);
        buf_add_cstr(out, text);
    }
}

static void add_line(struct buf *out, const struct metric_series *s, const char *suffix,
                     double value)
{
    buf_printf(out, "%s%s", s->desc->name, suffix);
    if (s->labels[0] != '\0') {
        buf_printf(out, "{%s}", s->labels);
    }
    buf_add_char(out, ' ');
    add_number(out, value);
    buf_add_char(out, '\n');
}

static void add_bucket_line(struct buf *out, const struct metric_series *s, double bound,
                            uint64_t count)
{
    buf_printf(out, "%s_bucket{%s%sle=\"", s->desc->name, s->labels,
               s->labels[0] == '\0' ? "" : ",");
    add_number(out, bound);
    buf_printf(out, "\"} %llu\n", (unsigned long long)count);
}

/* The count is the sum of the buckets as read here, so that the lines agree while others
 * observe. */
static void add_histogram(struct buf *out, const struct metric_series *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= s->bound_count; i++) {
        count += atomic_load_explicit(&s->observations[i], memory_order_relaxed);
        add_bucket_line(out, s, i < s->bound_count ? s->desc->bounds[i] : INFINITY,
                        count);
    }
    add_line(out, s, "_sum", metric_value(s));
    add_line(out, s, "_count", (double)count);
}

static void add_family(struct buf *out, const struct metric_desc *desc,
                       const struct family *f)
{
    static const char *const type_names[] = { "counter", "gauge", "histogram" };
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", desc->name, desc->help, desc->name,
               type_names[desc->type]);
    for (size_t i = 0; i < f->count; i++) {
        if (desc->type == METRIC_HISTOGRAM) {
            add_histogram(out, f->series[i]);
        } else if (!atomic_load_explicit(&f->series[i]->is_hidden,
                                         memory_order_relaxed)) {
            add_line(out, f->series[i], "", metric_value(f->series[i]));
        }
    }
}

void metrics_write(struct metrics *m, struct buf *out)
{
    struct refresher refreshers[MAX_REFRESHERS];
    pthread_mutex_lock(&m->lock);
    size_t refresher_count = m->refresher_count;
    memcpy(refreshers, m->refreshers, sizeof refreshers);
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < refresher_count; i++) {
        refreshers[i].refresh(
            refreshers[i].context); /* without the lock: they look up series */
    }

    pthread_mutex_lock(&m->lock);
    for (size_t id = 0; id < m->count; id++) {
        if (m->families[id].count > 0) {
            add_family(out, &m->table[id], &m->families[id]);
        }
    }
    pthread_mutex_unlock(&m->lock);
    buf_printf(out,
               "# HELP build_info What runs here; always 1.\n# TYPE build_info gauge\n"
               "build_info{program=\"%s\",version=\"%s\"} 1\n",
               m->program, BACKSTITCH_VERSION);
    process_metrics_write(out, m->started_at_ms);
}
