/* place: see place.h. Only files that are known by where they lie are ever removed: the contents of
 * the two directories, one level deep. */
#include "convert/place.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

static const char lock_name[] = "LOCK";

/* "a" and "b" joined, as a string of the caller's. */
static char *joined(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b) + 1;
    char *out = mem_alloc(n + m);
    memcpy(out, a, n);
    memcpy(out + n, b, m);
    return out;
}

/* "/" stays. */
char *place_path(const char *text) {
    char *out = mem_strdup(text);
    for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
        out[n - 1] = 0;
    return out;
}

/* A listing, as names that end in NUL. */
static void collect(void *ctx, const char *name) {
    buf_append(ctx, name, strlen(name) + 1);
}

/* Removes a directory of plain files; fine if it is not there. */
static status remove_files(vfs *v, const char *dir) {
    buf names = {0};
    status s = v->ops->list(v, dir, collect, &names);
    for (size_t at = 0; status_ok(s) && at < names.len; at += strlen(names.data + at) + 1) {
        char *slash = joined(dir, "/"), *path = joined(slash, names.data + at);
        s = v->ops->unlink(v, path);
        mem_free(slash);
        mem_free(path);
    }
    buf_free(&names);
    if (s.code == ST_NOT_FOUND) return STATUS_OK;
    TRY(s);
    return v->ops->rmdir(v, dir);
}

/* Is there anything of that name? */
static status must_not_exist(vfs *v, const char *path) {
    buf names = {0};
    status s = v->ops->list(v, path, collect, &names);
    buf_free(&names);
    if (s.code == ST_NOT_FOUND) return STATUS_OK;
    return status_make(ST_INVALID, "%s exists: name a directory that is not there yet", path);
}

/* TO.partial holds nothing, or what an earlier conversion has left. */
static status must_be_ours(const place *p) {
    buf names = {0};
    status s = p->v->ops->list(p->v, p->partial, collect, &names);
    for (size_t at = 0; status_ok(s) && at < names.len; at += strlen(names.data + at) + 1) {
        const char *name = names.data + at;
        if (strcmp(name, lock_name) && strcmp(name, "scratch") && strcmp(name, "store"))
            s = status_make(ST_INVALID,
                            "%s has %s in it, which no conversion made: remove it first",
                            p->partial, name);
    }
    buf_free(&names);
    return s;
}

/* Makes a directory where there is none. */
static status make_empty(vfs *v, const char *dir) {
    TRY(remove_files(v, dir));
    return v->ops->mkdir(v, dir);
}

/* The lock before anything is removed, as it may be another conversion's. */
status place_begin(place *p, vfs *v, const char *to) {
    *p = (place){.v = v, .to = place_path(to)};
    p->partial = joined(p->to, ".partial");
    p->scratch = joined(p->partial, "/scratch");
    p->store = joined(p->partial, "/store");
    TRY(must_not_exist(v, p->to));
    TRY(v->ops->mkdir(v, p->partial));
    TRY(must_be_ours(p));
    char *path = joined(p->partial, "/LOCK");
    status s = v->ops->lock(v, path, &p->lock);
    mem_free(path);
    TRY(s);
    p->made = true;
    TRY(make_empty(v, p->scratch));
    return make_empty(v, p->store);
}

/* The name first, then the directory that has it. */
status place_finish(place *p) {
    CHECK(p->made);
    TRY(p->v->ops->sync_dir(p->v, p->store));
    TRY(must_not_exist(p->v, p->to));
    TRY(p->v->ops->rename(p->v, p->store, p->to));
    char *parent = joined(p->to, "/..");
    status s = p->v->ops->sync_dir(p->v, parent);
    mem_free(parent);
    return s;
}

/* A failure leaves something that the next conversion removes. */
static status remove_all(const place *p) {
    TRY(remove_files(p->v, p->store));
    TRY(remove_files(p->v, p->scratch));
    return remove_files(p->v, p->partial);
}

/* The lock is the last thing to go: its file is unlinked while it is held. */
void place_end(place *p) {
    status s = p->made ? remove_all(p) : STATUS_OK;
    if (!status_ok(s)) log_warning("Removing %s: %s", p->partial, s.msg);
    if (p->lock) p->v->ops->unlock(p->lock);
    mem_free(p->to);
    mem_free(p->partial);
    mem_free(p->scratch);
    mem_free(p->store);
    *p = (place){0};
}
