/* ascii: digits and escapes of ASCII, whatever the locale. Pure. */
#ifndef COMMON_BASE_ASCII_H
#define COMMON_BASE_ASCII_H

#include "common/base/view.h"

/* The value of a hexadecimal digit of either case; -1 for any other byte. */
static inline int ascii_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    int lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that "%XX" at the beginning of the text stands for (RFC 3986, 2.1); -1 when
 * there is none. */
static inline int ascii_percent_byte(struct view text)
{
    if (text.len < 3 || text.data[0] != '%') {
        return -1;
    }
    int high = ascii_hex_digit(text.data[1]);
    int low = ascii_hex_digit(text.data[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

#endif
