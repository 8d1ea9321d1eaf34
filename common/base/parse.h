/* parse: values that people type, read strictly: the whole text must be the value.
 *
 * No locale, no white space, no sign where none makes sense, no silent clamping.
 * Durations and sizes carry a unit; a bare number is refused (0 too). Pure.
 */
#ifndef COMMON_BASE_PARSE_H
#define COMMON_BASE_PARSE_H

#include "common/base/error.h"
#include "common/base/view.h"

#include <stdint.h>

/* Decimal digits without a sign. INVALID when empty, not digits, or above 2^64-1. */
MUST_CHECK bool parse_u64(struct view text, uint64_t *out, struct error *err);

/* Decimal digits with an optional '-'. */
MUST_CHECK bool parse_i64(struct view text, int64_t *out, struct error *err);

/* "500ms", "20s", "5m", "4h", "14d": to milliseconds. Whole numbers only. */
MUST_CHECK bool parse_duration_ms(struct view text, uint64_t *out_ms, struct error *err);

/* "2000/s", or a bare number; not 0. */
MUST_CHECK bool parse_rate(struct view text, uint64_t *out_per_second, struct error *err);

/* "512B", "64KiB", "20MiB", "1GiB", also "kB", "MB", "GB" (powers of 1000): to bytes. */
MUST_CHECK bool parse_size_bytes(struct view text, uint64_t *out_bytes,
                                 struct error *err);

/* "host:port", "[v6]:port" or ":port": *out_host, without brackets, borrows from `text`
 * and may be empty; *out_port is 0 to 65535 (0: the system chooses one). */
MUST_CHECK bool parse_host_port(struct view text, struct view *out_host,
                                uint16_t *out_port, struct error *err);

/* Writes "1500ms", "20s", .. in the largest unit that divides the value. */
void parse_format_duration(uint64_t ms, char out[32]);

/* Writes "20MiB", .. likewise. */
void parse_format_size(uint64_t bytes, char out[32]);

#endif
