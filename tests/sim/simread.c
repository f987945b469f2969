/* simread: reads of the engine, compared with the model's.
 *
 * What a read shows also has a position, and a reply that shows it may go once that is released. So
 * if it is, the batch that made it must be among those told: else the reply could show what a crash
 * takes back.
 *
 * A scan goes on over many turns while keys come and go. `watched` has the keys that were there
 * when it began and have stayed since: when it ends, it must have shown each. */
#include "sim/sim.h"

#include "base/codec.h"
#include "base/log.h"
#include "storage/record.h"

/* The batch that a position of the model belongs to; the one under way is after the last. */
static uint64_t batch_of(const sim *s, log_pos model_pos) {
    uint64_t low = s->forgotten, high = engine_mem_batches(s->model) + 1;
    while (low < high) {
        uint64_t mid = (low + high) / 2;
        if (s->model_ends[mid] < model_pos)
            low = mid + 1;
        else
            high = mid;
        if (low > engine_mem_batches(s->model)) break;
    }
    return low;
}

void sim_check_position(sim *s, const char *what, slice key, log_pos mine, log_pos model) {
    uint64_t batch = batch_of(s, model);
    if (mine <= engine_released(s->e) && batch > s->told) {
        sim_observe(s); /* it may have been released by this very call */
        /* The last batch of a file that the log left at once: its end was noted as the next file's
         * beginning, and an fsync of its own file is enough to release it, whole. */
        if (batch > s->told && batch <= engine_mem_batches(s->model) &&
            log_pos_file(mine) < log_pos_file(s->ends[batch])) {
            s->ends[batch] = mine;
            sim_observe(s);
        }
        if (batch > s->told)
            sim_fail(s, "%s %.*s: position %llx is released, its batch %llu is not", what,
                     key.len > 60 ? 60 : (int)key.len, key.data, (unsigned long long)mine,
                     (unsigned long long)batch);
    }
}

engine_result sim_read_entry(sim *s, uint32_t db, slice key, bool meta, entry *mine, entry *model) {
    engine_result r = meta ? engine_meta(s->e, db, key, mine) : engine_get(s->e, db, key, mine);
    engine_result m =
        meta ? engine_meta(s->model, db, key, model) : engine_get(s->model, db, key, model);
    r = sim_agree(s, meta ? "meta" : "get", key, r, m);
    if (r != ENGINE_OK) return r;
    if (!s->kind->keeps_access) {
        engine_set_access(s->model, model, mine->access);
        model->access = mine->access;
    }
    if (mine->type != model->type || mine->hint != model->hint || mine->expire != model->expire ||
        mine->access != model->access || !mine->coll != !model->coll)
        sim_fail(s,
                 "%.*s: type %d hint %d expire %lld access %u coll %llu, should be %d %d %lld %u "
                 "%llu",
                 (int)key.len, key.data, mine->type, mine->hint, (long long)mine->expire,
                 mine->access, (unsigned long long)mine->coll, model->type, model->hint,
                 (long long)model->expire, model->access, (unsigned long long)model->coll);
    if (!slice_eq(mine->value, model->value))
        sim_fail(s, "%.*s: a value of %zu bytes is not the one of %zu bytes that was put",
                 (int)key.len, key.data, mine->value.len, model->value.len);
    sim_check_position(s, "entry", key, mine->pos, model->pos);
    if (sim_permille(s, 200)) {
        uint32_t access = (uint32_t)rng_below(&s->chance, 1u << 24);
        engine_set_access(s->e, mine, access);
        engine_set_access(s->model, model, access);
        mine->access = model->access = access;
    }
    return r;
}

/* ---- scans ------------------------------------------------------------------------------------
 */

static void note_watched(void *ctx, slice key, const entry *meta) {
    sim *s = ctx;
    (void)meta;
    omap_set(s->watched, key, s);
}

void sim_unwatch(sim *s) {
    omap_free(s->watched, NULL);
    s->watched = omap_new();
    s->cursor = 0;
}

void sim_unwatch_key(sim *s, uint32_t db, slice key) {
    if (s->cursor && db == s->cursor_db) omap_del(s->watched, key);
}

typedef struct visit {
    sim *s;
    uint64_t last, seen;
    buf keys; /* u32 length and bytes of each: a slice dies when the next is shown */
} visit;

static void each_key(void *ctx, slice key, const entry *meta) {
    visit *v = ctx;
    (void)meta;
    put_u32(buf_reserve(&v->keys, 4), (uint32_t)key.len);
    v->keys.len += 4;
    buf_append_slice(&v->keys, key);
}

