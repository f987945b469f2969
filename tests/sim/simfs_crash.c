/* simfs_crash: what becomes of unsynced changes: by a sync, by a failed sync, by a power cut.
 *
 * A power cut decides for each sector of each file how many of the file's unsynced changes it has
 * seen (its cutoff), as a sector is written back whole, at any time or never. The ways to choose:
 *
 *   NONE    no sector has seen anything
 *   ALL     every sector has seen everything
 *   MOMENT  all files are as at one moment, but the change of that moment is torn
 *   SECTORS each sector has a moment of its own
 *   COINS   each sector has seen everything or nothing
 *   HOLE    all sectors have seen everything, a few nothing
 *
 * Either one way holds for all files and names, or each file has its own. */
#include "sim/simfs_int.h"

#include "base/log.h"
#include "base/mem.h"

enum { WAY_NONE, WAY_ALL, WAY_MOMENT, WAY_SECTORS, WAY_COINS, WAY_HOLE, WAYS };

typedef struct fate {
    int way;
    uint64_t moment; /* a sequence number, for WAY_MOMENT */
    unsigned odds;   /* percent, for WAY_COINS and WAY_HOLE */
} fate;

static void forget_changes(sim_inode *f) {
    for (size_t i = 0; i < f->nchanges; i++)
        buf_free(&f->changes[i].bytes);
    f->nchanges = 0;
}

static void copy_buf(buf *to, const buf *from) {
    buf_clear(to);
    buf_append_slice(to, buf_slice(from));
}

void sim_sync(sim_inode *f) {
    for (size_t i = 0; i < f->nchanges; i++) {
        const sim_change *c = &f->changes[i];
        if (c->kind == CHANGE_RESIZE)
            sim_buf_resize(&f->durable, c->offset);
        else
            sim_buf_write(&f->durable, c->offset, c->bytes.data, c->bytes.len);
    }
    forget_changes(f);
}

/* ---- files after a power cut --------------------------------------------------------------------
 */

/* How many of the file's changes one thing of it, a sector or its size, has seen. */
static size_t choose_cutoff(simfs *fs, const sim_inode *f, const fate *by) {
    rng *r = &fs->chance;
    size_t n = f->nchanges, k = 0;
    switch (by->way) {
    case WAY_NONE: return 0;
    case WAY_ALL: return n;
    case WAY_MOMENT:
        while (k < n && f->changes[k].seq < by->moment)
            k++;
        if (k < n && f->changes[k].seq == by->moment) k += rng_below(r, 2);
        return k;
    case WAY_SECTORS: return rng_below(r, n + 1);
    case WAY_COINS: return rng_below(r, 100) < by->odds ? n : 0;
    default: return rng_below(r, 100) < by->odds ? 0 : n;
    }
}

/* The part of a change's byte range that lies in one sector: applies or leaves it. */
static void apply_to_sector(buf *out, const sim_change *c, uint64_t sector) {
    uint64_t from = sector * SIMFS_SECTOR, to = from + SIMFS_SECTOR;
    uint64_t start = c->offset, end = c->offset + c->bytes.len;
    if (c->kind == CHANGE_RESIZE) { /* what was cut off reads as zeros if it ever comes back */
        start = c->after;
        end = c->before > c->after ? c->before : c->after;
    }
    if (start < from) start = from;
    if (end > to) end = to;
    if (start >= end) return;
    if (end > out->len) sim_buf_resize(out, end);
    if (c->kind == CHANGE_RESIZE)
        memset(out->data + start, 0, end - start);
    else
        memcpy(out->data + start, c->bytes.data + (start - c->offset), end - start);
}

/* What the disk has of a file whose unsynced changes met `by`: into durable. */
static void settle(simfs *fs, sim_inode *f, const fate *by) {
    if (!f->nchanges) return;
    uint64_t first = UINT64_MAX, last = 0; /* bytes that any change touches */
    for (size_t i = 0; i < f->nchanges; i++) {
        const sim_change *c = &f->changes[i];
        uint64_t start = c->kind == CHANGE_RESIZE ? c->after : c->offset;
        uint64_t end = c->kind == CHANGE_RESIZE ? c->before : c->offset + c->bytes.len;
        if (end > start && start < first) first = start;
        if (end > last) last = end;
    }
    size_t seen = choose_cutoff(fs, f, by);
    uint64_t size = seen ? f->changes[seen - 1].after : f->durable.len;
    for (uint64_t s = first / SIMFS_SECTOR; first < last && s * SIMFS_SECTOR < last; s++) {
        size_t cutoff = choose_cutoff(fs, f, by);
        for (size_t i = 0; i < cutoff; i++)
            apply_to_sector(&f->durable, &f->changes[i], s);
    }
    sim_buf_resize(&f->durable, size);
    forget_changes(f);
}

