/* Commands that walk over all keys. A cursor is a place in the order of tokens (engine.h), so there
 * is no state to keep between two calls. */
#include "commands/keys_family.h"

#include "commands/scan_options.h"

#define KEYS_STEP 4096

/* Which keys are wanted; how many were found. */
typedef struct key_filter {
    client *c;
    scan_options options;
    int type; /* -1: any */
    uint64_t found;
} key_filter;

/* For ks_scan, in token order. The type is compared first: it is at hand. */
static void filter_each(void *ctx, slice key, const entry *meta) {
    key_filter *f = ctx;
    if (f->type >= 0 && meta->type != f->type) return;
    if (!scan_wants(&f->options, key)) return;
    f->found++;
    reply_bulk(f->c, key);
}

/* All keys that match, in one reply. */
command_result cmd_keys(client *c) {
    key_filter f = {.c = c, .type = -1};
    uint64_t next = 0;
    size_t at = c->out.len;
    scan_pattern(&f.options, c->argv[1]);
    do {
        ENGINE_TRY(c, ks_scan(c->ks, c->db, next, KEYS_STEP, &next, filter_each, &f));
    } while (next);
    return scan_reply(c, at, NULL, f.found);
}

/* A type's number by its name; ENGINE_TYPES, which no key has, for an unknown one: redis-server 7.2
 * answers with no keys then, and not with an error. */
static int type_by_name(slice name) {
    for (int type = 0; type <= KEY_STREAM; type++)
        if (slice_ieq(name, key_type_name((unsigned)type))) return type;
    return ENGINE_TYPES;
}

/* A few keys from a place in the order of tokens on, and the place to go on from. */
command_result cmd_scan(client *c) {
    key_filter f = {.c = c, .type = -1};
    uint64_t cursor;
    size_t at = c->out.len;
    if (!scan_cursor(c, 1, &cursor) || !scan_options_parse(c, 2, SCAN_TYPE, &f.options))
        return CMD_REFUSED;
    if (f.options.has_type) f.type = type_by_name(f.options.type);
    ENGINE_TRY(c, ks_scan(c->ks, c->db, cursor, f.options.count, &cursor, filter_each, &f));
    return scan_reply(c, at, &cursor, f.found);
}

/* Nil if there is none. */
command_result cmd_randomkey(client *c) {
    buf *key = ks_scratch(c->ks);
    engine_result r = ks_random(c->ks, c->db, key);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    if (r == ENGINE_OK) {
        reply_bulk(c, buf_slice(key));
    } else {
        reply_null(c);
    }
    client_depends_on_end(c);
    return CMD_DONE;
}
