/* keydir: the keys of one physical database, in token order, in memory.
 *
 * A trie of directory nodes over the token's bits leads to *pages* of up to 64 slots, a slot being
 * an entry's reference and 16 bits of its token; entries (kdent.h) lie in an arena. A full page
 * splits alone. README.md draws all three byte by byte.
 *
 * An entry's reference names it until keydir_free_entry(), also after the keydir no longer holds
 * it: that is what undoing a batch lives from. The caller owes keydir_free_entry() for every
 * reference that keydir_put() and keydir_remove() return as old, once it can't be needed again,
 * and nothing for keydir_undo(). keydir_at() pointers live as long as their reference.
 *
 * Numbered rules:
 *  K1. A page lists its entries by token, those of one token by key (memcmp).
 *  K2. All entries of one token are in one page.
 *  K3. count and expires are exact after every call.
 *  K4. Entries never move in memory; only keydir_put, _remove, _undo, and _moved when it says so,
 *      change which reference a key has. */
#ifndef STAVE_ENGINE_BITCASK_KEYDIR_H
#define STAVE_ENGINE_BITCASK_KEYDIR_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/rand.h"
#include "engine/bitcask/kdent.h"

typedef struct keydir keydir;

/* What all keydirs of an engine share; outlives them. */
typedef struct keydir_shared {
    arena *arena;
    hash_key hash;
    uint16_t (*slot_of)(slice key); /* cluster mode: the key's slot; NULL: tokens have slot 0 */
    uint64_t token_mask; /* 0: all bits of a token count. Tests clear bits so that keys collide. */
} keydir_shared;

/* Entries per keydir_free_some(1), at most about: a chunk of the smallest. */
#define KEYDIR_CHUNK_ENTRIES 4096

keydir *keydir_new(const keydir_shared *s);
void keydir_free(keydir *k);
/* Drops the keydir in slices of at most `chunks` arena chunks (a few microseconds each); true when
 * it is gone. No other call in between. Entries held only by references go too. */
bool keydir_free_some(keydir *k, size_t chunks);

uint64_t keydir_token(const keydir_shared *s, slice key);

/* ---- one key -------------------------------------------------------------------------------- */

/* `token` is keydir_token(key) in all of these. ARENA_NONE if the key is not there. */
arena_ref keydir_find(const keydir *k, uint64_t token, slice key);
/* The entry of that token whose record lies at that place; ARENA_NONE if there is none. */
arena_ref keydir_find_place(const keydir *k, uint64_t token, uint16_t segment, uint32_t offset);

static inline char *keydir_at(const keydir_shared *s, arena_ref r) {
    return arena_at(s->arena, r);
}

/* Inserts or replaces; returns the new entry. *old: the entry that was replaced, or ARENA_NONE.
 * The slices of e are copied and may lie in the old entry. */
arena_ref keydir_put(keydir *k, uint64_t token, const kdent *e, arena_ref *old);
/* Takes the key out; returns its entry, or ARENA_NONE if it was not there. */
arena_ref keydir_remove(keydir *k, uint64_t token, slice key);
/* Undoes one keydir_put (both as it gave them) or keydir_remove (old, ARENA_NONE), the latest
 * change of that key: the old entry is back, the new one is freed. */
void keydir_undo(keydir *k, arena_ref old, arena_ref new_ref);
/* Frees an entry that the keydir does not hold. */
void keydir_free_entry(keydir *k, arena_ref r);

/* A merge moved the record of the entry r, which the keydir holds, to another place where it takes
 * `size` bytes. In place unless `size` needs more bytes; returns the entry's reference, which is
 * r or, in that rare case, a new one, r being freed. */
arena_ref keydir_moved(keydir *k, arena_ref r, uint16_t segment, uint32_t offset, uint32_t size);

/* How far a search for a token has come; zeros before it begins. Good until a page or a node is
 * made or goes, and found out anew then; slots move without that, so the entry there may be
 * another. */
typedef struct keydir_spot {
    uint64_t x;     /* the token, as pages have it */
    uint64_t shape; /* of the keydir then; no two ever have the same */
    arena_ref page; /* where x belongs, or a node above that; ARENA_NONE: there is nothing */
    uint32_t at;    /* the first slot with its tag, or beyond the last one */
} keydir_spot;

/* Brings the key's entry nearer by one step: the lower node or the page, the page, its slot, its
 * entry. Each but the first wants the one before it to have been taken a while ago. */
#define KEYDIR_STEPS 4
void keydir_prefetch(const keydir *k, uint64_t token, unsigned step, keydir_spot *spot);
/* The first entry that may be the key of that token, going by tags; ARENA_NONE if there is none. */
arena_ref keydir_guess(const keydir *k, uint64_t token, keydir_spot *spot);
/* The key's entry if that is at the spot; ARENA_NONE says nothing. */
arena_ref keydir_find_at(const keydir *k, const keydir_spot *spot, slice key);
/* keydir_put, which looks at the spot first. */
arena_ref keydir_put_at(keydir *k, uint64_t token, const keydir_spot *spot, const kdent *e,
                        arena_ref *old);

/* ---- filling an empty one -------------------------------------------------------------------- */

typedef struct keydir_build keydir_build;
/* REQUIRES: k is empty; nothing else is done with it until the end. */
keydir_build *keydir_build_new(keydir *k);
/* Adds an entry, as kdent_encode makes it, and returns it; its key comes behind all before it, by
 * token, then by key. */
arena_ref keydir_build_add(keydir_build *b, uint64_t token, slice entry);
/* The keydir has all that was added; frees b, which may be NULL. */
void keydir_build_end(keydir_build *b);

/* ---- many ----------------------------------------------------------------------------------- */

uint64_t keydir_count(const keydir *k);
uint64_t keydir_expires(const keydir *k); /* entries with an expire time */

/* Cluster mode only: entries of one slot. Logarithmic. */
uint64_t keydir_slot_count(const keydir *k, unsigned slot);

/* A walk in token order, valid until the keydir changes. */
typedef struct keydir_iter {
    const keydir *k;
    uint64_t end; /* first token after the page */
    arena_ref page;
    uint32_t at;
} keydir_iter;

/* At the first entry with a token >= from. */
void keydir_seek(const keydir *k, uint64_t from, keydir_iter *it);
/* The entry there, stepping on; ARENA_NONE at the end. *token, if not NULL, costs a hash. */
arena_ref keydir_next(keydir_iter *it, uint64_t *token);

/* Visits entries in token order from token `from` until `want` or a few more are visited: all
 * entries of one token come in one call. Returns the token to go on from, 0 at the end. `each` must
 * not change the keydir. */
uint64_t keydir_scan(const keydir *k, uint64_t from, size_t want,
                     void (*each)(void *ctx, arena_ref r), void *ctx);

/* An entry at random, each with the same chance; ARENA_NONE if there is none. */
arena_ref keydir_random(const keydir *k, rng *r);

/* Bytes of this keydir's entries, pages and nodes. What the arena really takes is arena_bytes(). */
uint64_t keydir_bytes(const keydir *k);

/* Walks everything and aborts on a broken invariant. */
void keydir_check(const keydir *k);

#endif