/* What one call of scan has shown: in order, from the cursor on, all there. */
static void check_shown(visit *v, uint64_t cursor, uint64_t next) {
    sim *s = v->s;
    v->last = cursor;
    slice in = buf_slice(&v->keys), key;
    uint32_t len;
    entry ent;
    while (get_u32(&in, &len) && get_bytes(&in, len, &key)) {
        uint64_t token = engine_token(s->e, key);
        if (token < v->last || (next && token >= next))
            sim_fail(s, "scan from %llu shows token %llu after %llu, next is %llu",
                     (unsigned long long)cursor, (unsigned long long)token,
                     (unsigned long long)v->last, (unsigned long long)next);
        v->last = token;
        if (engine_meta(s->model, s->cursor_db, key, &ent) != ENGINE_OK)
            sim_fail(s, "scan shows %.*s, which is not there", (int)key.len, key.data);
        omap_del(s->watched, key);
    }
    if (next && next <= cursor) sim_fail(s, "scan does not move on from its cursor");
}

/* Some more of a scan over one database. */
static engine_result scan_some(sim *s) {
    visit v = {.s = s};
    uint64_t next, from = s->cursor;
    engine_result r;
    if (!from) {
        sim_unwatch(s);
        s->cursor_db = sim_pick_db(s);
        CHECK(engine_scan(s->model, s->cursor_db, 0, SIZE_MAX, &next, note_watched, s) ==
              ENGINE_OK);
    }
    size_t want = rng_below(&s->chance, 20);
    if (sim_permille(s, 10)) { /* a cursor that nobody was given */
        r = engine_scan(s->e, s->cursor_db, UINT64_MAX - want, want, &next, each_key, &v);
        if (r != ENGINE_OK || next || v.keys.len) sim_fail(s, "a scan beyond all tokens");
    }
    r = engine_scan(s->e, s->cursor_db, from, want, &next, each_key, &v);
    r = sim_agree(s, "scan", SLICE_EMPTY, r, ENGINE_OK);
    if (r == ENGINE_OK) {
        check_shown(&v, from, next);
        s->cursor = next;
        slice missed;
        if (!next && omap_at(s->watched, 0, &missed, NULL))
            sim_fail(s, "a scan has not shown %.*s", (int)missed.len, missed.data);
    }
    buf_free(&v.keys);
    return r;
}

/* ---- the rest ---------------------------------------------------------------------------------
 */

static engine_result read_random(sim *s, uint32_t db) {
    buf key = {0};
    entry meta, mine, model;
    bool with_expire = sim_permille(s, 300);
    engine_db_stats st;
    engine_db_stats_of(s->model, db, &st);
    uint64_t n = with_expire ? st.expires : st.keys;
    engine_result r = engine_random(s->e, db, with_expire, &key, &meta);
    r = sim_agree(s, "random", SLICE_EMPTY, r, n ? ENGINE_OK : ENGINE_ABSENT);
    if (r == ENGINE_OK) {
        r = sim_read_entry(s, db, buf_slice(&key), true, &mine, &model);
        if (r == ENGINE_OK && with_expire && !model.expire)
            sim_fail(s, "random with_expire gives a key without");
    }
    buf_free(&key);
    return r;
}

static engine_result read_stats(sim *s, uint32_t db) {
    engine_db_stats a, b;
    engine_db_stats_of(s->e, db, &a);
    engine_db_stats_of(s->model, db, &b);
    if (a.keys != b.keys || a.expires != b.expires)
        sim_fail(s, "db %u: %llu keys, %llu expires; should be %llu and %llu", db,
                 (unsigned long long)a.keys, (unsigned long long)a.expires,
                 (unsigned long long)b.keys, (unsigned long long)b.expires);
    return ENGINE_OK;
}

engine_result sim_read(sim *s) {
    uint32_t db = sim_pick_db(s);
    buf key = {0}, sub = {0};
    entry mine, model;
    engine_result r;
    sim_pick_key(s, &key);
    switch (rng_below(&s->chance, 7)) {
    case 0: r = read_random(s, db); break;
    case 1: r = read_stats(s, db); break;
    case 2: r = scan_some(s); break;
    case 3:
    case 4: r = sim_read_coll(s, db, buf_slice(&key), &sub); break;
    default: r = sim_read_entry(s, db, buf_slice(&key), false, &mine, &model);
    }
    buf_free(&key);
    buf_free(&sub);
    return r;
}
