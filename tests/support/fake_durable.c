#include "tests/support/fake_durable.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000

struct fake_durable *fake_durable_new(int64_t ack_timeout_ms)
{
    struct fake_durable *f = mem_calloc(1, sizeof *f);
    f->ack_timeout_ms = ack_timeout_ms;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void fake_durable_free(struct fake_durable *f)
{
    fake_durable_end_all(f, false);
    arena_release(&f->arena);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static bool would_take(void *context)
{
    const struct fake_durable *f = context;
    return f->mode != FAKE_IS_AWAY;
}

/* What the record's headers say of it, copied: the delivery goes, the record stays. */
static void keep(struct fake_durable *f, const struct delivery *d, size_t index)
{
    char scratch[RECORD_FACTS_BYTES];
    struct record_header headers[RECORD_HEADERS_MAX];
    struct error err;
    struct record *r = &f->records[f->count++];
    size_t count = delivery_headers(d, index, scratch, headers);
    *r = (struct record){ .topic = (enum event_type)d->records[index].topic,
                          .key = d->records[index].key,
                          .value = d->records[index].value };
    bool is_valid = record_decode_headers(headers, count, r, &err);
    REQUIRE(is_valid);
    struct view *texts[] = { &r->key,          &r->value,   &r->source, &r->schema,
                             &r->request_id,   &r->sent_at, &r->ip,     &r->type,
                             &r->integrations, &r->context, &r->reason, &r->detail,
                             &r->traceparent };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_copy(&f->arena, *texts[i]);
    }
}

static void end(struct fake_durable *f, struct delivery *d, enum delivery_outcome outcome)
{
    if (delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED)) {
        f->ended[outcome]++;
        delivery_end(d, outcome);
    }
}

static void take(void *context, struct delivery *d)
{
    struct fake_durable *f = context;
    pthread_mutex_lock(&f->lock);
    f->taken++;
    bool has_room = f->mode != FAKE_IS_AWAY && f->count + d->count <= FAKE_DURABLE_MAX;
    for (size_t i = 0; has_room && i < d->count; i++) {
        keep(f, d, i);
    }
    enum fake_durable_mode mode = f->mode;
    if (has_room && mode == FAKE_IS_LATE) {
        delivery_hold(d);
        f->open[f->open_count++] = d;
    }
    pthread_mutex_unlock(&f->lock);
    if (!has_room || mode != FAKE_IS_LATE) {
        end(f, d, has_room && mode == FAKE_KEEPS ? DELIVERY_IN_KAFKA : DELIVERY_REFUSED);
    }
}

static int64_t on_deadline(void *context, struct delivery *d, int64_t now_mono_ms)
{
    (void)now_mono_ms;
    end(context, d, DELIVERY_LATE);
    return INT64_MAX;
}

struct durable fake_durable_port(struct fake_durable *f)
{
    return (struct durable){ .context = f,
                             .would_take = would_take,
                             .take = take,
                             .ack_timeout_ms = f->ack_timeout_ms,
                             .on_deadline = on_deadline };
}

void fake_durable_reset(struct fake_durable *f, enum fake_durable_mode mode)
{
    fake_durable_end_all(f, false);
    pthread_mutex_lock(&f->lock);
    f->count = 0;
    f->taken = 0;
    f->mode = mode;
    arena_reset(&f->arena);
    for (size_t i = 0; i < sizeof f->ended / sizeof f->ended[0]; i++) {
        f->ended[i] = 0;
    }
    pthread_mutex_unlock(&f->lock);
}

/* One after the other: while some are ended here, others may be taken. */
static struct delivery *next_open(struct fake_durable *f)
{
    pthread_mutex_lock(&f->lock);
    struct delivery *d = f->open_count == 0 ? NULL : f->open[--f->open_count];
    pthread_mutex_unlock(&f->lock);
    return d;
}

void fake_durable_end_all(struct fake_durable *f, bool is_durable)
{
    for (struct delivery *d = next_open(f); d != NULL; d = next_open(f)) {
        end(f, d, is_durable ? DELIVERY_IN_KAFKA : DELIVERY_REFUSED);
        delivery_let_go(d);
    }
}

void fake_durable_wait_open(struct fake_durable *f, size_t count)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    size_t open = 0;
    while (open < count) {
        const struct timespec pause = { 0, 1000000 };
        REQUIRE(clock_mono_ms() < deadline);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&f->lock);
        open = f->open_count;
        pthread_mutex_unlock(&f->lock);
    }
}
