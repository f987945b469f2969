/* compact_pick: which tables go down next.
 *
 *   level 0   [   ][      ]        newest first; the oldest ones go, as many as a job may take
 *         1                        empty: the store is not large enough to need it
 *         ..
 *      base   [ ][  ][ ]           target: base_bytes or less
 *       ...   [  ][ ][   ][  ]     target: that of the next, divided by the ratio
 *         6   [ ][  ][   ][ ][ ]   target: what it holds
 *
 * Targets come from the bottom up, so that nine tenths of the data are in the last level however
 * much there is. A level's score is its bytes, tombstones counted for the data that they hide, by
 * its target; the highest one goes first, if that is 1 or more. Then tables that are mostly
 * tombstones, or that reads stumbled over too often; then, when nobody writes, what is left above
 * the deepest level, until that is nearly all there is.
 *
 * Within a level the run of tables goes that overlaps least of what is below it, by its own bytes.
 *
 *  P1. Of level 0 the oldest go: no older table stays behind.
 *  P2. All tables of level `to` that meet the range of all inputs are inputs.
 *  P3. No table is an input of two jobs, and outputs of two jobs in one level can't meet.
 *  P4. Between the levels `from` and `to` there is no table.
 *  P5. A job that writes has no more inputs than there is room for. If level 0 needs more, then the
 *      level that it goes to is made empty first, a little at a time. */
#include "engine/lsm/compact_pick.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/bounds.h"

#define AMPLIFICATION 1.1 /* what quiet is used to get to */
/* A level gets one above it when it is so many times what level 0 brings at once: until then it
 * costs no more to rewrite all of it than to write everything once more on the way. (engine-bench,
 * 5 million keys overwritten three times: 11.2 GB written to tables and log without it, 8.9 with.)
 */
#define BASE_TIMES    4
#define SKIPPED_LEAST 1024
#define SKIPPED_TIMES 4 /* so often every tombstone was walked over, on the average */

/* For INFO and the log. */
const char *pick_why_name(pick_why w) {
    static const char *const names[] = {"size", "tombstones", "quiet", "asked"};
    CHECK((size_t)w < sizeof names / sizeof *names);
    return names[w];
}

/* The tables are the version's. */
void pick_free(pick *p) {
    CHECK(p->in || p->n == 0);
    mem_free(p->in);
    *p = (pick){0};
}

/* ---- levels -----------------------------------------------------------------------------------
 */

/* The deepest level with tables, level 0 not counted; the last if there are none. */
static unsigned deepest(const version *v) {
    unsigned l = LSM_LEVELS - 1;
    while (l > 0 && v->level[l].n == 0)
        l--;
    CHECK(l < LSM_LEVELS);
    return l ? l : LSM_LEVELS - 1;
}

/* Bytes of a level, and for each tombstone those of two entries: it hides one, and is one. */
static double weight(const version *v, unsigned l) {
    CHECK(l < LSM_LEVELS);
    double bytes = (double)v->level[l].bytes, entries = (double)v->level[l].entries;
    if (entries == 0) return bytes;
    return bytes + 2 * (double)v->level[l].tombstones * bytes / entries;
}

/* Bytes of a level that level 0 goes to; less where there is no room to rewrite so much at once. */
static uint64_t base_most(const pick_conf *c) {
    uint64_t most = BASE_TIMES * c->base_bytes;
    CHECK(most >= c->base_bytes);
    return c->room && most > c->room / 2 ? c->base_bytes : most;
}

/* From the bottom up. */
void pick_plan(const version *v, const pick_conf *c, level_plan *out) {
    uint64_t most = c->base_bytes;
    CHECK(c->base_bytes > 0 && c->ratio > 1 && c->level0_files > 0);
    *out = (level_plan){.bottom = deepest(v)};
    for (unsigned l = 1; l < LSM_LEVELS; l++)
        if (v->level[l].bytes > most) most = v->level[l].bytes;
    unsigned base = LSM_LEVELS - 1;
    out->target[base] = most;
    while (base > 1 && out->target[base] > base_most(c)) {
        out->target[base - 1] = out->target[base] / c->ratio;
        base--;
    }
    CHECK(base >= 1 && base < LSM_LEVELS);
    out->base = base;
    double files = (double)v->level[0].n / c->level0_files;
    double bytes = weight(v, 0) / (double)c->base_bytes;
    out->score[0] = v->level[0].n == 0 ? 0 : files > bytes ? files : bytes;
    for (unsigned l = 1; l < LSM_LEVELS - 1; l++) {
        if (v->level[l].n == 0) continue;
        /* above the base there should be nothing: level 0 can't pass by it */
        out->score[l] = l < base ? 2 : weight(v, l) / (double)(out->target[l] ? out->target[l] : 1);
    }
}

