/* merge: a binary heap of sources, each standing on its next key.
 *
 *   heap    [0] L2 "cat"  [1] memtable "cow"  [2] L0 t9 "cat"  [3] L1 "dog"
 *
 * The root has the least key (the greatest, when going backward) and, of those that have it too,
 * the newest source. To step, those that have the root's key are moved first (they are always
 * children of the root: nothing lies between equal keys), then the root. So no key has to be
 * remembered, and a step allocates nothing.
 *
 * Keys of one walk are much alike at their front: all keys within the bounds share `skip` bytes,
 * and of what follows a source keeps 16 bytes as two numbers, its head. Two sources are nearly
 * always told apart by these. A key that is out of bounds takes its source out of the heap.
 *
 *  M1. Going forward, a live source stands at its first key >= the root's, and one that is not live
 *      has no key >= it within the bounds; going backward, the other way round. So turning round
 *      costs one step back of each live source, and a seek to the far bound of the others.
 *  M2. Every live source's key is within the bounds, and key, head and cell are those of its
 *      iterator. */
#include "engine/lsm/merge.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/memtable.h"

typedef struct source {
    uint64_t head[2];
    slice key, cell;
    log_pos pos; /* of the cell; 0: from a table */
    uint32_t index;
    bool live;
    const btree *tree; /* NULL: tables */
    uint64_t version;  /* of the tree, when the iterator was put where it is */
    btree_iter it;
    table_ref *const *tables;
    uint32_t n, at; /* tables; the one that iter is of */
    table_iter *iter;
} source;

struct merger {
    merger_read how;
    source *sources;
    source **heap;
    uint32_t nsources, cap, n; /* n: live, in the heap */
    uint32_t trees;            /* no source from this one on is a tree */
    bool backward;
    buf from, to; /* to: empty, no end */
    size_t skip;  /* bytes that all keys within the bounds share */
    uint64_t from_head, to_head;
    status failed;
};

/* ---- making one -------------------------------------------------------------------------------
 */

/* Bounds are set by merger_bounds; until then there are none. */
merger *merger_new(const merger_read *how) {
    merger *m = mem_zalloc(sizeof *m);
    m->how = *how;
    m->failed = STATUS_OK;
    m->to_head = UINT64_MAX;
    return m;
}

/* The iterators are its own, the tables are not. */
void merger_free(merger *m) {
    for (uint32_t i = 0; i < m->nsources; i++)
        table_iter_free(m->sources[i].iter);
    buf_free(&m->from);
    buf_free(&m->to);
    mem_free(m->sources);
    mem_free(m->heap);
    mem_free(m);
}

/* What trees have is theirs. */
size_t merger_memory(const merger *m) {
    size_t n = 0;
    for (uint32_t i = 0; i < m->nsources; i++)
        n += table_iter_memory(m->sources[i].iter);
    return n;
}

/* One more source. The heap points to sources, so none may be standing anywhere. */
static source *add(merger *m) {
    CHECK(m->n == 0);
    if (m->nsources == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 8;
        m->sources = mem_realloc(m->sources, m->cap * sizeof *m->sources);
        m->heap = mem_realloc(m->heap, m->cap * sizeof(source *));
    }
    CHECK(m->nsources < m->cap);
    source *s = &m->sources[m->nsources];
    *s = (source){.index = m->nsources++};
    return s;
}

/* A memtable. */
void merger_add_tree(merger *m, const btree *t) {
    CHECK(t != NULL);
    add(m)->tree = t;
    m->trees = m->nsources;
}

/* A level, a part of it, or one table. */
void merger_add_tables(merger *m, table_ref *const *tables, uint32_t n) {
    CHECK(tables && n > 0);
    source *s = add(m);
    s->tables = tables;
    s->n = n;
}

/* Up to eight bytes of key from `skip`, in an order that is the keys'. */
static uint64_t head_of(slice key, size_t skip) {
    return key.len > skip ? __builtin_bswap64(load_upto8(key.data + skip, key.len - skip)) : 0;
}

/* How many bytes all keys in [from, to) begin with: what the two share, and one byte of from more
 * if `to` is just the successor of that much. */
static size_t shared_by_all(slice from, slice to) {
    size_t n = 0;
    while (n < from.len && n < to.len && from.data[n] == to.data[n])
        n++;
    bool next = to.len == n + 1 && from.len > n &&
                (unsigned char)to.data[n] == (unsigned char)from.data[n] + 1;
    return n + next;
}

