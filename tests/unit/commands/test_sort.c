/* SORT and SORT_RO: replies and events to the byte. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {
    sort_commands,   list_commands, set_commands,     zset_commands,       hash_commands,
    string_commands, keys_commands, command_commands, connection_commands, NULL};

#define WRONG     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NO_DOUBLE "-ERR One or more scores can't be converted into double\r\n"

static const step numbers[] = {
    {"SORT none", "*0\r\n", "keymiss@0:none "},
    {"RPUSH l 3 1 -2 10", ":4\r\n", "new@0:l rpush@0:l "},
    {"SORT l", "*4\r\n$2\r\n-2\r\n$1\r\n1\r\n$1\r\n3\r\n$2\r\n10\r\n", ""},
    {"SORT l DESC", "*4\r\n$2\r\n10\r\n$1\r\n3\r\n$1\r\n1\r\n$2\r\n-2\r\n", ""},
    {"SORT l desc asc LIMIT 1 2", "*2\r\n$1\r\n1\r\n$1\r\n3\r\n", ""},
    {"SORT l LIMIT -5 1", "*1\r\n$2\r\n-2\r\n", ""},
    {"SORT l LIMIT 3 -1", "*1\r\n$2\r\n10\r\n", ""},
    {"SORT l LIMIT 2 9223372036854775807", "*2\r\n$1\r\n3\r\n$2\r\n10\r\n", ""},
    {"SORT l LIMIT 9223372036854775807 -9223372036854775808", "*0\r\n", ""},
    {"SORT l LIMIT 1 0", "*0\r\n", ""},
    {"SORT l ALPHA", "*4\r\n$2\r\n-2\r\n$1\r\n1\r\n$2\r\n10\r\n$1\r\n3\r\n", ""},
    {"SORT_RO l LIMIT 0 1", "*1\r\n$2\r\n-2\r\n", ""},
    {"RPUSH l a", ":5\r\n", "rpush@0:l "},
    {"SORT l", NO_DOUBLE, ""},
    {"SORT l LIMIT 0 1", NO_DOUBLE, ""},
    {"SORT l LIMIT 0 0", NO_DOUBLE, ""},
    {"SORT l ALPHA DESC LIMIT 0 2", "*2\r\n$1\r\na\r\n$1\r\n3\r\n", ""},
    {"SADD f 1.5 \" 1\" \"\" 1e1 0x10 inf", ":6\r\n", "new@0:f sadd@0:f "},
    {"SORT f", "*6\r\n$0\r\n\r\n$2\r\n 1\r\n$3\r\n1.5\r\n$3\r\n1e1\r\n$4\r\n0x10\r\n$3\r\ninf\r\n",
     ""},
    {"SADD f nan", ":1\r\n", "sadd@0:f "},
    {"SORT f", NO_DOUBLE, ""},
    {"RPUSH big 1e400", ":1\r\n", "new@0:big rpush@0:big "},
    {"SORT big", NO_DOUBLE, ""},
    {"SADD same 1 01 +1 1.0", ":4\r\n", "new@0:same sadd@0:same "},
    {"SORT same", "*4\r\n$2\r\n+1\r\n$2\r\n01\r\n$1\r\n1\r\n$3\r\n1.0\r\n", ""},
    {"SORT same DESC", "*4\r\n$3\r\n1.0\r\n$1\r\n1\r\n$2\r\n01\r\n$2\r\n+1\r\n", ""},
    {0},
};

static const step by_and_get[] = {
    {"RPUSH l 1 2 3", ":3\r\n", "new@0:l rpush@0:l "},
    {"MSET w_1 30 w_2 10 w_3 20 n_1 c n_2 b", "+OK\r\n",
     "new@0:w_1 set@0:w_1 new@0:w_2 set@0:w_2 new@0:w_3 set@0:w_3 new@0:n_1 set@0:n_1 new@0:n_2 "
     "set@0:n_2 "},
    {"HSET h_1 f x w 2", ":2\r\n", "new@0:h_1 hset@0:h_1 "},
    {"HSET h_2 f y w 3", ":2\r\n", "new@0:h_2 hset@0:h_2 "},
    {"SORT l BY w_*", "*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n1\r\n", ""},
    {"SORT l BY w_* DESC", "*3\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\n2\r\n", ""},
    {"SORT l BY w_* LIMIT 0 1", "*1\r\n$1\r\n2\r\n", ""},
    {"SORT l BY h_*->w", "*3\r\n$1\r\n3\r\n$1\r\n1\r\n$1\r\n2\r\n", "keymiss@0:h_3 "},
    {"SORT l BY h_*->w DESC GET h_*->f GET #",
     "*6\r\n$1\r\ny\r\n$1\r\n2\r\n$1\r\nx\r\n$1\r\n1\r\n$-1\r\n$1\r\n3\r\n",
     "keymiss@0:h_3 keymiss@0:h_3 "},
    {"SORT l BY n_* ALPHA", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n", "keymiss@0:n_3 "},
    {"SORT l BY n_* ALPHA DESC", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", "keymiss@0:n_3 "},
    {"SORT l BY n_*", NO_DOUBLE, "keymiss@0:n_3 "},
    {"SORT l GET n_*", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$-1\r\n", "keymiss@0:n_3 "},
    {"SORT l GET w_* GET n_* LIMIT 0 1", "*2\r\n$2\r\n30\r\n$1\r\nc\r\n", ""},
    {"SORT l GET nothing LIMIT 0 1", "*1\r\n$-1\r\n", ""},
    {"SORT l GET h_* LIMIT 0 1", "*1\r\n$-1\r\n", ""},
    {"SORT l GET w_*->f LIMIT 0 1", "*1\r\n$-1\r\n", ""},
    {"SORT l GET h_*->none LIMIT 0 1", "*1\r\n$-1\r\n", ""},
    {"SET \"a1->\" arrow", "+OK\r\n", "new@0:a1-> set@0:a1-> "},
    {"SORT l GET \"a*->\" LIMIT 0 1", "*1\r\n$5\r\narrow\r\n", ""},
    {"SET \"p->1\" before", "+OK\r\n", "new@0:p->1 set@0:p->1 "},
    {"SORT l GET p->* LIMIT 0 1", "*1\r\n$6\r\nbefore\r\n", ""},
    {0},
};

static const step unsorted[] = {
    {"RPUSH l 3 1 2", ":3\r\n", "new@0:l rpush@0:l "},
    {"SORT l BY nosort", "*3\r\n$1\r\n3\r\n$1\r\n1\r\n$1\r\n2\r\n", ""},
    {"SORT l BY nosort DESC", "*3\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\n3\r\n", ""},
    {"SORT l BY nosort LIMIT 1 5", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n", ""},
    {"SORT l BY nosort DESC LIMIT 1 1", "*1\r\n$1\r\n1\r\n", ""},
    {"SORT l BY \"\" LIMIT 0 1", "*1\r\n$1\r\n3\r\n", ""},
    {"RPUSH t b a", ":2\r\n", "new@0:t rpush@0:t "},
    {"SORT t BY nosort", "*2\r\n$1\r\nb\r\n$1\r\na\r\n", ""},
    {"ZADD z 3 a 1 b 2 c", ":3\r\n", "new@0:z zadd@0:z "},
    {"SORT z BY nosort", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\na\r\n", ""},
    {"SORT z BY nosort DESC", "*3\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\nb\r\n", ""},
    {"SORT z BY nosort DESC LIMIT 1 1", "*1\r\n$1\r\nc\r\n", ""},
    {"SORT z ALPHA", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", ""},
    {"SADD s 3 1 2", ":3\r\n", "new@0:s sadd@0:s "},
    {"SORT s BY nosort LIMIT 1 1", "*1\r\n$1\r\n2\r\n", ""},
    {"SADD u b a c", ":3\r\n", "new@0:u sadd@0:u "},
    {"SORT u BY nosort STORE d", ":3\r\n", "new@0:d sortstore@0:d "},
    {"LRANGE d 0 -1", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", ""},
    {0},
};

static const step stores[] = {
    {"RPUSH l 3 1 2", ":3\r\n", "new@0:l rpush@0:l "},
    {"SORT l STORE d", ":3\r\n", "new@0:d sortstore@0:d "},
    {"LRANGE d 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n", ""},
    {"SORT l DESC STORE l LIMIT 0 2", ":2\r\n", "sortstore@0:l "},
    {"LRANGE l 0 -1", "*2\r\n$1\r\n3\r\n$1\r\n2\r\n", ""},
    {"SORT l GET # GET none* STORE d", ":4\r\n", "keymiss@0:none2 keymiss@0:none3 sortstore@0:d "},
    {"LRANGE d 0 -1", "*4\r\n$1\r\n2\r\n$0\r\n\r\n$1\r\n3\r\n$0\r\n\r\n", ""},
    {"SET str x", "+OK\r\n", "new@0:str set@0:str "},
    {"SORT l STORE none STORE str", ":2\r\n", "sortstore@0:str "},
    {"EXISTS none", ":0\r\n", "keymiss@0:none "},
    {"TYPE str", "+list\r\n", ""},
    {"SORT none STORE str", ":0\r\n", "keymiss@0:none del@0:str "},
    {"SORT none STORE str", ":0\r\n", "keymiss@0:none "},
    {"SORT_RO l STORE d", "-ERR syntax error\r\n", ""},
    {0},
};

static const step refusals[] = {
    {"SET str x", "+OK\r\n", "new@0:str set@0:str "},
    {"SORT str", WRONG, ""},
    {"SORT str STORE d", WRONG, ""},
    {"HSET h f v", ":1\r\n", "new@0:h hset@0:h "},
    {"SORT h", WRONG, ""},
    {"SORT none BY", "-ERR syntax error\r\n", ""},
    {"SORT none GET", "-ERR syntax error\r\n", ""},
    {"SORT none LIMIT 1", "-ERR syntax error\r\n", ""},
    {"SORT none STORE", "-ERR syntax error\r\n", ""},
    {"SORT none LIMIT x 1", "-ERR value is not an integer or out of range\r\n", ""},
    {"SORT str LIMIT 1 x", "-ERR value is not an integer or out of range\r\n", ""},
    {"SORT none foo", "-ERR syntax error\r\n", ""},
    {"SORT", "-ERR wrong number of arguments for 'sort' command\r\n", ""},
    {"COMMAND GETKEYS SORT k BY a GET store STORE d STORE e", "*2\r\n$1\r\nk\r\n$1\r\ne\r\n", ""},
    {"COMMAND GETKEYS SORT_RO k GET x", "*1\r\n$1\r\nk\r\n", ""},
    {0},
};

#define SCRIPT(name)                                                                               \
    static void run_##name(void **state) {                                                         \
        (void)state;                                                                               \
        script_run(name, tables);                                                                  \
    }
SCRIPT(numbers)
SCRIPT(by_and_get)
SCRIPT(unsorted)
SCRIPT(stores)
SCRIPT(refusals)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_numbers),  cmocka_unit_test(run_by_and_get),
        cmocka_unit_test(run_unsorted), cmocka_unit_test(run_stores),
        cmocka_unit_test(run_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
