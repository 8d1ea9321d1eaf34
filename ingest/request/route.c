#include "ingest/request/route.h"

#include "common/base/ascii.h"

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
#define SDK_GET(path, kind, type)                                                        \
    {                                                                                    \
        path, "GET, HEAD, OPTIONS", true, kind, type                                     \
    }
/* What "OPTIONS *" is told: all that any route takes. */
#define ALL_METHODS "GET, HEAD, POST, PUT, PATCH, OPTIONS"

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
    SDK_GET("/projects/*/settings", ROUTE_SETTINGS, EVENT_TRACK),
    SDK_GET("/pixel/track", ROUTE_PIXEL, EVENT_TRACK),
    SDK_GET("/pixel/identify", ROUTE_PIXEL, EVENT_IDENTIFY),
    SDK_GET("/pixel/page", ROUTE_PIXEL, EVENT_PAGE),
    SDK_GET("/pixel/screen", ROUTE_PIXEL, EVENT_SCREEN),
    SDK_GET("/pixel/group", ROUTE_PIXEL, EVENT_GROUP),
    SDK_GET("/pixel/alias", ROUTE_PIXEL, EVENT_ALIAS),
};

static const struct view version_prefix = VIEW_LITERAL("/v1");
static const struct view webhook_prefix = VIEW_LITERAL("/webhook");

/* ---- paths as they come ---- */

/* What "%XX" at the beginning of the text stands for, when it need not be encoded (RFC
 * 3986, 2.3); -1 for anything else. Others keep their meaning: "%2F" in a token is no
 * slash. */
static int decode_unreserved(struct view text)
{
    int c = ascii_percent_byte(text);
    bool is_unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                         c == '~';
    return is_unreserved ? c : -1;
}

/* Behind "http://host:port", as a client behind a proxy may send it. */
static struct view without_authority(struct view target)
{
    for (size_t i = 4; i <= 5 && target.len >= i + 3; i++) {
        const char *scheme = i == 4 ? "http" : "https";
        if (view_equal_ignore_case(view_of(target.data, i), scheme) &&
            memcmp(target.data + i, "://", 3) == 0) {
            struct view rest = view_skip(target, i + 3);
            const char *slash = memchr(rest.data, '/', rest.len);
            return slash == NULL ? view_cstr("/")
                                 : view_skip(rest, (size_t)(slash - rest.data));
        }
    }
    return target;
}

/* True for nearly every path: nothing would be changed. */
static bool is_normal(struct view path)
{
    for (size_t i = 0; i < path.len; i++) {
        bool is_second_slash = path.data[i] == '/' && i > 0 && path.data[i - 1] == '/';
        if (is_second_slash || path.data[i] == '%') {
            return false;
        }
    }
    return true;
}

static struct view without_last_slash(struct view path)
{
    if (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    return path;
}

struct view route_normalise(struct view target, struct arena *arena)
{
    struct view path = without_authority(target);
    if (is_normal(path)) {
        return without_last_slash(path);
    }
    char *out = arena_alloc(arena, path.len);
    size_t len = 0;
    while (path.len > 0) {
        int decoded = decode_unreserved(path);
        int c = decoded < 0 ? (unsigned char)path.data[0] : decoded;
        if (c != '/' || len == 0 || out[len - 1] != '/') {
            out[len++] = (char)c;
        }
        path = view_skip(path, decoded < 0 ? 1 : 3);
    }
    return without_last_slash(view_of(out, len));
}

/* ---- the table looked up ---- */

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
    } else if (row->kind == ROUTE_SETTINGS) {
        r.key = parts[0];
    }
    if (!allows(row->allow, method)) {
        r.kind = ROUTE_WRONG_METHOD;
    } else if (view_equal_cstr(method, "OPTIONS")) {
        r.kind = ROUTE_OPTIONS;
    }
    return r;
}

/* Of an unknown path too a browser must be able to read the answer, or it takes it for a
 * network error and sends again; Segment's servers need no such headers. */
static struct route unknown(struct view method, struct view path)
{
    bool is_star = view_equal_cstr(path, "*") && view_equal_cstr(method, "OPTIONS");
    return (struct route){ .kind = is_star ? ROUTE_OPTIONS : ROUTE_NOT_FOUND,
                           .is_sdk = !view_starts_with(path, webhook_prefix),
                           .allow = is_star ? ALL_METHODS : NULL };
}

struct route route_find(struct view method, struct view path)
{
    bool is_versioned = view_starts_with(path, version_prefix);
    struct view unversioned = is_versioned ? view_skip(path, version_prefix.len) : path;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct view parts[MAX_PARTS] = { { NULL, 0 }, { NULL, 0 } };
        if (fits(rows[i].pattern, rows[i].is_sdk ? unversioned : path, parts)) {
            return route_of(&rows[i], method, parts);
        }
    }
    return unknown(method, path);
}
