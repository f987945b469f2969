/* vfs_replace: a small file of the user's takes another's place whole: the configuration, the
 * users.
 *
 * For files that are read by others than us, and whose mode matters: there may be passwords in
 * them. */
#include "io/vfs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* The directory that a path is in. */
static void directory_of(const char *path, char dir[PATH_MAX]) {
    snprintf(dir, PATH_MAX, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir ? 1 : 0] = 0;
    else
        snprintf(dir, PATH_MAX, ".");
}

/* All of a new file, which may be read by whom the old one could be. */
static status write_new(vfs *v, const char *path, const char *old, slice text) {
    vfs_file *f = NULL;
    struct stat was;
    status st = STATUS_OK;
    TRY(vfs_open(v, path, VFS_WRITE | VFS_CREATE | VFS_TRUNC, &f));
    if (stat(old, &was) == 0 && chmod(path, was.st_mode & 07777) != 0)
        st = status_errno(errno, "Can't set the mode of %s", path);
    if (status_ok(st)) st = vfs_pwrite(f, text.data, text.len, 0);
    if (status_ok(st)) st = f->ops->fsync(f);
    status closed = f->ops->close(f);
    return status_ok(st) ? closed : st;
}

/* What is left of a failure is removed, if that can be. */
status vfs_posix_replace(const char *path, slice text) {
    char tmp[PATH_MAX + 8], dir[PATH_MAX];
    vfs *v = vfs_posix();
    if (strlen(path) >= PATH_MAX)
        return status_make(ST_LIMIT, "The path of %.100s... is too long", path);
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    directory_of(path, dir);
    status st = write_new(v, tmp, path, text);
    if (status_ok(st)) st = v->ops->rename(v, tmp, path);
    if (!status_ok(st)) {
        (void)status_ok(v->ops->unlink(v, tmp));
        return st;
    }
    return v->ops->sync_dir(v, dir);
}
