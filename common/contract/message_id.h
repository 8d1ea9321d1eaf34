/* message_id: which id an event has: the record's key, and the primary key of its row.
 *
 * `messageId`, else `message_id`, else `messageid`; a number is taken as its text.
 * Missing, empty or no scalar of these kinds: derived from source and exact bytes, so
 * that a sender's retry of the same bytes is the same row. Longer than 255 bytes: its
 * hash (mapping.md, section 4). ingest (key) and loader (column) must agree: both call
 * this. Pure.
 */
#ifndef COMMON_CONTRACT_MESSAGE_ID_H
#define COMMON_CONTRACT_MESSAGE_ID_H

#include "common/contract/json_doc.h"

#define MESSAGE_ID_MAX_BYTES 255
#define MESSAGE_ID_HASH_BYTES 39 /* "sha256:" + 32 hex digits */

struct message_id {
    struct view
        text; /* storable in PostgreSQL; points into the event, the arena, or `hash` */
    const struct json_node *field; /* the member it came from; NULL when derived */
    char hash[MESSAGE_ID_HASH_BYTES + 1];
};

/* The id of the event in `doc` (whose root was recorded with its members), sent by
 * `source_slug`. `out->text` may point into *out. */
void message_id_of_event(const struct json_doc *doc, struct view source_slug,
                         struct arena *arena, struct message_id *out);

/* "sha256:" + the first 32 hex digits of SHA-256(source slug, a 0 byte, bytes): for
 * events without an id and bodies that do not parse. */
void message_id_derive(struct view source_slug, struct view bytes,
                       char out[MESSAGE_ID_HASH_BYTES + 1]);

#endif
