/* LATENCY: events that took at least latency-monitor-threshold milliseconds, by name.
 *
 * Each event has a ring of the last 160 samples (second, worst milliseconds in that second) and its
 * maximum of all time. Events are "command" and "fast-command" from the dispatcher, and whatever
 * the folders below tell (base/slow.h); README.md lists them.
 * latency_report.c has DOCTOR, GRAPH and HISTOGRAM. */
#include "observe/latency.h"

#include "base/clock.h"
#include "base/dict.h"
#include "base/mem.h"
#include "base/slow.h"
#include "observe/observe.h"
#include "session/reply.h"

/* 0 is off, as it is by default: the samples are for people who look for something. */
static int64_t threshold_ms;
static session *served; /* NULL before latency_start */
static int watch;
/* Name -> latency_series. An event appears with its first slow moment, as in Redis, so LATENCY
 * LATEST lists what happened and not what could. */
static dict *events;

/* For the reports, which say so when nothing is watched. */
int64_t latency_threshold_ms(void) {
    return threshold_ms;
}

/* NULL: the event has not been slow yet. */
latency_series *latency_find(slice name) {
    return dict_get(events, name);
}

/* One event after the other, in no order; false: there are no more. */
bool latency_next(size_t *pos, slice *name, latency_series **out) {
    void *v = NULL;
    bool more = dict_next(events, pos, name, &v);
    *out = v;
    return more;
}

/* The i-th sample, the oldest being 0: the ring's own order is nobody else's business. */
const latency_sample *latency_at(const latency_series *t, int i) {
    return &t->samples[(t->first + i) % LATENCY_SAMPLES];
}

/* Adds to the sample of this second, or makes it. One sample a second is what Redis' tools plot: of
 * several slow moments in a second the worst is kept, so a burst of slow commands does not push out
 * what happened a minute ago. */
static void add_sample(latency_series *t, int64_t second, uint32_t ms) {
    if (ms > t->max_ms) t->max_ms = ms;
    latency_sample *last =
        t->count ? &t->samples[(t->first + t->count - 1) % LATENCY_SAMPLES] : NULL;
    if (last && last->second == second) {
        if (ms > last->ms) last->ms = ms;
        return;
    }
    if (t->count == LATENCY_SAMPLES) {
        t->first = (t->first + 1) % LATENCY_SAMPLES;
        t->count--;
    }
    t->samples[(t->first + t->count) % LATENCY_SAMPLES] = (latency_sample){second, ms};
    t->count++;
}

/* The listener: of what is at the threshold, which slow.c has compared. Time below a millisecond is
 * cut off. */
static void note(const char *name, uint64_t us) {
    latency_series *t = latency_find(slice_cstr(name));
    if (!t) {
        t = mem_zalloc(sizeof *t);
        dict_set(events, slice_cstr(name), t);
    }
    uint64_t ms = us / 1000;
    add_sample(t, clock_wall_us() / 1000000, ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms);
}

/* CONFIG SET takes effect at once; samples that were taken under another threshold stay. No
 * threshold is so large that it wraps. The dict is made here and not when something is slow, so
 * readers need not ask whether it is. */
static status apply_threshold(const setting *s) {
    (void)s;
    uint64_t ms = (uint64_t)threshold_ms;
    if (!events) events = dict_new(false);
    slow_listen(ms > UINT64_MAX / 1000 ? UINT64_MAX : ms * 1000, note);
    if (served) session_watch_arm(served, watch, ms > 0);
    return STATUS_OK;
}

/* Milliseconds. */
const setting latency_settings[] = {
    {"latency-monitor-threshold", NULL, SETTING_INT, 0, &threshold_ms, "0", 0, INT64_MAX,
     .apply = apply_threshold},
    {0},
};

/* CMD_AGAIN is not the end of a command, which waits for the disk then: it is reported once, when
 * it is done. */
static void after_command(client *c, command_result r, uint64_t us, void *ctx) {
    (void)ctx;
    if (r != CMD_AGAIN) slow_took(c->row->flags & CMD_FAST ? "fast-command" : "command", us);
}

/* The setting may have been applied before, or not. */
void latency_start(session *s) {
    served = s;
    watch = session_watch_add(s, &(command_watch){.after = after_command});
    (void)apply_threshold(NULL);
}

