/* logbuild: see the header. */
#include "support/logbuild.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

/* For what can't fail here. */
static void must(status s) {
    if (!status_ok(s)) log_panic(__FILE__, __LINE__, "%s", s.msg);
}

static logwrite_file add_file(logbuild *b) {
    char p[FILE_HEADER];
    file_header h = {.kind = FILE_SEGMENT, .store_id = LOGBUILD_STORE, .number = b->n + 1};
    h.before = b->n;
    CHECK(b->n < LOGBUILD_FILES);
    file_name(b->path[b->n], FILE_SEGMENT, h.number);
    file_header_encode(p, &h);
    vfs_file **f = &b->open[b->n];
    must(vfs_open(memfs_vfs(b->fs), b->path[b->n], VFS_READ | VFS_WRITE | VFS_CREATE, f));
    must(vfs_pwrite(*f, p, sizeof p, 0));
    must((*f)->ops->allocate(*f, 0, b->limit));
    b->n++;
    return (logwrite_file){*f, h.number, b->limit};
}

void logbuild_start(logbuild *b, uint32_t limit) {
    memset(b, 0, sizeof *b);
    b->limit = limit;
    b->fs = memfs_new();
    b->w = logwrite_new(LOGBUILD_STORE);
    logwrite_file f = add_file(b);
    logwrite_start(b->w, &f, 0);
}

void logbuild_end(logbuild *b) {
    logwrite_free(b->w);
    for (uint32_t i = 0; i < b->n; i++)
        must(b->open[i]->ops->close(b->open[i]));
    memfs_free(b->fs);
}

/* Appends a PUT to the open batch. */
static void append(logbuild *b, int i, slice value) {
    char key[16];
    int n = snprintf(key, sizeof key, "k%d", i);
    record r = {.kind = RECORD_PUT, .key = slice_of(key, (size_t)n), .value = value};
    logwrite_append(b->w, &r, NULL);
}

void logbuild_batch(logbuild *b, int n, size_t len) {
    char *value = malloc(len + 1);
    memset(value, 'v', len);
    logwrite_begin(b->w);
    for (int i = 0; i < n; i++)
        append(b, i, slice_of(value, len));
    logwrite_commit(b->w);
    free(value);
}

void logbuild_put(logbuild *b, slice value) {
    logwrite_begin(b->w);
    append(b, 0, value);
    logwrite_commit(b->w);
}

void logbuild_flush(logbuild *b) {
    must(logwrite_flush(b->w, UINT64_MAX, NULL));
}

void logbuild_sync(logbuild *b) {
    logbuild_flush(b);
    logwrite_set_durable(b->w, logwrite_written(b->w));
}

void logbuild_idle(logbuild *b) {
    CHECK(logwrite_idle(b->w));
    logbuild_flush(b);
}

void logbuild_next(logbuild *b) {
    logwrite_moved moved;
    logwrite_file f = add_file(b);
    logwrite_next(b->w, &f, &moved);
}

buf *logbuild_bytes(logbuild *b, uint32_t i) {
    CHECK(i < b->n);
    return memfs_bytes(b->fs, b->path[i]);
}

void logbuild_files(logbuild *b, log_file out[LOGBUILD_FILES]) {
    for (uint32_t i = 0; i < b->n; i++)
        out[i] = (log_file){b->open[i], b->path[i], FILE_SEGMENT, i + 1, 0};
}

void logbuild_list(logbuild *b) {
    b->nrecs = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const buf *bytes = logbuild_bytes(b, i);
        uint32_t at = FILE_HEADER;
        log_pos batch = 0;
        record r;
        while (at < bytes->len) {
            record_place place = {LOGBUILD_STORE, i + 1, at};
            if (record_read(bytes->data + at, bytes->len - at, place, &r) != RECORD_OK) break;
            if (batch == 0) batch = log_pos_of(i + 1, at);
            CHECK(b->nrecs < LOGBUILD_RECS);
            b->recs[b->nrecs++] =
                (logbuild_rec){log_pos_of(i + 1, at), r.size, r.mark, batch, r.kind};
            if (!(r.flags & RECORD_CONTINUES)) batch = 0;
            at += r.size;
        }
    }
}

log_pos logbuild_log_end(const logbuild *b) {
    return logwrite_written(b->w);
}
