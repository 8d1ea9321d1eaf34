/* status: the `status` command: what an operator asks first: is everything loaded, what
 * waits or stands and why, how fresh are the tables; with --partitions each partition's
 * position, log end, lag and owner (who moved its position last). From PostgreSQL and
 * Kafka: any host shows the whole. */
#include "loader/commands/commands.h"
#include "loader/commands/shared.h"
#include "loader/commands/status_report.h"
#include "loader/postgres/replay_runs.h"

#include <stdio.h>

static const char positions_sql[] =
    "SELECT topic, kafka_partition, next_offset, owner,"
    "       to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    "  FROM backstitch.load_offset WHERE consumer_group = $1 AND cluster_id = $2";

/* How many records of a range are the table's is not known without reading it. */
static const char held_sql[] =
    "SELECT \"schema\", \"table\", count(*), sum(to_offset - from_offset)::bigint,"
    "       to_char(min(since) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
    "       (array_agg(code ORDER BY tried_at DESC))[1],"
    "       (array_agg(reason ORDER BY tried_at DESC))[1]"
    "  FROM backstitch.held WHERE consumer_group = $1 AND cluster_id = $2"
    " GROUP BY 1, 2 ORDER BY 1, 2";

/* The slowest event of the last minutes that was loaded live, and when something was
 * loaded last. */
static const char freshness_sql[] =
    "SELECT coalesce(extract(epoch FROM max(freshness_max) FILTER"
    "           (WHERE minute > now() - interval '5 minutes')), -1)::float8::text,"
    "       coalesce(extract(epoch FROM now() - (SELECT max(updated_at)"
    "           FROM backstitch.load_offset WHERE consumer_group = $1)), -1)::bigint"
    "  FROM backstitch.load_stat WHERE loader NOT LIKE '" REPLAY_OWNER "%'";

static const char ready_sql[] =
    "SELECT (to_regclass('backstitch.load_offset') IS NOT NULL)::text";

/* A database that no loader has ever used has nothing to say. */
static bool is_ready(struct connection *c, bool *out, struct error *err)
{
    struct pg_result *r = NULL;
    if (!connection_query(c, ready_sql, 0, NULL, &r, err)) {
        return false;
    }
    *out = view_equal_cstr(connection_field(r, 0, 0), "true");
    connection_free(r);
    return true;
}

static bool ask(struct connection *c, struct status_report *report, struct error *err)
{
    const char *const where[] = { report->group, report->log->cluster_id == NULL
                                                     ? ""
                                                     : report->log->cluster_id };
    bool ready = false;
    if (!is_ready(c, &ready, err)) {
        return false;
    }
    return !ready ||
           (connection_query(c, positions_sql, 2, where, &report->positions, err) &&
            connection_query(c, held_sql, 2, where, &report->held, err) &&
            connection_query(c, freshness_sql, 1, where, &report->freshness, err));
}

static bool open_database(const struct loader_options *o, struct connection *out,
                          struct error *err)
{
    return connection_open(out, o->database_url, err) ||
           error_prefix(err, "DATABASE_URL");
}

int command_status(const struct command_call *call)
{
    const struct loader_options *o = call->config;
    const struct status_flags *flags = call->flags;
    struct log_bounds log = { .count = 0 };
    struct connection c = { .pg = NULL };
    struct status_report report = { .group = o->group,
                                    .topic_prefix = o->topic_prefix,
                                    .log = &log };
    struct error err;
    bool done = shared_read_log(o, &log, &err) && open_database(o, &c, &err) &&
                ask(&c, &report, &err);
    if (!done) {
        fprintf(stderr, "backstitch-loader status: %s\n", err.text);
    } else if (call->json) {
        status_report_json(&report, flags->partitions);
    } else {
        status_report_print(&report, flags->partitions);
    }
    connection_free(report.positions);
    connection_free(report.held);
    connection_free(report.freshness);
    connection_close(&c);
    log_bounds_release(&log);
    return done && fflush(stdout) == 0 && ferror(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}
