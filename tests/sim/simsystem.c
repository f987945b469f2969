/* simsystem: commands on the keyspace's system records, for runs of whole commands: what a feature
 * that keeps such records does, reduced to the records.
 *
 *   SYSPUT name value [key]   puts the record and, in the same batch, a string under the key
 *   SYSGET name               the record's bytes
 *   SYSDEL name               1, or 0 if there was none
 *
 * And the one thing that such a record may leave behind: as many pieces as it says. */
#include "base/codec.h"
#include "session/reply.h"
#include "sim/simtypes.h"
#include "types/string.h"

/* In one batch, so that a crash leaves both or neither. */
static command_result sysput(client *c) {
    engine_result r = ks_system_put(c->ks, c->argv[1], c->argv[2]);
    if (r == ENGINE_OK && c->argc > 3)
        r = string_set(c->ks, c->db, c->argv[3], c->argv[2], ENGINE_NO_EXPIRE, 0, 0);
    if (r != ENGINE_OK) return reply_engine(c, r);
    reply_ok(c);
    return CMD_DONE;
}

/* Absence and bytes alike may be newer than what is released. */
static command_result sysget(client *c) {
    buf value = {0};
    engine_result r = ks_system_get(c->ks, c->argv[1], &value);
    client_depends_on_end(c);
    if (r == ENGINE_OK)
        reply_bulk(c, buf_slice(&value));
    else if (r == ENGINE_ABSENT)
        reply_null(c);
    buf_free(&value);
    return r <= ENGINE_ABSENT ? CMD_DONE : reply_engine(c, r);
}

/* An error refuses before anything is changed. */
static command_result sysdel(client *c) {
    engine_result r = ks_system_del(c->ks, c->argv[1]);
    if (r > ENGINE_ABSENT) return reply_engine(c, r);
    client_depends_on_end(c);
    reply_int(c, r == ENGINE_OK);
    return CMD_DONE;
}

typedef struct pieces {
    sim *s;
    uint64_t there, should;
} pieces;

/* A first piece says how many there are. */
static void count_piece(void *ctx, slice key, const entry *meta) {
    pieces *p = ctx;
    (void)meta;
    p->there++;
    if (load_u32(key.data + key.len - 4) != 0) return;
    buf name = {0};
    entry first;
    buf_append_slice(&name, key);
    if (engine_get(p->s->model, ENGINE_DB_SYSTEM, buf_slice(&name), &first) != ENGINE_OK ||
        first.value.len < 4)
        sim_fail(p->s, "a system record has no first piece");
    p->should += load_u32(first.value.data);
    buf_free(&name);
}

void simsystem_sound(sim *s) {
    pieces p = {.s = s};
    uint64_t next;
    (void)engine_scan(s->model, ENGINE_DB_SYSTEM, 0, SIZE_MAX, &next, count_piece, &p);
    if (p.there != p.should)
        sim_fail(s, "system records have %llu pieces, should have %llu",
                 (unsigned long long)p.there, (unsigned long long)p.should);
}

const command simsystem_commands[] = {
    {.name = "sysput", .run = sysput, .arity = -3, .flags = CMD_WRITE | CMD_DENYOOM},
    {.name = "sysget", .run = sysget, .arity = 2, .flags = CMD_READONLY},
    {.name = "sysdel", .run = sysdel, .arity = 2, .flags = CMD_WRITE},
    {0},
};
