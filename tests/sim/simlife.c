/* simlife: the lives of an engine on one disk: opened, used, stopped anyhow, opened again.
 *
 *   open ──> compare with the model ──> turns ──> power cut | kill | close ──> bits flip ──> open
 * ... └─ the machine may stop in an open as well
 *
 * What an engine promises is counted in batches of the model. `told` batches have had their replies
 * released: a kill must not lose them. `safe` ones the engine calls durable: a power cut must not
 * lose them, nor, at appendfsync always, those told since. After each open the model goes back to
 * the batch at which the engine stands, and what was there at the open is promised from then on. */
#include "sim/sim.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/log/settings.h"
#include "sim/simtypes.h"

/* ---- promises -----------------------------------------------------------------------------------
 */

/* Is there so little room that an engine may keep what there is in reserve, or was there a moment
 * ago, which it need not have noticed yet? */
static bool room_is_low(const sim *s) {
    return s->low_us && s->now_us - s->low_us < 3000000;
}

bool sim_errors_allowed(const sim *s) {
    const simfs_counts *c = simfs_counts_of(s->fs);
    return s->flipped || s->failed || simfs_stopped(s->fs) || c->failed > s->failed_before ||
           c->no_room > s->no_room_before || room_is_low(s);
}

/* What an open file holds after a failed sync nobody knows: once the program has heard of it, it is
 * done with it. */
static void expect_no_retry(sim *s) {
    uint64_t n = simfs_counts_of(s->fs)->after_failed_sync;
    if (!s->failed) s->retries = n;
    if (n > s->retries) sim_fail(s, "a file whose sync had failed was written or synced again");
}

void sim_observe(sim *s) {
    expect_no_retry(s);
    uint64_t limit = simfs_knobs_of(s->fs)->limit;
    /* Room for a batch is more than a batch of the usual kind. */
    uint64_t batch = (uint64_t)s->style.batch_max * (s->style.value_max + 500);
    uint64_t used = simfs_used(s->fs), low = SIM_LOW_ROOM + batch;
    /* The least compaction is kept room for, which may write as much as there is. */
    if (s->kind->collects) low += used < SIM_LOW_ROOM ? used : SIM_LOW_ROOM;
    if (limit && used + low > limit) s->low_us = s->now_us;
    log_pos released = engine_released(s->e), durable = engine_durable(s->e);
    log_pos end = engine_log_end(s->e);
    uint64_t batches = engine_mem_batches(s->model);
    bool moved = released > s->released;
    if (released < s->released || durable < s->durable)
        sim_fail(s, "positions went back: released %llx -> %llx, durable %llx -> %llx",
                 (unsigned long long)s->released, (unsigned long long)released,
                 (unsigned long long)s->durable, (unsigned long long)durable);
    if (released > end || durable > end)
        sim_fail(s, "released %llx or durable %llx is beyond the log's end %llx",
                 (unsigned long long)released, (unsigned long long)durable,
                 (unsigned long long)end);
    if (s->failed && released > s->released)
        sim_fail(s, "released moved from %llx to %llx after the log failed",
                 (unsigned long long)s->released, (unsigned long long)released);
    s->released = released;
    s->durable = durable;
    while (s->told < batches && s->ends[s->told + 1] <= released)
        s->told++;
    while (s->safe < batches && s->ends[s->safe + 1] <= durable)
        s->safe++;
    if (s->appendfsync == ENGINE_FSYNC_ALWAYS && moved && released > durable)
        sim_fail(s, "appendfsync always: released is %llx, durable %llx",
                 (unsigned long long)released, (unsigned long long)durable);
    if (!s->failed && !status_ok(engine_failed(s->e))) {
        s->failed = true;
        sim_say(s, "the log failed: %s", engine_failed(s->e).msg);
        bool full = s->style.profile == SIM_FULL || s->style.profile == SIM_NO_SPACE;
        if (!sim_errors_allowed(s)) sim_fail(s, "the log failed though the disk did not");
        if (full && !simfs_stopped(s->fs)) sim_fail(s, "a full disk made the log fail");
    }
}

void sim_observe_completion(sim *s) {
    log_pos released = s->released;
    sim_observe(s);
    if (s->released != released && !s->look_again && s->kind->tells)
        sim_fail(s, "released moved, and host.released was not called");
    s->look_again = false;
}

