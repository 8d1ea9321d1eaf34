#include "loader/mapping/event_row.h"

#include "loader/mapping/context_ip.h"
#include "loader/mapping/event_time.h"
#include "loader/mapping/flatten.h"

#define US_PER_MS 1000

/* Where in the document a time was: the client's timestamp may be on its way into
 * original_timestamp. PATH_ROOT: it is the batch's, or ours. */
static uint32_t path_of(const struct flatten_event *event, const struct value *v)
{
    for (unsigned i = 0; i < TIME_COLUMNS; i++) {
        if (v == &event->times[i]) {
            return event->time_paths[i];
        }
    }
    return PATH_ROOT;
}

/* A time that can be read goes in as a time, any other value takes the way of all values.
 * Returns the time; where there is none, `otherwise`. */
static int64_t put_time(struct row_builder *b, const struct flatten_event *event,
                        enum fixed_column column, const struct time_choice *choice,
                        int64_t otherwise)
{
    int64_t us = choice->us;
    uint32_t path = path_of(event, choice->value);
    if (choice->kind == TIME_IS_OURS || event_time_read(choice->value, b->arena, &us)) {
        row_builder_put_time(b, column, us, path, choice->value);
        return us;
    }
    if (choice->kind == TIME_IS_VALUE) {
        row_builder_put_fixed(b, column, path, choice->value);
    }
    return otherwise;
}

/* Puts the four times; one the correction has no column for goes to _sdc_extra. Returns
 * since when the event has been. */
static int64_t put_times(struct row_builder *b, const struct event_source *s,
                         const struct flatten_event *event)
{
    static const enum fixed_column columns[TIME_COLUMNS] = {
        [TIME_RECEIVED_AT] = FIXED_RECEIVED_AT,
        [TIME_SENT_AT] = FIXED_SENT_AT,
        [TIME_TIMESTAMP] = FIXED_TIMESTAMP,
        [TIME_ORIGINAL_TIMESTAMP] = FIXED_ORIGINAL_TIMESTAMP,
    };
    struct value batch_sent_at = value_of_plain(s->record->sent_at);
    struct event_time_input in = {
        .via = s->record->via,
        .received_at_us = s->record->received_at_ms * US_PER_MS,
    };
    for (unsigned i = 0; i < TIME_COLUMNS; i++) {
        in.sent[i] = event->time_paths[i] == PATH_ROOT ? NULL : &event->times[i];
    }
    if (in.sent[TIME_SENT_AT] == NULL && s->record->sent_at.len > 0) {
        in.sent[TIME_SENT_AT] = &batch_sent_at;
    }
    struct time_choice choices[TIME_COLUMNS];
    event_time_choose(&in, b->arena, choices);
    int64_t since = in.received_at_us;
    for (unsigned i = 0; i < TIME_COLUMNS; i++) {
        int64_t us = put_time(b, event, columns[i], &choices[i], since);
        bool counts = i == TIME_RECEIVED_AT || i == TIME_TIMESTAMP;
        since = counts && us < since ? us : since;
    }
    if (choices[TIME_RECEIVED_AT].kind == TIME_IS_OURS &&
        in.sent[TIME_RECEIVED_AT] != NULL) {
        row_builder_put_extra(b, event->time_paths[TIME_RECEIVED_AT],
                              &event->times[TIME_RECEIVED_AT]);
    }
    return since;
}

/* What the batch says for all its events, and the address that ingest saw. */
static void put_batch(struct row_builder *b, const struct event_source *s)
{
    const struct record *r = s->record;
    uint32_t context = paths_child(b->paths, PATH_ROOT, view_cstr("context"));
    flatten_batch(b, s->context, context);
    uint32_t integrations = paths_child(b->paths, PATH_ROOT, view_cstr("integrations"));
    flatten_batch(b, s->integrations, integrations);

    bool is_direct = r->via == VIA_API || r->via == VIA_PIXEL;
    if (is_direct && r->ip.len > 0 &&
        context_ip_is_sender(s->event, s->context, b->arena)) {
        uint32_t ip = paths_child(b->paths, context, view_cstr("ip"));
        struct value address = value_of_plain(r->ip);
        if (!paths_get(b->paths, ip)->is_ignored) {
            row_builder_put_if_empty(b, ip, &address);
        }
    }
    uint32_t type = paths_child(b->paths, PATH_ROOT, view_cstr("type"));
    struct value name = value_of_plain(view_cstr(event_type_name(r->topic)));
    row_builder_put_if_empty(b, type, &name);
}

/* Import keeps the order of the first receipt: the event's own receivedAt. */
static int64_t sequence_of(struct row_builder *b, const struct event_source *s,
                           const struct flatten_event *event)
{
    const struct record *r = s->record;
    int64_t us;
    if (r->via == VIA_IMPORT && event->time_paths[TIME_RECEIVED_AT] != PATH_ROOT &&
        event_time_read(&event->times[TIME_RECEIVED_AT], b->arena, &us) && us >= 0 &&
        us / US_PER_MS <= EVENT_ROW_MAX_MS) {
        return us / US_PER_MS * RECORD_SEQ_LIMIT + (int64_t)r->seq;
    }
    return record_sequence(r);
}

/* _sdc_batched_at is the database's: the start of the load transaction. */
static void put_system_columns(struct row_builder *b, const struct event_source *s,
                               int64_t sequence)
{
    row_builder_put_time(b, FIXED_SDC_RECEIVED_AT, s->record->received_at_ms * US_PER_MS,
                         PATH_ROOT, NULL);
    row_builder_put_integer(b, FIXED_SDC_SEQUENCE, sequence);
    row_builder_put_integer(b, FIXED_SDC_TABLE_VERSION, MAPPING_VERSION);
}

void event_row_put(struct row_builder *b, const struct event_source *s, struct row *out)
{
    struct flatten_event event = { .id_field = s->id_field };
    struct value id = value_of_plain(s->message_id);
    id.flags = s->id_field == NULL ? 0 : s->id_field->flags; /* counted when sanitized */
    row_builder_put_fixed(b, FIXED_MESSAGE_ID, PATH_ROOT, &id);
    flatten_event(b, s->event, &event);
    out->since_us = put_times(b, s, &event);
    out->received_at_us = s->record->received_at_ms * US_PER_MS;
    put_batch(b, s);
    out->sequence = sequence_of(b, s, &event);
    put_system_columns(b, s, out->sequence);
}
