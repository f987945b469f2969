/* simexec: transactions in a run of whole commands: see simtypes.h.
 *
 *     [WATCH key key]  [a command of another client on one of them]  MULTI  commands  EXEC or
 * DISCARD
 *
 * First all of it is run dry, then all of it really; each reply must be the same. That is so though
 * nothing that is run dry stays: what is queued is only kept, and what the other client does is to
 * a watched key alone; if it changes anything, EXEC does nothing, in both. EXEC is one batch, as
 * each command is: that it is there whole or not at all after a crash is looked at as for any
 * batch. */
#include "sim/simtypes.h"

#include "base/log.h"
#include "base/mem.h"

#define QUEUE_MAX 8               /* commands in a transaction */
#define STEPS_MAX (QUEUE_MAX + 4) /* WATCH, the other's, MULTI, EXEC */

typedef struct step {
    simwords words;
    client *c;
    uint64_t seed;
    size_t reply_end; /* of what it should reply, in t->expected */
} step;

typedef struct simexec {
    step steps[STEPS_MAX];
    int n;
    size_t bytes; /* of all arguments, and what a gate may ask for beside them */
} simexec;

/* The next step, in which nothing is written. */
static simwords *add(simtypes *t, client *c) {
    simexec *x = t->exec;
    step *st = &x->steps[x->n++];
    st->c = c;
    st->seed = rng_next(&t->s->chance);
    st->words.dump = buf_slice(&t->dump);
    return &st->words;
}

/* Chooses the steps. */
static void make(simtypes *t) {
    static const char *const others[] = {"DEL %",      "PEXPIRE % 5000", "PERSIST %",  "TYPE %",
                                         "APPEND % x", "SADD % 1",       "HSET % 1 2", "RPUSH % 1"};
    sim *s = t->s;
    t->exec->n = 0;
    if (sim_permille(s, 400)) {
        simwords *watch = add(t, t->client);
        simwords_line(watch, s, "WATCH %k %k");
        if (sim_permille(s, 400))
            simwords_on_key(add(t, t->other),
                            others[rng_below(&s->chance, sizeof others / sizeof *others)],
                            watch->argv[2]);
    }
    simwords_line(add(t, t->client), s, "MULTI");
    t->changes_functions = sim_permille(s, 80);
    for (uint64_t n = rng_below(&s->chance, QUEUE_MAX + 1); n > 0; n--) {
        simwords *w = add(t, t->client);
        if (sim_permille(s, 60))
            simwords_line(w, s, "SELECT %d");
        else
            simwords_make(w, s);
    }
    t->changes_functions = false;
    simwords_line(add(t, t->client), s, sim_permille(s, 950) ? "EXEC" : "DISCARD");
}

/* Is there one of the other client? It should find no key whose time is over: whether that was
 * deleted since is asked when the dry run has taken all back. If what it takes to delete it is not
 * in memory it is there all the same (presence). */
static bool has_other(const simexec *x) {
    for (int i = 0; i < x->n; i++)
        if (x->steps[i].c != x->steps[0].c) return true;
    return false;
}

/* Both clients as they were before, in this database. */
static void reset(simtypes *t, uint32_t db) {
    client_forget_slots(t->client);
    t->client->db = t->other->db = db;
}

static void run_dry(simtypes *t) {
    buf_clear(&t->expected);
    for (int i = 0; i < t->exec->n; i++) {
        step *st = &t->exec->steps[i];
        simtypes_run_dry(t, st->c, &st->words, st->seed);
        st->reply_end = t->expected.len;
    }
}

static bool begins(const client *c, const char *text) {
    size_t n = strlen(text);
    return c->out.len >= n && memcmp(c->out.data, text, n) == 0;
}

/* What the model has at the key of the other's command. */
static enum ks_presence presence(simtypes *t, const step *st) {
    enum ks_presence now = KS_ABSENT;
    t->tee.dry = true;
    ks_begin(t->ks);
    CHECK(ks_presence(t->ks, st->c->db, st->words.argv[1], &now) == ENGINE_OK);
    ks_abort(t->ks);
    t->tee.dry = false;
    return now;
}

/* EXEC does nothing if the other has changed the key; that one whose time was over when it was
 * watched has been deleted is no change. What the change of a watched key is can't always be read
 * at once in a hook, and then counts as one. */
static void check_watch(sim *s, const client *c, bool changed, bool unread) {
    bool nil = begins(c, "*-1\r\n");
    if (changed && !nil && begins(c, "*")) sim_fail(s, "EXEC ran though a watched key had changed");
    if (nil && !changed && !unread) sim_fail(s, "EXEC did not run, though nothing had changed");
}

/* From the first error on, the replies may be others. */
static void run_really(simtypes *t, bool trouble) {
    sim *s = t->s;
    size_t from = 0;
    bool unread = false, changed = false, due = false;
    for (int i = 0; i < t->exec->n; i++) {
        step *st = &t->exec->steps[i];
        uint64_t pendings = t->tee.pendings;
        log_pos end = engine_log_end(s->e);
        if (st->c == t->other) due = presence(t, st) == KS_DUE;
        if (!simtypes_run(t, st->c, &st->words, st->seed)) return;
        bool exec = simwords_is(&st->words, "EXEC");
        trouble |=
            t->tee.failed || simtypes_in_trouble(s) || simtypes_room_is_low(t, t->exec->bytes);
        if (exec && !trouble && !t->tee.refused) check_watch(s, st->c, changed, unread);
        slice should = slice_of(t->expected.data + from, st->reply_end - from);
        simtypes_compare(t, st->c, &st->words, should, trouble || (exec && (unread || due)));
        if (st->c == t->other) {
            unread |= t->tee.pendings != pendings;
            changed |= engine_log_end(s->e) != end && !(due && presence(t, st) == KS_ABSENT);
        }
        from = st->reply_end;
    }
}

void simexec_command(simtypes *t) {
    sim *s = t->s;
    uint32_t db = sim_pick_db(s);
    if (!t->exec) t->exec = mem_zalloc(sizeof *t->exec);
    make(t);
    t->exec->bytes = 0;
    for (int i = 0; i < t->exec->n; i++)
        t->exec->bytes += simwords_bytes(&t->exec->steps[i].words);
    if (!simtypes_prepare(t, t->exec->bytes)) return;
    if (has_other(t->exec)) simtypes_expire(s);
    if (simfs_stopped(s->fs)) return;
    bool trouble = simtypes_in_trouble(s) || simtypes_room_is_low(t, t->exec->bytes);
    reset(t, db);
    run_dry(t);
    reset(t, db);
    run_really(t, trouble);
    reset(t, db);
}

void simexec_free(simtypes *t) {
    for (int i = 0; t->exec && i < STEPS_MAX; i++)
        simwords_free(&t->exec->steps[i].words);
    mem_free(t->exec);
}
