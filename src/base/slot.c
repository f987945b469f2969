/* The cluster slot of a key: a CRC by bits, as nothing that is asked often needs it yet. */
#include "base/slot.h"

#define POLYNOMIAL 0x1021u /* CRC-16/XMODEM: nothing reflected, no initial value */

static uint16_t crc16(slice s) {
    uint32_t crc = 0;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= (uint32_t)(uint8_t)s.data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
    }
    return (uint16_t)crc;
}

/* The part of the key that decides. */
static slice hashed_part(slice key) {
    const char *open = key.len ? memchr(key.data, '{', key.len) : NULL;
    if (!open) return key;
    size_t left = key.len - (size_t)(open + 1 - key.data);
    const char *close = left ? memchr(open + 1, '}', left) : NULL;
    if (!close || close == open + 1) return key;
    return slice_of(open + 1, (size_t)(close - open - 1));
}

uint16_t key_slot(slice key) {
    return crc16(hashed_part(key)) % SLOTS_ALL;
}
