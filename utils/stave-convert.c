/* stave-convert: a data directory of one engine made from one of another, without a server.
 *
 * All the work is in src/convert; here are the options, the progress line, signals and the exit
 * status. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/version.h"
#include "convert/convert.h"

enum exit_status {
    EXIT_CONVERTED = 0,
    EXIT_FAILED = 1, /* on the way: nothing is left of it, FROM is as it was */
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3, /* before anything was done: in use, not a store, TO exists, same engine */
};

#define SETTINGS_MAX 32
#define LINE_US      1000000 /* between progress lines */

static const char usage[] =
    "usage: stave-convert FROM TO --engine bitcask|lsm [OPTIONS]\n"
    "       stave-convert --help | --version\n"
    "\n"
    "Makes TO, a data directory of that engine with all that the data directory FROM holds, reads "
    "it\n"
    "once more, and compares. No server may use FROM, no byte of which is changed. TO must not\n"
    "exist; until it is complete it is TO.partial.\n"
    "\n"
    "Options:\n"
    "  -f, --force           also if FROM is of that engine: a copy without garbage\n"
    "  -s, --set NAME=VALUE  a setting of redis-compat.conf for making TO (segment-size, ...)\n"
    "      --cluster yes|no  keys in the order of cluster mode, or without it; else as FROM has "
    "it\n"
    "  -p, --progress        a line each second, even if standard error is no terminal\n"
    "  -q, --quiet           no progress, and nothing at the end\n"
    "\n"
    "Exit status: 0 converted and verified; 1 it failed, and TO is not there; 2 wrong usage;\n"
    "3 refused: FROM is in use or no data directory, TO exists, or nothing would change\n";

typedef struct program {
    convert_options convert;
    slice names[SETTINGS_MAX], values[SETTINGS_MAX];
    int settings;
    bool progress, quiet, terminal;
    uint64_t line_us;  /* when the last line was printed */
    uint64_t phase_us; /* when this phase began */
    convert_phase phase;
    bool line_open; /* a progress line is on the terminal */
} program;

static volatile sig_atomic_t signalled;

/* Only notes it: the conversion asks. */
static void on_signal(int signo) {
    signalled = signo;
}

static bool stopped(void *ctx) {
    (void)ctx;
    return signalled != 0;
}

/* One line, over the one before on a terminal. */
static void progress(void *ctx, convert_phase phase, const tally_sum *sum, uint64_t total) {
    program *p = ctx;
    uint64_t now = clock_mono_us();
    if (!p->phase_us || phase != p->phase) {
        p->phase = phase;
        p->phase_us = p->line_us = now;
    }
    if (!p->progress || now - p->line_us < LINE_US) return;
    p->line_us = now;
    double seconds = (double)(now - p->phase_us) / 1e6;
    fprintf(stderr, "%s%s: %llu of %llu keys (%.1f%%), %.1f MB/s%s", p->terminal ? "\r" : "",
            phase == CONVERT_COPYING ? "copying" : "verifying", (unsigned long long)sum->keys,
            (unsigned long long)total, total ? 100.0 * (double)sum->keys / (double)total : 100.0,
            (double)sum->bytes / 1e6 / seconds, p->terminal ? "  " : "\n");
    fflush(stderr);
    p->line_open = p->terminal;
}

/* What --set said; parsed once before, to be told early. */
static status apply_settings(void *ctx) {
    const program *p = ctx;
    for (int i = 0; i < p->settings; i++) {
        status s = convert_set(p->names[i], p->values[i]);
        if (!status_ok(s))
            return status_make(s.code, "--set %.*s: %s", (int)p->names[i].len, p->names[i].data,
                               s.msg);
    }
    return STATUS_OK;
}

/* ---- options ------------------------------------------------------------------------------------
 */

/* Wrong usage, with what it is about. */
static int wrong(const char *what, const char *value) {
    fprintf(stderr, "stave-convert: %s%s\nTry 'stave-convert --help'.\n", what, value);
    return EXIT_USAGE;
}

