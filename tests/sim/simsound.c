/* simsound: does what is stored under the model's keys make sense to the types?
 *
 * The invariants of src/types/README.md, as far as they can be read off one key: what is counted is
 * there, derived elements and pieces of long values are those of map 0 and no others, a key wakes
 * in time, a stream's pending entries are known twice. And what some commands must keep: a stream's
 * state never goes back, a key that is renamed, moved or copied stays the same to the byte.
 *
 * All of it reads the model, dry: that the engine has the same is simverify's affair. */
#include "sim/simscript.h"

#include "base/log.h"
#include "keyspace/keyenc.h"
#include "types/classes.h"
#include "types/hash.h"
#include "types/stream_group.h"
#include "types/string.h"
#include "types/zset.h"

#include <stdarg.h>
#include <stdio.h>

#define QUIET (KS_NO_TOUCH | KS_NO_STATS | KS_NO_NOTIFY)

/* The key that is looked at. */
typedef struct look {
    simtypes *t;
    uint32_t db;
    slice key;
    elements *el;
    uint64_t n, pieces, derived; /* what map 0 has, and needs */
    int64_t soonest;             /* expire time of an element that is not due; 0: none */
    bool times;                  /* some element has an expire time */
} look;

#define WRONG(l, ...) wrong(l, __VA_ARGS__)

static void __attribute__((noreturn, format(printf, 2, 3))) wrong(look *l, const char *fmt, ...) {
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sim_fail(l->t->s, "unsound: db %u %.*s: %s", l->db, l->key.len > 40 ? 40 : (int)l->key.len,
             l->key.data, text);
}

/* ---- map 0, and what is made of it -------------------------------------------------------------
 */

/* The element that an iterator is at. Its slices are gone afterwards. */
static void look_at(look *l, const el_item *item) {
    char head[KEYENC_HEAD];
    buf sub = {0};
    el_iter it;
    l->n++;
    if (item->value.len > EL_PIECE) l->pieces += (item->value.len + EL_PIECE - 1) / EL_PIECE;
    if (item->expire && !hash_is_due(l->el, item->expire) &&
        (!l->soonest || item->expire < l->soonest))
        l->soonest = item->expire;
    l->times |= item->expire != 0;
    if (!keyenc_derive_head(l->el->type->type, item->value, item->expire, head)) return;
    l->derived++;
    buf_append(&sub, head, sizeof head);
    buf_append_slice(&sub, item->sub);
    engine_result r = el_seek(l->el, ENGINE_DERIVED, buf_slice(&sub), false, &it);
    if (r != ENGINE_OK || !slice_eq(it.item.sub, buf_slice(&sub)))
        WRONG(l, "an element of map 0 has no derived one");
    buf_free(&sub);
}

static void look_at_elements(look *l) {
    elements *el = l->el;
    bool even = el->type->type == KEY_LIST && !(el_hint(el) & 1);
    uint64_t last = 0;
    el_iter it;
    engine_result r = el_first(el, 0, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false)) {
        uint64_t at = el->type->type == KEY_LIST ? keyenc_position_of(it.item.sub) : 0;
        if (even && l->n && at != last + 256) WRONG(l, "an even list that is not");
        last = at;
        look_at(l, &it.item);
    }
    CHECK(r == ENGINE_ABSENT);
    uint64_t derived = el_count(el, ENGINE_DERIVED);
    if (l->n != el_count(el, 0)) WRONG(l, "it counts %llu elements", (unsigned long long)l->n);
    if (!l->n && !el->type->lives_empty) WRONG(l, "a key without elements");
    if (derived != l->derived)
        WRONG(l, "%llu derived elements, should be %llu", (unsigned long long)derived,
              (unsigned long long)l->derived);
    uint64_t pieces = el->packed ? 0 : el_count(el, EL_LONG);
    if (pieces != l->pieces)
        WRONG(l, "%llu pieces of long values, should be %llu", (unsigned long long)pieces,
              (unsigned long long)l->pieces);
}

static void look_at_hash(look *l) {
    if (l->times && !(el_hint(l->el) & HASH_TIMES)) WRONG(l, "fields expire, the hint says not");
    if (l->times && !l->el->wake) WRONG(l, "fields expire, and it does not wake");
    if (l->soonest && l->el->wake > l->soonest)
        WRONG(l, "it wakes at %lld, a field expires at %lld", (long long)l->el->wake,
              (long long)l->soonest);
}

