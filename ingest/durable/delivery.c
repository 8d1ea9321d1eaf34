#include "ingest/durable/delivery.h"

#include "common/base/mem.h"

#include <stdlib.h>

/* Of a record under way beside its bytes: the client's own (184 measured), the
 * allocator's of its parts, and ours; rounded up. */
#define RECORD_OVERHEAD_BYTES 512

static void on_ticket(struct kafka_ticket *ticket, bool is_durable);

struct delivery *delivery_new(const struct delivery_setup *setup)
{
    size_t records = setup->records * sizeof(struct delivery_record);
    struct delivery *d = mem_alloc(sizeof *d + records + setup->context_bytes);
    memset(d, 0, sizeof *d);
    d->setup = *setup;
    d->context = (char *)d + sizeof *d + records;
    memset(d->context, 0, setup->context_bytes);
    atomic_init(&d->references, 1);
    atomic_init(&d->under_way, 1);
    atomic_init(&d->state, DELIVERY_OPEN);
    return d;
}

static bool is_in_body(const struct delivery *d, struct view v)
{
    uintptr_t start = (uintptr_t)d->body.data;
    return (uintptr_t)v.data >= start && (uintptr_t)v.data < start + d->body.len;
}

/* The delivery may be read (by the spool) after its request has been answered and the
 * worker's memory has gone on to the next. */
static struct view keep(struct delivery *d, struct view v)
{
    return v.len == 0 || is_in_body(d, v) ? v : arena_copy(&d->texts, v);
}

void delivery_set_common(struct delivery *d, const struct record *common)
{
    record_facts_format(common, &d->facts);
    d->batch_context = keep(d, common->context);
    d->integrations = keep(d, common->integrations);
    d->sent_at = keep(d, common->sent_at);
    d->traceparent = keep(d, common->traceparent);
}

void delivery_take_body(struct delivery *d, struct buf *body, uint64_t *charged)
{
    d->body = *body;
    d->charged += *charged;
    buf_init(body, body->max);
    *charged = 0;
}

static const struct view *copy_rejection(struct delivery *d, const struct record *r)
{
    struct view *both = arena_alloc(&d->texts, 2 * sizeof *both);
    both[0] = r->reason; /* static text */
    both[1] = arena_copy(&d->texts, r->detail);
    return both;
}

void delivery_add(struct delivery *d, const struct record *r, bool copies)
{
    REQUIRE(d->count < d->setup.records);
    struct delivery_record *record = &d->records[d->count++];
    *record = (struct delivery_record){ .ticket = { .on_end = on_ticket },
                                        .delivery = d,
                                        .key = r->key,
                                        .value = r->value,
                                        .seq = r->seq,
                                        .topic = (uint8_t)r->topic,
                                        .has_type = r->type.len > 0 };
    record->key = keep(d, r->key);
    if (copies) {
        record->value = arena_copy(&d->texts, r->value);
    }
    if (r->reason.len > 0) {
        record->rejection = copy_rejection(d, r);
    }
}

bool delivery_charge(struct delivery *d)
{
    uint64_t each = RECORD_OVERHEAD_BYTES + d->facts.len + d->sent_at.len +
                    d->integrations.len + d->batch_context.len + d->traceparent.len;
    uint64_t bytes = each * d->count + d->texts.total;
    if (!budget_take(d->setup.budget, bytes)) {
        return false;
    }
    d->charged += bytes;
    return true;
}

size_t delivery_headers(const struct delivery *d, size_t index,
                        char scratch[RECORD_FACTS_BYTES],
                        struct record_header out[RECORD_HEADERS_MAX])
{
    const struct delivery_record *record = &d->records[index];
    struct record r = { .seq = record->seq,
                        .sent_at = d->sent_at,
                        .context = d->batch_context,
                        .integrations = d->integrations,
                        .traceparent = d->traceparent };
    if (record->has_type) {
        r.type = view_cstr(event_type_name((enum event_type)record->topic));
    }
    if (record->rejection != NULL) {
        r.reason = record->rejection[0];
        r.detail = record->rejection[1];
    }
    return record_encode_headers(&r, &d->facts, scratch, out);
}

/* ---- under way ---- */

void delivery_start(struct delivery *d)
{
    delivery_hold(d);
    atomic_fetch_add(&d->under_way, 1);
}

/* Neither count can reach 0 here: the hand-over itself still holds one of each. */
void delivery_not_started(struct delivery *d)
{
    atomic_fetch_sub(&d->under_way, 1);
    atomic_fetch_sub(&d->references, 1);
}

void delivery_seal(struct delivery *d)
{
    if (atomic_fetch_sub(&d->under_way, 1) == 1) {
        d->on_settled(d);
    }
}

static void on_ticket(struct kafka_ticket *ticket, bool is_durable)
{
    struct delivery_record *record = (struct delivery_record *)(void *)ticket;
    struct delivery *d = record->delivery;
    if (is_durable) {
        atomic_store(&record->is_durable, true);
    }
    delivery_seal(d); /* one less is under way */
    delivery_let_go(d);
}

bool delivery_is_durable(const struct delivery *d)
{
    for (size_t i = 0; i < d->count; i++) {
        if (!atomic_load(&d->records[i].is_durable)) {
            return false;
        }
    }
    return true;
}

/* ---- its end ---- */

bool delivery_claim(struct delivery *d, enum delivery_state from, enum delivery_state to)
{
    int expected = (int)from;
    return atomic_compare_exchange_strong(&d->state, &expected, (int)to);
}

void delivery_end(struct delivery *d, enum delivery_outcome outcome)
{
    REQUIRE(atomic_load(&d->state) == DELIVERY_ENDED);
    d->setup.on_end(d->context, outcome);
    delivery_let_go(d);
}

void delivery_hold(struct delivery *d)
{
    atomic_fetch_add(&d->references, 1);
}

void delivery_let_go(struct delivery *d)
{
    if (atomic_fetch_sub(&d->references, 1) == 1) {
        budget_give(d->setup.budget, d->charged);
        buf_release(&d->body);
        buf_release(&d->frames);
        arena_release(&d->texts);
        free(d);
    }
}
