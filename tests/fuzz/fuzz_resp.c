/* fuzz_resp: the request parser on any bytes: cuts don't change what they mean, arguments lie
 * inside the input, and a line's words are no longer than the line. */
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "support/fuzz.h"
#include "support/resp_splits.h"

/* The cuts follow from the input, so that a failing input fails again. */
static void check_stream(slice in, const resp_limits *limits) {
    rng r;
    rng_seed(&r, siphash13((hash_key){1, 2}, in.data, in.len));
    resp_check_splits(in.data, in.len, limits, &r);
}

static void check_line(slice in) {
    slice *words;
    int n = resp_split_line(in, &words);
    CHECK(n >= -1);
    size_t total = 0;
    for (int i = 0; i < n; i++)
        total += words[i].len;
    CHECK(total <= in.len);
    if (n > 0) mem_free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const resp_limits usual = {512 << 20, RESP_ARGS_MAX, 0}, unauth = {512 << 20, 10, 16384};
    slice in = slice_of(data, size);
    check_stream(in, &usual);
    check_stream(in, &unauth);
    check_line(in);
    return 0;
}
