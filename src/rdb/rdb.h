/* rdb: one value in the RDB encoding, as DUMP gives it and RESTORE takes it: its type, what it
 * holds, the version of the encoding, a checksum. README.md draws it byte by byte.
 *
 * rdb_decode is a pure function over bytes that nobody has checked: it hands over what they hold,
 * one element at a time. rdb_load puts that into a key. rdb_save is the other direction. */
#ifndef STAVE_RDB_RDB_H
#define STAVE_RDB_RDB_H

#include "types/stream.h"

/* What is written, and the newest that is read. */
#define RDB_VERSION_WRITTEN 10 /* redis-server 7.0 reads it; */
#define RDB_VERSION_FIELDS  12 /* but for fields that expire: 7.4 */
#define RDB_VERSION_MAX     12
#define RDB_FOOTER          10 /* u16 version, u64 checksum */

/* The number before a value. On the wire: never renumber. */
enum rdb_type {
    RDB_STRING = 0,
    RDB_LIST = 1,
    RDB_SET = 2,
    RDB_ZSET_TEXT = 3, /* scores as text */
    RDB_HASH = 4,
    RDB_ZSET = 5,
    RDB_HASH_ZIPMAP = 9,
    RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11,
    RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13,
    RDB_LIST_ZIPLISTS = 14, /* a quicklist's nodes */
    RDB_STREAM_1 = 15,
    RDB_HASH_LISTPACK = 16,
    RDB_ZSET_LISTPACK = 17,
    RDB_LIST_LISTPACKS = 18,
    RDB_STREAM_2 = 19,
    RDB_SET_LISTPACK = 20,
    RDB_STREAM_3 = 21,
    RDB_HASH_EXPIRES_RC = 22, /* as 24 and 25, before 7.4 was out */
    RDB_HASH_LISTPACK_EXPIRES_RC = 23,
    RDB_HASH_EXPIRES = 24,
    RDB_HASH_LISTPACK_EXPIRES = 25,
};

/* The type of key that a value of this type makes (enum key_type); -1: no such type. */
int rdb_key_type(unsigned type);

/* ---- decoding -----------------------------------------------------------------------------------
 */

/* What an item is, and which fields of it are good. */
enum rdb_item_kind {
    RDB_ITEM_STRING,   /* a: the value */
    RDB_ITEM_ELEMENT,  /* of a list, in order: a */
    RDB_ITEM_MEMBER,   /* of a set: a */
    RDB_ITEM_SCORED,   /* of a sorted set: a, score */
    RDB_ITEM_FIELD,    /* of a hash: a, its value b, expire (0: never) */
    RDB_ITEM_ENTRY,    /* of a stream, ascending: id, parts: fields and values by turns */
    RDB_ITEM_STREAM,   /* after its entries: stream */
    RDB_ITEM_GROUP,    /* then each group: a: name, id: last delivered, count: entries read, -1 if
                          that is not known */
    RDB_ITEM_CONSUMER, /* then each of its consumers: a: name, seen, active (-1: never) */
    RDB_ITEM_PENDING,  /* then what that has to acknowledge: id, seen: delivered when, count: how
                          often */
};

typedef struct rdb_item {
    unsigned kind;
    slice a, b;
    double score;
    int64_t expire;
    stream_id id;
    const slice *parts;
    size_t nparts;
    int64_t count, seen, active;
    struct {
        stream_id last, first, max_deleted;
        uint64_t length, added;
    } stream;
} rdb_item;

/* Takes an item; slices live until it returns. Anything but ENGINE_OK ends the decoding. */
typedef engine_result (*rdb_sink)(void *ctx, const rdb_item *item);

/* The value in a payload's body: type and contents, without footer. ENGINE_ABSENT: malformed; items
 * may have been handed over by then. Duplicates are handed over. */
engine_result rdb_decode(slice body, rdb_sink sink, void *ctx);

/* ---- payloads -----------------------------------------------------------------------------------
 */

typedef enum rdb_fault {
    RDB_FINE = 0,
    RDB_BAD_FOOTER, /* version or checksum */
    RDB_MALFORMED,
    RDB_TOO_LONG, /* well-formed; an element is longer than this server takes */
} rdb_fault;

/* Type and contents. REQUIRES: there is a footer. */
static inline slice rdb_body(slice payload) {
    return slice_of(payload.data, payload.len - RDB_FOOTER);
}
/* Are the version and the checksum, which is of all before it, good? Then there is a footer. */
bool rdb_footer_is_good(slice payload);
/* Ends a payload that begins at `start` in its buffer. */
void rdb_put_footer(buf *out, size_t start, unsigned version);
/* Is the whole payload what rdb_load can load? Changes nothing; no duplicates are left then. */
rdb_fault rdb_check(slice payload);
/* Replaces whatever the key holds by the value of a payload that rdb_check found fine. expire:
 * ENGINE_NO_EXPIRE, or when the key expires. */
engine_result rdb_load(keyspace *ks, uint32_t db, slice key, slice payload, int64_t expire);
/* Appends the payload of the key's value; ent: just read, with its value. Half of one is left
 * behind if a read is pending or fails. */
engine_result rdb_save(keyspace *ks, uint32_t db, slice key, const entry *ent, buf *out);

/* ---- libraries of functions (library.c) ---------------------------------------------------------
 */

typedef enum rdb_library {
    RDB_LIBRARY_TAKEN,
    RDB_LIBRARY_OLD,  /* of a form before redis-server 7.0 */
    RDB_LIBRARY_NONE, /* something else is next */
    RDB_LIBRARY_BAD,  /* malformed */
} rdb_library;

void rdb_put_library(buf *out, slice code);
/* The next one of a body. *code lies in the input or in *room. */
rdb_library rdb_take_library(slice *in, buf *room, slice *code);

#endif
