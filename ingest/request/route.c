#include "ingest/request/route.h"

#define MAX_PARTS 2

struct row {
    const char *pattern; /* '*' is a part that is not empty and holds no '/' */
    const char *allow;   /* its methods */
    bool is_sdk;         /* stands behind /v1 too */
    enum route_kind kind;
    enum event_type type;
};

#define WEBHOOK(pattern)                                                                 \
    {                                                                                    \
        pattern, "POST, PUT, PATCH", false, ROUTE_WEBHOOK, EVENT_TRACK                   \
    }
#define SDK(path, kind, type)                                                            \
    {                                                                                    \
        path, "POST, OPTIONS", true, kind, type                                          \
    }

/* interface.md, section 3. The short names are what browsers and phones use
 * (senders.md, 2.3). */
static const struct row rows[] = {
    WEBHOOK("/webhook/*"),
    WEBHOOK("/webhook/*/*"),
    SDK("/batch", ROUTE_BATCH, EVENT_TRACK),
    SDK("/b", ROUTE_BATCH, EVENT_TRACK),
    SDK("/import", ROUTE_BATCH, EVENT_TRACK),
    SDK("/track", ROUTE_EVENT, EVENT_TRACK),
    SDK("/t", ROUTE_EVENT, EVENT_TRACK),
    SDK("/identify", ROUTE_EVENT, EVENT_IDENTIFY),
    SDK("/i", ROUTE_EVENT, EVENT_IDENTIFY),
    SDK("/page", ROUTE_EVENT, EVENT_PAGE),
    SDK("/p", ROUTE_EVENT, EVENT_PAGE),
    SDK("/screen", ROUTE_EVENT, EVENT_SCREEN),
    SDK("/s", ROUTE_EVENT, EVENT_SCREEN),
    SDK("/group", ROUTE_EVENT, EVENT_GROUP),
    SDK("/g", ROUTE_EVENT, EVENT_GROUP),
    SDK("/alias", ROUTE_EVENT, EVENT_ALIAS),
    SDK("/a", ROUTE_EVENT, EVENT_ALIAS),
    SDK("/m", ROUTE_METRICS, EVENT_TRACK),
};

static const struct view version_prefix = VIEW_LITERAL("/v1");

static size_t length_of_part(struct view path)
{
    const char *slash = path.len == 0 ? NULL : memchr(path.data, '/', path.len);
    return slash == NULL ? path.len : (size_t)(slash - path.data);
}

/* True when the whole path fits the pattern; the parts under its stars are in `parts`. */
static bool fits(const char *pattern, struct view path, struct view parts[MAX_PARTS])
{
    unsigned count = 0;
    for (; *pattern != '\0'; pattern++) {
        bool is_star = *pattern == '*';
        size_t len = is_star ? length_of_part(path) : 1;
        if (len == 0 || path.len < len || (!is_star && path.data[0] != *pattern)) {
            return false;
        }
        if (is_star) {
            parts[count++] = view_of(path.data, len);
        }
        path = view_skip(path, len);
    }
    return path.len == 0;
}

/* True when the list "POST, PUT" holds the method. */
static bool allows(const char *list, struct view method)
{
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        if (view_equal(method, view_of(list, len))) {
            return true;
        }
        list += len;
        list += strspn(list, ", ");
    }
    return false;
}

static struct route route_of(const struct row *row, struct view method,
                             const struct view parts[MAX_PARTS])
{
    struct route r = {
        .kind = row->kind, .is_sdk = row->is_sdk, .type = row->type, .allow = row->allow
    };
    if (row->kind == ROUTE_WEBHOOK) {
        r.slug = parts[0];
        r.token = parts[1];
    }
    if (!allows(row->allow, method)) {
        r.kind = ROUTE_WRONG_METHOD;
    } else if (view_equal_cstr(method, "OPTIONS")) {
        r.kind = ROUTE_OPTIONS;
    }
    return r;
}

struct route route_find(struct view method, struct view path)
{
    if (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    bool is_versioned = view_starts_with(path, version_prefix);
    struct view unversioned = is_versioned ? view_skip(path, version_prefix.len) : path;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct view parts[MAX_PARTS] = { { NULL, 0 }, { NULL, 0 } };
        if (fits(rows[i].pattern, rows[i].is_sdk ? unversioned : path, parts)) {
            return route_of(&rows[i], method, parts);
        }
    }
    return (struct route){ .kind = ROUTE_NOT_FOUND };
}
