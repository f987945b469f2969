/* jobs: what is done by children, as the rest of the engine sees it. */
#ifndef STAVE_ENGINE_BITCASK_JOBS_H
#define STAVE_ENGINE_BITCASK_JOBS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct bitcask bitcask;

/* Goes on with the merge under way, or starts one that is worth it. Not in a batch. */
void merge_cron(bitcask *e);
/* A slice of marking or applying; true if there is more. Not in a batch. */
bool merge_background(bitcask *e);
/* A flush has made the merge pointless: gives it up if it has not begun to be applied. */
void merge_cancel(bitcask *e);
/* Memory that the marks of the merge under way take. */
uint64_t merge_marks_bytes(const bitcask *e);
/* Frees the job without another look at it. */
void merge_free(bitcask *e);
/* At the end: nothing is installed any more, no child is left. */
void merge_end(bitcask *e);

/* Is the index on large pages as far as can be, in this round (a number above 0)? If not, has a
 * worker see to a piece: asked by each cron before a fork. Not in a batch. */
bool index_pages_ready(bitcask *e, uint64_t round);
/* The same when the index has grown, for lookups. Not in a batch. */
void index_pages_cron(bitcask *e);

/* For INFO: "no" by the setting, "small" where the system has none, "large". */
const char *index_pages_state(const bitcask *e);

/* Starts making hints if some are missing. Not in a batch. */
void hint_cron(bitcask *e);
/* Makes those that are missing, here and now; for a clean end. */
void hint_all(bitcask *e);
void hint_end(bitcask *e);

#endif