void sim_sync_failed(simfs *fs, sim_inode *f) {
    fate each = {.way = (int)rng_below(&fs->chance, WAYS), .odds = 50, .moment = fs->seq};
    settle(fs, f, &each);
    /* Clean pages may be dropped at any time: then a read shows what the disk has. */
    if (rng_below(&fs->chance, 2)) copy_buf(&f->view, &f->durable);
}

/* ---- names ------------------------------------------------------------------------------------
 */

static void apply_dirop(sim_names *t, const sim_dirop *op) {
    if (op->kind == DIR_CREATE) {
        sim_names_set(t, op->path, op->inode);
        return;
    }
    sim_names_set(t, op->path, NULL);
    if (op->kind == DIR_RENAME) sim_names_set(t, op->to, op->inode);
}

static void dirop_free(sim_dirop *op) {
    mem_free(op->path);
    mem_free(op->to);
}

void sim_sync_dir(simfs *fs, const char *path) {
    size_t kept = 0, len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    for (size_t i = 0; i < fs->ndirops; i++) {
        sim_dirop *op = &fs->dirops[i];
        if (sim_parent(op->path) == len && strncmp(op->path, path, len) == 0) {
            apply_dirop(&fs->durable, op);
            dirop_free(op);
        } else {
            fs->dirops[kept++] = *op;
        }
    }
    fs->ndirops = kept;
    sim_collect(fs);
}

/* Was an earlier change of a name of op lost? Then op is, too. lost[i]: what became of op i. */
static bool follows_a_loss(const simfs *fs, const bool *lost, size_t at) {
    const sim_dirop *op = &fs->dirops[at];
    for (size_t i = 0; i < at; i++) {
        const sim_dirop *was = &fs->dirops[i];
        const char *names[2] = {op->path, op->to};
        for (int n = 0; lost[i] && n < 2; n++) {
            if (!names[n]) continue;
            if (!strcmp(was->path, names[n]) || (was->to && !strcmp(was->to, names[n])))
                return true;
        }
    }
    return false;
}

static void settle_names(simfs *fs, const fate *by) {
    bool *lost = mem_zalloc(fs->ndirops + 1);
    for (size_t i = 0; i < fs->ndirops; i++) {
        bool keep = rng_below(&fs->chance, 2) != 0;
        if (by->way == WAY_NONE) keep = false;
        if (by->way == WAY_ALL) keep = true;
        if (by->way == WAY_MOMENT) keep = fs->dirops[i].seq < by->moment;
        lost[i] = !keep || follows_a_loss(fs, lost, i);
        if (!lost[i]) apply_dirop(&fs->durable, &fs->dirops[i]);
    }
    for (size_t i = 0; i < fs->ndirops; i++)
        dirop_free(&fs->dirops[i]);
    fs->ndirops = 0;
    mem_free(lost);
}

/* ---- the end of a program -----------------------------------------------------------------------
 */

void simfs_kill(simfs *fs) {
    while (fs->open)
        sim_close_handle(fs->open);
    sim_collect(fs);
    fs->stopped = false;
    fs->counts.kills++;
    sim_trace(fs, "kill");
}

/* The sequence number of some unsynced change, or any after the last. */
static uint64_t some_moment(simfs *fs) {
    uint64_t first = fs->seq + 1;
    for (size_t i = 0; i < fs->ninodes; i++)
        if (fs->inodes[i]->nchanges && fs->inodes[i]->changes[0].seq < first)
            first = fs->inodes[i]->changes[0].seq;
    if (fs->ndirops && fs->dirops[0].seq < first) first = fs->dirops[0].seq;
    return first + rng_below(&fs->chance, fs->seq + 2 - first);
}

void simfs_crash(simfs *fs) {
    rng *r = &fs->chance;
    fate all = {.way = (int)rng_below(r, WAYS), .odds = (unsigned)rng_below(r, 40) + 1};
    all.moment = some_moment(fs);
    bool own = rng_below(r, 3) == 0;
    sim_trace(fs, "power cut, way %d%s", all.way, own ? ", each file its own" : "");
    while (fs->open)
        sim_close_handle(fs->open);
    settle_names(fs, &all);
    for (size_t i = 0; i < fs->ninodes; i++) {
        fate mine = all;
        if (own) mine.way = (int)rng_below(r, WAYS);
        settle(fs, fs->inodes[i], &mine);
        copy_buf(&fs->inodes[i]->view, &fs->inodes[i]->durable);
    }
    while (fs->view.n)
        sim_names_set(&fs->view, fs->view.at[fs->view.n - 1].path, NULL);
    for (size_t i = 0; i < fs->durable.n; i++)
        sim_names_set(&fs->view, fs->durable.at[i].path, fs->durable.at[i].inode);
    sim_collect(fs);
    fs->stopped = false;
    fs->counts.crashes++;
}
