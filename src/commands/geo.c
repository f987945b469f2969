/* The geo commands' table.
 *
 * What concerns the places of members is in geo_place.c, the search in geo_search.c. */
#include "commands/geo_family.h"

#include "commands/commands.h"

/* What all rows share, and the kinds of first argument. */
#define GEO      .categories = CAT_GEO, .group = "geo"
#define READ_KEY KEY_AT(1, KEY_RO | KEY_ACCESS)
#define RADIUS_COMPLEXITY                                                                          \
    "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area "  \
    "delimited by center and radius and M is the number of items inside the index."
#define SEARCH_COMPLEXITY                                                                          \
    "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around "  \
    "the shape provided as the filter and M is the number of items inside the shape"
#define UPPERCASE "7.0.0: Added support for uppercase unit names."
#define UNIT      "@unit:<M|KM|FT|MI>"
#define COUNT     "@count-block:[COUNT count [ANY]]"
#define COUNT_ANY "@count-block:[COUNT count [ANY^6.2.0]]"
#define WITH      "[WITHCOORD] [WITHDIST] [WITHHASH]"
#define ORDER     "@order:[ASC|DESC]"
#define STORE     " @store:[@storekey:STORE key|@storedistkey:STOREDIST key]"
#define FROM_BY                                                                                    \
    "@from:<FROMMEMBER member|@fromlonlat:<FROMLONLAT longitude:double latitude:double>> "         \
    "@by:<@circle:<<BYRADIUS radius:double> " UNIT                                                 \
    ">|@box:<<BYBOX width:double> height:double " UNIT ">> " ORDER " " COUNT " "
/* Destinations behind a word. */
#define STORE_KEYS(at)                                                                             \
    {.flags = KEY_OW | KEY_UPDATE, .begin = (at), .keyword = "STORE", .last = 0, .step = 1}, {     \
        .flags = KEY_OW | KEY_UPDATE, .begin = (at), .keyword = "STOREDIST", .last = 0, .step = 1  \
    }

const command geo_commands[] = {
    {.name = "geoadd",
     .run = cmd_geoadd,
     .arity = -5,
     .flags = CMD_WRITE | CMD_DENYOOM,
     GEO,
     .since = "3.2.0",
     .complexity = "O(log(N)) for each item added, where N is the number of elements in the sorted "
                   "set.",
     .summary = "Adds members with their places to a geo set, which is made if there is none.",
     .syntax = "key @condition:[NX|XX]^6.2.0 [@change:CH^6.2.0] "
               "@data:<longitude:double latitude:double member>...",
     .keys = {KEY_AT(1, KEY_RW | KEY_UPDATE)},
     .history = "6.2.0: Added the `CH`, `NX` and `XX` options."},
    {.name = "geopos",
     .run = cmd_geopos,
     .arity = -2,
     .flags = CMD_READONLY,
     GEO,
     .since = "3.2.0",
     .complexity = "O(1) for each member requested.",
     .summary = "Returns the longitude and latitude of members of a geo set.",
     .syntax = "key [member...]",
     .keys = {READ_KEY}},
    {.name = "geodist",
     .run = cmd_geodist,
     .arity = -4,
     .flags = CMD_READONLY,
     GEO,
     .since = "3.2.0",
     .complexity = "O(1)",
     .summary = "Returns how far two members of a geo set are from each other.",
     .syntax = "key member1 member2 @unit:[M|KM|FT|MI]",
     .keys = {READ_KEY}},
    {.name = "geohash",
     .run = cmd_geohash,
     .arity = -2,
     .flags = CMD_READONLY,
     GEO,
     .since = "3.2.0",
     .complexity = "O(1) for each member requested.",
     .summary = "Returns the places of members of a geo set as geohash strings.",
     .syntax = "key [member...]",
     .keys = {READ_KEY}},
    {.name = "geosearch",
     .run = cmd_geosearch,
     .arity = -7,
     .flags = CMD_READONLY,
     GEO,
     .since = "6.2.0",
     .complexity = SEARCH_COMPLEXITY,
     .summary = "Returns the members of a geo set that are within a circle or a box.",
     .syntax = "key " FROM_BY WITH,
     .keys = {READ_KEY},
     .history = UPPERCASE},
    {.name = "geosearchstore",
     .run = cmd_geosearchstore,
     .arity = -8,
     .flags = CMD_WRITE | CMD_DENYOOM,
     GEO,
     .since = "6.2.0",
     .complexity = SEARCH_COMPLEXITY,
     .summary = "Keeps the members of a geo set that are within a circle or a box at a key.",
     .syntax = "@destination:key @source:key " FROM_BY "[STOREDIST]",
     .keys = {KEY_AT(1, KEY_OW | KEY_UPDATE), KEY_AT(2, KEY_RO | KEY_ACCESS)},
     .history = UPPERCASE},
    {.name = "georadius",
     .run = cmd_georadius,
     .arity = -6,
     .flags = CMD_WRITE | CMD_DENYOOM,
     GEO,
     .since = "3.2.0",
     .complexity = RADIUS_COMPLEXITY,
     .summary = "Returns, or keeps, the members of a geo set that are near a point.",
     .syntax = "key longitude:double latitude:double radius:double " UNIT " " WITH " " COUNT_ANY
               " " ORDER STORE,
     .keys = {READ_KEY, STORE_KEYS(6)},
     .getkeys = geo_radius_keys,
     .history = "6.2.0: Added the `ANY` option for `COUNT`.\n" UPPERCASE,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"},
    {.name = "georadius_ro",
     .run = cmd_georadius_ro,
     .arity = -6,
     .flags = CMD_READONLY,
     GEO,
     .since = "3.2.10",
     .complexity = RADIUS_COMPLEXITY,
     .summary = "Returns the members of a geo set that are near a point.",
     .syntax = "key longitude:double latitude:double radius:double " UNIT " " WITH " " COUNT_ANY
               " " ORDER,
     .keys = {READ_KEY},
     .history = "6.2.0: Added the `ANY` option for `COUNT`.\n" UPPERCASE,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument"},
    {.name = "georadiusbymember",
     .run = cmd_georadiusbymember,
     .arity = -5,
     .flags = CMD_WRITE | CMD_DENYOOM,
     GEO,
     .since = "3.2.0",
     .complexity = RADIUS_COMPLEXITY,
     .summary = "Returns, or keeps, the members of a geo set that are near one of them.",
     .syntax = "key member radius:double " UNIT " " WITH " " COUNT_ANY " " ORDER STORE,
     .keys = {READ_KEY, STORE_KEYS(5)},
     .getkeys = geo_member_keys,
     .history = "6.2.0: Added the `ANY` option for `COUNT`.\n" UPPERCASE,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` "
                    "arguments"},
    {.name = "georadiusbymember_ro",
     .run = cmd_georadiusbymember_ro,
     .arity = -5,
     .flags = CMD_READONLY,
     GEO,
     .since = "3.2.10",
     .complexity = RADIUS_COMPLEXITY,
     .summary = "Returns the members of a geo set that are near one of them.",
     .syntax = "key member radius:double " UNIT " " WITH " " COUNT " " ORDER,
     .keys = {READ_KEY},
     .history = "6.2.0: Added the `ANY` option for `COUNT`.\n" UPPERCASE,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"},
    {0},
};
