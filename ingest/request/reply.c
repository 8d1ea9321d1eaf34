#include "ingest/request/reply.h"

#include "common/contract/json_text.h"

#define MAX_REFLECTED_BYTES 1000
/* Seconds. Every page of a site asks for its settings; a change of them may take this
 * long to be noticed. */
#define DOCUMENT_MAX_AGE "300"
/* Segment's own back-off is longer; SDKs that read the header wait at least this. */
#define RETRY_AFTER_S 5

static struct view cors_of(const struct route *route)
{
    static const struct view line = VIEW_LITERAL("Access-Control-Allow-Origin: *\r\n");
    return route->is_sdk ? line : view_of(NULL, 0);
}

/* A GIF of one transparent pixel: the smallest that every browser and mail reader shows
 * (GIF89a; the picture itself is six bytes). */
static const unsigned char gif[] = {
    'G',  'I',  'F',  '8',  '9',  'a',  1, 0, 1, 0, 0x80, 0, 0, /* 1 x 1, two colours: */
    0,    0,    0,    0xff, 0xff, 0xff,                         /* black and white */
    0x21, 0xf9, 4,    1,    0,    0,    0, 0,                   /* black is transparent */
    0x2c, 0,    0,    0,    0,    1,    0, 1, 0, 0, /* the picture, all of it: */
    2,    2,    0x44, 1,    0,    0x3b,             /* one black pixel */
};

/* Whatever became of the event, an <img> gets its picture; the status says the rest. */
static void as_pixel(struct http_reply *reply)
{
    reply->content_type = "image/gif";
    reply->body = view_of((const char *)gif, sizeof gif);
}

static bool is_pixel(const struct route *route)
{
    return route->kind == ROUTE_PIXEL;
}

struct http_reply reply_of_success(const struct route *route)
{
    static const struct view body = VIEW_LITERAL("{\"success\":true}");
    struct http_reply reply = { .status = 200, .body = body, .headers = cors_of(route) };
    if (is_pixel(route)) {
        as_pixel(&reply);
    }
    return reply;
}

void reply_document(struct http_exchange *e, const struct route *route,
                    struct view document)
{
    struct buf headers = { 0 };
    buf_add_view(&headers, cors_of(route));
    buf_add_cstr(&headers, "Cache-Control: public, max-age=" DOCUMENT_MAX_AGE "\r\n");
    struct http_reply reply = { .status = 200,
                                .body = document,
                                .headers = buf_view(&headers) };
    http_reply(e, &reply);
    buf_release(&headers);
}

/* ---- failures ---- */

static void add_failure_headers(struct buf *out, const struct route *route,
                                const struct reply_setup *setup)
{
    buf_add_view(out, cors_of(route));
    if (setup->retry_after_s > 0) {
        buf_printf(out, "Retry-After: %u\r\n", setup->retry_after_s);
    }
    if (setup->status == 405 && route->allow != NULL) {
        buf_printf(out, "Allow: %s\r\n", route->allow);
    }
}

struct http_reply reply_of_failure(const struct route *route,
                                   const struct reply_setup *setup, struct buf *memory)
{
    add_failure_headers(memory, route, setup);
    size_t headers_len = memory->len;
    buf_printf(memory, "{\"success\":false,\"code\":\"%s\",\"message\":", setup->code);
    json_text_add_string(memory, view_cstr(setup->message));
    buf_printf(memory, ",\"error\":\"%s\"}", setup->code);
    struct http_reply reply = {
        .status = setup->status,
        .headers = view_of(memory->data, headers_len),
        .body = view_of(memory->data + headers_len, memory->len - headers_len),
        .must_close = setup->must_close,
    };
    if (is_pixel(route)) {
        as_pixel(&reply);
    }
    return reply;
}

struct reply_setup reply_busy(const char *code, const char *message)
{
    return (struct reply_setup){ .status = 503,
                                 .code = code,
                                 .message = message,
                                 .retry_after_s = RETRY_AFTER_S,
                                 .must_close = true };
}

struct reply_setup reply_not_durable(void)
{
    return reply_busy("unavailable",
                      "the events could not be stored now: send them again later; if "
                      "this lasts, Kafka does not acknowledge in time (see ingest's "
                      "log)");
}

/* ---- preflights ---- */

/* Only what a list of header names may hold: nothing of a request may end a line of our
 * answer. */
static bool is_header_list(struct view list)
{
    for (size_t i = 0; i < list.len; i++) {
        char c = list.data[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') ||
                       (c != '\0' && strchr("!#$%&'*+-.^_`|~, ", c) != NULL);
        if (!is_fine) {
            return false;
        }
    }
    return list.len > 0 && list.len <= MAX_REFLECTED_BYTES;
}

void reply_add_preflight_headers(struct buf *out, const struct route *route,
                                 struct view requested)
{
    buf_add_view(out, cors_of(route));
    buf_printf(out,
               "Access-Control-Allow-Methods: %s\r\n"
               "Access-Control-Max-Age: 86400\r\n",
               route->allow);
    if (is_header_list(requested)) {
        buf_printf(out, "Access-Control-Allow-Headers: %.*s\r\n", VIEW_ARG(requested));
    }
}

void reply_preflight(struct http_exchange *e, const struct route *route)
{
    struct buf headers = { 0 };
    struct view requested = { NULL, 0 };
    (void)http_header(e, "Access-Control-Request-Headers", &requested);
    reply_add_preflight_headers(&headers, route, requested);
    struct http_reply reply = { .status = 204, .headers = buf_view(&headers) };
    http_reply(e, &reply);
    buf_release(&headers);
}
