/* topics: subscriptions, and sending to those who have one.
 *
 *     topics[kind] ──> topic ── subscribers ──> subscription ──> subscription ──> ...
 *                                                    │
 *                     subscriber.own[kind] ──────────┘  (a client's own, in its slot)
 *
 * A channel is found by its name; patterns are tried one after another, as in Redis. Messages are
 * written once for each protocol and pushed to each subscriber: they wait for the log as the
 * session says. A topic lives as long as somebody is subscribed to it. */
#include "pubsub/internal.h"
#include "pubsub/pubsub.h"

#include "base/dict.h"
#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/reply.h"

/* A channel, pattern or shard channel. */
typedef struct topic {
    list_node subscribers;
    list_node node; /* in `patterns`, if it is one */
    size_t n, len;
    char bytes[];
} topic;

typedef struct subscription {
    list_node node; /* in topic->subscribers */
    list_node own;  /* in its subscriber's list */
    topic *topic;
    client *c;
} subscription;

/* What a client's slot has. */
typedef struct subscriber {
    list_node own[TOPIC_KINDS];
    size_t bytes;
} subscriber;

/* One session a process, so one table. NULL: nobody is subscribed to anything of that kind. */
static int slot = -1; /* of the clients' */
static dict *topics[TOPIC_KINDS];
static list_node patterns; /* in order of first subscription */
static size_t subscribers; /* clients that have a subscription */
static session *served;
static int gate_number;

/* As it was given. */
static slice name_of(const topic *t) {
    return slice_of(t->bytes, t->len);
}

/* NULL if nobody is subscribed to it. */
static topic *topic_find(enum topic_kind kind, slice name) {
    return topics[kind] ? dict_get(topics[kind], name) : NULL;
}

/* Made if nobody is subscribed to it. */
static topic *topic_at(enum topic_kind kind, slice name) {
    topic *t = topic_find(kind, name);
    if (t) return t;
    t = mem_zalloc(sizeof *t + name.len);
    list_init(&t->subscribers);
    list_init(&t->node);
    t->len = name.len;
    if (name.len) memcpy(t->bytes, name.data, name.len);
    if (!topics[kind]) topics[kind] = dict_new(false);
    (void)dict_set(topics[kind], name, t);
    if (kind == TOPIC_PATTERN) list_append(&patterns, &t->node);
    return t;
}

/* ---- a client's subscriptions ------------------------------------------------------------------
 */

/* The counts that CLIENT LIST shows. */
static uint32_t *count_of(client *c, enum topic_kind kind) {
    uint32_t *counts[] = {&c->channels, &c->patterns, &c->shard_channels};
    return counts[kind];
}

/* Its own, by a walk over what is shorter as a rule: those of the client are not indexed. */
static subscription *find_own(const client *c, const topic *t) {
    for (list_node *n = t->subscribers.next; n != &t->subscribers; n = n->next) {
        subscription *s = LIST_OWNER(n, subscription, node);
        if (s->c == c) return s;
    }
    return NULL;
}

/* The client is a subscriber, or no longer one. */
static void set_mode(client *c, bool on) {
    if (on == !!(c->flags & CLIENT_PUBSUB)) return;
    if (on) {
        c->flags |= CLIENT_PUBSUB;
        subscribers++;
    } else {
        c->flags &= ~(unsigned)CLIENT_PUBSUB;
        CHECK(subscribers > 0);
        subscribers--;
    }
    session_gate_arm(served, gate_number, subscribers > 0);
}

/* A client that has never subscribed to anything gets its state here. */
bool topics_subscribe(client *c, enum topic_kind kind, slice name) {
    topic *t = topic_at(kind, name);
    subscriber *who = c->slots[slot];
    if (who && find_own(c, t)) return false;
    if (!who) {
        c->slots[slot] = who = mem_zalloc(sizeof *who);
        for (int i = 0; i < TOPIC_KINDS; i++)
            list_init(&who->own[i]);
    }
    subscription *s = mem_zalloc(sizeof *s);
    s->topic = t;
    s->c = c;
    list_append(&t->subscribers, &s->node);
    list_append(&who->own[kind], &s->own);
    t->n++;
    who->bytes += sizeof *s + sizeof *t + name.len;
    ++*count_of(c, kind);
    set_mode(c, true);
    return true;
}

