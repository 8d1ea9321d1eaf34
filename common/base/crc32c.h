/* crc32c: CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as RFC 3720 B.4 has its
 * test vectors. For column names (mapping) and for the spool's frames. Pure. */
#ifndef COMMON_BASE_CRC32C_H
#define COMMON_BASE_CRC32C_H

#include "common/base/view.h"

#include <stdint.h>

/* The checksum of the bytes; crc32c("123456789") is 0xe3069283. */
uint32_t crc32c(struct view bytes);

/* Continues a checksum over further bytes: crc32c_extend(crc32c(a), b) == crc32c(ab). */
uint32_t crc32c_extend(uint32_t crc, struct view bytes);

#endif
