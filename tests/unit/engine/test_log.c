/* The log without an engine: the manifest's queue, files that come and go, the chain, and what a
 * start makes of them. The toy below keeps nothing but the log: each record is a PUT of a counter,
 * and after every crash the replay must give 0 .. n, whole batches, no hole. */
#include "base/mem.h"
#include "engine/log/recover.h"
#include "engine/log/store.h"
#include "support/engine_kit.h"
#include "support/unit.h"

#include <stdio.h>

typedef struct toy {
    kit *k; /* for its world; its own engine stays closed */
    meta_queue meta;
    retire_queue retire;
    chain log;
    logfile *files[64]; /* oldest first, the active one too */
    unsigned nfiles;
    uint64_t next;    /* the counter */
    uint64_t seen;    /* while replaying: counters up to here came */
    log_pos from;     /* while replaying: records before it are not looked at */
    uint64_t durable; /* counters below were durable when last asked */
    unsigned rotations, moved;
    bool refuse; /* there can't be one more file */
} toy;

static const char *const names[] = {"lsm", "bitcask"};

static bool is_live(const manifest_state *m, unsigned kind, uint32_t number) {
    return kind == FILE_LOG && manifest_state_find(m, number) >= 0;
}

/* ---- what the chain asks ------------------------------------------------------------------------
 */

static logfile *make(void *ctx, uint32_t number) {
    toy *t = ctx;
    if (t->refuse) return NULL;
    logfile *f = mem_zalloc(sizeof *f);
    f->number = number;
    t->files[t->nfiles++] = f;
    assert_true(t->nfiles < 64);
    return f;
}

static void drop(void *ctx, logfile *f) {
    toy *t = ctx;
    unsigned i = 0;
    while (t->files[i] != f)
        i++;
    assert_true(i < t->nfiles);
    memmove(t->files + i, t->files + i + 1, (t->nfiles - i - 1) * sizeof(logfile *));
    t->nfiles--;
    status closed = f->file ? f->file->ops->close(f->file) : STATUS_OK;
    (void)closed; /* the machine may have stopped */
    mem_free(f);
}

static void rotated(void *ctx, logfile *old, logfile *now, const logwrite_moved *moved) {
    toy *t = ctx;
    assert_ptr_equal(old->log_next, now);
    assert_int_equal(log_pos_offset(moved->old_end), old->end);
    t->rotations++;
    if (t->log.open && moved->to != logwrite_end(t->log.tail)) t->moved++;
}

static const chain_calls calls = {.make = make, .drop = drop, .rotated = rotated};

static void retired(void *ctx, logfile *f, uint64_t gen) {
    toy *t = ctx;
    retire_item item = {f->number, RETIRE_KIND(FILE_LOG), gen, f->file};
    f->file = NULL;
    retire_push(&t->retire, &item);
    drop(t, f);
}
static const recover_calls again = {.retired = retired};

/* ---- life ---------------------------------------------------------------------------------------
 */

static status replayed(void *ctx, logfile *f, const logscan_item *item) {
    toy *t = ctx;
    if (item->rec.kind != RECORD_PUT || logfile_pos(f, item->offset) < t->from) return STATUS_OK;
    uint64_t n = 0;
    memcpy(&n, item->rec.key.data, sizeof n);
    assert_true(n == t->seen);
    t->seen++;
    return STATUS_OK;
}

static status try_open(toy *t, int which) {
    kit *k = t->k;
    recovery r = {0};
    t->nfiles = 0;
    t->seen = t->from ? t->seen : 0;
    meta_init(&t->meta, &k->env, k->dir);
    retire_init(&t->retire, &t->meta);
    chain_init(&t->log, &t->meta, &t->retire, (engine_host){0}, FILE_LOG, which == 0, &calls, t);
    store_kind kind = {names[which], is_live};
    engine_options opt = {.dir = k->dir, .env = &k->env, .databases = 1};
    TRY(store_open(&t->meta, &kind, &opt));
    status s = recover_files(&r, &t->log);
    if (status_ok(s) && r.n > 0) s = recover_replay(&r, 0, r.n, replayed, t);
    if (status_ok(s)) s = recover_begin(&r, &again, t);
    recover_free(&r);
    t->next = t->seen;
    return s;
}

