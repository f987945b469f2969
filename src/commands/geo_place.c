/* Places of members: GEOADD, GEOPOS, GEODIST, GEOHASH.
 *
 * A geo set is a sorted set, so GEOADD is ZADD with scores made of coordinates, and every command
 * for sorted sets works on it. Coordinates are told as those of the middle of a score's cell, with
 * 17 decimals less the zeros at their end. */
#include "base/num.h"
#include "commands/geo_family.h"

#include <math.h>

/* ---- arguments and replies ----------------------------------------------------------------------
 */

bool geo_arg_point(client *c, int at, geo_point *out) {
    if (!arg_double(c, at, &out->lon) || !arg_double(c, at + 1, &out->lat)) return false;
    if (geo_is_valid(*out)) return true;
    (void)reply_error(c, "ERR invalid longitude,latitude pair %f,%f", out->lon, out->lat);
    return false;
}

bool geo_arg_unit(client *c, int at, double *out) {
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        *out = units[i].metres;
        if (arg_is(c, at, units[i].name)) return true;
    }
    (void)reply_error(c, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

/* A number as INCRBYFLOAT tells it; a double in RESP3. */
static void reply_coordinate(client *c, double v) {
    char text[NUM_LDOUBLE_TEXT];
    slice s = slice_of(text, num_format_ldouble(text, v));
    if (c->proto < 3) {
        reply_bulk(c, s);
        return;
    }
    buf_append_char(&c->out, ',');
    buf_append_slice(&c->out, s);
    buf_append(&c->out, "\r\n", 2);
}

void geo_reply_point(client *c, geo_point p) {
    reply_array(c, 2);
    reply_coordinate(c, p.lon);
    reply_coordinate(c, p.lat);
}

/* Rounded to a whole number of ten-thousandths. */
void geo_reply_distance(client *c, double d) {
    char text[NUM_I64_TEXT + 8];
    int64_t v = llrint(d * 10000);
    size_t n = num_format_i64(text, v / 10000);
    text[n++] = '.';
    for (int64_t part = v % 10000, unit = 1000; unit > 0; unit /= 10)
        text[n++] = (char)('0' + part / unit % 10);
    reply_bulk(c, slice_of(text, n));
}

/* ---- GEOADD -------------------------------------------------------------------------------------
 */

/* Coordinates are all read before the key is looked at. */
command_result cmd_geoadd(client *c) {
    zset_addition add = {.first = 2, .stride = 3};
    for (; add.first < c->argc; add.first++) {
        if (arg_is(c, add.first, "nx"))
            add.flags |= ZSET_NX;
        else if (arg_is(c, add.first, "xx"))
            add.flags |= ZSET_XX;
        else if (arg_is(c, add.first, "ch"))
            add.changed = true;
        else
            break;
    }
    int rest = c->argc - add.first;
    if (rest == 0 || rest % 3 || ((add.flags & ZSET_NX) && (add.flags & ZSET_XX)))
        return reply_syntax_error(c);
    add.pairs = rest / 3;
    double *scores = ks_alloc(c->ks, (size_t)add.pairs * sizeof *scores);
    for (int i = 0; i < add.pairs; i++) {
        geo_point p;
        if (!geo_arg_point(c, add.first + 3 * i, &p)) return CMD_REFUSED;
        scores[i] = geo_score(p);
    }
    return zset_add_members(c, &add, scores);
}

/* ---- GEOPOS, GEOHASH, GEODIST -------------------------------------------------------------------
 */

/* Of what is not there a null array, as the others are arrays. */
static void tell_place(client *c, bool found, double score) {
    if (found)
        geo_reply_point(c, geo_place(score));
    else
        reply_null_array(c);
}

/* Eleven letters, or null. */
static void tell_text(client *c, bool found, double score) {
    char text[GEO_TEXT];
    if (!found) {
        reply_null(c);
        return;
    }
    geo_text(score, text);
    reply_bulk(c, slice_of(text, GEO_TEXT));
}

/* Longitude and latitude of each. */
command_result cmd_geopos(client *c) {
    return zset_tell_scores(c, tell_place);
}

/* As others write geohashes. */
command_result cmd_geohash(client *c) {
    return zset_tell_scores(c, tell_text);
}

/* Null if one of the two is not there. */
command_result cmd_geodist(client *c) {
    elements el;
    double unit = 1, from = 0, to = 0;
    if (c->argc > 5) return reply_syntax_error(c);
    if (c->argc == 5 && !geo_arg_unit(c, 4, &unit)) return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &el));
    engine_result a = zset_score(&el, c->argv[2], &from), b = zset_score(&el, c->argv[3], &to);
    if (a == ENGINE_ERROR || b == ENGINE_ERROR) return reply_engine(c, ENGINE_ERROR);
    if (a == ENGINE_PENDING || b == ENGINE_PENDING) return reply_engine(c, ENGINE_PENDING);
    if (a == ENGINE_ABSENT || b == ENGINE_ABSENT) {
        client_depends_on_end(c);
        reply_null(c);
        return CMD_DONE;
    }
    client_depends(c, el.pos);
    geo_reply_distance(c, geo_distance(geo_place(from), geo_place(to)) / unit);
    return CMD_DONE;
}
