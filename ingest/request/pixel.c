#include "ingest/request/pixel.h"

#include "ingest/request/credentials.h"

#include "common/base/ascii.h"

#include <stdint.h>

/* The six bits of a character of either alphabet; -1 for any other. */
static int sextet_of(int c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-' || c == ' ') { /* in a form's query '+' means a space */
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

/* The next byte of the text, its percent-encoding undone. */
static int next_byte(struct view *text)
{
    int byte = ascii_percent_byte(*text);
    size_t len = byte < 0 ? 1 : 3;
    if (byte < 0) {
        byte = (unsigned char)text->data[0];
    }
    *text = view_skip(*text, len);
    return byte;
}

/* Nothing but '=' may follow the first one. */
static bool is_padding(struct view rest)
{
    while (rest.len > 0) {
        if (next_byte(&rest) != '=') {
            return false;
        }
    }
    return true;
}

/* False when it is no base64: another character, or a single one at the end. */
static bool decode(struct view text, struct buf *out)
{
    uint32_t bits = 0;
    unsigned count = 0; /* of bits that are not written yet */
    while (text.len > 0) {
        int c = next_byte(&text);
        if (c == '=') {
            return is_padding(text) && count != 6;
        }
        int sextet = sextet_of(c);
        if (sextet < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)sextet;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_add_char(out, (char)(bits >> count & 0xff));
        }
    }
    return count != 6;
}

bool pixel_decode(struct view query, struct buf *out, struct error *err)
{
    struct view data = credentials_query_value(query, "data");
    if (data.len == 0) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_HTTP, NULL,
                         "the query has no data=<base64 of the event's JSON>");
    }
    return decode(data, out) ||
           error_set(err, ERROR_INVALID, ERROR_FROM_HTTP, NULL, "data is no base64");
}
