#include "loader/postgres/whereabouts.h"

#include "loader/postgres/lookup.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- where the group stands ---- */

bool whereabouts_open(struct whereabouts *w, struct connection *c,
                      const struct positions_key *key, const struct replay_run *of,
                      struct error *err)
{
    *w = (struct whereabouts){ .connection = c, .position_count = of->partition_count };
    w->positions = mem_calloc(w->position_count, sizeof *w->positions);
    for (size_t i = 0; i < w->position_count; i++) {
        w->positions[i] =
            (struct sink_position){ .topic = of->partitions[i].topic,
                                    .partition = of->partitions[i].partition };
    }
    if (positions_read(c, key, w->positions, w->position_count, err) &&
        positions_held(c, key, &w->held, &w->held_count, err)) {
        return true;
    }
    whereabouts_close(w);
    return false;
}

void whereabouts_close(struct whereabouts *w)
{
    free(w->positions);
    free(w->held);
    *w = (struct whereabouts){ .connection = NULL };
}

bool whereabouts_is_held(const struct whereabouts *w, const char *topic,
                         int32_t partition, int64_t offset, struct view schema,
                         struct view table)
{
    for (size_t i = 0; i < w->held_count; i++) {
        const struct sink_range *h = &w->held[i];
        if (h->partition == partition && strcmp(h->topic, topic) == 0 &&
            offset >= h->from && offset < h->to && view_equal_cstr(schema, h->schema) &&
            view_equal_cstr(table, h->table)) {
            return true;
        }
    }
    return false;
}

bool whereabouts_is_ahead(const struct whereabouts *w, const char *topic,
                          int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < w->position_count; i++) {
        const struct sink_position *p = &w->positions[i];
        if (p->partition == partition && strcmp(p->topic, topic) == 0) {
            return offset >= p->next_offset;
        }
    }
    return true;
}

/* ---- ids ---- */

static bool has_table(struct whereabouts *w, struct view schema, struct view table,
                      bool *out, struct error *err)
{
    struct buf name = { 0 };
    struct pg_result *r = NULL;
    connection_add_name(&name, schema);
    buf_add_char(&name, '.');
    connection_add_name(&name, table);
    const char *const values[] = { buf_cstr(&name) };
    bool done = connection_query(w->connection, "SELECT to_regclass($1) IS NOT NULL", 1,
                                 values, &r, err);
    *out = done && view_equal_cstr(connection_field(r, 0, 0), "t");
    connection_free(r);
    buf_release(&name);
    return done;
}

static void write_search(const struct whereabouts_search *s, struct buf *sql)
{
    buf_add_cstr(sql, "SELECT DISTINCT u.i FROM unnest('{");
    for (size_t i = 0; i < s->count; i++) {
        lookup_add_text(sql, i > 0, s->ids[i]);
    }
    buf_add_cstr(sql, "}'::text[]) WITH ORDINALITY u(id, i) JOIN ");
    connection_add_name(sql, s->schema);
    buf_add_char(sql, '.');
    connection_add_name(sql, s->table);
    buf_add_cstr(sql, " t ON t.message_id = u.id");
}

bool whereabouts_find(struct whereabouts *w, struct whereabouts_search *s,
                      struct error *err)
{
    struct buf sql = { 0 };
    struct pg_result *r = NULL;
    bool exists = false;
    for (size_t i = 0; i < s->count; i++) {
        s->is_there[i] = false;
    }
    if (s->count == 0) {
        return true;
    }
    if (!has_table(w, s->schema, s->table, &exists, err)) {
        return false;
    }
    if (!exists) {
        return true;
    }
    write_search(s, &sql);
    bool done = connection_query(w->connection, buf_cstr(&sql), 0, NULL, &r, err);
    for (int i = 0; done && i < connection_rows(r); i++) {
        s->is_there[connection_field_i64(r, i, 0) - 1] = true;
    }
    connection_free(r);
    buf_release(&sql);
    return done;
}

bool whereabouts_is_deleted(struct whereabouts *w, struct view schema, struct view user,
                            int64_t since_us, bool *out, struct error *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT FROM backstitch.deletion WHERE \"schema\" = $1"
        " AND user_id = $2 AND requested_at > to_timestamp($3::numeric / 1000000))";
    char since[32];
    char *schema_text = mem_strdup_view(schema);
    char *user_text = mem_strdup_view(user);
    struct pg_result *r = NULL;
    snprintf(since, sizeof since, "%lld", (long long)since_us);
    const char *const values[] = { schema_text, user_text, since };
    bool done = connection_query(w->connection, sql, 3, values, &r, err);
    *out = done && view_equal_cstr(connection_field(r, 0, 0), "t");
    connection_free(r);
    free(schema_text);
    free(user_text);
    return done;
}
