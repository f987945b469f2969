/* record: the commands that scripts have run, until they are counted.
 *
 * They are counted, and told to MONITOR, when the batch has committed that they were a part of: a
 * run that ends for want of a block from the disk has counted nothing. A script that runs very many
 * is remembered by counters alone from RECORD_BYTES on. */
#ifndef STAVE_SCRIPT_RECORD_H
#define STAVE_SCRIPT_RECORD_H

#include "session/inside.h"

#define RECORD_BYTES                                                                               \
    (16u << 20) /* of commands with their arguments that are kept for one script                   \
                 */

typedef struct record record;

/* Of a script that begins to run for c. What earlier scripts of the same outermost command (EXEC)
 * have left is kept, what those of another one have left is forgotten. */
record *record_begin(client *c);
/* One command has run; copies the arguments. */
void record_add(record *r, const inside_command *in);
/* The script has ended by itself. */
void record_end(record *r);
/* The oldest script of those that have ended is counted. REQUIRES: c's outermost command has ended,
 * this is its watch. */
void record_account(client *c);
void record_free_all(void);

#endif