/* Batches that must be there after the end that is coming. */
static uint64_t promised(const sim *s, bool power) {
    if (s->flipped) return s->forgotten;
    bool sync_failed = simfs_counts_of(s->fs)->failed_syncs > s->syncs_before;
    return power || sync_failed ? s->safe : s->told;
}

/* ---- opening ------------------------------------------------------------------------------------
 */

/* Nothing goes wrong any more but what is so all the time. */
static void disarm(sim *s) {
    simfs_knobs *k = simfs_knobs_of(s->fs);
    *k = (simfs_knobs){.limit = k->limit,
                       .cold_permille = k->cold_permille,
                       .lie_sync_dir = s->lie == SIM_LIE_SYNC_DIR,
                       .lie_fdatasync = s->lie == SIM_LIE_FDATASYNC,
                       .lie_fsync = s->lie == SIM_LIE_FSYNC};
}

/* What may go wrong during an open; the first attempts of some. */
static void arm_open(sim *s, int attempt) {
    simfs_knobs *k = simfs_knobs_of(s->fs);
    const simfs_counts *c = simfs_counts_of(s->fs);
    disarm(s);
    if (attempt >= 4) k->limit = 0;
    s->child_knobs = (simchild_knobs){0};
    if (attempt > 3 || s->flipped) return;
    if (sim_permille(s, 200)) k->stop_at = c->changes + 1 + rng_below(&s->chance, 40);
    if (s->style.profile == SIM_ONE_ERROR && sim_permille(s, 100))
        k->fail_sync_at = c->syncs + 1 + rng_below(&s->chance, 6);
    if (s->style.profile == SIM_ONE_ERROR && sim_permille(s, 200)) {
        k->fail_at = c->calls + 1 + rng_below(&s->chance, 100);
        k->fail_run = sim_permille(s, 300) ? 5 : 0;
        k->fail_code = ST_IO;
    }
    if (s->style.profile == SIM_ERRORS && sim_permille(s, 300)) k->fail_permille = 10;
    if (s->style.profile == SIM_NO_SPACE && sim_permille(s, 300)) k->space_permille = 30;
}

static void note_counts(sim *s) {
    const simfs_counts *c = simfs_counts_of(s->fs);
    s->failed_before = c->failed;
    s->syncs_before = c->failed_syncs;
    s->no_room_before = c->no_room;
}

/* The end of a stopped or still running engine, and of the machine or just the process. */
static void end_life(sim *s, bool power, bool observe) {
    simtypes_close(s);
    simfs_stop(s->fs);
    if (!power) simchild_orphans(s->children, rng_below(&s->chance, 6));
    /* What is under way comes to nothing; the engine hears of it, as it would of an error. */
    aio *a = simaio_aio(s->workers);
    a->ops->drain(a);
    child_host *h = simchild_host(s->children);
    h->ops->close(h);
    a->ops->drain(a);
    if (s->e) {
        if (observe) sim_observe(s);
        if (observe) sim_count_work(s);
        if (s->kind->abandon && sim_permille(s, 700))
            s->kind->abandon(s->e);
        else
            engine_close(s->e);
        s->e = NULL;
    }
    if (simaio_pending(s->workers) || simchild_alive(s->children))
        sim_fail(s, "the engine has gone, %zu of its jobs and %zu of its children have not",
                 simaio_pending(s->workers), simchild_alive(s->children));
    disarm(s);
    if (power)
        simfs_crash(s->fs);
    else
        simfs_kill(s->fs);
}

/* Opens, through whatever goes wrong, until it is open. False if damage was refused, as it may be
 * after a bit has flipped. *promise: batches that must be there; it only falls with a power cut. */