/* `to` may not begin with what the keys share: then it is behind all of them. */
void merger_bounds(merger *m, slice from, slice to) {
    CHECK(to.len == 0 || slice_cmp(from, to) <= 0);
    buf_clear(&m->from);
    buf_clear(&m->to);
    buf_append_slice(&m->from, from);
    buf_append_slice(&m->to, to);
    m->skip = shared_by_all(from, to);
    CHECK(m->skip <= from.len);
    m->from_head = head_of(from, m->skip);
    bool inside = to.len && (m->skip == 0 || memcmp(from.data, to.data, m->skip) == 0);
    m->to_head = inside ? head_of(to, m->skip) : UINT64_MAX;
    m->n = 0;
    m->failed = STATUS_OK;
    for (uint32_t i = 0; i < m->nsources; i++) {
        source *s = &m->sources[i];
        s->live = false;
        if (s->iter) table_iter_reach(s->iter, buf_slice(&m->from), buf_slice(&m->to));
    }
}

/* ---- one run of tables ------------------------------------------------------------------------
 */

/* Has an iterator of table i, keeping the one there is if it is that table's. */
static void open_table(merger *m, source *s, uint32_t i) {
    CHECK(i < s->n);
    if (s->iter && s->at == i) return;
    table_iter_free(s->iter);
    table *t = s->tables[i]->t;
    s->at = i;
    s->iter = m->how.ahead ? table_iter_new_ahead(t, m->how.ahead)
                           : table_iter_new(t, m->how.blocks, m->how.fill);
    table_iter_reach(s->iter, buf_slice(&m->from), buf_slice(&m->to));
}

/* Of an iterator that stands nowhere: has it come to its table's end? Else it failed, which becomes
 * the merge's failure; if it is only not in memory now, any other failure is worse. The other
 * sources are sought all the same, so that what they lack is asked for in the same round. */
static bool at_end(merger *m, const source *s) {
    status st = table_iter_status(s->iter);
    CHECK(!table_iter_valid(s->iter));
    if (status_ok(st)) return true;
    if (status_ok(m->failed) || table_not_now(m->failed)) m->failed = st;
    return false;
}

/* If table `at` had nothing more, on to the first entry of one behind it that begins within the
 * bounds. */
static bool go_on(merger *m, source *s) {
    slice to = buf_slice(&m->to);
    while (!table_iter_valid(s->iter)) {
        uint32_t i = s->at + 1;
        if (!at_end(m, s) || i >= s->n) return false;
        if (to.len && slice_cmp(s->tables[i]->smallest, to) >= 0) return false;
        open_table(m, s, i);
        table_iter_seek_first(s->iter);
    }
    return true;
}

/* The same the other way. */
static bool go_back(merger *m, source *s) {
    while (!table_iter_valid(s->iter)) {
        if (!at_end(m, s) || s->at == 0) return false;
        if (slice_cmp(s->tables[s->at - 1]->limit, buf_slice(&m->from)) <= 0) return false;
        open_table(m, s, s->at - 1);
        table_iter_seek_last(s->iter);
    }
    return true;
}

/* At the first entry >= key. A table that begins behind the bounds is not touched. */
static bool run_seek(merger *m, source *s, slice key) {
    uint32_t i = tables_find(s->tables, s->n, key);
    if (i == s->n || (m->to.len && slice_cmp(s->tables[i]->smallest, buf_slice(&m->to)) >= 0))
        return false;
    open_table(m, s, i);
    table_iter_seek(s->iter, key);
    return go_on(m, s);
}

/* At the last entry <= key: in the last table that begins there or before. */
static bool run_seek_before(merger *m, source *s, slice key) {
    uint32_t i = tables_find(s->tables, s->n, key);
    if (i == s->n || slice_cmp(s->tables[i]->smallest, key) > 0) {
        if (i == 0) return false;
        i--;
    }
    if (slice_cmp(s->tables[i]->limit, buf_slice(&m->from)) <= 0) return false;
    open_table(m, s, i);
    table_iter_seek_before(s->iter, key);
    return go_back(m, s);
}

/* At the last entry of all. */
static bool run_last(merger *m, source *s) {
    CHECK(s->n > 0);
    open_table(m, s, s->n - 1);
    table_iter_seek_last(s->iter);
    return go_back(m, s);
}

/* ---- one source -------------------------------------------------------------------------------
 */

/* After a motion that found something, or not: takes key, head and cell (M2), or takes the source
 * out. Only the bound that lies ahead can have been crossed. */
