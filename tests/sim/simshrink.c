/* simshrink: a search for a smaller failure.
 *
 * A run is its seed, its style and a salt. Lowering a number of the style gives another run, not a
 * part of the old one, so it may pass; but with a few salts to each, smaller styles that still fail
 * the same way are found quickly. Two failures are the same if their messages are up to the first
 * digit, and the smaller one is the one with fewer lines of trace. */
#include "sim/simshrink.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRY_SECONDS 20 /* for one run */
#define SALTS       60 /* tried with each style */

typedef struct attempt {
    sim_style style;
    uint64_t salt;
    bool failed;
    uint64_t lines;
    char message[SIM_MESSAGE];
} attempt;

static attempt *shared; /* what a child says */
static sim *running;

/* A signal is a failure like another. */
static void on_signal(int sig) {
    shared->failed = true;
    shared->lines = running ? running->lines : 0;
    snprintf(shared->message, sizeof shared->message, "signal %d", sig);
    _exit(1);
}

/* Runs it in a child. `fixed`: with a's style; else that is what the seed chooses, put into a. */
static void run(uint64_t seed, const sim_engine *kind, attempt *a, bool fixed) {
    *shared = *a;
    shared->failed = false;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        for (const int *sig = (int[]){SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM, 0}; *sig; sig++)
            signal(*sig, on_signal);
        if (!freopen("/dev/null", "w", stderr)) _exit(2);
        alarm(TRY_SECONDS);
        sim *s = running = sim_new(seed, a->salt, kind, false);
        if (fixed) s->fixed = &a->style;
        shared->failed = !sim_run(s);
        shared->style = s->style;
        shared->lines = s->lines;
        snprintf(shared->message, sizeof shared->message, "%s", s->message);
        _exit(0);
    }
    CHECK(waitpid(pid, NULL, 0) == pid);
    *a = *shared;
}

static bool same_way(const char *a, const char *b) {
    size_t n = strcspn(a, "0123456789");
    return n == strcspn(b, "0123456789") && !strncmp(a, b, n);
}

/* A style with one number lowered; false if there is nothing to lower there. */
static bool lower(sim_style *y, unsigned which) {
    unsigned *all[] = {&y->rounds,     &y->turns,  &y->batch_max, &y->keys,      &y->elems,
                       &y->value_max,  &y->colls,  &y->flushes,   &y->aborts,    &y->expires,
                       &y->big_values, &y->merges, &y->deletes,   &y->long_keys, &y->ticks};
    static const unsigned least[] = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    unsigned count = sizeof all / sizeof *all, i = which % count;
    if (*all[i] <= least[i]) return false;
    unsigned to = which < count ? least[i] : *all[i] / 2;
    *all[i] = to > least[i] ? to : least[i];
    return true;
}

bool sim_shrink(uint64_t seed, const sim_engine *kind, uint64_t seconds) {
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    attempt best = {.salt = 0};
    time_t until = time(NULL) + (time_t)(seconds ? seconds : 60);
    run(seed, kind, &best, false);
    if (!best.failed) return false;
    printf("%llu lines: %s\n", (unsigned long long)best.lines, best.message);
    for (bool better = true; better && time(NULL) < until;) {
        better = false;
        for (unsigned which = 0; which < 30 && time(NULL) < until; which++) {
            attempt next = best;
            if (!lower(&next.style, which)) continue;
            for (uint64_t salt = 0; salt < SALTS; salt++) {
                attempt a = next;
                a.salt = salt;
                run(seed, kind, &a, true);
                if (!a.failed || a.lines >= best.lines || !same_way(a.message, best.message))
                    continue;
                best = a;
                better = true;
                break;
            }
        }
    }
    char style[SIM_STYLE_TEXT];
    sim_style_show(&best.style, style);
    printf("%llu lines: %s\n--seed %llu --salt %llu --style %s\n", (unsigned long long)best.lines,
           best.message, (unsigned long long)seed, (unsigned long long)best.salt, style);
    return true;
}
