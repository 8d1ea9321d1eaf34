/* erase: the `erase` command: deletes the rows of users who asked for it, wherever their
 * source's events are, and reports what was found, where, and when it was deleted
 * (operations.md, section 5). */
#include "loader/commands/commands.h"
#include "loader/commands/shared.h"
#include "loader/postgres/control_schema.h"
#include "loader/postgres/erasure.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"
#include "common/service/progress.h"
#include "common/service/shutdown.h"

#include <json-c/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_ATTEMPTS 20
#define STEP_PAUSE_MS 500
#define MS_PER_DAY INT64_C(86400000)

struct erase {
    const struct command_call *call;
    const struct loader_options *options;
    const struct erase_flags *flags;
    struct connection connection;
    json_object *found;    /* by user and place, as counted */
    json_object *requests; /* those that are done */
    json_object *without;  /* tables that name no user */
    size_t found_before;   /* so many were found in other places than this one */
    int64_t rows;
    bool was_stopped;
};

/* ---- attempts ---- */

/* A lock or a deadlock: the same works a little later. */
static bool may_try_again(struct erase *e, int attempt, const struct error *err)
{
    bool is_passing = strcmp(err->code, "55P03") == 0 ||
                      strcmp(err->code, "40P01") == 0 || strcmp(err->code, "40001") == 0;
    if (!is_passing || attempt == STEP_ATTEMPTS) {
        return false;
    }
    e->was_stopped = shutdown_wait(STEP_PAUSE_MS);
    return !e->was_stopped;
}

static bool wait_for_loads(struct erase *e, const char *schema, struct error *err)
{
    for (int attempt = 1; !erasure_wait(&e->connection, schema, err); attempt++) {
        if (!may_try_again(e, attempt, err)) {
            return false;
        }
    }
    return true;
}

/* ---- deleting ---- */

static const char *text_of(json_object *o, const char *name)
{
    return json_object_get_string(json_object_object_get(o, name));
}

/* Steps of one place add up. */
static void add_found(struct erase *e, const char *schema, const struct erasure_place *p,
                      const struct erasure_count *count)
{
    struct buf table = { 0 };
    e->rows += count->rows;
    for (size_t i = e->found_before; i < json_object_array_length(e->found); i++) {
        json_object *o = json_object_array_get_idx(e->found, i);
        if (strcmp(text_of(o, "user_id"), count->user) == 0) {
            json_object *rows = json_object_object_get(o, "rows");
            json_object_set_int64(rows, json_object_get_int64(rows) + count->rows);
            return;
        }
    }
    buf_printf(&table, "%s.%s", p->schema, p->table);
    json_object *o = json_object_new_object();
    json_object_object_add(o, "schema", json_object_new_string(schema));
    json_object_object_add(o, "user_id", json_object_new_string(count->user));
    json_object_object_add(o, "table", json_object_new_string(buf_cstr(&table)));
    json_object_object_add(o, "rows", json_object_new_int64(count->rows));
    json_object_array_add(e->found, o);
    buf_release(&table);
}

