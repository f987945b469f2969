/* hll_bytes: the bytes of a HyperLogLog, as redis-server makes them: pure functions over memory.
 * README.md has the format. */
#ifndef STAVE_TYPES_HLL_BYTES_H
#define STAVE_TYPES_HLL_BYTES_H

#include "types/hll.h"

#define HLL_HEADER       16
#define HLL_DENSE_BYTES  (HLL_HEADER + HLL_REGISTERS * 6 / 8)
#define HLL_SPARSE_BYTES (HLL_HEADER + 2 * HLL_REGISTERS) /* no whole sparse value is longer */
#define HLL_GROWTH       3 /* bytes that setting one register adds to a sparse value, at most */

/* The second field of the header, on disk: never renumber. */
enum hll_form { HLL_DENSE = 0, HLL_SPARSE = 1 };

/* A value in memory that may be changed. */
typedef struct hll_image {
    uint8_t *bytes;
    size_t len, room;
} hll_image;

/* Is this the beginning of a HyperLogLog of `len` bytes in all? */
bool hll_header_fits(const uint8_t header[HLL_HEADER], uint64_t len);
/* An empty sparse one. REQUIRES: room for HLL_HEADER + 2. */
void hll_image_empty(hll_image *im);
/* Which register an element belongs to, and what it wants there: 1 .. 51. */
unsigned hll_element(slice element, unsigned *index);

/* The count that is kept in the header; false: it is out of date. */
bool hll_kept_count(const uint8_t header[HLL_HEADER], uint64_t *count);
void hll_keep_in_header(uint8_t header[HLL_HEADER], uint64_t count);
void hll_outdate(uint8_t header[HLL_HEADER]);

typedef enum hll_set {
    HLL_SAME,        /* the register is at least that already */
    HLL_RAISED,      /* it is now */
    HLL_NEEDS_DENSE, /* a sparse value can't hold it: nothing has changed */
    HLL_BROKEN,      /* the bytes are no such thing */
} hll_set;

/* Raises one register. Sparse: at most `max` bytes; REQUIRES room for HLL_GROWTH more. */
hll_set hll_image_set(hll_image *im, unsigned index, unsigned count, uint64_t max);
/* Where a dense value has a register: from byte *at on, in 1 or 2 bytes; and raising it in these.
 */
size_t hll_window(unsigned index, size_t *at);
bool hll_window_raise(uint8_t window[2], unsigned index, unsigned count);
/* Writes the same registers in the dense form to `out` (HLL_DENSE_BYTES); false: broken. */
bool hll_image_dense(const hll_image *im, uint8_t *out);
/* Raises registers to those of the value; false: broken, some may have been raised. */
bool hll_image_max(const hll_image *im, uint8_t registers[HLL_REGISTERS]);
/* The runs of a sparse value as PFDEBUG DECODE shows them, appended, whether they are all or not.
 */
void hll_image_text(const hll_image *im, buf *out);

#endif
