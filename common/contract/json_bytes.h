/* json_bytes: finds the next byte that matters in eight bytes at once.
 *
 * Nearly all bytes of events are letters inside of strings; looked at one by one they
 * were 40 % of ingest's instructions (bench_ingest, batches of 100). Bit tricks of
 * "haszero" (Hacker's Delight, 6-1): a borrow can mark a byte wrongly, but only above one
 * that is marked rightly, so the lowest mark, the first byte, is exact.
 */
#ifndef COMMON_CONTRACT_JSON_BYTES_H
#define COMMON_CONTRACT_JSON_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the first byte of a word must be its lowest: json_bytes.h"
#endif

#define JSON_WORD 8

/* A word with `c` in each byte. */
#define JSON_EACH(c) ((uint64_t)0x0101010101010101u * (unsigned char)(c))

/* The high bit of each byte of x that is zero. */
static inline uint64_t json_zero_bytes(uint64_t x)
{
    return (x - JSON_EACH(1)) & ~x;
}

/* How many of the 8 bytes stand before the first marked one. */
static inline unsigned json_before_mark(uint64_t marks)
{
    marks &= JSON_EACH(0x80);
    return marks == 0 ? JSON_WORD : (unsigned)__builtin_ctzll(marks) / 8;
}

/* Of the 8 bytes at `p`, those before the first quote or backslash. */
static inline unsigned json_bytes_in_string(const void *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return json_before_mark(json_zero_bytes(x ^ JSON_EACH('"')) |
                            json_zero_bytes(x ^ JSON_EACH('\\')));
}

/* Of the 8 bytes at `p`, those before the first quote, backslash, control character or
 * byte beyond ASCII. */
static inline unsigned json_bytes_plain(const void *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return json_before_mark(json_zero_bytes(x ^ JSON_EACH('"')) |
                            json_zero_bytes(x ^ JSON_EACH('\\')) |
                            ((x - JSON_EACH(0x20)) & ~x) | x);
}

#endif