/* Members in order have the scores that they are said to have. */
static void look_at_zset(look *l) {
    zset_walk w;
    zset_range all = ZSET_ALL;
    uint64_t n = 0;
    double score = 0;
    engine_result r = zset_first(l->el, &all, &w);
    for (; r == ENGINE_OK; r = zset_next(&w), n++) {
        double in_order = w.score;
        slice member = el_keep(l->el, w.member);
        if (n && in_order < score) WRONG(l, "scores out of order");
        if (zset_score(l->el, member, &score) != ENGINE_OK || score != in_order)
            WRONG(l, "a member has one score in order and another by name");
    }
    if (n != l->n)
        WRONG(l, "%llu members in order, %llu by name", (unsigned long long)n,
              (unsigned long long)l->n);
}

/* ---- streams -----------------------------------------------------------------------------------
 */

/* Does a consumer or group of these numbers go on existing? */
static bool known(look *l, const char *group_consumer) {
    el_item item;
    return el_get(l->el, 5, slice_of(group_consumer, 12), &item) == ENGINE_OK;
}

/* What is pending in map 2, for consumers that are known, and all of it in map 4 too. */
static uint64_t pending_of(look *l, const char *group) {
    uint64_t n = 0, consumer;
    el_iter it;
    engine_result r = el_seek(l->el, 2, slice_of(group, 6), false, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false)) {
        char sub[28];
        el_item item;
        slice in = it.item.value;
        if (it.item.sub.len != 22 || memcmp(it.item.sub.data, group, 6)) break;
        if (!get_varint(&in, &consumer)) WRONG(l, "a pending entry without a consumer");
        memcpy(sub, group, 6);
        memcpy(sub + 12, it.item.sub.data + 6, 16);
        keyenc_put_number(sub + 6, consumer);
        if (!known(l, sub)) continue;
        n++;
        if (el_get(l->el, 4, slice_of(sub, sizeof sub), &item) != ENGINE_OK)
            WRONG(l, "an entry is pending for the group and not for its consumer");
    }
    return n;
}

/* Map 4 has nothing that map 2 has not, but for what was dropped. */
static void look_at_owners(look *l) {
    el_iter it;
    engine_result r = el_first(l->el, 4, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false)) {
        char sub[28], entry_of[22];
        el_item item;
        uint64_t consumer = 0;
        if (it.item.sub.len != sizeof sub) WRONG(l, "map 4 has something strange");
        memcpy(sub, it.item.sub.data, sizeof sub);
        if (!known(l, sub)) continue;
        memcpy(entry_of, sub, 6);
        memcpy(entry_of + 6, sub + 12, 16);
        bool there = el_get(l->el, 2, slice_of(entry_of, sizeof entry_of), &item) == ENGINE_OK;
        if (there) (void)get_varint(&item.value, &consumer);
        if (!there || consumer != keyenc_number_of(sub + 6))
            WRONG(l, "an entry is pending for a consumer and not for its group");
    }
}

static void look_at_group(look *l, stream *s, stream_group *g) {
    char group[6];
    uint64_t pending = 0, n = 0;
    stream_consumer *c = NULL;
    slice name = SLICE_EMPTY;
    keyenc_put_number(group, g->number);
    while (stream_consumer_next(s, g, n ? &name : NULL, &c) == ENGINE_OK) {
        name = c->name;
        pending += c->pending;
        n++;
    }
    uint64_t stored = pending_of(l, group);
    if (n != g->consumers || pending != g->pending || stored != pending)
        WRONG(l, "group %.*s counts %llu consumers, %llu pending; has %llu; they %llu; stored %llu",
              (int)g->name.len, g->name.data, (unsigned long long)g->consumers,
              (unsigned long long)g->pending, (unsigned long long)n, (unsigned long long)pending,
              (unsigned long long)stored);
}

static void look_at_stream(look *l) {
    stream s = {.el = *l->el};
    stream_group g;
    slice name = SLICE_EMPTY;
    CHECK(stream_load(&s) == ENGINE_OK);
    if (stream_id_cmp(s.last_id, stream_newest(&s)) < 0) WRONG(l, "the last ID is not the last");
    if (s.added < l->n) WRONG(l, "fewer were added than there are");
    for (bool first = true; stream_group_next(&s, first ? NULL : &name, &g) == ENGINE_OK;
         first = false) {
        name = g.name;
        look_at_group(l, &s, &g);
    }
    look_at_owners(l);
}

