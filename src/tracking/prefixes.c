/* prefixes: BCAST: who wants to know of all keys that begin so, whether he has read them or not.
 *
 *     prefixes ──> prefix ── subscriptions ──> subscription ──> subscription ──> ...
 *                    │                             │
 *                    └─ changed (keys)             └─ tracker.prefixes (a client's own)
 *
 * A changed key is looked up by its beginnings, as many as there are different lengths of prefixes:
 * not by a walk over all prefixes. Keys are collected with the client that changed them last, and
 * go out at the turn's end, one message a prefix: by prefix and in it by key in the order of bytes,
 * as in Redis. */
#include "tracking/internal.h"

#include "base/dict.h"
#include "base/log.h"
#include "base/mem.h"
#include "resp/writer.h"

#include <stdlib.h>

typedef struct prefix {
    list_node subscriptions;
    list_node node; /* in dirty, while keys are noted */
    btree *changed; /* key -> id of the client that changed it last, 0: nobody did; or NULL */
    size_t len;
    char bytes[];
} prefix;

typedef struct subscription {
    list_node node; /* in the prefix's */
    prefix *prefix;
    tracker *t;
    bool settled; /* the batch that added it has committed */
} subscription;

/* How many prefixes have that length. */
typedef struct length {
    size_t len, n;
} length;

/* One session a process, so one table. */
static dict *prefixes; /* NULL: there are none */
static length *lengths;
static size_t nlengths;
static list_node dirty = {&dirty, &dirty}; /* prefixes with noted keys */
static uint64_t turn = 1;                  /* changes when what was noted is sent */

/* As the client gave it. */
static slice name_of(const prefix *p) {
    return slice_of(p->bytes, p->len);
}

/* As a key of a tree, which is copied even if it is empty. */
static slice solid(slice s) {
    return s.data ? s : SLICE("");
}

/* Does s begin with p? */
static bool begins(slice s, slice p) {
    return s.len >= p.len && (p.len == 0 || memcmp(s.data, p.data, p.len) == 0);
}

/* ---- prefixes that overlap ----------------------------------------------------------------------
 */

/* Is one the beginning of the other? */
static bool overlap(slice a, slice b) {
    return begins(a, b) || begins(b, a);
}

/* One of t's own that overlaps; the first in order. Of these none is the beginning of another, but
 * for the empty one, which BCAST without a prefix adds unasked. One of an aborted batch, which is
 * run again, does not count against itself. */
static bool find_own(const tracker *t, slice p, slice *other) {
    btree_iter it;
    if (!t || !t->prefixes) return false;
    bool there = btree_first(t->prefixes, &it) && btree_iter_key(&it).len == 0;
    if (!there) there = btree_seek_before(t->prefixes, p, &it) && begins(p, btree_iter_key(&it));
    if (!there) there = btree_seek(t->prefixes, p, &it) && begins(btree_iter_key(&it), p);
    if (!there) return false;
    const subscription *s;
    memcpy(&s, btree_iter_value(&it).data, sizeof s);
    *other = name_of(s->prefix);
    return s->settled || !slice_eq(*other, p);
}

/* In the order of bytes. */
static int compare(const void *a, const void *b) {
    const slice *const *x = a, *const *y = b;
    size_t n = (*x)->len < (*y)->len ? (*x)->len : (*y)->len;
    int c = n ? memcmp((*x)->data, (*y)->data, n) : 0;
    return c ? c : ((*x)->len > (*y)->len) - ((*x)->len < (*y)->len);
}

/* The first of them that overlaps with another one, or n. Sorted, those that begin with one follow
 * right after it. */
static size_t first_overlapping(const slice *p, size_t n) {
    const slice **sorted = mem_alloc(n * sizeof *sorted), *root;
    size_t first = n;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &p[i];
    qsort(sorted, n, sizeof *sorted, compare);
    root = sorted[0];
    for (size_t i = 1; i < n; i++) {
        if (!begins(*sorted[i], *root)) {
            root = sorted[i];
            continue;
        }
        size_t a = (size_t)(root - p), b = (size_t)(sorted[i] - p);
        if (a < first) first = a;
        if (b < first) first = b;
    }
    mem_free(sorted);
    return first;
}

/* By prefix in the order given, with t's own before the others, as Redis looks. */
bool prefixes_fit(const tracker *t, const slice *p, size_t n, size_t *bad, slice *other,
                  bool *own) {
    size_t first = first_overlapping(p, n);
    for (*bad = 0; *bad < n && *bad <= first; (*bad)++) {
        *own = find_own(t, p[*bad], other);
        if (*own) return false;
        if (*bad < first) continue;
        size_t with = first + 1;
        while (!overlap(p[first], p[with]))
            with++;
        *other = p[with];
        return false;
    }
    return true;
}

/* ---- subscriptions ------------------------------------------------------------------------------
 */

/* One more prefix of that length, or one less. */
static void count_length(size_t len, bool more) {
    size_t at = 0;
    while (at < nlengths && lengths[at].len < len)
        at++;
    bool there = at < nlengths && lengths[at].len == len;
    CHECK(there || more);
    if (!there) {
        lengths = mem_realloc(lengths, (nlengths + 1) * sizeof *lengths);
        memmove(lengths + at + 1, lengths + at, (nlengths++ - at) * sizeof *lengths);
        lengths[at] = (length){.len = len};
    }
    lengths[at].n += more ? 1 : (size_t)-1;
    if (lengths[at].n > 0) return;
    memmove(lengths + at, lengths + at + 1, (--nlengths - at) * sizeof *lengths);
}

