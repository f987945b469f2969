/* session_kit: see session_kit.h. */
#include "support/session_kit.h"

#include "base/mem.h"
#include "base/num.h"
#include "session/block.h"
#include "session/input.h"
#include "session/output.h"
#include "session/reply.h"

#include <stdio.h>
#include <stdlib.h>

#define TURNS_MAX   10000 /* kit_quiet gives up after so many, */
#define QUIET_TURNS 8     /* and is content when nothing has moved for that many */

/* ---- the other end ------------------------------------------------------------------------------
 */

static ssize_t end_read(conn *c, void *p, size_t n) {
    fake_end *e = (fake_end *)(void *)c;
    e->reads++;
    if (n > e->largest_read) e->largest_read = n;
    if (e->broken) return -2;
    size_t left = e->in.len - e->read;
    if (left == 0) return e->eof ? 0 : -1;
    if (n > left) n = left;
    memcpy(p, e->in.data + e->read, n);
    e->read += n;
    return (ssize_t)n;
}

static ssize_t end_writev(conn *c, const struct iovec *iov, int n) {
    fake_end *e = (fake_end *)(void *)c;
    ssize_t done = 0;
    e->writes++;
    if (e->broken) return -2;
    for (int i = 0; i < n; i++) {
        size_t len = iov[i].iov_len;
        if (e->take != SIZE_MAX && len > e->take) len = e->take;
        buf_append(&e->out, iov[i].iov_base, len);
        if (e->take != SIZE_MAX) e->take -= len;
        done += (ssize_t)len;
        if (len < iov[i].iov_len) break;
    }
    return done ? done : -1;
}

static void end_close(conn *c) {
    ((fake_end *)(void *)c)->closed = true;
}

static const conn_ops end_ops = {end_read, end_writev, end_close};

/* ---- commands -----------------------------------------------------------------------------------
 */

static command_result run_ping(client *c) {
    if (c->argc > 1)
        reply_bulk(c, c->argv[1]);
    else
        reply_simple(c, "PONG");
    return CMD_DONE;
}

static command_result get_one(client *c, slice key) {
    entry ent;
    engine_result r = ks_get(c->ks, c->db, key, 0, &ent);
    if (r == ENGINE_OK) {
        client_depends(c, ent.pos);
        reply_bulk(c, ent.value);
    } else if (r == ENGINE_ABSENT) {
        client_depends_on_end(c);
        reply_null(c);
    } else {
        return reply_engine(c, r);
    }
    return CMD_DONE;
}

static command_result run_get(client *c) {
    return get_one(c, c->argv[1]);
}

static command_result run_mget(client *c) {
    reply_array(c, c->argc - 1);
    for (int i = 1; i < c->argc; i++) {
        command_result r = get_one(c, c->argv[i]);
        if (r != CMD_DONE) return r;
    }
    return CMD_DONE;
}

static command_result set_one(client *c) {
    entry ent = {.type = KEY_STRING, .value = c->argv[2]};
    engine_result r = ks_put(c->ks, c->db, c->argv[1], &ent);
    if (r != ENGINE_OK) return reply_engine(c, r);
    ks_changed(c->ks, KS_STRING, "set", c->db, c->argv[1]);
    return CMD_DONE;
}

static command_result run_set(client *c) {
    command_result r = set_one(c);
    if (r == CMD_DONE) reply_ok(c);
    return r;
}

static command_result run_refuse(client *c) {
    command_result r = set_one(c);
    return r == CMD_DONE ? reply_error(c, "ERR refused") : r;
}

static command_result run_del(client *c) {
    engine_result r = ks_del(c->ks, c->db, c->argv[1]);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    client_depends_on_end(c);
    reply_int(c, r == ENGINE_OK);
    return CMD_DONE;
}

/* As DEL: told to the hooks. */
static command_result run_drop(client *c) {
    engine_result r = ks_del(c->ks, c->db, c->argv[1]);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    if (r == ENGINE_OK) ks_changed(c->ks, KS_GENERIC, "del", c->db, c->argv[1]);
    reply_int(c, r == ENGINE_OK);
    return CMD_DONE;
}

static command_result run_setpx(client *c) {
    int64_t ms;
    if (!arg_i64(c, 3, &ms)) return CMD_REFUSED;
    entry ent = {.type = KEY_STRING, .value = c->argv[2], .expire = ks_now(c->ks) + ms};
    engine_result r = ks_put(c->ks, c->db, c->argv[1], &ent);
    if (r != ENGINE_OK) return reply_engine(c, r);
    ks_changed(c->ks, KS_STRING, "set", c->db, c->argv[1]);
    reply_ok(c);
    return CMD_DONE;
}

