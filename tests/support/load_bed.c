#include "tests/support/load_bed.h"

#include "loader/load/batch_load.h"
#include "loader/postgres/control_schema.h"
#include "loader/postgres/table_ddl.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char topic[] = "segment.track";
static const char cluster[] = "c1";

static void release_message(void *context, void *message)
{
    (void)context;
    free(message);
}

static const struct log_release releases = { NULL, release_message };

void bed_run(struct connection *eye, const char *sql)
{
    struct error err;
    if (!connection_run(eye, sql, "test", &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
}

const char *bed_ask(struct connection *eye, const char *sql)
{
    static char answer[4096];
    struct pg_result *r = NULL;
    struct error err;
    if (!connection_query(eye, sql, 0, NULL, &r, &err)) {
        fail_msg("%s: %s %s", sql, err.code, err.text);
    }
    snprintf(answer, sizeof answer, "%s", "(no row)");
    if (connection_rows(r) > 0) {
        struct view v = connection_field(r, 0, 0);
        snprintf(answer, sizeof answer, "%.*s", VIEW_ARG(v));
    }
    connection_free(r);
    return answer;
}

void bed_loader_open(struct bed_loader *l, const char *url, const char *name,
                     bool newest_wins)
{
    static const char *const none[] = { NULL };
    struct mapping_options options = { .ignore_paths = none, .integration_names = none };
    struct buf sql = { 0 };
    *l = (struct bed_loader){ .name = name, .newest_wins = newest_wins };
    if (!connection_open(&l->connection, url, &l->err) ||
        !control_schema_migrate(&l->connection, &l->err)) {
        fail_msg("%s %s", l->err.code, l->err.text);
    }
    buf_printf(&sql,
               "INSERT INTO backstitch.load_offset VALUES ('%s', '%s', '%s', 0, 0, '%s')",
               name, cluster, topic, name);
    bed_run(&l->connection, buf_cstr(&sql));
    buf_release(&sql);
    l->catalogue = catalogue_new();
    l->mapper = mapper_new(&options);
    l->batch = batch_new();
}

void bed_loader_close(struct bed_loader *l)
{
    if (l->batch == NULL) {
        return;
    }
    staging_clear(&l->staging);
    connection_close(&l->connection);
    catalogue_free(l->catalogue);
    mapper_free(l->mapper);
    batch_free(l->batch, &releases);
    l->batch = NULL;
}

static struct batch_context context_of(struct bed_loader *l)
{
    struct batch_context c = { .catalogue = l->catalogue,
                               .mapper = l->mapper,
                               .max_columns = 800 };
    return c;
}

void bed_add(struct bed_loader *l, const struct bed_event *e)
{
    size_t size = strlen(e->rest) + strlen(e->id) + 64;
    char *value = mem_alloc(size);
    int len = snprintf(value, size, "{\"type\":\"%s\",\"messageId\":\"%s\"%s}",
                       event_type_name(e->type), e->id, e->rest);
    struct log_record r = {
        .record = { .topic = e->type,
                    .value = view_of(value, (size_t)len),
                    .source = VIEW_LITERAL("shop"),
                    .schema = VIEW_LITERAL("shop"),
                    .received_at_ms = e->received_at_ms,
                    .seq = e->seq,
                    .via = VIA_WEBHOOK,
                    .auth = AUTH_TOKEN },
        .topic = topic,
        .offset = l->offset,
        .headers_are_valid = true,
        .message = value,
    };
    struct batch_context context = context_of(l);
    batch_add(l->batch, &context, &r, l->offset, 0);
    l->offset++;
}

void bed_add_track(struct bed_loader *l, const char *id, int64_t received_at_ms,
                   const char *rest)
{
    bed_add(l, &(struct bed_event){ .id = id,
                                    .received_at_ms = received_at_ms,
                                    .rest = rest,
                                    .type = EVENT_TRACK });
}

static void extend(struct bed_loader *l, const struct table_plan *plan)
{
    struct table_ddl_options options = { .new_columns_per_hour = 10000 };
    struct table *made = NULL;
    if (!table_ddl_extend(&l->connection, plan, &options, &made, &l->err)) {
        fail_msg("%s %s", l->err.code, l->err.text);
    }
    catalogue_put(l->catalogue, made);
    table_unref(made);
}

/* What the loader's own way does, without its refinements: makes every plan true and maps
 * again, until nothing is to be added (a twin shows only once the column's type is
 * known). */
void bed_settle(struct bed_loader *l)
{
    struct batch *b = l->batch;
    struct batch_context c = context_of(l);
    size_t added = 1;
    while (added > 0) {
        for (size_t i = 0; i < b->table_count; i++) {
            extend(l, b->tables[i].plan);
        }
        batch_map(b, &c);
        added = 0;
        for (size_t i = 0; i < b->table_count; i++) {
            added += table_plan_added(b->tables[i].plan);
        }
    }
}

static struct load_setup setup_of(struct bed_loader *l)
{
    struct load_setup setup = { .connection = &l->connection,
                                .staging = &l->staging,
                                .key = { l->name, cluster, l->name },
                                .newest_wins = l->newest_wins };
    return setup;
}

static void begin_next(struct bed_loader *l)
{
    batch_free(l->batch, &releases);
    l->batch = batch_new();
}

static void begin_load(struct bed_loader *l, struct batch_load *out)
{
    static const struct held_tables none = { 0 };
    l->table_count = l->batch->table_count;
    assert_true(l->table_count <= sizeof l->counts / sizeof l->counts[0]);
    memset(l->counts, 0, sizeof l->counts);
    batch_load_make(l->batch, 0, l->batch->record_count, &none, out);
}

enum direct_outcome bed_load_direct(struct bed_loader *l)
{
    struct batch_load content;
    size_t failed_table;
    struct load_setup setup = setup_of(l);
    begin_load(l, &content);
    enum direct_outcome outcome = direct_load_run(&setup, &content.load, l->pause,
                                                  l->counts, &failed_table, &l->err);
    batch_load_release(&content);
    if (outcome == DIRECT_DONE) {
        begin_next(l);
    }
    return outcome;
}

bool bed_load_staged(struct bed_loader *l)
{
    struct batch_load content;
    size_t failed_table;
    struct load_setup setup = setup_of(l);
    begin_load(l, &content);
    bool done = load_run(&setup, &content.load, l->counts, &failed_table, &l->err);
    batch_load_release(&content);
    if (done) {
        begin_next(l);
    }
    return done;
}

bool bed_load(struct bed_loader *l, bool *out_is_direct)
{
    enum direct_outcome outcome = bed_load_direct(l);
    *out_is_direct = outcome == DIRECT_DONE;
    return outcome == DIRECT_DONE ||
           (outcome == DIRECT_ROLLED_BACK && bed_load_staged(l));
}

void bed_load_well(struct bed_loader *l)
{
    bed_settle(l);
    if (bed_load_direct(l) != DIRECT_DONE) {
        fail_msg("%s %s", l->err.code, l->err.text);
    }
}
