#include "loader/postgres/table_reader.h"

#include "common/base/mem.h"
#include "common/base/parse.h"

#include <stdlib.h>
#include <string.h>

struct type_name {
    const char *name;
    enum column_type type;
};

/* As format_type prints them. What is not listed is COLUMN_OTHER: real, date, uuid, .. no
 * value is certain to convert exactly. */
static const struct type_name type_names[] = {
    { "text", COLUMN_TEXT },
    { "character varying", COLUMN_VARCHAR },
    { "numeric", COLUMN_NUMERIC },
    { "smallint", COLUMN_SMALLINT },
    { "integer", COLUMN_INTEGER },
    { "bigint", COLUMN_BIGINT },
    { "double precision", COLUMN_DOUBLE },
    { "boolean", COLUMN_BOOLEAN },
    { "timestamp with time zone", COLUMN_TIMESTAMPTZ },
    { "timestamp without time zone", COLUMN_TIMESTAMP },
    { "json", COLUMN_JSON },
    { "jsonb", COLUMN_JSONB },
};

static enum column_type type_named(struct view name)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++) {
        if (view_equal_cstr(name, type_names[i].name)) {
            return type_names[i].type;
        }
    }
    return COLUMN_OTHER;
}

static bool read_size(struct view text, uint64_t max, uint64_t *out)
{
    struct error err;
    return parse_u64(text, out, &err) && *out <= max;
}

/* What stands in the brackets of "character varying(20)" and "numeric(10,2)". Other types
 * with a size (bit(3), timestamp(3) ..) would cut or round. */
static bool read_sizes(struct view sizes, struct column *out)
{
    const char *comma = memchr(sizes.data, ',', sizes.len);
    size_t first = comma == NULL ? sizes.len : (size_t)(comma - sizes.data);
    uint64_t size = 0;
    uint64_t scale = 0;
    if (!read_size(view_of(sizes.data, first), INT32_MAX, &size) ||
        (comma != NULL && !read_size(view_skip(sizes, first + 1), INT16_MAX, &scale))) {
        return false;
    }
    if (out->type == COLUMN_VARCHAR) {
        out->max_chars = (int32_t)size;
        return comma == NULL;
    }
    out->precision = (int16_t)size;
    out->scale = (int16_t)scale;
    return out->type == COLUMN_NUMERIC && size > 0 && size <= INT16_MAX;
}

void table_reader_type(struct view type_name, struct column *out)
{
    const char *bracket = memchr(type_name.data, '(', type_name.len);
    out->max_chars = -1;
    out->precision = 0;
    out->scale = 0;
    if (bracket == NULL) {
        out->type = type_named(type_name);
        return;
    }
    size_t base = (size_t)(bracket - type_name.data);
    out->type = type_named(view_of(type_name.data, base));
    struct view sizes = view_skip(type_name, base + 1);
    if (sizes.len == 0 || sizes.data[sizes.len - 1] != ')' ||
        !read_sizes(view_of(sizes.data, sizes.len - 1), out)) {
        out->type = COLUMN_OTHER;
    }
}

const char *table_reader_sql_type(enum column_type type)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++) {
        if (type_names[i].type == type) {
            return type_names[i].name;
        }
    }
    mem_panic(__FILE__, __LINE__, "a column of ours has no type of another's");
}

/* One row per live column; the table's own facts are repeated in each. Partitioned tables
 * ('p') are taken as tables. Columns and fingerprint are of one snapshot; MATERIALIZED:
 * the fingerprint reads all columns, so once per row it took 2 s for 800 of them. */
static const char read_sql[] =
    "WITH t AS MATERIALIZED ("
    "    SELECT c.oid, backstitch.table_fingerprint(c.oid) AS fingerprint"
    "      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    "     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p'))"
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod),"
    "       a.attgenerated <> '' OR a.attidentity <> '', a.atthasdef, t.fingerprint"
    "  FROM t JOIN pg_attribute a"
    "    ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " ORDER BY a.attnum";

/* Natural columns of the last hour, once the table is older than a day (architecture.md,
 * section 4); else -1. Twins and fixed columns are not counted: they are recorded without
 * their being natural. */
static const char growth_sql[] =
    "SELECT CASE WHEN min(at) < now() - interval '1 day'"
    "            THEN count(*) FILTER (WHERE is_natural AND at > now() - interval '1 "
    "hour')"
    "            ELSE -1 END"
    "  FROM backstitch.schema_change WHERE \"schema\" = $1 AND \"table\" = $2";

static bool read_growth(struct connection *c, const char *const *where, uint64_t per_hour,
                        size_t *out_left, struct error *err)
{
    struct pg_result *r = NULL;
    if (!connection_query(c, growth_sql, 2, where, &r, err)) {
        return false;
    }
    int64_t used = connection_field_i64(r, 0, 0);
    connection_free(r);
    if (used < 0) {
        *out_left = SIZE_MAX;
    } else {
        *out_left = (uint64_t)used >= per_hour ? 0 : (size_t)(per_hour - (uint64_t)used);
    }
    return true;
}

static struct table *table_of(const struct pg_result *r, struct table_setup *setup)
{
    int count = connection_rows(r);
    struct column *columns = mem_calloc((size_t)count, sizeof *columns);
    for (int i = 0; i < count; i++) {
        columns[i].name = connection_field(r, i, 0);
        table_reader_type(connection_field(r, i, 1), &columns[i]);
        columns[i].is_generated = view_equal_cstr(connection_field(r, i, 2), "t");
        columns[i].has_default = view_equal_cstr(connection_field(r, i, 3), "t");
    }
    setup->columns = columns;
    setup->column_count = (size_t)count;
    setup->exists = count > 0;
    setup->fingerprint = count > 0 ? connection_field(r, 0, 4) : view_of(NULL, 0);
    struct table *table = table_new(setup);
    free(columns);
    return table;
}

bool table_reader_read(struct connection *c, struct view schema, struct view name,
                       uint64_t new_columns_per_hour, struct table **out,
                       struct error *err)
{
    char *schema_text = mem_strdup_view(schema);
    char *name_text = mem_strdup_view(name);
    const char *const where[] = { schema_text, name_text };
    struct table_setup setup = { .schema = schema, .name = name };
    struct pg_result *r = NULL;
    bool done = read_growth(c, where, new_columns_per_hour, &setup.growth_left, err) &&
                connection_query(c, read_sql, 2, where, &r, err);
    if (done) {
        *out = table_of(r, &setup);
    }
    connection_free(r);
    free(schema_text);
    free(name_text);
    return done;
}
