/* utf8: one character of UTF-8, judged as RFC 3629 has it: no overlong forms, no encoded
 * surrogates, nothing above U+10FFFF. Pure. */
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length of the valid multi-byte sequence at `at` (2 to 4), given that *at >= 0x80
 * and at < end; 0: it is none. */
size_t utf8_sequence(const unsigned char *at, const unsigned char *end);

/* Writes a code point (no surrogate) and returns the number of bytes, 1 to 4. */
size_t utf8_encode(uint32_t code_point, char out[4]);

#endif
