/* schema_name: from a source's name to its slug and its PostgreSQL schema, and what may
 * be a schema of ours.
 *
 * The rule (mapping.md, section 1): lower case; each run of characters outside [a-z0-9]
 * becomes "_"; none at the ends; a leading digit gets "s_" in front; at most 48 bytes.
 * Refused: empty, public, information_schema, pg_*, backstitch. ingest gives names, the
 * loader checks them again: not all who can write to Kafka are us. Pure.
 */
#ifndef COMMON_CONTRACT_SCHEMA_NAME_H
#define COMMON_CONTRACT_SCHEMA_NAME_H

#include "common/base/error.h"
#include "common/base/view.h"

#define SCHEMA_NAME_MAX_BYTES 48
#define SLUG_MAX_BYTES 64

/* "Stitch Segment" -> "stitch_segment". INVALID when nothing usable remains, it is
 * refused or longer than 48 bytes, and says why. */
MUST_CHECK bool schema_name_from(struct view source_name,
                                 char out[SCHEMA_NAME_MAX_BYTES + 1], struct error *err);

/* "Stitch Segment" -> "stitch-segment": lower case with '-' between words. INVALID when
 * empty or longer than 64 bytes. */
MUST_CHECK bool schema_name_slug(struct view source_name, char out[SLUG_MAX_BYTES + 1],
                                 struct error *err);

/* True when `name` is what schema_name_from could have made. */
bool schema_name_is_valid(struct view name);

#endif
