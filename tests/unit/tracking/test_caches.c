/* caches: clients that keep what they read and drop what they are told of, in every mode, against
 * the truth: whenever all is quiet, what is in a cache is what the server has.
 *
 * Commands come in pipelines from all sides; reads are often pending, the log often lags, keys
 * expire, the table is small, clients come and go. Values are never used twice, so that what is
 * stale can't look right. */
#include "support/tracking_test.h"

#define CLIENTS 7
#define KEYS    6
#define OPS     64 /* unanswered ones of a client */

enum mode { DEFAULT, OPTIN, OPTOUT, NOLOOP, BCAST, BCAST_NOLOOP, REDIRECT, MODES };
static const char *const switch_on[MODES] = {
    "", "optin", "optout", "noloop", "bcast prefix k0 prefix k1 prefix k2", "bcast noloop", ""};

/* A command whose reply is to come. A read is kept if keep says so. */
typedef struct op {
    enum { PLAIN, GET, SET, MGET, GET_SET, SET_GET } kind;
    int key, other;
    char value[16];
    bool keep;
} op;

typedef struct cacher {
    client *c;
    fake_end *end, *messages; /* where messages come */
    enum mode mode;
    op ops[OPS];
    size_t first, last;
    bool has[KEYS];
    char value[KEYS][16]; /* "": the key was not there */
} cacher;

static cacher cachers[CLIENTS];
static fake_end *writer;
static unsigned next_value;
static size_t kept, dropped;

/* ---- a client's side ---------------------------------------------------------------------------
 */

/* Behind the value of RESP at p. */
static const char *behind(const char *p) {
    const char *end = strstr(p, "\r\n");
    assert_non_null(end);
    long n = strtol(p + 1, NULL, 10);
    const char *at = end + 2;
    if (*p == '$') return n < 0 ? at : at + n + 2;
    if (*p != '*' && *p != '>') return at;
    while (n-- > 0)
        at = behind(at);
    return at;
}

/* The bulk string or null at p, as a string. */
static void text_at(const char *p, char into[16]) {
    into[0] = 0;
    if (*p != '$' || p[1] == '-') return;
    snprintf(into, 16, "%.*s", (int)strtol(p + 1, NULL, 10), strstr(p, "\r\n") + 2);
}

static void drop(cacher *who, int key) {
    dropped += who->has[key];
    who->has[key] = false;
}

static void keep(cacher *who, int key, const char *reply) {
    text_at(reply, who->value[key]);
    who->has[key] = true;
    kept++;
}

/* Keys, or null: all. */
static void invalidate(cacher *who, const char *p) {
    if (*p != '*') {
        for (int i = 0; i < KEYS; i++)
            drop(who, i);
        return;
    }
    long n = strtol(p + 1, NULL, 10);
    p = strstr(p, "\r\n") + 2;
    for (; n > 0; n--, p = behind(p)) {
        char name[16];
        text_at(p, name);
        drop(who, atoi(name + 1));
    }
}

/* Its own write: with NOLOOP nobody tells it. Of a prefix it is told later changes, so it may keep
 * what it wrote; of what it has read it is not. */
static void wrote(cacher *who, const op *o) {
    if (who->mode == BCAST_NOLOOP) {
        strcpy(who->value[o->key], o->value);
        who->has[o->key] = true;
    } else if (who->mode == NOLOOP) {
        drop(who, o->key);
    }
}

/* The reply at p is that to its oldest command. */
static void answer(cacher *who, const char *p) {
    assert_true(who->first < who->last);
    const op *o = &who->ops[who->first++ % OPS];
    const char *parts = *p == '*' ? strstr(p, "\r\n") + 2 : p;
    switch (o->kind) {
    case PLAIN: break;
    case SET: wrote(who, o); break;
    case GET:
        if (o->keep) keep(who, o->key, p);
        break;
    case MGET:
        if (o->keep) keep(who, o->key, parts);
        if (o->keep) keep(who, o->other, behind(parts));
        break;
    case GET_SET:
        if (o->keep) keep(who, o->key, parts);
        wrote(who, o);
        break;
    case SET_GET:
        wrote(who, o);
        if (o->keep) keep(who, o->key, behind(parts));
        break;
    }
}

/* Reads all that has come: its replies first, if messages come elsewhere. */
static void receive(cacher *who) {
    for (const char *p = kit_received(who->end); *p; p = behind(p)) {
        assert_true(*p != '-');
        if (*p == '>')
            invalidate(who, behind(strstr(p, "\r\n") + 2));
        else
            answer(who, p);
    }
    if (who->messages == who->end) return;
    for (const char *p = kit_received(who->messages); *p; p = behind(p)) {
        assert_memory_equal(p, "*3\r\n$7\r\nmessage", 15);
        invalidate(who, behind(behind(strstr(p, "\r\n") + 2)));
    }
}

/* ---- what they do ------------------------------------------------------------------------------
 */

static void say(cacher *who, op o, const char *line) {
    if (who->last - who->first == OPS) return;
    who->ops[who->last++ % OPS] = o;
    kit_send(who->end, line);
}

/* A key with a prefix of BCAST's, for that mode. */
static bool told_of(const cacher *who, int key) {
    return who->mode != BCAST || key < 3;
}

