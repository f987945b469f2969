/* table: which keys which clients may have in their caches.
 *
 *     shards[CRC of the key] ──> key ──> holders { ids of clients, ascending }
 *
 * A key is told once: then it is forgotten, until it is read again. Databases are not told apart,
 * as in Redis: a message names a key alone.
 *
 * Clients are there by id. One that goes leaves its ids behind, which costs it nothing; they are
 * dropped with their key, or when the key's holders would grow: so a key has at most twice as many
 * as there are clients that track.
 *
 * There are at most table_max_keys keys: for a new one another is forgotten, and told as if it had
 * changed. Which one: in each shard in the order in which keys were remembered. The shards keep
 * short what a hash table does at a time when it grows, and what is freed at a time of a table that
 * was cleared (table_work). */
#include "tracking/internal.h"

#include "base/dict.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "resp/writer.h"

#define SHARDS     256
#define EVICT_WORK 128  /* keys that are forgotten at a time, if there are too many */
#define FREE_WORK  8192 /* keys whose memory is freed at a time */

/* Clients that may have a key. */
typedef struct holders {
    uint32_t n, cap;
    uint64_t ids[];
} holders;

int64_t table_max_keys;

/* One session a process, so one table. */
static struct {
    session *s;
    dict *shards[SHARDS];   /* NULL: nothing was in it yet */
    size_t cursors[SHARDS]; /* where in the shard the next victim is looked for */
    unsigned next;          /* in which shard it is */
    size_t keys, items;
    dict **cleared; /* shards whose memory is to be freed */
    size_t ncleared, cleared_cap;
} table;

/* Where the key is. */
static dict **shard_of(slice key) {
    return &table.shards[crc32c(0, key.data, key.len) % SHARDS];
}

/* ---- the clients of a key -----------------------------------------------------------------------
 */

/* The client of that id, if it still tracks what it reads. */
static tracker *holder(uint64_t id) {
    const client *c = client_by_id(table.s, id);
    return c && tracks(c) && !(c->flags & CLIENT_TRACKING_BCAST) ? tracker_of(c) : NULL;
}

/* How many ids are less than this one. */
static uint32_t place_of(const holders *h, uint64_t id) {
    uint32_t low = 0, high = h->n;
    if (h->n && h->ids[h->n - 1] < id) return h->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (h->ids[mid] < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Takes out clients that have gone: that is, of which nothing is known here. */
static void drop_gone(holders *h) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < h->n; i++) {
        const client *c = client_by_id(table.s, h->ids[i]);
        if (c && tracker_of(c)) h->ids[n++] = h->ids[i];
    }
    table.items -= h->n - n;
    h->n = n;
}

/* Room for one more; what is returned takes the place of h. */
static holders *grow(holders *h) {
    drop_gone(h);
    if (h->n <= h->cap / 2) return h;
    h->cap *= 2;
    return mem_realloc(h, sizeof *h + h->cap * sizeof *h->ids);
}

/* ---- keys ---------------------------------------------------------------------------------------
 */

/* Takes the key out of its shard and tells all its holders but `by`, if that one wants it so. */
static void tell(dict *shard, slice key, const client *by) {
    holders *h = dict_get(shard, key);
    if (!h) return;
    buf array = {0};
    resp_array(&array, 1);
    resp_bulk(&array, key);
    CHECK(dict_del(shard, key) == h && table.keys > 0 && table.items >= h->n);
    table.keys--;
    table.items -= h->n;
    for (uint32_t i = 0; i < h->n; i++) {
        tracker *t = holder(h->ids[i]);
        if (t && !(t->noloop && t->c == by)) send_keys(t, buf_slice(&array));
    }
    mem_free(h);
    buf_free(&array);
}

/* The next key of a shard that may be forgotten: good until the shard changes. */
static bool next_victim(unsigned at, slice *key) {
    dict *d = table.shards[at];
    void *unused;
    if (!d || dict_count(d) == 0) return false;
    if (dict_next(d, &table.cursors[at], key, &unused)) return true;
    table.cursors[at] = 0;
    return dict_next(d, &table.cursors[at], key, &unused);
}

/* Some key is forgotten. */
static void evict(void) {
    slice key;
    CHECK(table.keys > 0);
    while (!next_victim(table.next, &key))
        table.next = (table.next + 1) % SHARDS;
    char *copy = mem_dup(key.data, key.len);
    tell(table.shards[table.next], slice_of(copy, key.len), NULL);
    table.next = (table.next + 1) % SHARDS;
    mem_free(copy);
}

/* So that there are at most `most`, if that is not too much work. */
static void evict_to(size_t most) {
    if (table_max_keys == 0) return;
    for (int i = 0; i < EVICT_WORK && table.keys > most; i++)
        evict();
}

/* A key that cannot be there will never be told. */
void table_remember(const client *c, slice key) {
    if (key.len > ENGINE_KEY_MAX) return;
    dict **shard = shard_of(key);
    if (!*shard) *shard = dict_new(false);
    holders *h = dict_get(*shard, key);
    if (!h) {
        if (table_max_keys > 0) evict_to((size_t)table_max_keys - 1);
        h = mem_alloc(sizeof *h + sizeof *h->ids);
        h->n = 0;
        h->cap = 1;
        (void)dict_set(*shard, key, h);
        table.keys++;
    }
    uint32_t at = place_of(h, c->id);
    if (at < h->n && h->ids[at] == c->id) return;
    if (h->n == h->cap) {
        h = grow(h);
        (void)dict_set(*shard, key, h);
        at = place_of(h, c->id);
    }
    memmove(h->ids + at + 1, h->ids + at, (h->n - at) * sizeof *h->ids);
    h->ids[at] = c->id;
    h->n++;
    table.items++;
}

/* Nobody has it: that costs a look into one shard. */
void table_changed(slice key, const client *by) {
    if (table.keys == 0) return;
    dict *shard = *shard_of(key);
    if (shard) tell(shard, key, by);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

/* A small shard is freed here, so that clearing often does not make a heap of them. */
void table_clear(void) {
    size_t n = 0;
    for (int i = 0; i < SHARDS; i++) {
        dict *d = table.shards[i];
        table.shards[i] = NULL;
        table.cursors[i] = 0;
        if (!d) continue;
        n += dict_count(d);
        if (n < FREE_WORK) {
            dict_free(d, mem_free);
            continue;
        }
        if (table.ncleared == table.cleared_cap) {
            table.cleared_cap = table.cleared_cap ? 2 * table.cleared_cap : SHARDS;
            table.cleared = mem_realloc(table.cleared, table.cleared_cap * sizeof *table.cleared);
        }
        table.cleared[table.ncleared++] = d;
    }
    table.keys = table.items = 0;
}

/* From the last shard on, as they are in no order. */
bool table_work(void) {
    for (size_t n = 0; n < FREE_WORK && table.ncleared > 0;) {
        dict *d = table.cleared[--table.ncleared];
        n += dict_count(d);
        dict_free(d, mem_free);
    }
    if (table.ncleared == 0 && table.cleared) {
        mem_free(table.cleared);
        table.cleared = NULL;
        table.cleared_cap = 0;
    }
    evict_to((size_t)table_max_keys);
    return table.ncleared > 0 || (table_max_keys > 0 && table.keys > (size_t)table_max_keys);
}

/* Each once, however many clients have it. */
size_t table_keys(void) {
    return table.keys;
}

/* At least as many as keys. */
size_t table_items(void) {
    return table.items;
}

/* The last session's keys are nobody's. */
void table_start(session *s) {
    table_clear();
    while (table_work())
        ;
    table.s = s;
}
