/* simulator: the program: options, seeds, and what is told about them.
 *
 * Seeds run in a child process, so that a crash of the engine (an abort, a bad pointer, a hang) is
 * one failed seed and not the end: the parent sees which seed it was and starts another child at
 * the next one. Every so often a seed is run twice and must do exactly the same. */
#include "sim/sim.h"

#include "base/log.h"
#include "sim/simshrink.h"
#include "sim/simtypes.h"
#include "sim/toylog.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEED_SECONDS 60 /* a seed that takes longer hangs */
#define TWICE_EVERY  64

/* ---- seeds ------------------------------------------------------------------------------------
 */

/* What the child says to the parent, in shared memory. */
typedef struct progress {
    uint64_t seed, passed, failed, next;
    sim_totals totals;
} progress;

typedef struct options {
    const sim_engine *engine;
    uint64_t from, seeds, seconds;
    bool verbose, totals, quiet;
    const char *file, *export;
    sim_lie lie;
    uint64_t salt;
    sim_style style;
    bool styled, shrink, first;
} options;

static sim *current; /* for the report of a signal */
static bool quiet_signals;

/* The trace's end, then what happened; runs the seed twice if asked. True if it passed. */
static bool run_seed(const options *o, uint64_t seed, bool twice) {
    uint64_t hash = 0;
    for (int round = 0; round < (twice ? 2 : 1); round++) {
        sim *s = current = sim_new(seed, o->salt, o->engine, o->verbose);
        s->lie = o->lie;
        s->fixed = o->styled ? &o->style : NULL;
        bool ok = sim_run(s);
        if (round == 1 && s->trace_hash != hash) {
            snprintf(s->message, sizeof s->message, "two runs of it are not the same");
            ok = false;
        }
        hash = s->trace_hash;
        if (!ok) {
            if (!o->verbose && !o->quiet) sim_print_recent(s);
            if (o->export) simfs_export(s->fs, o->export);
            printf("FAIL seed %llu: %s\n", (unsigned long long)seed, s->message);
            fflush(stdout);
            return false;
        }
        sim_free(s);
        current = NULL;
    }
    if (o->verbose)
        printf("seed %llu passed, trace %016llx\n", (unsigned long long)seed,
               (unsigned long long)hash);
    return true;
}

static void on_signal(int sig) {
    const char *what = sig == SIGPROF ? "hangs" : sig == SIGABRT ? "aborts" : "crashes";
    signal(sig, SIG_DFL);
    if (current) {
        if (!quiet_signals) sim_print_recent(current);
        printf("FAIL seed %llu: it %s\n", (unsigned long long)current->seed, what);
        fflush(stdout);
    }
    _exit(1);
}

/* A seed may take so much of the processor's time; nothing in it waits. */
static void watch_time(void) {
    struct itimerval limit = {.it_value.tv_sec = SEED_SECONDS};
    if (setitimer(ITIMER_PROF, &limit, NULL)) perror("setitimer");
}

static void watch_signals(void) {
    signal(SIGPROF, on_signal);
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, on_signal);
    signal(SIGFPE, on_signal);
}

static bool time_is_up(const options *o, time_t start) {
    return o->seconds && (uint64_t)(time(NULL) - start) >= o->seconds;
}

/* Runs seeds from p->next on, until all or a failure that leaves the process unfit. */
static void run_some(const options *o, const uint64_t *list, progress *p, time_t start) {
    sim_total = p->totals;
    for (; p->next < o->seeds && !time_is_up(o, start); p->next++) {
        uint64_t seed = list ? list[p->next] : o->from + p->next;
        p->seed = seed;
        watch_time();
        bool ok = run_seed(o, seed, seed % TWICE_EVERY == 0);
        p->totals = sim_total;
        if (!ok) _exit(1);
        p->passed++;
    }
    exit(0); /* not _exit: a sanitizer looks for lost memory then, coverage is written */
}

