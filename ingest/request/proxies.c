#include "ingest/request/proxies.h"

#include "common/base/parse.h"

#include <arpa/inet.h>
#include <stdio.h>

#define ADDRESS_BYTES 16
#define IPV4_BITS 96 /* those before an IPv4 address in its IPv6 form */

/* An address as text and as bytes. */
struct address {
    struct view text;
    uint8_t bytes[ADDRESS_BYTES];
    bool is_ipv4;
};

/* ---- addresses ---- */

static bool parse_ipv4(const char *text, uint8_t out[ADDRESS_BYTES])
{
    static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    memcpy(out, prefix, sizeof prefix);
    return inet_pton(AF_INET, text, out + sizeof prefix) == 1;
}

/* A socket for both families writes an IPv4 peer as "::ffff:10.0.0.1". */
static struct view without_mapping(struct view text)
{
    static const struct view prefix = VIEW_LITERAL("::ffff:");
    bool is_mapped =
        text.len > prefix.len &&
        view_equal_ignore_case(view_of(text.data, prefix.len), prefix.data) &&
        memchr(text.data, '.', text.len) != NULL;
    return is_mapped ? view_skip(text, prefix.len) : text;
}

static bool parse_address(struct view text, struct address *out)
{
    char copy[INET6_ADDRSTRLEN];
    text = without_mapping(text);
    if (text.len == 0 || text.len >= sizeof copy) {
        return false;
    }
    snprintf(copy, sizeof copy, "%.*s", VIEW_ARG(text));
    out->text = text;
    out->is_ipv4 = parse_ipv4(copy, out->bytes);
    return out->is_ipv4 || inet_pton(AF_INET6, copy, out->bytes) == 1;
}

/* What stands before the port, if there is one: "203.0.113.9:54321" and
 * "[2001:db8::7]:443"; a bare IPv6 address has more colons than one. */
static struct view without_port(struct view entry)
{
    if (entry.len > 0 && entry.data[0] == '[') {
        const char *end = memchr(entry.data, ']', entry.len);
        return end == NULL ? entry
                           : view_of(entry.data + 1, (size_t)(end - entry.data) - 1);
    }
    const char *colon = entry.len == 0 ? NULL : memchr(entry.data, ':', entry.len);
    size_t before = colon == NULL ? entry.len : (size_t)(colon - entry.data);
    bool is_only_one =
        colon != NULL && memchr(colon + 1, ':', entry.len - before - 1) == NULL;
    return is_only_one ? view_of(entry.data, before) : entry;
}

/* ---- networks ---- */

static bool parse_network(struct view text, struct proxies *p)
{
    struct address address;
    struct error ignored;
    const char *slash = text.len == 0 ? NULL : memchr(text.data, '/', text.len);
    struct view host =
        slash == NULL ? text : view_of(text.data, (size_t)(slash - text.data));
    if (p->count == PROXIES_MAX || !parse_address(host, &address)) {
        return false;
    }
    unsigned most = address.is_ipv4 ? 32 : 128;
    uint64_t bits = most;
    if (slash != NULL &&
        (!parse_u64(view_skip(text, host.len + 1), &bits, &ignored) || bits > most)) {
        return false;
    }
    p->networks[p->count].bits = (unsigned)bits + (address.is_ipv4 ? IPV4_BITS : 0);
    memcpy(p->networks[p->count].address, address.bytes, ADDRESS_BYTES);
    p->count++;
    return true;
}

/* Cuts the part before the next comma off the list. */
static struct view next_part(struct view *list)
{
    const char *comma = memchr(list->data, ',', list->len);
    size_t len = comma == NULL ? list->len : (size_t)(comma - list->data);
    struct view part = view_trim(view_of(list->data, len));
    *list = view_skip(*list, comma == NULL ? len : len + 1);
    return part;
}

bool proxies_parse(const char *list, struct proxies *out, struct error *err)
{
    struct view rest = view_cstr(list);
    *out = (struct proxies){ .count = 0 };
    while (rest.len > 0) {
        struct view part = next_part(&rest);
        if (!parse_network(part, out)) {
            return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                             "'%.*s' is no address or network (or there are more than "
                             "%d); for example 10.0.0.0/8 or 2001:db8::/32",
                             VIEW_ARG(part), PROXIES_MAX);
        }
    }
    return true;
}

static bool has_prefix(const uint8_t *address, const uint8_t *network, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    return memcmp(address, network, whole) == 0 &&
           (rest == 0 || ((address[whole] ^ network[whole]) >> (8 - rest)) == 0);
}

static bool is_trusted(const struct proxies *p, const struct address *address)
{
    for (size_t i = 0; i < p->count; i++) {
        if (has_prefix(address->bytes, p->networks[i].address, p->networks[i].bits)) {
            return true;
        }
    }
    return false;
}

/* ---- the sender ---- */

/* Cuts the last entry off a line; false when nothing is left of it. */
static bool take_last_entry(struct view *line, struct view *out)
{
    if (line->len == 0) {
        return false;
    }
    size_t at = line->len;
    while (at > 0 && line->data[at - 1] != ',') {
        at--;
    }
    *out = view_trim(view_skip(*line, at));
    line->len = at > 0 ? at - 1 : 0;
    return true;
}

struct view proxies_sender(const struct proxies *p, struct view peer,
                           const struct view *lines, size_t line_count)
{
    struct address sender;
    if (!parse_address(peer, &sender)) {
        return peer;
    }
    for (size_t i = line_count; i > 0; i--) {
        struct view line = lines[i - 1];
        struct view entry;
        while (is_trusted(p, &sender) && take_last_entry(&line, &entry)) {
            struct address before;
            if (!parse_address(without_port(entry), &before)) {
                return sender.text; /* "unknown": trust ends here too */
            }
            sender = before;
        }
    }
    return sender.text;
}
