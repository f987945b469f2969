/* pubsub: the commands. What they keep is in topics.c.
 *
 * SUBSCRIBE and its like answer once for each channel, in RESP3 as pushes. A message that is
 * published goes out when the batch of its command has committed: inside of EXEC not before all of
 * EXEC has, and not at all if that is undone; in its place among keyspace events. */
#include "pubsub/pubsub.h"

#include "base/codec.h"
#include "base/glob.h"
#include "pubsub/internal.h"
#include "session/reply.h"

/* ---- subscribing -------------------------------------------------------------------------------
 */

/* The first words of answers, by kind, for leaving and coming. */
static const char *const words[TOPIC_KINDS][2] = {
    {"unsubscribe", "subscribe"}, {"punsubscribe", "psubscribe"}, {"sunsubscribe", "ssubscribe"}};

/* The answer for one name; NULL: there was none. */
static void confirm(client *c, enum topic_kind kind, bool on, const slice *name) {
    resp_push(&c->out, c->proto, 3);
    reply_cstr(c, words[kind][on]);
    if (name)
        reply_bulk(c, *name);
    else
        reply_null(c);
    reply_int(c, topics_told(c, kind));
}

/* Each name is answered for by itself, also one that was there. For who can't be pushed to, as a
 * script can't, there is nothing to wait for. */
static command_result subscribe(client *c, enum topic_kind kind) {
    if (c->flags & CLIENT_FAKE)
        return reply_error(c, "ERR %s isn't allowed for a DENY BLOCKING client", words[kind][1]);
    for (int i = 1; i < c->argc; i++) {
        (void)topics_subscribe(c, kind, c->argv[i]);
        confirm(c, kind, true, &c->argv[i]);
    }
    return CMD_DONE;
}

/* Without names, from all. */
static command_result unsubscribe(client *c, enum topic_kind kind) {
    slice name;
    for (int i = 1; i < c->argc; i++) {
        (void)topics_unsubscribe(c, kind, c->argv[i]);
        confirm(c, kind, false, &c->argv[i]);
    }
    if (c->argc > 1) return CMD_DONE;
    if (!topics_any(c, kind, &name)) confirm(c, kind, false, NULL);
    while (topics_any(c, kind, &name)) {
        char *copy = ks_alloc(c->ks, name.len + 1);
        memcpy(copy, name.data, name.len);
        name = slice_of(copy, name.len);
        (void)topics_unsubscribe(c, kind, name);
        confirm(c, kind, false, &name);
    }
    return CMD_DONE;
}

/* Channels are found by their whole name. */
static command_result subscribe_command(client *c) {
    return subscribe(c, TOPIC_CHANNEL);
}
/* Patterns are Redis' globs. */
static command_result psubscribe_command(client *c) {
    return subscribe(c, TOPIC_PATTERN);
}
/* Shard channels are apart: a channel of the same name is another one. */
static command_result ssubscribe_command(client *c) {
    return subscribe(c, TOPIC_SHARD);
}
/* All channels, if none is named; patterns stay. */
static command_result unsubscribe_command(client *c) {
    return unsubscribe(c, TOPIC_CHANNEL);
}
/* All patterns, if none is named; a pattern is named as it was given. */
static command_result punsubscribe_command(client *c) {
    return unsubscribe(c, TOPIC_PATTERN);
}
/* All shard channels, if none is named. */
static command_result sunsubscribe_command(client *c) {
    return unsubscribe(c, TOPIC_SHARD);
}

/* ---- publishing --------------------------------------------------------------------------------
 */

/* The batch has committed: who reads a message may rely on all that was done before it. bytes:
 * kind, length of the channel, channel, message. */
static void deliver(void *ctx, slice bytes) {
    keyspace *ks = ctx;
    enum topic_kind kind = (enum topic_kind)bytes.data[0];
    size_t n = load_u32(bytes.data + 1);
    slice rest = slice_skip(bytes, 5);
    topics_send(kind, slice_of(rest.data, n), slice_skip(rest, n), engine_log_end(ks_engine(ks)));
}