static command_result run_select(client *c) {
    int64_t db;
    if (!arg_i64(c, 1, &db)) return CMD_REFUSED;
    c->db = (uint32_t)db;
    reply_ok(c);
    return CMD_DONE;
}

static command_result run_exists(client *c) {
    entry ent;
    engine_result r = ks_get(c->ks, c->db, c->argv[1], KS_META, &ent);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    client_depends_on_end(c);
    reply_int(c, r == ENGINE_OK);
    return CMD_DONE;
}

static void block_ended(client *c, block_end why, void *state) {
    if (why == BLOCK_SERVED) reply_simple(c, "woken");
    if (why == BLOCK_TIMEOUT) reply_null(c);
    mem_free(state);
}

static command_result run_block(client *c) {
    int64_t ms;
    if (!arg_i64(c, 1, &ms)) return CMD_REFUSED;
    client_block_for(c, ms, block_ended, mem_strdup("state"));
    return CMD_DONE;
}

static command_result run_wake(client *c) {
    int64_t id;
    if (!arg_i64(c, 1, &id)) return CMD_REFUSED;
    client *other = client_by_id(c->session, (uint64_t)id);
    if (!other || !(other->flags & CLIENT_BLOCKED)) return reply_error(c, "ERR not blocked");
    client_unblock(other, BLOCK_SERVED);
    reply_ok(c);
    return CMD_DONE;
}

static command_result run_big(client *c) {
    int64_t n;
    if (!arg_i64_range(c, 1, 0, 1 << 30, &n, NULL)) return CMD_REFUSED;
    buf_printf(&c->out, "$%lld\r\n", (long long)n);
    memset(buf_reserve(&c->out, (size_t)n), 'x', (size_t)n);
    c->out.len += (size_t)n;
    buf_append(&c->out, "\r\n", 2);
    return CMD_DONE;
}

static command_result run_quit(client *c) {
    reply_ok(c);
    client_close_after_reply(c);
    return CMD_DONE;
}

static command_result run_flags(client *c) {
    int64_t n;
    if (!arg_i64(c, 1, &n)) return CMD_REFUSED;
    c->flags |= (uint32_t)n;
    reply_ok(c);
    return CMD_DONE;
}

static command_result run_slow(client *c) {
    int64_t us;
    if (!arg_i64(c, 1, &us)) return CMD_REFUSED;
    uint64_t until = clock_mono_us() + (uint64_t)us;
    while (clock_mono_us() < until)
        continue;
    reply_ok(c);
    return CMD_DONE;
}

static command_result run_name(client *c) {
    reply_cstr(c, c->row->full_name);
    return CMD_DONE;
}

static const command box[] = {
    {.name = "one", .run = run_name, .arity = 2, .flags = CMD_FAST, .syntax = "key"},
    {.name = "two", .run = run_name, .arity = -3, .flags = CMD_ADMIN | CMD_NO_AUTH},
    {0},
};

const command kit_commands[] = {
    {.name = "ping", .run = run_ping, .arity = -1, .flags = CMD_FAST},
    {.name = "get",
     .run = run_get,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = 1}}},
    {.name = "mget",
     .run = run_mget,
     .arity = -2,
     .flags = CMD_READONLY,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = 1, .last = -1}}},
    {.name = "set", .run = run_set, .arity = 3, .flags = CMD_WRITE},
    {.name = "put", .run = run_set, .arity = 3, .flags = CMD_WRITE | CMD_DENYOOM},
    {.name = "refuse", .run = run_refuse, .arity = 3, .flags = CMD_WRITE},
    {.name = "del", .run = run_del, .arity = 2, .flags = CMD_WRITE},
    {.name = "drop", .run = run_drop, .arity = 2, .flags = CMD_WRITE},
    {.name = "setpx", .run = run_setpx, .arity = 4, .flags = CMD_WRITE | CMD_DENYOOM},
    {.name = "select", .run = run_select, .arity = 2},
    {.name = "exists", .run = run_exists, .arity = 2, .flags = CMD_READONLY},
    {.name = "block", .run = run_block, .arity = 2, .flags = CMD_BLOCKING},
    {.name = "wake", .run = run_wake, .arity = 2},
    {.name = "big", .run = run_big, .arity = 2},
    {.name = "quit", .run = run_quit, .arity = 1, .flags = CMD_NO_AUTH},
    {.name = "flags", .run = run_flags, .arity = 2},
    {.name = "slow", .run = run_slow, .arity = 2},
    {.name = "box", .arity = -2, .subcommands = box},
    {0},
};

