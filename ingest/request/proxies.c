#include "ingest/request/proxies.h"

#include "common/base/parse.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool parse_address(struct view text, uint32_t *out)
{
    char copy[INET_ADDRSTRLEN];
    struct in_addr address;
    if (text.len >= sizeof copy) {
        return false;
    }
    snprintf(copy, sizeof copy, "%.*s", VIEW_ARG(text));
    if (inet_pton(AF_INET, copy, &address) != 1) {
        return false;
    }
    *out = ntohl(address.s_addr);
    return true;
}

static bool parse_network(struct view text, uint32_t *address, uint32_t *mask)
{
    uint64_t bits = 32;
    struct error ignored;
    const char *slash = memchr(text.data, '/', text.len);
    struct view host =
        slash == NULL ? text : view_of(text.data, (size_t)(slash - text.data));
    if (slash != NULL &&
        (!parse_u64(view_skip(text, host.len + 1), &bits, &ignored) || bits > 32)) {
        return false;
    }
    *mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    return parse_address(host, address);
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
        if (out->count == PROXIES_MAX || part.len == 0 ||
            !parse_network(part, &out->networks[out->count].address,
                           &out->networks[out->count].mask)) {
            return error_set(
                err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                "'%.*s' is no IPv4 address or network (or there are more than %d); "
                "for example 10.0.0.0/8",
                VIEW_ARG(part), PROXIES_MAX);
        }
        out->count++;
    }
    return true;
}

static bool is_trusted(const struct proxies *p, struct view address)
{
    uint32_t number = 0;
    if (!parse_address(address, &number)) {
        return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        if ((number & p->networks[i].mask) ==
            (p->networks[i].address & p->networks[i].mask)) {
            return true;
        }
    }
    return false;
}

/* Of either family: a proxy of ours may be reached over IPv6. */
static bool is_address(struct view text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[16];
    if (text.len >= sizeof copy) {
        return false;
    }
    snprintf(copy, sizeof copy, "%.*s", VIEW_ARG(text));
    return inet_pton(AF_INET, copy, address) == 1 ||
           inet_pton(AF_INET6, copy, address) == 1;
}

struct view proxies_sender(const struct proxies *p, struct view peer,
                           struct view forwarded_for)
{
    struct view sender = peer;
    struct view rest = forwarded_for;
    /* From the last entry on: each was written by the one behind it, so trust ends at the
     * first that is not a proxy of ours. */
    while (rest.len > 0 && is_trusted(p, sender)) {
        size_t at = rest.len;
        while (at > 0 && rest.data[at - 1] != ',') {
            at--;
        }
        struct view entry = view_trim(view_skip(rest, at));
        if (!is_address(entry)) {
            break;
        }
        sender = entry;
        rest.len = at > 0 ? at - 1 : 0;
    }
    return sender;
}
