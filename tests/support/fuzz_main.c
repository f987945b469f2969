/* fuzz_main: a main for fuzzers on machines without libFuzzer. It takes the few of libFuzzer's
 * options that `make fuzz` uses:
 *
 *     fuzz_NAME [-runs=N] [-max_total_time=SECONDS] [-seed=S] [-artifact_prefix=P] FILE|FOLDER ...
 *
 * Every file is run as it is; then random changes of them, until N runs or the time are over. There
 * is no feedback from coverage, so it finds less in the same time. A failing input is written to
 * Pcrash-input. */
#include "support/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"

#define INPUTS_MAX 4096
#define INPUT_MAX  (1 << 20) /* bytes; a longer file is cut */

static buf inputs[INPUTS_MAX];
static size_t input_count;
static buf current; /* the input being run */
static const char *prefix = "";

/* On a crash: saves the input that caused it, then dies of the same signal. */
static void save_input(int sig) {
    char path[4096];
    snprintf(path, sizeof path, "%scrash-input", prefix);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0 && write(fd, current.data, current.len) == (ssize_t)current.len)
        dprintf(STDERR_FILENO, "the failing input is in %s\n", path);
    signal(sig, SIG_DFL);
    raise(sig);
}

/* One more input; a file that can't be read is left out. */
static void load_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f || input_count == INPUTS_MAX) {
        if (f) fclose(f);
        return;
    }
    buf *b = &inputs[input_count++];
    b->len = fread(buf_reserve(b, INPUT_MAX), 1, INPUT_MAX, f);
    buf_shrink(b, b->len + 1);
    fclose(f);
}

/* A file, or all files of a folder. */
static void load(const char *path) {
    DIR *d = opendir(path);
    if (!d) {
        load_file(path);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        char name[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        load_file(name);
    }
    closedir(d);
}

/* Runs a copy of exactly the input's bytes, so that a sanitizer sees a read beyond them. */
static void run(slice input) {
    buf_clear(&current);
    buf_append_slice(&current, input);
    uint8_t *exact = mem_dup(input.data, input.len);
    LLVMFuzzerTestOneInput(exact, input.len);
    mem_free(exact);
}

/* Makes room for n bytes at `at`, to be filled. */
static char *insert(buf *b, size_t at, size_t n) {
    buf_reserve(b, n);
    memmove(b->data + at + n, b->data + at, b->len - at);
    b->len += n;
    return b->data + at;
}

/* One random change: a byte, a bit, a piece removed, doubled, or taken from another input. */
static void mutate(buf *b, rng *r) {
    size_t at = rng_below(r, b->len + 1), n = 1 + rng_below(r, rng_below(r, 4) ? 8 : 2000);
    size_t left = b->len - at;
    switch (rng_below(r, 6)) {
    case 0:
        if (left) b->data[at] = (char)rng_next(r);
        break;
    case 1:
        if (left) b->data[at] ^= (char)(1 << rng_below(r, 8));
        break;
    case 2:
        if (n > left) n = left;
        if (left) memmove(b->data + at, b->data + at + n, left - n);
        b->len -= n;
        break;
    case 3:
        if (left) {
            char byte = b->data[rng_below(r, b->len)];
            *insert(b, at, 1) = byte;
        }
        break;
    case 4: {
        const buf *other = &inputs[rng_below(r, input_count)];
        size_t from = rng_below(r, other->len + 1);
        if (n > other->len - from) n = other->len - from;
        if (b->len + n <= INPUT_MAX && n) memcpy(insert(b, at, n), other->data + from, n);
        break;
    }
    default:
        if (n < 64) memset(insert(b, at, n), (int)rng_below(r, 256), n);
        break;
    }
}

/* The number behind NAME=, or `otherwise` if the argument is another. */
static uint64_t option(const char *arg, const char *name, uint64_t otherwise) {
    size_t n = strlen(name);
    return strncmp(arg, name, n) == 0 ? strtoull(arg + n, NULL, 10) : otherwise;
}

/* First every input as it is, then changes of them. */
int main(int argc, char **argv) {
    uint64_t runs = 0, seconds = 0, seed, done = 0;
    rand_bytes(&seed, sizeof seed);
    for (int i = 1; i < argc; i++) {
        runs = option(argv[i], "-runs=", runs);
        seconds = option(argv[i], "-max_total_time=", seconds);
        seed = option(argv[i], "-seed=", seed);
        if (strncmp(argv[i], "-artifact_prefix=", 17) == 0) prefix = argv[i] + 17;
        if (argv[i][0] != '-') load(argv[i]);
    }
    if (input_count == 0) input_count = 1; /* the empty input */
    signal(SIGABRT, save_input);
    signal(SIGSEGV, save_input);
    printf("%zu inputs, seed %llu\n", input_count, (unsigned long long)seed);
    for (size_t i = 0; i < input_count; i++)
        run(buf_slice(&inputs[i]));
    rng r;
    rng_seed(&r, seed);
    uint64_t end = clock_mono_us() + seconds * 1000000;
    for (; runs ? done < runs : clock_mono_us() < end; done++) {
        static buf b;
        buf_clear(&b);
        buf_append_slice(&b, buf_slice(&inputs[rng_below(&r, input_count)]));
        for (uint64_t k = 1 + rng_below(&r, 8); k; k--)
            mutate(&b, &r);
        run(buf_slice(&b));
    }
    printf("%llu runs, no failure\n", (unsigned long long)(input_count + done));
    return 0;
}
