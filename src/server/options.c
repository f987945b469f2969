/* The command line: [FILE | -] [--setting value ...] [-], --help, --version.
 *
 * As in redis-server, each word that begins with "--" starts a setting and the words up to the next
 * such word are its values; a setting without a value gets an empty one where it takes a string,
 * and a lone switch such as `--daemonize` is an error that says what is missing. A value that
 * begins with
 * "--" can be given inside quotes with the name: --requirepass "\"--x\"". */
#include "server/options.h"

#include "base/mem.h"
#include "base/version.h"
#include "server/config.h"

#include <stdio.h>

static const char usage[] =
    "Usage: stave-server [FILE] [--SETTING VALUE ...] [-]\n"
    "       stave-server - (read the configuration from standard input)\n"
    "       stave-server -v | --version\n"
    "       stave-server -h | --help\n"
    "\n"
    "A server that speaks the Redis protocol and keeps its data on disk.\n"
    "FILE has settings in redis.conf syntax, each of which can also be given as an option, which\n"
    "wins. redis-compat.conf, in the source tree, explains every setting.\n"
    "\n"
    "Examples:\n"
    "  stave-server                                  defaults: port 6379, data in ./data\n"
    "  stave-server /etc/stave.conf --loglevel verbose\n"
    "  stave-server --port 7000 --dir /srv/stave --engine lsm --appendfsync always\n"
    "  echo 'maxmemory 2gb' | stave-server -\n";

static bool starts_option(const char *arg) {
    return arg[0] == '-' && arg[1] == '-' && arg[2] != '\0';
}

/* Applies one option whose values are argv[0 .. n). */
static status apply_option(const char *name, int n, char **argv) {
    slice *words = mem_alloc(sizeof *words * (size_t)(n + 1));
    for (int i = 0; i < n; i++)
        words[i] = slice_cstr(argv[i]);
    words[n] = SLICE_EMPTY;
    status st;
    if (n == 1 && words[0].len && (config_find(slice_cstr(name)) != NULL) &&
        (config_find(slice_cstr(name))->flags & (SETTING_MULTI_ARG | SETTING_MANY_LINES))) {
        /* "--bind '127.0.0.1 ::1'": one word that stands for several. */
        buf line = {0};
        buf_printf(&line, "%s %s", name, argv[0]);
        st = config_line(buf_slice(&line));
        buf_free(&line);
    } else if (n == 0) {
        words[0] = slice_cstr("");
        const setting *s = config_find(slice_cstr(name));
        bool takes_empty = s && (s->kind == SETTING_STRING || (s->flags & SETTING_MANY_LINES));
        st = config_assign(slice_cstr(name), takes_empty ? 1 : 0, words);
    } else {
        st = config_assign(slice_cstr(name), n, words);
    }
    mem_free(words);
    if (status_ok(st)) return st;
    return status_make(ST_INVALID, "Bad option '--%s': %s", name, st.msg);
}

/* All options from argv[i] on. */
static status apply_options(int argc, char **argv, int i) {
    while (i < argc) {
        if (strcmp(argv[i], "-") == 0) {
            TRY(config_read_file("-"));
            i++;
            continue;
        }
        if (!starts_option(argv[i])) {
            return status_make(ST_INVALID, "Unexpected argument '%s': options begin with --",
                               argv[i]);
        }
        int end = i + 1;
        while (end < argc && !starts_option(argv[end]) &&
               !(end == argc - 1 && strcmp(argv[end], "-") == 0 && end > i + 1))
            end++;
        TRY(apply_option(argv[i] + 2, end - i - 1, argv + i + 1));
        i = end;
    }
    return STATUS_OK;
}

options_result options_parse(int argc, char **argv, status *why) {
    *why = STATUS_OK;
    if (argc == 2 && (!strcmp(argv[1], "-v") || !strcmp(argv[1], "--version"))) {
        printf("Stave server v=%s malloc=%s bits=%d redis=%s\n", STAVE_VERSION,
               mem_allocator_name(), (int)sizeof(long) * 8, STAVE_REDIS_VERSION);
        return OPTIONS_DONE;
    }
    if (argc == 2 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))) {
        fputs(usage, stdout);
        return OPTIONS_DONE;
    }
    int first = 1;
    if (argc > 1 && !starts_option(argv[1])) {
        *why = config_read_file(argv[1]);
        first = 2;
    }
    if (status_ok(*why)) *why = apply_options(argc, argv, first);
    return status_ok(*why) ? OPTIONS_RUN : OPTIONS_BAD;
}
