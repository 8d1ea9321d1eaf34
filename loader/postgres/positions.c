#include "loader/postgres/positions.h"

#include "common/base/mem.h"

#include <stdio.h>

static const char read_sql[] =
    "SELECT topic, kafka_partition, next_offset FROM backstitch.load_offset"
    " WHERE consumer_group = $1 AND cluster_id = $2";

static const char read_replay_sql[] =
    "SELECT topic, kafka_partition, next_offset FROM backstitch.replay_run WHERE run = "
    "$1";

static void note(struct sink_position *positions, size_t count, struct view topic,
                 int64_t partition, int64_t next_offset)
{
    for (size_t i = 0; i < count; i++) {
        if (positions[i].partition == partition &&
            view_equal_cstr(topic, positions[i].topic)) {
            positions[i].next_offset = next_offset;
            return;
        }
    }
}

bool positions_read(struct connection *c, const struct positions_key *key,
                    struct sink_position *positions, size_t count, struct error *err)
{
    const char *const of_group[] = { key->group, key->cluster_id };
    const char *const of_replay[] = { key->replay };
    struct pg_result *r = NULL;
    bool done = key->replay == NULL
                    ? connection_query(c, read_sql, 2, of_group, &r, err)
                    : connection_query(c, read_replay_sql, 1, of_replay, &r, err);
    if (!done) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        positions[i].next_offset = -1;
    }
    for (int row = 0; row < connection_rows(r); row++) {
        note(positions, count, connection_field(r, row, 0),
             connection_field_i64(r, row, 1), connection_field_i64(r, row, 2));
    }
    connection_free(r);
    return true;
}

static void add_move_call(struct buf *sql, const struct positions_key *key)
{
    if (key->replay != NULL) {
        buf_add_cstr(sql, "SELECT backstitch.move_replay(");
        connection_add_literal(sql, view_cstr(key->replay));
        buf_add_cstr(sql, ",v.t,v.p,v.f,v.n,v.m");
        return;
    }
    buf_add_cstr(sql, "SELECT backstitch.move_position(");
    connection_add_literal(sql, view_cstr(key->group));
    buf_add_char(sql, ',');
    connection_add_literal(sql, view_cstr(key->cluster_id));
    buf_add_cstr(sql, ",v.t,v.p,v.f,v.n,v.m,v.w,");
    connection_add_literal(sql, view_cstr(key->owner));
}

/* Ordered, so that two loaders take the row locks in the same order. */
bool positions_move(struct connection *c, const struct positions_key *key,
                    const struct sink_move *moves, size_t count, struct error *err)
{
    struct buf sql = { 0 };
    add_move_call(&sql, key);
    buf_add_cstr(&sql, ") FROM (SELECT * FROM (VALUES ");
    for (size_t i = 0; i < count; i++) {
        const struct sink_move *m = &moves[i];
        buf_add_cstr(&sql, i == 0 ? "(" : ",(");
        connection_add_literal(&sql, view_cstr(m->topic));
        buf_printf(&sql, ",%d,nullif(%lld,-1)::bigint,%lld::bigint,%lld::bigint,",
                   m->partition, (long long)m->expected, (long long)m->next,
                   (long long)m->missing);
        connection_add_literal(&sql, view_cstr(m->why == NULL ? "" : m->why));
        buf_add_char(&sql, ')');
    }
    buf_add_cstr(&sql, ") AS w(t,p,f,n,m,w) ORDER BY t,p) AS v");
    bool done = connection_run(c, buf_cstr(&sql), "moving positions", err);
    buf_release(&sql);
    return done;
}

static const char held_sql[] =
    "SELECT topic, kafka_partition, \"schema\", \"table\", from_offset, to_offset"
    "  FROM backstitch.held WHERE consumer_group = $1 AND cluster_id = $2"
    " ORDER BY 1, 2, 3, 4";

static void copy_field(const struct pg_result *r, int row, int column, char *out,
                       size_t size)
{
    snprintf(out, size, "%.*s", VIEW_ARG(connection_field(r, row, column)));
}

bool positions_held(struct connection *c, const struct positions_key *key,
                    struct sink_range **out, size_t *out_count, struct error *err)
{
    const char *const where[] = { key->group, key->cluster_id };
    struct pg_result *r = NULL;
    *out = NULL;
    *out_count = 0;
    if (key->replay != NULL) {
        return true;
    }
    if (!connection_query(c, held_sql, 2, where, &r, err)) {
        return false;
    }
    int count = connection_rows(r);
    struct sink_range *list = mem_calloc((size_t)count, sizeof *list);
    for (int i = 0; i < count; i++) {
        copy_field(r, i, 0, list[i].topic, sizeof list[i].topic);
        list[i].partition = (int32_t)connection_field_i64(r, i, 1);
        copy_field(r, i, 2, list[i].schema, sizeof list[i].schema);
        copy_field(r, i, 3, list[i].table, sizeof list[i].table);
        list[i].from = connection_field_i64(r, i, 4);
        list[i].to = connection_field_i64(r, i, 5);
    }
    connection_free(r);
    *out = list;
    *out_count = (size_t)count;
    return true;
}

static const char tried_sql[] =
    "UPDATE backstitch.held SET tried_at = now(), code = $5, reason = $6"
    " WHERE consumer_group = $1 AND cluster_id = $2 AND \"schema\" = $3 AND \"table\" = "
    "$4";

bool positions_note_tried(struct connection *c, const struct positions_key *key,
                          struct view schema, struct view table, const struct error *why,
                          struct error *err)
{
    char schema_text[SINK_NAME_BYTES];
    char table_text[SINK_NAME_BYTES];
    snprintf(schema_text, sizeof schema_text, "%.*s", VIEW_ARG(schema));
    snprintf(table_text, sizeof table_text, "%.*s", VIEW_ARG(table));
    const char *const values[] = { key->group, key->cluster_id, schema_text,
                                   table_text, why->code,       why->text };
    return connection_execute(c, tried_sql, 6, values, err);
}
