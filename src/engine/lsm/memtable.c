/* memtable: see the header for what a pair is.
 *
 *   what a change finds here       put                          delete
 *   nothing                        `below` as the caller says   a tombstone (it is below)
 *   a pair, absent below           stays so                     the pair goes out
 *   a pair that hides              stays so                     a tombstone in its place */
#include "engine/lsm/memtable.h"

#include "base/mem.h"

/* The flag and the tag of a pair's value. */
static inline bool hides(slice value) {
    CHECK(value.len > MEM_HEAD);
    return value.data[8] == 0;
}
static inline bool is_tombstone(slice value) {
    return !cell_is_there(slice_skip(value, MEM_HEAD));
}

/* Empty, and nobody's. */
memtable *memtable_new(uint64_t number) {
    memtable *m = mem_zalloc(sizeof *m);
    CHECK(number > 0);
    m->number = number;
    m->first_coll = UINT64_MAX;
    m->tree = btree_new();
    return m;
}

/* All but the tree. */
static void free_rest(memtable *m) {
    CHECK(m->readers == 0);
    mem_free(m->counts);
    mem_free(m->map);
    mem_free(m);
}

/* At once: for ends. NULL is fine. */
void memtable_free(memtable *m) {
    if (!m) return;
    btree_free(m->tree);
    free_rest(m);
}

/* Leaves first; between two slices nothing may read it. */
bool memtable_free_some(memtable *m, size_t pairs) {
    CHECK(m->readers == 0);
    if (!btree_free_some(m->tree, pairs)) return false;
    free_rest(m);
    return true;
}

/* One way down. */
bool memtable_get(const memtable *m, slice key, slice *cell, log_pos *pos) {
    slice value;
    if (!btree_get(m->tree, key, &value)) return false;
    *cell = memtable_cell(value, pos);
    return true;
}

/* The head is filled in here; the key keeps what it knows of below. */
void memtable_put(memtable *m, btree_spot *spot, slice key, log_pos pos, slice value, bool below) {
    CHECK(m->end == 0 && value.len > MEM_HEAD && pos > 0);
    char *head = (char *)(uintptr_t)value.data; /* the caller's scratch */
    bool hiding = spot->found ? hides(spot->value) : below;
    put_u64(head, pos);
    head[8] = !hiding;
    if (spot->found) m->tombstones -= is_tombstone(spot->value);
    m->tombstones += is_tombstone(value);
    btree_put_at(m->tree, spot, key, value);
    CHECK(m->tombstones <= btree_count(m->tree));
}

/* Out, or hidden. */
void memtable_del(memtable *m, btree_spot *spot, slice key, log_pos pos) {
    char value[MEM_HEAD + 1];
    CHECK(m->end == 0 && (!spot->found || !is_tombstone(spot->value)));
    if (spot->found && !hides(spot->value)) {
        btree_del_at(m->tree, spot);
        return;
    }
    value[MEM_HEAD] = CELL_TOMBSTONE;
    memtable_put(m, spot, key, pos, slice_of(value, sizeof value), true);
}

/* The value has its head already. */
void memtable_restore(memtable *m, slice key, slice value) {
    btree_spot spot;
    CHECK(m->end == 0);
    btree_find(m->tree, key, &spot);
    if (spot.found) m->tombstones -= is_tombstone(spot.value);
    if (value.len > 0) {
        CHECK(value.len > MEM_HEAD);
        m->tombstones += is_tombstone(value);
        btree_put_at(m->tree, &spot, key, value);
    } else if (spot.found) {
        btree_del_at(m->tree, &spot);
    }
    CHECK(m->tombstones <= btree_count(m->tree));
}

/* The first word of a pair's value. */
void memtable_move_value(char *value, log_pos from, log_pos to) {
    log_pos pos = load_u64(value);
    CHECK(to > from);
    if (pos > from && log_pos_file(pos) == log_pos_file(from)) put_u64(value, to + (pos - from));
}

/* In place. */
void memtable_move(memtable *m, slice key, log_pos from, log_pos to) {
    slice value;
    if (btree_get(m->tree, key, &value))
        memtable_move_value((char *)(uintptr_t)value.data, from, to);
}