/* 1 when all is in one level. */
double pick_amplification(const version *v) {
    uint64_t all = version_bytes(v), least = v->level[deepest(v)].bytes;
    CHECK(all >= least);
    if (all == 0) return 0;
    return least == 0 ? (double)LSM_LEVELS : (double)all / (double)least;
}

/* What is too much in a level is rewritten with about `ratio` times as much of the next one. */
uint64_t pick_pending(const version *v, const pick_conf *c) {
    level_plan p;
    double sum = 0, down = 0;
    pick_plan(v, c, &p);
    if (p.score[0] >= 1) {
        down = (double)v->level[0].bytes;
        sum = down + (double)v->level[p.base].bytes;
    }
    for (unsigned l = 1; l + 1 < LSM_LEVELS; l++) {
        double bytes = (double)v->level[l].bytes + (l >= p.base ? down : 0);
        double over = bytes - (l < p.base ? 0 : (double)p.target[l]);
        if (l >= p.base) down = over > 0 ? over : 0;
        if (over <= 0 || bytes <= 0) continue;
        double times = (double)v->level[l + 1].bytes / bytes;
        sum += over * (1 + (times < c->ratio ? times : c->ratio));
    }
    CHECK(sum >= 0);
    return (uint64_t)sum;
}

/* ---- putting a pick together --------------------------------------------------------------------
 */

/* Adds inputs, which must be free. */
static bool take(pick *p, table_ref *const *tables, uint32_t n) {
    p->in = mem_realloc(p->in, (p->n + n + 1) * sizeof(table_ref *));
    for (uint32_t i = 0; i < n; i++) {
        table_ref *t = tables[i];
        if (t->busy) return false;
        CHECK(slice_cmp(t->smallest, t->limit) < 0);
        if (p->n == 0 || slice_cmp(t->smallest, p->smallest) < 0) p->smallest = t->smallest;
        if (p->n == 0 || slice_cmp(t->limit, p->limit) > 0) p->limit = t->limit;
        p->bytes += t->length;
        p->plain += t->plain;
        p->in[p->n++] = t;
    }
    CHECK(p->n > 0 || n == 0);
    return true;
}

/* P3, for the range of all inputs: that is where the outputs will be. */
static bool meets_outputs(const pick *p, pick *const *running, uint32_t n) {
    CHECK(p->n > 0);
    for (uint32_t i = 0; i < n; i++) {
        const pick *r = running[i];
        if (r->to == p->to && bound_overlap(r->smallest, r->limit, p->smallest, p->limit))
            return true;
    }
    return false;
}

/* Are the inputs of level `from` disjoint? */
static bool is_disjoint(const pick *p) {
    CHECK(p->nfrom > 0);
    for (uint32_t i = 0; p->from == 0 && i < p->nfrom; i++)
        for (uint32_t j = i + 1; j < p->nfrom; j++)
            if (bound_overlap(p->in[i]->smallest, p->in[i]->limit, p->in[j]->smallest,
                              p->in[j]->limit))
                return false;
    return true;
}

/* May the inputs go down as they are? Not if they overlap, or have tombstones that a rewrite would
 * get rid of, as below there is nothing that these could hide. */
static bool can_move(const pick *p, const version *v) {
    uint64_t tombstones = 0;
    CHECK(p->n >= p->nfrom);
    if (p->n > p->nfrom || p->from == p->to || !is_disjoint(p)) return false;
    for (uint32_t i = 0; i < p->nfrom; i++)
        tombstones += p->in[i]->tombstones + p->in[i]->hidden;
    return tombstones == 0 || version_below_overlaps(v, p->to, p->smallest, p->limit);
}

/* P5: what is written is what is read, at most. */
static bool has_room(const pick *p, const pick_conf *c) {
    uint64_t entries = 0, hiding = 0;
    CHECK(p->n > 0);
    if (c->room == 0 || p->move || p->bytes <= c->room) return true;
    for (uint32_t i = 0; i < p->n; i++) {
        entries += p->in[i]->entries;
        hiding += p->in[i]->tombstones + p->in[i]->hidden;
    }
    if (!c->hopeful || entries == 0) return false;
    return hiding * 2 >= entries || p->bytes / entries * (entries - 2 * hiding) <= c->room;
}

/* A small table beside what comes is taken along, or a store that is written now and then would be
 * one of very many very small tables. */