/* ---- a key -------------------------------------------------------------------------------------
 */

/* The index of expire times has the earlier of the key's own and the type's. */
static void look_at_wake(look *l, const entry *raw) {
    if (!(raw->hint & KS_WAKES) || raw->type == KEY_STRING) return;
    if (raw->value.len < 17) WRONG(l, "it wakes, and has no time");
    int64_t own = (int64_t)load_u64(raw->value.data + 1);
    int64_t wake = (int64_t)load_u64(raw->value.data + 9);
    if (wake <= 0 || raw->expire != (own && own < wake ? own : wake))
        WRONG(l, "own %lld, wake %lld, and the engine has %lld", (long long)own, (long long)wake,
              (long long)raw->expire);
}

static void look_at_string(look *l) {
    string str;
    map_iter it;
    CHECK(string_open(l->t->ks, l->db, l->key, QUIET, &str) == ENGINE_OK);
    if (!str.exists || !str.chunked) return;
    engine_result r = engine_map_seek(&l->t->tee.base, &str.coll, 0, SLICE_EMPTY, true, &it);
    if (r != ENGINE_OK) return;
    uint64_t end = (uint64_t)keyenc_chunk_number(it.subkey) * STRING_CHUNK + it.value.len;
    if (end > str.len) WRONG(l, "a chunk beyond its end");
}

static void look_at_key(simtypes *t, uint32_t db, slice key) {
    elements el;
    look l = {.t = t, .db = db, .key = key, .el = &el};
    entry raw;
    CHECK(engine_get(&t->tee.base, db, key, &raw) == ENGINE_OK);
    const type_class *c = type_class_of(raw.type);
    bool owns = raw.coll != 0;
    look_at_wake(&l, &raw);
    if (!c) {
        look_at_string(&l);
        return;
    }
    CHECK(el_open(t->ks, db, key, c->el, QUIET | KS_NO_WAKE, &el) == ENGINE_OK);
    if (!el.exists) return; /* due */
    if (el.packed == owns) WRONG(&l, "packed and apart");
    look_at_elements(&l);
    if (raw.type == KEY_HASH) look_at_hash(&l);
    if (raw.type == KEY_ZSET) look_at_zset(&l);
    if (raw.type == KEY_STREAM) look_at_stream(&l);
}

static void note_name(void *ctx, slice key, const entry *meta) {
    buf *names = ctx;
    uint32_t n = (uint32_t)key.len;
    (void)meta;
    buf_append(names, &n, sizeof n);
    buf_append_slice(names, key);
}

void simsound_all(simtypes *t) {
    t->clock.wall_ms = t->s->clock.wall_ms;
    t->tee.dry = true;
    for (uint32_t db = 0; db < SIM_DBS; db++) {
        buf names = {0};
        uint64_t next;
        CHECK(engine_scan(t->s->model, db, 0, SIZE_MAX, &next, note_name, &names) == ENGINE_OK);
        for (size_t at = 0; at < names.len;) {
            uint32_t n;
            memcpy(&n, names.data + at, sizeof n);
            ks_begin(t->ks);
            look_at_key(t, db, slice_of(names.data + at + sizeof n, n));
            ks_abort(t->ks);
            at += sizeof n + n;
        }
        buf_free(&names);
    }
    simsystem_sound(t->s);
    t->tee.dry = false;
    simscript_sound(t);
}

/* ---- before and after a command ----------------------------------------------------------------
 */

/* The greatest entry that an XDEL names and that is there will be known as deleted. */
static void expect_deletions(simtypes *t, stream *s, simsound_before *out) {
    const simwords *w = &t->words;
    for (int i = 2; i < w->argc && simwords_is(w, "XDEL"); i++) {
        char text[64];
        unsigned long long ms, seq;
        stream_entry e;
        stream_id greatest = {out->deleted_ms, out->deleted_seq};
        snprintf(text, sizeof text, "%.*s", (int)w->argv[i].len, w->argv[i].data);
        if (sscanf(text, "%llu-%llu", &ms, &seq) != 2) continue;
        stream_id id = {ms, seq};
        if (stream_id_cmp(id, greatest) <= 0 || stream_get(s, id, &e) != ENGINE_OK) continue;
        out->deleted_ms = ms;
        out->deleted_seq = seq;
    }
}