/* Frees all, as the process's end would. */
static void forget(toy *t) {
    while (t->nfiles)
        drop(t, t->files[0]);
    chain_free(&t->log);
    retire_free(&t->retire);
    meta_free(&t->meta);
}

static void open_toy(toy *t) {
    status s = try_open(t, 0);
    if (!status_ok(s)) fail_msg("open: %s", s.msg);
}

static toy *begin(const char *fsync) {
    toy *t = mem_zalloc(sizeof *t);
    t->k = kit_sim();
    kit_setting("appendfsync", fsync);
    kit_setting("segment-size", "64kb");
    open_toy(t);
    return t;
}

static void end(toy *t) {
    forget(t);
    kit_free(t->k);
    mem_free(t);
}

static void crash(toy *t, bool power) {
    simfs_stop(t->k->fs);
    t->k->env.aio->ops->drain(t->k->env.aio);
    forget(t);
    if (power)
        simfs_crash(t->k->fs);
    else
        simfs_kill(t->k->fs);
}

/* ---- turns --------------------------------------------------------------------------------------
 */

static void workers(toy *t) {
    for (int i = 0; i < 20; i++) {
        while (simaio_step(t->k->workers))
            continue;
        t->k->env.aio->ops->poll(t->k->env.aio);
    }
}

/* A batch of n counters with values of that length. */
static status put(toy *t, unsigned n, size_t len) {
    static char value[1 << 20];
    log_pos at, before = 0;
    chain_begin(&t->log);
    for (unsigned i = 0; i < n; i++) {
        uint64_t counter = t->next + i;
        record r = {.kind = RECORD_PUT,
                    .pdb = 1,
                    .key = slice_of(&counter, sizeof counter),
                    .value = slice_of(value, len)};
        status s = chain_append(&t->log, &r, &at);
        if (!status_ok(s)) {
            chain_abort(&t->log);
            chain_settled(&t->log);
            return s;
        }
        assert_true(at > before && at + r.size == chain_log_end(&t->log));
        before = at;
    }
    chain_commit(&t->log);
    chain_settled(&t->log);
    t->next += n;
    return STATUS_OK;
}

static void end_turn(toy *t, bool cron) {
    t->k->now_us += cron ? 600000 : 10000;
    clock_refresh(&t->k->clock);
    chain_turn_end(&t->log);
    if (cron) chain_cron(&t->log);
    if (chain_durable(&t->log) == chain_log_end(&t->log)) t->durable = t->next;
}

/* Turns until all is durable, or the log has failed. */
static void commit(toy *t) {
    for (int turns = 0;
         turns == 0 || (chain_durable(&t->log) < chain_log_end(&t->log) && !chain_is_dead(&t->log));
         turns++) {
        assert_true(turns < 100);
        end_turn(t, false);
        workers(t);
    }
    if (!chain_is_dead(&t->log)) t->durable = t->next;
}

/* ---- tests --------------------------------------------------------------------------------------
 */

/* Batches of all sizes, crashes anywhere: what is replayed is 0 .. n for an n not below what was
 * durable (after a kill: written). */
static void test_chain(void **state) {
    (void)state;
    static const char *const how[] = {"always", "everysec", "no"};
    rng r;
    unit_seed(&r);
    unsigned rotations = 0, moved = 0;
    for (int life = 0; life < unit_rounds(60); life++) {
        toy *t = begin(how[rng_below(&r, 3)]);
        for (int lives = 0; lives < 4; lives++) {
            for (uint64_t turns = rng_below(&r, 60); turns > 0; turns--) {
                unsigned n = 1 + (unsigned)rng_below(&r, 4);
                size_t len = rng_below(&r, 8) ? rng_below(&r, 2000) : rng_below(&r, 100000);
                status s = put(t, n, len);
                if (!status_ok(s)) fail_msg("put: %s", s.msg);
                if (rng_below(&r, 3)) workers(t);
                end_turn(t, rng_below(&r, 4) == 0);
                assert_true(chain_released(&t->log) <= chain_log_end(&t->log));
            }
            uint64_t written = t->durable;
            bool power = rng_below(&r, 2), all = chain_released(&t->log) == chain_log_end(&t->log);
            if (!power && all) written = t->next;
            uint64_t was = t->next;
            crash(t, power);
            open_toy(t);
            assert_true(t->seen >= written && t->seen <= was);
            t->durable = t->seen;
        }
        rotations += t->rotations;
        moved += t->moved;
        end(t);
    }
    assert_true(rotations > 0 && moved > 0);
}

