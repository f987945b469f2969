/* simtypes: see simtypes.h.
 *
 * The clock of the keyspace is moved before each command and stands still until it has its reply,
 * however often it ran and however long its reads took; so does the generator that it picks at
 * random from. So both runs must reply the same, to the byte. */
#include "sim/simtypes.h"

#include "base/log.h"
#include "base/mem.h"
#include "commands/commands.h"
#include "sim/simscript.h"
#include "tx/tx.h"
#include "types/classes.h"
#include "types/limits.h"

#define LONG_US 1000000000 /* a cycle's budget: until nothing is due */

/* ---- life ---------------------------------------------------------------------------------------
 */

void simtypes_start(void) {
    static const command *const tables[] = {
        string_commands, bitmap_commands, hash_commands,      zset_commands,       list_commands,
        set_commands,    stream_commands, hll_commands,       sort_commands,       geo_commands,
        keys_commands,   dump_commands,   simsystem_commands, connection_commands, tx_commands};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        commands_register(tables[i]);
    setting_defaults(session_settings);
    setting_defaults(keyspace_settings);
    setting_defaults(types_settings);
    simscript_register();
    types_start();
}

static void still(stave_clock *c) {
    (void)c;
}

/* Whose commands these are: one run at a time. */
static sim *told;

static void client_ready(engine_reader *r) {
    (void)r;
    told->ready = true;
}

void simtypes_open(sim *s) {
    simtypes *t = s->types = mem_zalloc(sizeof *t);
    t->s = s;
    t->clock = (stave_clock){.wall_ms = s->clock.wall_ms, .mono_us = 1, .read = still};
    simtee_init(&t->tee, s);
    status st = ks_new(&t->tee.base, &t->clock, &t->rng, SIM_DBS, &t->ks);
    if (status_ok(st)) st = reactor_new(&t->clock, &t->reactor);
    if (status_ok(st)) st = session_new(t->reactor, t->ks, &t->session);
    if (!status_ok(st)) sim_fail(s, "no session: %s", st.msg);
    tx_start(t->session);
    t->client = client_fake(t->session);
    t->other = client_fake(t->session);
    told = s;
    t->client->reader.ready = t->other->reader.ready = client_ready;
    simscript_open(t);
    simsound_all(t);
}

void simtypes_close(sim *s) {
    simtypes *t = s->types;
    if (!t) return;
    client_fake_free(t->client);
    client_fake_free(t->other);
    if (s->e) engine_read_for(s->e, &s->reader);
    session_free(t->session);
    simscript_close(t);
    reactor_free(t->reactor);
    ks_free(t->ks);
    simtee_free(&t->tee);
    simwords_free(&t->words);
    simexec_free(t);
    region_free(&t->kept);
    buf_free(&t->expected);
    buf_free(&t->dump);
    buf_free(&t->before);
    buf_free(&t->key);
    mem_free(t);
    s->types = NULL;
}

/* ---- a command ----------------------------------------------------------------------------------
 */

/* All that was written down of a command, for the trace. */
static void say_command(const simtypes *t, const client *c, const simwords *w) {
    buf line = {0};
    for (int i = 0; i < w->argc && line.len < 160; i++) {
        slice a = w->argv[i];
        buf_append_char(&line, ' ');
        for (size_t k = 0; k < a.len && k < 24; k++)
            buf_append_char(&line, a.data[k] >= 33 && a.data[k] < 127 ? a.data[k] : '.');
    }
    sim_say(t->s, "> db %u:%.*s", c->db, (int)line.len, line.data);
    buf_free(&line);
}

/* One run of it. True: it has replied. */
static bool run(simtypes *t, client *c, const simwords *w, uint64_t seed) {
    rng_seed(&t->rng, seed);
    buf_clear(&c->out);
    c->argc = w->argc;
    c->argv = (slice *)w->argv;
    client_run(c);
    return !(c->flags & CLIENT_WAITS);
}

