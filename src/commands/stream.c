/* The table of the stream commands. Their functions are in stream_*.c.
 *
 * What programs read is redis-server's, what people read is ours. Trimming is what makes XADD's
 * output depend on more than its arguments; waiting commands are BLOCKING and their keys stand
 * behind a keyword. */
#include "commands/commands.h"
#include "commands/stream_family.h"

static const char *const tips_output[] = {"nondeterministic_output", NULL};

/* Sets of flags that several rows share. */
#define GROW_FAST  (CMD_WRITE | CMD_DENYOOM | CMD_FAST)
#define WRITE_FAST (CMD_WRITE | CMD_FAST)
#define STREAMS    .categories = CAT_STREAM, .group = "stream"

/* The keys of XREAD and XREADGROUP: the first half of what follows the word. */
#define KEYS_OF_STREAMS(from)                                                                      \
    {                                                                                              \
        .flags = KEY_RO | KEY_ACCESS, .begin = (from), .keyword = "STREAMS", .last = -1,           \
        .step = 1, .limit = 2                                                                      \
    }
#define TRIM                                                                                       \
    "@strategy:<MAXLEN|MINID^6.2.0> @operator:[@equal:=|@approximately:~] threshold:string "       \
    "[LIMIT^6.2.0 count]"

const command stream_commands[] = {
    {.name = "xadd",
     .run = cmd_xadd,
     .arity = -5,
     .flags = GROW_FAST,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(1) when adding a new entry, O(N) when trimming where N being the number of "
                   "entries evicted.",
     .summary = "Adds an entry to a stream, which is made if it is not there.",
     .syntax = "key [NOMKSTREAM^6.2.0] [@trim:<" TRIM ">] "
               "@id-selector:<@auto-id:*|id:string> @data:<field value>...",
     .keys = {{.flags = KEY_RW | KEY_UPDATE,
               .begin = 1,
               .step = 1,
               .notes = "UPDATE instead of INSERT because of the optional trimming feature"}},
     .tips = tips_output,
     .history = "6.2.0: Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` "
                "option.\n"
                "7.0.0: Added support for the `<ms>-*` explicit ID form."},
    {.name = "xlen",
     .run = cmd_xlen,
     .arity = 2,
     .flags = CMD_READONLY | CMD_FAST,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Returns the number of entries of a stream.",
     .syntax = "key",
     .keys = {KEY_AT(1, KEY_RO)}},
    {.name = "xrange",
     .run = cmd_xrange,
     .arity = -4,
     .flags = CMD_READONLY,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(log(M)+N) with N being the number of entries returned.",
     .summary = "Returns entries of a stream within a range of IDs.",
     .syntax = "key start:string end:string [COUNT count]",
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .history = "6.2.0: Added exclusive ranges."},
    {.name = "xrevrange",
     .run = cmd_xrevrange,
     .arity = -4,
     .flags = CMD_READONLY,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(log(M)+N) with N being the number of entries returned.",
     .summary = "Returns entries of a stream within a range of IDs, the last one first.",
     .syntax = "key end:string start:string [COUNT count]",
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .history = "6.2.0: Added exclusive ranges."},
    {.name = "xread",
     .run = cmd_xread,
     .arity = -4,
     .flags = CMD_READONLY | CMD_BLOCKING,
     STREAMS,
     .since = "5.0.0",
     .complexity = "For each stream: O(log(M)+N) with N being the number of entries returned.",
     .summary = "Returns entries of several streams after given IDs, waiting for some if asked.",
     .syntax = "[COUNT count] [BLOCK milliseconds] @streams:STREAMS <key... id:string...>",
     .keys = {KEYS_OF_STREAMS(1)}},
    {.name = "xdel",
     .run = cmd_xdel,
     .arity = -3,
     .flags = WRITE_FAST,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(1) for each entry to delete.",
     .summary = "Deletes entries of a stream and returns how many.",
     .syntax = "key id:string...",
     .keys = {KEY_AT(1, KEY_RW | KEY_DELETE)}},
    {.name = "xtrim",
     .run = cmd_xtrim,
     .arity = -4,
     .flags = CMD_WRITE,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(N), with N being the number of evicted entries.",
     .summary = "Deletes entries from the beginning of a stream.",
     .syntax = "key @trim:<" TRIM ">",
     .keys = {KEY_AT(1, KEY_RW | KEY_DELETE)},
     .tips = tips_output,
     .history = "6.2.0: Added the `MINID` trimming strategy and the `LIMIT` option."},
    {.name = "xsetid",
     .run = cmd_xsetid,
     .arity = -3,
     .flags = GROW_FAST,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Sets the last ID of a stream, as replication does.",
     .syntax = "key last-id:string [@entries-added:ENTRIESADDED^7.0.0 entries-added:integer] "
               "[@max-deleted-id:MAXDELETEDID^7.0.0 max-deleted-id:string]",
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .history = "7.0.0: Added the `entries_added` and `max_deleted_entry_id` arguments."},
    {.name = "xinfo",
     .arity = -2,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for commands that tell of streams.",
     .subcommands = xinfo_subcommands},
    {.name = "xgroup",
     .arity = -2,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for commands that see to groups of consumers.",
     .subcommands = xgroup_subcommands},
    {.name = "xreadgroup",
     .run = cmd_xreadgroup,
     .arity = -7,
     .flags = CMD_WRITE | CMD_BLOCKING,
     STREAMS,
     .since = "5.0.0",
     .complexity = "For each stream: O(log(M)+N) with N being the number of entries returned.",
     .summary = "Returns entries of several streams for a consumer of a group, new ones or those "
                "pending for it.",
     .syntax = "@group-block:<GROUP group consumer> [COUNT count] [BLOCK milliseconds] [NOACK] "
               "@streams:STREAMS <key... id:string...>",
     .keys = {KEYS_OF_STREAMS(4)}},
    {.name = "xack",
     .run = cmd_xack,
     .arity = -4,
     .flags = WRITE_FAST,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(1) for each ID.",
     .summary = "Acknowledges entries that were delivered to a group, and returns how many.",
     .syntax = "key group id:string...",
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)}},
    {.name = "xpending",
     .run = cmd_xpending,
     .arity = -3,
     .flags = CMD_READONLY,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(N) with N being the number of entries returned, or, with IDLE, looked at; "
                   "of the summary, the number of consumers.",
     .summary = "Returns what was delivered to a group and not acknowledged.",
     .syntax = "key group @filters:[[IDLE^6.2.0 min-idle-time:integer] start:string end:string "
               "count:integer [consumer]]",
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS)},
     .tips = tips_output,
     .history = "6.2.0: Added the `IDLE` option and exclusive range intervals."},
    {.name = "xclaim",
     .run = cmd_xclaim,
     .arity = -6,
     .flags = WRITE_FAST,
     STREAMS,
     .since = "5.0.0",
     .complexity = "O(log N) with N being the number of entries pending in the group.",
     .summary = "Gives pending entries of a group to another consumer.",
     .syntax = "key group consumer min-idle-time:string id:string... [IDLE ms:integer] [TIME "
               "unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [@lastid:LASTID "
               "lastid:string]",
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .tips = tips_output},
    {.name = "xautoclaim",
     .run = cmd_xautoclaim,
     .arity = -6,
     .flags = WRITE_FAST,
     STREAMS,
     .since = "6.2.0",
     .complexity = "O(1) if COUNT is small.",
     .summary = "Gives pending entries of a group that are old enough to another consumer.",
     .syntax = "key group consumer min-idle-time:string start:string [COUNT count] [JUSTID]",
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_DELETE)},
     .tips = tips_output,
     .history = "7.0.0: Added an element to the reply array, containing deleted entries the "
                "command cleared from the PEL"},
    {0},
};
