/* The list commands: replies and events to the byte. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {list_commands, string_commands, keys_commands, NULL};

#define WRONG   "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NOT_INT "-ERR value is not an integer or out of range\r\n"
#define SYNTAX  "-ERR syntax error\r\n"

static const step pushes[] = {
    {"LPUSH k a", ":1\r\n", "new@0:k lpush@0:k "},
    {"LPUSH k b c", ":3\r\n", "lpush@0:k "},
    {"RPUSH k d e", ":5\r\n", "rpush@0:k "},
    {"LRANGE k 0 -1", "*5\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nd\r\n$1\r\ne\r\n", ""},
    {"LLEN k", ":5\r\n", ""},
    {"LLEN none", ":0\r\n", "keymiss@0:none "},
    {"LPUSHX k f", ":6\r\n", "lpush@0:k "},
    {"RPUSHX k g h", ":8\r\n", "rpush@0:k "},
    {"LPUSHX none a", ":0\r\n", ""},
    {"RPUSHX none a", ":0\r\n", ""},
    {"EXISTS none", ":0\r\n", "keymiss@0:none "},
    {"TYPE k", "+list\r\n", ""},
    {"OBJECT REFCOUNT k", ":1\r\n", ""},
    {"LRANGE k 0 -1",
     "*8\r\n$1\r\nf\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\ng\r\n$"
     "1\r\nh\r\n",
     ""},
    {"LPUSH k", "-ERR wrong number of arguments for 'lpush' command\r\n", ""},
    {"RPUSHX k", "-ERR wrong number of arguments for 'rpushx' command\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LPUSH s a", WRONG, ""},
    {"RPUSHX s a", WRONG, ""},
    {"LLEN s", WRONG, ""},
    {"LLEN", "-ERR wrong number of arguments for 'llen' command\r\n", ""},
    {"RPUSH q \"\" \"a b\" 12 -3", ":4\r\n", "new@0:q rpush@0:q "},
    {"LRANGE q 0 -1", "*4\r\n$0\r\n\r\n$3\r\na b\r\n$2\r\n12\r\n$2\r\n-3\r\n", ""},
    {"EXPIRE q 100", ":1\r\n", "expire@0:q "},
    {"RPUSH q x", ":5\r\n", "rpush@0:q "},
    {"TTL q", ":100\r\n", ""},
    {0},
};

static const step indices[] = {
    {"RPUSH k a b c d e", ":5\r\n", "new@0:k rpush@0:k "},
    {"LINDEX k 0", "$1\r\na\r\n", ""},
    {"LINDEX k 4", "$1\r\ne\r\n", ""},
    {"LINDEX k -1", "$1\r\ne\r\n", ""},
    {"LINDEX k -5", "$1\r\na\r\n", ""},
    {"LINDEX k 5", "$-1\r\n", ""},
    {"LINDEX k -6", "$-1\r\n", ""},
    {"LINDEX k 9223372036854775807", "$-1\r\n", ""},
    {"LINDEX k -9223372036854775808", "$-1\r\n", ""},
    {"LINDEX k x", NOT_INT, ""},
    {"LINDEX none 0", "$-1\r\n", "keymiss@0:none "},
    {"LINDEX none x", "$-1\r\n", "keymiss@0:none "},
    {"LINDEX k", "-ERR wrong number of arguments for 'lindex' command\r\n", ""},
    {"LSET k 0 A", "+OK\r\n", "lset@0:k "},
    {"LSET k -1 E", "+OK\r\n", "lset@0:k "},
    {"LSET k 2 C", "+OK\r\n", "lset@0:k "},
    {"LRANGE k 0 -1", "*5\r\n$1\r\nA\r\n$1\r\nb\r\n$1\r\nC\r\n$1\r\nd\r\n$1\r\nE\r\n", ""},
    {"LSET k 5 x", "-ERR index out of range\r\n", ""},
    {"LSET k -6 x", "-ERR index out of range\r\n", ""},
    {"LSET k x x", NOT_INT, ""},
    {"LSET none 0 x", "-ERR no such key\r\n", ""},
    {"LSET none x x", "-ERR no such key\r\n", ""},
    {"LSET k -9223372036854775808 x", "-ERR index out of range\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LINDEX s 0", WRONG, ""},
    {"LINDEX s x", WRONG, ""},
    {"LSET s 0 x", WRONG, ""},
    {0},
};

static const step ranges[] = {
    {"RPUSH k a b c d e", ":5\r\n", "new@0:k rpush@0:k "},
    {"LRANGE k 0 0", "*1\r\n$1\r\na\r\n", ""},
    {"LRANGE k 1 3", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n", ""},
    {"LRANGE k -2 -1", "*2\r\n$1\r\nd\r\n$1\r\ne\r\n", ""},
    {"LRANGE k -100 100", "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n", ""},
    {"LRANGE k 3 1", "*0\r\n", ""},
    {"LRANGE k 5 6", "*0\r\n", ""},
    {"LRANGE k -1 -2", "*0\r\n", ""},
    {"LRANGE k -9223372036854775808 9223372036854775807",
     "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n", ""},
    {"LRANGE k 0 -6", "*0\r\n", ""},
    {"LRANGE k x 1", NOT_INT, ""},
    {"LRANGE k 0 x", NOT_INT, ""},
    {"LRANGE none 0 -1", "*0\r\n", "keymiss@0:none "},
    {"LRANGE none x 0", NOT_INT, ""},
    {"LRANGE k 0", "-ERR wrong number of arguments for 'lrange' command\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LRANGE s 0 1", WRONG, ""},
    {"LRANGE s x 1", NOT_INT, ""},
    {0},
};

static const step trims[] = {
    {"RPUSH k a b c d e f g h", ":8\r\n", "new@0:k rpush@0:k "},
    {"LTRIM k 0 -1", "+OK\r\n", "ltrim@0:k "},
    {"LTRIM k 1 -2", "+OK\r\n", "ltrim@0:k "},
    {"LRANGE k 0 -1", "*6\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n",
     ""},
    {"LTRIM k -3 100", "+OK\r\n", "ltrim@0:k "},
    {"LRANGE k 0 -1", "*3\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n", ""},
    {"LTRIM k 0 0", "+OK\r\n", "ltrim@0:k "},
    {"LRANGE k 0 -1", "*1\r\n$1\r\ne\r\n", ""},
    {"LTRIM k 1 0", "+OK\r\n", "ltrim@0:k del@0:k "},
    {"EXISTS k", ":0\r\n", "keymiss@0:k "},
    {"LTRIM k 0 1", "+OK\r\n", ""},
    {"RPUSH k a b", ":2\r\n", "new@0:k rpush@0:k "},
    {"LTRIM k 5 10", "+OK\r\n", "ltrim@0:k del@0:k "},
    {"RPUSH k a b c", ":3\r\n", "new@0:k rpush@0:k "},
    {"LTRIM k -1 -3", "+OK\r\n", "ltrim@0:k del@0:k "},
    {"LTRIM none x 0", NOT_INT, ""},
    {"RPUSH k a b c", ":3\r\n", "new@0:k rpush@0:k "},
    {"LTRIM k x 0", NOT_INT, ""},
    {"LTRIM k 0 x", NOT_INT, ""},
    {"LTRIM k -9223372036854775808 9223372036854775807", "+OK\r\n", "ltrim@0:k "},
    {"LTRIM k 0", "-ERR wrong number of arguments for 'ltrim' command\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LTRIM s 0 1", WRONG, ""},
    {0},
};

static const step pops[] = {
    {"RPUSH k a b c d e f", ":6\r\n", "new@0:k rpush@0:k "},
    {"LPOP k", "$1\r\na\r\n", "lpop@0:k "},
    {"RPOP k", "$1\r\nf\r\n", "rpop@0:k "},
    {"LPOP k 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n", "lpop@0:k "},
    {"LRANGE k 0 -1", "*2\r\n$1\r\nd\r\n$1\r\ne\r\n", ""},
    {"RPOP k 5", "*2\r\n$1\r\ne\r\n$1\r\nd\r\n", "rpop@0:k del@0:k "},
    {"LPOP k", "$-1\r\n", ""},
    {"RPOP k 1", "*-1\r\n", ""},
    {"LPOP k 0", "*-1\r\n", ""},
    {"RPUSH k a", ":1\r\n", "new@0:k rpush@0:k "},
    {"LPOP k 0", "*0\r\n", ""},
    {"RPOP k 0", "*0\r\n", ""},
    {"LPOP k -1", "-ERR value is out of range, must be positive\r\n", ""},
    {"LPOP k x", "-ERR value is out of range, must be positive\r\n", ""},
    {"LPOP none x", "-ERR value is out of range, must be positive\r\n", ""},
    {"LPOP k 9223372036854775808", "-ERR value is out of range, must be positive\r\n", ""},
    {"LPOP k 1 2", "-ERR wrong number of arguments for 'lpop' command\r\n", ""},
    {"LPOP", "-ERR wrong number of arguments for 'lpop' command\r\n", ""},
    {"LPOP k 9223372036854775807", "*1\r\n$1\r\na\r\n", "lpop@0:k del@0:k "},
    {"RPUSH k a b c", ":3\r\n", "new@0:k rpush@0:k "},
    {"RPOP k 2", "*2\r\n$1\r\nc\r\n$1\r\nb\r\n", "rpop@0:k "},
    {"LPOP k", "$1\r\na\r\n", "lpop@0:k del@0:k "},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LPOP s", WRONG, ""},
    {"RPOP s 1", WRONG, ""},
    {"LPOP s 0", WRONG, ""},
    {0},
};

static const step inserts[] = {
    {"LINSERT k BEFORE a b", ":0\r\n", ""},
    {"RPUSH k a c", ":2\r\n", "new@0:k rpush@0:k "},
    {"LINSERT k after a b", ":3\r\n", "linsert@0:k "},
    {"LINSERT k Before a 0", ":4\r\n", "linsert@0:k "},
    {"LINSERT k AFTER c d", ":5\r\n", "linsert@0:k "},
    {"LRANGE k 0 -1", "*5\r\n$1\r\n0\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n", ""},
    {"LINSERT k before nope x", ":-1\r\n", ""},
    {"LINSERT k beside a x", SYNTAX, ""},
    {"LINSERT none foo a x", SYNTAX, ""},
    {"LINSERT k before a", "-ERR wrong number of arguments for 'linsert' command\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LINSERT s before a x", WRONG, ""},
    {"LINSERT k BEFORE a 1", ":6\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 2", ":7\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 3", ":8\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 4", ":9\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 5", ":10\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 6", ":11\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 7", ":12\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 8", ":13\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 9", ":14\r\n", "linsert@0:k "},
    {"LINSERT k BEFORE a 10", ":15\r\n", "linsert@0:k "},
    {"LRANGE k 0 -1",
     "*15\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$"
     "1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n$2\r\n10\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n",
     ""},
    {0},
};

static const step removals[] = {
    {"RPUSH k a b a c a d a", ":7\r\n", "new@0:k rpush@0:k "},
    {"LREM k 1 a", ":1\r\n", "lrem@0:k "},
    {"LRANGE k 0 -1", "*6\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nd\r\n$1\r\na\r\n",
     ""},
    {"LREM k -1 a", ":1\r\n", "lrem@0:k "},
    {"LRANGE k 0 -1", "*5\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nd\r\n", ""},
    {"LREM k 0 nope", ":0\r\n", ""},
    {"LREM k 5 d", ":1\r\n", "lrem@0:k "},
    {"LREM k 0 a", ":2\r\n", "lrem@0:k "},
    {"LRANGE k 0 -1", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n", ""},
    {"LREM k x a", NOT_INT, ""},
    {"LREM k -9223372036854775807 c", ":1\r\n", "lrem@0:k "},
    {"LREM k 9223372036854775807 b", ":1\r\n", "lrem@0:k del@0:k "},
    {"EXISTS k", ":0\r\n", "keymiss@0:k "},
    {"LREM none 0 a", ":0\r\n", ""},
    {"LREM none x a", NOT_INT, ""},
    {"LREM k 0", "-ERR wrong number of arguments for 'lrem' command\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LREM s 0 v", WRONG, ""},
    {0},
};

static const step places[] = {
    {"RPUSH k a b c 1 2 3 c c", ":8\r\n", "new@0:k rpush@0:k "},
    {"LPOS k a", ":0\r\n", ""},
    {"LPOS k c", ":2\r\n", ""},
    {"LPOS k c RANK 2", ":6\r\n", ""},
    {"LPOS k c RANK -1", ":7\r\n", ""},
    {"LPOS k c RANK -2", ":6\r\n", ""},
    {"LPOS k c RANK 4", "$-1\r\n", ""},
    {"LPOS k c COUNT 2", "*2\r\n:2\r\n:6\r\n", ""},
    {"LPOS k c COUNT 0", "*3\r\n:2\r\n:6\r\n:7\r\n", ""},
    {"LPOS k c COUNT 100", "*3\r\n:2\r\n:6\r\n:7\r\n", ""},
    {"LPOS k c COUNT 2 RANK -1", "*2\r\n:7\r\n:6\r\n", ""},
    {"LPOS k c COUNT 0 RANK 2", "*2\r\n:6\r\n:7\r\n", ""},
    {"LPOS k c COUNT 0 MAXLEN 3", "*1\r\n:2\r\n", ""},
    {"LPOS k c COUNT 0 MAXLEN 7", "*2\r\n:2\r\n:6\r\n", ""},
    {"LPOS k c COUNT 0 MAXLEN 2 RANK -1", "*2\r\n:7\r\n:6\r\n", ""},
    {"LPOS k c MAXLEN 1", "$-1\r\n", ""},
    {"LPOS k c MAXLEN 0", ":2\r\n", ""},
    {"LPOS k nope", "$-1\r\n", ""},
    {"LPOS k nope COUNT 1", "*0\r\n", ""},
    {"LPOS none a", "$-1\r\n", "keymiss@0:none "},
    {"LPOS none a COUNT 0", "*0\r\n", "keymiss@0:none "},
    {"LPOS k c RANK 0",
     "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
     "negative to start from the end of the list\r\n",
     ""},
    {"LPOS k c RANK x", NOT_INT, ""},
    {"LPOS k c COUNT -1", "-ERR COUNT can't be negative\r\n", ""},
    {"LPOS k c COUNT x", "-ERR COUNT can't be negative\r\n", ""},
    {"LPOS k c MAXLEN -1", "-ERR MAXLEN can't be negative\r\n", ""},
    {"LPOS k c NOPE 1", SYNTAX, ""},
    {"LPOS k c RANK", SYNTAX, ""},
    {"LPOS k c RANK 1 RANK 2", ":6\r\n", ""},
    /* the next: 7.2's, where 7.0 counts from the tail */
    {"LPOS k c RANK -9223372036854775808",
     "-ERR value is out of range, value must between -9223372036854775807 and "
     "9223372036854775807\r\n",
     ""},
    {"LPOS k c RANK -9223372036854775807", "$-1\r\n", ""},
    {"LPOS none a RANK 0",
     "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
     "negative to start from the end of the list\r\n",
     ""},
    {"LPOS k", "-ERR wrong number of arguments for 'lpos' command\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LPOS s a", WRONG, ""},
    {0},
};