/* Ends it, and its topic with the last one. */
static void drop(subscriber *who, enum topic_kind kind, subscription *s) {
    topic *t = s->topic;
    client *c = s->c;
    CHECK(t->n > 0 && *count_of(c, kind) > 0);
    who->bytes -= sizeof *s + sizeof *t + t->len;
    list_remove(&s->node);
    list_remove(&s->own);
    mem_free(s);
    --*count_of(c, kind);
    if (!(c->channels || c->patterns || c->shard_channels)) set_mode(c, false);
    if (--t->n > 0) return;
    CHECK(dict_del(topics[kind], name_of(t)) == t);
    list_remove(&t->node);
    mem_free(t);
    if (dict_count(topics[kind]) > 0) return;
    dict_free(topics[kind], NULL);
    topics[kind] = NULL;
}

/* The state stays until the client ends: who subscribed once does it again. */
bool topics_unsubscribe(client *c, enum topic_kind kind, slice name) {
    topic *t = topic_find(kind, name);
    subscription *s = t && c->slots[slot] ? find_own(c, t) : NULL;
    if (!s) return false;
    drop(c->slots[slot], kind, s);
    return true;
}

/* The oldest one, so that UNSUBSCRIBE answers in the order of subscription. */
bool topics_any(const client *c, enum topic_kind kind, slice *name) {
    const subscriber *who = c->slots[slot];
    if (!who || !list_used(&who->own[kind])) return false;
    *name = name_of(LIST_OWNER(who->own[kind].next, subscription, own)->topic);
    return true;
}

/* Redis' counts: a client can tell by 0 that it has left the mode of subscribers. */
int64_t topics_told(const client *c, enum topic_kind kind) {
    return kind == TOPIC_SHARD ? c->shard_channels : (int64_t)c->channels + c->patterns;
}

/* By kind, in the order of subscription. */
void pubsub_each(const client *c, void (*each)(void *ctx, slice name, bool is_pattern), void *ctx) {
    const subscriber *who = c->slots[slot];
    for (int kind = 0; who && kind < TOPIC_KINDS; kind++)
        for (list_node *n = who->own[kind].next; n != &who->own[kind]; n = n->next)
            each(ctx, name_of(LIST_OWNER(n, subscription, own)->topic), kind == TOPIC_PATTERN);
}

/* The client ends, or is reset. */
static void forget(client *c, void *state) {
    subscriber *who = state;
    (void)c;
    for (int kind = 0; kind < TOPIC_KINDS; kind++)
        while (list_used(&who->own[kind]))
            drop(who, (enum topic_kind)kind, LIST_OWNER(who->own[kind].next, subscription, own));
    mem_free(who);
}

/* For maxmemory-clients. A topic counts for each of its subscribers. */
static size_t memory(const client *c, const void *state) {
    const subscriber *who = state;
    (void)c;
    return mem_size(who) + who->bytes;
}

/* ---- what there is -----------------------------------------------------------------------------
 */

/* Names, each once. */
size_t topics_count(enum topic_kind kind) {
    return topics[kind] ? dict_count(topics[kind]) : 0;
}

/* Clients, by this very name. */
size_t topics_subscribers(enum topic_kind kind, slice name) {
    const topic *t = topic_find(kind, name);
    return t ? t->n : 0;
}

/* In no order. */
void topics_each(enum topic_kind kind, void (*each)(void *ctx, slice name), void *ctx) {
    size_t pos = 0;
    slice name;
    void *t;
    while (topics[kind] && dict_next(topics[kind], &pos, &name, &t))
        each(ctx, name_of(t));
}

