/* rejected: the `rejected list` and `rejected show` commands (operations.md, section 5):
 * what is in the tables _sdc_rejected of all schemas that were loaded. */
#include "loader/commands/rejected.h"

#include "loader/commands/report_rows.h"
#include "loader/mapping/timestamp.h"

#include <json-c/json.h>

#include <stdio.h>
#include <string.h>

/* ---- asking ---- */

static const char schemas_sql[] = "SELECT \"schema\" FROM backstitch.rejected_schema"
                                  " WHERE $1::text IS NULL OR \"schema\" = $1 ORDER BY 1";

/* All tables of rejected events as one. */
static bool write_from(struct connection *c, const struct rejected_flags *flags,
                       struct buf *sql, struct error *err)
{
    const char *const values[] = { flags->schema };
    struct pg_result *r = NULL;
    if (!connection_query(c, schemas_sql, 1, values, &r, err)) {
        return false;
    }
    bool is_any = connection_rows(r) > 0;
    for (int i = 0; i < connection_rows(r); i++) {
        buf_add_cstr(sql, i == 0 ? " FROM (SELECT " : " UNION ALL SELECT ");
        connection_add_literal(sql, connection_field(r, i, 0));
        buf_add_cstr(sql,
                     "::text AS \"schema\", record, reason, table_name, _sdc_rejected_at,"
                     " message_id, user_id, topic, kafka_partition, kafka_offset,"
                     " attempts FROM ");
        connection_add_name(sql, connection_field(r, i, 0));
        buf_add_cstr(sql, "._sdc_rejected");
    }
    connection_free(r);
    buf_add_cstr(sql, ") e");
    return is_any ||
           error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                     "--schema '%s': there is no such schema, or it has no _sdc_rejected",
                     flags->schema == NULL ? "" : flags->schema);
}

static bool is_time(const char *flag, const char *text, struct error *err)
{
    int64_t ignored = 0;
    return text == NULL || timestamp_parse(view_cstr(text), &ignored) ||
           shared_refuse_usage(err,
                               "--%s '%s': a time is wanted, such as 2026-11-01 or "
                               "2026-11-01T10:00:00Z",
                               flag, text);
}

bool rejected_query(struct connection *c, const struct rejected_question *q,
                    struct pg_result **out, struct error *err)
{
    const struct rejected_flags *flags = q->flags;
    struct buf sql = { 0 };
    const char *const values[] = { flags->reason, flags->since, flags->until,
                                   q->message_id };
    buf_printf(&sql, "SELECT %s", q->columns);
    bool done = is_time("since", flags->since, err) &&
                is_time("until", flags->until, err) && write_from(c, flags, &sql, err);
    buf_printf(&sql,
               " WHERE ($1::text IS NULL OR reason = $1 OR reason LIKE $1 || ':%%')"
               " AND ($2::timestamptz IS NULL OR _sdc_rejected_at >= $2)"
               " AND ($3::timestamptz IS NULL OR _sdc_rejected_at < $3)"
               " AND ($4::text IS NULL OR message_id = $4) %s",
               q->tail);
    done = done && connection_query(c, buf_cstr(&sql), 4, values, out, err);
    buf_release(&sql);
    return done;
}

/* ---- the list ---- */

static const char list_columns[] =
    "\"schema\", coalesce(table_name, ''), split_part(reason, ':', 1), count(*),"
    " sum(attempts)::bigint,"
    " to_char(max(_sdc_rejected_at) AT TIME ZONE 'UTC', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
    " (array_agg(message_id ORDER BY _sdc_rejected_at DESC))[1],"
    " (array_agg(reason ORDER BY _sdc_rejected_at DESC))[1]";

static const struct report_column list_fields[] = {
    { .name = "schema" },
    { .name = "table" },
    { .name = "reason" },
    { .name = "events", .is_number = true },
    { .name = "attempts", .is_number = true },
    { .name = "last_at" },
    { .name = "last_message_id" },
    { .name = "last_reason" },
};