void kit_register_once(const command *own, const command *feature) {
    static bool done;
    if (done) return;
    commands_register(kit_commands);
    if (own) commands_register(own);
    if (feature) commands_register(feature);
    done = true;
}

/* ---- the session --------------------------------------------------------------------------------
 */

/* Only the monotonic time is the system's: the reactor's timers are moved by kit_sleep. */
static void still_clock(stave_clock *c) {
    (void)c;
}

static void ready(void *ctx) {
    session_resume(((kit *)ctx)->session);
}

static void must(status st) {
    if (status_ok(st)) return;
    fprintf(stderr, "session_kit: %s\n", st.msg);
    abort();
}

void kit_start(kit *k) {
    *k = (kit){.clock = {.wall_ms = 1700000000000, .mono_us = 1000000, .read = still_clock}};
    rng_seed(&k->rng, 1);
    setting_defaults(session_settings);
    setting_defaults(keyspace_settings);
    if (command_count() == 0) commands_register(kit_commands);
    io_env env = {.clock = &k->clock, .rng = &k->rng};
    engine_options opt = {.env = &env, .databases = 16, .host = {.ready = ready, .ctx = k}};
    k->engine = engine_mem_new(&opt, 1);
    k->knobs = engine_mem_knobs(k->engine);
    status st = ks_new(k->engine, &k->clock, &k->rng, 16, &k->ks);
    if (status_ok(st)) st = reactor_new(&k->clock, &k->reactor);
    if (status_ok(st)) st = session_new(k->reactor, k->ks, &k->session);
    must(st);
}

void kit_set(const char *name, const char *value) {
    const setting *s = setting_find(session_settings, slice_cstr(name));
    if (!s) s = setting_find(keyspace_settings, slice_cstr(name));
    slice word = slice_cstr(value);
    must(s ? setting_parse(s, 1, &word) : status_make(ST_INVALID, "no setting '%s'", name));
}

void kit_forget(kit *k, fake_end *end) {
    if (end != k->ends || !end->closed) abort();
    k->ends = end->next;
    buf_free(&end->in);
    buf_free(&end->out);
    mem_free(end);
}

void kit_stop(kit *k) {
    session_free(k->session);
    reactor_free(k->reactor);
    ks_free(k->ks);
    engine_close(k->engine);
    while (k->ends) {
        k->ends->closed = true;
        kit_forget(k, k->ends);
    }
}

void kit_turn(kit *k) {
    for (client *c = NULL; (c = session_next_client(k->session, c)) != NULL;) {
        fake_end *e = (fake_end *)(void *)c->conn;
        if (e->conn.ops != &end_ops) continue;
        bool has = e->read < e->in.len || e->eof || e->broken;
        if (has && (c->events & REACTOR_READ)) input_ready(c);
        if (e->take && (c->events & REACTOR_WRITE)) output_writable(c);
    }
    reactor_wake(k->reactor);
    reactor_turn(k->reactor);
    (void)engine_background(k->engine, 1000);
}

void kit_sleep(kit *k, int64_t ms) {
    k->clock.wall_ms += ms;
    k->clock.mono_us += (uint64_t)ms * 1000;
    kit_turn(k);
}

client *kit_client(kit *k, fake_end **end) {
    static int number;
    char peer[32];
    fake_end *e = mem_zalloc(sizeof *e);
    e->conn.ops = &end_ops;
    e->conn.fd = -1;
    e->take = SIZE_MAX;
    snprintf(peer, sizeof peer, "1.2.3.4:%d", ++number);
    e->next = k->ends;
    k->ends = *end = e;
    return session_adopt(k->session, &e->conn, peer, true);
}

void kit_send_bytes(fake_end *end, slice bytes) {
    buf_append_slice(&end->in, bytes);
}

void kit_send(fake_end *end, const char *text) {
    kit_send_bytes(end, slice_cstr(text));
}

const char *kit_received(fake_end *end) {
    static buf last;
    buf_clear(&last);
    buf_append_slice(&last, buf_slice(&end->out));
    buf_append_char(&last, 0);
    buf_clear(&end->out);
    return last.data;
}

void kit_quiet(kit *k, fake_end *end) {
    size_t before = 0;
    for (int quiet = 0, turns = 0; quiet < QUIET_TURNS && turns < TURNS_MAX; turns++) {
        kit_turn(k);
        size_t now = end->out.len + end->read + engine_mem_counters(k->engine)->pendings;
        quiet = now == before ? quiet + 1 : 0;
        before = now;
    }
}

const char *kit_ask(kit *k, fake_end *end, const char *text) {
    kit_send(end, text);
    kit_quiet(k, end);
    return kit_received(end);
}
