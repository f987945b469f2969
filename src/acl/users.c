/* users: all users, by name, and which client is which.
 *
 *     client.slots[slot] ──> user        NULL: the default user, also before any AUTH
 *
 * The default user is always there, and stays at its place. A user who is deleted takes his
 * connections with him, so that no slot outlives what it points to. `restricted` says whether there
 * is anything to check: the gate is armed by it.
 *
 *     a change ──> holds at once, for the commands behind it in EXEC
 *                  batch committed ──> connections end, the old is freed
 *                  batch aborted   ──> taken back, in the opposite order: EXEC runs again */
#include "acl/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "pubsub/pubsub.h"

#include <stdlib.h>

static int slot = -1; /* of the clients' */
static struct {
    session *served;
    dict *by_name;
    user *everybody; /* the default user */
    void (*restricted)(bool is);
} all;

/* The user is nobody's own. */
static void forget(client *c, void *state) {
    (void)c;
    (void)state;
}

/* For dict_free. */
static void free_user(void *u) {
    user_free(u);
}

/* Slots are the process'; a session comes after another in tests alone. */
void users_start(session *s, void (*restricted)(bool is)) {
    if (slot < 0) slot = client_slot_add(forget);
    dict_free(all.by_name, free_user);
    all.served = s;
    all.restricted = restricted;
    all.by_name = dict_new(false);
    all.everybody = user_new_default();
    (void)dict_set(all.by_name, user_name(all.everybody), all.everybody);
    users_changed();
}

/* ---- who is who --------------------------------------------------------------------------------
 */

/* Names are compared byte by byte: Bob is not bob. */
user *users_find(slice name) {
    return dict_get(all.by_name, name);
}
/* The same one from the start to the end. */
user *users_default(void) {
    return all.everybody;
}
/* One load, as it is asked for each command. */
user *users_of(const client *c) {
    user *u = c->slots[slot];
    return u ? u : all.everybody;
}
/* For qsort. */
static int by_name(const void *a, const void *b) {
    return slice_cmp(user_name(*(user *const *)a), user_name(*(user *const *)b));
}

/* As Redis lists them: by their bytes. */
user **users_sorted(size_t *n) {
    size_t pos = 0, i = 0;
    slice name;
    void *u;
    *n = dict_count(all.by_name);
    user **out = mem_alloc(*n * sizeof *out);
    while (dict_next(all.by_name, &pos, &name, &u))
        out[i++] = u;
    qsort(out, *n, sizeof *out, by_name);
    return out;
}

/* ---- connections that end -----------------------------------------------------------------------
 */

/* The asking one has its reply before. */
static void end_client(client *c, const client *asker) {
    if (c == asker)
        client_close_after_reply(c);
    else
        client_close_soon(c);
}

/* Whoever was one of those that are no more: u, or any in `gone`, by name. */
static void end_clients(const user *u, const dict *gone, const client *asker) {
    for (client *c = NULL; (c = session_next_client(all.served, c)) != NULL;) {
        const user *own = c->slots[slot];
        if (!own || (own != u && (!gone || dict_get(gone, user_name(own)) != own))) continue;
        c->slots[slot] = NULL;
        c->flags &= ~(unsigned)CLIENT_AUTHENTICATED;
        end_client(c, asker);
    }
}

/* Does `now` have every channel pattern that `was` has? */
static bool keeps_channels(const user *was, const user *now) {
    for (uint32_t i = 0; i < was->nselectors; i++) {
        const selector *s = was->selectors[i];
        slice pattern;
        unsigned one;
        if (s->all_channels) return false;
        for (size_t pos = 0; names_next(s->channels, &pos, &pattern, &one);) {
            bool has = false;
            for (uint32_t k = 0; k < now->nselectors && !has; k++)
                has = names_get(now->selectors[k]->channels, pattern) != 0;
            if (!has) return false;
        }
    }
    return true;
}

/* Is everything allowed that a client listens to? */
typedef struct listening {
    const user *u;
    bool allowed;
} listening;

/* One of them that is not allowed is enough. */
static void look_at(void *ctx, slice name, bool is_pattern) {
    listening *l = ctx;
    l->allowed = l->allowed && check_channel(l->u, name, is_pattern);
}

/* Subscribers who are u and listen to what they no longer may. */
static void end_listeners(const user *u, const client *asker) {
    for (client *c = NULL; (c = session_next_client(all.served, c)) != NULL;) {
        if (users_of(c) != u || !(c->flags & CLIENT_PUBSUB)) continue;
        listening l = {u, true};
        pubsub_each(c, look_at, &l);
        if (!l.allowed) end_client(c, asker);
    }
}

/* ---- changes -----------------------------------------------------------------------------------
 */

/* A walk over all: they change when an operator says so. */
void users_changed(void) {
    size_t pos = 0;
    slice name;
    void *u;
    bool restricted = false;
    while (dict_next(all.by_name, &pos, &name, &u)) {
        user_settle(u);
        restricted |= !((const user *)u)->unrestricted;
    }
    all.restricted(restricted);
}

