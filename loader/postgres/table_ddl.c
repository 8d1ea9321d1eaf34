#include "loader/postgres/table_ddl.h"

#include "loader/postgres/table_advice.h"
#include "loader/postgres/table_reader.h"

/* Loads hold the schema's lock shared, so here we wait until those under way are over and
 * hold the next ones back: without it three busy loaders kept a table so well held
 * between them that ALTER timed out for minutes. The wait for our own is not limited: it
 * is short, and giving up would send values to _sdc_extra. The wait for others, who hold
 * the table itself, is. */
static void begin(struct buf *sql, struct view schema)
{
    buf_add_cstr(sql, "BEGIN; SET LOCAL lock_timeout = 0;"
                      "SELECT pg_advisory_xact_lock(backstitch.schema_lock(), hashtext(");
    connection_add_literal(sql, schema);
    buf_add_cstr(sql, ")); SET LOCAL lock_timeout = '500ms';");
}

static void add_grants(struct buf *sql, const struct table_ddl_options *options,
                       const char *what, struct view schema, const char *table)
{
    for (size_t i = 0; options->grant_select != NULL && options->grant_select[i] != NULL;
         i++) {
        buf_printf(sql, "GRANT %s ON %s ", table == NULL ? "USAGE" : "SELECT", what);
        connection_add_name(sql, schema);
        if (table != NULL) {
            buf_add_char(sql, '.');
            connection_add_name(sql, view_cstr(table));
        }
        buf_add_cstr(sql, " TO ");
        connection_add_name(sql, view_cstr(options->grant_select[i]));
        buf_add_char(sql, ';');
    }
}

static void add_full_name(struct buf *sql, const struct table *t)
{
    connection_add_name(sql, table_schema(t));
    buf_add_char(sql, '.');
    connection_add_name(sql, table_name(t));
}

/* CREATE SCHEMA IF NOT EXISTS needs CREATE on the database even when the schema exists,
 * so the check comes first: a role may have been given its schemas ready-made. */
static bool make_schema(struct connection *c, struct view schema,
                        const struct table_ddl_options *options, struct error *err)
{
    struct buf sql = { 0 };
    buf_add_cstr(&sql, "DO $make$ BEGIN IF to_regnamespace(quote_ident(");
    connection_add_literal(&sql, schema);
    buf_add_cstr(&sql, ")) IS NULL THEN CREATE SCHEMA ");
    connection_add_name(&sql, schema);
    buf_add_cstr(&sql, ";");
    add_grants(&sql, options, "SCHEMA", schema, NULL);
    buf_add_cstr(&sql, " END IF; END $make$;");
    bool done = connection_run(c, buf_cstr(&sql), "creating the schema", err);
    buf_release(&sql);
    return done;
}

static bool make_rejected(struct connection *c, struct view schema,
                          const struct table_ddl_options *options, struct error *err)
{
    struct buf sql = { 0 };
    buf_add_cstr(&sql, "SAVEPOINT rejected; SELECT backstitch.make_rejected(");
    connection_add_literal(&sql, schema);
    buf_add_cstr(&sql, ");");
    add_grants(&sql, options, "TABLE", schema, "_sdc_rejected");
    bool done = connection_run(c, buf_cstr(&sql), "making _sdc_rejected", err);
    buf_release(&sql);
    return done;
}

/* Beside a table that is made: what is wrong with _sdc_rejected must not hold it. */
static bool try_make_rejected(struct connection *c, struct view schema,
                              const struct table_ddl_options *options, struct error *err)
{
    struct error ignored; /* told when there is something to reject */
    return make_rejected(c, schema, options, &ignored) ||
           connection_run(c, "ROLLBACK TO rejected", "going back", err);
}

static void add_column(struct buf *sql, const struct column *column)
{
    connection_add_name(sql, column->name);
    buf_add_char(sql, ' ');
    buf_add_cstr(sql, table_reader_sql_type(column->type));
}

/* message_id is the primary key, compared byte by byte: faster than by a language's
 * rules, and the same on every machine. */
static void add_create(struct buf *sql, const struct table_plan *plan,
                       const struct table *current)
{
    buf_add_cstr(sql, "CREATE TABLE ");
    add_full_name(sql, current);
    buf_add_cstr(sql, " (message_id text COLLATE \"C\" PRIMARY KEY");
    for (size_t i = 0; i < table_plan_added(plan); i++) {
        const struct column *column = &table_plan_added_at(plan, i)->column;
        if (!view_equal_cstr(column->name, "message_id")) {
            buf_add_cstr(sql, ", ");
            add_column(sql, column);
        }
    }
    buf_add_cstr(sql, ");");
}

/* True when this column is to be added to the table as it is now; counts the growth that
 * natural columns use up. */
static bool is_wanted(const struct planned_column *planned, const struct table *current,
                      size_t *growth_left)
{
    if (table_find(current, planned->column.name) != NULL) {
        return false;
    }
    if (planned->origin != COLUMN_NATURAL) {
        return true;
    }
    if (*growth_left == 0) {
        return false;
    }
    (*growth_left)--;
    return true;
}

