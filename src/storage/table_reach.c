/* table_reach: what an iterator will want next is asked for before it comes there.
 *
 *     partition   [index| x  b  b  b  b]  [index| b  b  b  b]  [index| ..   [index| ..
 *                         └─────── blocks ────────┘             └── indexes ──┘
 *                   x: it stands here, and has to wait
 *
 * As many blocks as its owner has come through so far, a few times over, are asked for; and the
 * indexes of the partitions that would come after those, so that the next time their blocks are
 * known. Neither goes beyond the bounds of the walk, as far as the indexes tell: a block's entry
 * there is a key that is not greater than any of the block's, and greater than all before. */
#include "base/log.h"
#include "storage/table_int.h"

#define INDEXES 4u /* blocks whose indexes are asked for, for each block */

/* <0, 0, >0: is prefix ‖ rest before, at or behind the key? */
static int compare(slice prefix, slice rest, slice key) {
    size_t n = prefix.len < key.len ? prefix.len : key.len;
    CHECK(prefix.len + rest.len <= TABLE_KEY_MAX);
    int c = n ? memcmp(prefix.data, key.data, n) : 0;
    if (c) return c;
    return key.len < prefix.len ? 1 : slice_cmp(rest, slice_skip(key, prefix.len));
}

/* Does what lies on that side of block b's first key have nothing within the bounds? */
static bool is_outside(const table_reach *r, slice index, size_t b) {
    slice prefix, rest, cell, bound = r->backward ? r->from : r->to;
    if (!bound.len) return false;
    CHECK(b < block_count(index));
    block_index_entry(index, b, &prefix, &rest, &cell);
    int c = compare(prefix, rest, bound);
    return r->backward ? c <= 0 : c >= 0;
}

/* On to the next partition; false: there is none, or it is outside. */
static bool next_part(const table *t, const table_reach *r, size_t *part) {
    size_t border = r->backward ? *part : *part + 1;
    CHECK(*part < t->props.partitions);
    if (border == 0 || border == t->props.partitions) return false;
    buf key = {0};
    table_partition_key(t, border, &key);
    slice bound = r->backward ? r->from : r->to;
    int c = bound.len ? slice_cmp(buf_slice(&key), bound) : 0;
    bool inside = !bound.len || (r->backward ? c > 0 : c < 0);
    buf_free(&key);
    if (inside) *part = r->backward ? *part - 1 : *part + 1;
    return inside;
}

/* How many blocks of the index lie behind block b, as the reach goes. */
static size_t left_of(const table_reach *r, slice index, size_t b) {
    size_t n = block_count(index);
    CHECK(n > 0);
    CHECK(b < n);
    return r->backward ? b : n - 1 - b;
}

/* Indexes of the partitions behind `part`, which would be come to within so many blocks. */
static void ask_indexes(table *t, const cache *c, const table_reach *r, size_t part, size_t each,
                        size_t blocks) {
    CHECK(each > 0);
    CHECK(part < t->props.partitions);
    for (size_t n = 0; n < blocks && next_part(t, r, &part); n += each)
        table_ask(t, c, table_part_extent(t, part));
}

void table_ask_reach(table *t, cache *c, const table_reach *r, size_t blocks) {
    size_t part = r->part, b = r->block, ahead = blocks * INDEXES, asked = 0;
    slice index = r->index;
    buf other = {0};
    CHECK(part < t->props.partitions);
    CHECK(b < block_count(index));
    while (asked < blocks) {
        size_t left = left_of(r, index, b), each = block_count(index);
        if (left == 0) {
            if (!next_part(t, r, &part)) break;
            if (!table_part_at_hand(t, c, part, &other)) {
                table_ask(t, c, table_part_extent(t, part));
                ask_indexes(t, c, r, part, each, ahead > each ? ahead - each : 0);
                break;
            }
            index = buf_slice(&other);
            b = r->backward ? block_count(index) - 1 : 0;
        } else {
            if (is_outside(r, index, r->backward ? b : b + 1)) break;
            b = r->backward ? b - 1 : b + 1;
        }
        slice prefix, rest, cell;
        block_index_entry(index, b, &prefix, &rest, &cell);
        table_ask(t, c, table_extent_of(cell));
        if (++asked < blocks) continue;
        left = left_of(r, index, b);
        if (ahead > left) ask_indexes(t, c, r, part, block_count(index), ahead - left);
    }
    buf_free(&other);
}