static void print_list(const struct pg_result *r)
{
    if (connection_rows(r) == 0) {
        printf("nothing was rejected\n");
        return;
    }
    printf("%-24s %-10s %-24s %9s %-21s %s\n", "schema", "table", "reason", "events",
           "last", "last event");
    for (int i = 0; i < connection_rows(r); i++) {
        printf("%-24.*s %-10.*s %-24.*s %9lld %-21.*s %.*s\n",
               VIEW_ARG(connection_field(r, i, 0)), VIEW_ARG(connection_field(r, i, 1)),
               VIEW_ARG(connection_field(r, i, 2)),
               (long long)connection_field_i64(r, i, 3),
               VIEW_ARG(connection_field(r, i, 5)), VIEW_ARG(connection_field(r, i, 6)));
    }
    printf("\nOne of them whole: backstitch-loader rejected show MESSAGE_ID\n");
}

int command_rejected_list(const struct command_call *call)
{
    struct connection c = { .pg = NULL };
    struct error err = { .text = "" };
    struct pg_result *r = NULL;
    const struct rejected_question q = {
        .flags = call->flags,
        .columns = list_columns,
        .tail = "GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
    };
    bool done =
        shared_open_database(call->config, &c, &err) && rejected_query(&c, &q, &r, &err);
    if (done && call->json) {
        report_print("rejected", report_rows(r, list_fields,
                                             sizeof list_fields / sizeof list_fields[0]));
    } else if (done) {
        print_list(r);
    }
    connection_free(r);
    connection_close(&c);
    return done ? EXIT_DONE : shared_fail(call, &err);
}

/* ---- one of them ---- */

static const char show_columns[] =
    "\"schema\", table_name, reason,"
    " to_char(_sdc_rejected_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
    " message_id, user_id, topic, kafka_partition, kafka_offset, attempts, record";

static const struct report_column show_fields[] = {
    { .name = "schema" },
    { .name = "table" },
    { .name = "reason" },
    { .name = "rejected_at" },
    { .name = "message_id" },
    { .name = "user_id" },
    { .name = "topic" },
    { .name = "kafka_partition", .is_number = true },
    { .name = "kafka_offset", .is_number = true },
    { .name = "attempts", .is_number = true },
    { .name = "record" },
};

static void print_events(const struct pg_result *r)
{
    for (int i = 0; i < connection_rows(r); i++) {
        printf(
            "message id  %.*s\nschema      %.*s, table %.*s\nreason      %.*s\n"
            "rejected    %.*s, attempts: %lld\nin Kafka    %.*s:%lld:%lld\n"
            "as sent     %.*s\n",
            VIEW_ARG(connection_field(r, i, 4)), VIEW_ARG(connection_field(r, i, 0)),
            VIEW_ARG(connection_field(r, i, 1)), VIEW_ARG(connection_field(r, i, 2)),
            VIEW_ARG(connection_field(r, i, 3)), (long long)connection_field_i64(r, i, 9),
            VIEW_ARG(connection_field(r, i, 6)), (long long)connection_field_i64(r, i, 7),
            (long long)connection_field_i64(r, i, 8),
            VIEW_ARG(connection_field(r, i, 10)));
    }
}

int command_rejected_show(const struct command_call *call)
{
    struct connection c = { .pg = NULL };
    struct error err = { .text = "" };
    struct pg_result *r = NULL;
    const char *id = call->args[0];
    const struct rejected_question q = { .flags = call->flags,
                                         .message_id = id,
                                         .columns = show_columns,
                                         .tail = "ORDER BY 1, 7" };
    bool done =
        shared_open_database(call->config, &c, &err) && rejected_query(&c, &q, &r, &err);
    if (done && connection_rows(r) == 0) {
        done = error_set(&err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "'%s': no event with this id was rejected", id);
    }
    if (done && call->json) {
        report_print("events", report_rows(r, show_fields,
                                           sizeof show_fields / sizeof show_fields[0]));
    } else if (done) {
        print_events(r);
    }
    connection_free(r);
    connection_close(&c);
    return done ? EXIT_DONE : shared_fail(call, &err);
}