static bool open_engine(sim *s, uint64_t *promise) {
    engine_options opt = sim_options(s);
    for (int attempt = 0;; attempt++) {
        s->kind->configure(s, false);
        arm_open(s, attempt);
        note_counts(s);
        s->failed = s->failure_told = false;
        sim_say(s, "open, attempt %d", attempt);
        status st = s->kind->class->open(&opt, &s->e);
        sim_say(s, "open: %s", status_ok(st) ? "ok" : st.msg);
        /* A failed sync may have dropped what a kill had left in memory. */
        bool dropped = simfs_counts_of(s->fs)->failed_syncs > s->syncs_before;
        if (dropped && *promise > s->safe) *promise = s->safe;
        if (simfs_stopped(s->fs)) {
            bool power = sim_permille(s, 500);
            sim_total.stops_in_open++;
            if (power && *promise > s->safe) *promise = s->safe;
            end_life(s, power, false);
            continue;
        }
        if (status_ok(st)) break;
        CHECK(s->e == NULL);
        if (s->flipped) {
            sim_total.refused++;
            return false;
        }
        if (!sim_errors_allowed(s)) sim_fail(s, "open: %s", st.msg);
        if (simfs_open_handles(s->fs))
            sim_fail(s, "open failed and left %zu files open", simfs_open_handles(s->fs));
        if (simaio_pending(s->workers) || simchild_alive(s->children))
            sim_fail(s, "open failed and left jobs behind");
        if (attempt > 20) sim_fail(s, "open fails and fails: %s", st.msg);
    }
    disarm(s);
    engine_read_for(s->e, &s->reader);
    if (s->kind->collects) engine_budget(s->e, s->budget);
    return true;
}

/* A second engine on the same directory must be refused. */
static void try_second(sim *s) {
    engine_options opt = sim_options(s);
    engine *second;
    status st = s->kind->class->open(&opt, &second);
    if (st.code != ST_BUSY) sim_fail(s, "a second engine was not refused: %s", st.msg);
}

/* Where the engine stands after an open: the model follows, and all of that is promised. False if
 * damage hides where that is. */
static bool begin_life(sim *s, uint64_t promise) {
    s->released = engine_released(s->e);
    s->durable = engine_durable(s->e);
    note_counts(s);
    uint64_t before = engine_mem_batches(s->model);
    bool sure = sim_verify_recovered(s, promise);
    uint64_t now = engine_mem_batches(s->model);
    sim_say(s, "recovered at batch %llu of %llu, %llu promised", (unsigned long long)now,
            (unsigned long long)before, (unsigned long long)promise);
    sim_total.lost_batches += before - now;
    if (!s->flipped && s->style.profile != SIM_FLIPS) {
        engine_mem_forget(s->model, now);
        s->forgotten = now;
    }
    log_pos end = engine_log_end(s->e);
    for (uint64_t b = 0; b <= now; b++)
        s->ends[b] = end;
    s->told = now;
    if (engine_released(s->e) < end) sim_fail(s, "not all of what was recovered is released");
    if (s->safe > now) s->safe = now;
    sim_observe(s);
    sim_verify_positions(s);
    if (sim_permille(s, 100)) try_second(s);
    if (sim_typed && sure) simtypes_open(s);
    return sure;
}

/* ---- one life -----------------------------------------------------------------------------------
 */

/* What may go wrong in this life. */
static void arm_life(sim *s) {
    simfs_knobs *k = simfs_knobs_of(s->fs);
    const simfs_counts *c = simfs_counts_of(s->fs);
    uint64_t changes = (uint64_t)s->style.turns * 6;
    if (sim_permille(s, 600)) k->stop_at = c->changes + 1 + rng_below(&s->chance, changes);
    switch (s->style.profile) {
    case SIM_ONE_ERROR:
        if (sim_permille(s, 400)) {
            k->fail_sync_at = c->syncs + 1 + rng_below(&s->chance, s->style.turns);
            break;
        }
        k->fail_at = c->calls + 1 + rng_below(&s->chance, changes);
        k->fail_run = sim_permille(s, 300) ? rng_below(&s->chance, 30) : 0;
        k->fail_code = sim_permille(s, 700) ? ST_IO : ST_NO_SPACE;
        break;
    case SIM_ERRORS:
        k->fail_permille = 1 + (unsigned)rng_below(&s->chance, 20);
        k->quiet_reads = sim_permille(s, 500);
        break;
    case SIM_NO_SPACE: k->space_permille = 1 + (unsigned)rng_below(&s->chance, 200); break;
    case SIM_FULL:
        k->limit = simfs_used(s->fs) + (64 << 10) * (1 + rng_below(&s->chance, 8));
        if (sim_permille(s, 300)) k->limit += (64 << 10) * rng_below(&s->chance, 64);
        s->low_us = s->now_us; /* it is little from the beginning */
        sim_total.full++;
        break;
    default: break;
    }
    s->child_knobs.kill_permille = sim_permille(s, 300) ? 30 : 0;
    s->child_knobs.start_permille = sim_permille(s, 100) ? 300 : 0;
    *simchild_knobs_of(s->children) = s->child_knobs;
}

