/* DEBUG DIGEST: keys' digests, each of name, type, contents and expire time, combined by XOR, so
 * that the order in which they are met does not matter.
 *
 * What counts is what commands would show, not how it is stored: a value that was edited in place,
 * a set whose members came in another order, a list pushed from the other end have the digest of
 * one that was made at once, and both engines give the same. So every value is read through its
 * type:
 *
 *   string        4096 bytes at a time, with their offset
 *   list          values with their index
 *   set, zset     members, with the score's bytes
 *   hash          fields that are not due, with value and expire time
 *   stream        its state, entries; groups, their consumers' names, what is pending
 *
 * A digest is 160 bits of SipHash under three fixed keys: enough to tell two data sets apart in a
 * test, and no more is claimed. It is not the SHA-1 of Redis, and the numbers differ from Redis'.
 */
#include "server/digest.h"

#include "base/codec.h"
#include "base/hash.h"
#include "types/classes.h"
#include "types/hash.h"
#include "types/stream_group.h"
#include "types/string.h"

#include <stdio.h>

#define SCAN_STEP 256

/* Mixes bytes into d: XOR of a hash of them. */
static void mix(digest *d, slice s) {
    for (uint64_t i = 0; i < 3; i++) {
        char word[8];
        put_u64(word, siphash13((hash_key){0x5374617665ull + i, i}, s.data, s.len));
        for (int j = 0; j < 8 && i * 8 + (uint64_t)j < DIGEST_BYTES; j++)
            d->bytes[i * 8 + (uint64_t)j] ^= (unsigned char)word[j];
    }
}

/* What is mixed in at once: bytes with their lengths, so that they can't be read in two ways. */
typedef struct mixer {
    digest *d;
    buf *b;
} mixer;

/* Appends a length and the bytes. */
static void append_counted(buf *b, slice s) {
    char n[8];
    put_u64(n, s.len);
    buf_append(b, n, sizeof n);
    buf_append_slice(b, s);
}

/* Begins something to mix in, of one kind. */
static void begin(mixer *m, char kind) {
    buf_clear(m->b);
    buf_append_char(m->b, kind);
}

static void add(mixer *m, slice s) {
    append_counted(m->b, s);
}

static void add_number(mixer *m, uint64_t v) {
    char n[8];
    put_u64(n, v);
    buf_append(m->b, n, sizeof n);
}

static void add_id(mixer *m, stream_id id) {
    add_number(m, id.ms);
    add_number(m, id.seq);
}

/* What was added since begin. */
static void end(mixer *m) {
    mix(m->d, buf_slice(m->b));
}

/* ---- the types ----------------------------------------------------------------------------------
 */

