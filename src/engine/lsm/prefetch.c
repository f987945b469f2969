/* engine_prefetch: bringing near what the commands of a pipeline are going to ask for.
 *
 * A lookup asks a filter or two in each level, and one data block: a chain of memory accesses in
 * each of them that miss the processor's caches once there are more than some hundred thousand
 * keys. Keys that are known some calls ahead are taken along these chains a step at a time, STRIDE
 * calls apart:
 *
 *   calls ago   0                     2                4               6                  8
 *   step        places, cache bucket  partition, head  filter, index   filter says where  block
 *
 * What is kept of a key between the steps are its bytes and the places of partitions, of the
 * deepest tables that may have it only: what is above them is a tenth of the data and mostly near,
 * and work done here is done once more by the lookup. Memtables are not prepared for either: the
 * way down a tree can't be known ahead. (Server CPU per GET, redis-benchmark -P 64, 700,000 keys in
 * a table: 1.34 us without, 1.23 with it.) */
#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"
#include "storage/table_ahead.h"

#define STRIDE 2u
#define STEPS  5u
#define RING   16u /* keys that are on their way */
#define PLACES 2u  /* tables looked into for a key, the oldest first: they are the largest */
#define LONG   96u /* keys with more bytes are not prepared */
#define HEAD   96u /* bytes of a part or block that are read first */
_Static_assert(STRIDE *STEPS == ENGINE_AHEAD, "what engine.h tells callers");
_Static_assert(STRIDE *(STEPS - 1) < RING, "a step's key is still in the ring");

typedef struct ahead_key {
    uint32_t n; /* places; 0: nothing to be done */
    uint32_t len;
    uint64_t filter;
    log_pos parts[PLACES];
    log_pos block; /* where it is, most likely; 0: not known */
    char key[LONG];
} ahead_key;

struct lsm_ahead {
    ahead_key keys[RING];
    uint32_t next;
};

/* One more table that may have it. */
static void add_place(lsm *e, ahead_key *k, const table_ref *t, slice key) {
    if (k->n == PLACES || slice_cmp(t->smallest, key) > 0 || slice_cmp(t->limit, key) <= 0) return;
    log_pos part = table_ahead_part(t->t, key);
    if (!part) return;
    cache_prefetch(e->blocks, part, 0, 0);
    CHECK(k->n < PLACES);
    k->parts[k->n++] = part;
}

/* Step 0. */
static void note_key(lsm *e, ahead_key *k, uint32_t pdb, slice user_key) {
    lkey key = lkey_main(&e->key, pdb, lkey_hash(e, user_key), user_key);
    const version *v = e->current;
    k->n = 0;
    k->block = 0;
    if (key.bytes.len > LONG) return;
    k->len = (uint32_t)key.bytes.len;
    k->filter = key.filter;
    memcpy(k->key, key.bytes.data, key.bytes.len);
    for (unsigned l = LSM_LEVELS - 1; l > 0; l--) {
        uint32_t i = v->level[l].n ? version_find(v, l, key.bytes) : 0;
        if (i < v->level[l].n) add_place(e, k, v->level[l].tables[i], key.bytes);
    }
    for (uint32_t i = v->level[0].n; i > 0; i--)
        add_place(e, k, v->level[0].tables[i - 1], key.bytes);
}

/* The block that the newest table which may have the key has for it: places are oldest first. */
static void find_block(const lsm *e, ahead_key *k) {
    CHECK(k->n <= PLACES && k->len <= LONG);
    for (uint32_t i = k->n; i > 0 && !k->block; i--)
        k->block =
            table_ahead_block(e->blocks, k->parts[i - 1], slice_of(k->key, k->len), k->filter);
    if (k->block) cache_prefetch(e->blocks, k->block, 0, 0);
}

/* Takes one key a step nearer. */
static void take_step(const lsm *e, ahead_key *k, unsigned step) {
    CHECK(step > 0 && step < STEPS);
    if (step == 3) {
        find_block(e, k);
    } else if (step == 4) {
        if (k->block) cache_prefetch(e->blocks, k->block, 1, HEAD);
    } else {
        for (uint32_t i = 0; i < k->n; i++) {
            if (step == 1)
                cache_prefetch(e->blocks, k->parts[i], 1, HEAD);
            else
                table_ahead_filter(e->blocks, k->parts[i], k->filter);
        }
    }
}

/* Notes the key, then takes each key that came 2, 4 .. calls ago the step that is due at that age.
 * A call without a key only moves the others on. */
void lsm_prefetch(engine *base, uint32_t db, slice key, bool value) {
    lsm *e = lsm_of(base);
    (void)value; /* short ones are with the entry */
    CHECK(e->current);
    if (!e->ahead) e->ahead = mem_zalloc(sizeof *e->ahead);
    struct lsm_ahead *a = e->ahead;
    ahead_key *now = &a->keys[a->next % RING];
    now->n = 0;
    if (key.len && version_tables(e->current) > 0) note_key(e, now, lsm_db(e, db)->number, key);
    for (unsigned step = 1; step < STEPS; step++) {
        ahead_key *k = &a->keys[(a->next - step * STRIDE) % RING];
        if (k->n) take_step(e, k, step);
    }
    a->next++;
}

/* At the engine's end. */
void lsm_prefetch_end(lsm *e) {
    mem_free(e->ahead);
    e->ahead = NULL;
}
