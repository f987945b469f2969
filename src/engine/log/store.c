/* store: from a directory's name to a manifest that is known to be right for it.
 *
 *   1. the lock: one process a directory
 *   2. the manifest; if there is none, and no file of ours either, a new store is made
 *   3. is it of this engine, and of this mode? Tokens of the two modes differ, and so does the
 *      order of everything: a wrong answer would be worse than none
 *   4. every name in the directory: .tmp files of ours go, and so does what the manifest has as
 *      pending; a file of ours that it does not know is a refusal
 *
 * Nothing is removed before every name has been looked at. A crash in the middle is met by the next
 * start in the same way. */
#include "engine/log/store.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"
#include <stdio.h>
#include <string.h>

/* A new store: its ids and its first edit. */
static status create(meta_queue *m, const store_kind *kind, const engine_options *opt) {
    manifest_edit first = {0};
    uint64_t id = 0;
    hash_key key;
    const io_env *env = m->env;
    CHECK(opt->databases >= 1 && kind->engine[0]);
    while (id == 0)
        env->random_bytes(&id, sizeof id, env->random_ctx);
    if (opt->hash)
        key = *opt->hash;
    else
        env->random_bytes(&key, sizeof key, env->random_ctx);
    edit_create(&first, kind->engine, id, key, opt->cluster);
    manifest_map *map = mem_alloc((size_t)opt->databases * sizeof *map);
    for (uint32_t i = 0; i < (uint32_t)opt->databases; i++)
        map[i] = (manifest_map){i, i + 1};
    edit_reserve(&first, MANIFEST_IDS_FILE, 1);
    edit_reserve(&first, MANIFEST_IDS_PDB, (uint64_t)opt->databases + 1);
    edit_reserve(&first, MANIFEST_IDS_COLL, 1);
    edit_map(&first, 0, map, (size_t)opt->databases);
    status s = manifest_create(m->fs, m->dir, &first, &m->m);
    edit_free(&first);
    mem_free(map);
    return s;
}

/* Can the store be opened so? */
static status check_kind(const meta_queue *m, const store_kind *kind, const engine_options *opt) {
    const manifest_state *s = meta_state(m);
    CHECK(s->engine[0]);
    if (strcmp(s->engine, kind->engine) != 0)
        return status_make(ST_INVALID,
                           "%s was made by engine %s, and this is engine %s: start with "
                           "`--engine %s`, or convert it: `stave-convert %s NEWDIR --engine %s`",
                           m->dir, s->engine, kind->engine, s->engine, m->dir, kind->engine);
    if (s->cluster != opt->cluster)
        return status_make(ST_INVALID,
                           "%s: made %s cluster mode; stave-convert makes the other kind of it",
                           m->dir, s->cluster ? "in" : "without");
    return STATUS_OK;
}

/* ---- the directory ------------------------------------------------------------------------------
 */

typedef struct listing {
    const store_kind *kind;
    const manifest_state *state; /* NULL: there is no manifest */
    buf remove;                  /* names, each ending in NUL */
    char foreign[FILE_NAME_MAX + 8];
} listing;

/* What a name in the directory means for the start. */
static void list_one(void *ctx, const char *name) {
    CHECK(ctx && name[0]);
    listing *l = ctx;
    unsigned kind;
    uint32_t number;
    file_name_class c = file_name_parse(name, &kind, &number);
    if (c == FILE_NAME_FOREIGN || (c == FILE_NAME_OURS && kind == FILE_MANIFEST)) return;
    /* without a manifest nothing is known, and anything of ours is a store that lost it */
    bool pending = l->state && manifest_state_is_pending(l->state, number);
    if (c == FILE_NAME_TMP || pending)
        buf_append(&l->remove, name, strlen(name) + 1);
    else if (!l->state || !l->kind->is_live(l->state, kind, number))
        snprintf(l->foreign, sizeof l->foreign, "%s", name);
}

/* Unlinks the names listed for that. */
static status remove_listed(const meta_queue *m, const buf *names) {
    CHECK(names->len == 0 || names->data[names->len - 1] == 0);
    char path[FILE_PATH_MAX];
    for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1) {
        int n = snprintf(path, sizeof path, "%s/%s", m->dir, names->data + at);
        if (n < 0 || n >= (int)sizeof path) return status_make(ST_LIMIT, "%s: too long", m->dir);
        status s = m->fs->ops->unlink(m->fs, path);
        if (!status_ok(s) && s.code != ST_NOT_FOUND) return s;
    }
    return STATUS_OK;
}

/* Looks at every name in the directory. */
static status see_directory(const meta_queue *m, const store_kind *kind) {
    CHECK(kind->is_live);
    listing l = {.kind = kind, .state = m->m ? meta_state(m) : NULL};
    status s = m->fs->ops->list(m->fs, m->dir, list_one, &l);
    if (status_ok(s) && l.foreign[0])
        s = l.state ? status_make(ST_CORRUPT,
                                  "%s/%s: the manifest does not know this file; it was put here, "
                                  "or the manifest is an old one",
                                  m->dir, l.foreign)
                    : status_make(ST_CORRUPT, "%s/%s: there is no MANIFEST beside it", m->dir,
                                  l.foreign);
    if (status_ok(s)) s = remove_listed(m, &l.remove);
    buf_free(&l.remove);
    return s;
}

/* What was pending has been unlinked: the manifest may forget it, once that is durable (W8). */
static status forget_pending(meta_queue *m) {
    const manifest_state *s = meta_state(m);
    CHECK(!m->busy);
    if (s->npending == 0) return STATUS_OK;
    for (size_t i = 0; i < s->npending; i++)
        edit_gone(&m->edit, s->pending[i]);
    TRY(m->fs->ops->sync_dir(m->fs, m->dir));
    return meta_wait(m, meta_commit(m));
}

/* The steps above, in order. */
status store_open(meta_queue *m, const store_kind *kind, const engine_options *opt) {
    char path[FILE_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/LOCK", m->dir);
    if (n < 0 || n >= (int)sizeof path) return status_make(ST_LIMIT, "%s: too long", m->dir);
    CHECK(!m->m && !m->lock);
    TRY(m->fs->ops->mkdir(m->fs, m->dir));
    TRY(m->fs->ops->lock(m->fs, path, &m->lock));
    status s = manifest_open(m->fs, m->dir, &m->m);
    if (s.code == ST_NOT_FOUND) {
        TRY(see_directory(m, kind));
        TRY(create(m, kind, opt));
    } else {
        TRY(s);
    }
    /* from here on the directory is known to be ours, and of the right kind */
    TRY(check_kind(m, kind, opt));
    meta_take(m);
    TRY(see_directory(m, kind));
    return forget_pending(m);
}
