/* A directory made by mkdtemp and removed by a walk, deepest entries first. */
#include "support/tempdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES         8
#define FILE_NAME_MAX (TEMPDIR_MAX + 256)

void tempdir_make(tempdir *d) {
    const char *base = getenv("TMPDIR");
    snprintf(d->path, sizeof(d->path), "%s/stave-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(d->path)) {
        perror(d->path);
        exit(1);
    }
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void tempdir_remove(tempdir *d) {
    if (d->path[0]) nftw(d->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    d->path[0] = 0;
}

const char *tempdir_file(const tempdir *d, const char *name) {
    static char names[NAMES][FILE_NAME_MAX];
    static unsigned next;
    char *out = names[next++ % NAMES];
    snprintf(out, FILE_NAME_MAX, "%s/%s", d->path, name);
    return out;
}