/* The state of the stream that the command names. */
static bool read_stream(simtypes *t, simsound_before *out) {
    const simwords *w = &t->words;
    int at = simwords_is(w, "XGROUP") ? 2 : 1;
    stream s = {0};
    if (w->argv[0].data[0] != 'X' || w->argc <= at || simwords_is(w, "XREAD") ||
        simwords_is(w, "XREADGROUP") || simwords_is(w, "XINFO") || simwords_is(w, "XSETID"))
        return false;
    t->tee.dry = true;
    ks_begin(t->ks);
    engine_result r =
        el_open(t->ks, t->client->db, w->argv[at], &stream_type, QUIET | KS_NO_WAKE, &s.el);
    CHECK(r == ENGINE_OK);
    bool there = s.el.exists && !s.el.wrong_type;
    if (there) CHECK(stream_load(&s) == ENGINE_OK);
    *out = (simsound_before){.stream = there,
                             .last_ms = s.last_id.ms,
                             .last_seq = s.last_id.seq,
                             .added = s.added,
                             .deleted_ms = s.max_deleted.ms,
                             .deleted_seq = s.max_deleted.seq};
    if (there) expect_deletions(t, &s, out);
    ks_abort(t->ks);
    t->tee.dry = false;
    return there;
}

/* Where a command that keeps a key as it is takes it from, and puts it. */
static bool moves(const simtypes *t, uint32_t *to_db, slice *to) {
    const simwords *w = &t->words;
    *to_db = t->client->db;
    if (w->argc < 3) return false;
    *to = w->argv[2];
    if (simwords_is(w, "RENAME") || simwords_is(w, "RENAMENX")) return true;
    if (simwords_is(w, "MOVE")) {
        *to_db = (uint32_t)(w->argv[2].data[0] - '0');
        *to = w->argv[1];
        return true;
    }
    if (!simwords_is(w, "COPY")) return false;
    if (w->argc > 4) *to_db = (uint32_t)(w->argv[4].data[0] - '0');
    return true;
}

void simsound_look(simtypes *t, simsound_before *out) {
    uint32_t db;
    slice to;
    entry ent;
    *out = (simsound_before){0};
    if (moves(t, &db, &to)) {
        slice from = t->words.argv[1];
        engine_result r = engine_meta(t->s->model, t->client->db, from, &ent);
        /* one that is due goes, or is woken, and so is another */
        out->moved = r == ENGINE_OK && (!ent.expire || ent.expire > t->clock.wall_ms);
        if (out->moved) sim_model_key(t->s, t->client->db, from, &t->before);
        return;
    }
    (void)read_stream(t, out);
}

void simsound_after(simtypes *t, const simsound_before *b, bool done) {
    simsound_before now;
    uint32_t db;
    slice to;
    if (!done) return;
    if (b->stream && read_stream(t, &now)) {
        stream_id was = {b->last_ms, b->last_seq}, is = {now.last_ms, now.last_seq};
        stream_id del = {b->deleted_ms, b->deleted_seq}, del_is = {now.deleted_ms, now.deleted_seq};
        if (stream_id_cmp(is, was) < 0 || now.added < b->added || stream_id_cmp(del_is, del) < 0)
            sim_fail(t->s, "unsound: a stream's state went back: last %llu-%llu to %llu-%llu",
                     (unsigned long long)was.ms, (unsigned long long)was.seq,
                     (unsigned long long)is.ms, (unsigned long long)is.seq);
    }
    const buf *reply = &t->client->out;
    bool yes = reply->len > 2 && (reply->data[0] == '+' || !memcmp(reply->data, ":1", 2));
    if (!b->moved || !yes || !moves(t, &db, &to)) return;
    buf after = {0};
    sim_model_key(t->s, db, to, &after);
    if (!slice_eq(buf_slice(&after), buf_slice(&t->before)))
        sim_fail(t->s, "unsound: %.*s: the key is not what it was", (int)to.len, to.data);
    buf_free(&after);
}