/* Answers how many will get it. */
static command_result publish(client *c, enum topic_kind kind) {
    slice channel = c->argv[1], message = c->argv[2];
    int64_t n = topics_receivers(kind, channel);
    if (n > 0) {
        buf *b = ks_scratch(c->ks);
        char head[5] = {(char)kind};
        put_u32(head + 1, (uint32_t)channel.len);
        buf_clear(b);
        buf_append(b, head, sizeof head);
        buf_append_slice(b, channel);
        buf_append_slice(b, message);
        ks_after_commit(c->ks, deliver, c->ks, buf_slice(b));
    }
    reply_int(c, n);
    return CMD_DONE;
}

/* Patterns get it too. */
static command_result publish_command(client *c) {
    return publish(c, TOPIC_CHANNEL);
}
/* No pattern gets it. */
static command_result spublish_command(client *c) {
    return publish(c, TOPIC_SHARD);
}

/* ---- PUBSUB ------------------------------------------------------------------------------------
 */

/* The names that fit a pattern; all of them if there is none. */
typedef struct listing {
    buf out;
    const slice *pattern;
    int64_t n;
} listing;

/* One name, if it fits. */
static void list_one(void *ctx, slice name) {
    listing *l = ctx;
    if (l->pattern && !glob_match(*l->pattern, name, false)) return;
    resp_bulk(&l->out, name);
    l->n++;
}

/* The count goes first, so names are gathered apart. */
static command_result list_names(client *c, enum topic_kind kind) {
    if (c->argc > 3) return reply_sub_syntax(c);
    listing l = {.pattern = c->argc == 3 ? &c->argv[2] : NULL};
    topics_each(kind, list_one, &l);
    reply_array(c, l.n);
    buf_append_slice(&c->out, buf_slice(&l.out));
    buf_free(&l.out);
    return CMD_DONE;
}

/* A name and a number, for each. */
static command_result numbers(client *c, enum topic_kind kind) {
    reply_array(c, 2 * ((int64_t)c->argc - 2));
    for (int i = 2; i < c->argc; i++) {
        reply_bulk(c, c->argv[i]);
        reply_int(c, (int64_t)topics_subscribers(kind, c->argv[i]));
    }
    return CMD_DONE;
}

/* Patterns are not listed. */
static command_result channels_command(client *c) {
    return list_names(c, TOPIC_CHANNEL);
}
/* The same for shard channels. */
static command_result shardchannels_command(client *c) {
    return list_names(c, TOPIC_SHARD);
}
/* Those that patterns would bring are not counted. */
static command_result numsub_command(client *c) {
    return numbers(c, TOPIC_CHANNEL);
}
/* The same for shard channels. */
static command_result shardnumsub_command(client *c) {
    return numbers(c, TOPIC_SHARD);
}

/* Patterns, not those who subscribed to them. */
static command_result numpat_command(client *c) {
    reply_int(c, (int64_t)topics_count(TOPIC_PATTERN));
    return CMD_DONE;
}

/* Each subcommand and a line about it. */
static command_result help_command(client *c) {
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    The channels that somebody is subscribed to, or those that fit <pattern>.",
        "NUMPAT",
        "    How many patterns somebody is subscribed to.",
        "NUMSUB [<channel> ...]",
        "    How many are subscribed to each channel, patterns not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels that somebody is subscribed to, or those that fit <pattern>.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many are subscribed to each shard channel.",
        NULL};
    return reply_help(c, lines);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

/* As dashboards know them. */
static void emit(buf *out, void *ctx) {
    (void)ctx;
    metric_u64(out, "pubsub_channels", topics_count(TOPIC_CHANNEL));
    metric_u64(out, "pubsub_patterns", topics_count(TOPIC_PATTERN));
    metric_u64(out, "pubsubshard_channels", topics_count(TOPIC_SHARD));
}

/* Three lines of Stats. */
const metric_section *pubsub_metrics(void) {
    static const metric_section table[] = {{"Stats", emit, NULL, NULL, 0}, {0}};
    return table;
}

/* Subscriptions first: events are sent to them. */
void pubsub_start(session *s) {
    topics_start(s);
    events_start(s);
}

/* All of them run while data is loaded. */
#define PS(name_, run_, arity_, flags_, since_, complexity_, summary_, ...)                        \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_, .group = "pubsub", .since = since_,           \
        .flags = CMD_LOADING | CMD_STALE | (flags_), .complexity = complexity_,                    \
        .summary = summary_, __VA_ARGS__                                                           \
    }
