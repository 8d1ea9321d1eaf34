/* escape: text from outside, made safe to stand between quotes in a log line or message.
 *
 * Senders and operators choose these bytes; no value may end its quotes, begin a line, or
 * steer a terminal. Invalid UTF-8 becomes U+FFFD, byte by byte. Pure.
 */
#ifndef COMMON_BASE_ESCAPE_H
#define COMMON_BASE_ESCAPE_H

#include "common/base/buf.h"
#include "common/base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define ESCAPE_REPLACEMENT 0xfffdu

/* Reads the first character of `text` (not empty) into *out_char and returns its length
 * in bytes; U+FFFD and 1 when it is not valid UTF-8 (RFC 3629). */
size_t escape_next_char(struct view text, uint32_t *out_char);

/* Appends the character as UTF-8. */
void escape_add_char(struct buf *out, uint32_t c);

/* Appends the text with JSON's escapes, without the quotes around it. Quotes,
 * backslashes, control characters and those that reorder or hide text are escaped. Texts
 * of more than `max_bytes` are cut at a character and end in U+2026. */
void escape_add_text(struct buf *out, struct view text, size_t max_bytes);

/* True when escape_add_text would leave the text as it is. */
bool escape_is_plain(struct view text);

#endif
