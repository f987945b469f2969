/* slow_source: reads are made when they are asked for, and shown later. Bytes are allocated each by
 * itself, so that a reader of what was given away is found by the address sanitizer. */
#include "support/slow_source.h"

#include "base/log.h"
#include "base/mem.h"

static slow_read *find(slow_source *s, log_pos pos) {
    for (size_t i = 0; i < s->n; i++)
        if (s->reads[i].pos == pos) return &s->reads[i];
    return NULL;
}

/* All n bytes there; an own copy. */
static char *read_now(vfs_file *file, log_pos pos, size_t n) {
    char *p = mem_alloc(n);
    status st = vfs_pread_all(file, "slow", p, n, log_pos_offset(pos));
    CHECK(status_ok(st));
    return p;
}

static table_supply get(table_source *base, vfs_file *file, log_pos pos, size_t n, slice *raw) {
    slow_source *s = (slow_source *)(void *)base;
    slow_read *have = find(s, pos);
    CHECK(file && n > 0);
    mem_free(s->given);
    s->given = NULL;
    if (s->reader && !*s->reader) return TABLE_READ;
    if (have) {
        CHECK(have->bytes.len == n);
        *raw = have->bytes;
        return have->here ? TABLE_HERE : TABLE_NOT_NOW;
    }
    if (rng_below(s->r, 1000) < s->read_permille) {
        s->read++;
        return TABLE_READ;
    }
    if (rng_below(s->r, 1000) < s->now_permille) {
        s->given = read_now(file, pos, n);
        *raw = slice_of(s->given, n);
        return TABLE_HERE;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->reads = mem_realloc(s->reads, s->cap * sizeof *s->reads);
    }
    s->asked++;
    s->reads[s->n++] = (slow_read){pos, false, slice_of(read_now(file, pos, n), n)};
    return TABLE_NOT_NOW;
}

static void close_file(table_source *base, vfs_file *file, bool last) {
    (void)last;
    status st = file->ops->close(file);
    CHECK(status_ok(st));
    ((slow_source *)(void *)base)->closed++;
}

void slow_init(slow_source *s, rng *r) {
    *s = (slow_source){.base = {get, close_file}, .r = r};
}

void slow_arrive(slow_source *s) {
    bool some = false;
    for (size_t i = 0; i < s->n; i++) {
        some = some || !s->reads[i].here;
        s->reads[i].here = true;
    }
    CHECK(some); /* else who was told "not now" would wait for ever */
    s->rounds++;
}

void slow_forget(slow_source *s) {
    for (size_t i = 0; i < s->n; i++)
        mem_free((char *)(uintptr_t)s->reads[i].bytes.data);
    s->n = 0;
}

void slow_free(slow_source *s) {
    slow_forget(s);
    mem_free(s->given);
    mem_free(s->reads);
}
