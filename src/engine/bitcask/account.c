/* account: how many bytes of each segment are live, hiding, or dead.
 *
 * Every committed change moves bytes between the three exactly once (B5); per physical database
 * too, so that a flush can declare all that a database has dead without visiting it.
 *
 * live    an entry or element points at the record
 * hiding  a delete: it may be what keeps an older record, in an older segment, from coming back.
 *         Which delete has become needless is not known here: only a merge finds out
 * order   a FLUSH or SWAP that the manifest's copy of the mapping does not cover yet
 *
 * dead    the rest, which is nowhere counted: replaced and deleted records, BEGIN and IDLE, and the
 *         bytes by which a mark makes a record longer are live or dead with it
 *
 * A sealed segment is dead when nothing in it is live, none of its orders matter, and it hides
 * nothing, which holds too for the oldest segment, there being nothing older to hide (B6). */
#include "engine/bitcask/bitcask_int.h"

/* The share of d in that slot, made if need be. */
static seg_share *share_of(bitcask *e, pdb *d, uint16_t slot) {
    CHECK(slot < e->nslots);
    if (__builtin_expect(slot >= d->shares, 0)) {
        uint32_t n = e->nslots + 16;
        d->share = mem_realloc(d->share, n * sizeof *d->share);
        CHECK(n > slot && n > d->shares);
        memset(d->share + d->shares, 0, (n - d->shares) * sizeof *d->share);
        d->shares = n;
    }
    return &d->share[slot];
}

/* Marks s if it has become dead. */
static void consider(bitcask *e, segment *s) {
    if (s->log.state != LOGFILE_SEALED || s->live || s->order || !seg_active(e)) return;
    if (s->hiding && e->order[0] != s) return;
    CHECK(s->log.end >= FILE_HEADER && s->dead_at == 0);
    s->log.state = SEG_DEAD;
    s->dead_at = logwrite_end(e->log.tail);
}

/* Looks at each again: what made one the oldest, or covered its orders, is not seen elsewhere. */
void seg_consider_all(bitcask *e) {
    for (uint32_t i = 0; i < e->norder; i++)
        consider(e, e->order[i]);
}

/* A record that something points at came into the segment. */
void seg_live_add(bitcask *e, pdb *d, uint16_t slot, uint32_t size) {
    CHECK(!d->dropped && size >= RECORD_HEADER);
    CHECK(slot < e->nslots && e->slots[slot]->log.state != SEG_DEAD);
    share_of(e, d, slot)->live += size;
    e->slots[slot]->live += size;
    CHECK(e->slots[slot]->live <= LOG_FILE_MAX);
}

/* Nothing points at that record any more: its bytes are dead (B5). */
void seg_live_sub(bitcask *e, pdb *d, uint16_t slot, uint32_t size) {
    CHECK(slot < e->nslots && e->slots[slot]);
    seg_share *h = share_of(e, d, slot);
    segment *s = e->slots[slot];
    CHECK(h->live >= size && s->live >= size);
    h->live -= size;
    s->live -= size;
    if (__builtin_expect(s->live == 0, 0)) consider(e, s);
}

/* A delete came into the segment. */
void seg_hiding_add(bitcask *e, pdb *d, uint16_t slot, uint32_t size) {
    CHECK(!d->dropped && size >= RECORD_HEADER);
    CHECK(slot < e->nslots && e->slots[slot]->log.state != SEG_DEAD);
    share_of(e, d, slot)->hiding += size;
    e->slots[slot]->hiding += size;
    CHECK(e->slots[slot]->hiding <= LOG_FILE_MAX);
}

/* One subtraction a segment, however much the database held. */
void seg_drop_shares(bitcask *e, pdb *d) {
    CHECK(d->dropped); /* nothing is added to what it has any more */
    for (uint32_t i = 0; i < d->shares && i < e->nslots; i++) {
        segment *s = e->slots[i];
        if (!s) continue;
        CHECK(s->live >= d->share[i].live && s->hiding >= d->share[i].hiding);
        s->live -= d->share[i].live;
        s->hiding -= d->share[i].hiding;
    }
    mem_free(d->share);
    d->share = NULL;
    d->shares = 0;
    seg_consider_all(e);
}

/* The manifest has the mapping as of `at`: orders before it need not survive (B8). */
void seg_orders_covered(bitcask *e, log_pos at) {
    CHECK(at > 0);
    for (uint32_t i = 0; i < e->norder; i++) {
        segment *s = e->order[i];
        if (s->order && s->order_last < at) s->order = 0;
    }
    seg_consider_all(e);
}

/* Deletes of the oldest segment hide nothing, so a share may still have some. */
void seg_forget_shares(bitcask *e, const segment *s) {
    CHECK(e->slots[s->slot] == s);
    size_t pos = 0;
    slice key;
    void *value;
    while (dict_next(e->pdbs, &pos, &key, &value)) {
        pdb *d = value;
        if (s->slot >= d->shares) continue;
        CHECK(d->share[s->slot].live == 0);
        d->share[s->slot].hiding = 0;
    }
}
