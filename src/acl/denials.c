/* denials: ACL LOG, and the counters of INFO.
 *
 * A list from the newest to the oldest, at most acllog-max-len long. What is denied again within a
 * minute, for the same reason, in the same place, to the same user, is one entry that goes to the
 * front; only the newest few are looked at for that. A denial inside of EXEC or a script is noted
 * when their batch has committed, as they may be run again. */
#include "acl/internal.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "commands/client_command.h"
#include "session/list.h"
#include "session/reply.h"

#define SAME_WITHIN_MS 60000
#define LOOKED_AT      10
#define TEXT_MAX       4096 /* bytes of a key's or user's name that are kept */

enum context { IN_TOPLEVEL, IN_MULTI, IN_SCRIPT };

/* What was denied, how often, and who the client was at the last time. */
typedef struct log_entry {
    list_node node;
    denial reason;
    enum context context;
    uint64_t id, count;
    int64_t created_ms, updated_ms;
    buf object, user, client;
} log_entry;

int64_t denials_max;
static list_node newest; /* the head of the list */
static size_t length;
/* Numbers of entries go on over RESET; the counters are INFO's. */
static uint64_t next_id, counts[DENIED_CHANNEL + 1];

/* ---- the list ----------------------------------------------------------------------------------
 */

/* With all that it owns. */
static void drop(log_entry *e) {
    list_remove(&e->node);
    buf_free(&e->object);
    buf_free(&e->user);
    buf_free(&e->client);
    mem_free(e);
    length--;
}

/* The oldest go, until `keep` are left. */
static void trim(size_t keep) {
    while (length > keep)
        drop(LIST_OWNER(newest.prev, log_entry, node));
}

/* A setting may be changed before there is a list. */
void denials_trim(void) {
    if (newest.next) trim((size_t)denials_max);
}

/* Empty. */
void denials_start(void) {
    if (!newest.next) list_init(&newest);
    trim(0);
    next_id = 0;
    denials_reset(NULL);
}

/* The entry that this is one more of; NULL: there is none. */
static log_entry *find_same(denial d, enum context in, slice name, slice object, int64_t now) {
    int left = LOOKED_AT;
    for (list_node *n = newest.next; n != &newest && left-- > 0; n = n->next) {
        log_entry *e = LIST_OWNER(n, log_entry, node);
        /* The clock may be set back. */
        int64_t since = now - e->updated_ms;
        if (e->reason == d && e->context == in && since <= SAME_WITHIN_MS &&
            since >= -SAME_WITHIN_MS && slice_eq(buf_slice(&e->object), object) &&
            slice_eq(buf_slice(&e->user), name))
            return e;
    }
    return NULL;
}

/* Names may be as long as a command may be; the list may not. */
static slice cut(slice text) {
    return slice_of(text.data, text.len < TEXT_MAX ? text.len : TEXT_MAX);
}

/* One more, or one again. */
static void note(const client *c, denial d, enum context in, slice name, slice object) {
    int64_t now = ks_now(c->ks);
    counts[d]++;
    log_entry *e = find_same(d, in, name, object, now);
    if (!e) {
        e = mem_zalloc(sizeof *e);
        list_init(&e->node);
        e->reason = d;
        e->context = in;
        e->id = next_id++;
        e->created_ms = now;
        buf_append_slice(&e->object, object);
        buf_append_slice(&e->user, name);
        length++;
    }
    e->count++;
    e->updated_ms = now;
    buf_clear(&e->client);
    client_describe(&e->client, c);
    if (e->client.len) e->client.len--; /* its newline */
    list_remove(&e->node);
    list_append(newest.next, &e->node);
    trim((size_t)denials_max);
}

/* What note needs, for later: reason, context, the client's id, the user's length; user, object. */
static void note_later(void *ctx, slice bytes) {
    session *s = ctx;
    const client *c = client_by_id(s, load_u64(bytes.data + 2));
    slice texts = slice_skip(bytes, 14);
    size_t n = load_u32(bytes.data + 10);
    /* The client has gone meanwhile: there is nobody to describe. */
    if (!c) return;
    note(c, (denial)bytes.data[0], (enum context)bytes.data[1], slice_of(texts.data, n),
         slice_skip(texts, n));
}

