/* model: the nouns of engine.h: results, positions, entries, collections, options. */
#ifndef STAVE_ENGINE_MODEL_H
#define STAVE_ENGINE_MODEL_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/metric.h"
#include "base/setting.h"
#include "io/env.h"

/* A place in the log: file number << 32 | offset. Later is greater. */
typedef uint64_t log_pos;

#define ENGINE_DBS_MAX    65536
#define ENGINE_DB_SYSTEM  ENGINE_DBS_MAX /* see engine.h */
#define ENGINE_KEY_MAX    (1u << 20) /* bytes of a key, and of a subkey: BTREE limits apply there */
#define ENGINE_SUBKEY_MAX 65000u
#define ENGINE_VALUE_MAX  (1u << 20) /* bytes of one value; longer strings are chunks */
#define ENGINE_NO_EXPIRE  0          /* expire times are ms since the epoch, > 0 */
#define ENGINE_MAPS       8          /* map numbers are 0 .. 7 */
#define ENGINE_TYPES      16         /* type numbers are 0 .. 15, given by types/ */
#define ENGINE_DERIVED    7          /* the map that is made of map 0, see engine_options.derive */

typedef enum engine_result {
    ENGINE_OK = 0,
    ENGINE_ABSENT,  /* no such key, or past the end */
    ENGINE_PENDING, /* see E2 */
    ENGINE_ERROR,   /* engine_error() has the status; the batch must be aborted */
} engine_result;

typedef struct engine engine;

/* What a main entry holds. `coll` is 0 or the id of the collection that the entry owns: putting an
 * entry with another coll, or deleting it, drops the old collection (O(1) for the caller). */
typedef struct entry {
    uint8_t type;    /* 0 .. ENGINE_TYPES-1 */
    uint8_t hint;    /* 4 bits that the type keeps for itself (a string's "was appended to") */
    uint32_t access; /* 24 bits of LRU/LFU state, RAM only */
    int64_t expire;  /* ENGINE_NO_EXPIRE or ms since the epoch */
    uint64_t coll;
    slice value;  /* engine_get: bytes (E3). engine_meta: empty */
    log_pos pos;  /* what a reply that shows this entry depends on */
    uint64_t ref; /* the engine's own, for engine_set_access until the next change */
} entry;

typedef enum engine_fsync {
    ENGINE_FSYNC_NO,
    ENGINE_FSYNC_EVERYSEC,
    ENGINE_FSYNC_ALWAYS
} engine_fsync;

/* For whom reads are made (engine_read_for): a command that can wait, and run again. Zeroed but for
 * `ready`: it has asked for nothing. The owner's, and stays where it is until engine_reader_end. */
typedef struct engine_reader {
    /* All that it has asked for is there, or could not be read: run again. Called at any time but
     * within a call of the engine's reads and changes; must not call the engine. */
    void (*ready)(struct engine_reader *r);
    struct fetch_hold *holds; /* the engine's: what was read for it, and what is on its way */
    uint64_t bytes;           /* of all that came for it */
    uint64_t held;            /* of that, bytes that are there for it */
    uint64_t held_before;     /* when it was last ready */
    uint64_t bytes_before;    /* when it was last ready */
    uint32_t blocks;          /* how many pieces that is */
    uint32_t waits;           /* on their way: if none, `ready` will not be called */
    uint32_t rounds;          /* how often it was ready */
    uint32_t lean;            /* .. though little had come, compared with what it had. Its owner may
                                 clear it: running again costs him next to nothing */
    uint32_t vain;            /* .. though nothing had come that stays */
    /* The owner's: what is asked for is for commands to come too, and after this one's end only the
     * page cache has it. */
    bool by_pages;
} engine_reader;

/* What the engine asks of its owner. All may be NULL. */
typedef struct engine_host {
    void (*ready)(void *ctx);    /* a read that was PENDING for no reader can be tried again: no
                                    engine with a disk says so */
    void (*released)(void *ctx); /* engine_released() moved, or the log failed: look again */
    void (*loading)(void *ctx, uint64_t done_bytes, uint64_t total_bytes); /* during open, often */
    void *ctx;
} engine_host;

/* Map ENGINE_DERIVED of a collection is a pure function of its map 0. Whoever changes map 0 changes
 * that one too, in the same batch; but an engine may leave it out of its log and make it again at a
 * start by this. Values there are empty, expire is none. Types that have no derived map leave that
 * one alone. */
typedef struct engine_derive {
    uint16_t types;    /* bit 1 << type: its collections have a derived map */
    uint16_t by_value; /* of those, in which the value matters; for others it may be given empty */
    /* Appends to out the derived subkey of an element that a collection owned by an entry of this
     * type has in map 0, and is true; false if it has none. Different subkeys have different ones.
     */
    bool (*subkey)(uint8_t type, slice subkey, slice value, int64_t expire, buf *out);
} engine_derive;

typedef struct engine_options {
    const char *dir;
    const io_env *env;
    engine_host host;
    int databases;                  /* logical databases: 1 .. ENGINE_DBS_MAX */
    bool cluster;                   /* tokens begin with the key's slot */
    uint16_t (*slot_of)(slice key); /* with cluster */
    const hash_key *hash; /* of a store that is made now, so that its tokens are those of another
                             store; NULL: a random one */
    const engine_derive *derive; /* NULL: there are no derived maps */
} engine_options;

/* Totals of one logical database. Exact. */
typedef struct engine_db_stats {
    uint64_t keys, expires;
    int64_t avg_ttl_sample; /* 0 unless the engine knows better */
} engine_db_stats;

/* State of one collection's use, made by engine_coll_open / engine_coll_new and passed to the map
 * calls; the caller owns the struct, and `key` must live as long as it is used. A change of the
 * main entry by other calls makes it invalid. Where the collection really is (packed in its main
 * entry, or apart) is the engine's affair. */
typedef struct engine_coll {
    uint32_t db;
    slice key;
    uint64_t id;
    uint64_t priv;
} engine_coll;

/* An iterator over one map: invalid after a change of its collection, whichever map that is in;
 * seek again. Other changes leave it good. It holds no memory. */
typedef struct map_iter {
    slice subkey, value; /* E3 */
    int64_t expire;
    log_pos pos;
    uint64_t priv[6];
} map_iter;

#endif
