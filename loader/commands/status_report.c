#include "loader/commands/status_report.h"

#include <json-c/json.h>

#include <inttypes.h>
#include <stdio.h>

enum held_field {
    HELD_SCHEMA,
    HELD_TABLE,
    HELD_PARTITIONS,
    HELD_OFFSETS,
    HELD_SINCE,
    HELD_CODE,
    HELD_REASON,
};

struct line { /* a partition */
    char topic[TOPIC_NAME_BYTES];
    const struct log_partition *log;
    int64_t position; /* -1: never loaded */
    struct view owner, updated_at;
};

static void read_line(const struct status_report *r, size_t at, struct line *l)
{
    *l = (struct line){ .log = &r->log->partitions[at], .position = -1 };
    topic_name_format(r->topic_prefix, l->log->topic, l->topic);
    for (int i = 0; r->positions != NULL && i < connection_rows(r->positions); i++) {
        if (connection_field_i64(r->positions, i, 1) == l->log->partition &&
            view_equal_cstr(connection_field(r->positions, i, 0), l->topic)) {
            l->position = connection_field_i64(r->positions, i, 2);
            l->owner = connection_field(r->positions, i, 3);
            l->updated_at = connection_field(r->positions, i, 4);
        }
    }
}

static int64_t lag_of(const struct line *l)
{
    return l->log->end - (l->position < 0 ? l->log->start : l->position);
}

/* Why a partition stands (consume/position.h); false: it does not. */
static bool is_stopped(const struct line *l, char *reason, size_t size)
{
    if (l->position >= 0 && l->position < l->log->start) {
        snprintf(reason, size,
                 "%" PRId64 " records from %" PRId64
                 " on are gone from the log; to go on past them: --accept-gap %s:%d",
                 l->log->start - l->position, l->position, l->topic, l->log->partition);
        return true;
    }
    if (l->position > l->log->end) {
        snprintf(reason, size,
                 "the log ends at %" PRId64 ", before our position %" PRId64
                 ": it is another log; to load it from its start: --accept-new-log %s",
                 l->log->end, l->position, l->topic);
        return true;
    }
    return false;
}

static int64_t lag_of_topic(const struct status_report *r, enum event_type topic,
                            size_t *out_partitions)
{
    int64_t lag = 0;
    *out_partitions = 0;
    for (size_t i = 0; i < r->log->count; i++) {
        struct line l;
        if (r->log->partitions[i].topic == topic) {
            read_line(r, i, &l);
            lag += lag_of(&l);
            (*out_partitions)++;
        }
    }
    return lag;
}

static int held_count(const struct status_report *r)
{
    return r->held == NULL ? 0 : connection_rows(r->held);
}

/* ---- text ---- */

static void print_topics(const struct status_report *r)
{
    int64_t all = 0;
    printf("%-24s %10s %12s\n", "topic", "lag", "partitions");
    for (int t = 0; t < EVENT_TYPES; t++) {
        char name[TOPIC_NAME_BYTES];
        size_t partitions;
        int64_t lag = lag_of_topic(r, (enum event_type)t, &partitions);
        all += lag;
        if (r->log->has_topic[t]) {
            topic_name_format(r->topic_prefix, (enum event_type)t, name);
            printf("%-24s %10" PRId64 " %12zu\n", name, lag, partitions);
        }
    }
    printf("%" PRId64 " records are not loaded yet\n", all);
}

static void print_held(const struct status_report *r)
{
    for (int i = 0; i < held_count(r); i++) {
        printf("held: %.*s.%.*s since %.*s, within %" PRId64 " offsets of %" PRId64
               " partitions: %.*s %.*s\n      mend the table; its events are loaded by "
               "themselves\n",
               VIEW_ARG(connection_field(r->held, i, HELD_SCHEMA)),
               VIEW_ARG(connection_field(r->held, i, HELD_TABLE)),
               VIEW_ARG(connection_field(r->held, i, HELD_SINCE)),
               connection_field_i64(r->held, i, HELD_OFFSETS),
               connection_field_i64(r->held, i, HELD_PARTITIONS),
               VIEW_ARG(connection_field(r->held, i, HELD_CODE)),
               VIEW_ARG(connection_field(r->held, i, HELD_REASON)));
    }
}

static void print_stopped(const struct status_report *r)
{
    char reason[400];
    for (size_t i = 0; i < r->log->count; i++) {
        struct line l;
        read_line(r, i, &l);
        if (is_stopped(&l, reason, sizeof reason)) {
            printf("stopped: %s:%d: %s\n", l.topic, l.log->partition, reason);
        }
    }
}

static void print_freshness(const struct status_report *r)
{
    if (r->freshness == NULL || connection_field_i64(r->freshness, 0, 1) < 0) {
        printf("nothing was loaded yet\n");
        return;
    }
    struct view slowest = connection_field(r->freshness, 0, 0);
    printf("loaded last %" PRId64 " s ago; ", connection_field_i64(r->freshness, 0, 1));
    if (slowest.data[0] == '-') {
        printf("nothing in the last 5 minutes\n");
    } else {
        printf("the slowest event of the last 5 minutes took %.*s s from its receipt\n",
               VIEW_ARG(slowest));
    }
}

