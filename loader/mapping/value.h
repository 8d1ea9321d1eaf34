/* value: one value on its way into a column: a JSON value, or plain text of ours.
 *
 * A value borrows its bytes: from the event, from a header, from static text. What must
 * be changed to be storable is written to the arena given. Pure.
 */
#ifndef LOADER_MAPPING_VALUE_H
#define LOADER_MAPPING_VALUE_H

#include "loader/mapping/cell.h"

#include "common/base/arena.h"
#include "common/contract/json_doc.h"

struct value {
    enum json_kind kind;
    uint8_t flags; /* enum json_flag */
    bool is_plain; /* `text` is a string's content as it is stored, not JSON */
    struct view text;
};

/* The value of a node. */
struct value value_of_node(const struct json_node *node);

/* A string that is plain UTF-8 without NUL. */
struct value value_of_plain(struct view text);

/* A JSON number, by its text. */
struct value value_of_number(struct view text);

/* What a text column gets: a string's content, made storable; anything else as its JSON
 * text, byte for byte. data is never NULL. */
struct view value_as_text(const struct value *v, struct arena *arena);

/* What a jsonb column gets. */
struct view value_as_json(const struct value *v, struct arena *arena);

/* What a column of this type gets when the value converts exactly; false when it does not
 * (then it belongs into the twin), *out untouched. out->column is the caller's. */
bool value_convert(const struct value *v, const struct column *column,
                   struct arena *arena, struct cell *out);

/* True when storing the value in such a column replaces characters by U+FFFD. */
bool value_is_sanitized_in(const struct value *v, enum column_type type);

/* The type of a new column for the value. */
enum column_type value_natural_type(const struct value *v);

#endif