static bool step(struct erase *e, const struct erasure *of,
                 const struct erasure_place *place, bool *out_is_over, struct error *err)
{
    struct erasure_counts counts = { .count = 0 };
    for (int attempt = 1; !erasure_step(&e->connection, of, place, &counts, err);
         attempt++) {
        erasure_counts_release(&counts);
        if (!may_try_again(e, attempt, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < counts.count; i++) {
        add_found(e, of->schema, place, &counts.list[i]);
    }
    *out_is_over = counts.count == 0 || of->is_dry;
    erasure_counts_release(&counts);
    return true;
}

static bool walk_places(struct erase *e, const struct erasure *of,
                        const struct erasure_places *places, struct error *err)
{
    struct progress p;
    bool done = true;
    progress_begin(&p, "erase_progress", "rows", -1);
    for (size_t i = 0; done && !e->was_stopped && i < places->count; i++) {
        bool is_over = false;
        e->found_before = json_object_array_length(e->found);
        while (done && !is_over && !e->was_stopped) {
            done = step(e, of, &places->list[i], &is_over, err);
            progress_update(&p, e->rows, e->rows);
            e->was_stopped = e->was_stopped || shutdown_is_requested();
        }
    }
    progress_end(&p);
    return done;
}

/* ---- a schema ---- */

static void add_text(json_object *o, const char *name, struct view text)
{
    json_object_object_add(o, name, json_object_new_string_len(text.data, (int)text.len));
}

static bool complete(struct erase *e, const struct erasure *of, struct error *err)
{
    struct pg_result *r = NULL;
    if (!erasure_complete(&e->connection, of, &r, err)) {
        return false;
    }
    for (int i = 0; i < connection_rows(r); i++) {
        json_object *o = json_object_new_object();
        add_text(o, "schema", view_cstr(of->schema));
        add_text(o, "user_id", connection_field(r, i, 0));
        add_text(o, "requested_at", connection_field(r, i, 1));
        json_object_object_add(o, "rows_deleted",
                               json_object_new_int64(connection_field_i64(r, i, 2)));
        add_text(o, "completed_at", connection_field(r, i, 3));
        json_object_array_add(e->requests, o);
    }
    connection_free(r);
    return true;
}

static void add_without(struct erase *e, const struct erasure_places *places)
{
    struct view rest = view_of(places->without.data, places->without.len);
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        json_object_array_add(e->without,
                              json_object_new_string_len(rest.data, (int)len));
        rest = view_skip(rest, end == NULL ? len : len + 1);
    }
}

static bool erase_schema(struct erase *e, const struct erasure *of, struct error *err)
{
    struct erasure_places places;
    if (!of->is_dry && !wait_for_loads(e, of->schema, err)) {
        return e->was_stopped;
    }
    if (!erasure_find_places(&e->connection, of->schema, &places, err)) {
        return false;
    }
    add_without(e, &places);
    bool done = walk_places(e, of, &places, err);
    erasure_places_release(&places);
    return e->was_stopped || (done && (of->is_dry || complete(e, of, err)));
}

/* The open requests, schema by schema; or those of one schema. */
static bool erase_all(struct erase *e, struct error *err)
{
    struct pg_result *r = NULL;
    if (!erasure_schemas(&e->connection, e->flags->schema, &r, err)) {
        return false;
    }
    bool done = true;
    for (int i = 0; done && !e->was_stopped && i < connection_rows(r); i++) {
        char *schema = mem_strdup_view(connection_field(r, i, 0));
        char *until = mem_strdup_view(connection_field(r, i, 1));
        struct erasure of = { schema, until, NULL, e->flags->dry_run };
        done = erase_schema(e, &of, err) || error_prefix(err, "%s", schema);
        free(schema);
        free(until);
    }
    connection_free(r);
    return done;
}

/* ---- the request ---- */

/* Without --schema: the one that there is. */
static bool find_schema(struct erase *e, char **out, struct error *err)
{
    struct pg_result *r = NULL;
    const char *const values[] = { e->flags->schema };
    if (!connection_query(&e->connection,
                          "SELECT \"schema\" FROM backstitch.source"
                          " WHERE $1::text IS NULL OR \"schema\" = $1",
                          1, values, &r, err)) {
        return false;
    }
    bool is_one = connection_rows(r) == 1;
    *out = is_one ? mem_strdup_view(connection_field(r, 0, 0)) : NULL;
    connection_free(r);
    return is_one ||
           shared_refuse_usage(
               err, e->flags->schema == NULL
                        ? "which schema? Use --schema SCHEMA: there are several, or none "
                          "was loaded yet"
                        : "--schema: no such schema was loaded");
}

static bool erase_user(struct erase *e, struct error *err)
{
    char *schema = NULL;
    char *now = NULL;
    bool done = find_schema(e, &schema, err);
    struct erasure of = { schema, NULL, e->flags->user_id, e->flags->dry_run };
    done = done && erasure_request(&e->connection, &of, &now, err);
    of.until = now;
    done = done && erase_schema(e, &of, err);
    free(schema);
    free(now);
    return done;
}

/* ---- the report ---- */

/* Until when Kafka has what was sent before now; "" when that cannot be told. */
static void find_retention(const struct erase *e, char out[CLOCK_DAY_BYTES])
{
    struct error ignored;
    int64_t ms = 0;
    struct log_bounds_setup setup = shared_log_setup(e->options);
    out[0] = '\0';
    if (!log_bounds_retention(&setup, &ms, &ignored)) {
        return;
    }
    if (ms < 0) {
        snprintf(out, CLOCK_DAY_BYTES, "never");
        return;
    }
    clock_format_day(clock_real_ms() + ms + MS_PER_DAY, out);
}

static void print_json(const struct erase *e, const char *gone_by)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "dry_run", json_object_new_boolean(e->flags->dry_run));
    json_object_object_add(o, "stopped", json_object_new_boolean(e->was_stopped));
    json_object_object_add(o, "rows", json_object_new_int64(e->rows));
    json_object_object_add(o, "found", json_object_get(e->found));
    json_object_object_add(o, "requests", json_object_get(e->requests));
    json_object_object_add(o, "tables_without_user_id", json_object_get(e->without));
    json_object_object_add(o, "kafka_copy_gone_by",
                           gone_by[0] == '\0' ? NULL : json_object_new_string(gone_by));
    printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
    json_object_put(o);
}