bool simtypes_in_trouble(const sim *s) {
    return simfs_stopped(s->fs) || !status_ok(engine_room(s->e, 0)) ||
           !status_ok(engine_failed(s->e));
}

bool simtypes_room_is_low(const simtypes *t, size_t bytes) {
    return !status_ok(engine_room(t->s->e, bytes));
}

/* Room that went in the middle of it, by what its own batch has changed too, is seen by who asks
 * for it there: a script. Before its first change that is an error as others are; after it nothing
 * stays, and the error is all that it says. */
static bool was_refused_inside(const simtypes *t, slice reply) {
    if (!t->tee.refused || !t->tee.cut_short) return t->tee.refused;
    return t->tee.commits == 0 && reply.len > 0 && *reply.data == '-';
}

/* All that a command does is one batch, however many others it carries. An error of the engine ends
 * it; but EXEC asks for keys to which its commands may not come, and of those it tells nobody. */
void simtypes_compare(simtypes *t, const client *c, const simwords *w, slice should, bool trouble) {
    sim *s = t->s;
    slice mine = buf_slice(&c->out);
    sim_say(s, "< %.*s", mine.len > 60 ? 60 : (int)mine.len, mine.data);
    if (t->tee.commits > 1) sim_fail(s, "a command was committed in pieces");
    if (t->tee.failed) {
        bool guessed = !t->tee.changed && simwords_is(w, "EXEC");
        if (t->tee.commits && !guessed) sim_fail(s, "a command met an error, and was committed");
        return;
    }
    if (slice_eq(mine, should) || trouble || simtypes_in_trouble(s)) return;
    if (was_refused_inside(t, mine)) return;
    size_t at = 0;
    while (at < mine.len && at < should.len && mine.data[at] == should.data[at])
        at++;
    size_t from = at > 40 ? at - 40 : 0;
    sim_fail(s, "%.*s replies %.*s (at %zu), should be %.*s", (int)w->argv[0].len, w->argv[0].data,
             mine.len - from > 100 ? 100 : (int)(mine.len - from), mine.data + from, from,
             should.len - from > 100 ? 100 : (int)(should.len - from), should.data + from);
}

void simtypes_run_dry(simtypes *t, client *c, const simwords *w, uint64_t seed) {
    void *kept = simscript_keep(t);
    t->tee.dry = true;
    CHECK(run(t, c, w, seed));
    simscript_put_back(t, kept);
    t->tee.dry = false;
    buf_append_slice(&t->expected, buf_slice(&c->out));
}

bool simtypes_run(simtypes *t, client *c, const simwords *w, uint64_t seed) {
    sim *s = t->s;
    bool done = false;
    say_command(t, c, w);
    for (int i = 0; !done; i++) {
        t->tee.pending_in = i < 3 && sim_permille(s, 150) ? 1 + rng_below(&s->chance, 8) : 0;
        t->tee.failed = false;
        t->tee.commits = 0;
        s->ready = false;
        done = run(t, c, w, seed);
        if (done || simfs_stopped(s->fs)) break;
        if (i > 2000) sim_fail(s, "a command is PENDING again and again");
        sim_await_ready(s);
    }
    t->tee.pending_in = 0;
    c->flags &= ~(unsigned)(CLIENT_WAITS | CLIENT_RERUN);
    return done;
}

/* Keeps a payload for a RESTORE to come, or the ID of an entry. */
static void keep_reply(simtypes *t) {
    const buf *out = &t->client->out;
    const char *body = out->len && *out->data == '$' ? memchr(out->data, '\n', out->len) : NULL;
    if (!body || out->data[1] == '-') return;
    size_t from = (size_t)(body + 1 - out->data);
    slice text = slice_of(out->data + from, out->len - from - 2);
    if (simwords_is(&t->words, "XADD")) simwords_added(&t->words, text);
    if (simwords_is(&t->words, "FUNCTION") && slice_eq(t->words.argv[1], SLICE("DUMP")))
        simscript_keep_payload(t, text);
    if (!simwords_is(&t->words, "DUMP")) return;
    buf_clear(&t->dump);
    buf_append_slice(&t->dump, text);
}