/* Written bytes are forgotten at once where the engine keeps them. */
static void test_forgets(void **state) {
    (void)state;
    toy *t = begin("everysec");
    t->log.forgets = true;
    assert_true(status_ok(put(t, 3, 1000)));
    slice bytes;
    log_pos at = chain_log_end(&t->log) - 100;
    assert_true(logwrite_kept(t->log.tail) < at);
    end_turn(t, false);
    assert_true(chain_durable(&t->log) < at);
    assert_true(logwrite_kept(t->log.tail) == logwrite_written(t->log.tail));
    assert_false(logwrite_read(t->log.tail, at, &bytes));
    end(t);
}

/* At `always` turns go on while an fsync runs: what they commit is neither written nor released,
 * and the next fsync takes all of it. */
static void test_group_commit(void **state) {
    (void)state;
    toy *t = begin("always");
    commit(t);
    log_pos first, written, start = chain_released(&t->log);
    uint64_t fsyncs = t->log.stats.fsyncs;
    assert_true(status_ok(put(t, 1, 100)));
    end_turn(t, false);
    first = written = logwrite_written(t->log.tail);
    assert_true(t->log.fsync.busy && first == chain_log_end(&t->log));
    for (int i = 0; i < 20; i++) {
        assert_true(status_ok(put(t, 2, 100)));
        end_turn(t, i % 5 == 0);
        assert_true(logwrite_written(t->log.tail) == written);
        assert_true(chain_released(&t->log) == start);
    }
    assert_int_equal(t->log.stats.fsyncs, fsyncs + 1);
    while (t->log.fsync.busy) /* a poll may show nothing */
        workers(t);
    assert_true(chain_released(&t->log) == first);
    end_turn(t, false);
    assert_true(t->log.fsync.busy && chain_released(&t->log) == first);
    while (t->log.fsync.busy)
        workers(t);
    assert_true(chain_released(&t->log) == chain_log_end(&t->log));
    assert_int_equal(t->log.stats.fsyncs, fsyncs + 2);
    assert_int_equal(t->log.stats.fsync_waits, 1);
    crash(t, true);
    open_toy(t);
    assert_int_equal(t->seen, 41);
    end(t);
}

/* What waits is bounded: by memory at `always`, which is then written beside the fsync and still
 * not released; by time else. */
static void test_waiting_is_bounded(void **state) {
    (void)state;
    for (int always = 0; always < 2; always++) {
        toy *t = begin(always ? "always" : "everysec");
        kit_setting("segment-size", "64mb");
        while (t->rotations == 0)
            assert_true(status_ok(put(t, 1, 10000)));
        end_turn(t, false);
        chain_sync_start(&t->log, true);
        log_pos written = logwrite_written(t->log.tail);
        int turns = 0;
        for (; logwrite_written(t->log.tail) == written && turns < 1000; turns++) {
            assert_true(status_ok(put(t, 1, 60000)));
            end_turn(t, false);
        }
        assert_true(t->log.fsync.busy);
        assert_in_range(turns, always ? 500 : 4, always ? 600 : 7); /* 32 MiB, 50 ms */
        if (always) assert_true(chain_released(&t->log) <= written);
        assert_true(t->log.stats.fsync_late <= 1); /* a batch may be over the bound by itself */
        while (t->log.fsync.busy)
            workers(t);
        end(t);
    }
}

