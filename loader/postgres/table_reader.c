#include "loader/postgres/table_reader.h"

#include "loader/mapping/table_fault.h"

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

/* One row per live column (one without columns: a row of NULLs); the table's own facts
 * are repeated in each. Whatever has the name is found, tables or not: nothing else can
 * be made there. Columns and facts are of one snapshot; MATERIALIZED: the fingerprint
 * reads all columns, so once per row it took 2 s for 800 of them. The key: ON CONFLICT
 * infers neither partial nor deferrable nor invalid indexes; under a nondeterministic
 * collation two ids could be one. */
#define FACTS_SQL(fingerprint)                                                           \
    "WITH t AS MATERIALIZED ("                                                           \
    "    SELECT c.oid, " fingerprint " AS fingerprint, c.relkind,"                       \
    "           EXISTS (SELECT FROM pg_index i JOIN pg_attribute k"                      \
    "                     ON k.attrelid = i.indrelid AND k.attnum = i.indkey[0]"         \
    "                    WHERE i.indrelid = c.oid AND k.attname = 'message_id'"          \
    "                      AND i.indisunique AND i.indimmediate AND i.indisvalid"        \
    "                      AND i.indnkeyatts = 1 AND i.indpred IS NULL"                  \
    "                      AND NOT EXISTS (SELECT FROM pg_collation l"                   \
    "                                       WHERE l.oid = i.indcollation[0]"             \
    "                                         AND NOT l.collisdeterministic)) AS "       \
    "has_key,"                                                                           \
    "           EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid"               \
    "                      AND w.ev_type IN ('2', '3')) AS has_rules,"                   \
    "           row_security_active(c.oid) AS has_row_security,"                         \
    "           has_schema_privilege(n.oid, 'USAGE') AS may_use,"                        \
    "           has_table_privilege(c.oid, 'SELECT') AS may_select,"                     \
    "           has_table_privilege(c.oid, 'INSERT') AS may_insert,"                     \
    "           has_table_privilege(c.oid, 'UPDATE') AS may_update,"                     \
    "           pg_has_role(c.relowner, 'USAGE') AS may_alter"                           \
    "      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"                \
    "     WHERE n.nspname = $1 AND c.relname = $2)"                                      \
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod),"                            \
    "       a.attgenerated <> '' OR a.attidentity <> '', a.atthasdef, t.*"               \
    "  FROM t LEFT JOIN pg_attribute a"                                                  \
    "    ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped"                  \
    " ORDER BY a.attnum"

/* The fields of a row, in its order. */
enum field {
    FIELD_NAME,
    FIELD_TYPE,
    FIELD_IS_GENERATED,
    FIELD_HAS_DEFAULT,
    FIELD_OID,
    FIELD_FINGERPRINT,
    FIELD_KIND,
    FIELD_HAS_KEY,
    FIELD_HAS_RULES,
    FIELD_HAS_ROW_SECURITY,
    FIELD_MAY_USE,
    FIELD_MAY_SELECT,
    FIELD_MAY_INSERT,
    FIELD_MAY_UPDATE,
    FIELD_MAY_ALTER,
};

static const char read_sql[] = FACTS_SQL("backstitch.table_fingerprint(c.oid)");
static const char look_sql[] = FACTS_SQL("''");

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

static bool is_true(const struct pg_result *r, int row, enum field field)
{
    return view_equal_cstr(connection_field(r, row, (int)field), "t");
}

/* Ids of any length up to a varchar's own can be keys. */
static bool is_id(const struct column *c)
{
    return view_equal_cstr(c->name, "message_id") && !c->is_generated &&
           (c->type == COLUMN_TEXT || c->type == COLUMN_VARCHAR);
}

/* A sequence needs all of a bigint's digits to order copies; the time of the load is the
 * database's now(). */
static bool is_odd(const struct column *c)
{
    if (view_equal_cstr(c->name, "_sdc_sequence")) {
        bool is_wide_numeric = c->type == COLUMN_NUMERIC && c->precision == 0;
        return c->is_generated || (c->type != COLUMN_BIGINT && !is_wide_numeric);
    }
    return view_equal_cstr(c->name, "_sdc_batched_at") &&
           (c->is_generated ||
            (c->type != COLUMN_TIMESTAMPTZ && c->type != COLUMN_TIMESTAMP));
}

static unsigned column_faults(const struct table_setup *setup)
{
    bool has_id = false;
    bool has_odd = false;
    for (size_t i = 0; i < setup->column_count; i++) {
        has_id = has_id || is_id(&setup->columns[i]);
        has_odd = has_odd || is_odd(&setup->columns[i]);
    }
    return (has_id ? 0 : (unsigned)TABLE_HAS_NO_ID) |
           (has_odd ? (unsigned)TABLE_HAS_ODD_COLUMNS : 0);
}

