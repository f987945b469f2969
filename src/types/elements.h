/* elements: what a key of any type but string holds, wherever it is.
 *
 * A key's elements are *packed*, all in the value of its main entry, as long as they are few and
 * short (EL_PACKED_MAX, EL_PACKED_BYTES), or *apart*, each an element of the engine's maps. They
 * become apart when they no longer fit, and stay so. Types are written once over the calls below
 * and need not know which it is. README.md has the format.
 *
 *   map 0                the elements
 *   map 1 .. 5           the type's own (a stream's groups); such elements are always apart
 *   map EL_LONG          pieces of long values of map 0; for these functions alone
 *   map ENGINE_DERIVED   made of map 0 by keyenc_derive_head: kept up by el_put and el_del, read
 *                        with el_seek, el_step, el_rank, el_select; its values are empty
 *
 * Nothing here knows of clients, replies or arguments. Every function that returns an engine_result
 * may answer PENDING or ERROR: the command passes it on and its batch is aborted. Slices that a
 * read gives live until the next call on the engine or on these elements (rule E3). All calls
 * REQUIRE a batch. */
#ifndef STAVE_TYPES_ELEMENTS_H
#define STAVE_TYPES_ELEMENTS_H

#include "types/held.h"

#define EL_PACKED_MAX   128u
#define EL_PACKED_BYTES 2048u
#define EL_LONG         6
#define EL_PIECE        (256u * 1024) /* longer values are cut into such pieces */
#define EL_VALUE_MAX    ((uint64_t)512 << 20)
/* Bytes of a member or field: a longer one must be refused before it gets here. */
#define EL_SUB_MAX 64000u
/* So many lookups of a run were PENDING: is it worth going on to name others, that are asked for
 * together? Lookups that need the same block are one read. */
#define EL_SHARE 32
static inline bool el_may_miss(keyspace *ks, uint64_t misses) {
    const engine *e = ks_engine(ks);
    uint64_t most = engine_ask_most(e);
    return (e->reader ? e->reader->waits : misses) < most && misses < EL_SHARE * most;
}

/* How map 0 of a type is ordered. */
enum el_order {
    EL_AS_PUT,     /* packed: as inserted; apart: by a hash (keyenc_prefix), then by the subkey */
    EL_BY_DERIVED, /* packed: by the derived subkey; apart: as EL_AS_PUT */
    EL_BY_SUBKEY,
};

/* What these functions must know of a type; one for all keys of the type. */
typedef struct el_type {
    uint8_t type;     /* enum key_type */
    uint8_t order;    /* enum el_order */
    bool lives_empty; /* the key stays when its last element goes (a stream) */
} el_type;

typedef struct el_item {
    slice sub, value;
    int64_t expire;  /* the element's own; ENGINE_NO_EXPIRE */
    bool long_value; /* of more than EL_PIECE bytes, and: */
    uint64_t left;   /* so many of them are left where they are, value is empty: see `lean` */
} el_item;

/* One key's elements, open. The caller owns the struct, and frees nothing. `key` must live as long.
 * Of a key that is written only one may be open. */
typedef struct elements {
    keyspace *ks;
    uint32_t db;
    slice key;
    const el_type *type;
    bool exists;     /* there is such a key; without it, there are no elements */
    bool wrong_type; /* but of another type: only `ent` may be used */
    bool packed;
    entry ent;    /* expire, hint, access, pos are good; the value is not */
    slice header; /* bytes that the type keeps in the main entry; el_set_header */
    int64_t wake; /* when the type wants to be woken, 0: never (KS_WAKES); el_set_wake */
    log_pos pos;  /* the latest position of what was read: what a reply that shows it depends on */
    bool deleted; /* el_end has deleted the key */
    bool lean;    /* the caller's to set: reads leave long values where they are: see el_piece */

    /* Inside. */
    bool stored, replaces, entry_changed;
    bool own;         /* bytes may be written to */
    uint32_t count;   /* packed: elements */
    size_t len, cap;  /* packed: */
    char *bytes;      /*   their bytes */
    uint32_t *places; /* packed: where each begins, NULL: not known */
    engine_coll apart;
    el_room *packed_room;       /* el_look's */
    el_room joined;             /* a subkey as the engine has it, for one call */
    el_room long_sub, long_all; /* of the long value that was read last */
} elements;

/* ENGINE_OK also if the key is absent or of another type: see the fields. flags: ks_get's, KS_WRITE
 * if it is to be changed (it may be changed without, for commands whose lookups count as those of
 * reads; a packed one is copied once more then); without KS_META. */
engine_result el_open(keyspace *ks, uint32_t db, slice key, const el_type *type, unsigned flags,
                      elements *out);
/* As el_open, for reading alone: packed elements are copied to that room, and are gone when it is
 * used again. For commands that look at one key after another. */