/* Between two batches the log goes on in a new file when asked to, and nothing is lost. */
static void test_rotate_between(void **state) {
    (void)state;
    toy *t = begin("always");
    for (int i = 0; i < 5; i++) {
        assert_true(status_ok(put(t, 2, 10)));
        assert_true(status_ok(chain_ask_next(&t->log)));
        workers(t);
        assert_non_null(t->log.next);
        uint32_t was = t->log.active->number;
        chain_rotate(&t->log);
        assert_true(t->log.active->number > was && !t->log.next);
        end_turn(t, true);
    }
    commit(t);
    assert_int_equal(t->rotations, 5);
    crash(t, true);
    open_toy(t);
    assert_int_equal(t->seen, 10);
    end(t);
}

/* Files before a position are retired, and what comes behind is replayed from there. */
static void test_retire_old(void **state) {
    (void)state;
    toy *t = begin("always");
    while (t->rotations < 4) {
        assert_true(status_ok(put(t, 1, 5000)));
        end_turn(t, true);
        workers(t);
    }
    workers(t);
    uint64_t before = t->next;
    t->from = chain_log_end(&t->log);
    assert_true(kit_files(t->k, ".log") >= 5);
    for (logfile *f = t->files[0]; f != t->log.active; f = t->files[0]) {
        assert_true(logfile_is_logged(f, &t->meta));
        edit_retire(&t->meta.edit, f->number);
        retired(t, f, t->meta.gen);
    }
    uint64_t gen = meta_commit(&t->meta);
    retire_advance(&t->retire);
    assert_false(meta_is_durable(&t->meta, gen));
    assert_true(kit_files(t->k, ".log") >= 5); /* not before the edit is durable */
    workers(t);
    assert_true(retire_idle(&t->retire) && t->retire.unlinked >= 4);
    assert_true(kit_files(t->k, ".log") <= 2);
    assert_true(status_ok(put(t, 3, 10)));
    commit(t);
    crash(t, true);
    t->seen = before;
    open_toy(t);
    assert_int_equal(t->seen, before + 3);
    end(t);
}

/* A temporary file goes when a worker gets to it, not by the thread, or with the next start. */
static void test_temporary(void **state) {
    (void)state;
    toy *t = begin("always");
    vfs *v = t->k->env.fs;
    char path[FILE_PATH_MAX + 4];
    workers(t);
    for (int life = 0; life < 2; life++) {
        vfs_file *f;
        assert_true(status_ok(file_path(path, t->k->dir, FILE_LOG, 1000)));
        strcat(path, ".tmp");
        assert_true(status_ok(vfs_open(v, path, VFS_READ | VFS_WRITE | VFS_CREATE, &f)));
        retire_temp(&t->retire, f, path);
        assert_int_equal(kit_files(t->k, ".tmp"), 1);
        assert_false(retire_idle(&t->retire));
        if (life == 1) {
            crash(t, false);
            open_toy(t);
        }
        workers(t);
        assert_int_equal(kit_files(t->k, ".tmp"), 0);
        assert_true(retire_idle(&t->retire));
        retire_temp(&t->retire, NULL, path); /* not there: nobody minds */
        workers(t);
        assert_true(retire_idle(&t->retire));
    }
    end(t);
}

/* What was retired and not unlinked goes at the next start; a file that nobody knows is a refusal.
 */
static void test_pending(void **state) {
    (void)state;
    toy *t = begin("always");
    vfs *v = t->k->env.fs;
    char path[FILE_PATH_MAX];
    vfs_file *f;
    uint32_t number = meta_next_file(&t->meta);
    meta_name_file(&t->meta, number);
    assert_true(status_ok(meta_wait(&t->meta, meta_commit(&t->meta))));
    /* of any kind: the number tells */
    assert_true(status_ok(file_path(path, t->k->dir, FILE_TABLE, number)));
    assert_true(status_ok(vfs_open(v, path, VFS_WRITE | VFS_CREATE, &f)));
    assert_true(status_ok(f->ops->close(f)));
    assert_int_equal(kit_files(t->k, ".sst"), 1);
    crash(t, false);
    open_toy(t);
    assert_int_equal(meta_state(&t->meta)->npending, 0);
    assert_int_equal(v->ops->unlink(v, path).code, ST_NOT_FOUND);
    assert_true(meta_next_file(&t->meta) > number);
    /* one that is no log file of the manifest's */
    assert_true(status_ok(file_path(path, t->k->dir, FILE_TABLE, t->log.active->number)));
    assert_true(status_ok(vfs_open(v, path, VFS_WRITE | VFS_CREATE, &f)));
    assert_true(status_ok(f->ops->close(f)));
    crash(t, false);
    assert_int_equal(try_open(t, 0).code, ST_CORRUPT);
    forget(t);
    assert_true(status_ok(v->ops->unlink(v, path)));
    open_toy(t);
    end(t);
}