static const step moves[] = {
    {"RPUSH a 1 2 3", ":3\r\n", "new@0:a rpush@0:a "},
    {"LMOVE a b LEFT RIGHT", "$1\r\n1\r\n", "new@0:b rpush@0:b lpop@0:a "},
    {"LMOVE a b left left", "$1\r\n2\r\n", "lpush@0:b lpop@0:a "},
    {"LRANGE b 0 -1", "*2\r\n$1\r\n2\r\n$1\r\n1\r\n", ""},
    {"LMOVE a b RIGHT LEFT", "$1\r\n3\r\n", "lpush@0:b rpop@0:a del@0:a "},
    {"LMOVE a b RIGHT LEFT", "$-1\r\n", ""},
    {"EXISTS a", ":0\r\n", "keymiss@0:a "},
    {"LRANGE b 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n", ""},
    {"LMOVE b b LEFT RIGHT", "$1\r\n3\r\n", "rpush@0:b lpop@0:b "},
    {"LMOVE b b RIGHT LEFT", "$1\r\n3\r\n", "lpush@0:b rpop@0:b "},
    {"LMOVE b b RIGHT RIGHT", "$1\r\n1\r\n", "rpush@0:b rpop@0:b "},
    {"LMOVE b b LEFT LEFT", "$1\r\n3\r\n", "lpush@0:b lpop@0:b "},
    {"LRANGE b 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n", ""},
    {"RPOPLPUSH b a", "$1\r\n1\r\n", "new@0:a lpush@0:a rpop@0:b "},
    {"RPOPLPUSH b b", "$1\r\n2\r\n", "lpush@0:b rpop@0:b "},
    {"RPOPLPUSH none a", "$-1\r\n", ""},
    {"LMOVE b a up left", SYNTAX, ""},
    {"LMOVE b a left up", SYNTAX, ""},
    {"LMOVE b a left", "-ERR wrong number of arguments for 'lmove' command\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LMOVE b s LEFT LEFT", WRONG, ""},
    {"LMOVE s b LEFT LEFT", WRONG, ""},
    {"LMOVE none s LEFT LEFT", "$-1\r\n", ""},
    {"RPOPLPUSH s s", WRONG, ""},
    {"RPUSH one x", ":1\r\n", "new@0:one rpush@0:one "},
    {"EXPIRE one 100", ":1\r\n", "expire@0:one "},
    {"LMOVE one one LEFT RIGHT", "$1\r\nx\r\n", "rpush@0:one lpop@0:one "},
    {"RPOPLPUSH one one", "$1\r\nx\r\n", "lpush@0:one rpop@0:one "},
    {"TTL one", ":100\r\n", ""},
    {"LRANGE one 0 -1", "*1\r\n$1\r\nx\r\n", ""},
    {0},
};

