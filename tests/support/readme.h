/* readme: ties the bytes that a folder's README.md shows to what the code makes. */
#ifndef STAVE_TESTS_README_H
#define STAVE_TESTS_README_H

#include <stddef.h>

/* Fails the test unless the file (from the top of the tree) shows the n bytes at p, in rows of 16
 * as two lower-case hex digits each, one space between. */
void assert_readme_shows(const char *path, const void *p, size_t n);

#endif
