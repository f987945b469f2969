/* geo_family: the functions of the geo commands, by file; geo.c has their table. */
#ifndef STAVE_COMMANDS_GEO_FAMILY_H
#define STAVE_COMMANDS_GEO_FAMILY_H

#include "commands/zset_family.h"
#include "types/geo.h"

/* geo_place.c */
command_result cmd_geoadd(client *c);
command_result cmd_geopos(client *c);
command_result cmd_geodist(client *c);
command_result cmd_geohash(client *c);
/* geo_search.c */
command_result cmd_geosearch(client *c);
command_result cmd_geosearchstore(client *c);
command_result cmd_georadius(client *c);
command_result cmd_georadius_ro(client *c);
command_result cmd_georadiusbymember(client *c);
command_result cmd_georadiusbymember_ro(client *c);
/* Keys of GEORADIUS and GEORADIUSBYMEMBER. */
int geo_radius_keys(const slice *argv, int argc, int *out, unsigned *flags);
int geo_member_keys(const slice *argv, int argc, int *out, unsigned *flags);

/* ---- shared: geo_place.c ------------------------------------------------------------------------
 */

/* Longitude and latitude from two arguments, a unit in metres from one. False after having replied.
 */
bool geo_arg_point(client *c, int at, geo_point *out);
bool geo_arg_unit(client *c, int at, double *out);
/* An array of longitude and latitude; a distance with four decimals. */
void geo_reply_point(client *c, geo_point p);
void geo_reply_distance(client *c, double d);

#endif
