/* string: the string type over the keyspace: whole values, ranges, edits in place.
 *
 * A value is *flat* (the main entry's value) or *chunked* (a collection whose map 0 has a piece of
 * STRING_CHUNK bytes for each chunk number; README.md has the format). Callers need not know which.
 * Nothing here knows of clients, replies or arguments. Every function that returns an engine_result
 * may answer PENDING or ERROR: the command passes it on, and its batch is aborted. */
#ifndef STAVE_TYPES_STRING_H
#define STAVE_TYPES_STRING_H

#include "keyspace/keyspace.h"

#define STRING_CHUNK    4096u
#define STRING_FLAT_MAX (256u * 1024) /* a longer value is chunked from its first SET */
#define STRING_FLAT_EDIT_MAX                                                                       \
    (16u * 1024) /* a longer value that is edited in place becomes chunked */
#define STRING_MAX (STRING_CHUNK * ((uint64_t)1 << 32))

/* Bits of entry.hint: what OBJECT ENCODING must know and the bytes do not say. On disk. */
enum string_hint {
    STRING_EDITED = 1, /* was changed in place: "raw", however short */
    STRING_TEXT = 2,   /* never "int": what INCRBYFLOAT wrote */
};

/* A value that is open for reading; an edit begins from one. */
typedef struct string {
    keyspace *ks;
    uint32_t db;
    slice key;
    bool exists;     /* else a string of length 0 */
    bool wrong_type; /* there is a key of another type: only `ent` may be used */
    bool chunked;
    uint64_t len;
    entry ent;        /* ent.value: the bytes of a flat value, as long as rule E3 says */
    engine_coll coll; /* of a chunked value */
    log_pos pos;      /* the latest position of what was read of it: what a reply depends on */
} string;

/* ENGINE_OK also if the key is absent or of another type: see the fields. flags: ks_get's. */
engine_result string_open(keyspace *ks, uint32_t db, slice key, unsigned flags, string *out);
/* From an entry that ks_get gave with its value. */
engine_result string_of_entry(keyspace *ks, uint32_t db, slice key, const entry *ent, string *out);
/* "int", "embstr" or "raw". */
const char *string_encoding(const string *s);

/* ---- reading ----------------------------------------------------------------------------------
 */

/* A walk over the bytes from .. to-1, cut to the value's length. While it lasts the engine must not
 * be called by others. */
typedef struct string_cursor {
    string *s;
    uint64_t at, end;
    map_iter it;
    bool sought, past;  /* has `it` a position; is it beyond the last chunk */
    uint32_t chunk;     /* its chunk's number, */
    uint32_t chunk_len; /* and how many bytes are stored of it */
} string_cursor;

void string_range(string *s, uint64_t from, uint64_t to, string_cursor *c);
/* The next run of bytes; run->data NULL means that many zeros. ENGINE_ABSENT at the end. The run
 * lives until the next call. */
engine_result string_next(string_cursor *c, slice *run);
/* n bytes at off; what is beyond the end is zeros. */
engine_result string_peek(string *s, uint64_t off, void *out, size_t n);
/* Appends the whole value. */
engine_result string_load(string *s, buf *out);

/* ---- writing ------------------------------------------------------------------------------------
 */

/* Replaces whatever the key holds. expire, hint: of the new entry. access: 0, or of the entry that
 * ks_get has given for this key in this batch. */
engine_result string_set(keyspace *ks, uint32_t db, slice key, slice value, int64_t expire,
                         unsigned hint, uint32_t access);
/* Replaces whatever the key holds by `len` zeros, chunked. */
engine_result string_create(keyspace *ks, uint32_t db, slice key, uint64_t len, string *out);

/* Replaces the value by one of `len` bytes that begins so, zeros behind, in chunks however short it
 * is: for who will often change a few bytes of it. Keeps the expire time. REQUIRES: s just opened;
 * `first` does not lie in the engine. */
engine_result string_set_chunked(string *s, slice first, uint64_t len);

/* Why a number could not be changed. */
typedef enum string_fault {
    STRING_FINE = 0,
    STRING_NOT_INTEGER,
    STRING_NOT_FLOAT,
    STRING_OVERFLOW,
    STRING_NAN,
} string_fault;

/* Adds, and puts the sum; absent counts as 0. A fault changes nothing. REQUIRES: s just opened. */
engine_result string_incr(string *s, int64_t by, int64_t *sum, string_fault *fault);
/* The sum's text goes to out (NUM_LDOUBLE_TEXT bytes). */
engine_result string_incr_float(string *s, long double by, char *out, size_t *len,
                                string_fault *fault);

/* An edit in place. Between begin and end the string is read and written through it alone. */
typedef struct string_edit {
    string *s;
    uint64_t stored_end; /* no chunk that begins here or later is stored */
    bool put_entry;      /* the main entry has changed */
    bool held, dirty;    /* a chunk is in hand; it differs from what is stored */
    bool stored;         /* the chunk in hand is, or may be, stored already */
    uint32_t number;     /* which chunk */
    uint32_t held_len;   /* bytes of it that count; zeros follow */
    char chunk[STRING_CHUNK];
} string_edit;

/* Makes the string (which may be absent) at least `len` bytes long. Takes the scratch buffer until
 * the edit ends. REQUIRES: s was opened with its value, with no call on the engine since. */
engine_result string_edit_begin(string_edit *e, string *s, uint64_t len);
/* What is beyond the end reads as zeros. */
engine_result string_edit_read(string_edit *e, uint64_t off, void *out, size_t n);
/* bytes must not lie in the engine. REQUIRES: off + bytes.len <= the length given to begin. */
engine_result string_edit_write(string_edit *e, uint64_t off, slice bytes);
engine_result string_edit_end(string_edit *e);

#endif
