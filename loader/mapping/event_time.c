#include "loader/mapping/event_time.h"

#include "loader/mapping/timestamp.h"

bool event_time_read(const struct value *v, struct arena *arena, int64_t *out_us)
{
    return v != NULL && v->kind == JSON_STRING &&
           timestamp_parse(value_as_text(v, arena), out_us);
}

static struct time_choice as_sent(const struct value *v)
{
    struct time_choice choice = { v == NULL ? TIME_IS_NULL : TIME_IS_VALUE, v, 0 };
    return choice;
}

static struct time_choice ours(int64_t us)
{
    struct time_choice choice = { TIME_IS_OURS, NULL, us };
    return choice;
}

/* The time of an event whose client said `original`, by our clock. The differences cannot
 * overflow: each time lies within 10,000 years. */
static int64_t corrected(const struct event_time_input *in, const struct value *original,
                         struct arena *arena)
{
    int64_t original_us;
    int64_t sent_us;
    if (!event_time_read(original, arena, &original_us)) {
        return in->received_at_us;
    }
    if (!event_time_read(in->sent[TIME_SENT_AT], arena, &sent_us)) {
        return original_us;
    }
    int64_t us = in->received_at_us - (sent_us - original_us);
    return timestamp_is_in_range(us) ? us : original_us;
}

/* Webhook and import: Segment has corrected already, and an import's receipt is long ago.
 */
void event_time_choose(const struct event_time_input *in, struct arena *arena,
                       struct time_choice out[TIME_COLUMNS])
{
    for (unsigned i = 0; i < TIME_COLUMNS; i++) {
        out[i] = as_sent(in->sent[i]);
    }
    if (in->via != VIA_API && in->via != VIA_PIXEL) {
        return;
    }
    out[TIME_RECEIVED_AT] = ours(in->received_at_us);
    const struct value *client = in->sent[TIME_TIMESTAMP];
    const struct value *original = in->sent[TIME_ORIGINAL_TIMESTAMP];
    if (client != NULL && original != NULL) {
        return; /* a sender that corrects by itself: both stay */
    }
    if (original == NULL) {
        original = client;
    }
    out[TIME_ORIGINAL_TIMESTAMP] = as_sent(original);
    out[TIME_TIMESTAMP] = ours(corrected(in, original, arena));
}