static void add_comment_and_record(struct buf *sql, const struct planned_column *planned,
                                   const struct table *current)
{
    if (planned->path.len > 0) {
        buf_add_cstr(sql, "COMMENT ON COLUMN ");
        add_full_name(sql, current);
        buf_add_char(sql, '.');
        connection_add_name(sql, planned->column.name);
        buf_add_cstr(sql, " IS ");
        connection_add_literal(sql, planned->path);
        buf_add_char(sql, ';');
    }
    buf_add_cstr(
        sql, "INSERT INTO backstitch.schema_change (\"schema\", \"table\", \"column\", "
             "\"type\", path, is_natural) VALUES (");
    connection_add_literal(sql, table_schema(current));
    buf_add_char(sql, ',');
    connection_add_literal(sql, table_name(current));
    buf_add_char(sql, ',');
    connection_add_literal(sql, planned->column.name);
    buf_printf(sql, ",'%s',", table_reader_sql_type(planned->column.type));
    connection_add_literal(sql, planned->path);
    buf_add_cstr(sql, planned->origin == COLUMN_NATURAL ? ",true);" : ",false);");
}

/* Appends the statements that make the plan true, as far as growth allows. */
static void add_changes(struct buf *sql, const struct table_plan *plan,
                        const struct table *current)
{
    size_t growth_left = table_growth_left(current);
    bool exists = table_exists(current);
    bool is_first = true;
    struct buf after = { 0 };
    if (!exists) {
        add_create(sql, plan, current);
    }
    for (size_t i = 0; i < table_plan_added(plan); i++) {
        const struct planned_column *planned = table_plan_added_at(plan, i);
        if (exists && !is_wanted(planned, current, &growth_left)) {
            continue;
        }
        add_comment_and_record(&after, planned, current);
        if (exists) {
            buf_add_cstr(sql, is_first ? "ALTER TABLE " : ", ");
            if (is_first) {
                add_full_name(sql, current);
            }
            buf_add_cstr(sql, " ADD COLUMN ");
            add_column(sql, &planned->column);
            is_first = false;
        }
    }
    buf_add_cstr(sql, is_first ? "" : ";");
    buf_add_view(sql, buf_view(&after));
    buf_release(&after);
}

bool table_ddl_roll_back(struct connection *c)
{
    struct error ignored; /* the first failure is the one that is told */
    if (!connection_run(c, "ROLLBACK", "rolling back", &ignored)) {
        connection_close(c);
    }
    return false;
}

static bool change(struct connection *c, const struct table_plan *plan,
                   const struct table *current, const struct table_ddl_options *options,
                   struct error *err)
{
    struct buf sql = { 0 };
    add_changes(&sql, plan, current);
    if (!table_exists(current)) {
        struct buf name = { 0 };
        buf_add_view(&name, table_name(current));
        add_grants(&sql, options, "TABLE", table_schema(current), buf_cstr(&name));
        buf_release(&name);
    }
    bool done = connection_run(c, buf_cstr(&sql), "changing the table", err);
    buf_release(&sql);
    return done;
}

bool table_ddl_begin(struct connection *c, struct view schema, struct error *err)
{
    struct buf sql = { 0 };
    begin(&sql, schema);
    bool done = connection_run(c, buf_cstr(&sql), "taking the lock for DDL", err);
    buf_release(&sql);
    return done;
}

/* The plan was made for another table than there is: it must be made again before it is
 * carried out, or a column that a human has just altered would get a twin that nothing
 * needs. */
static bool has_changed(const struct table *base, const struct table *current)
{
    return table_exists(base) != table_exists(current) ||
           !view_equal(table_fingerprint(base), table_fingerprint(current));
}

/* Another's table is not altered before it is known that it can be loaded: it would keep
 * our columns for nothing. */
static bool is_loadable(const struct table *current, struct error *err)
{
    enum table_fault fault = table_advice_first(current, TABLE_OBSTACLES);
    if (!table_exists(current) || fault == 0) {
        return true;
    }
    struct buf advice = { 0 };
    table_advice_add(&advice, current, fault, NULL);
    error_set(err, ERROR_INVALID, ERROR_FROM_SELF, TABLE_DDL_REFUSED, "%s",
              buf_cstr(&advice));
    buf_release(&advice);
    return false;
}

bool table_ddl_extend(struct connection *c, const struct table_plan *plan,
                      const struct table_ddl_options *options, struct table **out,
                      struct error *err)
{
    const struct table *base = table_plan_base(plan);
    struct view schema = table_schema(base);
    uint64_t per_hour = options->new_columns_per_hour;
    struct table *current = NULL;
    struct table *changed = NULL;
    bool done = table_ddl_begin(c, schema, err) && make_schema(c, schema, options, err) &&
                try_make_rejected(c, schema, options, err) &&
                table_reader_read(c, schema, table_name(base), per_hour, &current, err) &&
                is_loadable(current, err) &&
                (has_changed(base, current) || change(c, plan, current, options, err)) &&
                table_reader_read(c, schema, table_name(base), per_hour, &changed, err) &&
                connection_run(c, "COMMIT", "committing DDL", err);
    table_unref(current);
    if (!done) {
        table_unref(changed);
        return table_ddl_roll_back(c);
    }
    *out = changed;
    return true;
}

bool table_ddl_schema(struct connection *c, struct view schema,
                      const struct table_ddl_options *options, struct error *err)
{
    bool done = table_ddl_begin(c, schema, err) && make_schema(c, schema, options, err) &&
                make_rejected(c, schema, options, err) &&
                connection_run(c, "COMMIT", "committing DDL", err);
    return done || table_ddl_roll_back(c);
}
