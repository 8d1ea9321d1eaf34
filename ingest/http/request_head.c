#include "ingest/http/request_head.h"

#include <civetweb.h>

#include <stdbool.h>
#include <string.h>

#define VERSION_WORD_BYTES (sizeof "HTTP/" - 1) /* http_version points behind it */

static const char *end_of(const char *text)
{
    return text + strlen(text);
}

/* One space between method, target and version. */
static bool is_request_line_plain(const struct mg_request_info *info)
{
    /* The '?' before the query became a NUL. */
    const char *target_end =
        end_of(info->query_string == NULL ? info->request_uri : info->query_string);
    return info->request_uri - end_of(info->request_method) == 1 &&
           info->http_version - target_end == 1 + (long)VERSION_WORD_BYTES;
}

/* Nothing but blanks between the colon, which became a NUL, and the value. Blanks before
 * the colon became NULs too. */
static bool is_colon_plain(const struct mg_header *header)
{
    const char *p = end_of(header->name) + 1;
    while (p < header->value && (*p == ' ' || *p == '\t')) {
        p++;
    }
    return p == header->value;
}

/* CR and LF became NULs; a bare LF leaves only one. */
static bool is_line_end(const char *end, const char *next_line)
{
    return next_line - end == 2;
}

/* Behind the last header: its CR LF as two NULs, then the empty line's CR, untouched, and
 * its LF, which civetweb made the head's final NUL. */
static bool is_head_end(const char *end)
{
    return end[0] == '\0' && end[1] == '\0' && end[2] == '\r' && end[3] == '\0';
}

const char *request_head_fault(const struct mg_request_info *info)
{
    const char *line_end = end_of(info->http_version);
    if (!is_request_line_plain(info)) {
        return "white space in the request line";
    }
    if (info->num_headers == 0) {
        return "no header that could be read";
    }
    for (int i = 0; i < info->num_headers; i++) {
        const struct mg_header *header = &info->http_headers[i];
        if (!is_line_end(line_end, header->name)) {
            return "a line that is not ended by CR LF, or white space before a header";
        }
        if (!is_colon_plain(header)) {
            return "white space before a header's colon";
        }
        line_end = end_of(header->value);
    }
    if (!is_head_end(line_end)) {
        return "more than 64 headers, or a line that is no header";
    }
    return NULL;
}
