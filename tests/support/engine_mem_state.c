/* engine_mem_state: databases, entries and collections of engine_mem, and their journal.
 *
 * The journal is one array of what each change replaced. Undoing takes it from its end and frees
 * what the change had put; forgetting takes it from its beginning and frees what the change had
 * replaced. A database or collection that was dropped lives on in the journal as it was, and the
 * changes made to it before, which come earlier there, are forgotten first: so no undo ever points
 * at something freed. */
#include "support/engine_mem_state.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

static void free_entry(void *p) {
    mem_entry *e = p;
    if (!e) return;
    buf_free(&e->value);
    mem_free(e);
}

static void free_elem(void *p) {
    mem_elem *e = p;
    if (!e) return;
    buf_free(&e->value);
    mem_free(e);
}

static void free_coll(void *p) {
    mem_coll *c = p;
    if (!c) return;
    for (int i = 0; i < ENGINE_MAPS; i++)
        omap_free(c->maps[i], free_elem);
    mem_free(c);
}

static mem_db *db_new(void) {
    mem_db *db = mem_zalloc(sizeof *db);
    db->keys = omap_new();
    db->expires = omap_new();
    db->colls = omap_new();
    return db;
}

static void db_free(mem_db *db) {
    omap_free(db->expires, NULL);
    omap_free(db->keys, free_entry);
    omap_free(db->colls, free_coll);
    mem_free(db);
}

void mem_state_init(mem_state *s, int databases) {
    CHECK(databases >= 1 && databases <= ENGINE_DBS_MAX);
    *s = (mem_state){.databases = databases};
    s->dbs = mem_zalloc(sizeof *s->dbs * ((size_t)databases + 1));
    for (int i = 0; i <= databases; i++)
        s->dbs[i] = db_new();
}

void mem_state_free(mem_state *s) {
    mem_forget(s, s->undos);
    for (int i = 0; i <= s->databases; i++)
        db_free(s->dbs[i]);
    mem_free(s->dbs);
    mem_free(s->journal);
}

mem_entry *mem_entry_new(const entry *from) {
    mem_entry *e = mem_zalloc(sizeof *e);
    e->type = from->type;
    e->hint = from->hint;
    e->access = from->access;
    e->expire = from->expire;
    e->coll = from->coll;
    buf_append_slice(&e->value, from->value);
    return e;
}

mem_coll *mem_coll_find(const mem_db *db, uint64_t id) {
    char k[8];
    put_be64(k, id);
    return omap_get(db->colls, slice_of(k, 8));
}

omap *mem_coll_map(const mem_coll *c, unsigned map) {
    CHECK(map < ENGINE_MAPS);
    return c->maps[map];
}

/* ---- changing, without the journal -------------------------------------------------------------
 */

static void *omap_put(omap *m, slice key, void *value) {
    return value ? omap_set(m, key, value) : omap_del(m, key);
}

/* Keeps the index of expiry times in step: e goes out of it, or comes into it. */
static void index_expire(mem_db *db, slice tkey, mem_entry *e, bool in) {
    if (!e || e->expire == ENGINE_NO_EXPIRE) return;
    buf k = {0};
    put_be64(buf_reserve(&k, 8), (uint64_t)e->expire);
    k.len = 8;
    buf_append_slice(&k, tkey);
    void *was = omap_put(db->expires, buf_slice(&k), in ? e : NULL);
    CHECK(in ? was == NULL : was == e);
    buf_free(&k);
}

static mem_entry *exchange_entry(mem_db *db, slice tkey, mem_entry *e) {
    index_expire(db, tkey, omap_get(db->keys, tkey), false);
    mem_entry *old = omap_put(db->keys, tkey, e);
    index_expire(db, tkey, e, true);
    return old;
}

static mem_elem *exchange_elem(mem_coll *c, unsigned map, slice sub, mem_elem *e) {
    CHECK(map < ENGINE_MAPS);
    if (!c->maps[map]) c->maps[map] = omap_new();
    c->version[map]++;
    return omap_put(c->maps[map], sub, e);
}

static mem_coll *exchange_coll(mem_db *db, uint64_t id, mem_coll *c) {
    char k[8];
    put_be64(k, id);
    return omap_put(db->colls, slice_of(k, 8), c);
}

/* ---- changing, with the journal ----------------------------------------------------------------
 */

static mem_undo *journal(mem_state *s, int kind) {
    if (s->undos == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->journal = mem_realloc(s->journal, s->cap * sizeof *s->journal);
    }
    mem_undo *u = &s->journal[s->undos++];
    memset(u, 0, sizeof *u);
    u->kind = kind;
    return u;
}

mem_entry *mem_set_entry(mem_state *s, mem_db *db, slice tkey, mem_entry *e) {
    mem_undo *u = journal(s, UNDO_ENTRY);
    u->db = db;
    buf_append_slice(&u->key, tkey);
    return u->old = exchange_entry(db, tkey, e);
}

mem_elem *mem_set_elem(mem_state *s, mem_coll *c, unsigned map, slice sub, mem_elem *e) {
    mem_undo *u = journal(s, UNDO_ELEM);
    u->coll = c;
    u->map = map;
    buf_append_slice(&u->key, sub);
    return u->old = exchange_elem(c, map, sub, e);
}

