/* salvage: reading past damage.
 *
 * Two cases. If a record's header is whole, its size is true, and only its body is lost: the search
 * goes on right behind it. Else it goes on at the next byte (record_find). Memory is a window of
 * two of the largest records, so that a header in its first half has its whole record in view. */
#include "storage/salvage.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"

#define WINDOW (2u * RECORD_MAX)

struct salvage {
    vfs_file *file;
    record_place base; /* of the window's first byte */
    char *window;
    size_t cap, len;
    uint32_t pos, to; /* next byte to look at; where it all ends */
    uint32_t behind;  /* end of the record given last */
    uint32_t data;    /* behind the last byte seen that is not zero */
};

/* A window of the file's length, if that is small. */
status salvage_open(vfs_file *f, uint64_t store_id, uint32_t number, uint32_t from, uint32_t to,
                    salvage **out) {
    CHECK(f && number > 0);
    uint64_t size;
    *out = NULL;
    CHECK(from >= FILE_HEADER);
    TRY(f->ops->size(f, &size));
    if (size < to) to = (uint32_t)size;
    salvage *s = mem_zalloc(sizeof *s);
    s->file = f;
    s->base = (record_place){store_id, number, from};
    s->cap = to > from && to - from < WINDOW ? to - from : WINDOW;
    s->window = mem_alloc(s->cap);
    s->pos = s->behind = s->data = from;
    s->to = to;
    *out = s;
    return STATUS_OK;
}

/* Nothing happens for NULL. */
void salvage_close(salvage *s) {
    CHECK(!s || s->window);
    if (!s) return;
    mem_free(s->window);
    mem_free(s);
}

/* Makes the window begin at pos and hold as much as there is, unless it holds a whole record's
 * worth or all of the rest. */
static status fill(salvage *s) {
    CHECK(s->pos >= s->base.offset);
    size_t used = s->pos - s->base.offset, held = s->len > used ? s->len - used : 0;
    size_t rest = s->pos < s->to ? s->to - s->pos : 0, got = 0;
    if (held >= RECORD_MAX || held >= rest) return STATUS_OK;
    if (held) memmove(s->window, s->window + used, held);
    s->base.offset = s->pos;
    s->len = held;
    size_t want = rest < s->cap ? rest : s->cap;
    TRY(vfs_pread(s->file, s->window + held, want - held, (uint64_t)s->pos + held, &got));
    s->len += got;
    CHECK(s->len <= s->cap);
    for (size_t i = s->len; i > held; i--) {
        if (s->window[i - 1] == 0) continue;
        s->data = s->pos + (uint32_t)i;
        break;
    }
    return STATUS_OK;
}

/* Looks for the next record in the window: true with *out set, or pos further on. */
static bool find(salvage *s, salvage_item *out) {
    CHECK(s->pos >= s->base.offset);
    size_t from = s->pos - s->base.offset;
    size_t keep = s->base.offset + s->len < s->to ? RECORD_HEADER_MAX : 0;
    size_t starts = s->len > from + keep ? s->len - keep : from;
    CHECK(from <= s->len);
    size_t i = record_find(s->window, from, starts, s->len, s->base, &out->rec);
    s->pos = s->base.offset + (uint32_t)i;
    if (i == starts) return false;
    out->offset = s->pos;
    return true;
}

/* Two ways on: behind a record whose body is lost, or to the next byte. */
status salvage_next(salvage *s, salvage_item *out, bool *got) {
    CHECK(s->behind <= s->pos);
    *out = (salvage_item){0};
    *got = false;
    while (s->pos < s->to) {
        uint32_t before = s->pos;
        TRY(fill(s));
        if (s->len <= s->pos - s->base.offset) break;
        if (!find(s, out)) {
            if (s->pos == before) break; /* too few bytes for a header */
            continue;
        }
        TRY(fill(s)); /* the whole record, if it is there */
        size_t at = s->pos - s->base.offset;
        record_place place = {s->base.store_id, s->base.file, s->pos};
        uint32_t size = out->rec.size;
        CHECK(size >= RECORD_HEADER);
        record_result r = record_read(s->window + at, s->len - at, place, &out->rec);
        s->pos = size < s->to - s->pos ? s->pos + size : s->to;
        if (r != RECORD_OK) continue;
        out->gap = out->offset - s->behind;
        s->behind = s->pos;
        *got = true;
        return STATUS_OK;
    }
    out->gap = s->data > s->behind ? s->data - s->behind : 0;
    return STATUS_OK;
}
