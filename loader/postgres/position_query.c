#include "loader/postgres/position_query.h"

static void add_cstr_literal(struct buf *sql, const char *text)
{
    connection_add_literal(sql, view_cstr(text));
}

static void add_key(const struct positions_key *key, struct buf *sql)
{
    add_cstr_literal(sql, key->group);
    buf_add_char(sql, ',');
    add_cstr_literal(sql, key->cluster_id);
}

/* The same for a replay, with what it accounts for. */
static void add_advance_replay(const struct positions_key *key,
                               const struct sink_load *load, struct buf *sql)
{
    buf_add_cstr(sql, "SELECT backstitch.advance_replay(");
    add_cstr_literal(sql, key->replay);
    buf_add_cstr(sql, ",v.t,v.p,v.f,v.n,v.r,v.s,v.d) FROM (SELECT * FROM (VALUES ");
    for (size_t i = 0; i < load->interval_count; i++) {
        const struct sink_interval *v = &load->intervals[i];
        buf_add_cstr(sql, i == 0 ? "(" : ",(");
        add_cstr_literal(sql, v->topic);
        buf_printf(sql, ",%d,%lld::bigint,%lld::bigint,%llu,%llu,%llu)", v->partition,
                   (long long)v->from, (long long)v->to, (unsigned long long)v->records,
                   (unsigned long long)v->skipped, (unsigned long long)v->deletions);
    }
    buf_add_cstr(sql, ") AS w(t,p,f,n,r,s,d) ORDER BY t,p) AS v;\n");
}

/* Ordered by topic and partition inside of the statement, so that two loaders take the
 * row locks in the same order. */
static void add_advance(const struct positions_key *key, const struct sink_load *load,
                        struct buf *sql)
{
    if (key->replay != NULL) {
        add_advance_replay(key, load, sql);
        return;
    }
    buf_add_cstr(sql, "SELECT backstitch.advance(");
    add_key(key, sql);
    buf_add_cstr(sql, ",v.t,v.p,v.f,v.n,");
    add_cstr_literal(sql, key->owner);
    buf_add_cstr(sql, ") FROM (SELECT * FROM (VALUES ");
    for (size_t i = 0; i < load->interval_count; i++) {
        const struct sink_interval *v = &load->intervals[i];
        buf_add_cstr(sql, i == 0 ? "(" : ",(");
        add_cstr_literal(sql, v->topic);
        buf_printf(sql, ",%d,%lld::bigint,%lld::bigint)", v->partition,
                   (long long)v->from, (long long)v->to);
    }
    buf_add_cstr(sql, ") AS w(t,p,f,n) ORDER BY t,p) AS v;\n");
}

static void add_range_name(struct buf *sql, const struct sink_range *r)
{
    add_cstr_literal(sql, r->topic);
    buf_printf(sql, ",%d,", r->partition);
    add_cstr_literal(sql, r->schema);
    buf_add_char(sql, ',');
    add_cstr_literal(sql, r->table);
}

/* Of a slice of a held range only its start moves. */
static void add_slice(const struct positions_key *key, const struct sink_load *load,
                      struct buf *sql)
{
    const struct sink_range *r = load->slice;
    buf_add_cstr(sql, "SELECT backstitch.advance_held(");
    add_key(key, sql);
    buf_add_char(sql, ',');
    add_range_name(sql, r);
    buf_printf(sql, ",%lld,%lld,%lld);\n", (long long)r->from, (long long)r->to,
               (long long)load->lost);
}

/* What waits for its table from now on. Ordered, as the positions are. */
static void add_holds(const struct positions_key *key, const struct sink_load *load,
                      struct buf *sql)
{
    if (load->hold_count == 0) {
        return;
    }
    buf_add_cstr(sql, "SELECT backstitch.hold(");
    add_key(key, sql);
    buf_add_cstr(sql, ",v.t,v.p,v.s,v.n,v.f,v.e,v.c,v.r) FROM (SELECT * FROM (VALUES ");
    for (size_t i = 0; i < load->hold_count; i++) {
        const struct sink_hold *h = &load->holds[i];
        buf_add_cstr(sql, i == 0 ? "(" : ",(");
        add_range_name(sql, &h->range);
        buf_printf(sql, ",%lld::bigint,%lld::bigint,", (long long)h->range.from,
                   (long long)h->range.to);
        add_cstr_literal(sql, h->code);
        buf_add_char(sql, ',');
        add_cstr_literal(sql, h->reason);
        buf_add_char(sql, ')');
    }
    buf_add_cstr(sql, ") AS w(t,p,s,n,f,e,c,r) ORDER BY t,p,s,n) AS v;\n");
}

void position_query_write(const struct positions_key *key, const struct sink_load *load,
                          struct buf *sql)
{
    if (load->slice != NULL) {
        add_slice(key, load, sql);
    } else {
        add_advance(key, load, sql);
    }
    add_holds(key, load, sql);
}
