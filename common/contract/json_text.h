/* json_text: between JSON's spelling of strings and plain bytes.
 *
 * Input is text that json_doc accepted. Results live in the arena, or are views of the
 * input where nothing had to be changed. Pure.
 */
#ifndef COMMON_CONTRACT_JSON_TEXT_H
#define COMMON_CONTRACT_JSON_TEXT_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/view.h"

/* The decoded bytes of a JSON string (given with its quotes): UTF-8, \u0000 as a NUL
 * byte, lone surrogates as U+FFFD. */
struct view json_text_decode(struct view string_with_quotes, struct arena *arena);

/* The same, made storable in PostgreSQL: NUL becomes U+FFFD too. */
struct view json_text_decode_storable(struct view string_with_quotes,
                                      struct arena *arena);

/* Plain bytes with NUL replaced by U+FFFD; the view itself when it holds none. */
struct view json_text_storable(struct view plain, struct arena *arena);

/* A JSON value's text that jsonb accepts: escapes \u0000 and lone surrogates inside
 * become \ufffd, numbers of more than 400 digits before or after the point become
 * strings; everything else stays byte for byte. */
struct view json_text_jsonb(struct view value, struct arena *arena);

/* True when the JSON number `text`, written out, has more than 400 digits before or after
 * the point. */
bool json_text_is_huge_number(struct view text);

/* Appends `plain` (UTF-8) as a JSON string with quotes: control characters, '"' and '\\'
 * escaped. */
void json_text_add_string(struct buf *out, struct view plain);

#endif