static bool take_neighbour(pick *p, const version *v, const pick_conf *c) {
    uint32_t n = v->level[p->to].n, at = version_find(v, p->to, p->smallest);
    CHECK(p->n == p->nfrom && at <= n);
    if (p->bytes >= c->table_size / 4) return true;
    for (uint32_t i = at > 0 ? at - 1 : 0; i <= at && i < n; i++) {
        table_ref *t = v->level[p->to].tables[i];
        if (!t->busy && t->length < c->table_size / 2) return take(p, &t, 1);
    }
    return true;
}

/* Takes what the inputs of level `from` meet in level `to`; false if that can't be had now. */
static bool complete(pick *p, const version *v, const pick_conf *c, pick *const *running,
                     uint32_t nrunning) {
    uint32_t first, n;
    CHECK(p->n > 0 && p->to > 0);
    p->nfrom = p->n;
    if (p->from != p->to) {
        n = version_overlap(v, p->to, p->smallest, p->limit, &first);
        if (!take(p, v->level[p->to].tables + first, n)) return false;
        if (n == 0 && !take_neighbour(p, v, c)) return false;
    }
    CHECK(p->nfrom <= p->n && p->from <= p->to && p->to < LSM_LEVELS);
    p->move = can_move(p, v);
    return has_room(p, c) && !meets_outputs(p, running, nrunning);
}

/* Of k tables, which are `tables` of level `from`, the last ones for level 0, else the first, as
 * many as can be had: all, half of them, .. one. Nothing is left behind if it is none. */
static bool take_some(pick *p, const version *v, const pick_conf *c, pick *const *running,
                      uint32_t nrunning, table_ref *const *tables, uint32_t k) {
    pick levels = {.from = p->from, .to = p->to};
    CHECK(p->n == 0);
    for (uint32_t n = k; n > 0; n /= 2) {
        if (take(p, p->from == 0 ? tables + (k - n) : tables, n) &&
            complete(p, v, c, running, nrunning))
            return true;
        pick_free(p);
        *p = levels;
    }
    return false;
}

/* The level that tables of `level` go to: the next one with tables or, from level 0, the base if
 * that is above it (P4). */
static unsigned below(const version *v, const level_plan *plan, unsigned level) {
    CHECK(level < LSM_LEVELS - 1);
    if (level > 0) return level + 1;
    for (unsigned l = 1; l < plan->base; l++)
        if (v->level[l].n > 0) return l;
    return plan->base;
}

/* The oldest tables of level 0 (P1), up to the size of a job. */
static bool pick_level0(const version *v, const pick_conf *c, const level_plan *plan,
                        pick *const *running, uint32_t nrunning, pick *out) {
    uint32_t n = v->level[0].n, k = 0;
    uint64_t bytes = 0;
    CHECK(out->n == 0);
    for (uint32_t i = 0; i < n; i++)
        if (v->level[0].tables[i]->busy) return false;
    while (k < n && (k == 0 || bytes < c->job_bytes))
        bytes += v->level[0].tables[n - ++k]->length;
    out->from = 0;
    out->to = (uint8_t)below(v, plan, 0);
    if (k == 0) return false;
    return take_some(out, v, c, running, nrunning, v->level[0].tables + (n - k), k);
}

/* Bytes of level l + 1 that table i of level l meets; false if one of them is busy. */
static bool met_below(const version *v, unsigned l, uint32_t i, uint64_t *bytes) {
    const table_ref *t = v->level[l].tables[i];
    uint32_t first, n = version_overlap(v, l + 1, t->smallest, t->limit, &first);
    *bytes = 0;
    CHECK(l > 0 && l + 1 < LSM_LEVELS);
    for (uint32_t k = 0; k < n; k++) {
        const table_ref *b = v->level[l + 1].tables[first + k];
        if (b->busy) return false;
        *bytes += b->length;
    }
    return true;
}

/* The tables of level l from i on, as many as a job may take and are too many there; in one of
 * them the job's tombstones may be, so the first counts, whatever it brings. */
static bool pick_run(const version *v, const pick_conf *c, pick *const *running, uint32_t nrunning,
                     unsigned l, uint32_t i, uint64_t too_many, pick *out) {
    uint64_t own = 0, met, all = 0;
    uint32_t k = 0;
    CHECK(i < v->level[l].n && l > 0);
    for (; i + k < v->level[l].n; k++) {
        const table_ref *t = v->level[l].tables[i + k];
        if (t->busy) break;
        if (l + 1 < LSM_LEVELS && !met_below(v, l, i + k, &met)) break;
        if (l + 1 == LSM_LEVELS) met = 0;
        if (k > 0 && (own >= too_many || all + t->length + met > c->job_bytes)) break;
        own += t->length;
        all += t->length + met;
    }
    out->from = (uint8_t)l;
    out->to = (uint8_t)(l + 1 < LSM_LEVELS ? l + 1 : l);
    /* fewer, if together they meet something that each by itself does not */
    return take_some(out, v, c, running, nrunning, v->level[l].tables + i, k);
}

