/* The textbook dynamic programme: L(i, j) is the length for the first i bytes of a and the first j
 * of b,
 *
 *     L(i, j) = L(i-1, j-1) + 1              if a[i-1] == b[j-1]
 *             = max(L(i-1, j), L(i, j-1))    otherwise
 *
 * filled row by row. The length needs two rows only. To trace the bytes the whole table is kept and
 * walked back from its last corner: a step on the diagonal takes a byte, else the walk goes to the
 * larger neighbour, and to the one with fewer bytes of b where they are equal, as redis-server
 * does, so that the same one of several answers comes out. */
#include "types/lcs.h"

#include "base/mem.h"

uint64_t lcs_table_bytes(slice a, slice b) {
    return ((uint64_t)a.len + 1) * ((uint64_t)b.len + 1) * sizeof(uint32_t);
}

/* Row i from the one above it. */
static void fill_row(char byte, slice b, const uint32_t *above, uint32_t *row) {
    row[0] = 0;
    for (size_t j = 1; j <= b.len; j++) {
        uint32_t up = above[j], left = row[j - 1];
        row[j] = byte == b.data[j - 1] ? above[j - 1] + 1 : up > left ? up : left;
    }
}

uint32_t lcs_length(slice a, slice b) {
    if (a.len < b.len) {
        slice t = a;
        a = b;
        b = t;
    }
    size_t width = b.len + 1;
    uint32_t *rows = mem_zalloc(2 * width * sizeof *rows);
    for (size_t i = 0; i < a.len; i++)
        fill_row(a.data[i], b, rows + (i % 2) * width, rows + (1 - i % 2) * width);
    uint32_t len = rows[(a.len % 2) * width + b.len];
    mem_free(rows);
    return len;
}

uint32_t lcs_trace(slice a, slice b, char *out, void (*each)(void *ctx, lcs_match m), void *ctx) {
    size_t width = b.len + 1;
    uint32_t *table = mem_alloc(lcs_table_bytes(a, b));
    memset(table, 0, width * sizeof *table);
    for (size_t i = 0; i < a.len; i++)
        fill_row(a.data[i], b, table + i * width, table + (i + 1) * width);

    size_t i = a.len, j = b.len;
    uint32_t len = table[i * width + j], left = len;
    while (i > 0 && j > 0) {
        if (a.data[i - 1] != b.data[j - 1]) {
            if (table[(i - 1) * width + j] > table[i * width + j - 1]) {
                i--;
            } else {
                j--;
            }
            continue;
        }
        lcs_match m = {.a_last = (uint32_t)i - 1, .b_last = (uint32_t)j - 1};
        for (; i > 0 && j > 0 && a.data[i - 1] == b.data[j - 1]; i--, j--)
            if (out) out[--left] = a.data[i - 1];
        m.a_first = (uint32_t)i;
        m.b_first = (uint32_t)j;
        if (each) each(ctx, m);
    }
    mem_free(table);
    return len;
}
