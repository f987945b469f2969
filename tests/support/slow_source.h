/* slow_source: a table_source that has little at once. What it is asked for it has after
 * slow_arrive; by chance it has it at once, or says that the caller shall read. */
#ifndef STAVE_TESTS_SLOW_SOURCE_H
#define STAVE_TESTS_SLOW_SOURCE_H

#include "base/rand.h"
#include "storage/table.h"

typedef struct slow_read {
    log_pos pos;
    bool here;
    slice bytes; /* owned */
} slow_read;

typedef struct slow_source {
    table_source base;
    rng *r;
    unsigned now_permille, read_permille; /* of what nobody asked for: here at once; to be read */
    void *const *reader; /* if not NULL: while what it points to is, all is to be read */
    slow_read *reads;
    size_t n, cap;
    char *given; /* the bytes that were here at once: until the next call */
    uint64_t asked, closed, rounds, read;
} slow_source;

void slow_init(slow_source *s, rng *r);
/* Something was asked for: it is here from now on. */
void slow_arrive(slow_source *s);
/* What is pinned goes: whoever it was for has ended. */
void slow_forget(slow_source *s);
void slow_free(slow_source *s);

#endif
