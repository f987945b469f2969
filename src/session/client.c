/* client: the life of one client: made when a connection is accepted, ended at the end of a turn.
 *
 * Nothing frees a client in the middle of a turn, whoever wants it gone: client_close_soon puts it
 * in the session's list, and session_flush, when no command runs, empties that. So a pointer to a
 * client is good for the whole turn. */
#include "session/client.h"

#include "base/log.h"
#include "base/mem_later.h"
#include "session/block.h"
#include "session/dispatch.h"
#include "session/keywait.h"
#include "session/state.h"

#define PASSES_MIN  ((size_t)8 << 20)
#define PASSES_KEEP 4096

static void (*slot_free[CLIENT_SLOTS])(client *c, void *state);
static size_t (*slot_memory[CLIENT_SLOTS])(const client *c, const void *state);
static int slots;

/* Slots are given once, at boot, and never taken back. */
int client_slot_add(void (*free)(client *c, void *state)) {
    CHECK(slots < CLIENT_SLOTS);
    slot_free[slots] = free;
    return slots++;
}

/* Of a slot that the caller was given. */
void client_slot_memory(int slot, size_t (*memory)(const client *c, const void *state)) {
    CHECK(slot >= 0 && slot < slots);
    slot_memory[slot] = memory;
}

/* In order of registration. */
void client_forget_slots(client *c) {
    for (int i = 0; i < slots; i++) {
        void *state = c->slots[i];
        c->slots[i] = NULL;
        if (state) slot_free[i](c, state);
    }
}

/* An id as the key of a table. */
static slice id_key(const uint64_t *id) {
    return slice_of((const char *)id, sizeof *id);
}

/* Ids grow, so the list of clients is in order of id. */
client *client_new(session *s, conn *cn, const char *peer) {
    client *c = mem_zalloc(sizeof *c);
    c->session = s;
    c->ks = s->ks;
    c->conn = cn;
    c->proto = 2;
    c->peer = mem_strdup(peer);
    c->created_ms = c->last_active_ms = ks_now(s->ks);
    list_init(&c->send_link);
    list_init(&c->run_link);
    list_init(&c->read_link);
    if (!cn) {
        c->flags = CLIENT_FAKE | CLIENT_AUTHENTICATED;
        return c;
    }
    c->reader.ready = session_read_ready;
    c->id = s->next_id++;
    (void)dict_set(s->by_id, id_key(&c->id), c);
    c->prev = s->last;
    if (s->last)
        s->last->next = c;
    else
        s->first = c;
    s->last = c;
    s->clients++;
    return c;
}

/* Out of the list of all clients. */
static void unlist(client *c) {
    session *s = c->session;
    if (s->cron_at == c) s->cron_at = c->next;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        s->last = c->prev;
    CHECK(dict_del(s->by_id, id_key(&c->id)) == c && s->clients > 0);
    s->clients--;
}

/* Everything that may know the client forgets it. */
void client_free(client *c) {
    session *s = c->session;
    CHECK(s->running != c);
    if (c->block) client_unblock(c, BLOCK_CLOSED);
    engine_reader_end(ks_engine(c->ks), &c->reader);
    client_forget_slots(c);
    list_remove(&c->send_link);
    list_remove(&c->run_link);
    list_remove(&c->read_link);
    if (c->conn) {
        unlist(c);
        if (c->conn->fd >= 0) reactor_remove(s->reactor, c->conn->fd);
        c->conn->ops->close(c->conn);
    }
    output_free(c);
    buf_free_later(&c->query);
    if (c->partial) {
        resp_reader_free(c->partial);
        mem_free(c->partial);
    }
    mem_free(c->name);
    mem_free(c->lib_name);
    mem_free(c->lib_ver);
    mem_free(c->peer);
    mem_free(c);
}

/* It runs no more commands from now on; session_flush frees it. */
void client_close_soon(client *c) {
    if (c->flags & (CLIENT_CLOSE_ASAP | CLIENT_FAKE)) return;
    c->flags |= CLIENT_CLOSE_ASAP;
    list_remove(&c->run_link);
    list_append(&c->session->closing, &c->run_link);
}

/* Queued for sending even with nothing to send, as that is what ends it. */
void client_close_after_reply(client *c) {
    c->flags |= CLIENT_CLOSE_AFTER_REPLY;
    if (!c->conn) return;
    if (!list_used(&c->send_link)) list_append(&c->session->ready, &c->send_link);
    client_update_events(c);
}

