#include "loader/postgres/upkeep.h"

#include "loader/postgres/replay_runs.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <stdlib.h>

#define NOTE_EVERY_MS 60000
#define PRUNE_EVERY_MS 3600000

/* What replays have loaded is their accounting, as long as they are known. */
static const char prune_sql[] =
    "DELETE FROM backstitch.load_stat WHERE minute < now() - interval '30 days'"
    "   AND loader NOT IN (SELECT '" REPLAY_OWNER "' || run FROM backstitch.replay)";

void upkeep_release(struct upkeep *u)
{
    for (size_t i = 0; i < u->count; i++) {
        free(u->sources[i].schema);
    }
    free(u->sources);
    *u = (struct upkeep){ 0 };
}

static struct upkeep_source *find(struct upkeep *u, struct view schema)
{
    for (size_t i = 0; i < u->count; i++) {
        if (view_equal(view_cstr(u->sources[i].schema), schema)) {
            return &u->sources[i];
        }
    }
    return NULL;
}

/* True when the schema is to be noted now; from then on it is not for a minute. */
static bool is_due(struct upkeep *u, struct view schema, int64_t now_mono_ms)
{
    struct upkeep_source *known = find(u, schema);
    if (known != NULL) {
        bool is_old = now_mono_ms - known->noted_mono_ms >= NOTE_EVERY_MS;
        known->noted_mono_ms = is_old ? now_mono_ms : known->noted_mono_ms;
        return is_old;
    }
    if (u->count == u->capacity) {
        u->capacity = u->capacity == 0 ? 8 : u->capacity * 2;
        u->sources = mem_resize(u->sources, u->capacity, sizeof *u->sources);
    }
    u->sources[u->count++] = (struct upkeep_source){ .schema = mem_strdup_view(schema),
                                                     .noted_mono_ms = now_mono_ms };
    return true;
}

/* One statement each: two rows in one transaction could make two loaders wait for each
 * other crosswise. */
static void note(struct connection *c, const struct sink_tally *t)
{
    struct buf sql = { 0 };
    struct error err;
    buf_add_cstr(&sql, "INSERT INTO backstitch.source AS s "
                       "(\"schema\", source, mapping_version, last_event_at) VALUES (");
    connection_add_literal(&sql, t->schema);
    buf_add_char(&sql, ',');
    connection_add_literal(&sql, t->source);
    buf_printf(&sql,
               ",%d,to_timestamp(%lld/1000.0)) ON CONFLICT (\"schema\") DO UPDATE SET "
               "last_event_at=greatest(s.last_event_at,EXCLUDED.last_event_at)",
               MAPPING_VERSION, (long long)t->last_received_at_ms);
    if (!connection_run(c, buf_cstr(&sql), "noting the source", &err)) {
        log_failure(LOG_DEBUG, "source_not_noted", &err);
    }
    buf_release(&sql);
}

void upkeep_after_load(struct upkeep *u, struct connection *c,
                       const struct sink_load *load, int64_t now_mono_ms)
{
    struct error err;
    for (size_t i = 0; i < load->tally_count; i++) {
        const struct sink_tally *t = &load->tallies[i];
        if (!view_equal_cstr(t->schema, SINK_CONTROL_SCHEMA) &&
            is_due(u, t->schema, now_mono_ms)) {
            note(c, t);
        }
    }
    if (u->pruned_mono_ms == 0 || now_mono_ms - u->pruned_mono_ms >= PRUNE_EVERY_MS) {
        u->pruned_mono_ms = now_mono_ms;
        if (!connection_run(c, prune_sql, "deleting old statistics", &err)) {
            log_failure(LOG_DEBUG, "statistics_not_pruned", &err);
        }
    }
}
