/* scan_options: what SCAN, SSCAN, HSCAN and ZSCAN have in common: cursor, options, reply.
 *
 * A command reads the cursor, looks its key up, reads the options, visits elements from the cursor
 * on, appending those that scan_wants, and ends with scan_reply. */
#ifndef STAVE_COMMANDS_SCAN_OPTIONS_H
#define STAVE_COMMANDS_SCAN_OPTIONS_H

#include "session/reply.h"

enum scan_option { SCAN_TYPE = 1 << 0, SCAN_NOVALUES = 1 << 1 };

typedef struct scan_options {
    slice pattern;
    bool match_all;
    uint64_t count; /* at least 1 */
    slice type;     /* TYPE's argument */
    bool has_type, no_values;
} scan_options;

/* False after having replied. */
bool scan_cursor(client *c, int i, uint64_t *out);
/* MATCH, COUNT and what is allowed besides (scan_option), from argument `from` on; the last of each
 * counts. False after having replied. */
bool scan_options_parse(client *c, int from, unsigned allowed, scan_options *out);
/* For KEYS, too: "*" is what most ask for, and need not be matched. */
void scan_pattern(scan_options *o, slice pattern);
bool scan_wants(const scan_options *o, slice name);
/* Puts the cursor and the number of bulk strings, which were appended from c->out.len = at on,
 * before them; the reply depends on the log's end. `cursor` NULL: the number alone. */
command_result scan_reply(client *c, size_t at, const uint64_t *cursor, uint64_t n);
/* What a scan of an absent key answers. */
command_result scan_reply_empty(client *c);

#endif
