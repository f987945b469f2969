/* Saving a list: listpacks of the size that list-max-listpack-size says, in the order of its
 * elements. An element that is longer than any node may be is a node by itself, as it is. How many
 * nodes there are is known last, and is put in front of them then. */
#include "rdb/save_int.h"
#include "types/limits.h"
#include "types/list.h"

/* A longer element is never in a listpack with others. */
#define ALONE 8192u

/* Moving the value once is cheaper than counting it before. */
void save_len_at(buf *out, size_t at, uint64_t n) {
    buf head = {0};
    raw_put_len(&head, n);
    (void)buf_reserve(out, head.len);
    memmove(out->data + at + head.len, out->data + at, out->len - at);
    memcpy(out->data + at, head.data, head.len);
    out->len += head.len;
    buf_free(&head);
}

/* May a node of so many bytes and elements have one more of n bytes? */
static bool node_has_room(const listpack_writer *w, size_t n) {
    int64_t limit = types_limit.list_size;
    if (limit >= 0 && w->count >= (uint64_t)limit) return false;
    return listpack_size(w) + n <= types_list_bytes();
}

/* The node, if it has elements; *nodes counts. */
static void end_node(buf *out, listpack_writer *w, uint64_t *nodes) {
    if (w->count > 0) {
        raw_put_len(out, 2);
        save_listpack(out, w);
        ++*nodes;
    }
    buf_clear(w->out);
    listpack_begin(w, w->out);
}

/* All elements, in order. */
static engine_result save_elements(elements *el, buf *out, buf *room, uint64_t *nodes) {
    listpack_writer w;
    el_iter it;
    el_room last = {0};
    slice value;
    listpack_begin(&w, room);
    engine_result r = list_at(el, 0, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false)) {
        r = list_load(el, &it.item, &last, &value);
        if (r != ENGINE_OK) return r;
        bool alone = value.len > ALONE;
        if (alone || !node_has_room(&w, value.len)) end_node(out, &w, nodes);
        if (alone) {
            raw_put_len(out, 1);
            raw_put_blob(out, value);
            ++*nodes;
        } else {
            listpack_add(&w, value);
        }
    }
    end_node(out, &w, nodes);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* The number of nodes goes between the type and the nodes. */
engine_result save_list(elements *el, buf *out) {
    buf room = {0};
    uint64_t nodes = 0;
    buf_append_char(out, RDB_LIST_LISTPACKS);
    size_t at = out->len;
    engine_result r = save_elements(el, out, &room, &nodes);
    if (r == ENGINE_OK) save_len_at(out, at, nodes);
    buf_free(&room);
    return r;
}
