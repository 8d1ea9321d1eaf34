#include "loader/postgres/postgres_sink.h"

#include "loader/postgres/control_schema.h"
#include "loader/postgres/database_url.h"
#include "loader/postgres/direct_load.h"
#include "loader/postgres/frozen_peer.h"
#include "loader/postgres/probe.h"
#include "loader/postgres/server_check.h"
#include "loader/postgres/table_ddl.h"
#include "loader/postgres/table_reader.h"
#include "loader/postgres/trial.h"
#include "loader/postgres/upkeep.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <stdlib.h>
#include <string.h>

/* As long as idle_in_transaction_session_timeout. */
#define FROZEN_PEER_MS 15000

struct postgres_sink {
    struct postgres_sink_setup setup;
    struct database_url url;
    struct connection connection;
    struct connection_waker *waker;
    struct staging staging;
    /* Schemas whose _sdc_rejected is known to be there; NUL-ended names, one after
     * another. */
    struct buf known_schemas;
    struct upkeep upkeep;
    bool is_checked; /* server_check found nothing, in this process's life */
};

static void forget_session(struct postgres_sink *s)
{
    staging_clear(&s->staging);
    buf_clear(&s->known_schemas);
}

/* Once in a process's life: what is asked does not change with a reconnect. */
static bool check_server(struct postgres_sink *s, struct error *err)
{
    if (!s->is_checked) {
        s->is_checked =
            server_check(&s->connection, s->url.value, s->setup.grant_select, err);
    }
    return s->is_checked;
}

static bool sink_connect(void *context, struct error *err)
{
    struct postgres_sink *s = context;
    forget_session(s);
    if (connection_open(&s->connection, database_url_now(&s->url), err) &&
        check_server(s, err) && control_schema_migrate(&s->connection, err)) {
        return true;
    }
    connection_close(&s->connection);
    return false;
}

static void sink_disconnect(void *context)
{
    struct postgres_sink *s = context;
    forget_session(s);
    connection_close(&s->connection);
}

static bool sink_read_table(void *context, struct view schema, struct view name,
                            struct table **out, struct error *err)
{
    struct postgres_sink *s = context;
    return table_reader_read(&s->connection, schema, name, s->setup.new_columns_per_hour,
                             out, err);
}

static struct table_ddl_options ddl_options(const struct postgres_sink *s)
{
    struct table_ddl_options options = { .grant_select = s->setup.grant_select,
                                         .new_columns_per_hour =
                                             s->setup.new_columns_per_hour };
    return options;
}

static bool sink_extend(void *context, const struct table_plan *plan, struct table **out,
                        struct error *err)
{
    struct postgres_sink *s = context;
    struct table_ddl_options options = ddl_options(s);
    return table_ddl_extend(&s->connection, plan, &options, out, err);
}

static struct positions_key key_of(const struct postgres_sink *s, const char *cluster_id)
{
    struct positions_key key = { s->setup.group, cluster_id, s->setup.owner,
                                 s->setup.replay };
    return key;
}

static bool sink_read_positions(void *context, const char *cluster_id,
                                struct sink_position *positions, size_t count,
                                struct error *err)
{
    struct postgres_sink *s = context;
    struct positions_key key = key_of(s, cluster_id);
    return positions_read(&s->connection, &key, positions, count, err);
}

static bool sink_move_positions(void *context, const char *cluster_id,
                                const struct sink_move *moves, size_t count,
                                struct error *err)
{
    struct postgres_sink *s = context;
    struct positions_key key = key_of(s, cluster_id);
    return positions_move(&s->connection, &key, moves, count, err);
}

static bool sink_read_held(void *context, const char *cluster_id, struct sink_range **out,
                           size_t *out_count, struct error *err)
{
    struct postgres_sink *s = context;
    struct positions_key key = key_of(s, cluster_id);
    return positions_held(&s->connection, &key, out, out_count, err);
}

static bool sink_note_tried(void *context, const char *cluster_id, struct view schema,
                            struct view name, const struct error *why, struct error *err)
{
    struct postgres_sink *s = context;
    struct positions_key key = key_of(s, cluster_id);
    return positions_note_tried(&s->connection, &key, schema, name, why, err);
}

static void sink_interrupt(void *context, bool is_on)
{
    struct postgres_sink *s = context;
    connection_waker_set(s->waker, is_on);
}

static int64_t sink_mono_ms(void *context)
{
    (void)context;
    return clock_mono_ms();
}

static bool is_known(const struct postgres_sink *s, struct view schema)
{
    for (size_t at = 0; at < s->known_schemas.len;) {
        struct view known = view_cstr(s->known_schemas.data + at);
        if (view_equal(known, schema)) {
            return true;
        }
        at += known.len + 1;
    }
    return false;
}

/* A source whose events are all rejected has no data table yet, so its schema may be
 * missing. */