static void print_found(const struct erase *e)
{
    const char *verb = e->flags->dry_run ? "would be deleted" : "deleted";
    for (size_t i = 0; i < json_object_array_length(e->found); i++) {
        json_object *o = json_object_array_get_idx(e->found, i);
        printf("user %s: %s rows of %s %s\n", text_of(o, "user_id"), text_of(o, "rows"),
               text_of(o, "table"), verb);
    }
    for (size_t i = 0; i < json_object_array_length(e->requests); i++) {
        json_object *o = json_object_array_get_idx(e->requests, i);
        printf("user %s: asked in %s at %s, done at %s, %s rows in all\n",
               text_of(o, "user_id"), text_of(o, "schema"), text_of(o, "requested_at"),
               text_of(o, "completed_at"), text_of(o, "rows_deleted"));
    }
}

static void print_text(const struct erase *e, const char *gone_by)
{
    print_found(e);
    for (size_t i = 0; i < json_object_array_length(e->without); i++) {
        printf("not searched, it names no user: %s\n",
               json_object_get_string(json_object_array_get_idx(e->without, i)));
    }
    printf("%lld rows %s\n", (long long)e->rows,
           e->flags->dry_run ? "would be deleted; nothing was changed" : "deleted");
    if (strcmp(gone_by, "never") == 0) {
        printf("Kafka keeps what was sent for ever (retention.ms -1): its copy stays.\n");
    } else if (gone_by[0] != '\0') {
        printf("Kafka's copy of what was sent before is gone by %s, by the topics' "
               "retention.\n",
               gone_by);
    } else {
        printf("Kafka's copy ends with the topics' retention, which could not be asked "
               "for.\n");
    }
}

static int report(const struct erase *e, bool done, const struct error *err)
{
    char gone_by[CLOCK_DAY_BYTES];
    if (!done) {
        return shared_fail(e->call, err);
    }
    find_retention(e, gone_by);
    if (e->call->json) {
        print_json(e, gone_by);
    } else {
        print_text(e, gone_by);
    }
    if (e->was_stopped) {
        fprintf(stderr, "Stopped; the same command goes on with the rest.\n");
        return EXIT_WORK_LEFT;
    }
    return EXIT_DONE;
}

static bool open_database(struct erase *e, struct error *err)
{
    return erasure_open(&e->connection, e->options->database_url, err) &&
           control_schema_migrate(&e->connection, err);
}

int command_erase(const struct command_call *call)
{
    struct erase e = { .call = call,
                       .options = call->config,
                       .flags = call->flags,
                       .found = json_object_new_array(),
                       .requests = json_object_new_array(),
                       .without = json_object_new_array() };
    struct error err = { .text = "" };
    log_configure((enum log_level)e.options->log_level,
                  (enum log_format)e.options->log_format);
    bool done = shutdown_start(&err) &&
                (open_database(&e, &err) || error_prefix(&err, "DATABASE_URL")) &&
                (e.flags->user_id != NULL ? erase_user(&e, &err) : erase_all(&e, &err));
    int code = report(&e, done, &err);
    json_object_put(e.found);
    json_object_put(e.requests);
    json_object_put(e.without);
    connection_close(&e.connection);
    return code;
}