/* How much was done, in one paragraph. */
static void print_totals(const sim_totals *t, uint64_t seconds) {
    const struct {
        const char *name;
        uint64_t n;
    } all[] = {{"rounds", t->rounds},
               {"turns", t->turns},
               {"batches", t->batches},
               {"aborts", t->aborts},
               {"power cuts", t->crashes},
               {"kills", t->kills},
               {"closes", t->closes},
               {"stops in an open", t->stops_in_open},
               {"children", t->children},
               {"failed calls", t->failed_calls},
               {"flips", t->flips},
               {"refused opens", t->refused},
               {"pending reads", t->pendings},
               {"errors", t->errors},
               {"batches lost", t->lost_batches},
               {"deletes refused", t->deletes_refused},
               {"calls of the disk", t->calls},
               {"flushes", t->flushes},
               {"compactions", t->compactions},
               {"trivial moves", t->moves},
               {"waits of writes", t->waits},
               {"rounds on a small disk", t->full},
               {"where deletes made room", t->rooms},
               {"steps of iterators with changes between", t->disturbed},
               {"deepest level", t->depth},
               {"seconds", seconds}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        printf("%s%llu %s",
               i == 0  ? ""
               : i % 6 ? ", "
                       : ",\n",
               (unsigned long long)all[i].n, all[i].name);
    printf("\n");
}

static int run_seeds(const options *o, const uint64_t *list) {
    progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    time_t start = time(NULL);
    while (p->next < o->seeds && !time_is_up(o, start)) {
        int wstatus;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            quiet_signals = o->quiet;
            watch_signals();
            run_some(o, list, p, start);
        }
        CHECK(pid > 0 && waitpid(pid, &wstatus, 0) == pid);
        if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0) break;
        if (WIFSIGNALED(wstatus))
            printf("FAIL seed %llu: signal %d\n", (unsigned long long)p->seed, WTERMSIG(wstatus));
        p->failed++;
        p->next++;
        if (o->first) break;
    }
    if (o->totals) print_totals(&p->totals, (uint64_t)(time(NULL) - start));
    printf("%llu passed, %llu failed\n", (unsigned long long)p->passed,
           (unsigned long long)p->failed);
    return p->failed ? 1 : 0;
}

/* ---- options ----------------------------------------------------------------------------------
 */

/* A file of seeds: those of the engine, in lines that begin with its name and a number. */
static int run_file(options *o) {
    FILE *in = fopen(o->file, "r");
    char text[512];
    uint64_t list[4096];
    size_t n = 0;
    if (!in) {
        fprintf(stderr, "sim: can't read %s\n", o->file);
        return 2;
    }
    while (n < 4096 && fgets(text, sizeof text, in)) {
        size_t name = strlen(o->engine->name);
        if (strncmp(text, o->engine->name, name) || text[name] != ' ') continue;
        list[n++] = strtoull(text + name, NULL, 10);
    }
    fclose(in);
    o->seeds = n;
    return run_seeds(o, list);
}

/* The simulator against an engine with known faults: each must be found. */
static int run_faults(options *o) {
    int missed = 0;
    o->engine = sim_engine_named("toy");
    o->quiet = true;
    for (int f = 1; f < TOY_FAULTS; f++) {
        uint64_t found = 0;
        toy_bug = (toy_fault)f;
        for (uint64_t seed = 1; seed <= o->seeds && !found; seed++) {
            fflush(stdout);
            pid_t pid = fork();
            if (pid == 0) {
                watch_time();
                freopen("/dev/null", "w", stdout);
                freopen("/dev/null", "w", stderr);
                _exit(run_seed(o, seed, false) ? 0 : 1);
            }
            int wstatus;
            CHECK(pid > 0 && waitpid(pid, &wstatus, 0) == pid);
            if (!WIFEXITED(wstatus) || WEXITSTATUS(wstatus)) found = seed;
        }
        printf("fault %s: %s", toy_fault_name((toy_fault)f), found ? "found at seed " : "MISSED\n");
        if (found) printf("%llu\n", (unsigned long long)found);
        missed += !found;
    }
    printf("%d passed, %d failed\n", (int)TOY_FAULTS - 1 - missed, missed);
    return missed ? 1 : 0;
}

