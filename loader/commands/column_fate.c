#include "loader/commands/column_fate.h"

#include "loader/mapping/column_name.h"
#include "loader/mapping/fixed_columns.h"

#include <string.h>

/* ---- names ---- */

/* The part of a name before its last "__", where what follows is `len` bytes long; empty
 * when there is none. */
static struct view before_suffix(struct view name, size_t len)
{
    size_t suffix = strlen(COLUMN_NAME_JOIN) + len;
    if (name.len <= suffix ||
        memcmp(name.data + name.len - suffix, COLUMN_NAME_JOIN, 2) != 0) {
        return view_of(NULL, 0);
    }
    return view_of(name.data, name.len - suffix);
}

/* Does some path give this column? Each part between "__" must be what a key gives, and
 * the whole no reserved name. */
static bool is_reachable(struct view name)
{
    struct buf again = { 0 };
    size_t at = 0;
    while (at <= name.len) {
        const char *join = NULL;
        for (size_t i = at; join == NULL && i + 1 < name.len; i++) {
            join = name.data[i] == '_' && name.data[i + 1] == '_' ? name.data + i : NULL;
        }
        size_t end = join == NULL ? name.len : (size_t)(join - name.data);
        buf_add_cstr(&again, at == 0 ? "" : COLUMN_NAME_JOIN);
        column_name_add_segment(&again, view_of(name.data + at, end - at));
        at = end + strlen(COLUMN_NAME_JOIN);
        if (join == NULL) {
            break;
        }
    }
    column_name_finish(&again, name);
    bool is_same = view_equal(buf_view(&again), name);
    buf_release(&again);
    return is_same;
}

/* Stitch's suffixes, by the type that the split column has (its documentation,
 * "Columns with multiple data types"). */
