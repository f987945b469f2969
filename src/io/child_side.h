/* child_side: what runs in a forked child, from the fork to its exit; private to child_fork. */
#ifndef STAVE_IO_CHILD_SIDE_H
#define STAVE_IO_CHILD_SIDE_H

#include "io/child.h"

#include <sys/types.h>

/* Makes this process, just forked by `parent`, run the job, write its result to fd, and exit.
 * REQUIRES: fd is blocking. */
void child_side_run(child_job *job, const child_fork_hooks *hooks, pid_t parent, int fd)
    __attribute__((noreturn));

#endif