static int add_setting(program *p, const char *text) {
    const char *eq = strchr(text, '=');
    if (!eq) return wrong("--set takes NAME=VALUE, not ", text);
    if (p->settings == SETTINGS_MAX) return wrong("too many of ", "--set");
    p->names[p->settings] = slice_of(text, (size_t)(eq - text));
    p->values[p->settings++] = slice_cstr(eq + 1);
    return -1;
}

static int set_engine(program *p, const char *text) {
    p->convert.engine = convert_engine_named(slice_cstr(text));
    return p->convert.engine ? -1 : wrong("there is no engine ", text);
}

static int set_cluster(program *p, const char *text) {
    bool yes = strcmp(text, "yes") == 0;
    if (!yes && strcmp(text, "no") != 0) return wrong("--cluster is yes or no, not ", text);
    p->convert.cluster = yes ? CONVERT_CLUSTER_YES : CONVERT_CLUSTER_NO;
    return -1;
}

static int say(const char *text) {
    fputs(text, stdout);
    return EXIT_CONVERTED;
}

/* Fills p, or returns the exit status to leave with; -1: go on. */
static int parse(int argc, char **argv, program *p) {
    static const struct option known[] = {
        {"engine", required_argument, NULL, 'e'},
        {"force", no_argument, NULL, 'f'},
        {"set", required_argument, NULL, 's'},
        {"cluster", required_argument, NULL, 'c'},
        {"progress", no_argument, NULL, 'p'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int o, code = -1;
    while (code < 0 && (o = getopt_long(argc, argv, "e:fs:pqhv", known, NULL)) != -1) {
        switch (o) {
        case 'e': code = set_engine(p, optarg); break;
        case 's': code = add_setting(p, optarg); break;
        case 'c': code = set_cluster(p, optarg); break;
        case 'f': p->convert.force = true; break;
        case 'p': p->progress = true; break;
        case 'q': p->quiet = true; break;
        case 'h': return say(usage);
        case 'v': return say("stave-convert " STAVE_VERSION "\n");
        default: return wrong("", "");
        }
    }
    if (code >= 0) return code;
    if (argc - optind != 2) return wrong("FROM and TO are needed", "");
    if (!p->convert.engine) return wrong("which engine? --engine ", "bitcask|lsm");
    p->convert.from = argv[optind];
    p->convert.to = argv[optind + 1];
    convert_settings_default();
    status s = apply_settings(p);
    return status_ok(s) ? -1 : wrong(s.msg, "");
}

/* ---- the run ------------------------------------------------------------------------------------
 */

static int fail(const program *p, status s, const convert_report *r) {
    if (p->line_open) fputc('\n', stderr);
    fprintf(stderr, "stave-convert: %s\n", s.msg);
    bool refused = !r->began && (s.code == ST_INVALID || s.code == ST_BUSY);
    return refused ? EXIT_REFUSED : EXIT_FAILED;
}

static int convert(program *p) {
    convert_report r;
    uint64_t start = clock_mono_us();
    status s = convert_store(&p->convert, &r);
    if (!status_ok(s)) return fail(p, s, &r);
    if (p->line_open) fputc('\n', stderr);
    if (p->quiet) return EXIT_CONVERTED;
    printf("%s (%s) -> %s (%s), %.1f MB in %.1f s\n", p->convert.from, r.from, p->convert.to,
           p->convert.engine->klass->name, (double)r.sum.bytes / 1e6,
           (double)(clock_mono_us() - start) / 1e6);
    printf("verified: %llu keys, %llu elements\n", (unsigned long long)r.sum.keys,
           (unsigned long long)r.sum.elements);
    return EXIT_CONVERTED;
}

int main(int argc, char **argv) {
    program p = {.convert = {.fs = vfs_posix(),
                             .lock = vfs_posix_lock_as_it_is,
                             .settings = apply_settings,
                             .progress = progress,
                             .stopped = stopped}};
    p.convert.ctx = &p;
    p.terminal = isatty(STDERR_FILENO);
    int code = parse(argc, argv, &p);
    if (code >= 0) return code;
    p.progress = (p.progress || p.terminal) && !p.quiet;
    log_set_level(LOG_LEVEL_WARNING);
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGPIPE, SIG_IGN);
    code = convert(&p);
    if (fflush(stdout) != 0 && code == EXIT_CONVERTED) code = EXIT_FAILED;
    return code;
}