static bool is_split_suffix(struct view name, enum column_type type)
{
    static const struct {
        const char *suffix;
        enum column_type type;
    } known[] = {
        { "bi", COLUMN_BIGINT },      { "in", COLUMN_INTEGER },
        { "sm", COLUMN_SMALLINT },    { "bo", COLUMN_BOOLEAN },
        { "do", COLUMN_DOUBLE },      { "fl", COLUMN_DOUBLE },
        { "de", COLUMN_NUMERIC },     { "st", COLUMN_TEXT },
        { "st", COLUMN_VARCHAR },     { "ts", COLUMN_TIMESTAMPTZ },
        { "dt", COLUMN_TIMESTAMPTZ }, { "da", COLUMN_TIMESTAMPTZ },
        { "js", COLUMN_JSONB },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].type == type && name.len > 2 &&
            memcmp(name.data + name.len - 2, known[i].suffix, 2) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_split(const struct table *t, const struct column *c)
{
    struct view base = before_suffix(c->name, 2);
    if (base.len == 0 || !is_split_suffix(c->name, c->type)) {
        return false;
    }
    if (table_find(t, base) != NULL) {
        return true;
    }
    /* Both halves may have got a suffix: then there is another one. */
    for (size_t i = 0; i < table_column_count(t); i++) {
        const struct column *other = table_column(t, i);
        if (other != c && view_equal(before_suffix(other->name, 2), base) &&
            is_split_suffix(other->name, other->type)) {
            return true;
        }
    }
    return false;
}

enum column_role column_fate_role(const struct table *t, size_t index)
{
    const struct column *c = table_column(t, index);
    struct view twin_of = before_suffix(c->name, 2);
    bool ends_in_st =
        twin_of.len > 0 && memcmp(c->name.data + c->name.len - 4, TWIN_SUFFIX, 4) == 0;
    if (view_equal_cstr(c->name, "message_id")) {
        return COLUMN_IS_KEY;
    }
    if (fixed_column_find(c->name) != FIXED_NONE) {
        return c->name.data[0] == '_' ? COLUMN_IS_SYSTEM : COLUMN_IS_FILLED;
    }
    if (ends_in_st && is_reachable(twin_of)) {
        return COLUMN_IS_TWIN;
    }
    if (is_split(t, c)) {
        return COLUMN_IS_SPLIT;
    }
    return is_reachable(c->name) ? COLUMN_IS_FILLED : COLUMN_IS_FOREIGN;
}

/* ---- words ---- */

/* Where a value goes that does not fit. */
static void add_elsewhere(struct buf *out, const struct table *t, const struct column *c)
{
    struct buf name = { 0 };
    buf_add_view(&name, c->name);
    buf_add_cstr(&name, TWIN_SUFFIX);
    const struct column *twin = table_find(t, buf_view(&name));
    if (twin == NULL || twin->type == COLUMN_TEXT) {
        buf_printf(out, "%s (text%s)", buf_cstr(&name),
                   twin == NULL ? ", made when needed" : "");
    } else {
        buf_printf(out, "_sdc_extra, since %s is not text", buf_cstr(&name));
    }
    buf_release(&name);
}

static void add_taken(struct buf *out, const struct column *c)
{
    switch (c->type) {
    case COLUMN_VARCHAR:
        if (c->max_chars >= 0) {
            buf_printf(out, "takes any value of at most %d characters, as text",
                       (int)c->max_chars);
            return;
        }
        buf_add_cstr(out, "takes any value, as text");
        return;
    case COLUMN_TEXT:
        buf_add_cstr(out, "takes any value, as text");
        return;
    case COLUMN_JSON:
    case COLUMN_JSONB:
        buf_add_cstr(out, "takes any value, as JSON");
        return;
    case COLUMN_NUMERIC:
        buf_add_cstr(out, c->precision > 0 ? "takes numbers that fit without rounding"
                                           : "takes any number, exactly");
        return;
    case COLUMN_SMALLINT:
    case COLUMN_INTEGER:
    case COLUMN_BIGINT:
        buf_add_cstr(out, "takes whole numbers that fit (12.0 is 12)");
        return;
    case COLUMN_DOUBLE:
        buf_add_cstr(out, "takes numbers that it shows again as they were sent");
        return;
    case COLUMN_BOOLEAN:
        buf_add_cstr(out, "takes true and false");
        return;
    case COLUMN_TIMESTAMPTZ:
    case COLUMN_TIMESTAMP:
        buf_add_cstr(out, "takes times, as RFC 3339 writes them");
        return;
    case COLUMN_OTHER:
        buf_add_cstr(out,
                     "takes nothing, since no value converts to its type for certain");
        return;
    }
}

/* Text of any length and JSON leave nothing over. */
static bool takes_all(const struct column *c)
{
    bool is_any_text =
        c->type == COLUMN_TEXT || (c->type == COLUMN_VARCHAR && c->max_chars < 0);
    return !c->is_generated &&
           (is_any_text || c->type == COLUMN_JSON || c->type == COLUMN_JSONB);
}

static void add_filled(struct buf *out, const struct table *t, const struct column *c)
{
    if (c->is_generated) {
        buf_add_cstr(out, "generated: fills itself");
    } else {
        add_taken(out, c);
    }
    if (!takes_all(c)) {
        buf_add_cstr(out, c->is_generated || c->type == COLUMN_OTHER
                              ? "; values of its path go to "
                              : "; other values go to ");
        add_elsewhere(out, t, c);
    }
}

void column_fate_add(struct buf *out, const struct table *t, size_t index)
{
    const struct column *c = table_column(t, index);
    struct view base = before_suffix(c->name, 2);
    switch (column_fate_role(t, index)) {
    case COLUMN_IS_KEY:
        if (c->type == COLUMN_VARCHAR && c->max_chars >= 0) {
            buf_printf(out,
                       "the key; events with ids of more than %d characters are "
                       "rejected",
                       (int)c->max_chars);
        } else {
            buf_add_cstr(out, "the key");
        }
        return;
    case COLUMN_IS_SYSTEM:
        buf_add_cstr(out, "filled by the loader");
        return;
    case COLUMN_IS_TWIN:
        buf_printf(
            out,
            c->type == COLUMN_TEXT
                ? "takes, as text, what %.*s cannot hold"
                : "kept as it is: it is not text, so what %.*s cannot hold goes to "
                  "_sdc_extra",
            VIEW_ARG(base));
        return;
    case COLUMN_IS_SPLIT:
        buf_printf(out, "Stitch's split of %.*s: keeps its values; new ones go to %.*s",
                   VIEW_ARG(base), VIEW_ARG(base));
        return;
    case COLUMN_IS_FOREIGN:
        buf_add_cstr(out, c->has_default || c->is_generated
                              ? "no path gives this name: fills itself"
                              : "no path gives this name: NULL in new rows");
        return;
    case COLUMN_IS_FILLED:
        add_filled(out, t, c);
        return;
    }
}

/* Every row has an id, a type and the system columns, if the column takes them at all. */
bool column_fate_refuses_rows(const struct table *t, size_t index, bool is_not_null)
{
    static const char *const always_filled[] = {
        "message_id",      "type",          "_sdc_received_at",
        "_sdc_batched_at", "_sdc_sequence", "_sdc_table_version",
    };
    const struct column *c = table_column(t, index);
    if (!is_not_null || c->has_default || c->is_generated) {
        return false;
    }
    for (size_t i = 0; i < sizeof always_filled / sizeof always_filled[0]; i++) {
        if (view_equal_cstr(c->name, always_filled[i])) {
            return c->type == COLUMN_OTHER;
        }
    }
    return true;
}