engine_result el_look(keyspace *ks, uint32_t db, slice key, const el_type *type, unsigned flags,
                      el_room *room, elements *out);
/* From an entry that ks_get has just given with its value. */
engine_result el_of_entry(keyspace *ks, uint32_t db, slice key, const entry *ent,
                          const el_type *type, elements *out);
/* New, empty ones, that replace at el_end whatever the key holds then (nothing, if there are none);
 * until then that can be read. No expire time. */
void el_create(keyspace *ks, uint32_t db, slice key, const el_type *type, elements *out);
/* REQUIRED after changes: puts the main entry if it must be; deletes the key (`deleted`) if no
 * elements are left. Events are the command's affair. */
engine_result el_end(elements *el);
/* The key exists from now on, also without elements (lives_empty). */
void el_make(elements *el);

/* ---- reading ----------------------------------------------------------------------------------
 */

/* Exact, O(1); of ENGINE_DERIVED in a packed one, a walk. */
uint64_t el_count(elements *el, unsigned map);
/* A subkey that is longer than EL_SUB_MAX is absent, here and for el_del. */
engine_result el_get(elements *el, unsigned map, slice sub, el_item *out);

/* A position in a map. Invalid after any change of the elements. */
typedef struct el_iter {
    elements *el;
    unsigned map;
    uint32_t index; /* packed: which one; apart: its hash, if it has one */
    el_item item;   /* what is there; in ENGINE_DERIVED: sub is the derived subkey */
    map_iter it;
} el_iter;

/* The first, the last. Of map 0, unless it is EL_BY_SUBKEY: of no particular order, but that while
 * packed, EL_AS_PUT's is that of insertion and EL_BY_DERIVED's the derived one. */
engine_result el_first(elements *el, unsigned map, el_iter *out);
engine_result el_last(elements *el, unsigned map, el_iter *out);
/* The subkey of the first, or the last; no value is read. REQUIRES: map 0, EL_BY_SUBKEY. */
engine_result el_end_key(elements *el, bool last, slice *out);
/* At the first element >= from, or (backward) the last one <= from; an empty `from` is before all.
 * REQUIRES: not map 0, unless it is EL_BY_SUBKEY. */
engine_result el_seek(elements *el, unsigned map, slice from, bool backward, el_iter *out);
engine_result el_step(el_iter *it, bool backward);
/* As engine_map_rank, engine_map_select: logarithmic if packed or engine_counted, else a walk. */
engine_result el_rank(elements *el, unsigned map, slice sub, uint64_t *rank);
engine_result el_select(elements *el, unsigned map, uint64_t rank, el_iter *out);

/* Of a value that was left where it is: the piece that begins at byte `at`, a multiple of EL_PIECE
 * below item->left; each but the last is EL_PIECE bytes. sub: the element's, in memory of one's
 * own. An iterator can be stepped afterwards. */
engine_result el_piece(elements *el, slice sub, uint64_t at, slice *out);

/* Visits elements of map 0, not EL_BY_SUBKEY, from a cursor (0: the beginning), at least `want` or
 * all (all of a packed one); *next is the cursor to go on from, 0 at the end. An element that is
 * there all the time is seen by a whole scan, whatever else changes. */
engine_result el_scan(elements *el, uint64_t cursor, uint64_t want, uint64_t *next,
                      void (*each)(void *ctx, const el_item *item), void *ctx);
/* One of map 0 at random: uniform if packed or engine_counted, else nearly. ENGINE_ABSENT: none. */
engine_result el_random(elements *el, el_iter *out);

/* ---- changing -----------------------------------------------------------------------------------
 */

/* For `old`: look it up if that matters. */
#define EL_UNKNOWN ((const el_item *)1)
/* Inserts or replaces. sub and value must not lie in what a read of these elements gave: see
 * el_keep. old: what el_get has just found there, NULL if that was nothing, or EL_UNKNOWN; it
 * saves a lookup where there is a derived map. REQUIRES: sub at most EL_SUB_MAX bytes, value at
 * most EL_VALUE_MAX. */
engine_result el_put(elements *el, unsigned map, slice sub, slice value, int64_t expire,
                     const el_item *old);
/* ENGINE_ABSENT if it is not there. old: as above, not NULL. */
engine_result el_del(elements *el, unsigned map, slice sub, const el_item *old);
/* All of them, at the cost of none: those that are apart are dropped by el_end. REQUIRES: they did
 * not go apart since the last el_end. */
void el_clear(elements *el);
/* A copy that lives as long as the batch. */
slice el_keep(elements *el, slice s);

/* The three bits of entry.hint that a type has for itself. */
static inline unsigned el_hint(const elements *el) {
    return el->ent.hint & 7u;
}
void el_set_hint(elements *el, unsigned hint);
void el_set_header(elements *el, slice header); /* copied */
void el_set_wake(elements *el, int64_t when);

#endif
