#include "loader/postgres/positions.h"

#include <stdio.h>

static const char read_sql[] =
    "SELECT topic, kafka_partition, next_offset FROM backstitch.load_offset"
    " WHERE consumer_group = $1 AND cluster_id = $2";

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
    const char *const where[] = { key->group, key->cluster_id };
    struct pg_result *r = NULL;
    if (!connection_query(c, read_sql, 2, where, &r, err)) {
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

static const char insert_sql[] =
    "INSERT INTO backstitch.load_offset"
    " (consumer_group, cluster_id, topic, kafka_partition, next_offset, owner)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1";

static const char update_sql[] =
    "UPDATE backstitch.load_offset SET next_offset = $5, owner = $6, updated_at = now()"
    " WHERE consumer_group = $1 AND cluster_id = $2 AND topic = $3 AND kafka_partition = "
    "$4"
    "   AND next_offset = $7 RETURNING 1";

bool positions_set(struct connection *c, const struct positions_key *key,
                   const struct sink_position *position, int64_t expected,
                   struct error *err)
{
    char partition[16];
    char next[24];
    char before[24];
    snprintf(partition, sizeof partition, "%d", position->partition);
    snprintf(next, sizeof next, "%lld", (long long)position->next_offset);
    snprintf(before, sizeof before, "%lld", (long long)expected);
    const char *const values[] = {
        key->group, key->cluster_id, position->topic, partition, next, key->owner, before
    };
    struct pg_result *r = NULL;
    bool is_first = expected < 0;
    if (!connection_query(c, is_first ? insert_sql : update_sql, is_first ? 6 : 7, values,
                          &r, err)) {
        return false;
    }
    bool was_set = connection_rows(r) == 1;
    connection_free(r);
    return was_set || error_set(err, ERROR_RETRY, ERROR_FROM_POSTGRES, "BS001",
                                "another loader has set the position of %s:%d",
                                position->topic, position->partition);
}
