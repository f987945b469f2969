/* XLEN, XRANGE, XREVRANGE, and what all stream commands share: IDs as arguments, lookups, replies
 * with entries.
 *
 * An ID is read as redis-server reads it, which takes what strtoull does: "01-2" is the ID 1-2. How
 * many entries a range has is known when they have been replied, so the array's head is put before
 * them then. */
#include "commands/stream_family.h"

#include "base/num.h"

#include <errno.h>
#include <stdlib.h>

#define ID_TEXT 128 /* a longer text is no ID */

/* ---- IDs ----------------------------------------------------------------------------------------
 */

/* A number as strtoull has it, but that a plain negative one is none. */
static bool parse_part(const char *text, uint64_t *out) {
    int64_t plain;
    char *end;
    if (num_parse_i64(slice_cstr(text), &plain)) {
        *out = (uint64_t)plain;
        return plain >= 0;
    }
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *text && *end == 0;
}

/* The text ends at its first NUL, as a C string does. */
bool stream_text_id(slice text, uint64_t seq, stream_id *out, bool *auto_seq) {
    char copy[ID_TEXT];
    if (auto_seq) *auto_seq = false;
    if (text.len >= sizeof copy) return false;
    if (text.len) memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    char *dash = strchr(copy, '-');
    out->seq = seq;
    if (dash) *dash = 0;
    if (!parse_part(copy, &out->ms)) return false;
    if (!dash) return true;
    if (auto_seq && strcmp(dash + 1, "*") == 0) {
        *auto_seq = true;
        out->seq = 0;
        return true;
    }
    return parse_part(dash + 1, &out->seq);
}

