/* storebuild: a small data directory with everything in it, for tests that damage and repair it.
 *
 *   segment 1   sealed, with a hint: PUTs, some with LZ4 and expiry; a collection; batches; marks
 *   segment 5   sealed, with a hint: the output of a merge of segment 2
 *   segment 3   sealed, with a hint: deletes, a DROP, a FLUSH
 *   segment 4   open: a synced part, and an unsynced end
 *   segment 6   pending: being prepared */
#ifndef STAVE_TESTS_STOREBUILD_H
#define STAVE_TESTS_STOREBUILD_H

#include "base/hash.h"
#include "io/vfs.h"

#define STOREBUILD_ID 0x0a0b0c0d01020304u

/* Makes it in dir, which exists. */
void storebuild(vfs *v, const char *dir);
/* The same, and behind segment 4, which is still open, segment 7: two PUTs, an fsync, one PUT. */
void storebuild_two_open(vfs *v, const char *dir);
/* The store's hash key. */
hash_key storebuild_key(void);

#endif