/* The end at this moment: what comes later was not seen. */
void client_depends_on_end(client *c) {
    client_depends(c, engine_log_end(ks_engine(c->ks)));
}

/* The only place that asks the reactor for something else; most turns ask for nothing. What the
 * connection itself holds, no reactor tells of. */
void client_update_events(client *c) {
    if (!c->conn) return;
    bool read = !(c->flags & (CLIENT_READ_STOP | CLIENT_EOF | CLIENT_ENDS));
    bool unread = read && c->conn->pending;
    if (unread && !list_used(&c->read_link))
        list_append(&c->session->unread, &c->read_link);
    else if (!unread)
        list_remove(&c->read_link);
    unsigned want = conn_events(c->conn, read, c->flags & CLIENT_WRITE_WAIT);
    if (want == c->events) return;
    c->events = want;
    if (c->conn->fd < 0) return;
    status st = reactor_modify(c->session->reactor, c->conn->fd, want);
    if (!status_ok(st)) {
        log_warning("Closing client %llu, its socket can't be watched: %s",
                    (unsigned long long)c->id, st.msg);
        client_close_soon(c);
    }
}

/* Those about to be closed included. */
client *client_by_id(session *s, uint64_t id) {
    return dict_get(s->by_id, id_key(&id));
}

/* An empty text is kept as NULL. */
void client_set_text(char **field, slice text) {
    mem_free(*field);
    *field = NULL;
    if (!text.len) return;
    *field = mem_alloc(text.len + 1);
    memcpy(*field, text.data, text.len);
    (*field)[text.len] = 0;
}

/* Asked of the socket when it is wanted, so that it costs an idle client nothing. */
void client_local_addr(const client *c, char out[NET_ADDR_MAX]) {
    out[0] = 0;
    if (c->conn && c->conn->fd >= 0) net_local_addr(c->conn->fd, out);
}

/* What an optional allocation takes. */
static size_t size_of(const void *p) {
    return p ? mem_size(p) : 0;
}

/* What the allocator gave, not what was asked for, where that can be known. */
size_t client_memory(const client *c) {
    size_t n = mem_size(c) + size_of(c->conn) + size_of(c->peer) + size_of(c->name) +
               size_of(c->lib_name) + size_of(c->lib_ver) + size_of(c->query.data) +
               output_memory(c) + client_block_memory(c) + keywait_memory(c);
    if (c->conn) n += c->conn->memory;
    if (c->partial)
        n += mem_size(c->partial) + size_of(c->partial->args) + size_of(c->partial->argv);
    for (int i = 0; i < slots; i++)
        if (c->slots[i] && slot_memory[i]) n += slot_memory[i](c, c->slots[i]);
    return n;
}

/* Within EXEC and scripts arguments are others', and what runs behind this command may be pending.
 */
void client_passes(client *c, slice arg) {
    const buf *q = &c->query;
    if (arg.len < PASSES_MIN || (c->flags & CLIENT_FAKE) || ks_in_inner_batch(c->ks)) return;
    if (c->session->watching[WATCH_WHOLE]) return;
    if (arg.data < q->data || arg.data >= q->data + q->len) return;
    ks_passing(c->ks, slice_skip(arg, PASSES_KEEP));
}

/* The slices first, then all bytes. */
slice *client_copy_args(const client *c) {
    size_t n = (size_t)c->argc, bytes = n * sizeof(slice);
    for (size_t i = 0; i < n; i++)
        bytes += c->argv[i].len;
    slice *copy = mem_alloc(bytes ? bytes : 1);
    char *p = (char *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        size_t len = c->argv[i].len;
        if (len) memcpy(p, c->argv[i].data, len);
        copy[i] = slice_of(p, len);
        p += len;
    }
    return copy;
}

/* Without the command's name, which is not logged. */
size_t client_argument_bytes(const client *c, size_t each) {
    bool carries = c->row->flags & CMD_CARRIES;
    size_t n = carries ? c->carried.bytes + each * c->carried.commands : each;
    for (int i = 1; i < c->argc; i++)
        n += c->argv[i].len;
    return n;
}

/* In no list, and never sent anything. */
client *client_fake(session *s) {
    return client_new(s, NULL, "");
}

/* For fakes alone: a real client ends by client_close_soon. */
void client_fake_free(client *c) {
    CHECK(c->flags & CLIENT_FAKE);
    client_free(c);
}

/* The arguments are the caller's; so is what comes of CLIENT_WAITS. */
void client_run(client *c) {
    dispatch(c);
}
