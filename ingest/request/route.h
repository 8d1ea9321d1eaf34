/* route: which of our routes a request line names (interface.md, section 3). Pure; works
 * on the raw path.
 *
 * A 404 is final for every sender, so paths are taken as they really come: repeated
 * slashes and those at the end do not matter (a host that was configured with a slash at
 * its end gives "//v1/batch"), and letters may be percent-encoded. Case matters. A new
 * route is a new row of the table in route.c.
 */
#ifndef INGEST_REQUEST_ROUTE_H
#define INGEST_REQUEST_ROUTE_H

#include "common/base/arena.h"
#include "common/base/view.h"
#include "common/contract/event_type.h"

#include <stdbool.h>

enum route_kind {
    ROUTE_WEBHOOK,  /* POST, PUT, PATCH /webhook/<slug>[/<token>] */
    ROUTE_EVENT,    /* POST /v1/track ..: the path names the type */
    ROUTE_BATCH,    /* POST /v1/batch, /v1/import, /v1/b */
    ROUTE_PIXEL,    /* GET, HEAD /v1/pixel/track ..: the query has the event */
    ROUTE_SETTINGS, /* GET, HEAD /v1/projects/<write key>/settings */
    ROUTE_METRICS,  /* POST /v1/m: analytics.js' own metrics, dropped */
    ROUTE_OPTIONS,  /* CORS preflight, any path of an SDK route; and "OPTIONS *" */
    ROUTE_NOT_FOUND,
    ROUTE_WRONG_METHOD,
};

struct route {
    enum route_kind kind;
    bool is_sdk;          /* CORS headers belong on the answer; of unknown paths too */
    enum event_type type; /* ROUTE_EVENT, ROUTE_PIXEL */
    struct view slug;     /* ROUTE_WEBHOOK, as in the path */
    struct view key;      /* ROUTE_SETTINGS: the write key, as in the path */
    struct view token;    /* ROUTE_WEBHOOK, as in the path, empty when it has none */
    const char *allow;    /* the path's methods, as the Allow header has them; NULL when
                             the path is unknown */
};

/* The path as the table has it: the target's path (of an absolute-form target too,
 * whatever its host), runs of slashes made one, none at the end, and what need not be
 * percent-encoded decoded (RFC 3986, 6.2.2.2). Borrows from `target`, or from the arena
 * where something had to be changed. */
struct view route_normalise(struct view target, struct arena *arena);

/* The route of a request line. Never fails: unknown paths give ROUTE_NOT_FOUND. Views
 * borrow from `path`, which is normalised. */
struct route route_find(struct view method, struct view path);

#endif
