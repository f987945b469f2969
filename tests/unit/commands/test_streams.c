/* The stream commands: replies and events to the byte. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {stream_commands, string_commands, keys_commands, NULL};

/* An ID is greater than all before it, whatever way it is given. */
static const step adding[] = {
    {"XADD s 1-1 a 1", "$3\r\n1-1\r\n", "new@0:s xadd@0:s "},
    {"XADD s 1-1 a 1",
     "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n", ""},
    {"XADD s 1-0 a 1",
     "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n", ""},
    {"XADD s 1-* b 2 c 3", "$3\r\n1-2\r\n", "xadd@0:s "},
    {"XADD s 1 b 2",
     "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n", ""},
    {"XADD s 2 b 2", "$3\r\n2-0\r\n", "xadd@0:s "},
    {"XADD s 2-* \"\" \"\"", "$3\r\n2-1\r\n", "xadd@0:s "},
    {"XADD s 0-0 a 1", "-ERR The ID specified in XADD must be greater than 0-0\r\n", ""},
    {"XADD s 0 a 1", "-ERR The ID specified in XADD must be greater than 0-0\r\n", ""},
    {"XADD n 0-0 a 1", "-ERR The ID specified in XADD must be greater than 0-0\r\n", ""},
    {"XADD n 0-* a 1", "$3\r\n0-1\r\n", "new@0:n xadd@0:n "},
    {"XLEN s", ":4\r\n", ""},
    {"XLEN none", ":0\r\n", "keymiss@0:none "},
    {"TYPE s", "+stream\r\n", ""},
    {"OBJECT ENCODING s", "$6\r\nstream\r\n", ""},
    {"XADD none NOMKSTREAM 5-5 a 1", "$-1\r\n", ""},
    {"EXISTS none", ":0\r\n", "keymiss@0:none "},
    {"XADD s NOMKSTREAM 5-5 a 1", "$3\r\n5-5\r\n", "xadd@0:s "},
    {"XADD s 18446744073709551615-18446744073709551615 z z",
     "$41\r\n18446744073709551615-18446744073709551615\r\n", "xadd@0:s "},
    {"XADD s * a 1",
     "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n", ""},
    {"XADD s 18446744073709551615-* a 1",
     "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n", ""},
    {"XADD n 7-18446744073709551615 a 1", "$22\r\n7-18446744073709551615\r\n", "xadd@0:n "},
    /* not 7.0 */
    {"XADD n 7-* a 1",
     "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n", ""},
    {"XADD n 8-* a 1", "$3\r\n8-0\r\n", "xadd@0:n "},
    {"XADD e 3-* a 1", "$3\r\n3-0\r\n", "new@0:e xadd@0:e "},
    {"XRANGE s - +",
     "*6\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*4\r\n$1\r\nb\r\n$"
     "1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n*2\r\n$3\r\n2-"
     "1\r\n*2\r\n$0\r\n\r\n$0\r\n\r\n*2\r\n$3\r\n5-5\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$"
     "41\r\n18446744073709551615-18446744073709551615\r\n*2\r\n$1\r\nz\r\n$1\r\nz\r\n",
     ""},
    {"DEL s n e", ":3\r\n", "del@0:s del@0:n del@0:e "},
    {0},
};