/* The table of level l that costs least for what it frees, and surely not more than `room`;
 * UINT32_MAX: none is free. */
static uint32_t best_of(const version *v, unsigned l, uint64_t room) {
    uint32_t best = UINT32_MAX;
    double least = 0;
    CHECK(l > 0 && l < LSM_LEVELS - 1);
    for (uint32_t i = 0; i < v->level[l].n; i++) {
        const table_ref *t = v->level[l].tables[i];
        uint64_t met;
        if (t->busy || !met_below(v, l, i, &met) || t->length + met > room) continue;
        double gain = (double)t->length;
        if (t->entries) gain += 2 * gain * (double)(t->tombstones + t->hidden) / (double)t->entries;
        double cost = (double)met / gain;
        if (best != UINT32_MAX && cost >= least) continue;
        best = i;
        least = cost;
    }
    return best;
}

/* The run of level l that begins there; of about so many bytes. */
static bool pick_level(const version *v, const pick_conf *c, pick *const *running,
                       uint32_t nrunning, unsigned l, uint64_t too_many, pick *out) {
    uint32_t best = best_of(v, l, c->room ? c->room : UINT64_MAX);
    if (best == UINT32_MAX && c->hopeful) best = best_of(v, l, UINT64_MAX);
    if (best == UINT32_MAX) return false;
    CHECK(out->n == 0);
    return pick_run(v, c, running, nrunning, l, best, too_many, out);
}

/* ---- reasons ----------------------------------------------------------------------------------
 */

/* Is a compaction of level 0 under way? */
static bool runs_level0(pick *const *running, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        CHECK(running[i]->n > 0);
        if (running[i]->from == 0) return true;
    }
    return false;
}

/* Does level 0 wait because there is no room even for its oldest table and what that meets? */
static bool is_blocked(const version *v, const pick_conf *c, unsigned to) {
    uint32_t first, n = v->level[0].n;
    if (c->room == 0 || n == 0) return false;
    const table_ref *t = v->level[0].tables[n - 1];
    uint64_t bytes = t->length;
    CHECK(to > 0 && to < LSM_LEVELS);
    n = version_overlap(v, to, t->smallest, t->limit, &first);
    for (uint32_t i = 0; i < n; i++)
        bytes += v->level[to].tables[first + i]->length;
    return bytes > c->room;
}

/* Levels that are too large, the worst first. If level 0 has to wait for tables of the level that
 * it goes to, no more of these are taken: writers may wait for it. */
static bool pick_by_size(const version *v, const pick_conf *c, const level_plan *plan,
                         pick *const *running, uint32_t nrunning, pick *out) {
    bool tried[LSM_LEVELS] = {false};
    for (unsigned k = 0; k + 1 < LSM_LEVELS; k++) {
        unsigned worst = LSM_LEVELS;
        for (unsigned l = 0; l + 1 < LSM_LEVELS; l++) {
            if (tried[l] || plan->score[l] < 1) continue;
            if (worst == LSM_LEVELS || plan->score[l] > plan->score[worst]) worst = l;
        }
        if (worst == LSM_LEVELS) return false;
        CHECK(v->level[worst].n > 0);
        tried[worst] = true;
        uint64_t target = worst >= plan->base ? plan->target[worst] : 0;
        uint64_t bytes = v->level[worst].bytes, over = bytes > target ? bytes - target : 0;
        if (worst == 0 ? pick_level0(v, c, plan, running, nrunning, out)
                       : pick_level(v, c, running, nrunning, worst, over, out))
            return true;
        if (worst != 0 || runs_level0(running, nrunning)) continue;
        unsigned to = below(v, plan, 0);
        if (is_blocked(v, c, to) && to + 1 < LSM_LEVELS &&
            pick_level(v, c, running, nrunning, to, UINT64_MAX, out))
            return true;
        tried[to] = true;
    }
    return false;
}

/* Is t a table that should go down for its tombstones' sake? In level 0 they will soon be on their
 * way, if anybody writes: only where reads stumble over them there is a hurry. */
static bool is_mostly_tombstones(const table_ref *t, bool quiet) {
    uint64_t tombstones = t->tombstones + t->hidden;
    CHECK(t->tombstones <= t->entries);
    if (t->busy || tombstones == 0) return false;
    if (tombstones * 2 >= t->entries && (t->level > 0 || quiet)) return true;
    return t->skipped >= SKIPPED_LEAST && t->skipped >= SKIPPED_TIMES * tombstones;
}

