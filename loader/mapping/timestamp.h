/* timestamp: strict reading of event times (mapping.md, section 4). Pure.
 *
 * RFC 3339 with 0 to 9 fraction digits, Z, offset or no zone (UTC); a date alone
 * (midnight UTC); Go's time.String with or without its monotonic part. Years 0001 to
 * 9999, no leap second, no 24:00, no white space around. PostgreSQL never sees a raw
 * string: it accepts "now" and "infinity". The unit is microseconds since 1970-01-01 UTC;
 * finer digits are cut.
 */
#ifndef LOADER_MAPPING_TIMESTAMP_H
#define LOADER_MAPPING_TIMESTAMP_H

#include "common/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_TEXT_BYTES 40

/* The first and the last microsecond of the years 0001 to 9999. */
#define TIMESTAMP_MIN_US INT64_C(-62135596800000000)
#define TIMESTAMP_MAX_US INT64_C(253402300799999999)

/* The text as a time. False when it is none; *out_us is untouched then. */
bool timestamp_parse(struct view text, int64_t *out_us);

/* The same; *out_is_exact says whether nothing finer than a microsecond had to be cut. */
bool timestamp_parse_exactly(struct view text, int64_t *out_us, bool *out_is_exact);

/* True for times within years 0001 to 9999. */
static inline bool timestamp_is_in_range(int64_t us)
{
    return us >= TIMESTAMP_MIN_US && us <= TIMESTAMP_MAX_US;
}

/* How a time is written: as PostgreSQL prints a timestamptz with TimeZone UTC, a
 * timestamp, and as RFC 3339. The fraction comes without trailing zeros. */
enum timestamp_form {
    TIMESTAMP_WITH_ZONE,    /* "2026-12-04 10:00:00.123+00" */
    TIMESTAMP_WITHOUT_ZONE, /* "2026-12-04 10:00:00.123" */
    TIMESTAMP_RFC3339,      /* "2026-12-04T10:00:00.123Z" */
};

/* Writes the time with a NUL behind it and returns the length; 0 when `us` is out of
 * range. */
size_t timestamp_write(int64_t us, enum timestamp_form form,
                       char out[TIMESTAMP_TEXT_BYTES]);

/* timestamp_write with TIMESTAMP_WITH_ZONE. */
size_t timestamp_format(int64_t us, char out[TIMESTAMP_TEXT_BYTES]);

#endif