static const step first_of_several[] = {
    {"RPUSH a 1 2 3", ":3\r\n", "new@0:a rpush@0:a "},
    {"RPUSH b 4 5", ":2\r\n", "new@0:b rpush@0:b "},
    {"LMPOP 2 none a LEFT", "*2\r\n$1\r\na\r\n*1\r\n$1\r\n1\r\n", "lpop@0:a "},
    {"LMPOP 2 a b RIGHT COUNT 2", "*2\r\n$1\r\na\r\n*2\r\n$1\r\n3\r\n$1\r\n2\r\n",
     "rpop@0:a del@0:a "},
    {"LMPOP 2 a b LEFT COUNT 10", "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n4\r\n$1\r\n5\r\n",
     "lpop@0:b del@0:b "},
    {"LMPOP 2 a b LEFT COUNT 10", "*-1\r\n", ""},
    {"LMPOP 1 a left", "*-1\r\n", ""},
    {"RPUSH a 1", ":1\r\n", "new@0:a rpush@0:a "},
    {"LMPOP 0 a LEFT", "-ERR numkeys should be greater than 0\r\n", ""},
    {"LMPOP -1 a LEFT", "-ERR numkeys should be greater than 0\r\n", ""},
    {"LMPOP x a LEFT", "-ERR numkeys should be greater than 0\r\n", ""},
    {"LMPOP 2 a LEFT", SYNTAX, ""},
    {"LMPOP 1 a b LEFT", SYNTAX, ""},
    {"LMPOP 9223372036854775807 a LEFT", SYNTAX, ""},
    {"LMPOP 1 a UP", SYNTAX, ""},
    {"LMPOP 1 a LEFT COUNT 0", "-ERR count should be greater than 0\r\n", ""},
    {"LMPOP 1 a LEFT COUNT -1", "-ERR count should be greater than 0\r\n", ""},
    {"LMPOP 1 a LEFT COUNT x", "-ERR count should be greater than 0\r\n", ""},
    {"LMPOP 1 a LEFT COUNT", SYNTAX, ""},
    {"LMPOP 1 a LEFT COUNT 1 COUNT 1", SYNTAX, ""},
    {"LMPOP 1 a LEFT NOPE 1", SYNTAX, ""},
    {"LMPOP 1 a", "-ERR wrong number of arguments for 'lmpop' command\r\n", ""},
    {"SET s v", "+OK\r\n", "new@0:s set@0:s "},
    {"LMPOP 2 s a LEFT", WRONG, ""},
    {"LMPOP 2 a s LEFT", "*2\r\n$1\r\na\r\n*1\r\n$1\r\n1\r\n", "lpop@0:a del@0:a "},
    {"LMPOP 2 a s LEFT", WRONG, ""},
    {0},
};