/* Such tables and, when nobody writes, all with some of a level that has a quarter of them. A table
 * of the last level is rewritten where it is, and so it is rid of them. */
static bool pick_by_tombstones(const version *v, const pick_conf *c, const level_plan *plan,
                               pick *const *running, uint32_t nrunning, bool quiet, pick *out) {
    for (unsigned l = 0; l < LSM_LEVELS; l++) {
        bool full = quiet && (c->tight || v->level[l].tombstones * 4 >= v->level[l].entries);
        for (uint32_t i = 0; i < v->level[l].n; i++) {
            const table_ref *t = v->level[l].tables[i];
            bool some = !t->busy && t->tombstones + t->hidden > 0;
            if (!is_mostly_tombstones(t, quiet) && !(full && some)) continue;
            CHECK(v->level[l].tombstones > 0);
            if (l == 0) {
                if (pick_level0(v, c, plan, running, nrunning, out)) return true;
                break;
            }
            if (pick_run(v, c, running, nrunning, l, i, 0, out)) return true;
        }
    }
    return false;
}

/* The highest level there is, unless the rest is next to nothing. */
static bool pick_quiet(const version *v, const pick_conf *c, const level_plan *plan,
                       pick *const *running, uint32_t nrunning, pick *out) {
    CHECK(plan->bottom > 0);
    if (pick_amplification(v) <= AMPLIFICATION) return false;
    if (pick_level0(v, c, plan, running, nrunning, out)) return true;
    for (unsigned l = 1; l < plan->bottom; l++)
        if (pick_level(v, c, running, nrunning, l, UINT64_MAX, out)) return true;
    return false;
}

/* What is on its way down is no reason any more. */
static void discount(const version *v, pick *const *running, uint32_t n, level_plan *plan) {
    for (uint32_t i = 0; i < n; i++) {
        const pick *r = running[i];
        uint64_t bytes = 0, all = v->level[r->from].bytes;
        CHECK(r->nfrom <= r->n);
        for (uint32_t k = 0; k < r->nfrom; k++)
            bytes += r->in[k]->length;
        if (all > 0 && bytes <= all) plan->score[r->from] *= 1 - (double)bytes / (double)all;
    }
}

/* Reasons in order of weight. */
bool pick_next(const version *v, const pick_conf *c, pick *const *running, uint32_t nrunning,
               bool quiet, pick *out) {
    level_plan plan;
    *out = (pick){0};
    pick_plan(v, c, &plan);
    discount(v, running, nrunning, &plan);
    bool found = true;
    if (pick_by_size(v, c, &plan, running, nrunning, out))
        out->why = PICK_SIZE;
    else if (pick_by_tombstones(v, c, &plan, running, nrunning, quiet, out))
        out->why = PICK_TOMBSTONES;
    else if (quiet && pick_quiet(v, c, &plan, running, nrunning, out))
        out->why = PICK_QUIET;
    else
        found = false;
    CHECK(!found || (out->n > 0 && out->nfrom > 0 && out->from <= out->to));
    return found;
}

/* ---- everything -------------------------------------------------------------------------------
 */

/* The first table of the level that was there when the step began; n if there is none. */
static uint32_t left_over(const version *v, const pick_asked *a) {
    uint32_t i = 0;
    CHECK(a->level < LSM_LEVELS);
    while (i < v->level[a->level].n && v->level[a->level].tables[i]->number > a->last)
        i++;
    return i;
}

/* Level after level goes down, each as it was when its turn came, so that it comes to an end
 * whatever is written meanwhile. */
bool pick_step(const version *v, const pick_conf *c, pick *const *running, uint32_t nrunning,
               pick_asked *a, uint32_t newest, pick *out) {
    level_plan plan;
    *out = (pick){0};
    pick_plan(v, c, &plan);
    CHECK(a->on);
    uint32_t i = left_over(v, a);
    while (i == v->level[a->level].n) {
        /* outputs of what runs may be in the next level soon, or be left in this one */
        if (nrunning > 0) return false;
        a->level++;
        a->last = newest;
        if (a->level >= plan.bottom) {
            a->on = false;
            return false;
        }
        i = left_over(v, a);
    }
    bool found = a->level == 0 ? pick_level0(v, c, &plan, running, nrunning, out)
                               : pick_run(v, c, running, nrunning, a->level, i, UINT64_MAX, out);
    out->why = PICK_ASKED;
    return found;
}
