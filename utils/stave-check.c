/* stave-check: a data directory of Stave's, verified, shown and repaired without a server.
 *
 * It links with base, io and storage alone: what it can tell, it tells from the bytes. All the work
 * is in src/storage (check, dump, repair); here are the options, the lock and the exit status. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "io/vfs.h"
#include "storage/check.h"
#include "storage/dump.h"
#include "storage/file_header.h"
#include "storage/repair.h"

enum exit_status {
    EXIT_CLEAN = 0,
    EXIT_PROBLEMS = 1, /* something is wrong, or still is after a repair */
    EXIT_USAGE = 2,
    EXIT_TROUBLE = 3, /* could not look: in use, unreadable, not a data directory */
};

static const char usage[] =
    "usage: stave-check DIR                      verify all of a data directory\n"
    "       stave-check --repair=MODE DIR        verify, then repair what was found\n"
    "       stave-check --dump FILE              print a file, record by record\n"
    "       stave-check --help | --version\n"
    "\n"
    "DIR must not be in use by a server. Without --repair nothing is changed.\n"
    "\n"
    "Modes of --repair; a plain check says what each would drop. Files that go are renamed to\n"
    "NAME.damaged. Copy the directory first.\n"
    "  hints   put damaged hint files aside; they hold nothing that is not in the segments\n"
    "  cut     end the log in front of the first damage: whole batches up to there, nothing "
    "behind\n"
    "  skip    keep every record that can be read: batches may be kept in part, an older value "
    "may\n"
    "          show where the newer is lost, a key may be back whose delete is lost. Of a damaged\n"
    "          table, keep the entries that can be read; the LSM engine's log can only be cut\n"
    "\n"
    "Options:\n"
    "  -q, --quiet  say only what is wrong, and what a repair does\n"
    "\n"
    "Exit status: 0 no problems (a torn end of the log, which the next start cuts, is none);\n"
    "1 problems; 2 wrong usage; 3 it could not be checked: in use, unreadable, not a data "
    "directory\n";

typedef struct options {
    const char *dump, *dir;
    int repair; /* a repair_mode, or -1 */
    bool quiet;
} options;

/* Prints a line; with --quiet only problems. */
static void print(void *ctx, const char *text) {
    const options *o = ctx;
    if (!o->quiet || strncmp(text, "PROBLEM", 7) == 0) puts(text);
}

static void print_always(void *ctx, const char *text) {
    (void)ctx;
    puts(text);
}

static int trouble(status s) {
    fflush(stdout);
    fprintf(stderr, "stave-check: %s\n", s.msg);
    return EXIT_TROUBLE;
}

static int parse_mode(const char *text) {
    static const char *const names[] = {"hints", "cut", "skip"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) return i;
    return -1;
}

_Static_assert(REPAIR_HINTS == 0 && REPAIR_CUT == 1 && REPAIR_SKIP == 2, "the order of the names");

/* Fills o, or returns the exit status to leave with; -1: go on. */
static int parse(int argc, char **argv, options *o) {
    static const struct option known[] = {
        {"dump", required_argument, NULL, 'd'}, {"repair", required_argument, NULL, 'r'},
        {"quiet", no_argument, NULL, 'q'},      {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},    {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "qhv", known, NULL)) != -1) {
        switch (c) {
        case 'd': o->dump = optarg; break;
        case 'q': o->quiet = true; break;
        case 'h': fputs(usage, stdout); return EXIT_CLEAN;
        case 'v': printf("stave-check %s (format %d)\n", STAVE_VERSION, FILE_FORMAT); return 0;
        case 'r':
            o->repair = parse_mode(optarg);
            if (o->repair >= 0) break;
            fprintf(stderr, "stave-check: --repair is hints, cut or skip, not '%s'\n", optarg);
            return EXIT_USAGE;
        default: fputs("Try 'stave-check --help'.\n", stderr); return EXIT_USAGE;
        }
    }
    if (optind < argc) o->dir = argv[optind++];
    bool one = (o->dump != NULL) != (o->dir != NULL);
    if (one && optind == argc && !(o->dump && o->repair >= 0)) return -1;
    fputs(usage, stderr);
    return EXIT_USAGE;
}

static int dump(const options *o) {
    lines out = {print_always, NULL};
    bool damaged;
    status s = dump_file(vfs_posix(), o->dump, &out, &damaged);
    if (!status_ok(s)) return trouble(s);
    return damaged ? EXIT_PROBLEMS : EXIT_CLEAN;
}

/* Repairs, then checks again. */
static int repair_and_check(options *o, check_result *found) {
    lines say = {print, o}, always = {print_always, NULL};
    status s = repair_directory(vfs_posix(), o->dir, found, (repair_mode)o->repair, &always);
    check_result_free(found);
    if (!status_ok(s)) return trouble(s);
    puts("repaired; checking again");
    s = check_directory(vfs_posix(), o->dir, &say, found);
    if (!status_ok(s)) return trouble(s);
    return found->problems ? EXIT_PROBLEMS : EXIT_CLEAN;
}

/* The directory is ours. */
static int check_locked(options *o) {
    lines say = {print, o}, always = {print_always, NULL};
    check_result found;
    status s = check_directory(vfs_posix(), o->dir, &say, &found);
    int code = EXIT_CLEAN;
    if (s.code == ST_CORRUPT) { /* a manifest of which not even the beginning can be read */
        printf("PROBLEM: %s; take a copy from a backup\n", s.msg);
        code = EXIT_PROBLEMS;
    } else if (!status_ok(s))
        code = trouble(s);
    else if (found.problems && o->repair >= 0)
        code = repair_and_check(o, &found);
    else if (found.problems)
        code = EXIT_PROBLEMS;
    if (status_ok(s) && code == EXIT_PROBLEMS && o->repair < 0) repair_explain(&found, &always);
    check_result_free(&found);
    return code;
}

static int check(options *o) {
    char path[FILE_PATH_MAX];
    vfs *v = vfs_posix();
    vfs_file *lock, *there;
    status s = file_path(path, o->dir, FILE_MANIFEST, 0);
    if (status_ok(s)) s = vfs_open(v, path, VFS_READ, &there); /* before a LOCK is made there */
    if (s.code == ST_NOT_FOUND)
        s = status_make(ST_NOT_FOUND, "%s: no MANIFEST here: not a data directory of Stave's",
                        o->dir);
    if (!status_ok(s)) return trouble(s);
    s = there->ops->close(there);
    snprintf(path, sizeof path, "%s/LOCK", o->dir);
    if (status_ok(s)) s = v->ops->lock(v, path, &lock);
    if (!status_ok(s)) return trouble(s);
    int code = check_locked(o);
    v->ops->unlock(lock);
    return code;
}

int main(int argc, char **argv) {
    options o = {.repair = -1};
    int code = parse(argc, argv, &o);
    if (code >= 0) return code;
    code = o.dump ? dump(&o) : check(&o);
    if (fflush(stdout) != 0 && code == EXIT_CLEAN) code = EXIT_TROUBLE;
    return code;
}
