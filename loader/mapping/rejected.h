/* rejected: what _sdc_rejected keeps of an event (mapping.md, section 5). Pure.
 *
 * `record` is the event as sent, made storable: bytes that are no UTF-8, and NUL, become
 * "\xNN". The value of `writeKey`, a credential, is blanked where the event parses: at
 * the event's own level, and in the events of a batch that was kept whole. Only what a
 * size limit refused is cut.
 */
#ifndef LOADER_MAPPING_REJECTED_H
#define LOADER_MAPPING_REJECTED_H

#include "common/base/arena.h"
#include "common/contract/json_doc.h"
#include "common/contract/reject_reason.h"

/* The bytes as text that PostgreSQL stores: the view itself where nothing has to be
 * escaped. */
struct view rejected_storable(struct view bytes, struct arena *arena);

/* True for UTF-8 without NUL. */
bool rejected_is_storable(struct view bytes);

/* "word" or "word: detail". */
struct view rejected_reason(enum reject_reason word, struct view detail,
                            struct arena *arena);

/* The record as it is kept. `doc` is the scanned event; one without nodes: it does not
 * parse. */
struct view rejected_record(const struct json_doc *doc, struct view value,
                            enum reject_reason word, struct arena *arena);

#endif