static inline void settle(merger *m, source *s, bool found) {
    s->live = false;
    if (!found) return;
    slice key, cell;
    log_pos pos = 0;
    if (s->tree) {
        btree_iter_pair(&s->it, &key, &cell);
        cell = memtable_cell(cell, &pos);
    } else {
        key = table_iter_key(s->iter);
        cell = table_iter_cell(s->iter);
    }
    size_t skip = m->skip;
    if (skip && (key.len < skip || memcmp(key.data, m->from.data, skip) != 0)) return;
    uint64_t head = head_of(key, skip);
    if (!m->backward) {
        if (m->to.len && head >= m->to_head && slice_cmp(key, buf_slice(&m->to)) >= 0) return;
    } else {
        if (head <= m->from_head && slice_cmp(key, buf_slice(&m->from)) < 0) return;
    }
    s->key = key;
    s->cell = cell;
    s->pos = pos;
    s->head[0] = head;
    s->head[1] = head_of(key, skip + 8);
    s->live = true;
}

/* One step in the merge's direction. */
static inline void step(merger *m, source *s) {
    bool found;
    if (s->tree) {
        found = m->backward ? btree_prev(&s->it) : btree_next(&s->it);
    } else if (m->backward) {
        table_iter_prev(s->iter);
        found = go_back(m, s);
    } else {
        table_iter_next(s->iter);
        found = go_on(m, s);
    }
    settle(m, s, found);
}

/* At the first key >= key, or the last <= key, as the merge's direction is. */
static void seek_source(merger *m, source *s, slice key) {
    bool found;
    if (s->tree) {
        s->version = btree_version(s->tree);
        found = m->backward ? btree_seek_before(s->tree, key, &s->it)
                            : btree_seek(s->tree, key, &s->it);
    } else {
        found = m->backward ? run_seek_before(m, s, key) : run_seek(m, s, key);
    }
    settle(m, s, found);
}

/* At the bound where the merge's direction begins: the first key, or the last. `to` itself is
 * outside. */
static void seek_bound(merger *m, source *s) {
    slice to = buf_slice(&m->to);
    bool found;
    if (!m->backward) {
        seek_source(m, s, buf_slice(&m->from));
        return;
    }
    if (s->tree) {
        s->version = btree_version(s->tree);
        found = to.len ? btree_seek_before(s->tree, to, &s->it) : btree_last(s->tree, &s->it);
        if (found && to.len && slice_eq(btree_iter_key(&s->it), to)) found = btree_prev(&s->it);
    } else {
        found = to.len ? run_seek_before(m, s, to) : run_last(m, s);
        if (found && to.len && slice_eq(table_iter_key(s->iter), to)) {
            table_iter_prev(s->iter);
            found = go_back(m, s);
        }
    }
    settle(m, s, found);
}

/* ---- the heap ---------------------------------------------------------------------------------
 */

/* What the heads don't decide: <0, 0, >0. */
static int compare_rest(const merger *m, const source *a, const source *b) {
    return slice_cmp(slice_skip(a->key, m->skip), slice_skip(b->key, m->skip));
}

/* Does a come before b, in the merge's direction? Of equal keys the newer source's comes first. */
static inline bool before(const merger *m, const source *a, const source *b) {
    if (a->head[0] != b->head[0]) return (a->head[0] < b->head[0]) != m->backward;
    if (a->head[1] != b->head[1]) return (a->head[1] < b->head[1]) != m->backward;
    int c = compare_rest(m, a, b);
    return c ? (c < 0) != m->backward : a->index < b->index;
}

static inline bool same_key(const source *a, const source *b) {
    return a->head[0] == b->head[0] && a->head[1] == b->head[1] && slice_eq(a->key, b->key);
}

/* Lets the source at i sink to where it belongs. */
static void sink(merger *m, uint32_t i) {
    source *s = m->heap[i];
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= m->n) break;
        if (child + 1 < m->n && before(m, m->heap[child + 1], m->heap[child])) child++;
        if (!before(m, m->heap[child], s)) break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = s;
}

/* After all sources were put somewhere: a heap of those that are live. Returns whether the merge
 * stands on a key; a failure leaves it nowhere. */
static bool build(merger *m) {
    m->n = 0;
    if (!status_ok(m->failed)) return false;
    for (uint32_t i = 0; i < m->nsources; i++)
        if (m->sources[i].live) m->heap[m->n++] = &m->sources[i];
    for (uint32_t i = m->n / 2; i > 0; i--)
        sink(m, i - 1);
    CHECK(m->n <= m->nsources);
    return m->n > 0;
}

/* Moves the source at place i, the root or a child of it. What takes the place of one that ended
 * comes from farther down, so it can only have to sink. */
static inline void move(merger *m, uint32_t i) {
    step(m, m->heap[i]);
    if (!m->heap[i]->live) m->heap[i] = m->heap[--m->n];
    if (2 * i + 1 < m->n) sink(m, i);
}

