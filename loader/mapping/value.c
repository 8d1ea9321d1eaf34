#include "loader/mapping/value.h"

#include "loader/mapping/number.h"
#include "loader/mapping/timestamp.h"

#include "common/contract/json_text.h"

#include <inttypes.h>
#include <stdio.h>

struct value value_of_node(const struct json_node *node)
{
    struct value v = { (enum json_kind)node->kind, node->flags, false, node->text };
    return v;
}

struct value value_of_plain(struct view text)
{
    struct value v = { JSON_STRING, 0, true, text };
    return v;
}

struct value value_of_number(struct view text)
{
    struct value v = { JSON_NUMBER, 0, false, text };
    return v;
}

/* Empty text is a value too: only a cell that is not there is NULL. */
static struct view never_null(struct view text)
{
    return text.data == NULL ? view_of("", 0) : text;
}

struct view value_as_text(const struct value *v, struct arena *arena)
{
    if (v->kind != JSON_STRING || v->is_plain) {
        return never_null(v->text);
    }
    if ((v->flags & JSON_HAS_ESCAPE) == 0) {
        return view_of(v->text.data + 1, v->text.len - 2);
    }
    return never_null(json_text_decode_storable(v->text, arena));
}

struct view value_as_json(const struct value *v, struct arena *arena)
{
    if (v->is_plain) {
        struct buf quoted;
        buf_init(&quoted, 0);
        json_text_add_string(&quoted, v->text);
        struct view json = arena_copy(arena, buf_view(&quoted));
        buf_release(&quoted);
        return json;
    }
    if ((v->flags & (JSON_IS_UNSTORABLE | JSON_HAS_HUGE_NUMBER)) == 0) {
        return v->text;
    }
    return json_text_jsonb(v->text, arena);
}

/* varchar(n) counts characters; most texts are short enough in bytes already. */
static bool fits_varchar(struct view text, int32_t max_chars)
{
    if (max_chars < 0 || text.len <= (size_t)max_chars) {
        return true;
    }
    size_t chars = 0;
    for (size_t i = 0; i < text.len; i++) {
        chars += ((unsigned char)text.data[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return chars <= (size_t)max_chars;
}

/* PostgreSQL would cut trailing spaces that do not fit; we never hand them over. */
static bool convert_text(const struct value *v, const struct column *column,
                         struct arena *arena, struct view *out)
{
    struct view text = value_as_text(v, arena);
    if (column->type == COLUMN_VARCHAR && !fits_varchar(text, column->max_chars)) {
        return false;
    }
    *out = text;
    return true;
}

/* True for "12" and "-3": what is converted from it reads the same. */
static bool is_plain_integer(struct view number)
{
    for (size_t i = number.data[0] == '-' ? 1 : 0; i < number.len; i++) {
        if (number.data[i] < '0' || number.data[i] > '9') {
            return false;
        }
    }
    return !view_equal_cstr(number, "-0");
}

static bool convert_integer(const struct value *v, int64_t min, int64_t max,
                            struct arena *arena, struct view *out)
{
    if (v->kind != JSON_NUMBER) {
        return false;
    }
    struct number number;
    int64_t integer;
    number_read(v->text, &number);
    if (!number_to_integer(&number, min, max, &integer)) {
        return false;
    }
    if (is_plain_integer(v->text)) {
        *out = v->text;
        return true;
    }
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRId64, integer);
    *out = arena_copy(arena, view_of(text, (size_t)len));
    return true;
}

/* The text as sent: PostgreSQL rounds it to the same double as we did. */
static bool convert_double(const struct value *v, struct view *out)
{
    if (v->kind != JSON_NUMBER) {
        return false;
    }
    struct number number;
    number_read(v->text, &number);
    if (!number_fits_double(&number)) {
        return false;
    }
    *out = v->text;
    return true;
}

/* Only whole microseconds: in a column that is not one of the four, cutting is not exact.
 */
static bool convert_time(const struct value *v, struct arena *arena, int64_t *out_us)
{
    int64_t us;
    bool is_exact;
    if (v->kind != JSON_STRING ||
        !timestamp_parse_exactly(value_as_text(v, arena), &us, &is_exact) || !is_exact) {
        return false;
    }
    *out_us = us;
    return true;
}

/* The digits stay as sent: numeric keeps trailing zeros. */
static bool convert_numeric(const struct value *v, const struct column *column,
                            struct view *out)
{
    if (v->kind != JSON_NUMBER || (v->flags & JSON_HAS_HUGE_NUMBER) != 0) {
        return false;
    }
    if (column->precision > 0) {
        struct number number;
        number_read(v->text, &number);
        if (!number_fits_numeric(&number, column->precision, column->scale)) {
            return false;
        }
    }
    *out = v->text;
    return true;
}

/* PostgreSQL's own output form. */
static bool convert_boolean(const struct value *v, struct view *out)
{
    if (v->kind != JSON_TRUE && v->kind != JSON_FALSE) {
        return false;
    }
    *out = view_cstr(v->kind == JSON_TRUE ? "t" : "f");
    return true;
}

/* All types but times. */
static bool convert_to_text(const struct value *v, const struct column *column,
                            struct arena *arena, struct view *out)
{
    switch (column->type) {
    case COLUMN_TEXT:
    case COLUMN_VARCHAR:
        return convert_text(v, column, arena, out);
    case COLUMN_NUMERIC:
        return convert_numeric(v, column, out);
    case COLUMN_BOOLEAN:
        return convert_boolean(v, out);
    case COLUMN_SMALLINT:
        return convert_integer(v, INT16_MIN, INT16_MAX, arena, out);
    case COLUMN_INTEGER:
        return convert_integer(v, INT32_MIN, INT32_MAX, arena, out);
    case COLUMN_BIGINT:
        return convert_integer(v, INT64_MIN, INT64_MAX, arena, out);
    case COLUMN_DOUBLE:
        return convert_double(v, out);
    case COLUMN_JSON:
    case COLUMN_JSONB:
        *out = value_as_json(v, arena);
        return true;
    case COLUMN_TIMESTAMPTZ:
    case COLUMN_TIMESTAMP:
    case COLUMN_OTHER:
    default:
        return false;
    }
}

bool value_convert(const struct value *v, const struct column *column,
                   struct arena *arena, struct cell *out)
{
    if (column->is_generated) {
        return false;
    }
    bool is_time = column->type == COLUMN_TIMESTAMPTZ || column->type == COLUMN_TIMESTAMP;
    if (is_time ? convert_time(v, arena, &out->us)
                : convert_to_text(v, column, arena, &out->text)) {
        out->kind = is_time ? CELL_TIME : CELL_TEXT;
        return true;
    }
    return false;
}

bool value_is_sanitized_in(const struct value *v, enum column_type type)
{
    if ((v->flags & JSON_IS_UNSTORABLE) == 0) {
        return false;
    }
    return v->kind == JSON_STRING || type == COLUMN_JSON || type == COLUMN_JSONB;
}

enum column_type value_natural_type(const struct value *v)
{
    switch (v->kind) {
    case JSON_NUMBER:
        return COLUMN_NUMERIC;
    case JSON_TRUE:
    case JSON_FALSE:
        return COLUMN_BOOLEAN;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return COLUMN_JSONB;
    case JSON_STRING:
    case JSON_NULL:
    default:
        return COLUMN_TEXT;
    }
}