/* The refusal says which engine made it, which this is, and how to convert it. */
static void test_other_engine(void **state) {
    (void)state;
    toy *t = begin("always");
    forget(t);
    status s = try_open(t, 1);
    assert_int_equal(s.code, ST_INVALID);
    char want[300];
    snprintf(want, sizeof want,
             "%s was made by engine lsm, and this is engine bitcask: start with `--engine lsm`, or "
             "convert it: `stave-convert %s NEWDIR --engine bitcask`",
             t->k->dir, t->k->dir);
    assert_string_equal(s.msg, want);
    forget(t);
    open_toy(t);
    end(t);
}

/* A store is made with the hash key that is asked for. */
static void test_hash(void **state) {
    (void)state;
    kit *k = kit_sim();
    hash_key key = {1, 2};
    meta_queue m;
    store_kind kind = {"lsm", is_live};
    engine_options opt = {.dir = k->dir, .env = &k->env, .databases = 3, .hash = &key};
    for (int i = 0; i < 2; i++) {
        meta_init(&m, &k->env, k->dir);
        assert_true(status_ok(store_open(&m, &kind, &opt)));
        assert_memory_equal(&meta_state(&m)->key, &key, sizeof key);
        assert_int_equal(meta_state(&m)->nmap, 3);
        meta_free(&m);
        opt.hash = NULL; /* only a new one asks */
    }
    kit_free(k);
}

/* Ids go on behind what was reserved, and none is given twice, however it ended. */
static void test_ids(void **state) {
    (void)state;
    toy *t = begin("always");
    uint64_t id = 0, last = 0;
    for (int life = 0; life < 3; life++) {
        for (int i = 0; i < 3000; i++) {
            assert_true(status_ok(meta_take_id(&t->meta, MANIFEST_IDS_PDB, &id)));
            assert_true(id > last && id < t->meta.ids[MANIFEST_IDS_PDB].reserved);
            last = id;
            if (i % 100 == 0) workers(t);
        }
        crash(t, true);
        open_toy(t);
    }
    end(t);
}

/* A full disk puts the edit back; it is durable once there is room, with what came meanwhile. */
static void test_meta_full(void **state) {
    (void)state;
    toy *t = begin("no");
    workers(t);
    simfs_knobs_of(t->k->fs)->space_permille = 1000;
    /* large enough that the manifest has to grow */
    while (!t->meta.full) {
        assert_true(t->meta.gen < 10000);
        meta_name_file(&t->meta, meta_next_file(&t->meta));
        uint64_t gen = meta_commit(&t->meta);
        workers(t);
        assert_true(t->meta.full || meta_is_durable(&t->meta, gen));
    }
    uint64_t gen = t->meta.gen;
    meta_name_file(&t->meta, meta_next_file(&t->meta));
    assert_true(meta_commit(&t->meta) == gen);
    assert_int_equal(meta_wait(&t->meta, gen).code, ST_NO_SPACE);
    assert_int_equal(chain_room(&t->log, 1 << 20).code, ST_NO_SPACE);
    simfs_knobs_of(t->k->fs)->space_permille = 0;
    chain_cron(&t->log);
    workers(t);
    assert_true(meta_is_durable(&t->meta, gen) && !t->meta.full);
    end(t);
}

