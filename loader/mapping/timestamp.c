#include "loader/mapping/timestamp.h"

#define US_PER_SECOND INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)
#define DAYS_PER_ERA 146097 /* 400 years: the Gregorian calendar repeats */

/* Reads a text from left to right; each step says whether it found what it wants. */
struct cursor {
    const char *at;
    const char *end;
};

struct clock_time {
    int hour, minute, second;
    int64_t micros;
    bool is_exact;
};

static bool at_end(const struct cursor *c)
{
    return c->at == c->end;
}

static bool next_is(const struct cursor *c, char wanted)
{
    return !at_end(c) && *c->at == wanted;
}

static bool take(struct cursor *c, char wanted)
{
    if (!next_is(c, wanted)) {
        return false;
    }
    c->at++;
    return true;
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

/* Exactly `digits` digits, value from min to max. */
static bool take_number(struct cursor *c, int digits, int min, int max, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (at_end(c) || !is_digit(*c->at)) {
            return false;
        }
        value = value * 10 + (*c->at++ - '0');
    }
    *out = value;
    return value >= min && value <= max;
}

/* One digit or more; their value does not matter. */
static bool skip_digits(struct cursor *c)
{
    const char *start = c->at;
    while (!at_end(c) && is_digit(*c->at)) {
        c->at++;
    }
    return c->at > start;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01. Years are counted from March, so that the leap day is the last
 * one. */
static int64_t days_from_civil(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = y / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * DAYS_PER_ERA + day_of_era - 719468;
}

/* The day is checked against the month: there is no 30 February to roll over. */
static bool take_date(struct cursor *c, int64_t *out_days)
{
    int year;
    int month;
    int day;
    if (!take_number(c, 4, 1, 9999, &year) || !take(c, '-') ||
        !take_number(c, 2, 1, 12, &month) || !take(c, '-') ||
        !take_number(c, 2, 1, days_in_month(year, month), &day)) {
        return false;
    }
    *out_days = days_from_civil(year, month, day);
    return true;
}

/* After the point: 1 to 9 digits, of which the first six count. */
static bool take_fraction(struct cursor *c, struct clock_time *t)
{
    int64_t unit = US_PER_SECOND;
    int digits = 0;
    for (; !at_end(c) && is_digit(*c->at); c->at++, digits++) {
        unit /= 10;
        t->micros += unit * (*c->at - '0');
        t->is_exact = t->is_exact && (unit > 0 || *c->at == '0');
    }
    return digits >= 1 && digits <= 9;
}

/* No second 60 and no hour 24: PostgreSQL would turn them into another time. */
static bool take_clock(struct cursor *c, struct clock_time *t)
{
    t->micros = 0;
    t->is_exact = true;
    if (!take_number(c, 2, 0, 23, &t->hour) || !take(c, ':') ||
        !take_number(c, 2, 0, 59, &t->minute) || !take(c, ':') ||
        !take_number(c, 2, 0, 59, &t->second)) {
        return false;
    }
    return !take(c, '.') || take_fraction(c, t);
}

static bool take_sign_and_hours(struct cursor *c, bool *out_is_west, int *out_hours)
{
    *out_is_west = next_is(c, '-');
    return (take(c, '+') || take(c, '-')) && take_number(c, 2, 0, 23, out_hours);
}

static int64_t offset_of(bool is_west, int hours, int minutes)
{
    int64_t seconds = hours * INT64_C(3600) + minutes * INT64_C(60);
    return is_west ? -seconds : seconds;
}

/* Go's "+hhmm". */
static bool take_go_offset(struct cursor *c, int64_t *out_seconds)
{
    bool is_west = false;
    int hours = 0;
    int minutes = 0;
    if (!take_sign_and_hours(c, &is_west, &hours) ||
        !take_number(c, 2, 0, 59, &minutes)) {
        return false;
    }
    *out_seconds = offset_of(is_west, hours, minutes);
    return true;
}

/* RFC 3339's zone "+hh:mm", which may be missing: UTC; or in ISO 8601's short forms
 * "+hhmm" and "+hh", which old iOS and Python's %z write. */
static bool take_zone(struct cursor *c, int64_t *out_seconds)
{
    bool is_west = false;
    int hours = 0;
    int minutes = 0;
    *out_seconds = 0;
    if (at_end(c) || take(c, 'Z') || take(c, 'z')) {
        return true;
    }
    if (!take_sign_and_hours(c, &is_west, &hours)) {
        return false;
    }
    bool is_whole = at_end(c);
    if (!is_whole) {
        (void)take(c, ':');
        is_whole = take_number(c, 2, 0, 59, &minutes);
    }
    *out_seconds = offset_of(is_west, hours, minutes);
    return is_whole;
}

/* Go's abbreviation of a zone: capitals ("UTC", "CEST"), or a sign and digits ("+03"). */
static bool take_zone_name(struct cursor *c)
{
    if (take(c, '+') || take(c, '-')) {
        return skip_digits(c);
    }
    const char *start = c->at;
    while (!at_end(c) && *c->at >= 'A' && *c->at <= 'Z') {
        c->at++;
    }
    return c->at > start;
}

/* " +0000 UTC m=+70366.29": Go's time.String; its monotonic part says nothing about the
 * time. */
static bool take_go_zone(struct cursor *c, int64_t *out_seconds)
{
    if (!take(c, ' ') || !take_go_offset(c, out_seconds) || !take(c, ' ') ||
        !take_zone_name(c)) {
        return false;
    }
    if (at_end(c)) {
        return true;
    }
    return take(c, ' ') && take(c, 'm') && take(c, '=') &&
           (take(c, '+') || take(c, '-')) && skip_digits(c) && take(c, '.') &&
           skip_digits(c);
}

static bool take_clock_and_zone(struct cursor *c, struct clock_time *t,
                                int64_t *out_offset)
{
    if (take(c, ' ')) {
        return take_clock(c, t) && take_go_zone(c, out_offset);
    }
    return (take(c, 'T') || take(c, 't')) && take_clock(c, t) && take_zone(c, out_offset);
}

/* The range is that of the UTC time, which an offset may have moved out of it. */
bool timestamp_parse_exactly(struct view text, int64_t *out_us, bool *out_is_exact)
{
    struct cursor c = { text.data, text.data + text.len };
    int64_t days;
    int64_t offset = 0;
    struct clock_time t = { 0, 0, 0, 0, true };
    if (text.len == 0 || !take_date(&c, &days)) {
        return false;
    }
    if (!at_end(&c) && (!take_clock_and_zone(&c, &t, &offset) || !at_end(&c))) {
        return false;
    }
    int64_t seconds = days * SECONDS_PER_DAY + t.hour * INT64_C(3600) +
                      t.minute * INT64_C(60) + t.second - offset;
    int64_t us = seconds * US_PER_SECOND + t.micros;
    if (!timestamp_is_in_range(us)) {
        return false;
    }
    *out_us = us;
    *out_is_exact = t.is_exact;
    return true;
}

bool timestamp_parse(struct view text, int64_t *out_us)
{
    bool is_exact;
    return timestamp_parse_exactly(text, out_us, &is_exact);
}

/* The reverse of days_from_civil, for days in range. */
static void civil_from_days(int64_t days, int *out_year, int *out_month, int *out_day)
{
    int64_t z = days + 719468; /* days since 0000-03-01: not negative in our range */
    int era = (int)(z / DAYS_PER_ERA);
    int day_of_era = (int)(z - (int64_t)era * DAYS_PER_ERA);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted = (5 * day_of_year + 2) / 153;
    *out_day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *out_month = shifted < 10 ? shifted + 3 : shifted - 9;
    *out_year = year_of_era + era * 400 + (*out_month <= 2 ? 1 : 0);
}

static char *put_number(char *to, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return to + digits;
}

/* The fraction as PostgreSQL prints it: no trailing zeros. */
static char *put_clock(char *to, int second_of_day, int micros)
{
    to = put_number(to, second_of_day / 3600, 2);
    *to++ = ':';
    to = put_number(to, second_of_day / 60 % 60, 2);
    *to++ = ':';
    to = put_number(to, second_of_day % 60, 2);
    if (micros > 0) {
        *to++ = '.';
        to = put_number(to, micros, 6);
        while (to[-1] == '0') {
            to--;
        }
    }
    return to;
}

size_t timestamp_write(int64_t us, enum timestamp_form form,
                       char out[TIMESTAMP_TEXT_BYTES])
{
    static const char *const zones[] = {
        [TIMESTAMP_WITH_ZONE] = "+00",
        [TIMESTAMP_WITHOUT_ZONE] = "",
        [TIMESTAMP_RFC3339] = "Z",
    };
    if (!timestamp_is_in_range(us)) {
        out[0] = '\0';
        return 0;
    }
    int64_t since_first = us - TIMESTAMP_MIN_US; /* not negative: division rounds down */
    int64_t day = since_first / (SECONDS_PER_DAY * US_PER_SECOND);
    int64_t rest = since_first % (SECONDS_PER_DAY * US_PER_SECOND);
    int year;
    int month;
    int day_of_month;
    civil_from_days(day + TIMESTAMP_MIN_US / (SECONDS_PER_DAY * US_PER_SECOND), &year,
                    &month, &day_of_month);
    char *to = put_number(out, year, 4);
    *to++ = '-';
    to = put_number(to, month, 2);
    *to++ = '-';
    to = put_number(to, day_of_month, 2);
    *to++ = form == TIMESTAMP_RFC3339 ? 'T' : ' ';
    to = put_clock(to, (int)(rest / US_PER_SECOND), (int)(rest % US_PER_SECOND));
    size_t zone_len = strlen(zones[form]);
    memcpy(to, zones[form], zone_len + 1);
    return (size_t)(to - out) + zone_len;
}

size_t timestamp_format(int64_t us, char out[TIMESTAMP_TEXT_BYTES])
{
    return timestamp_write(us, TIMESTAMP_WITH_ZONE, out);
}
