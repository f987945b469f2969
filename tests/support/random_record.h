/* random_record: records of every kind with contents at random, and their comparison. */
#ifndef STAVE_TESTS_RANDOM_RECORD_H
#define STAVE_TESTS_RANDOM_RECORD_H

#include "base/rand.h"
#include "storage/record.h"

/* Memory behind a random record's slices. */
typedef struct random_bytes {
    buf key, value, body;
    char origin[RECORD_ORIGIN_LEN];
} random_bytes;

/* A record with entry flags that its kind allows and, now and then, a mark or an origin. Keys and
 * values are mostly short, with up to `longest` bytes. Never BEGIN. */
void random_record(rng *r, size_t longest, random_bytes *mem, record *out);
void random_bytes_free(random_bytes *mem);
/* True if b is what reading an encoded a must give (but for CONTINUES). */
bool record_same(const record *a, const record *b);

#endif
