/* fuzz: what a fuzzer of tests/fuzz defines: libFuzzer's entry, which fuzz_main.c calls where there
 * is no libFuzzer. It returns 0, and aborts when a property does not hold. */
#ifndef STAVE_TESTS_FUZZ_H
#define STAVE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