static bool make_rejected_tables(struct postgres_sink *s, const struct sink_load *load,
                                 size_t *failed_table, struct error *err)
{
    struct table_ddl_options options = ddl_options(s);
    for (size_t i = 0; i < load->rejected_count; i++) {
        struct view schema = load->rejected[i].schema;
        if (schema.len == 0 || is_known(s, schema)) {
            continue;
        }
        if (!table_ddl_schema(&s->connection, schema, &options, err)) {
            *failed_table = load->table_count + i;
            return false;
        }
        buf_add_view(&s->known_schemas, schema);
        buf_add_char(&s->known_schemas, '\0');
    }
    return true;
}

/* A row that COPY refuses will be looked for in the staged way anyway (trial.h): a staged
 * load in between would only be refused once more. Not so an id that another loader has
 * inserted at this moment. */
static bool is_for_trial(size_t failed_table, const struct error *err)
{
    return failed_table != SINK_NO_TABLE && sink_failure_of(err) == SINK_POISON &&
           strcmp(err->code, "23505") != 0;
}

/* Straight into the tables first; whatever hinders that, the staged way decides. A table
 * that changed too: it says which. */
static bool load_rows(const struct load_setup *setup, const struct sink_load *load,
                      struct load_counts *counts, size_t *failed_table, struct error *err)
{
    if (load->is_staged) {
        return load_run(setup, load, counts, failed_table, err);
    }
    switch (direct_load_run(setup, load, NULL, counts, failed_table, err)) {
    case DIRECT_DONE:
        return true;
    case DIRECT_FAILED:
        if (sink_failure_of(err) != SINK_STALE) {
            return false;
        }
        break;
    case DIRECT_ROLLED_BACK:
        if (is_for_trial(*failed_table, err)) {
            return false;
        }
        break;
    }
    log_failure(LOG_DEBUG, "load_staged", err);
    return load_run(setup, load, counts, failed_table, err);
}

static struct load_setup load_setup_of(struct postgres_sink *s, const char *cluster_id)
{
    struct load_setup setup = { .connection = &s->connection,
                                .staging = &s->staging,
                                .key = key_of(s, cluster_id),
                                .deletions_of = s->setup.deletions_of,
                                .newest_wins = s->setup.newest_wins,
                                .overwrites = s->setup.overwrites,
                                .clears_rejected = s->setup.clears_rejected };
    return setup;
}

/* A lock that is not given up for lock_timeout may be a frozen loader's. */
static void end_frozen_peers(struct postgres_sink *s, const struct error *failure)
{
    struct error ignored;
    int64_t count = 0;
    if (strcmp(failure->code, "55P03") == 0 &&
        frozen_peer_end(&s->connection, FROZEN_PEER_MS, &count, &ignored) && count > 0) {
        log_warn("frozen_loader_ended", log_int("sessions", count));
    }
}

static bool sink_load(void *context, const char *cluster_id, const struct sink_load *load,
                      struct load_counts *counts, size_t *failed_table, struct error *err)
{
    struct postgres_sink *s = context;
    struct load_setup setup = load_setup_of(s, cluster_id);
    *failed_table = SINK_NO_TABLE;
    if (make_rejected_tables(s, load, failed_table, err) &&
        load_rows(&setup, load, counts, failed_table, err)) {
        if (s->setup.deletions_of == NULL) { /* a replay's target is no source's schema */
            upkeep_after_load(&s->upkeep, &s->connection, load, clock_mono_ms());
        }
        return true;
    }
    buf_clear(&s->known_schemas); /* one of them may be what is missing */
    end_frozen_peers(s, err);
    return false;
}

static bool sink_try_rows(void *context, const struct sink_rows *rows,
                          struct sink_trial *out, struct error *err)
{
    struct load_setup setup = load_setup_of(context, "");
    return trial_run(&setup, rows, out, err);
}

static bool sink_probe(void *context, const struct table *table, struct error *err)
{
    struct postgres_sink *s = context;
    return probe_table(&s->connection, table, err);
}

bool postgres_sink_open(const struct postgres_sink_setup *setup, struct sink *out,
                        struct error *err)
{
    struct postgres_sink *s = mem_calloc(1, sizeof *s);
    s->setup = *setup;
    if (!connection_waker_new(&s->waker, err)) {
        free(s);
        return false;
    }
    s->connection.waker = s->waker;
    database_url_init(&s->url, setup->database_url, setup->database_url_file);
    *out = (struct sink){ .context = s,
                          .connect = sink_connect,
                          .disconnect = sink_disconnect,
                          .read_table = sink_read_table,
                          .extend = sink_extend,
                          .read_positions = sink_read_positions,
                          .move_positions = sink_move_positions,
                          .read_held = sink_read_held,
                          .note_tried = sink_note_tried,
                          .try_rows = sink_try_rows,
                          .mono_ms = sink_mono_ms,
                          .interrupt = sink_interrupt,
                          .load = sink_load,
                          .probe = sink_probe };
    return true;
}

void postgres_sink_close(struct sink *sink)
{
    struct postgres_sink *s = sink->context;
    if (s == NULL) {
        return;
    }
    sink_disconnect(s);
    buf_release(&s->known_schemas);
    upkeep_release(&s->upkeep);
    database_url_release(&s->url);
    connection_waker_free(s->waker);
    free(s);
    sink->context = NULL;
}
