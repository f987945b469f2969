/* io_uring in a build without it (make URING=no): the threads do what it would. */
#include "io/aio.h"

/* As on a kernel that refuses it. */
status aio_uring_new(aio **out) {
    *out = NULL;
    return status_make(ST_NOT_FOUND, "This build has no io_uring: it was made by `make URING=no`");
}
