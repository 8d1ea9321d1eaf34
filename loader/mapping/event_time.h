/* event_time: which time goes into which of the four time columns (mapping.md, section
 * 4). Pure.
 *
 * Webhook and import events are taken as they are. Events straight from an SDK (api,
 * pixel) get Segment's clock correction: timestamp = receivedAt - (sentAt -
 * originalTimestamp), in whole microseconds. A corrected time outside of the years 0001
 * to 9999 counts as if a part of it were missing: the client's own time stays.
 */
#ifndef LOADER_MAPPING_EVENT_TIME_H
#define LOADER_MAPPING_EVENT_TIME_H

#include "loader/mapping/value.h"

#include "common/contract/record.h"

/* The four columns. */
enum time_column {
    TIME_RECEIVED_AT,
    TIME_SENT_AT,
    TIME_TIMESTAMP,
    TIME_ORIGINAL_TIMESTAMP,
    TIME_COLUMNS,
};

/* What the sender said: NULL where it said nothing. sent[TIME_SENT_AT] is the event's
 * own, else the batch's. */
struct event_time_input {
    enum record_via via;
    int64_t received_at_us; /* our clock, within years 0001 to 9999 */
    const struct value *sent[TIME_COLUMNS];
};

enum time_choice_kind {
    TIME_IS_NULL,
    TIME_IS_VALUE, /* as sent; when it is no time, into the twin */
    TIME_IS_OURS,  /* computed, or our clock */
};

struct time_choice {
    enum time_choice_kind kind;
    const struct value *value;
    int64_t us;
};

/* Chooses for each column. `arena` holds decoded strings. */
void event_time_choose(const struct event_time_input *in, struct arena *arena,
                       struct time_choice out[TIME_COLUMNS]);

/* A value as a time: a string that timestamp_parse accepts. False for NULL too. */
bool event_time_read(const struct value *v, struct arena *arena, int64_t *out_us);

#endif
