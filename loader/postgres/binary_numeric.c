#include "loader/postgres/binary_numeric.h"

#define GROUP 4 /* decimal digits in a digit of the wire */
#define MAX_BEFORE_POINT 131072
#define MAX_SCALE 16383
/* Where an exponent saturates: far outside of what the wire holds. */
#define EXPONENT_LIMIT 1000000

#define SIGN_POSITIVE 0x0000
#define SIGN_NEGATIVE 0x4000

/* A number's text, taken apart. A digit's place counts from the point: 0 is the one
 * before it, -1 the one behind it. */
struct parts {
    struct view
        digits;    /* those of the text, the point among them; no sign, no exponent */
    int64_t first; /* the places of the first and the last digit that is not 0 */
    int64_t last;
    int64_t scale;
    int64_t top; /* the place of the text's first digit */
    bool is_negative;
    bool is_zero;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int64_t read_exponent(struct view text)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (is_digit(text.data[i]) && value < EXPONENT_LIMIT) {
            value = value * 10 + (text.data[i] - '0');
        }
    }
    return is_negative ? -value : value;
}

/* The digits end where the exponent begins; `out_point` is where the point stands, or
 * would. */
static struct view find_digits(struct view json, size_t *out_point, int64_t *out_exponent)
{
    size_t end = 0;
    *out_point = SIZE_MAX;
    *out_exponent = 0;
    for (; end < json.len && (is_digit(json.data[end]) || json.data[end] == '.'); end++) {
        if (json.data[end] == '.') {
            *out_point = end;
        }
    }
    if (end < json.len) {
        *out_exponent = read_exponent(view_skip(json, end + 1));
    }
    if (*out_point == SIZE_MAX) {
        *out_point = end;
    }
    return view_of(json.data, end);
}

static void find_ends(struct parts *p)
{
    int64_t place = p->top;
    p->is_zero = true;
    for (size_t i = 0; i < p->digits.len; i++) {
        char c = p->digits.data[i];
        if (c == '.') {
            continue;
        }
        if (c != '0') {
            p->first = p->is_zero ? place : p->first;
            p->last = place;
            p->is_zero = false;
        }
        place--;
    }
}

static void take_apart(struct view json, struct parts *p)
{
    size_t point;
    int64_t exponent;
    *p = (struct parts){ .is_negative = json.len > 0 && json.data[0] == '-' };
    p->digits = find_digits(view_skip(json, p->is_negative ? 1 : 0), &point, &exponent);
    int64_t behind = point < p->digits.len ? (int64_t)(p->digits.len - point) - 1 : 0;
    p->scale = behind > exponent ? behind - exponent : 0;
    p->top = (int64_t)point - 1 + exponent;
    find_ends(p);
}

/* Division that rounds down, for places behind the point too. */
static int64_t group_of(int64_t place)
{
    return place >= 0 ? place / GROUP : -((-place + GROUP - 1) / GROUP);
}

static void put_u16(char *at, unsigned value)
{
    at[0] = (char)(unsigned char)(value >> 8);
    at[1] = (char)(unsigned char)value;
}

/* Adds each digit to its group, from the first that is not 0 to the last. */
static void put_groups(const struct parts *p, char *at)
{
    static const unsigned tens[GROUP] = { 1, 10, 100, 1000 };
    int64_t weight = group_of(p->first);
    unsigned group = 0;

    int64_t place = p->top;
    for (size_t i = 0; i < p->digits.len && place >= p->last; i++) {
        char c = p->digits.data[i];
        if (c == '.') {
            continue;
        }
        if (place <= p->first) {
            int64_t within = place - group_of(place) * GROUP;
            group += (unsigned)(c - '0') * tens[within];
            if (within == 0 || place == p->last) {
                put_u16(at + 2 * (size_t)(weight - group_of(place)), group);
                group = 0;
            }
        }
        place--;
    }
}

bool binary_numeric_add(struct buf *out, struct view json)
{
    struct parts p;
    take_apart(json, &p);
    if (p.scale > MAX_SCALE || (!p.is_zero && p.first >= MAX_BEFORE_POINT)) {
        return false;
    }
    size_t count = p.is_zero ? 0 : (size_t)(group_of(p.first) - group_of(p.last)) + 1;
    char *at = buf_reserve(out, 8 + 2 * count);
    bool is_negative = p.is_negative && !p.is_zero;
    put_u16(at, (unsigned)count);
    put_u16(at + 2, p.is_zero ? 0 : (unsigned)(uint16_t)(int16_t)group_of(p.first));
    put_u16(at + 4, is_negative ? SIGN_NEGATIVE : SIGN_POSITIVE);
    put_u16(at + 6, (unsigned)p.scale);
    if (count > 0) {
        put_groups(&p, at + 8);
    }
    out->len += 8 + 2 * count;
    return true;
}
