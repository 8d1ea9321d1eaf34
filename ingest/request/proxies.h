/* proxies: whose word on the sender's address is believed (INGEST_TRUSTED_PROXIES). Pure.
 */
#ifndef INGEST_REQUEST_PROXIES_H
#define INGEST_REQUEST_PROXIES_H

#include "common/base/error.h"
#include "common/base/view.h"

#include <stddef.h>
#include <stdint.h>

#define PROXIES_MAX 32

/* Networks as address and mask in host order. IPv4 only: Debian's civetweb listens on
 * nothing else. */
struct proxies {
    struct {
        uint32_t address, mask;
    } networks[PROXIES_MAX];
    size_t count;
};

/* "10.0.0.0/8,192.168.1.7": a bare address is a network of one. NULL: none. INVALID names
 * the part at fault. */
MUST_CHECK bool proxies_parse(const char *list, struct proxies *out, struct error *err);

/* The sender's address: the last one in X-Forwarded-For that no trusted proxy has, when
 * the peer is a trusted proxy; else the peer's. A view of one of the arguments. */
struct view proxies_sender(const struct proxies *p, struct view peer,
                           struct view forwarded_for);

#endif
