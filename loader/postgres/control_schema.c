#include "loader/postgres/control_schema.h"

#include "common/base/mem.h"

/* Made from the .sql file by CMake. */
extern const char control_schema_sql[];

#define VERSION 1

/* The lock of migrations: "bsch" in ASCII and, in place of a schema's hash, 0. */
static const char lock_sql[] = "BEGIN; SELECT pg_advisory_xact_lock(1651729256, 0)";

/* Reads the catalogue's tables, not to_regclass: that answers from the session's cache,
 * which still says "no such schema" after we waited for the loader that made it. */
static const char version_sql[] =
    "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
    "ON n.oid = c.relnamespace WHERE n.nspname = 'backstitch' AND c.relname = "
    "'migration'";

static const char applied_sql[] =
    "SELECT coalesce(max(version), 0) FROM backstitch.migration";

static bool ask_number(struct connection *c, const char *sql, int64_t *out,
                       struct error *err)
{
    struct pg_result *r = NULL;
    if (!connection_query(c, sql, 0, NULL, &r, err)) {
        return false;
    }
    *out = connection_field_i64(r, 0, 0);
    connection_free(r);
    return true;
}

/* The version in force; 0: there is no control schema. */
static bool read_version(struct connection *c, int64_t *out, struct error *err)
{
    return ask_number(c, version_sql, out, err) &&
           (*out == 0 || ask_number(c, applied_sql, out, err));
}

int control_schema_version(void)
{
    return VERSION;
}

bool control_schema_migrate(struct connection *c, struct error *err)
{
    int64_t version = 0;
    if (!read_version(c, &version, err)) {
        return false;
    }
    if (version >= VERSION) {
        return true;
    }
    /* Another loader may be at it: look again once we have the lock. */
    return connection_run(c, lock_sql, "taking the lock for migrations", err) &&
           read_version(c, &version, err) &&
           (version >= VERSION ||
            connection_run(c, control_schema_sql, "making the control schema", err)) &&
           connection_run(c, "COMMIT", "committing the control schema", err);
}
