/* route: which of our routes a request line names (interface.md, section 3). Pure; works
 * on the raw path.
 *
 * Paths are compared as sent, after one trailing slash is dropped; nothing is
 * percent-decoded here. A new route is a new row of the table in route.c.
 */
#ifndef INGEST_REQUEST_ROUTE_H
#define INGEST_REQUEST_ROUTE_H

#include "common/base/view.h"
#include "common/contract/event_type.h"

#include <stdbool.h>

enum route_kind {
    ROUTE_WEBHOOK, /* POST, PUT, PATCH /webhook/<slug>[/<token>] */
    ROUTE_EVENT,   /* POST /v1/track ..: the path names the type */
    ROUTE_BATCH,   /* POST /v1/batch, /v1/import, /v1/b */
    ROUTE_METRICS, /* POST /v1/m: analytics.js' own metrics, dropped */
    ROUTE_OPTIONS, /* CORS preflight, any path of an SDK route */
    ROUTE_NOT_FOUND,
    ROUTE_WRONG_METHOD,
};

struct route {
    enum route_kind kind;
    bool is_sdk;          /* CORS headers belong on the answer */
    enum event_type type; /* ROUTE_EVENT */
    struct view slug;     /* ROUTE_WEBHOOK, as in the path */
    struct view token;    /* ROUTE_WEBHOOK, as in the path, empty when it has none */
    const char *allow;    /* the path's methods, as the Allow header has them; NULL when
                             the path is unknown */
};

/* The route of a request line. Never fails: unknown paths give ROUTE_NOT_FOUND. Views
 * borrow from `path`. */
struct route route_find(struct view method, struct view path);

#endif
