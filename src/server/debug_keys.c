/* DEBUG OBJECT, DIGEST, DIGEST-VALUE: what tests ask of keys.
 *
 * They read values through the types, as commands do, so they may be told PENDING and run again;
 * they are no use of a key, and change nothing. */
#include "server/debug_keys.h"

#include "rdb/rdb.h"
#include "server/digest.h"
#include "session/reply.h"
#include "types/classes.h"
#include "types/string.h"

#define RDB_AROUND 11 /* bytes of DUMP: the type, the version and the CRC */

engine_result debug_encoding(client *c, const entry *ent, const char **name) {
    const type_class *class = type_class_of(ent->type);
    if (class) {
        elements el;
        engine_result r = el_of_entry(c->ks, c->db, c->argv[2], ent, class->el, &el);
        return r == ENGINE_OK ? class->encoding(&el, name) : r;
    }
    string s;
    engine_result r = string_of_entry(c->ks, c->db, c->argv[2], ent, &s);
    *name = s.wrong_type ? "unknown" : string_encoding(&s);
    return r;
}

/* The words of Redis, which client tests look for. The value's place in the log stands for its
 * address; the length is that of DUMP without what is about the payload. */
command_result debug_object(client *c) {
    entry ent;
    const char *encoding = "unknown";
    engine_result r = ks_get(c->ks, c->db, c->argv[2], KS_NO_TOUCH | KS_NO_STATS, &ent);
    if (r == ENGINE_ABSENT) return reply_no_key(c);
    if (r != ENGINE_OK) return reply_engine(c, r);
    log_pos pos = ent.pos;
    uint32_t access = ent.access;
    if ((r = debug_encoding(c, &ent, &encoding)) != ENGINE_OK) return reply_engine(c, r);
    buf text = {0};
    r = ks_get(c->ks, c->db, c->argv[2], KS_NO_TOUCH | KS_NO_STATS, &ent);
    if (r == ENGINE_OK) r = rdb_save(c->ks, c->db, c->argv[2], &ent, &text);
    size_t saved = text.len > RDB_AROUND ? text.len - RDB_AROUND : 0;
    buf_clear(&text);
    if (r == ENGINE_OK) {
        buf_printf(&text,
                   "Value at:0x%llx refcount:1 encoding:%s serializedlength:%zu lru:%u "
                   "lru_seconds_idle:%u",
                   (unsigned long long)pos, encoding, saved, access, ks_idle_seconds(c->ks, &ent));
        buf_append_char(&text, '\0');
        reply_simple(c, text.data);
        client_depends_on_end(c);
    }
    buf_free(&text);
    return r == ENGINE_OK ? CMD_DONE : reply_engine(c, r);
}

/* Equal for equal contents, whatever the order in which these came to be (digest.h). */
command_result debug_digest(client *c) {
    digest d;
    char hex[2 * DIGEST_BYTES + 1];
    engine_result r = digest_all(c->ks, &d);
    if (r != ENGINE_OK) return reply_engine(c, r);
    digest_hex(&d, hex);
    reply_simple(c, hex);
    client_depends_on_end(c);
    return CMD_DONE;
}

/* One digest a key; a key that is not there has that of nothing. */
command_result debug_digest_value(client *c) {
    reply_array(c, c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        digest d;
        char hex[2 * DIGEST_BYTES + 1];
        engine_result r = digest_value(c->ks, c->db, c->argv[i], &d);
        if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
        digest_hex(&d, hex);
        reply_cstr(c, hex);
    }
    client_depends_on_end(c);
    return CMD_DONE;
}
