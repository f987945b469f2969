/* The geo commands: replies and events to the byte, as redis-server has them. */
#include "commands/commands.h"
#include "support/script.h"
#include "support/unit.h"

static const command *const tables[] = {string_commands, zset_commands,       geo_commands,
                                        keys_commands,   connection_commands, NULL};

#define PALERMO "*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n"
#define CATANIA "*2\r\n$20\r\n15.08726745843887329\r\n$20\r\n37.50266842333162032\r\n"
#define BOTH    "13.361389 38.115556 Palermo 15.087269 37.502669 Catania"

static const step placing[] = {
    {"GEOADD g " BOTH, ":2\r\n", "new@0:g zadd@0:g "},
    {"GEOADD g " BOTH, ":0\r\n", ""},
    {"GEOADD g NX CH 1 1 Palermo 2 2 c", ":1\r\n", "zadd@0:g "},
    {"GEOADD g XX CH 3 3 c 2 2 d", ":1\r\n", "zadd@0:g "},
    {"GEOADD none XX 3 3 c", ":0\r\n", ""},
    {"GEOADD g 200 100 a", "-ERR invalid longitude,latitude pair 200.000000,100.000000\r\n", ""},
    {"GEOADD g 1 1 a x 1 b", "-ERR value is not a valid float\r\n", ""},
    {"GEOADD g NX XX 1 1 a", "-ERR syntax error\r\n", ""},
    {"GEOADD g 1 1 a 1", "-ERR syntax error\r\n", ""},
    {"GEOADD g NX CH XX", "-ERR syntax error\r\n", ""},
    {"GEOADD g NX", "-ERR wrong number of arguments for 'geoadd' command\r\n", ""},
    {"ZSCORE g Palermo", "$16\r\n3479099956230698\r\n", ""},
    {"GEOPOS g Palermo x Catania", "*3\r\n" PALERMO "*-1\r\n" CATANIA, ""},
    {"GEOPOS none x", "*1\r\n*-1\r\n", "keymiss@0:none "},
    {"GEOPOS g", "*0\r\n", ""},
    {"GEOHASH g Palermo x Catania", "*3\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n$11\r\nsqdtr74hyu0\r\n",
     ""},
    {"GEODIST g Palermo Catania", "$11\r\n166274.1516\r\n", ""},
    {"GEODIST g Palermo Catania km", "$8\r\n166.2742\r\n", ""},
    {"GEODIST g Palermo Catania MI", "$8\r\n103.3182\r\n", ""},
    {"GEODIST g Palermo Palermo ft", "$6\r\n0.0000\r\n", ""},
    {"GEODIST g Palermo x", "$-1\r\n", ""},
    {"GEODIST none a b", "$-1\r\n", "keymiss@0:none "},
    {"GEODIST g Palermo Catania zz", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n",
     ""},
    {"GEODIST g Palermo Catania km x", "-ERR syntax error\r\n", ""},
    {"SET s x", "+OK\r\n", "new@0:s set@0:s "},
    {"GEOADD s 1 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
     ""},
    {"GEOSEARCH s BYRADIUS x x x x x",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", ""},
    {0},
};

#define AT "FROMLONLAT 15 37"

static const step searching[] = {
    {"GEOADD g " BOTH, ":2\r\n", "new@0:g zadd@0:g "},
    {"GEOSEARCH g " AT " BYRADIUS 200 km ASC", "*2\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n", ""},
    {"GEOSEARCH g BYRADIUS 200 km " AT " DESC", "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n", ""},
    {"GEOSEARCH g " AT " BYRADIUS 200 km WITHDIST WITHHASH WITHCOORD COUNT 1",
     "*1\r\n*4\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n" CATANIA, ""},
    {"GEOSEARCH g " AT " BYBOX 400 400 km ASC COUNT 1 ANY", "*1\r\n$7\r\nPalermo\r\n", ""},
    {"GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m WITHDIST",
     "*1\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n", ""},
    {"GEORADIUS g 15 37 100 km WITHDIST", "*1\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n", ""},
    {"GEORADIUS_RO g 15 37 1 km", "*0\r\n", ""},
    {"GEORADIUSBYMEMBER g Catania 100 mi", "*1\r\n$7\r\nCatania\r\n", ""},
    {"GEORADIUSBYMEMBER_RO g Catania 104 mi ASC", "*2\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n", ""},
    {"GEOSEARCHSTORE d g " AT " BYRADIUS 200 km", ":2\r\n", "new@0:d geosearchstore@0:d "},
    {"GEOPOS d Palermo", "*1\r\n" PALERMO, ""},
    {"GEOSEARCHSTORE d g " AT " BYRADIUS 1 km", ":0\r\n", "del@0:d "},
    {"GEOSEARCHSTORE d g " AT " BYRADIUS 200 km STOREDIST", ":2\r\n",
     "new@0:d geosearchstore@0:d "},
    {"ZRANGE d 0 -1", "*2\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n", ""},
    {"GEORADIUS g 15 37 100 km STORE d", ":1\r\n", "georadiusstore@0:d "},
    {"GEORADIUSBYMEMBER g Palermo 1 km STOREDIST d", ":1\r\n", "georadiusstore@0:d "},
    {"ZSCORE d Palermo", "$1\r\n0\r\n", ""},
    {"GEOSEARCHSTORE g g " AT " BYRADIUS 100 km", ":1\r\n", "geosearchstore@0:g "},
    {"ZCARD g", ":1\r\n", ""},
    {"GEORADIUS none 1 1 1 m STORE d", ":0\r\n", "keymiss@0:none del@0:d "},
    {"GEOSEARCH none FROMMEMBER q BYRADIUS 1 km", "*0\r\n", "keymiss@0:none "},
    {"GEORADIUSBYMEMBER none q x km", "*0\r\n", "keymiss@0:none "},
    {0},
};

static const step wrong[] = {
    {"GEOADD g " BOTH, ":2\r\n", "new@0:g zadd@0:g "},
    {"GeoSearch g BYRADIUS 1 km ASC ASC",
     "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GeoSearch\r\n", ""},
    {"GEOSEARCH g " AT " ASC ASC",
     "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH\r\n", ""},
    {"GEOSEARCH g FROMMEMBER q BYRADIUS 1 km", "-ERR could not decode requested zset member\r\n",
     ""},
    {"GEOSEARCH g " AT " FROMMEMBER Palermo BYRADIUS 1 km", "-ERR syntax error\r\n", ""},
    {"GEOSEARCH g " AT " BYRADIUS 1 km STORE d", "-ERR syntax error\r\n", ""},
    {"GEORADIUS_RO g 15 37 1 km STORE d", "-ERR syntax error\r\n", ""},
    {"GEORADIUS g 15 37 -1 km", "-ERR radius cannot be negative\r\n", ""},
    {"GEORADIUS g 15 37 x km", "-ERR need numeric radius\r\n", ""},
    {"GEORADIUS g 15 37 1 zz", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n", ""},
    {"GEOSEARCH g " AT " BYBOX x 1 km", "-ERR need numeric width\r\n", ""},
    {"GEOSEARCH g " AT " BYBOX 1 x km", "-ERR need numeric height\r\n", ""},
    {"GEOSEARCH g " AT " BYBOX -1 1 km", "-ERR height or width cannot be negative\r\n", ""},
    {"GEOSEARCH g " AT " BYRADIUS 1 km COUNT 0", "-ERR COUNT must be > 0\r\n", ""},
    {"GEOSEARCH g " AT " BYRADIUS 1 km COUNT x", "-ERR value is not an integer or out of range\r\n",
     ""},
    {"GEOSEARCH g " AT " BYRADIUS 1 km ANY", "-ERR the ANY argument requires COUNT argument\r\n",
     ""},
    {"GEOSEARCHSTORE d g " AT " BYRADIUS 1 km WITHDIST",
     "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options\r\n", ""},
    {"GEORADIUS g 15 37 1 km STORE d WITHDIST",
     "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD "
     "options\r\n",
     ""},
    {0},
};

static void all(void **state) {
    (void)state;
    script_run(placing, tables);
    script_run(searching, tables);
    script_run(wrong, tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
