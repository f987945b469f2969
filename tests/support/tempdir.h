/* tempdir: a directory of a test's own, below $TMPDIR or /tmp, gone when the test is over. */
#ifndef STAVE_TESTS_SUPPORT_TEMPDIR_H
#define STAVE_TESTS_SUPPORT_TEMPDIR_H

#define TEMPDIR_MAX 512

typedef struct tempdir {
    char path[TEMPDIR_MAX];
} tempdir;

/* Makes it, or ends the program. */
void tempdir_make(tempdir *d);
/* Removes it with all that is in it. */
void tempdir_remove(tempdir *d);
/* "PATH/NAME", in one of a few buffers used in turn. */
const char *tempdir_file(const tempdir *d, const char *name);

#endif
