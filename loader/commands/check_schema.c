/* check_schema: what `check --schema` tells of tables that are there already, whoever
 * made them, and what is wrong with their rights and keys. */
#include "loader/commands/check.h"
#include "loader/commands/column_fate.h"
#include "loader/mapping/fixed_columns.h"
#include "loader/postgres/table_advice.h"
#include "loader/postgres/table_reader.h"

#include "common/contract/schema_name.h"

#include <stdio.h>
#include <stdlib.h>

/* One row: may the role use the schema, and make tables in it? No row: there is none. */
static const char schema_sql[] =
    "SELECT has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'),"
    " quote_ident(n.nspname) FROM pg_namespace n WHERE n.nspname = $1";

/* In the order of table_reader. */
static const char columns_sql[] =
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull"
    "  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped"
    " ORDER BY a.attnum";

/* _sdc_rejected, if it is there: may it be written; is it ours, or has it all its columns
 * (Stitch's lacks six)? */
static const char rejected_sql[] =
    "SELECT has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
    " AND has_table_privilege(c.oid, 'UPDATE'),"
    " pg_has_role(c.relowner, 'USAGE') OR (SELECT count(*) >= 10 FROM pg_attribute a"
    " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),"
    " c.oid::regclass::text"
    "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = '_sdc_rejected'";

/* What lies beside our tables: Stitch's sub-tables (`track__properties__products`), its
 * own notes, other people's. */
static const char others_sql[] =
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND NOT c.relispartition AND c.relname <> '_sdc_rejected'"
    " AND c.relname <> ALL ('{identify,track,page,screen,group,alias}') ORDER BY 1";

static bool ask(const struct check *c, const char *sql, int count,
                const char *const *values, struct pg_result **out)
{
    struct error err;
    if (!connection_query(c->connection, sql, count, values, out, &err)) {
        findings_add(c->findings, "schema", false, "%s", err.text);
        return false;
    }
    return true;
}

/* ---- rights ---- */

/* The schema's own rights; *out_exists. */
static void check_use(const struct check *c, const char *schema, bool *out_exists)
{
    const char *const name[] = { schema };
    struct pg_result *r = NULL;
    *out_exists = false;
    if (!ask(c, schema_sql, 1, name, &r)) {
        return;
    }
    *out_exists = connection_rows(r) > 0;
    if (*out_exists && !view_equal_cstr(connection_field(r, 0, 0), "t")) {
        findings_add(c->findings, "rights", false,
                     "the role may not use the schema: GRANT USAGE ON SCHEMA %.*s TO %s",
                     VIEW_ARG(connection_field(r, 0, 2)), c->names.role);
    }
    if (*out_exists && !view_equal_cstr(connection_field(r, 0, 1), "t")) {
        findings_add(
            c->findings, "rights", false,
            "the role may not make tables there: GRANT CREATE ON SCHEMA %.*s TO %s",
            VIEW_ARG(connection_field(r, 0, 2)), c->names.role);
    }
    connection_free(r);
}

static void check_rejected(const struct check *c, const char *schema)
{
    const char *const name[] = { schema };
    struct pg_result *r = NULL;
    if (!ask(c, rejected_sql, 1, name, &r)) {
        return;
    }
    bool exists = connection_rows(r) > 0;
    if (exists && !view_equal_cstr(connection_field(r, 0, 0), "t")) {
        findings_add(c->findings, "rights", false,
                     "the role may not write the rejected events: GRANT SELECT, INSERT, "
                     "UPDATE ON %.*s TO %s",
                     VIEW_ARG(connection_field(r, 0, 2)), c->names.role);
    }
    if (exists && !view_equal_cstr(connection_field(r, 0, 1), "t")) {
        findings_add(c->findings, "rights", false,
                     "the role may not add the columns that the table of rejected events "
                     "lacks: ALTER TABLE %.*s OWNER TO %s",
                     VIEW_ARG(connection_field(r, 0, 2)), c->names.role);
    }
    connection_free(r);
}

/* Each fault of a table, with the statement that mends it. */
static void check_faults(const struct check *c, const struct table *t)
{
    unsigned faults = table_exists(t) ? table_faults(t) : 0;
    for (enum table_fault fault = table_advice_first(t, faults); fault != 0;
         fault = table_advice_first(t, faults)) {
        struct buf text = { 0 };
        table_advice_add(&text, t, fault, c->names.role);
        findings_add(c->findings, "table", false, "%.*s.%.*s: %s",
                     VIEW_ARG(table_schema(t)), VIEW_ARG(table_name(t)), buf_cstr(&text));
        buf_release(&text);
        faults &= ~(unsigned)fault;
    }
}

static struct table *look(const struct check *c, const char *schema, const char *name)
{
    struct table *t = NULL;
    struct error err;
    if (!table_reader_look(c->connection, schema, name, &t, &err)) {
        findings_add(c->findings, "table", false, "%s.%s: %s", schema, name, err.text);
        return NULL;
    }
    return t;
}

void check_schema_rights(const struct check *c, const char *schema)
{
    bool exists = false;
    check_use(c, schema, &exists);
    for (int i = 0; exists && i < EVENT_DATA_TYPES; i++) {
        struct table *t = look(c, schema, event_type_name((enum event_type)i));
        if (t != NULL) {
            check_faults(c, t);
        }
        table_unref(t);
    }
    if (exists) {
        check_rejected(c, schema);
    }
}