/* Partitioned tables ('p') are taken as tables. */
static unsigned faults_of(const struct pg_result *r, const struct table_setup *setup)
{
    static const struct {
        enum field field;
        bool is_fine;
        enum table_fault fault;
    } facts[] = {
        { FIELD_HAS_KEY, true, TABLE_HAS_NO_KEY },
        { FIELD_HAS_RULES, false, TABLE_HAS_RULES },
        { FIELD_HAS_ROW_SECURITY, false, TABLE_HAS_ROW_SECURITY },
        { FIELD_MAY_USE, true, TABLE_SCHEMA_IS_CLOSED },
        { FIELD_MAY_SELECT, true, TABLE_REFUSES_SELECT },
        { FIELD_MAY_INSERT, true, TABLE_REFUSES_INSERT },
        { FIELD_MAY_UPDATE, true, TABLE_REFUSES_UPDATE },
        { FIELD_MAY_ALTER, true, TABLE_REFUSES_ALTER },
    };
    struct view kind = connection_field(r, 0, FIELD_KIND);
    if (!view_equal_cstr(kind, "r") && !view_equal_cstr(kind, "p")) {
        return TABLE_IS_NO_TABLE;
    }
    unsigned faults = column_faults(setup);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        if (is_true(r, 0, facts[i].field) != facts[i].is_fine) {
            faults |= (unsigned)facts[i].fault;
        }
    }
    return faults;
}

static size_t read_columns(const struct pg_result *r, struct column *columns)
{
    size_t count = 0;
    for (int i = 0; i < connection_rows(r); i++) {
        if (connection_field_is_null(r, i, FIELD_NAME)) {
            continue;
        }
        struct column *c = &columns[count++];
        c->name = connection_field(r, i, FIELD_NAME);
        table_reader_type(connection_field(r, i, FIELD_TYPE), c);
        c->is_generated = is_true(r, i, FIELD_IS_GENERATED);
        c->has_default = is_true(r, i, FIELD_HAS_DEFAULT);
    }
    return count;
}

static struct table *table_of(const struct pg_result *r, struct table_setup *setup)
{
    struct column *columns = mem_calloc((size_t)connection_rows(r), sizeof *columns);
    setup->columns = columns;
    setup->column_count = read_columns(r, columns);
    setup->exists = connection_rows(r) > 0;
    if (setup->exists) {
        setup->fingerprint = connection_field(r, 0, FIELD_FINGERPRINT);
        setup->is_partitioned = view_equal_cstr(connection_field(r, 0, FIELD_KIND), "p");
        setup->faults = faults_of(r, setup);
    }
    struct table *table = table_new(setup);
    free(columns);
    return table;
}

bool table_reader_look(struct connection *c, const char *schema, const char *name,
                       struct table **out, struct error *err)
{
    const char *const where[] = { schema, name };
    struct table_setup setup = { .schema = view_cstr(schema),
                                 .name = view_cstr(name),
                                 .growth_left = SIZE_MAX };
    struct pg_result *r = NULL;
    if (!connection_query(c, look_sql, 2, where, &r, err)) {
        return false;
    }
    *out = table_of(r, &setup);
    connection_free(r);
    return true;
}

/* Read after the fingerprint, which covers them: what changes in between is noticed by
 * the next check of it. */
static bool read_demoted(struct connection *c, const char *const *where,
                         struct pg_result **out_result, struct view **out_names,
                         struct error *err)
{
    static const char sql[] = "SELECT \"column\" FROM backstitch.demoted_column"
                              " WHERE \"schema\" = $1 AND \"table\" = $2";
    if (!connection_query(c, sql, 2, where, out_result, err)) {
        return false;
    }
    int count = connection_rows(*out_result);
    *out_names = mem_calloc((size_t)count, sizeof **out_names);
    for (int i = 0; i < count; i++) {
        (*out_names)[i] = connection_field(*out_result, i, 0);
    }
    return true;
}

bool table_reader_read(struct connection *c, struct view schema, struct view name,
                       uint64_t new_columns_per_hour, struct table **out,
                       struct error *err)
{
    char *schema_text = mem_strdup_view(schema);
    char *name_text = mem_strdup_view(name);
    const char *const where[] = { schema_text, name_text };
    struct table_setup setup = { .schema = schema, .name = name };
    struct pg_result *facts = NULL;
    struct pg_result *demoted = NULL;
    struct view *names = NULL;
    bool done = read_growth(c, where, new_columns_per_hour, &setup.growth_left, err) &&
                connection_query(c, read_sql, 2, where, &facts, err) &&
                read_demoted(c, where, &demoted, &names, err);
    if (done) {
        setup.demoted = names;
        setup.demoted_count = (size_t)connection_rows(demoted);
        *out = table_of(facts, &setup);
    }
    free(names);
    connection_free(facts);
    connection_free(demoted);
    free(schema_text);
    free(name_text);
    return done;
}
