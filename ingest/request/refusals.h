/* refusals: how long until Segment throws away what we refuse for its credential.
 *
 * A webhook with a wrong credential gets 503, and Segment tries it again for four hours
 * from its first refusal (senders.md, 1.6). So a clock runs for each source from the
 * first refusal on. It ends when no refusal came for an hour, or for ten minutes once a
 * webhook of the source was accepted: of two senders one may be right all the time. Any
 * thread.
 */
#ifndef INGEST_REQUEST_REFUSALS_H
#define INGEST_REQUEST_REFUSALS_H

#include <stdint.h>

#define REFUSALS_DISCARD_AFTER_S 14400 /* Segment's four hours */

struct refusals;

/* No clock runs. NULL may be freed. */
struct refusals *refusals_new(void);
void refusals_free(struct refusals *r);

/* A webhook of the source was refused for its credential, or was accepted. */
void refusals_refused(struct refusals *r, const char *source, int64_t now_mono_ms);
void refusals_accepted(struct refusals *r, const char *source, int64_t now_mono_ms);

/* Tells each source that was ever refused and the seconds its clock has left: all of them
 * when it does not run, at least 0. The source is valid during the call. */
void refusals_tell(struct refusals *r, int64_t now_mono_ms,
                   void (*tell)(void *context, const char *source, int64_t seconds),
                   void *context);

#endif
