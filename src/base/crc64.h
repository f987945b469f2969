/* crc64: the checksum at the end of RDB payloads: CRC-64/Jones, reflected, from 0, not inverted. */
#ifndef STAVE_BASE_CRC64_H
#define STAVE_BASE_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* Of n bytes, continuing from crc (0 to begin). */
uint64_t crc64(uint64_t crc, const void *p, size_t n);

#endif
