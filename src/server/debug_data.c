/* DEBUG POPULATE, and what looks into structures that redis-server has: SDSLEN, LISTPACK,
 * QUICKLIST, HTSTATS.
 *
 * Test suites call the latter to see that a value is of the encoding they mean; so they answer by
 * the encoding that OBJECT ENCODING tells, with the errors of redis-server, and with numbers of our
 * own where there are any. */
#include "base/num.h"
#include "server/debug_keys.h"
#include "session/reply.h"
#include "types/string.h"

#include <stdio.h>

#define POPULATE_BATCH 1000 /* keys that are made together */
#define POPULATE_BYTES (64 << 20)

/* ---- POPULATE ----------------------------------------------------------------------------------
 */

/* What the command was asked for. */
typedef struct populate {
    slice prefix;
    int64_t count, size; /* size 0: as long as it is */
    buf key, value;
} populate;

/* Makes "PREFIX:i" with "value:i", cut or filled with zeros to its size, unless it is there. */
static engine_result add_key(client *c, populate *p, int64_t i) {
    enum ks_presence found;
    buf_clear(&p->key);
    buf_append_slice(&p->key, p->prefix);
    buf_printf(&p->key, ":%lld", (long long)i);
    slice key = buf_slice(&p->key);
    engine_result r = ks_presence(c->ks, c->db, key, &found);
    if (r != ENGINE_OK || found == KS_LIVE) return r;
    buf_clear(&p->value);
    buf_printf(&p->value, "value:%lld", (long long)i);
    while (p->size > 0 && p->value.len < (size_t)p->size)
        buf_append_char(&p->value, '\0');
    if (p->size > 0) p->value.len = (size_t)p->size;
    r = string_set(c->ks, c->db, key, buf_slice(&p->value), ENGINE_NO_EXPIRE, 0, 0);
    if (r == ENGINE_OK) ks_touched(c->ks, c->db, key);
    return r;
}

/* In batches, unless others are around this one: what is made stays, if the command is interrupted,
 * and is found there when it runs again. */
static engine_result add_keys(client *c, populate *p) {
    for (int64_t i = 0; i < p->count; i++) {
        engine_result r = add_key(c, p, i);
        if (r != ENGINE_OK) return r;
        if (i % POPULATE_BATCH != POPULATE_BATCH - 1 || ks_in_inner_batch(c->ks)) continue;
        ks_commit(c->ks);
        ks_begin(c->ks);
    }
    return ENGINE_OK;
}

/* POPULATE count [prefix] [size] */
command_result debug_populate(client *c) {
    static const char error[] = "ERR value is out of range, must be positive";
    populate p = {.prefix = SLICE("key")};
    if (c->argc > 5) return reply_sub_syntax(c);
    if (!arg_i64_range(c, 2, 0, INT64_MAX, &p.count, error)) return CMD_REFUSED;
    if (c->argc > 3) p.prefix = c->argv[3];
    if (c->argc > 4 && !arg_i64_range(c, 4, 0, POPULATE_BYTES, &p.size, error)) return CMD_REFUSED;
    engine_result r = add_keys(c, &p);
    buf_free(&p.key);
    buf_free(&p.value);
    if (r != ENGINE_OK) return reply_engine(c, r);
    reply_ok(c);
    return CMD_DONE;
}

/* ---- structures --------------------------------------------------------------------------------
 */

/* The encoding of the key at argument 2; not CMD_DONE: there is none, or it must be waited for. */
static command_result look(client *c, const char **encoding, uint64_t *bytes) {
    entry ent;
    engine_result r = ks_get(c->ks, c->db, c->argv[2], KS_NO_TOUCH | KS_NO_STATS, &ent);
    if (r == ENGINE_ABSENT) return reply_no_key(c);
    if (r != ENGINE_OK) return reply_engine(c, r);
    *bytes = ent.value.len;
    client_depends_on_end(c);
    if ((r = debug_encoding(c, &ent, encoding)) != ENGINE_OK) return reply_engine(c, r);
    return CMD_DONE;
}

/* The key's and value's lengths: what is kept is as long as what is said. */
command_result debug_sdslen(client *c) {
    const char *encoding;
    uint64_t n;
    char text[160];
    command_result r = look(c, &encoding, &n);
    if (r != CMD_DONE) return r;
    if (strcmp(encoding, "raw") != 0 && strcmp(encoding, "embstr") != 0)
        return reply_error(c, "ERR Not an sds encoded string.");
    string s;
    engine_result found = string_open(c->ks, c->db, c->argv[2], KS_NO_TOUCH | KS_NO_STATS, &s);
    if (found != ENGINE_OK) return reply_engine(c, found);
    snprintf(text, sizeof text,
             "key_sds_len:%zu, key_sds_avail:0, key_zmalloc: %zu, val_sds_len:%llu, "
             "val_sds_avail:0, val_zmalloc: %llu",
             c->argv[2].len, c->argv[2].len, (unsigned long long)s.len, (unsigned long long)s.len);
    reply_simple(c, text);
    return CMD_DONE;
}

/* There is nothing to print but that it is one. */
static command_result tell_structure(client *c, const char *wanted, const char *name) {
    const char *encoding;
    uint64_t n;
    command_result r = look(c, &encoding, &n);
    if (r != CMD_DONE) return r;
    if (strcmp(encoding, wanted) != 0)
        return reply_error(c, "ERR Not a %s encoded object.", wanted);
    reply_simple(c, name);
    return CMD_DONE;
}

command_result debug_listpack(client *c) {
    return tell_structure(c, "listpack", "Listpack structure printed on stdout");
}

command_result debug_quicklist(client *c) {
    return tell_structure(c, "quicklist", "Quicklist structure printed on stdout");
}

/* Of a database: how many keys its index has, and how many of them a time to live. */
command_result debug_htstats(client *c) {
    int64_t db;
    engine_db_stats st;
    buf text = {0};
    if (!arg_i64(c, 2, &db)) return CMD_REFUSED;
    if (db < 0 || db >= ks_databases(c->ks)) return reply_error(c, "ERR Out of range database");
    engine_db_stats_of(ks_engine(c->ks), (uint32_t)db, &st);
    buf_printf(&text,
               "[Dictionary HT]\n number of elements: %llu\n[Expires HT]\n number of "
               "elements: %llu\n",
               (unsigned long long)st.keys, (unsigned long long)st.expires);
    resp_verbatim(&c->out, c->proto, buf_slice(&text), "txt");
    buf_free(&text);
    client_depends_on_end(c);
    return CMD_DONE;
}
