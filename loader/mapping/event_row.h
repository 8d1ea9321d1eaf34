/* event_row: what a record puts into its row, in which order (mapping.md, sections 2 to
 * 4). Pure.
 *
 * First the id and the event's own values in the order of the document, then its times,
 * then what its batch says where the event said nothing, then the sender's address, then
 * the system columns. Whether the event is loaded at all is decided before.
 */
#ifndef LOADER_MAPPING_EVENT_ROW_H
#define LOADER_MAPPING_EVENT_ROW_H

#include "loader/mapping/row_builder.h"

#include "common/contract/json_doc.h"
#include "common/contract/record.h"

/* _sdc_sequence is milliseconds x 1,000,000 in a bigint: up to the year 2262. */
#define EVENT_ROW_MAX_MS (INT64_MAX / RECORD_SEQ_LIMIT - 1)

struct event_source {
    const struct record *record;         /* received_at_ms: 0 to EVENT_ROW_MAX_MS */
    const struct json_doc *event;        /* an object */
    const struct json_doc *context;      /* the batch's; no nodes: there is none */
    const struct json_doc *integrations; /* likewise */
    struct view message_id;
    const struct json_node *id_field; /* the event's member it came from, or NULL */
};

/* Puts everything into the row that `b` has begun; sets the row's sequence and times. */
void event_row_put(struct row_builder *b, const struct event_source *source,
                   struct row *out);

#endif
