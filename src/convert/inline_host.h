/* inline_host: a child_host without children: a job runs here and now, and is told at the next
 * poll. For an engine over a vfs that only this process has. */
#ifndef STAVE_CONVERT_INLINE_HOST_H
#define STAVE_CONVERT_INLINE_HOST_H

#include "io/child.h"

/* Jobs run over v. Freed by its close. */
child_host *inline_host_new(vfs *v);

#endif
