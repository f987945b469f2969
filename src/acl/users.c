/* users: all users, by name, and which client is which.
 *
 *     client.slots[slot] ──> user        NULL: the default user, also before any AUTH
 *
 * The default user is always there, and stays at its place. A user who is deleted takes his
 * connections with him, so that no slot outlives what it points to. `restricted` says whether there
 * is anything to check: the gate is armed by it. */
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
/* The default user needs no slot, so nor does RESET. */
void users_set(client *c, user *u) {
    c->slots[slot] = u == all.everybody ? NULL : u;
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

/* Owned from now on. */
void users_add(user *u) {
    CHECK(!dict_set(all.by_name, user_name(u), u));
    users_changed();
}

/* The asking one has its reply before. */
static void end_client(client *c, const client *asker) {
    if (c == asker)
        client_close_after_reply(c);
    else
        client_close_soon(c);
}

/* Whoever was u is nobody any more. */
static void end_clients(const user *u, const client *asker) {
    for (client *c = NULL; (c = session_next_client(all.served, c)) != NULL;) {
        if (users_of(c) != u) continue;
        c->slots[slot] = NULL;
        c->flags &= ~(unsigned)CLIENT_AUTHENTICATED;
        end_client(c, asker);
    }
}

/* Out of the table before his connections end, so that nobody finds him on the way. */
bool users_delete(slice name, const client *asker) {
    user *u = users_find(name);
    CHECK(u != all.everybody);
    if (!u) return false;
    (void)dict_del(all.by_name, name);
    end_clients(u, asker);
    user_free(u);
    users_changed();
    return true;
}

/* Who was in `fresh` as the default user gives what he has to the one that stays. */
void users_exchange(dict *fresh, const client *asker) {
    dict *old = all.by_name;
    size_t pos = 0;
    slice name;
    void *u;
    /* A file without a line for him leaves a default user who may do everything, as in Redis. */
    user *with = dict_del(fresh, SLICE("default"));
    if (!with) with = user_new_default();
    (void)dict_del(old, SLICE("default"));
    user_take(all.everybody, with);
    while (dict_next(old, &pos, &name, &u))
        end_clients(u, asker);
    dict_free(old, free_user);
    all.by_name = fresh;
    (void)dict_set(fresh, user_name(all.everybody), all.everybody);
    users_changed();
}

/* ---- subscribers -------------------------------------------------------------------------------
 */

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

/* As Redis: only if a pattern was taken away. */
void users_change(user *old, user *with, const client *asker) {
    /* Asked before he changes; clients are looked at after. */
    bool lost = !keeps_channels(old, with);
    user_take(old, with);
    for (client *c = NULL; lost && (c = session_next_client(all.served, c)) != NULL;) {
        if (users_of(c) != old || !(c->flags & CLIENT_PUBSUB)) continue;
        listening l = {old, true};
        pubsub_each(c, look_at, &l);
        if (!l.allowed) end_client(c, asker);
    }
    users_changed();
}