/* ---- moving -----------------------------------------------------------------------------------
 */

/* Every source is sought, the key being within the bounds. */
static bool seek_all(merger *m, slice key, bool backward) {
    m->failed = STATUS_OK;
    m->backward = backward;
    for (uint32_t i = 0; i < m->nsources; i++)
        seek_source(m, &m->sources[i], key);
    return build(m);
}

/* Every source at its end of the bounds. */
static bool bound_all(merger *m, bool backward) {
    m->failed = STATUS_OK;
    m->backward = backward;
    for (uint32_t i = 0; i < m->nsources; i++)
        seek_bound(m, &m->sources[i]);
    return build(m);
}

/* A key before the bounds is their beginning. */
bool merger_seek(merger *m, slice key) {
    slice from = buf_slice(&m->from);
    return seek_all(m, slice_cmp(key, from) < 0 ? from : key, false);
}

/* A key behind the bounds is their end, which is outside of them. */
bool merger_seek_before(merger *m, slice key) {
    slice to = buf_slice(&m->to);
    if (to.len && slice_cmp(key, to) >= 0) return bound_all(m, true);
    return seek_all(m, key, true);
}

/* The least key of all sources. */
bool merger_first(merger *m) {
    return bound_all(m, false);
}

/* The greatest key of all sources. */
bool merger_last(merger *m) {
    return bound_all(m, true);
}

/* Goes the other way from now on (M1): all sources, the root too, to their next key that way. */
static bool turn(merger *m) {
    m->backward = !m->backward;
    for (uint32_t i = 0; i < m->nsources; i++) {
        source *s = &m->sources[i];
        if (s->live)
            step(m, s);
        else
            seek_bound(m, s);
    }
    return build(m);
}

/* A source has to be waited for: the others will want what they have not as well, by and by. */
static void ask_all(merger *m) {
    CHECK(table_not_now(m->failed));
    for (uint32_t i = 0; i < m->nsources; i++)
        if (m->sources[i].live && !m->sources[i].tree)
            table_iter_ask(m->sources[i].iter, m->backward);
}

/* Passes over the root's key: in the older sources that have it too, then in the root. */
static bool pass(merger *m) {
    source *root = m->heap[0];
    CHECK(root->live);
    for (uint32_t i = 1; i <= 2; i++)
        while (i < m->n && same_key(root, m->heap[i]))
            move(m, i);
    move(m, 0);
    if (status_ok(m->failed)) return m->n > 0;
    if (table_not_now(m->failed)) ask_all(m);
    m->n = 0;
    return false;
}

/* Forward. */
bool merger_next(merger *m) {
    CHECK(m->n > 0);
    return m->backward ? turn(m) : pass(m);
}

/* Backward. */
bool merger_prev(merger *m) {
    CHECK(m->n > 0);
    return m->backward ? pass(m) : turn(m);
}

/* Nothing is live after a failure. */
bool merger_valid(const merger *m) {
    return m->n > 0;
}

/* Ok at the end of the bounds too. */
status merger_status(const merger *m) {
    return m->failed;
}

/* ---- where it stands --------------------------------------------------------------------------
 */

/* The root, which there is. */
static inline const source *root_of(const merger *m) {
    CHECK(m->n > 0 && m->heap[0]->live);
    return m->heap[0];
}

slice merger_key(const merger *m) {
    return root_of(m)->key;
}

slice merger_cell(const merger *m) {
    return root_of(m)->cell;
}

/* What is in a table is durable. */
log_pos merger_pos(const merger *m) {
    return root_of(m)->pos;
}

unsigned merger_source(const merger *m) {
    return root_of(m)->index;
}

table_ref *merger_table(const merger *m) {
    const source *s = root_of(m);
    return s->tree ? NULL : s->tables[s->at];
}

/* ---- trees that change ------------------------------------------------------------------------
 */

/* Only those that were sought have a version to compare; all are, by any motion. */
bool merger_stale(const merger *m) {
    for (uint32_t i = 0; i < m->trees; i++) {
        const source *s = &m->sources[i];
        if (s->tree && s->version != btree_version(s->tree)) return true;
    }
    return false;
}

/* Tables have not moved, so only the trees are sought again. */
bool merger_renew(merger *m, slice key) {
    CHECK(status_ok(m->failed));
    for (uint32_t i = 0; i < m->trees; i++)
        if (m->sources[i].tree) seek_source(m, &m->sources[i], key);
    return build(m) && slice_eq(merger_key(m), key);
}
