/* gates: conditions of the server under which a command does not run.
 *
 *   rank  gate     looks at                      refuses with
 *   100   auth     clients not authenticated     NOAUTH
 *   400   memory   commands that may grow        OOM, when eviction could not make room
 *   500   disk     commands that write           MISCONF, when the log has no room or has failed
 *   900   pause    all, or writes; only armed    holds them until the pause ends
 *                  while a pause is on
 *   950   pace     commands that may grow        lets them wait, as engine_pace says (pace.c)
 *
 * The server and features add theirs. What is unknown or has the wrong number of arguments never
 * gets this far. */
#include "session/gates.h"

#include "session/identity.h"
#include "session/reply.h"
#include "session/state.h"

/* What a change logs besides the bytes of its arguments: headers, an index page, an expire time. */
#define CHANGE_OVERHEAD 4096

/* Open to clients that are authenticated, so asked for others only. */
static gate_result auth_gate(client *c, void *ctx) {
    (void)ctx;
    if ((c->row->flags & CMD_NO_AUTH) || !identity_must_say(c)) return GATE_PASS;
    (void)reply_error_text(c, SLICE("NOAUTH Authentication required."));
    return GATE_REFUSE;
}

/* Evicts until there is room. While a command takes long, that others are refused has another
 * reason.
 */
static gate_result memory_gate(client *c, void *ctx) {
    (void)ctx;
    if (c->session->busy || ks_make_room(c->ks)) return GATE_PASS;
    (void)reply_out_of_memory(c);
    return GATE_REFUSE;
}

/* Commands that only take away may use the reserve that the log keeps for them. */
static gate_result disk_gate(client *c, void *ctx) {
    (void)ctx;
    size_t bytes = 0;
    if (c->session->busy) return GATE_PASS;
    if (client_needs(c) & CMD_DENYOOM) bytes = client_argument_bytes(c, CHANGE_OVERHEAD);
    status st = engine_room(ks_engine(c->ks), bytes);
    if (status_ok(st)) return GATE_PASS;
    (void)reply_engine_status(c, st);
    return GATE_REFUSE;
}

/* ---- pause -------------------------------------------------------------------------------------
 */

bool gates_paused(const client *c) {
    const session *s = c->session;
    if (!s->paused) return false;
    return s->pause_all || (client_needs(c) & (CMD_WRITE | CMD_MAY_REPLICATE));
}

/* Armed while a pause is on. */
static gate_result pause_gate(client *c, void *ctx) {
    (void)ctx;
    return gates_paused(c) ? GATE_HOLD : GATE_PASS;
}

/* The end of the pause has come. */
static int64_t pause_over(void *ctx) {
    session *s = ctx;
    s->pause_timer = 0;
    session_unpause(s);
    return -1;
}

/* A pause while another is on: the later end and the stricter kind hold. */
void session_pause(session *s, int64_t until_ms, bool all) {
    if (s->paused) {
        if (s->pause_until_ms > until_ms) until_ms = s->pause_until_ms;
        all = all || s->pause_all;
    }
    if (s->pause_timer) reactor_timer_remove(s->reactor, s->pause_timer);
    int64_t delay = until_ms - ks_now(s->ks);
    s->pause_timer = reactor_timer_add(s->reactor, delay > 0 ? delay : 0, pause_over, s);
    s->paused = true;
    s->pause_all = all;
    s->pause_until_ms = until_ms;
    session_gate_arm(s, s->pause_gate, true);
    ks_set_expiry_frozen(s->ks, true);
}

/* Whoever was held goes on in this turn. */
void session_unpause(session *s) {
    if (!s->paused) return;
    if (s->pause_timer) reactor_timer_remove(s->reactor, s->pause_timer);
    s->pause_timer = 0;
    s->paused = s->pause_all = false;
    session_gate_arm(s, s->pause_gate, false);
    ks_set_expiry_frozen(s->ks, false);
    session_resume(s);
}

/* For INFO, and for features that act by themselves. */
bool session_paused(const session *s, bool *all) {
    if (all) *all = s->pause_all;
    return s->paused;
}

/* The session's own gates; others may be added between them. */
void gates_start(session *s) {
    session_gate_add(s, &(gate){.name = "auth",
                                .rank = GATE_RANK_AUTH,
                                .pass = auth_gate,
                                .open_to = CLIENT_AUTHENTICATED});
    session_gate_add(s, &(gate){.name = "memory",
                                .rank = GATE_RANK_MEMORY,
                                .pass = memory_gate,
                                .commands = CMD_DENYOOM});
    session_gate_add(
        s,
        &(gate){.name = "disk", .rank = GATE_RANK_DISK, .pass = disk_gate, .commands = CMD_WRITE});
    s->pause_gate =
        session_gate_add(s, &(gate){.name = "pause", .rank = GATE_RANK_PAUSE, .pass = pause_gate});
    session_gate_arm(s, s->pause_gate, false);
}