static const step other_commands[] = {
    {"RPUSH a 1 2 3", ":3\r\n", "new@0:a rpush@0:a "},
    {"RENAME a b", "+OK\r\n", "new@0:b rename_from@0:a rename_to@0:b "},
    {"LRANGE b 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", ""},
    {"COPY b c", ":1\r\n", "new@0:c copy_to@0:c "},
    {"LRANGE c 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", ""},
    {"LPUSH c 0", ":4\r\n", "lpush@0:c "},
    {"LRANGE b 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", ""},
    {"SET b v", "+OK\r\n", "set@0:b "},
    {"GET c", WRONG, ""},
    {"DEL c", ":1\r\n", "del@0:c "},
    {"LLEN c", ":0\r\n", "keymiss@0:c "},
    {0},
};

static void pushes_test(void **state) {
    (void)state;
    script_run(pushes, tables);
}

static void indices_test(void **state) {
    (void)state;
    script_run(indices, tables);
}

static void ranges_test(void **state) {
    (void)state;
    script_run(ranges, tables);
}

static void trims_test(void **state) {
    (void)state;
    script_run(trims, tables);
}

static void pops_test(void **state) {
    (void)state;
    script_run(pops, tables);
}

static void inserts_test(void **state) {
    (void)state;
    script_run(inserts, tables);
}

static void removals_test(void **state) {
    (void)state;
    script_run(removals, tables);
}

static void places_test(void **state) {
    (void)state;
    script_run(places, tables);
}

static void moves_test(void **state) {
    (void)state;
    script_run(moves, tables);
}

static void first_of_several_test(void **state) {
    (void)state;
    script_run(first_of_several, tables);
}

static void other_commands_test(void **state) {
    (void)state;
    script_run(other_commands, tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_test),         cmocka_unit_test(indices_test),
        cmocka_unit_test(ranges_test),         cmocka_unit_test(trims_test),
        cmocka_unit_test(pops_test),           cmocka_unit_test(inserts_test),
        cmocka_unit_test(removals_test),       cmocka_unit_test(places_test),
        cmocka_unit_test(moves_test),          cmocka_unit_test(first_of_several_test),
        cmocka_unit_test(other_commands_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