/* What all commands say of it. */
static bool bad_id(client *c) {
    (void)reply_error(c, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

/* Not "-" and not "+". */
bool stream_arg_id(client *c, int i, uint64_t seq, stream_id *out) {
    return stream_text_id(c->argv[i], seq, out, NULL) || bad_id(c);
}

/* An end of an interval, and whether it is not part of it. */
static bool arg_bound(client *c, int i, uint64_t seq, stream_id *out, bool *outside) {
    slice text = c->argv[i];
    *outside = text.len > 1 && text.data[0] == '(';
    if (*outside) return stream_text_id(slice_skip(text, 1), seq, out, NULL) || bad_id(c);
    if (slice_eq(text, SLICE("-"))) {
        *out = STREAM_ID_ZERO;
    } else if (slice_eq(text, SLICE("+"))) {
        *out = STREAM_ID_MAX;
    } else {
        return stream_arg_id(c, i, seq, out);
    }
    return true;
}

/* What is outside makes the next ID the start. */
bool stream_arg_start(client *c, int i, stream_id *out) {
    bool outside;
    if (!arg_bound(c, i, 0, out, &outside)) return false;
    if (!outside || stream_id_up(out)) return true;
    (void)reply_error(c, "ERR invalid start ID for the interval");
    return false;
}

/* A whole millisecond ends with its last ID. */
bool stream_arg_end(client *c, int i, stream_id *out) {
    bool outside;
    if (!arg_bound(c, i, UINT64_MAX, out, &outside)) return false;
    if (!outside || stream_id_down(out)) return true;
    (void)reply_error(c, "ERR invalid end ID for the interval");
    return false;
}

/* Twice the room when it is full; the old one goes with the batch. */
void stream_ids_add(client *c, stream_ids *list, stream_id id) {
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        stream_id *ids = ks_alloc(c->ks, cap * sizeof *ids);
        if (list->n) memcpy(ids, list->ids, list->n * sizeof *ids);
        list->ids = ids;
        list->cap = cap;
    }
    list->ids[list->n++] = id;
}

/* The first that is none ends it: then nothing has been done. */
bool stream_arg_ids(client *c, int from, stream_ids *out) {
    stream_id id;
    *out = (stream_ids){0};
    for (int i = from; i < c->argc; i++) {
        if (!stream_arg_id(c, i, 0, &id)) return false;
        stream_ids_add(c, out, id);
    }
    return true;
}

/* ---- lookups ------------------------------------------------------------------------------------
 */

/* Absent streams have an empty state. */
command_result stream_lookup(client *c, slice key, unsigned flags, stream *out) {
    STEP_TRY(data_elements(c, key, &stream_type, flags, &out->el));
    ENGINE_TRY(c, stream_load(out));
    return CMD_DONE;
}

/* A name in a message: as redis-server prints it, up to a NUL, and no end to its length. */
static void append_name(buf *b, const char *before, slice name) {
    buf_append_slice(b, slice_cstr(before));
    buf_append(b, name.data, strnlen(name.data ? name.data : "", name.len));
}

/* The scratch buffer holds the text. */
command_result stream_named_error(client *c, const char *what, slice a, const char *and, slice b,
                                  const char *behind) {
    buf *text = ks_scratch(c->ks);
    buf_clear(text);
    append_name(text, what, a);
    append_name(text, and, b);
    buf_append_slice(text, slice_cstr(behind));
    return reply_error_text(c, buf_slice(text));
}

/* Shows absence. */
command_result stream_no_group(client *c, slice key, slice group, const char *behind) {
    stream_depends(c);
    return stream_named_error(c, "NOGROUP No such key '", key, "' or consumer group '", group,
                              behind);
}

/* XGROUP and XINFO say it the other way round. */
command_result stream_no_such_group(client *c) {
    stream_depends(c);
    return stream_named_error(c, "NOGROUP No such consumer group '", c->argv[3], "' for key name '",
                              c->argv[2], "'");
}

/* Neither key nor group: the same answer. */
command_result stream_lookup_group(client *c, int key, unsigned flags, stream *s, stream_group *g) {
    STEP_TRY(stream_lookup(c, c->argv[key], flags, s));
    engine_result r = stream_group_open(s, c->argv[key + 1], g);
    if (r == ENGINE_ABSENT) return stream_no_group(c, c->argv[key], c->argv[key + 1], "'");
    return r == ENGINE_OK ? CMD_DONE : reply_engine(c, r);
}

/* Redis has no such limit; ours is that of subkeys. */
command_result stream_check_name(client *c, slice name) {
    if (name.len <= STREAM_NAME_MAX) return CMD_DONE;
    return reply_error(c, "ERR name is longer than %u bytes", STREAM_NAME_MAX);
}

/* Not told as a change of the key: nobody who waits for entries cares. */
command_result stream_need_consumer(client *c, stream *s, stream_group *g, slice key, slice name,
                                    stream_consumer **out) {
    int64_t now = ks_now(c->ks);
    STEP_TRY(stream_check_name(c, name));
    engine_result r = stream_consumer_open(s, g, name, out);
    if (r == ENGINE_ABSENT) {
        r = stream_consumer_create(s, g, name, now, out);
        if (r == ENGINE_OK) {
            ks_notify(c->ks, KS_STREAM, "xgroup-createconsumer", c->db, key);
            ks_dirty(c->ks, 1);
        }
    } else if (r == ENGINE_OK && (*out)->seen != now) {
        (*out)->seen = now;
        (*out)->changed = true;
    }
    return r == ENGINE_OK ? CMD_DONE : reply_engine(c, r);
}

/* ---- replies ------------------------------------------------------------------------------------
 */

/* As "ms-seq". */
void stream_reply_id(client *c, stream_id id) {
    char text[2 * NUM_I64_TEXT + 1];
    size_t n = num_format_u64(text, id.ms);
    text[n++] = '-';
    n += num_format_u64(text + n, id.seq);
    reply_bulk(c, slice_of(text, n));
}

/* By value: the entry is used up. */
void stream_reply_entry(client *c, stream_entry e) {
    slice field, value;
    reply_array(c, 2);
    stream_reply_id(c, e.id);
    reply_array(c, (int64_t)e.fields * 2);
    while (stream_entry_next(&e, &field, &value)) {
        reply_bulk(c, field);
        reply_bulk(c, value);
    }
}

/* Memory grows with the reply alone. */
command_result stream_reply_range(client *c, stream *s, stream_id first, stream_id last,
                                  bool backward, uint64_t count, stream_ids *seen) {
    stream_walk w;
    uint64_t n = 0;
    size_t at = c->out.len;
    engine_result r = stream_walk_begin(s, first, last, backward, &w);
    while (r == ENGINE_OK) {
        stream_reply_entry(c, w.at);
        if (seen) stream_ids_add(c, seen, w.at.id);
        if (++n == count) break;
        r = stream_walk_next(&w);
    }
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    data_insert_array(c, at, n);
    return CMD_DONE;
}

/* ---- commands -----------------------------------------------------------------------------------
 */

/* O(1): the engine counts. */
command_result cmd_xlen(client *c) {
    stream s;
    STEP_TRY(stream_lookup(c, c->argv[1], 0, &s));
    stream_depends(c);
    reply_int(c, (int64_t)stream_length(&s));
    return CMD_DONE;
}

/* Both take the greater end where a reader of the reply meets it: XREVRANGE's comes first. */
static command_result range(client *c, bool backward) {
    stream s;
    stream_id start, end;
    int64_t count = -1;
    if (!stream_arg_start(c, backward ? 3 : 2, &start) ||
        !stream_arg_end(c, backward ? 2 : 3, &end))
        return CMD_REFUSED;
    for (int i = 4; i < c->argc; i += 2) {
        if (!arg_is(c, i, "count") || i + 1 == c->argc) return reply_syntax_error(c);
        if (!arg_i64(c, i + 1, &count)) return CMD_REFUSED;
        if (count < 0) count = 0;
    }
    STEP_TRY(stream_lookup(c, c->argv[1], 0, &s));
    stream_depends(c);
    if (!s.el.exists) {
        reply_array(c, 0);
        return CMD_DONE;
    }
    if (count == 0) {
        reply_null_array(c);
        return CMD_DONE;
    }
    return stream_reply_range(c, &s, backward ? end : start, backward ? start : end, backward,
                              count < 0 ? 0 : (uint64_t)count, NULL);
}

command_result cmd_xrange(client *c) {
    return range(c, false);
}
command_result cmd_xrevrange(client *c) {
    return range(c, true);
}
