#include "loader/postgres/server_check.h"

/* A pooler may by chance give two connections two backends; it keeps the one used last at
 * the top, so a few turns show it. */
#define POOLING_TURNS 8

static const char database_sql[] =
    "SELECT current_setting('server_version_num')::int >= 130000,"
    " current_setting('server_version'), current_setting('server_encoding')";

static bool refuse(struct error *err, const char *text)
{
    return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, SERVER_CHECK_REFUSED, "%s",
                     text);
}

bool server_check_database(struct connection *c, struct error *err)
{
    struct pg_result *r = NULL;
    if (!connection_query(c, database_sql, 0, NULL, &r, err)) {
        return false;
    }
    bool is_fine = true;
    if (!view_equal_cstr(connection_field(r, 0, 0), "t")) {
        is_fine = error_set(err, ERROR_INVALID, ERROR_FROM_SELF, SERVER_CHECK_REFUSED,
                            "the server is PostgreSQL %.*s: 13 or later is needed",
                            VIEW_ARG(connection_field(r, 0, 1)));
    } else if (!view_equal_cstr(connection_field(r, 0, 2), "UTF8")) {
        is_fine = error_set(
            err, ERROR_INVALID, ERROR_FROM_SELF, SERVER_CHECK_REFUSED,
            "the database's encoding is %.*s, which cannot hold all that events "
            "hold: CREATE DATABASE .. ENCODING 'UTF8' TEMPLATE template0",
            VIEW_ARG(connection_field(r, 0, 2)));
    }
    connection_free(r);
    return is_fine;
}

/* ---- pooling ---- */

static bool read_pid(struct connection *c, int64_t *out_pid, struct error *err)
{
    struct pg_result *r = NULL;
    if (!connection_query(c, "SELECT pg_backend_pid()", 0, NULL, &r, err)) {
        return false;
    }
    *out_pid = connection_field_i64(r, 0, 0);
    connection_free(r);
    return true;
}

/* By turns: a real session has one backend for life, and no other has it meanwhile. */
static bool are_sessions(struct connection *a, struct connection *b, struct error *err)
{
    int64_t first[2] = { 0, 0 };
    int64_t now[2];
    for (int i = 0; i < POOLING_TURNS; i++) {
        if (!read_pid(a, &now[0], err) || !read_pid(b, &now[1], err)) {
            return false;
        }
        first[0] = i == 0 ? now[0] : first[0];
        first[1] = i == 0 ? now[1] : first[1];
        if (now[0] == now[1] || now[0] != first[0] || now[1] != first[1]) {
            return refuse(err,
                          "a pooler that shares sessions between transactions "
                          "(PgBouncer's pool_mode transaction or statement) is in the "
                          "way: connect past it, or use a pool with pool_mode session");
        }
    }
    return true;
}

bool server_check_sessions(struct connection *c, const char *database_url,
                           struct error *err)
{
    struct connection second = { .pg = NULL };
    struct error no_room; /* too many connections: then nothing can be said */
    if (!connection_open(&second, database_url, &no_room)) {
        return true;
    }
    bool is_fine = are_sessions(c, &second, err);
    connection_close(&second);
    return is_fine;
}

/* ---- roles ---- */

static bool role_exists(struct connection *c, const char *role, bool *out,
                        struct error *err)
{
    const char *const name[] = { role };
    struct pg_result *r = NULL;
    if (!connection_query(c, "SELECT FROM pg_roles WHERE rolname = $1", 1, name, &r,
                          err)) {
        return false;
    }
    *out = connection_rows(r) > 0;
    connection_free(r);
    return true;
}

bool server_check_roles(struct connection *c, const char *const *roles, struct error *err)
{
    struct buf missing = { 0 };
    bool is_asked = true;
    for (size_t i = 0; is_asked && roles != NULL && roles[i] != NULL; i++) {
        bool exists = false;
        is_asked = role_exists(c, roles[i], &exists, err);
        if (is_asked && !exists) {
            buf_printf(&missing, "%s'%s'", missing.len == 0 ? "" : ", ", roles[i]);
        }
    }
    bool is_fine = is_asked && missing.len == 0;
    if (is_asked && !is_fine) {
        error_set(
            err, ERROR_INVALID, ERROR_FROM_SELF, SERVER_CHECK_REFUSED,
            "LOADER_GRANT_SELECT names %s, and there is no such role: CREATE ROLE, or "
            "spell it as pg_roles does",
            buf_cstr(&missing));
    }
    buf_release(&missing);
    return is_fine;
}

bool server_check(struct connection *c, const char *database_url,
                  const char *const *roles, struct error *err)
{
    return server_check_database(c, err) && server_check_sessions(c, database_url, err) &&
           server_check_roles(c, roles, err);
}