/* ---- the plain subcommands
 * -----------------------------------------------------------------------*/

/* Pairs of time and milliseconds, oldest first. An event that never was slow has an empty history:
 * in Redis that is no error, as monitoring programs ask before anything has happened. */
static command_result latency_history(client *c) {
    const latency_series *t = latency_find(c->argv[2]);
    reply_array(c, t ? t->count : 0);
    for (int i = 0; t && i < t->count; i++) {
        reply_array(c, 2);
        reply_int(c, latency_at(t, i)->second);
        reply_int(c, latency_at(t, i)->ms);
    }
    return CMD_DONE;
}

/* For each event: name, time of the last sample, its milliseconds, the worst of all time. The last
 * number survives even when its own sample has left the ring. */
static command_result latency_latest(client *c) {
    reply_array(c, (int64_t)dict_count(events));
    size_t pos = 0;
    slice name;
    for (latency_series *t; latency_next(&pos, &name, &t);) {
        const latency_sample *last = latency_at(t, t->count - 1);
        reply_array(c, 4);
        reply_bulk(c, name);
        reply_int(c, last->second);
        reply_int(c, last->ms);
        reply_int(c, t->max_ms);
    }
    return CMD_DONE;
}

/* Answers how many events were forgotten. With names, one that is not there counts for nothing and
 * is no error; without any, all go. */
static command_result latency_reset(client *c) {
    int64_t dropped = 0;
    if (c->argc == 2) {
        dropped = (int64_t)dict_count(events);
        dict_free(events, mem_free);
        events = dict_new(false);
    }
    for (int i = 2; i < c->argc; i++) {
        void *t = dict_del(events, c->argv[i]);
        dropped += t != NULL;
        mem_free(t);
    }
    reply_int(c, dropped);
    return CMD_DONE;
}

/* In the words and the order of redis-server, for those who know them. */
static command_result latency_help(client *c) {
    static const char *const lines[] = {
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of commands in histogram format.",
        NULL,
    };
    return reply_help(c, lines);
}

/* Looking for what is slow must work while the data is still being loaded, and is no business of a
 * script. */
#define FLAGS (CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE)

/* Tips tell a cluster's proxy how to put the nodes' answers together: these differ from node to
 * node, so each is shown. The number of events that were forgotten is the sum. */
static const char *const all_nodes[] = {"nondeterministic_output", "request_policy:all_nodes",
                                        "response_policy:special", NULL};
static const char *const reset_tips[] = {"request_policy:all_nodes", "response_policy:agg_sum",
                                         NULL};

/* What COMMAND DOCS shows of them too; LATENCY alone is no call, so the container has no function.
 */
static const command subs[] = {
    {"doctor", latency_doctor, 2, FLAGS, 0, "server", "2.8.13", "O(1)",
     "Explains what has been slow, and what may help.", "", .tips = all_nodes},
    {"graph", latency_graph, 3, FLAGS, 0, "server", "2.8.13", "O(1)",
     "Draws the samples of an event.", "event", .tips = all_nodes},
    {"help", latency_help, 2, CMD_LOADING | CMD_STALE, 0, "server", "2.8.13", "O(1)",
     "Describes the subcommands.", ""},
    {"histogram", latency_histogram, -2, FLAGS, 0, "server", "7.0.0",
     "O(N) in the commands that have run", "Shows how long commands took, as a distribution.",
     "[command...]", .tips = all_nodes},
    {"history", latency_history, 3, FLAGS, 0, "server", "2.8.13", "O(1)",
     "Lists the samples of an event.", "event", .tips = all_nodes},
    {"latest", latency_latest, 2, FLAGS, 0, "server", "2.8.13", "O(1)",
     "Lists the last sample of every event.", "", .tips = all_nodes},
    {"reset", latency_reset, -2, FLAGS, 0, "server", "2.8.13", "O(1)",
     "Forgets the samples of some or all events.", "[event...]", .tips = reset_tips},
    {0},
};

const command latency_commands[] = {
    {"latency", NULL, -2, 0, 0, "server", "2.8.13", "Depends on the subcommand.",
     "What was slow, and when.", "", .subcommands = subs},
    {0},
};
