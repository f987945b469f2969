/* stream: entries in the order of their IDs, and groups of consumers that share them.
 *
 * Every function that returns an engine_result may answer PENDING or ERROR. stream_group.h has the
 * groups. README.md has the format and the invariants. */
#ifndef STAVE_TYPES_STREAM_H
#define STAVE_TYPES_STREAM_H

#include "types/elements.h"

extern const el_type stream_type;
/* type_class.encoding: always "stream". */
engine_result stream_encoding(elements *el, const char **name);

/* ---- IDs ----------------------------------------------------------------------------------------
 */

typedef struct stream_id {
    uint64_t ms, seq;
} stream_id;

#define STREAM_ID_ZERO ((stream_id){0, 0})
#define STREAM_ID_MAX  ((stream_id){UINT64_MAX, UINT64_MAX})

static inline int stream_id_cmp(stream_id a, stream_id b) {
    if (a.ms != b.ms) return a.ms < b.ms ? -1 : 1;
    return (a.seq > b.seq) - (a.seq < b.seq);
}
static inline bool stream_id_zero(stream_id id) {
    return id.ms == 0 && id.seq == 0;
}
/* To the ID after it, or before it; false if there is none, and it has gone round. */
bool stream_id_up(stream_id *id);
bool stream_id_down(stream_id *id);

/* ---- the stream ---------------------------------------------------------------------------------
 */

/* Where an entry is among the nodes in which redis-server would keep the entries: its node's
 * number, its place there, and the node's bytes as far as it. */
typedef struct stream_node {
    uint64_t number, place, bytes;
    bool same;      /* the entry has the same fields as the node's first */
    uint32_t names; /* of the stream's tail: a hash of its fields' names */
} stream_node;

typedef struct stream {
    elements el; /* its opening and its fields are the caller's to use */
    /* Of one that does not exist: zeros. */
    stream_id last_id;     /* the greatest there ever was, or as XSETID says */
    uint64_t added;        /* how many entries there ever were, or as XSETID says */
    stream_id max_deleted; /* the greatest that was deleted one by one */

    /* Inside. */
    stream_id newest; /* the last entry's; zero: there is none */
    stream_node tail; /* where the next entry is added */
    uint64_t next_group;
    bool state_changed; /* the header must be written */
} stream;

/* Reads the state of one whose elements (el) have just been opened: el->exists may be false,
 * wrong_type not. */
engine_result stream_load(stream *s);
/* REQUIRED after changes, once: as el_end. Also clears up a little of what was dropped. */
engine_result stream_end(stream *s);
static inline uint64_t stream_length(stream *s) {
    return el_count(&s->el, 0);
}
/* What XSETID and whoever loads a stream set: the three of them, which go together. The caller
 * keeps the invariants: last_id is at least the last entry's ID and max_deleted, added at least the
 * length. The key exists from then on. */
void stream_set_state(stream *s, stream_id last_id, uint64_t added, stream_id max_deleted);
/* How many nodes redis-server would have. */
engine_result stream_nodes(stream *s, uint64_t *nodes);

/* ---- entries ------------------------------------------------------------------------------------
 */

typedef struct stream_entry {
    stream_id id;
    uint64_t ordinal; /* how many had been added when it was */
    stream_node node;
    uint64_t fields;
    slice rest; /* fields and values not yet taken by stream_entry_next */
} stream_entry;

/* False when all have been taken. The slices live as long as the read that gave the entry. */
bool stream_entry_next(stream_entry *e, slice *field, slice *value);
/* Bytes that an entry of these fields and values takes: at most EL_VALUE_MAX may be added. */
uint64_t stream_entry_size(const slice *pairs, size_t n);
/* Adds an entry of n / 2 fields, each with its value. REQUIRES: id > last_id, n even. */
engine_result stream_add(stream *s, stream_id id, const slice *pairs, size_t n);
/* ENGINE_ABSENT: no such entry. */
engine_result stream_get(stream *s, stream_id id, stream_entry *out);
engine_result stream_del(stream *s, stream_id id);

/* A walk over entries from `first` on, in either direction, as far as `last`. ENGINE_ABSENT at the
 * end. Invalid after any change of the stream. */
typedef struct stream_walk {
    stream *s;
    el_iter it;
    stream_id last;
    bool backward;
    stream_entry at;
} stream_walk;
engine_result stream_walk_begin(stream *s, stream_id first, stream_id last, bool backward,
                                stream_walk *out);
engine_result stream_walk_next(stream_walk *w);
/* The ID of the first entry, zero if there is none. */
engine_result stream_first(stream *s, stream_id *id);
/* Of the last one. */
static inline stream_id stream_newest(const stream *s) {
    return s->newest;
}

/* What XTRIM and XADD trim by. */
typedef struct stream_trim {
    bool by_id;
    bool nodes;      /* only whole nodes go, as `~` says */
    uint64_t length; /* how many may stay */
    stream_id min;   /* by_id: what is less may go */
    uint64_t limit;  /* by nodes: how many go at most; 0: no limit */
} stream_trim;
engine_result stream_cut(stream *s, const stream_trim *trim, uint64_t *deleted);

/* ---- distances (entries-read and lag) -------------------------------------------------------- */

#define STREAM_UNKNOWN (-1)
/* May entries after `from` have been deleted one by one? first: stream_first's. */
bool stream_holes_after(stream *s, stream_id first, stream_id from);
/* How many entries had been added when id was, as redis-server works it out, or STREAM_UNKNOWN. */
int64_t stream_distance(stream *s, stream_id first, stream_id id);

#endif
