/* event_type: the kinds of events and the topics they live in.
 *
 * One topic per type, never one per event name: <prefix>.identify .. <prefix>.alias,
 * <prefix>.delete, and <prefix>.rejected for what ingest refused but kept
 * (architecture.md, section 2). Pure.
 */
#ifndef COMMON_CONTRACT_EVENT_TYPE_H
#define COMMON_CONTRACT_EVENT_TYPE_H

#include "common/base/view.h"

#include <stdbool.h>

enum event_type {
    EVENT_IDENTIFY,
    EVENT_TRACK,
    EVENT_PAGE,
    EVENT_SCREEN,
    EVENT_GROUP,
    EVENT_ALIAS,
    EVENT_DELETE,
    EVENT_REJECTED, /* a topic, never a value of `type` */
};

#define EVENT_DATA_TYPES                                                                 \
    6 /* identify .. alias: those with a data table of their name                        \
       */
#define EVENT_TYPES 8

/* Topic names: Kafka allows 249 bytes of [a-zA-Z0-9._-]. */
#define TOPIC_NAME_BYTES 250

/* "identify", .., "rejected". */
const char *event_type_name(enum event_type type);

/* The type that `name` says exactly (case counts, as in Segment's spec); false when it is
 * none of the seven. */
bool event_type_parse(struct view name, enum event_type *out);

/* Writes "<prefix>.<type>". The prefix was checked by topic_prefix_is_valid. */
void topic_name_format(const char *prefix, enum event_type type,
                       char out[TOPIC_NAME_BYTES]);

/* The type of a topic of ours; false for others. */
bool topic_name_parse(const char *prefix, struct view topic, enum event_type *out);

/* 1 to 200 bytes of [a-zA-Z0-9._-]. */
bool topic_prefix_is_valid(const char *prefix);

#endif
