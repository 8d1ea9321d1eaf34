/* rate_limit: events a second by source, and how often a refusal is logged: small tables
 * of what happened lately, by source. Any thread.
 */
#ifndef INGEST_REQUEST_RATE_LIMIT_H
#define INGEST_REQUEST_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct rate_limit;

/* Empty tables. NULL may be freed. */
struct rate_limit *rate_limit_new(void);
void rate_limit_free(struct rate_limit *r);

/* A token bucket of one second's events for each source: true when `events` may pass now.
 * A batch larger than what is left passes once, and is paid back by those after it, so
 * that a large batch is never refused for ever. per_second 0: no limit. */
bool rate_limit_takes(struct rate_limit *r, const char *source, uint64_t per_second,
                      uint64_t events, int64_t now_mono_ms);

/* True once a minute for each source and reason: log now, with *out_count refusals since
 * the last line. */
bool rate_limit_logs(struct rate_limit *r, const char *source, const char *reason,
                     int64_t now_mono_ms, uint64_t *out_count);

#endif
