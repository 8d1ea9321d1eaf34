#include "loader/postgres/whereabouts.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- where the group stands ---- */

static bool read_positions(struct whereabouts *w, const struct positions_key *key,
                           struct error *err)
{
    static const char sql[] =
        "SELECT topic, kafka_partition, next_offset FROM backstitch.load_offset"
        " WHERE consumer_group = $1 AND cluster_id = $2";
    const char *const where[] = { key->group, key->cluster_id };
    struct pg_result *r = NULL;
    if (!connection_query(w->connection, sql, 2, where, &r, err)) {
        return false;
    }
    w->position_count = (size_t)connection_rows(r);
    w->positions = mem_calloc(w->position_count, sizeof *w->positions);
    w->topics = mem_calloc(w->position_count + 1, TOPIC_NAME_BYTES);
    for (size_t i = 0; i < w->position_count; i++) {
        char *name = w->topics + i * TOPIC_NAME_BYTES;
        snprintf(name, TOPIC_NAME_BYTES, "%.*s",
                 VIEW_ARG(connection_field(r, (int)i, 0)));
        w->positions[i] = (struct sink_position){
            .topic = name,
            .partition = (int32_t)connection_field_i64(r, (int)i, 1),
            .next_offset = connection_field_i64(r, (int)i, 2),
        };
    }
    connection_free(r);
    return true;
}

bool whereabouts_open(struct whereabouts *w, struct connection *c,
                      const struct positions_key *key, struct error *err)
{
    *w = (struct whereabouts){ .connection = c };
    if (read_positions(w, key, err) &&
        positions_held(c, key, &w->held, &w->held_count, err)) {
        return true;
    }
    whereabouts_close(w);
    return false;
}

void whereabouts_close(struct whereabouts *w)
{
    free(w->positions);
    free(w->topics);
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
    return true; /* nobody has begun with it */
}

/* ---- ids ---- */

/* An element of an array as text. */
static void add_element(struct buf *array, struct view text)
{
    buf_add_char(array, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') {
            buf_add_char(array, '\\');
        }
        buf_add_char(array, text.data[i]);
    }
    buf_add_char(array, '"');
}

static void write_array(struct buf *out, const struct view *ids, size_t count)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_add_cstr(out, i == 0 ? "" : ",");
        add_element(out, ids[i]);
    }
    buf_add_char(out, '}');
}

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
    buf_add_cstr(sql, "SELECT DISTINCT u.i FROM unnest($1::text[]) WITH ORDINALITY u(id, "
                      "i) JOIN ");
    connection_add_name(sql, s->schema);
    buf_add_char(sql, '.');
    connection_add_name(sql, s->table);
    buf_add_cstr(sql, " t ON t.message_id = u.id");
}

bool whereabouts_find(struct whereabouts *w, struct whereabouts_search *s,
                      struct error *err)
{
    struct buf sql = { 0 };
    struct buf array = { 0 };
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
    write_array(&array, s->ids, s->count);
    const char *const values[] = { buf_cstr(&array) };
    bool done = connection_query(w->connection, buf_cstr(&sql), 1, values, &r, err);
    for (int i = 0; done && i < connection_rows(r); i++) {
        s->is_there[connection_field_i64(r, i, 0) - 1] = true;
    }
    connection_free(r);
    buf_release(&sql);
    buf_release(&array);
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
