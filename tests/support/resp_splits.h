/* resp_splits: the property that the request parser must have: any way of cutting a stream into
 * pieces gives the same commands, and every argument lies inside its command. */
#ifndef STAVE_TESTS_RESP_SPLITS_H
#define STAVE_TESTS_RESP_SPLITS_H

#include "base/rand.h"
#include "resp/reader.h"

/* Parses p[0..n) at once, then again in pieces that r chooses, from copies of exactly the bytes
 * that have come (so that a sanitizer sees a read beyond them). Aborts if the two differ in a
 * command or in the error, or if a parse breaks the reader's contract. Returns the number of
 * commands. */
int resp_check_splits(const char *p, size_t n, const resp_limits *limits, rng *r);

#endif