/* A manifest that fails ends the log, and the other way round. */
static void test_failure(void **state) {
    (void)state;
    toy *t = begin("always");
    simfs_knobs *n = simfs_knobs_of(t->k->fs);
    workers(t);
    meta_name_file(&t->meta, meta_next_file(&t->meta));
    n->fail_code = ST_IO;
    n->fail_at = simfs_counts_of(t->k->fs)->calls + 1;
    n->fail_run = 5;
    uint64_t gen = meta_commit(&t->meta);
    workers(t);
    assert_true(chain_is_dead(&t->log));
    assert_int_equal(meta_wait(&t->meta, gen).code, ST_FAILED);
    assert_int_equal(chain_room(&t->log, 10).code, ST_FAILED);
    *n = (simfs_knobs){0};
    crash(t, false);
    open_toy(t);
    log_pos released = chain_released(&t->log);
    assert_true(status_ok(put(t, 1, 10)));
    n->fail_sync_at = simfs_counts_of(t->k->fs)->syncs + 1;
    n->fail_code = ST_IO;
    commit(t);
    assert_true(chain_is_dead(&t->log) && chain_released(&t->log) == released);
    meta_name_file(&t->meta, meta_next_file(&t->meta));
    assert_int_equal(meta_wait(&t->meta, meta_commit(&t->meta)).code, ST_FAILED);
    n->fail_sync_at = 0;
    end(t);
}

/* The engine can't take one more file: an error, and later it goes on. */
static void test_no_more_files(void **state) {
    (void)state;
    toy *t = begin("always");
    t->refuse = true;
    status s = STATUS_OK;
    for (int i = 0; i < 100 && status_ok(s); i++)
        s = put(t, 1, 3000);
    assert_int_equal(s.code, ST_LIMIT);
    uint64_t was = t->next;
    t->refuse = false;
    assert_true(status_ok(put(t, 1, 3000)));
    commit(t);
    crash(t, true);
    open_toy(t);
    assert_int_equal(t->seen, was + 1);
    end(t);
}

/* A batch of many megabytes is written over several turns: `released` stays before it until all of
 * it is, and a process that is killed meanwhile leaves nothing of it. */
static void test_long_batch(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        toy *t = begin(i ? "always" : "everysec");
        crash(t, false);
        kit_setting("segment-size", "32mb");
        open_toy(t);
        assert_true(status_ok(put(t, 3, 100)));
        end_turn(t, false);
        if (i) commit(t);
        log_pos before = t->log.released;
        uint64_t was = t->next;
        assert_int_equal(before, chain_log_end(&t->log));
        assert_true(status_ok(put(t, 20, 1 << 20)));
        end_turn(t, false);
        assert_true(logwrite_written(t->log.tail) > before + (7u << 20));
        chain_sync(&t->log);
        /* who reads the part that is there depends on the batch */
        assert_true(t->log.released == before && chain_durable(&t->log) == before);
        assert_true(chain_behind(&t->log));
        assert_false(chain_behind(&t->log)); /* once a turn */
        int turns = 0;
        for (; i && chain_log_end(&t->log) > t->log.released; turns++) {
            assert_true(turns < 20);
            end_turn(t, false);
            workers(t);
        }
        if (i) assert_true(turns > 0 && !chain_behind(&t->log));
        crash(t, false);
        open_toy(t);
        assert_int_equal(t->seen, i ? was + 20 : was);
        end(t);
    }
}

/* What waits is bounded, over files too. */
static void test_waits_no_more(void **state) {
    (void)state;
    toy *t = begin("everysec");
    log_limit.write_hold = 1 << 20;
    for (int i = 0; i < 3; i++) {
        assert_true(status_ok(put(t, 20, 1 << 20)));
        assert_in_range(logwrite_memory(t->log.tail), 0, 40 << 20);
        end_turn(t, false);
        log_pos end = chain_log_end(&t->log), written = logwrite_written(t->log.tail);
        assert_true(log_pos_file(written) == log_pos_file(end) && end - written <= 2 << 20);
    }
    log_limit.write_hold = 1 << 30;
    t->k->env.aio->ops->drain(t->k->env.aio);
    end(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_group_commit),
        cmocka_unit_test(test_waiting_is_bounded),
        cmocka_unit_test(test_rotate_between),
        cmocka_unit_test(test_retire_old),
        cmocka_unit_test(test_temporary),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_other_engine),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_meta_full),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_no_more_files),
        cmocka_unit_test(test_long_batch),
        cmocka_unit_test(test_waits_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