static void random_op(cacher *who, rng *r) {
    char line[96];
    op o = {.key = (int)rng_below(r, KEYS), .other = (int)rng_below(r, KEYS)};
    bool caching = (who->mode == OPTIN || who->mode == OPTOUT) && rng_below(r, 2);
    if (who->last - who->first > OPS - 2) return;
    if (caching)
        say(who, (op){0}, who->mode == OPTIN ? "client caching yes\r\n" : "client caching no\r\n");
    o.keep = who->mode == OPTIN ? caching : !caching;
    o.keep = o.keep && told_of(who, o.key) && told_of(who, o.other);
    snprintf(o.value, sizeof o.value, "v%u", next_value++);
    switch (rng_below(r, 10)) {
    case 0:
    case 1:
        o.kind = SET;
        snprintf(line, sizeof line, "set k%d %s\r\n", o.key, o.value);
        break;
    case 2:
        o.kind = GET_SET;
        snprintf(line, sizeof line, "do get:k%d;set:k%d:%s\r\n", o.key, o.key, o.value);
        break;
    case 3:
        o.kind = SET_GET;
        snprintf(line, sizeof line, "do set:k%d:%s;get:k%d\r\n", o.key, o.value, o.key);
        break;
    case 4:
        o.kind = MGET;
        snprintf(line, sizeof line, "mget k%d k%d\r\n", o.key, o.other);
        break;
    default: o.kind = GET; snprintf(line, sizeof line, "get k%d\r\n", o.key);
    }
    say(who, o, line);
}

/* By one who caches nothing. */
static void random_write(rng *r) {
    char line[96];
    int key = (int)rng_below(r, KEYS);
    switch (rng_below(r, 12)) {
    case 0: kit_send(writer, "flush\r\n"); return;
    case 1: snprintf(line, sizeof line, "drop k%d\r\n", key); break;
    case 2:
        snprintf(line, sizeof line, "setpx k%d v%u %d\r\n", key, next_value++,
                 (int)rng_below(r, 30) + 1);
        break;
    case 3:
        snprintf(line, sizeof line, "do set:k%d:v%u;set:k0:v%u\r\n", key, next_value,
                 next_value + 1);
        next_value += 2;
        break;
    default: snprintf(line, sizeof line, "set k%d v%u\r\n", key, next_value++);
    }
    kit_send(writer, line);
}

static void come(cacher *who, rng *r) {
    char line[96];
    *who = (cacher){.mode = (enum mode)rng_below(r, MODES)};
    who->c = kit_client(&k, &who->end);
    who->c->proto = 3;
    who->messages = who->end;
    snprintf(line, sizeof line, "client tracking on %s\r\n", switch_on[who->mode]);
    if (who->mode == REDIRECT) {
        client *to = kit_client(&k, &who->messages);
        to->flags |= CLIENT_PUBSUB;
        who->c->proto = 2;
        snprintf(line, sizeof line, "client tracking on redirect %llu\r\n",
                 (unsigned long long)to->id);
    }
    say(who, (op){0}, line);
}

static void quiet(void) {
    k.knobs->hold = false;
    engine_mem_release(k.engine, UINT64_MAX);
    k.knobs->pending_permille = 0;
    (void)ks_expire_cycle(k.ks, 1000000);
    for (int i = 0; i < 6; i++)
        kit_turn(&k);
}

/* What the server has. */
static void check(void) {
    quiet();
    for (int key = 0; key < KEYS; key++) {
        char name[8], truth[16] = "";
        entry ent;
        snprintf(name, sizeof name, "k%d", key);
        ks_begin(k.ks);
        engine_result r = ks_get(k.ks, 0, slice_cstr(name), KS_NO_TOUCH | KS_NO_STATS, &ent);
        if (r == ENGINE_OK)
            snprintf(truth, sizeof truth, "%.*s", (int)ent.value.len, ent.value.data);
        ks_commit(k.ks);
        for (int i = 0; i < CLIENTS; i++) {
            if (key == 0) receive(&cachers[i]);
            assert_int_equal(cachers[i].first, cachers[i].last);
            if (cachers[i].has[key]) assert_string_equal(cachers[i].value[key], truth);
        }
    }
    (void)kit_received(writer);
}

static void never_stale(void **state) {
    rng r;
    (void)state;
    unit_seed(&r);
    (void)kit_client(&k, &writer);
    for (int i = 0; i < CLIENTS; i++)
        come(&cachers[i], &r);
    kept = dropped = 0;
    uint64_t rounds = (uint64_t)unit_rounds(150000);
    for (uint64_t i = 0; i < rounds; i++) {
        cacher *who = &cachers[rng_below(&r, CLIENTS)];
        switch (rng_below(&r, 24)) {
        case 0:
        case 1: random_write(&r); break;
        case 2: k.knobs->pending_permille = rng_below(&r, 2) ? 400 : 0; break;
        case 3: k.knobs->hold = rng_below(&r, 2); break;
        case 4: engine_mem_release(k.engine, engine_log_end(k.engine)); break;
        case 5: kit_sleep(&k, (int64_t)rng_below(&r, 5)); break;
        case 6: (void)ks_expire_cycle(k.ks, 1000000); break;
        case 7: receive(who); break;
        case 8:
            if (rng_below(&r, 4) == 0) set_max_keys(rng_below(&r, 2) ? "3" : "1000");
            break;
        case 9:
            if (rng_below(&r, 8)) break;
            check();
            break;
        case 10:
            if (rng_below(&r, 40)) break;
            client_close_soon(who->c);
            kit_turn(&k);
            come(who, &r);
            break;
        case 11:
        case 12:
        case 13:
        case 14: kit_turn(&k); break;
        default: random_op(who, &r);
        }
    }
    check();
    assert_true(kept > rounds / 150 && dropped > rounds / 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(never_stale, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