/* At once, or with the batch that the command is in: see the top. */
void denials_note(client *c, denial d, slice name, slice what) {
    name = cut(name);
    what = cut(what);
    if (!c->outer) {
        note(c, d, c->flags & CLIENT_MULTI ? IN_MULTI : IN_TOPLEVEL, name, what);
        return;
    }
    /* What is noted is bytes, as the command that was denied may be gone by then, and its client
     * too. */
    char head[14] = {(char)d, c->outer->flags & CMD_CARRIES ? IN_MULTI : IN_SCRIPT};
    buf b = {0};
    put_u64(head + 2, c->id);
    put_u32(head + 10, (uint32_t)name.len);
    buf_append(&b, head, sizeof head);
    buf_append_slice(&b, name);
    buf_append_slice(&b, what);
    ks_after_commit(c->ks, note_later, c->session, buf_slice(&b));
    buf_free(&b);
}

/* ---- replies -----------------------------------------------------------------------------------
 */

/* Ten fields since 7.2. */
static void reply_entry(client *c, const log_entry *e) {
    static const char *const reasons[] = {[DENIED_COMMAND] = "command",
                                          [DENIED_KEY] = "key",
                                          [DENIED_AUTH] = "auth",
                                          [DENIED_CHANNEL] = "channel"};
    static const char *const contexts[] = {"toplevel", "multi", "lua"};
    reply_map(c, 10);
    reply_cstr(c, "count");
    reply_int(c, (int64_t)e->count);
    reply_cstr(c, "reason");
    reply_cstr(c, reasons[e->reason]);
    reply_cstr(c, "context");
    reply_cstr(c, contexts[e->context]);
    reply_cstr(c, "object");
    reply_bulk(c, buf_slice(&e->object));
    reply_cstr(c, "username");
    reply_bulk(c, buf_slice(&e->user));
    reply_cstr(c, "age-seconds");
    reply_double(c, (double)(ks_now(c->ks) - e->updated_ms) / 1000);
    reply_cstr(c, "client-info");
    reply_bulk(c, buf_slice(&e->client));
    reply_cstr(c, "entry-id");
    reply_int(c, (int64_t)e->id);
    reply_cstr(c, "timestamp-created");
    reply_int(c, e->created_ms);
    reply_cstr(c, "timestamp-last-updated");
    reply_int(c, e->updated_ms);
}

/* Ten of them, or as many as are asked for, or RESET. */
command_result denials_reply(client *c) {
    int64_t count = 10;
    if (c->argc > 3) return reply_sub_syntax(c);
    if (arg_is(c, 2, "reset")) {
        trim(0);
        reply_ok(c);
        return CMD_DONE;
    }
    if (c->argc == 3 && !arg_i64(c, 2, &count)) return CMD_REFUSED;
    if (count < 0) count = 0;
    if (count > (int64_t)length) count = (int64_t)length;
    reply_array(c, count);
    for (list_node *n = newest.next; count-- > 0; n = n->next)
        reply_entry(c, LIST_OWNER(n, log_entry, node));
    return CMD_DONE;
}

/* Counted since the start, whatever the list has kept. */
void denials_emit(buf *out, void *ctx) {
    (void)ctx;
    metric_u64(out, "acl_access_denied_auth", counts[DENIED_AUTH]);
    metric_u64(out, "acl_access_denied_cmd", counts[DENIED_COMMAND]);
    metric_u64(out, "acl_access_denied_key", counts[DENIED_KEY]);
    metric_u64(out, "acl_access_denied_channel", counts[DENIED_CHANNEL]);
}

/* CONFIG RESETSTAT. */
void denials_reset(void *ctx) {
    (void)ctx;
    memset(counts, 0, sizeof counts);
}
