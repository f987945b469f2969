/* simturn: what a server's thread would do in one turn of its reactor: commands, the turn's end,
 * completions, background slices, cron; and what an operator would do now and then. */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A synced engine has everything released and durable. */
static void sync_now(sim *s) {
    status st = engine_sync(s->e);
    sim_say(s, "sync: %s", status_ok(st) ? "ok" : st.msg);
    if (!status_ok(st)) {
        if (!sim_errors_allowed(s)) sim_fail(s, "sync: %s", st.msg);
        return;
    }
    sim_observe(s);
    uint64_t all = engine_mem_batches(s->model);
    if (s->told < all || s->safe < all)
        sim_fail(s, "after a sync, %llu of %llu batches are released, %llu durable",
                 (unsigned long long)s->told, (unsigned long long)all, (unsigned long long)s->safe);
    sim_verify_positions(s);
}

static void compact_now(sim *s) {
    status st = engine_compact(s->e);
    sim_say(s, "compact: %s", status_ok(st) ? "ok" : st.msg);
    if (!status_ok(st) && st.code != ST_BUSY && !sim_errors_allowed(s) &&
        !s->child_knobs.start_permille)
        sim_fail(s, "compact: %s", st.msg);
}

static void flip_now(sim *s) {
    buf where = {0};
    if (simfs_flip(s->fs, NULL, &where)) {
        s->flipped = true;
        sim_say(s, "flip %.*s", (int)where.len, where.data);
    }
    buf_free(&where);
}

/* The policy becomes `always` while a worker syncs for `everysec`, and that sync fails, perhaps. */
static void hasten_syncs(sim *s) {
    sim_observe(s);
    sim_set_fsync(s, "everysec");
    sim_command(s);
    engine_turn_end(s->e);
    s->now_us += 1100000;
    clock_refresh(&s->clock);
    engine_cron(s->e);
    sim_observe(s);
    sim_set_fsync(s, "always");
    simfs_knobs *k = simfs_knobs_of(s->fs);
    if (s->style.profile == SIM_ONE_ERROR) k->fail_sync_at = simfs_counts_of(s->fs)->syncs + 1;
    sim_command(s);
    engine_turn_end(s->e);
    sim_observe(s);
}

/* What INFO asks for, and what the server's cron does about memory. */
static void look_at_memory(sim *s) {
    buf out = {0};
    uint64_t index, caches, buffers;
    if (!s->kind->class->metrics) return;
    for (const metric_section *m = s->kind->class->metrics(s->e); m->name; m++)
        m->emit(&out, m->ctx);
    engine_memory(s->e, &index, &caches, &buffers);
    buf_free(&out);
    if (s->kind->collects) engine_relieve(s->e, rng_below(&s->chance, caches + 1000));
}

/* A number that the engine tells under that name; 0 if it tells none. */
static uint64_t told(const buf *metrics, const char *name) {
    const char *line = strstr(metrics->data, name);
    return line ? strtoull(line + strlen(name), NULL, 10) : 0;
}

void sim_count_work(const sim *s) {
    buf out = {0};
    if (!s->e || !s->kind->class->metrics) return;
    buf_append_char(&out, '\n');
    for (const metric_section *m = s->kind->class->metrics(s->e); m->name; m++)
        m->emit(&out, m->ctx);
    buf_append_char(&out, 0);
    sim_total.flushes += told(&out, "\nflushes:");
    sim_total.compactions += told(&out, "\ncompactions:") + told(&out, "\nmerges:");
    sim_total.moves += told(&out, "\ntrivial_moves:");
    for (uint64_t level = 1; level < 10; level++) {
        char name[32];
        snprintf(name, sizeof name, "\nlevel%llu:", (unsigned long long)level);
        if (strstr(out.data, name) && level > sim_total.depth) sim_total.depth = level;
    }
    buf_free(&out);
}

/* Things that happen seldom. */
static void occasions(sim *s) {
    if (sim_permille(s, 30)) sync_now(s);
    if (sim_permille(s, s->style.merges)) compact_now(s);
    if (sim_permille(s, 40)) {
        sim_observe(s); /* what was released under the policy that was */
        s->kind->configure(s, true);
    }
    if (sim_permille(s, 10)) sim_verify_now(s);
    if (sim_permille(s, 10)) hasten_syncs(s);
    if (sim_permille(s, 20)) look_at_memory(s);
    if (s->style.profile == SIM_FLIPS && sim_permille(s, 5)) flip_now(s);
}

static void pass_time(sim *s) {
    uint64_t ms = rng_below(&s->pace, 10);
    if (rng_below(&s->pace, 10) == 0) ms = rng_below(&s->pace, 1500);
    s->now_us += ms * 1000;
    clock_refresh(&s->clock);
}

/* Completions, as the reactor sees them. */
static void poll_all(sim *s) {
    aio *a = simaio_aio(s->workers);
    child_host *h = simchild_host(s->children);
    sim_observe(s);
    s->look_again = false;
    sim_tick(s);
    a->ops->poll(a);
    h->ops->poll(h);
    sim_observe_completion(s);
}

void sim_world(sim *s, uint64_t us) {
    for (uint64_t n = rng_below(&s->pace, 20); n > 0; n--) {
        simaio_step(s->workers);
        simchild_step(s->children);
    }
    engine_turn_end(s->e);
    poll_all(s);
    s->now_us += us;
    clock_refresh(&s->clock);
    engine_background(s->e, rng_below(&s->pace, 1000));
    if (rng_below(&s->pace, 2)) engine_cron(s->e);
    sim_observe(s);
}

void sim_turn(sim *s) {
    sim_say(s, "turn");
    clock_refresh(&s->clock);
    for (uint64_t n = rng_below(&s->chance, 5); n > 0; n--)
        sim_command(s);
    if (sim_permille(s, 200)) sim_expire(s);
    engine_turn_end(s->e);
    if (!status_ok(engine_failed(s->e)) && !s->failure_told && s->kind->tells)
        sim_fail(s, "the log has failed, a turn has ended, and host.released was not called");
    sim_observe(s);
    poll_all(s);
    if (sim_permille(s, 500)) engine_background(s->e, rng_below(&s->chance, 1000));
    sim_observe(s);
    occasions(s);
    pass_time(s);
    if (s->now_us < s->next_cron_us) return;
    s->next_cron_us = s->now_us + 100000;
    engine_cron(s->e);
    sim_observe(s);
}