mem_coll *mem_new_coll(mem_state *s, mem_db *db, uint64_t id) {
    mem_undo *u = journal(s, UNDO_COLL_NEW);
    u->db = db;
    u->coll = mem_zalloc(sizeof *u->coll);
    u->coll->id = id;
    CHECK(exchange_coll(db, id, u->coll) == NULL);
    return u->coll;
}

void mem_drop_coll(mem_state *s, mem_db *db, uint64_t id) {
    mem_undo *u = journal(s, UNDO_COLL_DROP);
    u->db = db;
    u->coll = exchange_coll(db, id, NULL);
    CHECK(u->coll != NULL);
}

void mem_flush_db(mem_state *s, uint32_t logical) {
    mem_undo *u = journal(s, UNDO_FLUSH);
    u->a = logical;
    u->db = s->dbs[logical];
    s->dbs[logical] = db_new();
}

void mem_swap_dbs(mem_state *s, uint32_t a, uint32_t b) {
    mem_undo *u = journal(s, UNDO_SWAP);
    u->a = a;
    u->b = b;
    mem_db *t = s->dbs[a];
    s->dbs[a] = s->dbs[b];
    s->dbs[b] = t;
}

static void undo_one(mem_state *s, mem_undo *u) {
    slice key = buf_slice(&u->key);
    mem_db *t;
    switch (u->kind) {
    case UNDO_ENTRY: free_entry(exchange_entry(u->db, key, u->old)); break;
    case UNDO_ELEM: free_elem(exchange_elem(u->coll, u->map, key, u->old)); break;
    case UNDO_FLUSH:
        CHECK(omap_count(s->dbs[u->a]->keys) == 0);
        db_free(s->dbs[u->a]);
        s->dbs[u->a] = u->db;
        break;
    case UNDO_SWAP:
        t = s->dbs[u->a];
        s->dbs[u->a] = s->dbs[u->b];
        s->dbs[u->b] = t;
        break;
    case UNDO_COLL_NEW: free_coll(exchange_coll(u->db, u->coll->id, NULL)); break;
    case UNDO_COLL_DROP: CHECK(exchange_coll(u->db, u->coll->id, u->coll) == NULL); break;
    }
    buf_free(&u->key);
}

void mem_undo_to(mem_state *s, size_t undos) {
    CHECK(undos <= s->undos);
    while (s->undos > undos)
        undo_one(s, &s->journal[--s->undos]);
}

static void forget_one(mem_undo *u) {
    switch (u->kind) {
    case UNDO_ENTRY: free_entry(u->old); break;
    case UNDO_ELEM: free_elem(u->old); break;
    case UNDO_FLUSH: db_free(u->db); break;
    case UNDO_COLL_DROP: free_coll(u->coll); break;
    case UNDO_SWAP:
    case UNDO_COLL_NEW: break;
    }
    buf_free(&u->key);
}

void mem_forget(mem_state *s, size_t undos) {
    CHECK(undos <= s->undos);
    for (size_t i = 0; i < undos; i++)
        forget_one(&s->journal[i]);
    if (undos) memmove(s->journal, s->journal + undos, (s->undos - undos) * sizeof *s->journal);
    s->undos -= undos;
}

/* ---- checking ---------------------------------------------------------------------------------
 */

/* One entry against the expiry index and the collections of its database. */
static size_t check_entry(const mem_db *db, slice tkey, const mem_entry *e, buf *report) {
    size_t faults = 0;
    if (e->expire != ENGINE_NO_EXPIRE) {
        buf k = {0};
        put_be64(buf_reserve(&k, 8), (uint64_t)e->expire);
        k.len = 8;
        buf_append_slice(&k, tkey);
        if (omap_get(db->expires, buf_slice(&k)) != e) {
            buf_printf(report, "an entry is not in the expiry index\n");
            faults++;
        }
        buf_free(&k);
    }
    if (e->coll && !mem_coll_find(db, e->coll)) {
        buf_printf(report, "collection %llu of an entry is missing\n", (unsigned long long)e->coll);
        faults++;
    }
    return faults;
}

static size_t check_db(const mem_db *db, int number, buf *report) {
    size_t faults = 0;
    uint64_t expires = 0, colls = 0;
    slice key;
    void *e;
    for (uint64_t i = 0; omap_at(db->keys, i, &key, &e); i++) {
        expires += ((mem_entry *)e)->expire != ENGINE_NO_EXPIRE;
        colls += ((mem_entry *)e)->coll != 0;
        faults += check_entry(db, key, e, report);
    }
    if (expires != omap_count(db->expires) || colls != omap_count(db->colls)) {
        buf_printf(report, "db %d: %llu expires, %llu indexed; %llu collections, %llu kept\n",
                   number, (unsigned long long)expires, (unsigned long long)omap_count(db->expires),
                   (unsigned long long)colls, (unsigned long long)omap_count(db->colls));
        faults++;
    }
    return faults;
}

size_t mem_state_check(const mem_state *s, buf *report) {
    size_t faults = 0;
    for (int i = 0; i <= s->databases; i++)
        faults += check_db(s->dbs[i], i, report);
    return faults;
}
