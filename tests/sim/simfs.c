/* simfs: files, names and the unsynced changes of both.
 *
 * A file is an inode; names lead to inodes through two tables, one as programs see it and one as
 * the disk has it for certain. Everything that changes a view also notes the change, and a sync
 * carries the noted changes over to the durable side (simfs_crash.c). The calls that programs make,
 * with their faults and counters, are in simfs_vfs.c. */
#include "sim/simfs_int.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

/* ---- names ------------------------------------------------------------------------------------
 */

/* Where path is or would be. */
static size_t names_place(const sim_names *t, const char *path, bool *there) {
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(t->at[mid].path, path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *there = low < t->n && strcmp(t->at[low].path, path) == 0;
    return low;
}

sim_inode *sim_names_find(const sim_names *t, const char *path) {
    bool there;
    size_t i = names_place(t, path, &there);
    return there ? t->at[i].inode : NULL;
}

void sim_names_set(sim_names *t, const char *path, sim_inode *inode) {
    bool there;
    size_t i = names_place(t, path, &there);
    if (there && inode) {
        t->at[i].inode = inode;
    } else if (there) {
        mem_free(t->at[i].path);
        memmove(t->at + i, t->at + i + 1, (--t->n - i) * sizeof *t->at);
    } else if (inode) {
        if (t->n == t->cap) {
            t->cap = t->cap ? 2 * t->cap : 16;
            t->at = mem_realloc(t->at, t->cap * sizeof *t->at);
        }
        memmove(t->at + i + 1, t->at + i, (t->n++ - i) * sizeof *t->at);
        t->at[i] = (sim_name){mem_strdup(path), inode};
    }
}

static void names_free(sim_names *t) {
    for (size_t i = 0; i < t->n; i++)
        mem_free(t->at[i].path);
    mem_free(t->at);
    *t = (sim_names){0};
}

size_t sim_parent(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

void sim_note_dirop(simfs *fs, int kind, const char *path, const char *to, sim_inode *inode) {
    if (fs->ndirops == fs->dirops_cap) {
        fs->dirops_cap = fs->dirops_cap ? 2 * fs->dirops_cap : 16;
        fs->dirops = mem_realloc(fs->dirops, fs->dirops_cap * sizeof *fs->dirops);
    }
    fs->dirops[fs->ndirops++] = (sim_dirop){
        .kind = kind,
        .seq = ++fs->seq,
        .path = mem_strdup(path),
        .to = to ? mem_strdup(to) : NULL,
        .inode = inode,
    };
}

/* ---- inodes -----------------------------------------------------------------------------------
 */

sim_inode *sim_inode_new(simfs *fs, bool is_dir) {
    if (fs->ninodes == fs->inodes_cap) {
        fs->inodes_cap = fs->inodes_cap ? 2 * fs->inodes_cap : 16;
        fs->inodes = mem_realloc(fs->inodes, fs->inodes_cap * sizeof *fs->inodes);
    }
    sim_inode *f = mem_zalloc(sizeof *f);
    f->is_dir = is_dir;
    fs->inodes[fs->ninodes++] = f;
    return f;
}

static void inode_free(sim_inode *f) {
    for (size_t i = 0; i < f->nchanges; i++)
        buf_free(&f->changes[i].bytes);
    mem_free(f->changes);
    buf_free(&f->view);
    buf_free(&f->durable);
    mem_free(f);
}

void sim_collect(simfs *fs) {
    for (size_t i = 0; i < fs->ninodes; i++)
        fs->inodes[i]->marked = fs->inodes[i]->handles > 0;
    for (size_t i = 0; i < fs->view.n; i++)
        fs->view.at[i].inode->marked = true;
    for (size_t i = 0; i < fs->durable.n; i++)
        fs->durable.at[i].inode->marked = true;
    for (size_t i = 0; i < fs->ndirops; i++)
        if (fs->dirops[i].inode) fs->dirops[i].inode->marked = true;
    size_t kept = 0;
    for (size_t i = 0; i < fs->ninodes; i++) {
        if (fs->inodes[i]->marked)
            fs->inodes[kept++] = fs->inodes[i];
        else
            inode_free(fs->inodes[i]);
    }
    fs->ninodes = kept;
}

void sim_buf_resize(buf *b, uint64_t size) {
    if (size > b->len) memset(buf_reserve(b, size - b->len), 0, size - b->len);
    b->len = size;
}

void sim_buf_write(buf *b, uint64_t offset, const char *p, size_t n) {
    if (offset + n > b->len) sim_buf_resize(b, offset + n);
    if (n) memcpy(b->data + offset, p, n);
}

static sim_change *note_change(simfs *fs, sim_inode *f, int kind, uint64_t offset, uint64_t after) {
    if (f->nchanges == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 8;
        f->changes = mem_realloc(f->changes, f->cap * sizeof *f->changes);
    }
    sim_change *c = &f->changes[f->nchanges++];
    *c = (sim_change){
        .kind = kind, .seq = ++fs->seq, .offset = offset, .before = f->view.len, .after = after};
    return c;
}

void sim_write(simfs *fs, sim_inode *f, uint64_t offset, const char *p, size_t n) {
    if (!n) return;
    uint64_t after = offset + n > f->view.len ? offset + n : f->view.len;
    buf_append(&note_change(fs, f, CHANGE_WRITE, offset, after)->bytes, p, n);
    sim_buf_write(&f->view, offset, p, n);
}

void sim_resize(simfs *fs, sim_inode *f, uint64_t size) {
    if (size == f->view.len) return;
    note_change(fs, f, CHANGE_RESIZE, size, size);
    sim_buf_resize(&f->view, size);
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

simfs *simfs_new(uint64_t seed) {
    simfs *fs = mem_zalloc(sizeof *fs);
    fs->base.ops = &sim_vfs_ops;
    rng_seed(&fs->chance, seed);
    return fs;
}

void simfs_free(simfs *fs) {
    while (fs->open)
        sim_close_handle(fs->open);
    names_free(&fs->view);
    names_free(&fs->durable);
    for (size_t i = 0; i < fs->ndirops; i++) {
        mem_free(fs->dirops[i].path);
        mem_free(fs->dirops[i].to);
    }
    mem_free(fs->dirops);
    for (size_t i = 0; i < fs->ninodes; i++)
        inode_free(fs->inodes[i]);
    mem_free(fs->inodes);
    mem_free(fs);
}

vfs *simfs_vfs(simfs *fs) {
    return &fs->base;
}

simfs_knobs *simfs_knobs_of(simfs *fs) {
    return &fs->knobs;
}

const simfs_counts *simfs_counts_of(const simfs *fs) {
    return &fs->counts;
}

void simfs_set_hook(simfs *fs, void (*before)(void *ctx), void *ctx) {
    fs->before = before;
    fs->before_ctx = ctx;
}

void simfs_set_trace(simfs *fs, void (*line)(void *ctx, const char *text), void *ctx) {
    fs->line = line;
    fs->line_ctx = ctx;
}

bool simfs_stopped(const simfs *fs) {
    return fs->stopped;
}

void simfs_stop(simfs *fs) {
    fs->stopped = true;
}

size_t simfs_open_handles(const simfs *fs) {
    return fs->nopen;
}

uint64_t simfs_used(const simfs *fs) {
    uint64_t used = 0;
    for (size_t i = 0; i < fs->ninodes; i++)
        used += fs->inodes[i]->view.len;
    return used;
}

uint64_t simfs_largest(const simfs *fs) {
    uint64_t most = 0;
    for (size_t i = 0; i < fs->ninodes; i++)
        if (fs->inodes[i]->view.len > most) most = fs->inodes[i]->view.len;
    return most;
}

/* Bytes of a file up to its last one that is not zero. */
static uint64_t used_part(const sim_inode *f) {
    uint64_t n = f->view.len;
    while (n > 0 && f->view.data[n - 1] == 0)
        n--;
    return n;
}

bool simfs_flip(simfs *fs, const char *part, buf *what) {
    uint64_t files = 0, pick;
    for (size_t i = 0; i < fs->view.n; i++)
        files += used_part(fs->view.at[i].inode) > 0 &&
                 (!part || strstr(fs->view.at[i].path, part) != NULL);
    if (!files) return false;
    pick = rng_below(&fs->chance, files);
    for (size_t i = 0; i < fs->view.n; i++) {
        sim_inode *f = fs->view.at[i].inode;
        uint64_t used = used_part(f);
        if (!used || (part && !strstr(fs->view.at[i].path, part)) || pick-- > 0) continue;
        /* Mostly where something is, often near its end. */
        uint64_t way = rng_below(&fs->chance, 10);
        uint64_t at = rng_below(&fs->chance, way == 0 ? f->view.len : used);
        if (way >= 5) at = used - 1 - rng_below(&fs->chance, used < 20000 ? used : 20000);
        unsigned bit = (unsigned)rng_below(&fs->chance, 8);
        f->view.data[at] ^= (char)(1u << bit);
        if (at < f->durable.len) f->durable.data[at] ^= (char)(1u << bit);
        buf_printf(what, "%s offset %llu bit %u", fs->view.at[i].path, (unsigned long long)at, bit);
        fs->counts.flips++;
        return true;
    }
    return false;
}

void simfs_list(const simfs *fs, buf *out) {
    for (size_t i = 0; i < fs->view.n; i++) {
        const sim_inode *f = fs->view.at[i].inode;
        buf_printf(out, "%s %zu%s\n", fs->view.at[i].path, f->view.len,
                   f->nchanges ? " (unsynced)" : "");
    }
}

void simfs_export(simfs *fs, const char *dir) {
    for (size_t i = 0; i < fs->view.n; i++) {
        const sim_name *n = &fs->view.at[i];
        if (n->inode->is_dir) continue;
        buf path = {0};
        buf_printf(&path, "%s/%s%c", dir, n->path + sim_parent(n->path) + 1, 0);
        FILE *out = fopen(path.data, "wb");
        if (!out) log_panic(__FILE__, __LINE__, "can't write %s", path.data);
        size_t wrote = fwrite(n->inode->view.data, 1, n->inode->view.len, out);
        CHECK(wrote == n->inode->view.len);
        fclose(out);
        buf_free(&path);
    }
}