/* Made if nobody has it. */
static prefix *prefix_at(slice name) {
    if (!prefixes) prefixes = dict_new(false);
    prefix *p = dict_get(prefixes, name);
    if (p) return p;
    p = mem_zalloc(sizeof *p + name.len);
    list_init(&p->subscriptions);
    list_init(&p->node);
    p->len = name.len;
    if (name.len) memcpy(p->bytes, name.data, name.len);
    (void)dict_set(prefixes, name, p);
    count_length(name.len, true);
    return p;
}

/* Nobody has it any more. */
static void prefix_free(prefix *p) {
    CHECK(dict_del(prefixes, name_of(p)) == p);
    count_length(p->len, false);
    list_remove(&p->node);
    if (p->changed) btree_free(p->changed);
    mem_free(p);
    if (dict_count(prefixes) > 0) return;
    dict_free(prefixes, NULL);
    prefixes = NULL;
}

/* One that it has already is left as it is. */
void prefixes_add(tracker *t, slice name) {
    if (!t->prefixes) t->prefixes = btree_new();
    slice unused;
    name = solid(name);
    if (btree_get(t->prefixes, name, &unused)) return;
    subscription *s = mem_zalloc(sizeof *s);
    s->prefix = prefix_at(name);
    s->t = t;
    list_append(&s->prefix->subscriptions, &s->node);
    (void)btree_put(t->prefixes, name, slice_of((const char *)&s, sizeof s));
    t->prefix_bytes += sizeof *s + sizeof *s->prefix + name.len;
    t->unsettled++;
}

/* Calls each for all of t's. */
static void each_own(tracker *t, void (*each)(subscription *s)) {
    btree_iter it;
    for (bool more = btree_first(t->prefixes, &it); more; more = btree_next(&it)) {
        subscription *s;
        memcpy(&s, btree_iter_value(&it).data, sizeof s);
        each(s);
    }
}

/* From now on another one like it is refused. */
static void settle(subscription *s) {
    s->settled = true;
}

/* A batch that aborts settles nothing. */
void prefixes_settle(tracker *t) {
    if (!t->prefixes || t->unsettled == 0) return;
    each_own(t, settle);
    t->unsettled = 0;
}

/* The prefix goes with its last one. */
static void unsubscribe(subscription *s) {
    prefix *p = s->prefix;
    list_remove(&s->node);
    mem_free(s);
    if (!list_used(&p->subscriptions)) prefix_free(p);
}

/* What was noted for it alone is not sent any more. */
void prefixes_drop(tracker *t) {
    if (!t->prefixes) return;
    each_own(t, unsubscribe);
    btree_free(t->prefixes);
    t->prefixes = NULL;
    t->prefix_bytes = t->unsettled = 0;
}

/* Each once, however many clients have it. */
size_t prefixes_count(void) {
    return prefixes ? dict_count(prefixes) : 0;
}

/* ---- changes ------------------------------------------------------------------------------------
 */

/* The last one who changes it counts, as what he wrote is what is there. */
void prefixes_changed(slice key, const client *by) {
    uint64_t id = by ? by->id : 0;
    key = solid(key);
    if (by && tracker_of(by)) tracker_of(by)->changed_in = turn;
    for (size_t i = 0; i < nlengths && lengths[i].len <= key.len; i++) {
        prefix *p = dict_get(prefixes, slice_of(key.data, lengths[i].len));
        if (!p) continue;
        if (!p->changed) {
            p->changed = btree_new();
            list_append(&dirty, &p->node);
        }
        (void)btree_put(p->changed, key, slice_of((const char *)&id, sizeof id));
    }
}

/* The noted keys as an array in RESP, but those that client `without` (an id, or 0) changed last.
 * Empty if there are none. */
static buf array_of(const btree *keys, uint64_t without) {
    buf all = {0}, array = {0};
    int64_t n = 0;
    btree_iter it;
    for (bool more = btree_first(keys, &it); more; more = btree_next(&it)) {
        slice key, value;
        uint64_t id;
        btree_iter_pair(&it, &key, &value);
        memcpy(&id, value.data, sizeof id);
        if (without && id == without) continue;
        resp_bulk(&all, key);
        n++;
    }
    if (n > 0) {
        resp_array(&array, n);
        buf_append_slice(&array, buf_slice(&all));
    }
    buf_free(&all);
    return array;
}

/* To all who have the prefix; who does not want to hear of himself gets an array of his own. */
static void send_prefix(prefix *p) {
    btree *keys = p->changed;
    buf common = array_of(keys, 0);
    p->changed = NULL;
    for (list_node *n = p->subscriptions.next; n != &p->subscriptions; n = n->next) {
        tracker *t = LIST_OWNER(n, subscription, node)->t;
        bool part = t->noloop && t->changed_in == turn;
        buf own = part ? array_of(keys, t->c->id) : (buf){0};
        slice array = buf_slice(part ? &own : &common);
        if (array.len) send_keys(t, array);
        buf_free(&own);
    }
    buf_free(&common);
    btree_free(keys);
}

/* By their names. */
static int by_name(const void *a, const void *b) {
    const prefix *const *x = a, *const *y = b;
    slice s = name_of(*x), t = name_of(*y);
    const slice *p = &s, *q = &t;
    return compare(&p, &q);
}

/* In the order of their names. */
void prefixes_send(void) {
    size_t n = 0, cap = prefixes_count();
    if (!list_used(&dirty)) return;
    prefix **sorted = mem_alloc(cap * sizeof *sorted);
    for (list_node *node; (node = list_take(&dirty)) != NULL;)
        sorted[n++] = LIST_OWNER(node, prefix, node);
    CHECK(n <= cap);
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++)
        send_prefix(sorted[i]);
    mem_free(sorted);
    turn++;
}
