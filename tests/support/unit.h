/* unit: what every unit test includes: cmocka with the headers it asks for, and the seed. */
#ifndef STAVE_TESTS_UNIT_H
#define STAVE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rand.h"

/* Seeds r from STAVE_SEED, or else from the kernel, and prints the seed, so that a failure can be
 * run again. Each test that calls it gets the same seed within one run. */
void unit_seed(rng *r);

/* How often a random test should repeat: `rounds`, or less under a sanitizer or valgrind. */
int unit_rounds(int rounds);

#endif