/* A script has nobody to push to; of a sharded channel the name is where a key would be, and is
 * none. */
#define LISTENS    (CMD_PUBSUB | CMD_NOSCRIPT)
#define ALL_SHARDS .keys = {{.flags = KEY_NOT_KEY, .begin = 1, .last = -1, .step = 1}}

/* HELP alone is not of the category pubsub, as in redis-server. */
static const command subcommands[] = {
    PS("channels", channels_command, -2, CMD_PUBSUB, "2.8.0",
       "O(N) where N is the number of active channels, and assuming constant time pattern matching "
       "(relatively short channels and patterns)",
       "The channels that somebody listens to.", .syntax = "[pattern]"),
    PS("help", help_command, 2, 0, "6.2.0", "O(1)", "Helpful text."),
    PS("numpat", numpat_command, 2, CMD_PUBSUB, "2.8.0", "O(1)",
       "How many patterns somebody listens to."),
    PS("numsub", numsub_command, -2, CMD_PUBSUB, "2.8.0",
       "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
       "How many listen to channels.", .syntax = "[channel...]"),
    PS("shardchannels", shardchannels_command, -2, CMD_PUBSUB, "7.0.0",
       "O(N) where N is the number of active shard channels, and assuming constant time pattern "
       "matching (relatively short shard channels).",
       "The shard channels that somebody listens to.", .syntax = "[pattern]"),
    PS("shardnumsub", shardnumsub_command, -2, CMD_PUBSUB, "7.0.0",
       "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
       "How many listen to shard channels.", .syntax = "[shardchannel...]"),
    {0},
};

/* Channels are no keys, but in a cluster shard channels have slots as keys do. */
const command pubsub_commands[] = {
    PS("subscribe", subscribe_command, -2, LISTENS, "2.0.0",
       "O(N) where N is the number of channels to subscribe to.", "Listens to channels.",
       .syntax = "channel...", .channels = CHANNELS_ALL),
    PS("psubscribe", psubscribe_command, -2, LISTENS, "2.0.0",
       "O(N) where N is the number of patterns the client is already subscribed to.",
       "Listens to all channels that fit patterns.", .syntax = "@pattern:<pattern>...",
       .channels = CHANNEL_PATTERNS),
    PS("ssubscribe", ssubscribe_command, -2, LISTENS, "7.0.0",
       "O(N) where N is the number of shard channels to subscribe to.",
       "Listens to shard channels.", .syntax = "shardchannel...", .channels = CHANNELS_ALL,
       ALL_SHARDS),
    PS("unsubscribe", unsubscribe_command, -1, LISTENS, "2.0.0",
       "O(N) where N is the number of clients already subscribed to a channel.",
       "Listens to channels no more.", .syntax = "[channel...]"),
    PS("punsubscribe", punsubscribe_command, -1, LISTENS, "2.0.0",
       "O(N+M) where N is the number of patterns the client is already subscribed and M is the "
       "number of total patterns subscribed in the system (by any client).",
       "Listens to patterns no more.", .syntax = "[pattern...]"),
    PS("sunsubscribe", sunsubscribe_command, -1, LISTENS, "7.0.0",
       "O(N) where N is the number of clients already subscribed to a shard channel.",
       "Listens to shard channels no more.", .syntax = "[shardchannel...]", ALL_SHARDS),
    PS("publish", publish_command, 3, CMD_PUBSUB | CMD_FAST | CMD_MAY_REPLICATE, "2.0.0",
       "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the "
       "total number of subscribed patterns (by any client).",
       "Sends a message to a channel.", .syntax = "channel message", .channels = CHANNEL_FIRST),
    PS("spublish", spublish_command, 3, CMD_PUBSUB | CMD_FAST | CMD_MAY_REPLICATE, "7.0.0",
       "O(N) where N is the number of clients subscribed to the receiving shard channel.",
       "Sends a message to a shard channel.", .syntax = "shardchannel message",
       .channels = CHANNEL_FIRST,
       .keys = {{.flags = KEY_NOT_KEY, .begin = 1, .last = 0, .step = 1}}),
    {.name = "pubsub",
     .arity = -2,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "Depends on subcommand.",
     .summary = "What is listened to.",
     .subcommands = subcommands},
    {0},
};
