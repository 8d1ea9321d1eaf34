/* What a failure of PostgreSQL means for the loader, by its SQLSTATE
 * (reliability.md, 3.3). A code that is not listed may be our bug or a table's: the table
 * is held and nothing rejected. */
#include "loader/postgres/sink_failure.h"

#include <string.h>

struct rule {
    const char *prefix; /* of the SQLSTATE: a class of two characters, or a whole code */
    enum sink_failure failure;
};

/* The first match counts: whole codes stand before their classes. */
static const struct rule rules[] = {
    { "BS001", SINK_FENCED },
    { "BS002", SINK_STALE },
    { "BS003", SINK_TABLE },  /* table_ddl: the table cannot be loaded */
    { "BS004", SINK_CONFIG }, /* server_check: a server that loading cannot work with */
    { "08", SINK_RECONNECT },
    { "57P01", SINK_RECONNECT }, /* admin_shutdown */
    { "57P02", SINK_RECONNECT }, /* crash_shutdown */
    { "57P03", SINK_RECONNECT }, /* cannot_connect_now */
    { "57P05", SINK_RECONNECT }, /* idle_session_timeout */
    { "25006", SINK_RECONNECT }, /* read_only_sql_transaction: a demoted primary */
    { "25P03",
      SINK_RECONNECT }, /* idle_in_transaction_session_timeout ended the session */
    { "53300", SINK_RECONNECT }, /* too_many_connections */
    { "57014", SINK_TOO_SLOW },  /* query_canceled, by statement_timeout */
    { "40001", SINK_RETRY },
    { "40P01", SINK_RETRY },
    { "55P03", SINK_RETRY }, /* lock_not_available */
    { "53", SINK_RESOURCE },
    { "58030", SINK_RESOURCE }, /* io_error */
    { "42P01", SINK_STALE },
    { "42703", SINK_STALE },
    { "42804", SINK_STALE },
    { "0A000", SINK_STALE }, /* cached plan must not change result type */
    { "42P07", SINK_DDL_RACE },
    { "42P06", SINK_DDL_RACE }, /* duplicate_schema */
    { "42701", SINK_DDL_RACE },
    { "42710", SINK_DDL_RACE }, /* also for 23505 on an index of pg_catalog */
    { "22", SINK_POISON },
    { "23", SINK_POISON },
    { "54000", SINK_POISON },
    { "54001", SINK_POISON },
    { "54011", SINK_POISON },
    { "28", SINK_CONFIG },
    { "3D000", SINK_CONFIG },
    { "42501", SINK_TABLE },
    { "3F000", SINK_TABLE },
};

enum sink_failure sink_failure_of(const struct error *err)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strncmp(err->code, rules[i].prefix, strlen(rules[i].prefix)) == 0) {
            return rules[i].failure;
        }
    }
    return SINK_UNKNOWN;
}

const char *sink_failure_name(enum sink_failure failure)
{
    switch (failure) {
    case SINK_RECONNECT:
        return "reconnect";
    case SINK_RETRY:
        return "retry";
    case SINK_TOO_SLOW:
        return "too_slow";
    case SINK_RESOURCE:
        return "resource";
    case SINK_STALE:
        return "stale";
    case SINK_DDL_RACE:
        return "ddl_race";
    case SINK_POISON:
        return "poison";
    case SINK_FENCED:
        return "fenced";
    case SINK_CONFIG:
        return "config";
    case SINK_TABLE:
        return "table";
    case SINK_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}
