/* hint_format: what the writer and the reader of hint files share, and nobody else. */
#ifndef STAVE_STORAGE_HINT_FORMAT_H
#define STAVE_STORAGE_HINT_FORMAT_H

#include "storage/hint.h"

#define HINT_FOOTER_SIZE  192 /* bytes of a footer's body */
#define HINT_FILTER_PIECE (1u << 20)

/* Where the filters lie: file offset of their first block, and bytes of bits. */
typedef struct hint_filters_at {
    uint32_t keys_at, keys_bytes, elems_at, elems_bytes;
} hint_filters_at;

/* The body of a footer. */
void hint_footer_encode(char out[HINT_FOOTER_SIZE], const hint_info *info,
                        const hint_filters_at *at);
/* False if it can't be one. */
bool hint_footer_decode(slice body, hint_info *info, hint_filters_at *at);

/* The kind of block in which an entry of that record kind belongs; 0 if in none. */
unsigned hint_block_of(unsigned kind);
/* The record flags that an entry of that kind may have. */
unsigned hint_flags_of(unsigned kind);

#endif
