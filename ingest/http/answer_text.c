#include "ingest/http/answer_text.h"

#include "common/base/mem.h"

static const char *status_line(int status)
{
    static const struct {
        int status;
        const char *line;
    } lines[] = {
        { 200, "HTTP/1.1 200 OK\r\n" },
        { 204, "HTTP/1.1 204 No Content\r\n" },
        { 400, "HTTP/1.1 400 Bad Request\r\n" },
        { 401, "HTTP/1.1 401 Unauthorized\r\n" },
        { 404, "HTTP/1.1 404 Not Found\r\n" },
        { 405, "HTTP/1.1 405 Method Not Allowed\r\n" },
        { 411, "HTTP/1.1 411 Length Required\r\n" },
        { 413, "HTTP/1.1 413 Content Too Large\r\n" },
        { 415, "HTTP/1.1 415 Unsupported Media Type\r\n" },
        { 429, "HTTP/1.1 429 Too Many Requests\r\n" },
        { 503, "HTTP/1.1 503 Service Unavailable\r\n" },
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (lines[i].status == status) {
            return lines[i].line;
        }
    }
    mem_panic(__FILE__, __LINE__, "a status without a status line");
}

void answer_text_add(struct buf *out, const struct http_reply *reply,
                     const struct answer_facts *facts)
{
    buf_add_cstr(out, status_line(reply->status));
    if (reply->status != 204) { /* RFC 9110, 8.6: it has no body, nor a length */
        buf_add_cstr(out, "Content-Type: ");
        buf_add_cstr(out, reply->content_type == NULL ? "application/json"
                                                      : reply->content_type);
        buf_add_cstr(out, "\r\nContent-Length: ");
        buf_add_u64(out, reply->body.len);
        buf_add_cstr(out, "\r\n");
    }
    buf_add_cstr(out, "X-Request-Id: ");
    buf_add_cstr(out, facts->request_id);
    buf_add_cstr(out, facts->closes ? "\r\nConnection: close\r\n"
                                    : "\r\nConnection: keep-alive\r\n");
    buf_add_view(out, reply->headers);
    buf_add_cstr(out, "\r\n");
    if (reply->status != 204 && !facts->is_head) {
        buf_add_view(out, reply->body);
    }
}
