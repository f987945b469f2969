/* simmaps: reads of collections, compared with the model's.
 *
 * An iterator stays good while anything happens but a change of its own collection: so between two
 * steps the world goes on (workers and children end, flushes and merges are installed), other keys
 * and other collections change, and many other iterators come and go. */
#include "sim/sim.h"

#include "base/log.h"

#include <string.h>

#define CROWD_MAX 100 /* iterators at a time */

/* The two iterators' elements, after calls with these results. */
static engine_result same_element(sim *s, const char *what, slice sub, engine_result r,
                                  engine_result m, const map_iter *mine, const map_iter *model) {
    r = sim_agree(s, what, sub, r, m);
    if (r != ENGINE_OK) return r;
    if (strcmp(what, "map_get") && !slice_eq(mine->subkey, model->subkey))
        sim_fail(s, "%s: at %.*s, should be at %.*s", what, (int)mine->subkey.len,
                 mine->subkey.data, (int)model->subkey.len, model->subkey.data);
    if (!slice_eq(mine->value, model->value) || mine->expire != model->expire)
        sim_fail(s, "%s: element %.*s is not what was put", what, (int)model->subkey.len,
                 model->subkey.data);
    sim_check_position(s, "element", model->subkey, mine->pos, model->pos);
    return r;
}

/* ---- iterators --------------------------------------------------------------------------------
 */

/* Something that leaves iterators of the collection of `key` as they are. In a batch: a change of
 * some other key; else the world goes on. */
static engine_result disturb(sim *s, uint32_t db, slice key) {
    sim_total.disturbed++;
    if (!s->in_batch) {
        sim_world(s, rng_below(&s->pace, 300000));
        return ENGINE_OK;
    }
    buf other = {0};
    uint32_t to = sim_pick_db(s);
    sim_pick_key(s, &other);
    slice name = buf_slice(&other);
    engine_result r = ENGINE_OK;
    if (to != db || !slice_eq(name, key)) {
        entry ent = {.value = SLICE("put while an iterator stood elsewhere")};
        r = sim_agree(s, "put", name, engine_put(s->e, to, name, &ent),
                      engine_put(s->model, to, name, &ent));
    }
    buf_free(&other);
    return r;
}

/* What is walked over. */
typedef struct ground {
    sim *s;
    uint32_t db;
    slice key;
    engine_coll *a, *b;
} ground;

/* Two iterators that must agree, and where they began. */
typedef struct walker {
    map_iter mine, model;
    bool backward, ended;
} walker;

static engine_result set_out(ground *g, unsigned map, slice from, walker *w) {
    sim *s = g->s;
    w->backward = sim_permille(s, 400);
    engine_result m = engine_map_seek(s->model, g->b, map, from, w->backward, &w->model);
    return same_element(s, w->backward ? "seek back" : "seek", from,
                        engine_map_seek(s->e, g->a, map, from, w->backward, &w->mine), m, &w->mine,
                        &w->model);
}

/* One step, sometimes the other way. */
static engine_result take_step(ground *g, walker *w) {
    sim *s = g->s;
    bool back = sim_permille(s, 100) ? !w->backward : w->backward;
    engine_result m = engine_map_step(s->model, &w->model, back);
    return same_element(s, back ? "step back" : "step", SLICE_EMPTY,
                        engine_map_step(s->e, &w->mine, back), m, &w->mine, &w->model);
}

/* Seeks, then steps up to `steps` times, forward or back. */
static engine_result walk_over(ground *g, unsigned map, slice from, uint64_t steps) {
    walker w = {0};
    bool rough = sim_permille(g->s, 300);
    engine_result r = set_out(g, map, from, &w);
    for (; r == ENGINE_OK && steps > 0; steps--) {
        if (rough && sim_permille(g->s, 300)) r = disturb(g->s, g->db, g->key);
        if (r == ENGINE_OK) r = take_step(g, &w);
    }
    return r;
}

/* Many iterators over the same collection, more than any engine can have at hand, in turns. */
static engine_result walk_in_a_crowd(ground *g, buf *sub) {
    sim *s = g->s;
    static walker crowd[CROWD_MAX];
    size_t n = 2 + rng_below(&s->chance, CROWD_MAX - 1);
    engine_result r = ENGINE_OK;
    for (size_t i = 0; i < n && r <= ENGINE_ABSENT; i++) {
        crowd[i] = (walker){0};
        sim_pick_sub(s, sub);
        r = set_out(g, sim_map(rng_below(&s->chance, SIM_MAPS)), buf_slice(sub), &crowd[i]);
        crowd[i].ended = r != ENGINE_OK;
    }
    for (uint64_t steps = 2 * n; r <= ENGINE_ABSENT && steps > 0; steps--) {
        walker *w = &crowd[rng_below(&s->chance, n)];
        if (w->ended) continue;
        r = take_step(g, w);
        w->ended = r != ENGINE_OK;
    }
    return r;
}

/* Opens it, looks at one element of one map, at ranks, and walks. */
engine_result sim_read_coll(sim *s, uint32_t db, slice key, buf *sub_name) {
    entry ea, eb;
    engine_coll a, b;
    map_iter mine, model;
    uint64_t rank = 0, model_rank = 0;
    engine_result r = sim_read_entry(s, db, key, true, &ea, &eb);
    if (r != ENGINE_OK || !ea.coll) return r;
    r = sim_agree(s, "coll_open", key, engine_coll_open(s->e, db, key, &ea, &a),
                  engine_coll_open(s->model, db, key, &eb, &b));
    unsigned map = sim_map(rng_below(&s->chance, SIM_MAPS));
    sim_pick_sub(s, sub_name);
    slice sub = buf_slice(sub_name);
    if (r != ENGINE_OK) return r;
    uint64_t count = engine_map_count(s->model, &b, map);
    if (engine_map_count(s->e, &a, map) != count)
        sim_fail(s, "map_count is %llu, should be %llu",
                 (unsigned long long)engine_map_count(s->e, &a, map), (unsigned long long)count);
    engine_result m = engine_map_get(s->model, &b, map, sub, &model);
    r = same_element(s, "map_get", sub, engine_map_get(s->e, &a, map, sub, &mine), m, &mine,
                     &model);
    if (r >= ENGINE_PENDING) return r;
    m = engine_map_rank(s->model, &b, map, sub, &model_rank);
    r = sim_agree(s, "rank", sub, engine_map_rank(s->e, &a, map, sub, &rank), m);
    if (r == ENGINE_OK && rank != model_rank)
        sim_fail(s, "rank is %llu, should be %llu", (unsigned long long)rank,
                 (unsigned long long)model_rank);
    if (r >= ENGINE_PENDING) return r;
    rank = rng_below(&s->chance, count + 2);
    m = engine_map_select(s->model, &b, map, rank, &model);
    r = same_element(s, "select", SLICE_EMPTY, engine_map_select(s->e, &a, map, rank, &mine), m,
                     &mine, &model);
    if (r >= ENGINE_PENDING) return r;
    ground g = {.s = s, .db = db, .key = key, .a = &a, .b = &b};
    if (sim_permille(s, 20)) return walk_in_a_crowd(&g, sub_name);
    return walk_over(&g, map, sub, rng_below(&s->chance, 8));
}
