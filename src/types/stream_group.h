/* stream_group: the groups of a stream, their consumers, and what these have not acknowledged.
 *
 * A command opens a group, changes fields of it and of its consumers (setting `changed`), and puts
 * all that with stream_group_end. Groups, consumers and names live as long as the batch. */
#ifndef STAVE_TYPES_STREAM_GROUP_H
#define STAVE_TYPES_STREAM_GROUP_H

#include "types/stream.h"

#define STREAM_BUCKETS 64
/* Bytes of a group's or consumer's name: a longer one must not be created. */
#define STREAM_NAME_MAX (EL_SUB_MAX - 16)

typedef struct stream_consumer {
    slice name;
    uint64_t number;
    int64_t seen, active; /* ms since the epoch; active -1: never */
    uint64_t pending;
    bool gone;    /* dropped: what is pending for it is no longer there */
    bool changed; /* its record must be written */
    struct stream_consumer *next;
} stream_consumer;

typedef struct stream_group {
    slice name;
    uint64_t number;
    stream_id last_id;
    int64_t entries_read; /* or STREAM_UNKNOWN */
    uint64_t pending, consumers;
    bool changed;

    /* Inside. */
    uint64_t next_consumer;
    stream_consumer *open[STREAM_BUCKETS]; /* those that were looked up, by number */
} stream_group;

/* ENGINE_ABSENT: no such group. The name is kept. */
engine_result stream_group_open(stream *s, slice name, stream_group *out);
/* ENGINE_ABSENT: there is one of that name (and nothing was changed). The key exists afterwards. */
engine_result stream_group_create(stream *s, slice name, stream_id last_id, int64_t entries_read,
                                  stream_group *out);
/* Writes what has changed of it and of its consumers. */
engine_result stream_group_end(stream *s, stream_group *g);
/* With all that is in it. Much of that is cleared up later, by stream_end. */
engine_result stream_group_drop(stream *s, stream_group *g);
/* How many there are. */
engine_result stream_group_count(stream *s, uint64_t *n);
/* The group with the least name greater than `after` (NULL: the first one); ENGINE_ABSENT: none. */
engine_result stream_group_next(stream *s, const slice *after, stream_group *out);
/* What XINFO tells as lag; false: it is not known. After SETID it may be negative. */
bool stream_group_lag(stream *s, stream_id first, const stream_group *g, int64_t *lag);
/* The group has been given this entry, which is after its last: last-delivered-id and entries-read
 * follow. */
void stream_group_advance(stream *s, stream_id first, stream_group *g, stream_id id);

/* ENGINE_ABSENT: no such consumer. */
engine_result stream_consumer_open(stream *s, stream_group *g, slice name, stream_consumer **out);
/* REQUIRES: stream_consumer_open has just found none. */
engine_result stream_consumer_create(stream *s, stream_group *g, slice name, int64_t now,
                                     stream_consumer **out);
/* With what is pending for it; clears up as stream_group_drop does. */
engine_result stream_consumer_drop(stream *s, stream_group *g, stream_consumer *consumer);
/* As stream_group_next. Names alone: what is changed but not written is in the open one. */
engine_result stream_consumer_next(stream *s, stream_group *g, const slice *after,
                                   stream_consumer **out);

/* An entry that was delivered and not acknowledged. */
typedef struct stream_pending {
    stream_id id;
    stream_consumer *consumer;
    int64_t time; /* of the last delivery, ms since the epoch */
    uint64_t deliveries;
} stream_pending;

engine_result stream_pending_get(stream *s, stream_group *g, stream_id id, stream_pending *out);
/* Puts p; was: what stream_pending_get has just found of that ID, NULL if nothing. Counts follow.
 */
engine_result stream_pending_put(stream *s, stream_group *g, const stream_pending *p,
                                 const stream_pending *was);
/* REQUIRES: p has just been found. */
engine_result stream_pending_del(stream *s, stream_group *g, const stream_pending *p);

/* A walk over what is pending, in the order of IDs: of the whole group, or of one consumer. After a
 * change of the stream it goes on with stream_pending_seek. ENGINE_ABSENT at the end. */
typedef struct stream_pending_walk {
    stream *s;
    stream_group *g;
    const stream_consumer *of; /* NULL: all */
    el_iter it;
    stream_pending at; /* of one consumer's: the ID alone */
} stream_pending_walk;
engine_result stream_pending_begin(stream *s, stream_group *g, const stream_consumer *of,
                                   stream_id from, stream_pending_walk *out);
engine_result stream_pending_seek(stream_pending_walk *w, stream_id from);
engine_result stream_pending_next(stream_pending_walk *w);
/* The greatest ID of what is pending in the group; ENGINE_ABSENT: nothing is. */
engine_result stream_pending_last(stream *s, stream_group *g, stream_id *id);

#endif