static void print_partitions(const struct status_report *r)
{
    printf("%-24s %9s %12s %12s %10s  %-28s %s\n", "topic", "partition", "position",
           "log end", "lag", "last loaded by", "at");
    for (size_t i = 0; i < r->log->count; i++) {
        struct line l;
        char position[24] = "-";
        read_line(r, i, &l);
        if (l.position >= 0) {
            snprintf(position, sizeof position, "%" PRId64, l.position);
        }
        printf("%-24s %9d %12s %12" PRId64 " %10" PRId64 "  %-28.*s %.*s\n", l.topic,
               l.log->partition, position, l.log->end, lag_of(&l), VIEW_ARG(l.owner),
               VIEW_ARG(l.updated_at));
    }
}

void status_report_print(const struct status_report *r, bool partitions)
{
    print_topics(r);
    print_held(r);
    print_stopped(r);
    print_freshness(r);
    if (partitions) {
        print_partitions(r);
    }
}

/* ---- JSON ---- */

static json_object *text_of(struct view text)
{
    return json_object_new_string_len(text.data, (int)text.len);
}

static json_object *topics_of(const struct status_report *r, int64_t *out_lag)
{
    json_object *list = json_object_new_array();
    *out_lag = 0;
    for (int t = 0; t < EVENT_TYPES; t++) {
        char name[TOPIC_NAME_BYTES];
        size_t partitions;
        int64_t lag = lag_of_topic(r, (enum event_type)t, &partitions);
        *out_lag += lag;
        if (!r->log->has_topic[t]) {
            continue;
        }
        topic_name_format(r->topic_prefix, (enum event_type)t, name);
        json_object *o = json_object_new_object();
        json_object_object_add(o, "topic", json_object_new_string(name));
        json_object_object_add(o, "lag", json_object_new_int64(lag));
        json_object_object_add(o, "partitions",
                               json_object_new_int64((int64_t)partitions));
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *held_of(const struct status_report *r)
{
    json_object *list = json_object_new_array();
    for (int i = 0; i < held_count(r); i++) {
        json_object *o = json_object_new_object();
        static const struct {
            const char *name;
            enum held_field field;
        } texts[] = { { "schema", HELD_SCHEMA },
                      { "table", HELD_TABLE },
                      { "since", HELD_SINCE },
                      { "code", HELD_CODE },
                      { "reason", HELD_REASON } };
        for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++) {
            json_object_object_add(
                o, texts[j].name,
                text_of(connection_field(r->held, i, (int)texts[j].field)));
        }
        json_object_object_add(
            o, "partitions",
            json_object_new_int64(connection_field_i64(r->held, i, HELD_PARTITIONS)));
        json_object_object_add(
            o, "offsets",
            json_object_new_int64(connection_field_i64(r->held, i, HELD_OFFSETS)));
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *stopped_of(const struct status_report *r)
{
    json_object *list = json_object_new_array();
    char reason[400];
    for (size_t i = 0; i < r->log->count; i++) {
        struct line l;
        read_line(r, i, &l);
        if (is_stopped(&l, reason, sizeof reason)) {
            json_object *o = json_object_new_object();
            json_object_object_add(o, "topic", json_object_new_string(l.topic));
            json_object_object_add(o, "partition", json_object_new_int(l.log->partition));
            json_object_object_add(o, "reason", json_object_new_string(reason));
            json_object_array_add(list, o);
        }
    }
    return list;
}

static json_object *partition_of(const struct line *l)
{
    bool is_known = l->position >= 0;
    json_object *o = json_object_new_object();
    json_object_object_add(o, "topic", json_object_new_string(l->topic));
    json_object_object_add(o, "partition", json_object_new_int(l->log->partition));
    json_object_object_add(o, "position",
                           is_known ? json_object_new_int64(l->position) : NULL);
    json_object_object_add(o, "log_start", json_object_new_int64(l->log->start));
    json_object_object_add(o, "log_end", json_object_new_int64(l->log->end));
    json_object_object_add(o, "lag", json_object_new_int64(lag_of(l)));
    json_object_object_add(o, "owner", is_known ? text_of(l->owner) : NULL);
    json_object_object_add(o, "updated_at", is_known ? text_of(l->updated_at) : NULL);
    return o;
}

static json_object *partitions_of(const struct status_report *r)
{
    json_object *list = json_object_new_array();
    for (size_t i = 0; i < r->log->count; i++) {
        struct line l;
        read_line(r, i, &l);
        json_object_array_add(list, partition_of(&l));
    }
    return list;
}

/* Seconds, or null for what there is not. */
static json_object *seconds_of(const struct pg_result *r, int column)
{
    double seconds = r == NULL ? -1 : connection_field_double(r, 0, column);
    return seconds < 0 ? NULL : json_object_new_double(seconds);
}

void status_report_json(const struct status_report *r, bool partitions)
{
    int64_t lag;
    json_object *topics = topics_of(r, &lag);
    json_object *o = json_object_new_object();
    json_object_object_add(o, "group", json_object_new_string(r->group));
    json_object_object_add(o, "lag", json_object_new_int64(lag));
    json_object_object_add(o, "topics", topics);
    json_object_object_add(o, "held", held_of(r));
    json_object_object_add(o, "stopped", stopped_of(r));
    json_object_object_add(o, "slowest_event_seconds", seconds_of(r->freshness, 0));
    json_object_object_add(o, "last_load_seconds", seconds_of(r->freshness, 1));
    if (partitions) {
        json_object_object_add(o, "partitions", partitions_of(r));
    }
    printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
}
