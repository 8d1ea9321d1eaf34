/* https_client: calls of an HTTPS API that wants a bearer token, one after the other on
 * one connection. Wraps libcurl, and is used by commands alone: nothing of it runs while
 * events are received.
 *
 * Certificates are checked, redirects are not followed (the token must go nowhere else),
 * plain HTTP is allowed to this machine only. A call ends after half a minute at the
 * latest. One thread.
 */
#ifndef INGEST_COMMANDS_HTTPS_CLIENT_H
#define INGEST_COMMANDS_HTTPS_CLIENT_H

#include "common/base/buf.h"
#include "common/base/error.h"

struct https_client;

struct https_request {
    const char *method;
    const char *path;   /* behind the base URL, with the query */
    const char *accept; /* the media type that is wanted */
    const char *body;   /* JSON; NULL: none */
};

/* INVALID when the base URL ("https://host", no slash at its end) may not be called. */
MUST_CHECK bool https_client_open(const char *base_url, const char *token,
                                  struct https_client **out, struct error *err);

/* NULL is allowed. */
void https_client_close(struct https_client *c);

/* Sends the request; its answer's status and body (at most 16 MiB). RETRY when there is
 * no answer; says why. */
MUST_CHECK bool https_client_call(struct https_client *c,
                                  const struct https_request *request, int *out_status,
                                  struct buf *body, struct error *err);

#endif