/* ---- sending -----------------------------------------------------------------------------------
 */

/* A message in the two protocols, written when the first one wants it. */
typedef struct letter {
    const char *word; /* "message" */
    const slice *parts;
    int n;
    log_pos depends;
    buf bytes[2]; /* RESP2, RESP3 */
} letter;

/* To all subscribers of a topic. */
static void post(const topic *t, letter *l) {
    for (list_node *n = t->subscribers.next; n != &t->subscribers; n = n->next) {
        client *c = LIST_OWNER(n, subscription, node)->c;
        buf *b = &l->bytes[c->proto == 3];
        if (!b->len) {
            resp_push(b, c->proto, l->n + 1);
            resp_bulk(b, slice_cstr(l->word));
            for (int i = 0; i < l->n; i++)
                resp_bulk(b, l->parts[i]);
        }
        session_push(c, buf_slice(b), l->depends);
    }
}

/* All have got it. */
static void post_end(letter *l) {
    buf_free(&l->bytes[0]);
    buf_free(&l->bytes[1]);
}

/* To the patterns that the channel fits. */
static void send_to_patterns(slice channel, slice message, log_pos depends) {
    for (list_node *n = patterns.next; n != &patterns; n = n->next) {
        const topic *t = LIST_OWNER(n, topic, node);
        if (!glob_match(name_of(t), channel, false)) continue;
        slice parts[] = {name_of(t), channel, message};
        letter l = {.word = "pmessage", .parts = parts, .n = 3, .depends = depends};
        post(t, &l);
        post_end(&l);
    }
}

/* Who is subscribed by name comes first. A client that is subscribed twice, by its name and by a
 * pattern, gets it twice. */
void topics_send(enum topic_kind kind, slice channel, slice message, log_pos depends) {
    const topic *t = topic_find(kind, channel);
    if (t) {
        slice parts[] = {channel, message};
        letter l = {.word = kind == TOPIC_SHARD ? "smessage" : "message",
                    .parts = parts,
                    .n = 2,
                    .depends = depends};
        post(t, &l);
        post_end(&l);
    }
    if (kind == TOPIC_CHANNEL) send_to_patterns(channel, message, depends);
}

/* The same walk without the sending: PUBLISH answers before its batch has committed. */
int64_t topics_receivers(enum topic_kind kind, slice channel) {
    size_t count = topics_subscribers(kind, channel);
    if (kind != TOPIC_CHANNEL) return (int64_t)count;
    for (list_node *n = patterns.next; n != &patterns; n = n->next) {
        const topic *t = LIST_OWNER(n, topic, node);
        if (glob_match(name_of(t), channel, false)) count += t->n;
    }
    return (int64_t)count;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

/* In RESP2, replies and messages could not be told apart; so a subscriber has few commands. */
static gate_result gate_pass(client *c, void *ctx) {
    static const char *const allowed[] = {"subscribe",    "unsubscribe", "psubscribe",
                                          "punsubscribe", "ssubscribe",  "sunsubscribe",
                                          "ping",         "quit",        "reset"};
    (void)ctx;
    if (!(c->flags & CLIENT_PUBSUB) || c->proto != 2) return GATE_PASS;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (strcmp(c->row->full_name, allowed[i]) == 0) return GATE_PASS;
    (void)reply_error(c,
                      "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                      "QUIT / RESET are allowed in this context",
                      c->row->full_name);
    return GATE_REFUSE;
}

/* Slots are the process', gates the session's. */
void topics_start(session *s) {
    CHECK(subscribers == 0);
    if (slot < 0) {
        slot = client_slot_add(forget);
        client_slot_memory(slot, memory);
    }
    list_init(&patterns);
    served = s;
    gate_number =
        session_gate_add(s, &(gate){.name = "pubsub", .rank = GATE_RANK_PUBSUB, .pass = gate_pass});
    session_gate_arm(s, gate_number, false);
}