/* Syntax is looked at before the key. */
static const step adding_refuses[] = {
    {"SET str x", "+OK\r\n", "new@0:str set@0:str "},
    {"XADD str 1-1 a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
     ""},
    {"XADD s 1-1", "-ERR wrong number of arguments for 'xadd' command\r\n", ""},
    {"XADD s 1-1 a", "-ERR wrong number of arguments for 'xadd' command\r\n", ""},
    {"XADD s 1-1 a 1 b", "-ERR wrong number of arguments for 'xadd' command\r\n", ""},
    {"XADD s 1-1-1 a 1", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XADD s x a 1", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XADD s -1 a 1", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XADD s - a 1", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XADD s 18446744073709551616 a 1",
     "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XADD s \"\" a 1", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XADD s MAXLEN 5 MINID 5 * a 1",
     "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible\r\n", ""},
    {"XADD s MAXLEN x * a 1", "-ERR value is not an integer or out of range\r\n", ""},
    {"XADD s MAXLEN -1 * a 1", "-ERR The MAXLEN argument must be >= 0.\r\n", ""},
    {"XADD s MINID x 1-1 a 1", "-ERR Invalid stream ID specified as stream command argument\r\n",
     ""},
    {"XADD s LIMIT 5 1-1 a 1",
     "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy\r\n", ""},
    {"XADD s MAXLEN 5 LIMIT 5 1-1 a 1",
     "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n", ""},
    {"XADD s MAXLEN = 5 LIMIT 5 1-1 a 1",
     "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n", ""},
    {"XADD s MAXLEN ~ 5 LIMIT -5 1-1 a 1", "-ERR The LIMIT argument must be >= 0.\r\n", ""},
    {"XADD s MAXLEN ~ 5 LIMIT x 1-1 a 1", "-ERR value is not an integer or out of range\r\n", ""},
    {"XADD s LIMIT 0 1-1 a 1",
     "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n", ""},
    {"XLEN str", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"XRANGE str - +", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
     ""},
    {"XREAD STREAMS str 0",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"XDEL str 1-1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"XTRIM str MAXLEN 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
     ""},
    {"XSETID str 1-1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
     ""},
    {"XINFO STREAM str", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
     ""},
    {"XACK str g 1-1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
     ""},
    {"XPENDING str g", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
     ""},
    {"XGROUP CREATE str g $",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"XREADGROUP GROUP g c STREAMS str >",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"XCLAIM str g c 0 1-1",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"XAUTOCLAIM str g c 0 0",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {"XTRIM s", "-ERR wrong number of arguments for 'xtrim' command\r\n", ""},
    {"XTRIM s MAXLEN", "-ERR wrong number of arguments for 'xtrim' command\r\n", ""},
    {"XTRIM s NOPE 1", "-ERR syntax error\r\n", ""},
    {"XTRIM s MAXLEN 1 2", "-ERR syntax error\r\n", ""},
    {"XTRIM s LIMIT 5",
     "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy\r\n", ""},
    {"XTRIM s MAXLEN 5 LIMIT 1",
     "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n", ""},
    {"EXISTS s", ":0\r\n", "keymiss@0:s "},
    {0},
};

/* Ends of an interval: whole milliseconds, exclusive ones, all. */
static const step ranges[] = {
    {"XADD s 1-1 a 1", "$3\r\n1-1\r\n", "new@0:s xadd@0:s "},
    {"XADD s 1-2 a 2", "$3\r\n1-2\r\n", "xadd@0:s "},
    {"XADD s 2-0 a 3", "$3\r\n2-0\r\n", "xadd@0:s "},
    {"XADD s 5-7 a 4", "$3\r\n5-7\r\n", "xadd@0:s "},
    {"XRANGE s - +",
     "*4\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n5-7\r\n*2\r\n$"
     "1\r\na\r\n$1\r\n4\r\n",
     ""},
    {"XREVRANGE s + -",
     "*4\r\n*2\r\n$3\r\n5-7\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n3\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$"
     "1\r\na\r\n$1\r\n1\r\n",
     ""},
    {"XRANGE s 1 1",
     "*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n2\r\n",
     ""},
    {"XREVRANGE s 1 1",
     "*2\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n1\r\n",
     ""},
    {"XRANGE s (1-1 (5-7",
     "*2\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n3\r\n",
     ""},
    {"XRANGE s (1 +",
     "*4\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n5-7\r\n*2\r\n$"
     "1\r\na\r\n$1\r\n4\r\n",
     ""},
    {"XRANGE s - + COUNT 2",
     "*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n2\r\n",
     ""},
    {"XREVRANGE s + - COUNT 1", "*1\r\n*2\r\n$3\r\n5-7\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n", ""},
    {"XRANGE s - + COUNT 0", "*-1\r\n", ""},
    {"XRANGE s - + COUNT -1", "*-1\r\n", ""},
    {"XRANGE s - + COUNT x", "-ERR value is not an integer or out of range\r\n", ""},
    {"XRANGE s - + COUNT", "-ERR syntax error\r\n", ""},
    {"XRANGE s - + NOPE 1", "-ERR syntax error\r\n", ""},
    {"XRANGE none - +", "*0\r\n", "keymiss@0:none "},
    {"XREVRANGE none + - COUNT 0", "*0\r\n", "keymiss@0:none "},
    {"XRANGE s + -", "*0\r\n", ""},
    {"XRANGE s 3 4", "*0\r\n", ""},
    {"XRANGE s (- +", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XRANGE s ( +", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XRANGE s x +", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XRANGE s (18446744073709551615-18446744073709551615 +",
     "-ERR invalid start ID for the interval\r\n", ""},
    {"XRANGE s - (0-0", "-ERR invalid end ID for the interval\r\n", ""},
    {"XREVRANGE s (0-0 -", "-ERR invalid end ID for the interval\r\n", ""},
    {"XRANGE s 01-1 +1-2",
     "*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n2\r\n",
     ""},
    {"XREAD STREAMS s 1-2",
     "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n5-"
     "7\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n",
     ""},
    {"XREAD COUNT 1 STREAMS s none s 0 0 2-0",
     "*2\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$"
     "1\r\ns\r\n*1\r\n*2\r\n$3\r\n5-7\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n",
     "keymiss@0:none keymiss@0:none "},
    {"XREAD STREAMS s $", "*-1\r\n", ""},
    {"XREAD STREAMS none 0", "*-1\r\n", "keymiss@0:none keymiss@0:none "},
    {"XREAD COUNT 0 STREAMS s 2",
     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n5-7\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n", ""},
    {"XREAD COUNT -5 STREAMS s 2",
     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n5-7\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n", ""},
    {"XREAD STREAMS s >",
     "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
     "<consumer> option.\r\n",
     ""},
    {"XREAD STREAMS s x", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    /* not 7.0 */
    {"XREAD STREAMS s +",
     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n5-7\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n", ""},
    /* not 7.0 */
    {"XREAD STREAMS s s 0",
     "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be "
     "specified.\r\n",
     ""},
    {"XREAD COUNT x STREAMS s 0", "-ERR value is not an integer or out of range\r\n", ""},
    {"XREAD COUNT 1 s 0", "-ERR syntax error\r\n", ""},
    {"XREAD BLOCK -1 STREAMS s 0", "-ERR timeout is negative\r\n", ""},
    {"XREAD BLOCK x STREAMS s 0", "-ERR timeout is not an integer or out of range\r\n", ""},
    {"XREAD GROUP g c STREAMS s 0",
     "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.\r\n", ""},
    {"XREAD NOACK STREAMS s 0",
     "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.\r\n", ""},
    {"XREAD STREAMS", "-ERR wrong number of arguments for 'xread' command\r\n", ""},
    {"XREAD NOPE STREAMS s 0", "-ERR syntax error\r\n", ""},
    {0},
};

/* The oldest go; with ~ only whole nodes, of which these few entries are one. */
static const step trimming[] = {
    {"XADD s 1-0 a 1", "$3\r\n1-0\r\n", "new@0:s xadd@0:s "},
    {"XADD s 2-0 a 1", "$3\r\n2-0\r\n", "xadd@0:s "},
    {"XADD s 3-0 a 1", "$3\r\n3-0\r\n", "xadd@0:s "},
    {"XADD s 4-0 a 1", "$3\r\n4-0\r\n", "xadd@0:s "},
    {"XADD s 5-0 a 1", "$3\r\n5-0\r\n", "xadd@0:s "},
    {"XTRIM s MAXLEN ~ 2", ":0\r\n", ""},
    {"XTRIM s MAXLEN 10", ":0\r\n", ""},
    {"XTRIM s MAXLEN = 4", ":1\r\n", "xtrim@0:s "},
    {"XTRIM s MINID 3", ":1\r\n", "xtrim@0:s "},
    {"XTRIM s MINID ~ 5", ":0\r\n", ""},
    {"XTRIM s MINID ~ 9 LIMIT 2", ":0\r\n", ""},
    {"XADD s MAXLEN 2 6-0 a 1", "$3\r\n6-0\r\n", "xadd@0:s xtrim@0:s "},
    {"XRANGE s - +",
     "*2\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n6-0\r\n*2\r\n$1\r\na\r\n$"
     "1\r\n1\r\n",
     ""},
    {"XADD s MINID 6 7-0 a 1", "$3\r\n7-0\r\n", "xadd@0:s xtrim@0:s "},
    {"XADD s MAXLEN 0 8-0 a 1", "$3\r\n8-0\r\n", "xadd@0:s xtrim@0:s "},
    {"XLEN s", ":0\r\n", ""},
    {"EXISTS s", ":1\r\n", ""},
    {"XADD s 8-0 a 1",
     "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n", ""},
    {"XADD s 9-0 a 1", "$3\r\n9-0\r\n", "xadd@0:s "},
    {"XTRIM s MINID ~ 10", ":1\r\n", "xtrim@0:s "},
    {"XTRIM s MAXLEN 0", ":0\r\n", ""},
    {"XTRIM none MAXLEN 0", ":0\r\n", ""},
    {"XINFO STREAM s",
     "*20\r\n$6\r\nlength\r\n:0\r\n$15\r\nradix-tree-keys\r\n:0\r\n$16\r\nradix-tree-nodes\r\n:"
     "1\r\n$17\r\nlast-generated-id\r\n$3\r\n9-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$"
     "13\r\nentries-added\r\n:9\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n0-0\r\n$6\r\ngroups\r\n:"
     "0\r\n$11\r\nfirst-entry\r\n$-1\r\n$10\r\nlast-entry\r\n$-1\r\n",
     ""},
    {0},
};

/* A stream without entries stays, with all that it knows. */
static const step deleting[] = {
    {"XADD s 1-0 a 1", "$3\r\n1-0\r\n", "new@0:s xadd@0:s "},
    {"XADD s 2-0 a 1", "$3\r\n2-0\r\n", "xadd@0:s "},
    {"XADD s 3-0 a 1", "$3\r\n3-0\r\n", "xadd@0:s "},
    {"XDEL s 2-0 2-0 9-9", ":1\r\n", "xdel@0:s "},
    {"XDEL s 2-0", ":0\r\n", ""},
    {"XDEL s 3 x", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XDEL none 1", ":0\r\n", ""},
    {"XDEL s 3", ":1\r\n", "xdel@0:s "},
    {"XDEL s 1", ":1\r\n", "xdel@0:s "},
    {"EXISTS s", ":1\r\n", ""},
    {"XINFO STREAM s",
     "*20\r\n$6\r\nlength\r\n:0\r\n$15\r\nradix-tree-keys\r\n:0\r\n$16\r\nradix-tree-nodes\r\n:"
     "1\r\n$17\r\nlast-generated-id\r\n$3\r\n3-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n3-0\r\n$"
     "13\r\nentries-added\r\n:3\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n0-0\r\n$6\r\ngroups\r\n:"
     "0\r\n$11\r\nfirst-entry\r\n$-1\r\n$10\r\nlast-entry\r\n$-1\r\n",
     ""},
    {"XADD s 3-0 a 1",
     "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n", ""},
    {"XADD s 4-0 a 1", "$3\r\n4-0\r\n", "xadd@0:s "},
    {"XINFO STREAM s",
     "*20\r\n$6\r\nlength\r\n:1\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:"
     "2\r\n$17\r\nlast-generated-id\r\n$3\r\n4-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n3-0\r\n$"
     "13\r\nentries-added\r\n:4\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n4-0\r\n$6\r\ngroups\r\n:"
     "0\r\n$11\r\nfirst-entry\r\n*2\r\n$3\r\n4-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n$10\r\nlast-"
     "entry\r\n*2\r\n$3\r\n4-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
     ""},
    {"XSETID s 3-0",
     "-ERR The ID specified in XSETID is smaller than the target stream top item\r\n", ""},
    {"XSETID s 10-0", "+OK\r\n", "xsetid@0:s "},
    {"XADD s 9-0 a 1",
     "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n", ""},
    {"XSETID s 12-0 ENTRIESADDED 20 MAXDELETEDID 11-0", "+OK\r\n", "xsetid@0:s "},
    {"XINFO STREAM s",
     "*20\r\n$6\r\nlength\r\n:1\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:"
     "2\r\n$17\r\nlast-generated-id\r\n$4\r\n12-0\r\n$20\r\nmax-deleted-entry-id\r\n$4\r\n11-0\r\n$"
     "13\r\nentries-added\r\n:20\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n4-0\r\n$"
     "6\r\ngroups\r\n:0\r\n$11\r\nfirst-entry\r\n*2\r\n$3\r\n4-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n$"
     "10\r\nlast-entry\r\n*2\r\n$3\r\n4-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
     ""},
    /* not 7.0 */
    {"XSETID s 10-5",
     "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id\r\n", ""},
    {"XSETID s 12-0 ENTRIESADDED 0",
     "-ERR The entries_added specified in XSETID is smaller than the target stream length\r\n", ""},
    {"XSETID s 12-0 ENTRIESADDED -1", "-ERR entries_added must be positive\r\n", ""},
    {"XSETID s 12-0 ENTRIESADDED x", "-ERR value is not an integer or out of range\r\n", ""},
    {"XSETID s 12-0 MAXDELETEDID 13-0",
     "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id\r\n", ""},
    {"XSETID s 12-0 MAXDELETEDID", "-ERR syntax error\r\n", ""},
    {"XSETID s x", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XSETID s 12-0 NOPE 1", "-ERR syntax error\r\n", ""},
    {"XSETID none 12-0", "-ERR no such key\r\n", ""},
    {"XINFO STREAM none", "-ERR no such key\r\n", "keymiss@0:none "},
    {"XINFO NOPE", "-ERR unknown subcommand 'NOPE'. Try XINFO HELP.\r\n", ""},
    {"XINFO STREAM s NOPE",
     "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.\r\n", ""},
    {"XINFO STREAM s FULL COUNT",
     "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.\r\n", ""},
    {"XINFO STREAM s FULL COUNT x", "-ERR value is not an integer or out of range\r\n", ""},
    {"XINFO STREAM s FULL NOPE 1",
     "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.\r\n", ""},
    {0},
};

/* What a group has been given, and what it lacks. */
static const step groups[] = {
    {"XGROUP CREATE s g $",
     "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
     "use the MKSTREAM option to create an empty stream automatically.\r\n",
     ""},
    {"XGROUP CREATE s g $ MKSTREAM", "+OK\r\n", "new@0:s xgroup-create@0:s "},
    {"XGROUP CREATE s g $ MKSTREAM", "-BUSYGROUP Consumer Group name already exists\r\n", ""},
    {"XGROUP CREATE s g2 0 ENTRIESREAD 3", "+OK\r\n", "xgroup-create@0:s "},
    {"XGROUP CREATE s g3 0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1\r\n",
     ""},
    {"XGROUP CREATE s g3 0 ENTRIESREAD",
     "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.\r\n", ""},
    {"XGROUP CREATE s g3 x", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XGROUP CREATE s g3 0 NOPE",
     "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.\r\n", ""},
    {"XGROUP CREATE s g3 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM",
     "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.\r\n", ""},
    {"XGROUP SETID s none 0", "-NOGROUP No such consumer group 'none' for key name 's'\r\n", ""},
    {"XGROUP SETID none g 0",
     "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
     "use the MKSTREAM option to create an empty stream automatically.\r\n",
     ""},
    {"XGROUP SETID s g 0 MKSTREAM",
     "-ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.\r\n", ""},
    {"XGROUP NOPE s g", "-ERR unknown subcommand 'NOPE'. Try XGROUP HELP.\r\n", ""},
    {"XGROUP DESTROY none g",
     "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
     "use the MKSTREAM option to create an empty stream automatically.\r\n",
     ""},
    {"XGROUP CREATECONSUMER s none c",
     "-NOGROUP No such consumer group 'none' for key name 's'\r\n", ""},
    {"XGROUP DELCONSUMER s none c", "-NOGROUP No such consumer group 'none' for key name 's'\r\n",
     ""},
    {"XINFO GROUPS s",
     "*2\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:0\r\n$7\r\npending\r\n:0\r\n$"
     "17\r\nlast-delivered-id\r\n$3\r\n0-0\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n:0\r\n*"
     "12\r\n$4\r\nname\r\n$2\r\ng2\r\n$9\r\nconsumers\r\n:0\r\n$7\r\npending\r\n:0\r\n$17\r\nlast-"
     "delivered-id\r\n$3\r\n0-0\r\n$12\r\nentries-read\r\n:3\r\n$3\r\nlag\r\n:0\r\n",
     ""},
    {"XINFO GROUPS none", "-ERR no such key\r\n", "keymiss@0:none "},
    {"XADD s 1-0 a 1", "$3\r\n1-0\r\n", "xadd@0:s "},
    {"XADD s 2-0 a 2", "$3\r\n2-0\r\n", "xadd@0:s "},
    {"XADD s 3-0 a 3", "$3\r\n3-0\r\n", "xadd@0:s "},
    {"XINFO GROUPS s",
     "*2\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:0\r\n$7\r\npending\r\n:0\r\n$"
     "17\r\nlast-delivered-id\r\n$3\r\n0-0\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n:3\r\n*"
     "12\r\n$4\r\nname\r\n$2\r\ng2\r\n$9\r\nconsumers\r\n:0\r\n$7\r\npending\r\n:0\r\n$17\r\nlast-"
     "delivered-id\r\n$3\r\n0-0\r\n$12\r\nentries-read\r\n:3\r\n$3\r\nlag\r\n:0\r\n",
     ""},
    {"XGROUP CREATECONSUMER s g c", ":1\r\n", "xgroup-createconsumer@0:s "},
    {"XGROUP CREATECONSUMER s g c", ":0\r\n", ""},
    {"XREADGROUP GROUP g c STREAMS s >",
     "*1\r\n*2\r\n$1\r\ns\r\n*3\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n2-"
     "0\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n",
     ""},
    {"XREADGROUP GROUP g c STREAMS s >", "*-1\r\n", ""},
    {"XREADGROUP GROUP g c STREAMS s 0",
     "*1\r\n*2\r\n$1\r\ns\r\n*3\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n2-"
     "0\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n",
     ""},
    {"XREADGROUP GROUP g c STREAMS s 2",
     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n", ""},
    {"XREADGROUP GROUP g c COUNT 1 STREAMS s 0",
     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n", ""},
    {"XREADGROUP GROUP g2 d COUNT 1 STREAMS s >",
     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
     "xgroup-createconsumer@0:s "},
    {"XREADGROUP GROUP g2 d NOACK STREAMS s >",
     "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n3-"
     "0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n",
     ""},
    {"XINFO GROUPS s",
     "*2\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:3\r\n$"
     "17\r\nlast-delivered-id\r\n$3\r\n3-0\r\n$12\r\nentries-read\r\n:3\r\n$3\r\nlag\r\n:0\r\n*"
     "12\r\n$4\r\nname\r\n$2\r\ng2\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:1\r\n$17\r\nlast-"
     "delivered-id\r\n$3\r\n3-0\r\n$12\r\nentries-read\r\n:6\r\n$3\r\nlag\r\n:-3\r\n",
     ""},
    {"XPENDING s g", "*4\r\n:3\r\n$3\r\n1-0\r\n$3\r\n3-0\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n",
     ""},
    {"XPENDING s g2", "*4\r\n:1\r\n$3\r\n1-0\r\n$3\r\n1-0\r\n*1\r\n*2\r\n$1\r\nd\r\n$1\r\n1\r\n",
     ""},
    {"XDEL s 2-0", ":1\r\n", "xdel@0:s "},
    {"XREADGROUP GROUP g c STREAMS s 0",
     "*1\r\n*2\r\n$1\r\ns\r\n*3\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n2-"
     "0\r\n*-1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n",
     ""},
    {"XINFO GROUPS s",
     "*2\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:3\r\n$"
     "17\r\nlast-delivered-id\r\n$3\r\n3-0\r\n$12\r\nentries-read\r\n:3\r\n$3\r\nlag\r\n:0\r\n*"
     "12\r\n$4\r\nname\r\n$2\r\ng2\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:1\r\n$17\r\nlast-"
     "delivered-id\r\n$3\r\n3-0\r\n$12\r\nentries-read\r\n:6\r\n$3\r\nlag\r\n:-3\r\n",
     ""},
    {"XACK s g 1-0 1-0 9-9", ":1\r\n", ""},
    {"XACK s g x", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XACK s none 1-0", ":0\r\n", ""},
    {"XACK none g x", ":0\r\n", "keymiss@0:none "},
    {"XPENDING s g", "*4\r\n:2\r\n$3\r\n2-0\r\n$3\r\n3-0\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n2\r\n",
     ""},
    {"XREADGROUP GROUP none c STREAMS s >",
     "-NOGROUP No such key 's' or consumer group 'none' in XREADGROUP with GROUP option\r\n", ""},
    {"XREADGROUP GROUP g c STREAMS none >",
     "-NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP option\r\n",
     "keymiss@0:none "},
    {"XREADGROUP GROUP g c STREAMS s $",
     "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of "
     "this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would "
     "just return an empty result set.\r\n",
     ""},
    /* not 7.0 */
    {"XREADGROUP GROUP g c STREAMS s +",
     "-ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of "
     "this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would "
     "just return an empty result set.\r\n",
     ""},
    {"XREADGROUP GROUP g c STREAMS s x",
     "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    /* not 7.0 */
    {"XREADGROUP GROUP g c STREAMS s s >",
     "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be "
     "specified.\r\n",
     ""},
    {"XREADGROUP COUNT 1 NOACK STREAMS s >", "-ERR Missing GROUP option for XREADGROUP\r\n", ""},
    {"XREADGROUP GROUP g c STREAMS none s > x",
     "-NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP option\r\n",
     "keymiss@0:none "},
    {"XGROUP SETID s g 1-0 ENTRIESREAD 1", "+OK\r\n", "xgroup-setid@0:s "},
    {"XREADGROUP GROUP g other STREAMS s >",
     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n",
     "xgroup-createconsumer@0:s "},
    {"XPENDING s g",
     "*4\r\n:2\r\n$3\r\n2-0\r\n$3\r\n3-0\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n1\r\n*2\r\n$"
     "5\r\nother\r\n$1\r\n1\r\n",
     ""},
    {"XPENDING s g - + 10",
     "*2\r\n*4\r\n$3\r\n2-0\r\n$1\r\nc\r\n:0\r\n:2\r\n*4\r\n$3\r\n3-0\r\n$5\r\nother\r\n:0\r\n:"
     "1\r\n",
     ""},
    {"XGROUP SETID s g +", "+OK\r\n", "xgroup-setid@0:s "},
    {"XGROUP SETID s g $", "+OK\r\n", "xgroup-setid@0:s "},
    {"XINFO GROUPS s",
     "*2\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:2\r\n$7\r\npending\r\n:2\r\n$"
     "17\r\nlast-delivered-id\r\n$3\r\n3-0\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n:0\r\n*"
     "12\r\n$4\r\nname\r\n$2\r\ng2\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:1\r\n$17\r\nlast-"
     "delivered-id\r\n$3\r\n3-0\r\n$12\r\nentries-read\r\n:6\r\n$3\r\nlag\r\n:-3\r\n",
     ""},
    {"XGROUP DELCONSUMER s g c", ":1\r\n", "xgroup-delconsumer@0:s "},
    {"XGROUP DELCONSUMER s g c", ":0\r\n", ""},
    {"XPENDING s g", "*4\r\n:1\r\n$3\r\n3-0\r\n$3\r\n3-0\r\n*1\r\n*2\r\n$5\r\nother\r\n$1\r\n1\r\n",
     ""},
    {"XGROUP DELCONSUMER s g other", ":1\r\n", "xgroup-delconsumer@0:s "},
    {"XPENDING s g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n", ""},
    {"XGROUP DESTROY s g", ":1\r\n", "xgroup-destroy@0:s "},
    {"XGROUP DESTROY s g", ":0\r\n", ""},
    {"XINFO GROUPS s",
     "*1\r\n*12\r\n$4\r\nname\r\n$2\r\ng2\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:1\r\n$"
     "17\r\nlast-delivered-id\r\n$3\r\n3-0\r\n$12\r\nentries-read\r\n:6\r\n$3\r\nlag\r\n:-3\r\n",
     ""},
    {"XGROUP CREATE s g 0", "+OK\r\n", "xgroup-create@0:s "},
    {"XPENDING s g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n", ""},
    {"XREADGROUP GROUP g c COUNT 1 STREAMS s >",
     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
     "xgroup-createconsumer@0:s "},
    /* not 7.0 */
    {"XREADGROUP GROUP g e STREAMS s 0", "*1\r\n*2\r\n$1\r\ns\r\n*0\r\n",
     "xgroup-createconsumer@0:s "},
    /* not 7.0 */
    {"XINFO CONSUMERS s g",
     "*2\r\n*8\r\n$4\r\nname\r\n$1\r\nc\r\n$7\r\npending\r\n:1\r\n$4\r\nidle\r\n:0\r\n$"
     "8\r\ninactive\r\n:0\r\n*8\r\n$4\r\nname\r\n$1\r\ne\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:"
     "0\r\n$8\r\ninactive\r\n:-1\r\n",
     ""},
    {"XINFO CONSUMERS s none", "-NOGROUP No such consumer group 'none' for key name 's'\r\n", ""},
    {"XINFO CONSUMERS none g", "-ERR no such key\r\n", "keymiss@0:none "},
    {"COPY s t", ":1\r\n", "new@0:t copy_to@0:t "},
    {"XPENDING t g", "*4\r\n:1\r\n$3\r\n1-0\r\n$3\r\n1-0\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n1\r\n",
     ""},
    {"XINFO GROUPS t",
     "*2\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:2\r\n$7\r\npending\r\n:1\r\n$"
     "17\r\nlast-delivered-id\r\n$3\r\n1-0\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n$-1\r\n*"
     "12\r\n$4\r\nname\r\n$2\r\ng2\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:1\r\n$17\r\nlast-"
     "delivered-id\r\n$3\r\n3-0\r\n$12\r\nentries-read\r\n:6\r\n$3\r\nlag\r\n:-3\r\n",
     ""},
    {0},
};

/* What is pending, by interval, consumer and age. */
static const step pending[] = {
    {"XADD s 1-0 a 1", "$3\r\n1-0\r\n", "new@0:s xadd@0:s "},
    {"XADD s 2-0 a 2", "$3\r\n2-0\r\n", "xadd@0:s "},
    {"XADD s 3-0 a 3", "$3\r\n3-0\r\n", "xadd@0:s "},
    {"XADD s 4-0 a 4", "$3\r\n4-0\r\n", "xadd@0:s "},
    {"XGROUP CREATE s g 0", "+OK\r\n", "xgroup-create@0:s "},
    {"XREADGROUP GROUP g a COUNT 2 STREAMS s >",
     "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n2-"
     "0\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n",
     "xgroup-createconsumer@0:s "},
    {"XREADGROUP GROUP g b STREAMS s >",
     "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n4-"
     "0\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n",
     "xgroup-createconsumer@0:s "},
    {"XPENDING s g",
     "*4\r\n:4\r\n$3\r\n1-0\r\n$3\r\n4-0\r\n*2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$1\r\nb\r\n$"
     "1\r\n2\r\n",
     ""},
    {"XPENDING s g - + 10",
     "*4\r\n*4\r\n$3\r\n1-0\r\n$1\r\na\r\n:0\r\n:1\r\n*4\r\n$3\r\n2-0\r\n$1\r\na\r\n:0\r\n:1\r\n*"
     "4\r\n$3\r\n3-0\r\n$1\r\nb\r\n:0\r\n:1\r\n*4\r\n$3\r\n4-0\r\n$1\r\nb\r\n:0\r\n:1\r\n",
     ""},
    {"XPENDING s g - + 10 b",
     "*2\r\n*4\r\n$3\r\n3-0\r\n$1\r\nb\r\n:0\r\n:1\r\n*4\r\n$3\r\n4-0\r\n$1\r\nb\r\n:0\r\n:1\r\n",
     ""},
    {"XPENDING s g - + 10 none", "*0\r\n", ""},
    {"XPENDING s g (1-0 3 10",
     "*2\r\n*4\r\n$3\r\n2-0\r\n$1\r\na\r\n:0\r\n:1\r\n*4\r\n$3\r\n3-0\r\n$1\r\nb\r\n:0\r\n:1\r\n",
     ""},
    {"XPENDING s g - + 1", "*1\r\n*4\r\n$3\r\n1-0\r\n$1\r\na\r\n:0\r\n:1\r\n", ""},
    {"XPENDING s g - + 0", "*0\r\n", ""},
    {"XPENDING s g - + -1", "*0\r\n", ""},
    {"XPENDING s g IDLE 0 - + 10 a",
     "*2\r\n*4\r\n$3\r\n1-0\r\n$1\r\na\r\n:0\r\n:1\r\n*4\r\n$3\r\n2-0\r\n$1\r\na\r\n:0\r\n:1\r\n",
     ""},
    {"XPENDING s g IDLE 1000000 - + 10", "*0\r\n", ""},
    {"XPENDING s g IDLE 0 - +", "-ERR syntax error\r\n", ""},
    {"XPENDING s g IDLE x - + 10", "-ERR value is not an integer or out of range\r\n", ""},
    {"XPENDING s g - +", "-ERR syntax error\r\n", ""},
    {"XPENDING s g - + x", "-ERR value is not an integer or out of range\r\n", ""},
    {"XPENDING s g x + 1", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XPENDING s g (18446744073709551615-18446744073709551615 + 1",
     "-ERR invalid start ID for the interval\r\n", ""},
    {"XPENDING s g - (0-0 1", "-ERR invalid end ID for the interval\r\n", ""},
    {"XPENDING s none", "-NOGROUP No such key 's' or consumer group 'none'\r\n", ""},
    {"XPENDING none g", "-NOGROUP No such key 'none' or consumer group 'g'\r\n", "keymiss@0:none "},
    {"XCLAIM s g b 0 1-0", "*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n", ""},
    {"XCLAIM s g b 1000000 2-0", "*0\r\n", ""},
    {"XCLAIM s g b 0 2-0 9-0 JUSTID", "*1\r\n$3\r\n2-0\r\n", ""},
    {"XPENDING s g - + 10",
     "*4\r\n*4\r\n$3\r\n1-0\r\n$1\r\nb\r\n:0\r\n:2\r\n*4\r\n$3\r\n2-0\r\n$1\r\nb\r\n:0\r\n:1\r\n*"
     "4\r\n$3\r\n3-0\r\n$1\r\nb\r\n:0\r\n:1\r\n*4\r\n$3\r\n4-0\r\n$1\r\nb\r\n:0\r\n:1\r\n",
     ""},
    {"XCLAIM s g c 0 3-0 RETRYCOUNT 9 LASTID 9-9",
     "*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n", "xgroup-createconsumer@0:s "},
    {"XCLAIM s g c 0 4-0 IDLE 500000", "*1\r\n*2\r\n$3\r\n4-0\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n", ""},
    {"XCLAIM s g d 400000 3-0 4-0 JUSTID", "*1\r\n$3\r\n4-0\r\n", "xgroup-createconsumer@0:s "},
    {"XACK s g 1-0", ":1\r\n", ""},
    {"XCLAIM s g d 0 1-0", "*0\r\n", ""},
    {"XCLAIM s g d 0 1-0 FORCE", "*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n", ""},
    {"XCLAIM s g d 0 1-0 FORCE JUSTID", "*1\r\n$3\r\n1-0\r\n", ""},
    {"XDEL s 2-0", ":1\r\n", "xdel@0:s "},
    {"XCLAIM s g d 0 2-0", "*0\r\n", ""},
    {"XPENDING s g",
     "*4\r\n:3\r\n$3\r\n1-0\r\n$3\r\n4-0\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n1\r\n*2\r\n$1\r\nd\r\n$"
     "1\r\n2\r\n",
     ""},
    {"XCLAIM s g d x 1-0", "-ERR Invalid min-idle-time argument for XCLAIM\r\n", ""},
    {"XCLAIM s g d 0 x", "-ERR Unrecognized XCLAIM option 'x'\r\n", ""},
    {"XCLAIM s g d 0 1-0 NOPE", "-ERR Unrecognized XCLAIM option 'NOPE'\r\n", ""},
    {"XCLAIM s g d 0 1-0 IDLE", "-ERR Unrecognized XCLAIM option 'IDLE'\r\n", ""},
    {"XCLAIM s g d 0 1-0 IDLE x", "-ERR Invalid IDLE option argument for XCLAIM\r\n", ""},
    {"XCLAIM s g d 0 1-0 TIME x", "-ERR Invalid TIME option argument for XCLAIM\r\n", ""},
    {"XCLAIM s g d 0 1-0 RETRYCOUNT x", "-ERR Invalid RETRYCOUNT option argument for XCLAIM\r\n",
     ""},
    {"XCLAIM s g d 0 1-0 LASTID x",
     "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XCLAIM s none d 0 1-0", "-NOGROUP No such key 's' or consumer group 'none'\r\n", ""},
    {"XCLAIM none g d 0 1-0", "-NOGROUP No such key 'none' or consumer group 'g'\r\n",
     "keymiss@0:none "},
    {"XINFO GROUPS s",
     "*1\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:4\r\n$7\r\npending\r\n:3\r\n$"
     "17\r\nlast-delivered-id\r\n$3\r\n9-9\r\n$12\r\nentries-read\r\n:4\r\n$3\r\nlag\r\n:0\r\n",
     ""},
    {"XAUTOCLAIM s g e 0 - COUNT 2",
     "*3\r\n$3\r\n4-0\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n3-0\r\n*"
     "2\r\n$1\r\na\r\n$1\r\n3\r\n*0\r\n",
     "xgroup-createconsumer@0:s "},
    {"XAUTOCLAIM s g e 0 (1-0 COUNT 1 JUSTID", "*3\r\n$3\r\n4-0\r\n*1\r\n$3\r\n3-0\r\n*0\r\n", ""},
    {"XAUTOCLAIM s g e 1000000 -", "*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n", ""},
    {"XDEL s 3-0", ":1\r\n", "xdel@0:s "},
    {"XAUTOCLAIM s g f 0 0",
     "*3\r\n$3\r\n0-0\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n4-0\r\n*"
     "2\r\n$1\r\na\r\n$1\r\n4\r\n*1\r\n$3\r\n3-0\r\n",
     "xgroup-createconsumer@0:s "},
    {"XAUTOCLAIM s g f 0 5", "*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n", ""},
    {"XAUTOCLAIM s g f x -", "-ERR Invalid min-idle-time argument for XAUTOCLAIM\r\n", ""},
    {"XAUTOCLAIM s g f 0 x", "-ERR Invalid stream ID specified as stream command argument\r\n", ""},
    {"XAUTOCLAIM s g f 0 - COUNT 0", "-ERR COUNT must be > 0\r\n", ""},
    {"XAUTOCLAIM s g f 0 - COUNT x", "-ERR COUNT must be > 0\r\n", ""},
    {"XAUTOCLAIM s g f 0 - COUNT", "-ERR syntax error\r\n", ""},
    {"XAUTOCLAIM s g f 0 - NOPE", "-ERR syntax error\r\n", ""},
    {"XAUTOCLAIM s none f 0 -", "-NOGROUP No such key 's' or consumer group 'none'\r\n", ""},
    {"XAUTOCLAIM none g f 0 -", "-NOGROUP No such key 'none' or consumer group 'g'\r\n",
     "keymiss@0:none "},
    {"XPENDING s g", "*4\r\n:2\r\n$3\r\n1-0\r\n$3\r\n4-0\r\n*1\r\n*2\r\n$1\r\nf\r\n$1\r\n2\r\n",
     ""},
    {0},
};

static void test_adding(void **state) {
    (void)state;
    script_run(adding, tables);
}
static void test_adding_refuses(void **state) {
    (void)state;
    script_run(adding_refuses, tables);
}
static void test_ranges(void **state) {
    (void)state;
    script_run(ranges, tables);
}
static void test_trimming(void **state) {
    (void)state;
    script_run(trimming, tables);
}
static void test_deleting(void **state) {
    (void)state;
    script_run(deleting, tables);
}
static void test_groups(void **state) {
    (void)state;
    script_run(groups, tables);
}
static void test_pending(void **state) {
    (void)state;
    script_run(pending, tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adding),   cmocka_unit_test(test_adding_refuses),
        cmocka_unit_test(test_ranges),   cmocka_unit_test(test_trimming),
        cmocka_unit_test(test_deleting), cmocka_unit_test(test_groups),
        cmocka_unit_test(test_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