/* ---- columns ---- */

static void tell_column(const struct check *c, const struct table *t, size_t index,
                        const struct pg_result *columns)
{
    struct buf fate = { 0 };
    struct view name = table_column(t, index)->name;
    struct view type = connection_field(columns, (int)index, 1);
    bool is_not_null = view_equal_cstr(connection_field(columns, (int)index, 2), "t");
    column_fate_add(&fate, t, index);
    findings_add(c->findings, "column", true, "%.*s.%.*s.%.*s (%.*s): %s",
                 VIEW_ARG(table_schema(t)), VIEW_ARG(table_name(t)), VIEW_ARG(name),
                 VIEW_ARG(type), buf_cstr(&fate));
    if (column_fate_refuses_rows(t, index, is_not_null)) {
        findings_add(c->findings, "column", false,
                     "%.*s.%.*s.%.*s is NOT NULL without a default, so every event that "
                     "does not fill it is refused: ALTER TABLE \"%.*s\".\"%.*s\" ALTER "
                     "COLUMN \"%.*s\" DROP NOT NULL",
                     VIEW_ARG(table_schema(t)), VIEW_ARG(table_name(t)), VIEW_ARG(name),
                     VIEW_ARG(table_schema(t)), VIEW_ARG(table_name(t)), VIEW_ARG(name));
    }
    buf_release(&fate);
}

static void tell_columns(const struct check *c, const struct table *t, const char *schema,
                         const char *name)
{
    const char *const where[] = { schema, name };
    struct pg_result *r = NULL;
    if (!ask(c, columns_sql, 2, where, &r)) {
        return;
    }
    bool is_same = (size_t)connection_rows(r) == table_column_count(t);
    for (size_t i = 0; is_same && i < table_column_count(t); i++) {
        tell_column(c, t, i, r);
    }
    if (!is_same) {
        findings_add(c->findings, "table", false,
                     "%s.%s was changed while it was looked at: run check again", schema,
                     name);
    }
    connection_free(r);
}

/* The fixed columns that the first event will add. */
static void tell_missing(const struct check *c, const struct table *t,
                         enum event_type type)
{
    struct buf list = { 0 };
    for (unsigned i = 0; i < FIXED_COLUMNS; i++) {
        const struct fixed_column_info *info = fixed_column_info((enum fixed_column)i);
        bool is_ours = (info->tables & 1u << type) != 0;
        if (is_ours && table_find(t, info->name) == NULL &&
            (enum fixed_column)i != FIXED_MESSAGE_ID) {
            buf_printf(&list, "%s%.*s", list.len == 0 ? "" : ", ", VIEW_ARG(info->name));
        }
    }
    if (list.len > 0) {
        findings_add(c->findings, "table", true,
                     "%.*s.%.*s: the first event adds the columns %s",
                     VIEW_ARG(table_schema(t)), VIEW_ARG(table_name(t)), buf_cstr(&list));
    }
    buf_release(&list);
}

static void tell_table(const struct check *c, const char *schema, enum event_type type)
{
    const char *name = event_type_name(type);
    struct table *t = look(c, schema, name);
    if (t == NULL) {
        return;
    }
    if (!table_exists(t)) {
        findings_add(c->findings, "table", true, "%s.%s: made with its first event",
                     schema, name);
        table_unref(t);
        return;
    }
    check_faults(c, t);
    if ((table_faults(t) & (unsigned)(TABLE_IS_NO_TABLE | TABLE_HAS_NO_ID)) == 0) {
        bool is_full = table_column_count(t) >= c->options->max_columns;
        findings_add(c->findings, "table", true, "%s.%s: taken over, %zu columns%s",
                     schema, name, table_column_count(t),
                     is_full ? ", as many as LOADER_MAX_COLUMNS allows: new paths go to "
                               "_sdc_extra"
                             : "");
        tell_missing(c, t, type);
        tell_columns(c, t, schema, name);
    }
    table_unref(t);
}

static void tell_others(const struct check *c, const char *schema)
{
    const char *const name[] = { schema };
    struct pg_result *r = NULL;
    if (!ask(c, others_sql, 1, name, &r)) {
        return;
    }
    for (int i = 0; i < connection_rows(r); i++) {
        struct view other = connection_field(r, i, 0);
        findings_add(c->findings, "table", true,
                     "%s.%.*s: left as it is (arrays, which Stitch put into tables of "
                     "their own, are jsonb columns now)",
                     schema, VIEW_ARG(other));
    }
    connection_free(r);
}

void check_schema(const struct check *c, const char *schema)
{
    bool exists = false;
    if (!schema_name_is_valid(view_cstr(schema))) {
        findings_add(c->findings, "schema", false,
                     "'%s' can be no source's schema: use lower-case letters, digits and "
                     "'_', at most 48 bytes, not public, backstitch or pg_..",
                     schema);
        return;
    }
    check_use(c, schema, &exists);
    if (!exists) {
        findings_add(c->findings, "schema", true, "%s: made with its first event",
                     schema);
        return;
    }
    for (int i = 0; i < EVENT_DATA_TYPES; i++) {
        tell_table(c, schema, (enum event_type)i);
    }
    check_rejected(c, schema);
    tell_others(c, schema);
}
