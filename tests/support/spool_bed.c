#include "tests/support/spool_bed.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/parse.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_MS 10000

/* ---- folders ---- */

void spool_bed_make(char out_path[256])
{
    const char *parent = getenv("TMPDIR");
    snprintf(out_path, 256, "%s/spool-XXXXXX", parent == NULL ? "/tmp" : parent);
    REQUIRE(mkdtemp(out_path) != NULL);
}

void spool_bed_remove(const char *path)
{
    DIR *dir = opendir(path);
    char name[1024];
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL;
         e = readdir(dir)) {
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (unlink(name) != 0) {
            (void)rmdir(name);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    (void)rmdir(path);
}

/* ---- records ---- */

static char byte_of(unsigned number, size_t at)
{
    return (char)(unsigned char)((number * 2654435761u + at * 40503u) >> 8);
}

void spool_bed_encode(unsigned number, enum event_type topic, size_t size, uint32_t salt,
                      struct buf *out)
{
    char key[16];
    struct error err;
    snprintf(key, sizeof key, "%u", number);
    char *value = mem_alloc(size);
    for (size_t i = 0; i < size; i++) {
        value[i] = byte_of(number, i);
    }
    struct spool_record record = { .topic = topic,
                                   .key = view_cstr(key),
                                   .value = view_of(value, size),
                                   .header_count = 1,
                                   .headers = { { view_cstr("backstitch"),
                                                  view_cstr("v=1;source=s") } } };
    bool is_encoded = spool_frame_encode(&record, salt, out, &err);
    REQUIRE(is_encoded);
    free(value);
}

unsigned spool_bed_number(const struct spool_record *record)
{
    uint64_t number = 0;
    struct error err;
    bool is_number = parse_u64(record->key, &number, &err);
    REQUIRE(is_number && number < SPOOL_BED_RECORDS);
    for (size_t i = 0; i < record->value.len; i++) {
        REQUIRE(record->value.data[i] == byte_of((unsigned)number, i));
    }
    REQUIRE(record->header_count == 1 &&
            view_equal_cstr(record->headers[0].value, "v=1;source=s"));
    return (unsigned)number;
}

/* ---- a spool ---- */

static void on_failed(void *context, const struct error *err)
{
    _Atomic unsigned *failures = context;
    if (failures == NULL) {
        (void)fprintf(stderr, "the spool has failed: %s\n", err->text);
        abort();
    }
    atomic_fetch_add(failures, 1);
}

struct spool *spool_bed_open(const char *path, uint64_t max_bytes,
                             _Atomic unsigned *failures)
{
    struct spool_setup setup = {
        .dir = path, .max_bytes = max_bytes, .context = failures, .on_failed = on_failed
    };
    struct spool *s = NULL;
    struct error err;
    if (!spool_open(&setup, &s, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return s;
}

struct waiting_entry {
    struct spool_entry entry;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_ended, is_durable;
};

static void wake(struct spool_entry *entry, bool is_durable)
{
    struct waiting_entry *w = (struct waiting_entry *)(void *)entry;
    pthread_mutex_lock(&w->lock);
    w->has_ended = true;
    w->is_durable = is_durable;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

bool spool_bed_put(struct spool *s, unsigned number, enum event_type topic, size_t size)
{
    struct waiting_entry w = { .lock = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER };
    struct buf frames = { 0 };
    spool_bed_encode(number, topic, size, spool_salt(s), &frames);
    w.entry.frames = buf_view(&frames);
    w.entry.on_end = wake;
    if (spool_append(s, &w.entry)) {
        pthread_mutex_lock(&w.lock);
        while (!w.has_ended) {
            pthread_cond_wait(&w.changed, &w.lock);
        }
        pthread_mutex_unlock(&w.lock);
    }
    buf_release(&frames);
    return w.is_durable;
}

/* ---- contents ---- */

static void read_segment(struct spool_log *log, const struct spool_segment *s,
                         struct spool_contents *out)
{
    struct spool_reader reader = SPOOL_READER_CLOSED;
    struct spool_step step = { .kind = SPOOL_STEP_MORE };
    struct spool_record record;
    struct view frame;
    struct error err;
    bool is_open = spool_log_read(log, s->number, &reader, &err);
    REQUIRE(is_open);
    while (step.kind != SPOOL_STEP_END) {
        bool is_read = spool_reader_next(&reader, s->bytes, &step, &frame, &err);
        REQUIRE(is_read);
        if (step.kind == SPOOL_STEP_FRAME && spool_frame_decode(frame, &record)) {
            unsigned number = spool_bed_number(&record);
            out->counts[number]++;
            out->order[out->total++] = number;
        }
    }
    spool_reader_close(&reader);
}

void spool_bed_read(const char *path, struct spool_contents *out)
{
    struct spool_log *log = NULL;
    struct spool_segment s;
    struct error err;
    memset(out, 0, sizeof *out);
    if (!spool_log_open(path, SPOOL_BED_QUOTA, &log, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    while (spool_log_survey(log)) {
    }
    for (uint64_t number = 0; spool_log_find(log, number, &s); number = s.number + 1) {
        read_segment(log, &s, out);
    }
    spool_log_figures(log, &out->figures);
    spool_log_close(log);
}

/* ---- Kafka, for the drain ---- */

struct fake_port *fake_port_new(void)
{
    struct fake_port *p = mem_calloc(1, sizeof *p);
    pthread_condattr_t attributes;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    p->room = UINT32_MAX;
    return p;
}

void fake_port_free(struct fake_port *p)
{
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static unsigned room(void *context)
{
    struct fake_port *p = context;
    pthread_mutex_lock(&p->lock);
    unsigned now = p->room;
    pthread_mutex_unlock(&p->lock);
    return now;
}

/* The lock is held. */
static void note(struct fake_port *p, enum event_type topic, unsigned number)
{
    if (p->counts[number]++ == 0) {
        p->order[topic][p->delivered[topic]++] = number;
    }
}

/* The lock is held. */
static bool decide(struct fake_port *p, enum event_type topic)
{
    if (p->fail_next > 0) {
        p->fail_next--;
        return false;
    }
    return !p->refuses[topic];
}

static bool send(void *context, const struct spool_record *record,
                 struct spool_ticket *ticket)
{
    struct fake_port *p = context;
    unsigned number = spool_bed_number(record);
    bool is_durable = false;
    pthread_mutex_lock(&p->lock);
    bool is_taken = !p->takes_nothing;
    bool is_held = is_taken && p->is_held;
    p->sent += is_taken ? 1 : 0;
    if (is_held) {
        p->held_numbers[p->held_count] = number;
        p->held_topics[p->held_count] = record->topic;
        p->held[p->held_count++] = ticket;
    } else if (is_taken) {
        is_durable = decide(p, record->topic);
        if (is_durable) {
            note(p, record->topic, number);
        }
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (is_taken && !is_held) {
        ticket->on_end(ticket, is_durable);
    }
    return is_taken;
}

struct spool_port fake_port_port(struct fake_port *p)
{
    struct spool_port port = { .context = p, .room = room, .send = send };
    return port;
}

bool fake_port_wait(struct fake_port *p,
                    bool (*is_met)(const struct fake_port *p, unsigned number),
                    unsigned number)
{
    struct timespec until = clock_timespec(clock_mono_ms() + WAIT_MS);
    int waited = 0;
    pthread_mutex_lock(&p->lock);
    while (!is_met(p, number) && waited == 0) {
        waited = pthread_cond_timedwait(&p->changed, &p->lock, &until);
    }
    bool is_done = is_met(p, number);
    pthread_mutex_unlock(&p->lock);
    return is_done;
}

void fake_port_release(struct fake_port *p, bool is_durable, unsigned seed)
{
    pthread_mutex_lock(&p->lock);
    while (p->held_count > 0) {
        seed = seed * 1103515245u + 12345u;
        unsigned at = (seed >> 16) % p->held_count;
        struct spool_ticket *ticket = p->held[at];
        if (is_durable) {
            note(p, p->held_topics[at], p->held_numbers[at]);
        }
        p->held_count--;
        p->held[at] = p->held[p->held_count];
        p->held_numbers[at] = p->held_numbers[p->held_count];
        p->held_topics[at] = p->held_topics[p->held_count];
        pthread_mutex_unlock(&p->lock);
        ticket->on_end(ticket, is_durable);
        pthread_mutex_lock(&p->lock);
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}