/* What a batch has changed: what is needed to end it, and to take it back. */
typedef struct change {
    enum { USER_ADDED, USER_CHANGED, USER_DELETED, USERS_EXCHANGED, CLIENT_SET } kind;
    user *u;       /* added, changed or deleted; who the client was */
    user *before;  /* what the changed one, or the default user, was */
    dict *by_name; /* the users that were exchanged */
    client *c;     /* CLIENT_SET: who; else who asks, or NULL */
    bool authenticated;
} change;

/* It holds: connections end, and what nobody is any more is freed. */
static void settle(const change *ch) {
    if (ch->kind == USER_CHANGED && !keeps_channels(ch->before, ch->u)) end_listeners(ch->u, ch->c);
    if (ch->kind == USER_DELETED) end_clients(ch->u, NULL, ch->c);
    if (ch->kind == USER_DELETED) user_free(ch->u);
    if (ch->kind == USERS_EXCHANGED) end_clients(NULL, ch->by_name, ch->c);
    dict_free(ch->by_name, free_user);
    user_free(ch->before);
}

/* As it was before. While the batch was open others may have become a user that it has made. */
static void take_back(const change *ch) {
    if (ch->kind == USER_ADDED) {
        (void)dict_del(all.by_name, user_name(ch->u));
        end_clients(ch->u, NULL, NULL);
        user_free(ch->u);
    } else if (ch->kind == USER_DELETED) {
        (void)dict_set(all.by_name, user_name(ch->u), ch->u);
    } else if (ch->kind == CLIENT_SET) {
        ch->c->slots[slot] = ch->u;
        if (!ch->authenticated) ch->c->flags &= ~(unsigned)CLIENT_AUTHENTICATED;
    } else if (ch->kind == USERS_EXCHANGED) {
        (void)dict_del(all.by_name, SLICE("default"));
        end_clients(NULL, all.by_name, NULL);
        dict_free(all.by_name, free_user);
        all.by_name = ch->by_name;
        (void)dict_set(all.by_name, user_name(all.everybody), all.everybody);
    }
    if (ch->before) user_take(ch->kind == USER_CHANGED ? ch->u : all.everybody, ch->before);
    users_changed();
}

/* The batch has ended. */
static void ended(void *ctx, bool committed) {
    (committed ? settle : take_back)(ctx);
    mem_free(ctx);
}

/* It has happened; at a start there is no batch that could take it back. */
static void note(change ch) {
    keyspace *ks = session_keyspace(all.served);
    change *kept = mem_dup(&ch, sizeof ch);
    if (ch.kind != CLIENT_SET) users_changed();
    if (ks_in_batch(ks))
        ks_at_end(ks, ended, kept);
    else
        ended(kept, true);
}

/* With all that it has. */
static user *copy_of(const user *u) {
    user *copy = user_new(user_name(u));
    user_assign(copy, u);
    return copy;
}

/* The default user needs no slot, so nor does RESET. Only within EXEC the command may come to be
 * run again: others' batches, in which a client may become somebody else, are not its own. */
void users_set(client *c, user *u) {
    change ch = {.kind = CLIENT_SET,
                 .u = c->slots[slot],
                 .c = c,
                 .authenticated = c->flags & CLIENT_AUTHENTICATED};
    c->slots[slot] = u == all.everybody ? NULL : u;
    if (c->outer) note(ch);
}

/* Owned from now on. */
void users_add(user *u) {
    CHECK(!dict_set(all.by_name, user_name(u), u));
    note((change){.kind = USER_ADDED, .u = u});
}

/* Subscribers are looked at, as in Redis, only if a pattern was taken away. */
void users_change(user *old, user *with, client *asker) {
    user *before = copy_of(old);
    user_take(old, with);
    note((change){.kind = USER_CHANGED, .u = old, .before = before, .c = asker});
}

/* Nobody finds him any more. His connections are his until the batch has ended. */
bool users_delete(slice name, client *asker) {
    user *u = users_find(name);
    CHECK(u != all.everybody);
    if (!u) return false;
    (void)dict_del(all.by_name, name);
    note((change){.kind = USER_DELETED, .u = u, .c = asker});
    return true;
}

/* Who was in `fresh` as the default user gives what he has to the one that stays. */
void users_exchange(dict *fresh, client *asker) {
    change ch = {.kind = USERS_EXCHANGED,
                 .before = copy_of(all.everybody),
                 .by_name = all.by_name,
                 .c = asker};
    /* A file without a line for him leaves a default user who may do everything, as in Redis. */
    user *with = dict_del(fresh, SLICE("default"));
    if (!with) with = user_new_default();
    (void)dict_del(all.by_name, SLICE("default"));
    user_take(all.everybody, with);
    all.by_name = fresh;
    (void)dict_set(fresh, user_name(all.everybody), all.everybody);
    note(ch);
}