static void usage(void) {
    puts("sim: simulates an engine on a disk that fails in every way a disk may\n"
         "  --seed N          run one seed; with --verbose, show all it does\n"
         "  --shrink          with --seed N: look for a shorter run that fails the same way\n"
         "  --salt, --style   as --shrink has found them\n"
         "  --seeds N         run N seeds ...\n"
         "  --from M          ... from M on (default 1)\n"
         "  --file FILE       run the seeds that a file lists for the engine\n"
         "  --first           stop at the first failure\n"
         "  --seconds S       stop after that time\n"
         "  --engine NAME     bitcask (default), lsm, or toy: a small right one\n"
         "  --types           whole commands on keys of every type\n"
         "  --faults          run toy engines that are wrong: each must be found\n"
         "  --totals          say how much was done\n"
         "  --export DIR      copy the disk of a failed seed to DIR, which must exist\n"
         "  --lie CALL        a disk on which sync_dir, fdatasync or fsync does nothing\n"
         "  --quiet           no trace with a failure");
}

int main(int argc, char **argv) {
    static const struct option table[] = {{"seed", 1, 0, 's'},
                                          {"seeds", 1, 0, 'n'},
                                          {"from", 1, 0, 'm'},
                                          {"file", 1, 0, 'f'},
                                          {"engine", 1, 0, 'e'},
                                          {"seconds", 1, 0, 't'},
                                          {"verbose", 0, 0, 'v'},
                                          {"totals", 0, 0, 'T'},
                                          {"quiet", 0, 0, 'q'},
                                          {"faults", 0, 0, 'F'},
                                          {"export", 1, 0, 'x'},
                                          {"lie", 1, 0, 'l'},
                                          {"salt", 1, 0, 'a'},
                                          {"style", 1, 0, 'y'},
                                          {"shrink", 0, 0, 'k'},
                                          {"first", 0, 0, '1'},
                                          {"help", 0, 0, 'h'},
                                          {"types", 0, 0, 'd'},
                                          {0, 0, 0, 0}};
    options o = {.from = 1, .seeds = 100, .engine = sim_engine_named("bitcask")};
    bool faults = false;
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (c) {
        case 's':
            o.from = strtoull(optarg, NULL, 10);
            o.seeds = 1;
            break;
        case 'n': o.seeds = strtoull(optarg, NULL, 10); break;
        case 'm': o.from = strtoull(optarg, NULL, 10); break;
        case 'f': o.file = optarg; break;
        case 'e': o.engine = sim_engine_named(optarg); break;
        case 't': o.seconds = strtoull(optarg, NULL, 10); break;
        case 'x': o.export = optarg; break;
        case 'l':
            o.lie = !strcmp(optarg, "sync_dir")    ? SIM_LIE_SYNC_DIR
                    : !strcmp(optarg, "fdatasync") ? SIM_LIE_FDATASYNC
                                                   : SIM_LIE_FSYNC;
            break;
        case 'a': o.salt = strtoull(optarg, NULL, 10); break;
        case 'y':
            o.styled = sim_style_parse(&o.style, optarg);
            if (!o.styled) fprintf(stderr, "sim: that is no style: %s\n", optarg);
            if (!o.styled) return 2;
            break;
        case 'k': o.shrink = true; break;
        case '1': o.first = true; break;
        case 'd': sim_typed = true; break;
        case 'v': o.verbose = true; break;
        case 'T': o.totals = true; break;
        case 'q': o.quiet = true; break;
        case 'F': faults = true; break;
        case 'h': usage(); return 0;
        default: usage(); return 2;
        }
    }
    if (!o.engine) {
        usage();
        return 2;
    }
    log_set_level(LOG_LEVEL_NOTHING);
    if (sim_typed) simtypes_start();
    if (faults) return run_faults(&o);
    if (o.shrink) return sim_shrink(o.from, o.engine, o.seconds) ? 0 : 1;
    return o.file ? run_file(&o) : run_seeds(&o, NULL);
}
