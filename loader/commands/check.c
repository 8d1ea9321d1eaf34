/* The `check` command: is everything there that loading needs? With --schema also: what
 * will become of the tables and columns of an existing schema. */
#include "loader/commands/check.h"

#include "loader/commands/commands.h"
#include "loader/commands/shared.h"

/* ---- Kafka ---- */

static void check_kafka(const struct loader_options *o, struct findings *f)
{
    struct log_bounds_setup setup = shared_log_setup(o);
    struct log_bounds log;
    struct error err;
    if (!log_bounds_read(&setup, &log, &err)) {
        findings_add(f, "kafka", false, "%s (KAFKA_BROKERS=%s)", err.text,
                     o->kafka_brokers);
        return;
    }
    findings_add(f, "kafka", true, "reached at %s", o->kafka_brokers);
    for (int i = 0; i < EVENT_TYPES; i++) {
        char name[TOPIC_NAME_BYTES];
        topic_name_format(o->topic_prefix, (enum event_type)i, name);
        if (log.has_topic[i]) {
            findings_add(f, "topic", true, "%s", name);
        } else {
            findings_add(f, "topic", false, "%s is missing: run backstitch-ingest topics",
                         name);
        }
    }
    log_bounds_release(&log);
}

/* ---- PostgreSQL ---- */

static void check_postgres(const struct loader_options *o, const char *schema,
                           struct findings *f)
{
    struct connection connection = { .pg = NULL };
    struct check c = { .connection = &connection, .options = o, .findings = f };
    struct error err;
    if (!connection_open(&connection, o->database_url, &err) ||
        !check_read_names(&c, &err)) {
        findings_add(f, "postgres", false, "%s (DATABASE_URL)", err.text);
        connection_close(&connection);
        return;
    }
    findings_add(f, "postgres", true, "connected to %s as %s", c.names.database,
                 c.names.role);
    check_database(&c);
    check_known_schemas(&c, schema);
    if (schema != NULL) {
        check_schema(&c, schema);
    }
    connection_close(&connection);
}

int command_check(const struct command_call *call)
{
    const struct loader_options *o = call->config;
    const struct check_flags *flags = call->flags;
    struct findings f;
    findings_begin(&f, call->json);
    check_kafka(o, &f);
    check_postgres(o, flags->schema, &f);
    return findings_end(&f);
}
