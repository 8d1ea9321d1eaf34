#include "common/base/parse.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first. */
static const struct unit duration_units[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

/* Binary units first: they are what parse_format_size writes. */
static const struct unit size_units[] = {
    { "GiB", 1073741824 }, { "MiB", 1048576 }, { "KiB", 1024 }, { "B", 1 },
    { "GB", 1000000000 },  { "MB", 1000000 },  { "kB", 1000 },
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t count_digits(struct view text)
{
    size_t count = 0;
    while (count < text.len && is_digit(text.data[count])) {
        count++;
    }
    return count;
}

/* The value of nothing but digits; false when it is above 2^64-1. */
static bool read_digits(struct view digits, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        uint64_t digit = (uint64_t)(digits.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool parse_u64(struct view text, uint64_t *out, struct error *err)
{
    if (text.len == 0 || count_digits(text) != text.len) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "not a whole number");
    }
    if (!read_digits(text, out)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "number too large");
    }
    return true;
}

bool parse_i64(struct view text, int64_t *out, struct error *err)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    uint64_t magnitude = 0;
    if (!parse_u64(is_negative ? view_skip(text, 1) : text, &magnitude, err)) {
        return false;
    }
    if (magnitude > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "number too large");
    }
    if (!is_negative) {
        *out = (int64_t)magnitude;
    } else {
        *out = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1; /* INT64_MIN too */
    }
    return true;
}

static bool parse_with_unit(struct view text, const struct unit *units, size_t unit_count,
                            uint64_t *out, struct error *err)
{
    size_t digits = count_digits(text);
    struct view name = view_skip(text, digits);
    const struct unit *unit = NULL;
    for (size_t i = 0; i < unit_count && unit == NULL; i++) {
        unit = view_equal_cstr(name, units[i].name) ? &units[i] : NULL;
    }
    if (digits == 0) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "not a number with unit");
    }
    if (unit == NULL) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "%s",
                         name.len == 0 ? "unit missing" : "unknown unit");
    }
    uint64_t value = 0;
    if (!read_digits(view_of(text.data, digits), &value) ||
        value > UINT64_MAX / unit->factor) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "number too large");
    }
    *out = value * unit->factor;
    return true;
}

bool parse_rate(struct view text, uint64_t *out_per_second, struct error *err)
{
    bool has_unit = text.len > 2 && memcmp(text.data + text.len - 2, "/s", 2) == 0;
    struct view number = view_of(text.data, has_unit ? text.len - 2 : text.len);
    return parse_u64(number, out_per_second, err) &&
           ((*out_per_second > 0 && *out_per_second <= INT64_MAX) ||
            error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "number out of range"));
}

bool parse_duration_ms(struct view text, uint64_t *out_ms, struct error *err)
{
    return parse_with_unit(text, duration_units, COUNT(duration_units), out_ms, err);
}

bool parse_size_bytes(struct view text, uint64_t *out_bytes, struct error *err)
{
    return parse_with_unit(text, size_units, COUNT(size_units), out_bytes, err);
}

/* Names and IPv4 addresses hold no colon; IPv6 addresses, which do, stand in brackets. */
static bool is_host(struct view host, bool is_bracketed)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.data[i];
        if (c <= ' ' || c == 0x7f || strchr("/[]@,", c) != NULL ||
            (c == ':' && !is_bracketed)) {
            return false;
        }
    }
    return host.len > 0 || !is_bracketed;
}

bool parse_host_port(struct view text, struct view *out_host, uint16_t *out_port,
                     struct error *err)
{
    size_t colon = text.len;
    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL, "port missing");
    }
    struct view host = view_of(text.data, colon - 1);
    bool is_bracketed = host.len > 0 && host.data[0] == '[';
    if (is_bracketed) {
        bool is_closed = host.len > 1 && host.data[host.len - 1] == ']';
        host = is_closed ? view_of(host.data + 1, host.len - 2) : host;
    }
    if (!is_host(host, is_bracketed)) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "not a host name or address");
    }
    uint64_t port = 0;
    struct error ignored;
    if (!parse_u64(view_skip(text, colon), &port, &ignored) || port > UINT16_MAX) {
        return error_set(err, ERROR_INVALID, ERROR_FROM_SELF, NULL,
                         "not a port (0 to 65535)");
    }
    *out_host = host;
    *out_port = (uint16_t)port;
    return true;
}

static void format_with_unit(uint64_t value, const struct unit *units, size_t count,
                             char out[32])
{
    size_t i = 0;
    while (i + 1 < count && value % units[i].factor != 0) {
        i++;
    }
    snprintf(out, 32, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
}

void parse_format_duration(uint64_t ms, char out[32])
{
    if (ms == 0) {
        snprintf(out, 32, "0s"); /* every unit divides it */
    } else {
        format_with_unit(ms, duration_units, COUNT(duration_units), out);
    }
}

void parse_format_size(uint64_t bytes, char out[32])
{
    if (bytes == 0) {
        snprintf(out, 32, "0B");
    } else {
        format_with_unit(bytes, size_units, COUNT(size_units), out);
    }
}
