/* cron: ten times a second: a tenth of all clients is looked at for timeouts and limits, so each
 * about once a second; rates are sampled; when clients together take too much memory, the largest
 * go. */
#include "session/state.h"

#include "base/log.h"
#include "session/config.h"
#include "session/stats.h"

#define CALLS_A_SECOND 10
#define LOOK_AT_LEAST  64
#define HANDSHAKE_MS   10000 /* a slow network needs a second or two */

/* Has it been silent for longer than it may? Who waits for something, or is sent things, may be. */
static bool timed_out(const client *c, int64_t now) {
    if (!session_config.timeout) return false;
    if (c->flags &
        (CLIENT_BLOCKED | CLIENT_DELAYED | CLIENT_PUBSUB | CLIENT_MONITOR | CLIENT_PROTECTED))
        return false;
    return now - c->last_active_ms > session_config.timeout * 1000;
}

/* At its output bound, not read, and taking nothing: it will not begin to. */
static bool is_stuck(const client *c, int64_t now) {
    if (!(c->flags & CLIENT_READ_STOP) || !(c->flags & CLIENT_WRITE_WAIT)) return false;
    return output_is_full(c) && now - c->output.stuck_since_ms > OUTPUT_STUCK_MS;
}

/* Has it not got through its handshake? It has told nothing yet, and must not stay for that. */
static bool shakes_too_long(const client *c, int64_t now) {
    return c->conn->shaking && now - c->created_ms > HANDSHAKE_MS;
}

/* One client's turn, about once a second. */
static void look_at(client *c) {
    session *s = c->session;
    int64_t now = ks_now(s->ks);
    if (c->flags & CLIENT_CLOSE_ASAP) return;
    if (shakes_too_long(c, now)) {
        log_verbose("Closing client id=%llu addr=%s: no handshake within %d seconds",
                    (unsigned long long)c->id, c->peer, HANDSHAKE_MS / 1000);
        client_close_soon(c);
    } else if (timed_out(c, now)) {
        log_verbose("Closing idle client");
        client_close_soon(c);
    } else if (is_stuck(c, now)) {
        log_warning("Closing client id=%llu addr=%s: it left %zu bytes of replies unread for %d "
                    "seconds",
                    (unsigned long long)c->id, c->peer, output_unsent(c), OUTPUT_STUCK_MS / 1000);
        s->stats.output_limit_disconnections++;
        client_close_soon(c);
    } else if (output_unsent(c)) {
        output_check_limits(c);
    }
}

/* maxmemory-clients in bytes; 0: no limit. A percentage is one of maxmemory. */
static uint64_t memory_limit(void) {
    int64_t v = session_config.maxmemory_clients;
    if (v >= 0) return (uint64_t)v;
    const setting *maxmemory = setting_find(keyspace_settings, SLICE("maxmemory"));
    CHECK(maxmemory && maxmemory->target);
    return (uint64_t) * (const int64_t *)maxmemory->target / 100 * (uint64_t)-v;
}

/* CLIENT NO-EVICT, and what must not be closed. */
static bool may_evict(const client *c) {
    return !(c->flags & (CLIENT_NO_EVICT | CLIENT_CLOSE_ASAP | CLIENT_PROTECTED));
}

/* The one of those that may go that takes most, and in *total what they all take. */
static client *largest(session *s, size_t *total) {
    client *best = NULL;
    size_t most = 0;
    *total = 0;
    for (client *c = s->first; c; c = c->next) {
        if (!may_evict(c)) continue;
        size_t n = client_memory(c);
        *total += n;
        if (n <= most) continue;
        most = n;
        best = c;
    }
    return best;
}

/* Ends the largest clients until the rest fit into maxmemory-clients. */
static void evict_clients(session *s) {
    uint64_t limit = memory_limit();
    size_t total;
    if (!limit) return;
    for (client *c; (c = largest(s, &total)) != NULL && total > limit;) {
        log_notice("Evicting client: id=%llu addr=%s, it takes %zu bytes",
                   (unsigned long long)c->id, c->peer, client_memory(c));
        s->stats.evicted_clients++;
        client_close_soon(c);
    }
}

/* The cursor survives the end of the client it points to: client_free moves it on. */
void session_cron(session *s) {
    size_t n = s->clients / CALLS_A_SECOND + 1;
    if (n < LOOK_AT_LEAST) n = LOOK_AT_LEAST;
    if (n > s->clients) n = s->clients;
    while (s->first && n-- > 0) {
        if (!s->cron_at) s->cron_at = s->first;
        client *c = s->cron_at;
        s->cron_at = c->next;
        look_at(c);
    }
    evict_clients(s);
    stats_sample(s);
    if (list_used(&s->closing)) reactor_wake(s->reactor);
}
