/* Loading a stream: its entries, then what it knows of itself, then each group with its consumers
 * and what is pending for them. A group is written when the next begins, and the last at the end.
 *
 * Entries are added as XADD would, so that nodes (XTRIM ~, XINFO) come out as redis-server would
 * fill them from these entries; where the payload cut its nodes is not kept. */
#include "base/log.h"
#include "rdb/load_int.h"
#include "types/stream_group.h"

typedef struct stream_loader {
    stream s;
    bool in_group;
    stream_group group;
    stream_consumer *consumer; /* of the group */
} stream_loader;

/* Writes the group that is open, if there is one. */
static engine_result end_group(stream_loader *l) {
    if (!l->in_group) return ENGINE_OK;
    l->in_group = false;
    return stream_group_end(&l->s, &l->group);
}

/* The one before is complete, and is written. */
static engine_result begin_group(stream_loader *l, const rdb_item *x) {
    engine_result r = end_group(l);
    if (r != ENGINE_OK) return r;
    r = stream_group_create(&l->s, x->a, x->id, x->count, &l->group);
    CHECK(r != ENGINE_ABSENT); /* checked: no two have one name */
    l->in_group = r == ENGINE_OK;
    return r;
}

/* It is open until its group ends: what is pending for it follows. */
static engine_result begin_consumer(stream_loader *l, const rdb_item *x) {
    engine_result r = stream_consumer_open(&l->s, &l->group, x->a, &l->consumer);
    CHECK(r != ENGINE_OK);
    if (r != ENGINE_ABSENT) return r;
    r = stream_consumer_create(&l->s, &l->group, x->a, x->seen, &l->consumer);
    if (r != ENGINE_OK) return r;
    l->consumer->active = x->active;
    l->consumer->changed = true;
    return r;
}

/* Of the consumer that came last. */
static engine_result put_pending(stream_loader *l, const rdb_item *x) {
    stream_pending p = {
        .id = x->id, .consumer = l->consumer, .time = x->seen, .deliveries = (uint64_t)x->count};
    return stream_pending_put(&l->s, &l->group, &p, NULL);
}

/* The sink. */
static engine_result take(void *ctx, const rdb_item *x) {
    stream_loader *l = ctx;
    switch (x->kind) {
    case RDB_ITEM_ENTRY: return stream_add(&l->s, x->id, x->parts, x->nparts);
    case RDB_ITEM_STREAM:
        stream_set_state(&l->s, x->stream.last, x->stream.added, x->stream.max_deleted);
        return ENGINE_OK;
    case RDB_ITEM_GROUP: return begin_group(l, x);
    case RDB_ITEM_CONSUMER: return begin_consumer(l, x);
    case RDB_ITEM_PENDING: return put_pending(l, x);
    default: CHECK(false); return ENGINE_ERROR;
    }
}

/* The state is set when all entries are there, as the payload has it, and the groups come after it.
 */
engine_result load_stream(loader *l, slice body) {
    stream_loader sl = {0};
    el_create(l->ks, l->db, l->key, &stream_type, &sl.s.el);
    engine_result r = stream_load(&sl.s);
    if (r == ENGINE_OK) r = rdb_decode(body, take, &sl);
    CHECK(r != ENGINE_ABSENT);
    if (r == ENGINE_OK) r = end_group(&sl);
    if (r != ENGINE_OK) return r;
    sl.s.el.ent.expire = l->expire;
    return stream_end(&sl.s);
}