/* A clean end. */
static void close_cleanly(sim *s, uint64_t *promise) {
    simtypes_close(s);
    disarm(s);
    /* A worker may have failed without the engine having heard of it. */
    bool whole = !s->failed && simfs_counts_of(s->fs)->failed == s->failed_before;
    sim_say(s, "close");
    sim_total.closes++;
    sim_count_work(s);
    engine_close(s->e);
    s->e = NULL;
    expect_no_retry(s);
    if (simfs_open_handles(s->fs))
        sim_fail(s, "close left %zu files open", simfs_open_handles(s->fs));
    if (simaio_pending(s->workers) || simchild_alive(s->children))
        sim_fail(s, "close left jobs behind");
    if (whole && !s->flipped && s->style.profile != SIM_FULL)
        s->safe = s->told = engine_mem_batches(s->model);
    *promise = promised(s, true);
    if (sim_permille(s, 500)) simfs_crash(s->fs);
}

/* The server has nothing to do for so many tenths of a second: workers, children and cron have all
 * the time. */
static void idle(sim *s, int tenths) {
    aio *a = simaio_aio(s->workers);
    child_host *h = simchild_host(s->children);
    for (int i = 0; i < tenths && !simfs_stopped(s->fs); i++) {
        for (int n = 0; n < 20; n++) {
            simaio_step(s->workers);
            simchild_step(s->children);
        }
        a->ops->poll(a);
        h->ops->poll(h);
        engine_background(s->e, 1000);
        engine_turn_end(s->e);
        s->now_us += 100000;
        clock_refresh(&s->clock);
        engine_cron(s->e);
        sim_observe(s);
    }
}

/* The disk has room again: so has the engine, by itself. */
static void expect_room(sim *s) {
    disarm(s);
    simfs_knobs_of(s->fs)->limit = 0;
    *simchild_knobs_of(s->children) = (simchild_knobs){0};
    sim_say(s, "room again");
    idle(s, 150);
    status st = engine_room(s->e, 1000);
    if (!status_ok(st)) sim_fail(s, "the disk has room again, the engine does not: %s", st.msg);
}

/* Has the model no key? */
static bool is_empty(const sim *s) {
    uint64_t keys = 0;
    for (uint32_t i = 0; i < SIM_ALL_DBS; i++) {
        engine_db_stats st;
        engine_db_stats_of(s->model, sim_db(i), &st);
        keys += st.keys;
    }
    return keys == 0;
}

/* Bytes that the others have left of a small disk. */
static uint64_t room_of(const sim *s) {
    uint64_t limit = simfs_knobs_of(s->fs)->limit, used = simfs_used(s->fs);
    return used < limit ? limit - used : 0;
}

/* Writes until the disk is full, with more or less time for children and workers. */
static void fill_up(sim *s) {
    bool hurry = sim_permille(s, 500);
    for (unsigned i = 0; i < 300 && !simfs_stopped(s->fs); i++) {
        if (!sim_fill(s, i)) break;
        if (sim_permille(s, 500)) engine_turn_end(s->e);
        if (!hurry || sim_permille(s, 50)) idle(s, 1);
    }
    engine_turn_end(s->e);
    sim_observe(s);
}

/* Deletes go on while the disk is full; when all data has gone, at once or key by key, writes go on
 * too, as soon as workers, children and cron have had their turns: if there is enough for the
 * smallest of stores. */
static void expect_room_by_deletes(sim *s) {
    uint64_t least = 2 * (uint64_t)log_conf.segment_size + SIM_LEAST_ROOM;
    disarm(s);
    simchild_knobs_of(s->children)->kill_permille = 0;
    simchild_knobs_of(s->children)->start_permille = 0;
    bool had = room_of(s) >= least;
    sim_say(s, "the disk stays small, everything goes");
    if (sim_permille(s, 700)) fill_up(s);
    bool flush = sim_permille(s, 300);
    for (int i = 0; i < 10 && !simfs_stopped(s->fs) && !is_empty(s); i++) {
        if (flush)
            sim_flush_all(s);
        else
            sim_delete_all(s);
        idle(s, 50);
    }
    idle(s, 400);
    if (simfs_stopped(s->fs)) return;
    if (!is_empty(s) && had) sim_fail(s, "a full disk refuses deletes");
    if (!is_empty(s) || room_of(s) < least) return;
    sim_total.rooms++;
    status st = engine_room(s->e, 1000);
    for (int i = 0; i < 10 && !status_ok(st) && !simfs_stopped(s->fs); i++) {
        idle(s, 400); /* a job may be under way, of many small blocks */
        st = engine_room(s->e, 1000);
    }
    if (!status_ok(st) && !simfs_stopped(s->fs))
        sim_fail(s, "all is deleted, %llu bytes free: %s", (unsigned long long)room_of(s), st.msg);
}

