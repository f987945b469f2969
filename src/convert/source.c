/* source: see source.h. The manifest is read without a lock: whoever opens the store afterwards
 * takes one, and finds out if it is of another kind by then. */
#include "convert/source.h"

#include "base/mem.h"
#include "convert/place.h"
#include "storage/file_header.h"
#include "storage/manifest.h"

#include <stdio.h>
#include <stdlib.h>

/* Databases without a mapping have nothing in them. */
status source_look(vfs *v, const char *dir, source *out, char name[16]) {
    char path[FILE_PATH_MAX];
    manifest_state m = {0};
    manifest_report about;
    *out = (source){.databases = 1};
    TRY(file_path(path, dir, FILE_MANIFEST, 0));
    status s = manifest_load(v, path, &m, &about);
    if (s.code == ST_NOT_FOUND)
        s = status_make(ST_INVALID, "%s: no MANIFEST here: not a data directory of Stave's", dir);
    if (status_ok(s)) {
        snprintf(name, 16, "%s", m.engine);
        out->engine = convert_engine_named(slice_cstr(m.engine));
        out->cluster = m.cluster;
        out->hash = m.key;
        for (size_t i = 0; i < m.nmap; i++)
            if (m.map[i].db >= out->databases) out->databases = m.map[i].db + 1;
        if (!out->engine)
            s = status_make(ST_INVALID,
                            "%s was made by engine %s, which this program does not know", dir,
                            name);
    }
    manifest_state_free(&m);
    return s;
}

/* Is `path` the directory, or below it? Both are real paths. */
static bool is_within(const char *path, const char *dir) {
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

/* By real paths, so that links are seen through. */
status source_must_be_outside(const char *from, const char *to) {
    char *name = place_path(to), *slash = strrchr(name, '/');
    if (slash) slash[slash == name] = 0; /* the directory that it would be in */
    char *dir = realpath(from, NULL), *parent = realpath(slash ? name : ".", NULL);
    status s = STATUS_OK;
    if (!parent)
        s = status_make(ST_INVALID, "%s: the directory that it would be in is not there", to);
    else if (dir && is_within(parent, dir))
        s = status_make(ST_INVALID, "%s is inside of %s, which is not to be changed", to, from);
    mem_free(name);
    free(dir); /* realpath's own malloc */
    free(parent);
    return s;
}
