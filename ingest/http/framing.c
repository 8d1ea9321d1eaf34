#include "ingest/http/framing.h"

#include "common/base/parse.h"

static const char *take_length(struct view value, struct framing *out)
{
    uint64_t length = 0;
    struct error err;
    if (out->content_length >= 0) {
        return "two Content-Length headers";
    }
    if (!parse_u64(value, &length, &err) || length > INT64_MAX) {
        return "a Content-Length that is no plain number";
    }
    out->content_length = (int64_t)length;
    return NULL;
}

static const char *take_coding(struct view value, struct framing *out)
{
    if (out->is_chunked) {
        return "two Transfer-Encoding headers";
    }
    if (!view_equal_ignore_case(value, "chunked")) {
        return "a Transfer-Encoding other than chunked";
    }
    out->is_chunked = true;
    return NULL;
}

/* A percent-encoded NUL would end the path early for whoever decodes it. */
static bool has_encoded_nul(struct view path)
{
    for (size_t i = 0; i + 2 < path.len; i++) {
        if (memcmp(path.data + i, "%00", 3) == 0) {
            return true;
        }
    }
    return false;
}

/* Letters, digits and the signs of RFC 9110's token, 5.6.2. */
static bool is_token(struct view name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') ||
                       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        if (!is_fine) {
            return false;
        }
    }
    return name.len > 0;
}

static const char *take_header(const struct framing_header *header, struct framing *out)
{
    if (!is_token(header->name)) {
        return "a malformed header name";
    }
    if (view_equal_ignore_case(header->name, "Content-Length")) {
        return take_length(view_trim(header->value), out);
    }
    if (view_equal_ignore_case(header->name, "Transfer-Encoding")) {
        return take_coding(view_trim(header->value), out);
    }
    return NULL;
}

const char *framing_judge(const struct framing_header *headers, size_t count,
                          struct view path, struct framing *out)
{
    const char *fault = NULL;
    struct framing framing = { .content_length = -1 };
    *out = framing;
    if (count > FRAMING_MAX_HEADERS) {
        return "more than 64 headers";
    }
    if (has_encoded_nul(path)) {
        return "an encoded NUL in the path";
    }
    for (size_t i = 0; fault == NULL && i < count; i++) {
        fault = take_header(&headers[i], &framing);
    }
    if (fault == NULL && framing.is_chunked && framing.content_length >= 0) {
        fault = "Content-Length beside Transfer-Encoding";
    }
    if (fault == NULL) {
        *out = framing;
    }
    return fault;
}
