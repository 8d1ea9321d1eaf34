/* status: the `status` command: each partition's position, log end, lag and owner (who
 * moved its position last), from PostgreSQL and Kafka: any host shows the whole. */
#include "loader/commands/commands.h"
#include "loader/commands/options.h"
#include "loader/consume/log_bounds.h"
#include "loader/postgres/connection.h"

#include <json-c/json.h>

#include <stdio.h>
#include <stdlib.h>

#define KAFKA_TIMEOUT_MS 10000

static const char positions_sql[] =
    "SELECT topic, kafka_partition, next_offset, owner,"
    "       to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    "  FROM backstitch.load_offset WHERE consumer_group = $1 AND cluster_id = $2";

static const char ready_sql[] =
    "SELECT (to_regclass('backstitch.load_offset') IS NOT NULL)::text";

struct line {
    char topic[TOPIC_NAME_BYTES];
    const struct log_partition *log;
    int64_t position; /* -1: never loaded */
    struct view owner, updated_at;
};

static int64_t lag_of(const struct line *l)
{
    return l->log->end - (l->position < 0 ? l->log->start : l->position);
}

static void find_position(const struct pg_result *r, struct line *l)
{
    l->position = -1;
    for (int i = 0; i < connection_rows(r); i++) {
        if (connection_field_i64(r, i, 1) == l->log->partition &&
            view_equal_cstr(connection_field(r, i, 0), l->topic)) {
            l->position = connection_field_i64(r, i, 2);
            l->owner = connection_field(r, i, 3);
            l->updated_at = connection_field(r, i, 4);
            return;
        }
    }
}

static json_object *to_json(const struct line *l)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "topic", json_object_new_string(l->topic));
    json_object_object_add(o, "partition", json_object_new_int(l->log->partition));
    json_object_object_add(o, "position",
                           l->position < 0 ? NULL : json_object_new_int64(l->position));
    json_object_object_add(o, "log_start", json_object_new_int64(l->log->start));
    json_object_object_add(o, "log_end", json_object_new_int64(l->log->end));
    json_object_object_add(o, "lag", json_object_new_int64(lag_of(l)));
    json_object_object_add(
        o, "owner",
        l->position < 0 ? NULL
                        : json_object_new_string_len(l->owner.data, (int)l->owner.len));
    json_object_object_add(
        o, "updated_at",
        l->position < 0
            ? NULL
            : json_object_new_string_len(l->updated_at.data, (int)l->updated_at.len));
    return o;
}

static void print_line(const struct line *l)
{
    char position[24] = "-";
    if (l->position >= 0) {
        snprintf(position, sizeof position, "%lld", (long long)l->position);
    }
    printf("%-24s %9d %12s %12lld %10lld  %-28.*s %.*s\n", l->topic, l->log->partition,
           position, (long long)l->log->end, (long long)lag_of(l), VIEW_ARG(l->owner),
           VIEW_ARG(l->updated_at));
}

static void print(const struct command_call *call, const struct log_bounds *log,
                  const struct pg_result *positions)
{
    const struct loader_options *o = call->config;
    json_object *list = json_object_new_array();
    int64_t lag = 0;
    if (!call->json) {
        printf("%-24s %9s %12s %12s %10s  %-28s %s\n", "topic", "partition", "position",
               "log end", "lag", "last loaded by", "at");
    }
    for (size_t i = 0; i < log->count; i++) {
        struct line l = { .log = &log->partitions[i] };
        topic_name_format(o->topic_prefix, l.log->topic, l.topic);
        find_position(positions, &l);
        lag += lag_of(&l);
        if (call->json) {
            json_object_array_add(list, to_json(&l));
        } else {
            print_line(&l);
        }
    }
    if (call->json) {
        json_object *document = json_object_new_object();
        json_object_object_add(document, "group", json_object_new_string(o->group));
        json_object_object_add(document, "lag", json_object_new_int64(lag));
        json_object_object_add(document, "partitions", list);
        printf("%s\n", json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN));
        json_object_put(document);
    } else {
        printf("%lld records are not loaded yet\n", (long long)lag);
        json_object_put(list);
    }
}

/* The positions of our group; a database that no loader has ever used has none. */
static bool read_positions(struct connection *c, const char *group,
                           const char *cluster_id, struct pg_result **out,
                           struct error *err)
{
    const char *const where[] = { group, cluster_id };
    struct pg_result *ready = NULL;
    if (!connection_query(c, ready_sql, 0, NULL, &ready, err)) {
        return false;
    }
    bool is_ready = view_equal_cstr(connection_field(ready, 0, 0), "true");
    connection_free(ready);
    return is_ready ? connection_query(c, positions_sql, 2, where, out, err)
                    : connection_query(c, "SELECT 1 WHERE false", 0, NULL, out, err);
}

/* Topics, partitions and their ends, from Kafka. */
static bool read_log(const struct loader_options *o, struct log_bounds *out,
                     struct error *err)
{
    struct log_bounds_setup setup = { .brokers = o->kafka_brokers,
                                      .config_file = o->kafka_config_file,
                                      .topic_prefix = o->topic_prefix,
                                      .timeout_ms = KAFKA_TIMEOUT_MS };
    return log_bounds_read(&setup, out, err) ||
           error_prefix(err, "KAFKA_BROKERS=%s", o->kafka_brokers);
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
    struct log_bounds log = { .count = 0 };
    struct connection c = { .pg = NULL };
    struct pg_result *positions = NULL;
    struct error err;
    bool done = read_log(o, &log, &err) && open_database(o, &c, &err) &&
                read_positions(&c, o->group, log.cluster_id == NULL ? "" : log.cluster_id,
                               &positions, &err);
    if (done) {
        print(call, &log, positions);
    } else {
        fprintf(stderr, "backstitch-loader status: %s\n", err.text);
    }
    connection_free(positions);
    connection_close(&c);
    log_bounds_release(&log);
    return done ? EXIT_DONE : EXIT_FAILED;
}
