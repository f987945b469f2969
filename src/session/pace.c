/* pace: writes wait a little, each on its own, before the engine would have to stop them all.
 *
 * engine_pace says how long. That is often less than a timer can measure, so what a client is told
 * to wait is added up, and it waits when a millisecond has come together:
 *
 *     owed += engine_pace(bytes)  ──  < 1 ms ──> the command runs
 *                                 └─ >= 1 ms ──> the client is CLIENT_DELAYED until its timer;
 *                                                owed -= the time it has really waited; it runs
 *
 * It runs sooner if by then nobody would be made to wait any more: that is looked for every 20 ms.
 *
 * A delayed client's further input stays in its query buffer, so its commands keep their order and
 * its reads come behind its own write. Nobody else waits. The engine is told of a command once:
 * the gate is the last one, and a client that has waited passes it. What an idle client owes is a
 * few bytes that exist only while the engine asks anybody to wait. */
#include "session/pace.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/input.h"
#include "session/state.h"

#define WAIT_LEAST_US   1000  /* no wait is shorter: timers have milliseconds */
#define LOOK_US         20000 /* so often a client that waits is looked at: the reason may be gone */
#define RECORD_OVERHEAD 64    /* what a change logs besides the bytes of its arguments */

/* What one client owes and waits for; in its slot. */
typedef struct debt {
    client *c;
    uint64_t owed_us;
    uint64_t timer; /* 0: it does not wait */
    uint64_t since_us;
    bool waited; /* its command has waited, and passes */
} debt;

static int slot = -1; /* of the clients' */

/* It waits no more; how long it did is counted. */
static void end_wait(debt *d) {
    session *s = d->c->session;
    uint64_t us = reactor_now_us(s->reactor) - d->since_us;
    CHECK(d->timer && s->delayed > 0);
    d->timer = 0;
    d->owed_us = d->owed_us > us ? d->owed_us - us : 0;
    d->c->flags &= ~(unsigned)CLIENT_DELAYED;
    s->delayed--;
    s->stats.delay_us += us;
}

/* What the engine, or DEBUG, wants a command of so many bytes to wait. */
static uint64_t wanted_us(const client *c, size_t bytes) {
    uint64_t us = engine_pace(ks_engine(c->ks), bytes), least = c->session->pace_least_us;
    return us > least ? us : least;
}

/* When the client is to be looked at, in ms, if it has so much more to wait. */
static int64_t look_after(uint64_t us) {
    CHECK(us >= WAIT_LEAST_US);
    return (int64_t)((us < LOOK_US ? us : LOOK_US) / 1000);
}

/* The client's timer. Its command comes to the gate again as soon as its time is up, or as the
 * engine would make nobody wait. */
static int64_t time_is_up(void *ctx) {
    debt *d = ctx;
    uint64_t us = reactor_now_us(d->c->session->reactor) - d->since_us;
    bool more = us + WAIT_LEAST_US <= d->owed_us;
    if (more && wanted_us(d->c, 0) > 0) return look_after(d->owed_us - us);
    if (more) d->owed_us = us;
    end_wait(d);
    d->waited = true;
    input_wake(d->c);
    return -1;
}

/* The client ends. */
static void forget(client *c, void *state) {
    debt *d = state;
    if (d->timer) {
        reactor_timer_remove(c->session->reactor, d->timer);
        end_wait(d);
    }
    mem_free(d);
}

/* Nothing is owed any more. */
static void settle(client *c) {
    if (!c->slots[slot]) return;
    forget(c, c->slots[slot]);
    c->slots[slot] = NULL;
}

/* A client without a connection runs for one that has waited, or for the server itself. */
static gate_result pace_gate(client *c, void *ctx) {
    session *s = ctx;
    if (c->flags & CLIENT_FAKE || c->row->flags & CMD_READONLY) return GATE_PASS;
    debt *d = c->slots[slot];
    if (d && d->waited) {
        d->waited = false;
        return GATE_PASS;
    }
    uint64_t us = wanted_us(c, client_argument_bytes(c, RECORD_OVERHEAD));
    if (us == 0) {
        settle(c);
        return GATE_PASS;
    }
    if (!d) {
        c->slots[slot] = d = mem_zalloc(sizeof *d);
        d->c = c;
    }
    d->owed_us += us;
    if (d->owed_us < WAIT_LEAST_US) return GATE_PASS;
    d->since_us = reactor_now_us(s->reactor);
    d->timer = reactor_timer_add(s->reactor, look_after(d->owed_us), time_is_up, d);
    c->flags |= CLIENT_DELAYED;
    s->delayed++;
    s->stats.delays++;
    return GATE_WAIT;
}

/* For DEBUG: every write that may grow the data waits at least that long. */
void session_pace_least(session *s, uint64_t us) {
    s->pace_least_us = us;
}

/* Clients' slots are the process', gates the session's. */
void pace_start(session *s) {
    if (slot < 0) slot = client_slot_add(forget);
    session_gate_add(s, &(gate){.name = "pace",
                                .rank = GATE_RANK_PACE,
                                .pass = pace_gate,
                                .ctx = s,
                                .commands = CMD_DENYOOM | CMD_RUNS_SCRIPT});
}