/* All data goes, at once or key by key: so does the room it took, but for a few files. */
static void expect_empty_disk(sim *s) {
    disarm(s);
    simchild_knobs_of(s->children)->kill_permille = 0;
    simchild_knobs_of(s->children)->start_permille = 0;
    sim_say(s, "everything goes");
    if (s->kind->collects && sim_permille(s, 500))
        sim_delete_all(s);
    else
        sim_flush_all(s);
    /* where the log is written a small part a turn, it comes first */
    for (int i = 0; i < 1000 && !s->failed && engine_released(s->e) < engine_log_end(s->e); i++) {
        if (simfs_stopped(s->fs)) return;
        idle(s, 10);
    }
    /* The smallest of jobs take their time: as long as there is less and less, it is well. */
    for (uint64_t before = UINT64_MAX; simfs_used(s->fs) < before;) {
        before = simfs_used(s->fs);
        idle(s, s->kind->collects ? 900 : 150);
        /* The active segment may be large, if the last batch was. */
        if (simfs_stopped(s->fs) || simfs_used(s->fs) - simfs_largest(s->fs) < SIM_EMPTY_MAX)
            return;
    }
    buf files = {0};
    simfs_list(s->fs, &files);
    sim_fail(s, "all data is gone, and %llu bytes are on the disk: %.*s",
             (unsigned long long)simfs_used(s->fs), files.len > 250 ? 250 : (int)files.len,
             files.data);
}

static void live(sim *s, uint64_t *promise) {
    if (s->types && sim_permille(s, 300)) simtypes_read_all(s);
    arm_life(s);
    sim_observe(s);
    for (unsigned t = 0; t < s->style.turns && !simfs_stopped(s->fs); t++) {
        sim_turn(s);
        sim_total.turns++;
    }
    sim_unwatch(s);
    sim_observe(s);
    if (!simfs_stopped(s->fs) && sim_permille(s, 300)) sim_verify_now(s);
    if (s->types) simsound_all(s->types);
    bool full = s->style.profile == SIM_FULL || s->style.profile == SIM_NO_SPACE;
    if (!simfs_stopped(s->fs) && s->style.profile == SIM_FULL && !s->failed && sim_permille(s, 400))
        expect_room_by_deletes(s);
    if (!simfs_stopped(s->fs) && full && sim_permille(s, 500)) expect_room(s);
    if (!simfs_stopped(s->fs) && s->style.profile == SIM_CLEAN && s->kind->minds_room &&
        sim_permille(s, 50))
        expect_empty_disk(s);
    if (!simfs_stopped(s->fs) && sim_permille(s, 300)) {
        close_cleanly(s, promise);
        return;
    }
    bool power = sim_permille(s, 600);
    end_life(s, power, true);
    *promise = promised(s, power);
}

void sim_lives(sim *s) {
    vfs *v = simfs_vfs(s->fs);
    uint64_t promise = 0;
    status st = v->ops->mkdir(v, SIM_DIR);
    if (status_ok(st)) st = v->ops->sync_dir(v, "");
    CHECK(status_ok(st));
    for (unsigned round = 0; round < s->style.rounds; round++) {
        sim_total.rounds++;
        if (!open_engine(s, &promise)) return;
        if (!begin_life(s, promise)) break;
        live(s, &promise);
        if (s->style.profile != SIM_FLIPS || sim_permille(s, 400)) continue;
        buf where = {0};
        if (simfs_flip(s->fs, NULL, &where)) {
            sim_say(s, "flip %.*s", (int)where.len, where.data);
            s->flipped = true;
            promise = 0;
        }
        buf_free(&where);
    }
    uint64_t whole;
    if (!s->e) {
        if (!open_engine(s, &promise)) return;
        (void)begin_life(s, promise);
    }
    close_cleanly(s, &whole);
}