/* Blocks as they are cut by offset, however the value is stored. */
static engine_result mix_string(mixer *m, string *s) {
    string_cursor cursor;
    slice run;
    uint64_t at = 0;
    engine_result r;
    string_range(s, 0, s->len, &cursor);
    begin(m, 's');
    add_number(m, s->len);
    while ((r = string_next(&cursor, &run)) == ENGINE_OK) {
        for (size_t done = 0; done < run.len;) {
            size_t n = STRING_CHUNK - (size_t)(at % STRING_CHUNK);
            if (n > run.len - done) n = run.len - done;
            for (size_t i = 0; i < n; i++)
                buf_append_char(m->b, run.data ? run.data[done + i] : 0);
            done += n;
            at += n;
            if (at % STRING_CHUNK) continue;
            end(m);
            begin(m, 's');
            add_number(m, at);
        }
    }
    end(m);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* Elements of map 0: with their index (lists), or as they are. */
static engine_result mix_elements(mixer *m, elements *el, bool list) {
    el_iter it;
    engine_result r = el_first(el, 0, &it);
    for (uint64_t index = 0; r == ENGINE_OK; r = el_step(&it, false)) {
        begin(m, 'e');
        if (list) {
            add_number(m, index++);
        } else {
            add(m, it.item.sub);
        }
        add(m, it.item.value);
        end(m);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result mix_hash(mixer *m, elements *el) {
    el_iter it;
    engine_result r = hash_first(el, &it);
    for (; r == ENGINE_OK; r = hash_next(&it)) {
        begin(m, 'f');
        add(m, it.item.sub);
        add(m, it.item.value);
        add_number(m, (uint64_t)it.item.expire);
        end(m);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result mix_entries(mixer *m, stream *s) {
    stream_walk walk;
    slice field, value;
    engine_result r = stream_walk_begin(s, STREAM_ID_ZERO, STREAM_ID_MAX, false, &walk);
    for (; r == ENGINE_OK; r = stream_walk_next(&walk)) {
        begin(m, 'x');
        add_id(m, walk.at.id);
        while (stream_entry_next(&walk.at, &field, &value)) {
            add(m, field);
            add(m, value);
        }
        end(m);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result mix_consumers(mixer *m, stream *s, stream_group *g) {
    stream_consumer *consumer;
    engine_result r = stream_consumer_next(s, g, NULL, &consumer);
    for (; r == ENGINE_OK; r = stream_consumer_next(s, g, &consumer->name, &consumer)) {
        begin(m, 'c');
        add(m, g->name);
        add(m, consumer->name);
        end(m);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result mix_pending(mixer *m, stream *s, stream_group *g) {
    stream_pending_walk walk;
    engine_result r = stream_pending_begin(s, g, NULL, STREAM_ID_ZERO, &walk);
    for (; r == ENGINE_OK; r = stream_pending_next(&walk)) {
        begin(m, 'p');
        add(m, g->name);
        add_id(m, walk.at.id);
        add(m, walk.at.consumer->name);
        add_number(m, (uint64_t)walk.at.time);
        add_number(m, walk.at.deliveries);
        end(m);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result mix_stream(mixer *m, stream *s) {
    engine_result r = stream_load(s);
    if (r != ENGINE_OK) return r;
    begin(m, 'l');
    add_id(m, s->last_id);
    add_id(m, s->max_deleted);
    add_number(m, s->added);
    end(m);
    if ((r = mix_entries(m, s)) != ENGINE_OK) return r;
    stream_group g;
    r = stream_group_next(s, NULL, &g);
    while (r == ENGINE_OK) {
        begin(m, 'g');
        add(m, g.name);
        add_id(m, g.last_id);
        add_number(m, (uint64_t)g.entries_read);
        end(m);
        if ((r = mix_consumers(m, s, &g)) != ENGINE_OK) return r;
        if ((r = mix_pending(m, s, &g)) != ENGINE_OK) return r;
        slice name = g.name;
        r = stream_group_next(s, &name, &g);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* What the key of that entry, just read, holds. */
static engine_result mix_value(mixer *m, keyspace *ks, uint32_t db, slice key, const entry *ent) {
    const type_class *class = type_class_of(ent->type);
    begin(m, 't');
    add_number(m, ent->type);
    end(m);
    if (!class) {
        string s;
        engine_result r = string_of_entry(ks, db, key, ent, &s);
        return r == ENGINE_OK && !s.wrong_type ? mix_string(m, &s) : r;
    }
    stream s = {0};
    engine_result r = el_of_entry(ks, db, key, ent, class->el, &s.el);
    if (r != ENGINE_OK) return r;
    switch (ent->type) {
    case KEY_HASH: return mix_hash(m, &s.el);
    case KEY_STREAM: return mix_stream(m, &s);
    default: return mix_elements(m, &s.el, ent->type == KEY_LIST);
    }
}

/* ---- keys ---------------------------------------------------------------------------------------
 */

engine_result digest_value(keyspace *ks, uint32_t db, slice key, digest *out) {
    memset(out, 0, sizeof *out);
    entry ent;
    engine_result r = ks_get(ks, db, key, KS_NO_TOUCH | KS_NO_STATS, &ent);
    if (r != ENGINE_OK) return r;
    buf b = {0};
    r = mix_value(&(mixer){out, &b}, ks, db, key, &ent);
    buf_free(&b);
    return r;
}

/* The names that one step of a scan met. */
typedef struct names {
    buf bytes; /* varint length, key, 8 bytes of expire time, one after another */
} names;

static void note_name(void *ctx, slice key, const entry *meta) {
    names *n = ctx;
    append_counted(&n->bytes, key);
    buf_append(&n->bytes, &meta->expire, sizeof meta->expire);
}

/* Mixes in one key: its value's digest, bound to where it is and when it goes. */
static engine_result mix_key(keyspace *ks, uint32_t db, slice key, slice expire, digest *out) {
    digest value;
    engine_result r = digest_value(ks, db, key, &value);
    if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
    buf b = {0};
    append_counted(&b, slice_of(&db, sizeof db));
    append_counted(&b, key);
    append_counted(&b, expire);
    append_counted(&b, slice_of(value.bytes, sizeof value.bytes));
    mix(out, buf_slice(&b));
    buf_free(&b);
    return ENGINE_OK;
}

/* Mixes in all keys of a database. */
static engine_result mix_db(keyspace *ks, uint32_t db, digest *out) {
    names n = {{0}};
    engine_result r = ENGINE_OK;
    uint64_t at = 0;
    do {
        buf_clear(&n.bytes);
        r = engine_scan(ks_engine(ks), db, at, SCAN_STEP, &at, note_name, &n);
        slice left = buf_slice(&n.bytes), key, expire;
        uint64_t len;
        while (r == ENGINE_OK && get_u64(&left, &len) && get_bytes(&left, len, &key) &&
               get_bytes(&left, sizeof(int64_t), &expire))
            r = mix_key(ks, db, key, expire, out);
    } while (r == ENGINE_OK && at != 0);
    buf_free(&n.bytes);
    return r;
}

engine_result digest_all(keyspace *ks, digest *out) {
    memset(out, 0, sizeof *out);
    for (int db = 0; db < ks_databases(ks); db++) {
        engine_db_stats st;
        engine_db_stats_of(ks_engine(ks), (uint32_t)db, &st);
        if (st.keys == 0) continue;
        engine_result r = mix_db(ks, (uint32_t)db, out);
        if (r != ENGINE_OK) return r;
    }
    return ENGINE_OK;
}

void digest_hex(const digest *d, char out[2 * DIGEST_BYTES + 1]) {
    for (int i = 0; i < DIGEST_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", d->bytes[i]);
}
