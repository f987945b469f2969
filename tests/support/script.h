/* script: tests of commands as lines: what is sent, what must come back, what the hooks must hear.
 *
 * The replies and events of the scripts in tests/unit/commands are redis-server's own, taken down
 * once; where 7.2 differs from the reference the script says so. */
#ifndef STAVE_TESTS_SUPPORT_SCRIPT_H
#define STAVE_TESTS_SUPPORT_SCRIPT_H

#include "session/command.h"

typedef struct step {
    const char *line;   /* inline form, without its end; NULL ends the script */
    const char *reply;  /* RESP2, to the byte */
    const char *events; /* "name@db:key " one after another */
} step;

/* Runs a script over an empty engine with these tables (ended by NULL) registered; then once more
 * with reads that are often pending. Fails the test at the first line that differs, and shows it.
 */
void script_run(const step *steps, const command *const *tables);

#endif