/* Runs t->words, dry and then really. */
static void do_command(simtypes *t) {
    uint64_t seed = rng_next(&t->s->chance);
    simsound_before before;
    simsound_look(t, &before);
    bool trouble = simtypes_in_trouble(t->s);
    /* What a script runs asks for room by itself: in the dry run, and again really. */
    if (t->words.inner) trouble |= simtypes_room_is_low(t, simwords_bytes(&t->words));
    buf_clear(&t->expected);
    simtypes_run_dry(t, t->client, &t->words, seed);
    bool done = simtypes_run(t, t->client, &t->words, seed);
    if (t->words.inner) trouble |= simtypes_room_is_low(t, simwords_bytes(&t->words));
    if (done) simtypes_compare(t, t->client, &t->words, buf_slice(&t->expected), trouble);
    if (done && !trouble && !simtypes_in_trouble(t->s) && !t->tee.failed && !t->tee.refused)
        simscript_check_mark(t, &t->words);
    simsound_after(t, &before, done && t->tee.commits > 0);
    if (done) keep_reply(t);
}

bool simtypes_prepare(simtypes *t, size_t bytes) {
    sim *s = t->s;
    sim_keep_pace(s, bytes);
    t->clock.wall_ms = s->clock.wall_ms;
    if (!simfs_stopped(s->fs) && !sim_room_comes(s, bytes))
        sim_say(s, "no room: %s", engine_room(s->e, bytes).msg);
    return !simfs_stopped(s->fs);
}

/* Alone, or several between MULTI and EXEC. */
void simtypes_command(sim *s) {
    simtypes *t = s->types;
    if (sim_permille(s, 100)) {
        simexec_command(t);
    } else {
        t->words.dump = buf_slice(&t->dump);
        t->client->db = sim_pick_db(s);
        simwords_make(&t->words, s);
        if (simtypes_prepare(t, simwords_bytes(&t->words))) do_command(t);
    }
    if (!simfs_stopped(s->fs) && sim_permille(s, 10)) simsound_all(t);
}

void simtypes_expire(sim *s) {
    simtypes *t = s->types;
    for (int i = 0; i < 20 && !simfs_stopped(s->fs); i++) {
        s->ready = false;
        t->tee.failed = false;
        t->clock.wall_ms = s->clock.wall_ms;
        uint64_t pending = t->tee.pendings;
        t->tee.pending_in = sim_permille(s, 150) ? 1 + rng_below(&s->chance, 8) : 0;
        (void)ks_expire_cycle(t->ks, LONG_US);
        if (pending == t->tee.pendings || !s->ready) return; /* the disk's is there some time */
    }
}

/* ---- all there is ------------------------------------------------------------------------------
 */

static void note_key(void *ctx, slice key, const entry *meta) {
    buf *names = ctx;
    buf_append_char(names, (char)meta->type);
    uint32_t n = (uint32_t)key.len;
    buf_append(names, &n, sizeof n);
    buf_append_slice(names, key);
}

void simtypes_read_all(sim *s) {
    simtypes *t = s->types;
    for (uint32_t db = 0; db < SIM_DBS && !simfs_stopped(s->fs); db++) {
        buf names = {0};
        uint64_t next;
        t->clock.wall_ms = s->clock.wall_ms;
        CHECK(engine_scan(s->model, db, 0, SIZE_MAX, &next, note_key, &names) == ENGINE_OK);
        for (size_t at = 0; at < names.len && !simfs_stopped(s->fs);) {
            uint32_t n;
            unsigned type = (unsigned char)names.data[at];
            memcpy(&n, names.data + at + 1, sizeof n);
            slice key = slice_of(names.data + at + 1 + sizeof n, n);
            at += 1 + sizeof n + n;
            simwords_read_all(&t->words, type, key);
            t->client->db = db;
            do_command(t);
        }
        buf_free(&names);
    }
}
