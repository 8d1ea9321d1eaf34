/* proxies: whose word on the sender's address is believed (INGEST_TRUSTED_PROXIES). Pure.
 *
 * Each proxy writes whom it was called by behind what is there already: at the end of
 * X-Forwarded-For, or as a line of its own below. So all lines are one list, and trust
 * goes from its end to its beginning, as long as the entry is a proxy of ours
 * (mapping.md, section 4). What stands further to the left anyone may have made up.
 */
#ifndef INGEST_REQUEST_PROXIES_H
#define INGEST_REQUEST_PROXIES_H

#include "common/base/error.h"
#include "common/base/view.h"

#include <stddef.h>
#include <stdint.h>

#define PROXIES_MAX 32
#define PROXIES_MAX_LINES 8 /* of X-Forwarded-For; of more the last ones */

/* Networks of either family: an IPv4 address stands as IPv6 has it (::ffff:a.b.c.d), so
 * that a socket that takes both families makes no difference. */
struct proxies {
    struct {
        uint8_t address[16];
        unsigned bits; /* how many from the left must be equal */
    } networks[PROXIES_MAX];
    size_t count;
};

/* "10.0.0.0/8,2001:db8::/32,192.168.1.7": a bare address is a network of one. NULL: none.
 * INVALID names the part at fault. */
MUST_CHECK bool proxies_parse(const char *list, struct proxies *out, struct error *err);

/* The sender's address, without a port: the last one in X-Forwarded-For's lines (in the
 * order they came) that no trusted proxy has, when the peer is a trusted proxy; else the
 * peer's. A view of one of the arguments. */
struct view proxies_sender(const struct proxies *p, struct view peer,
                           const struct view *lines, size_t line_count);

#endif
