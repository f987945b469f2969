/* Places, scores, distances.
 *
 *     longitude -180 .. 180            ->  26 bits  x25 ... x1 x0
 *     latitude  -85.05112878 .. same   ->  26 bits  y25 ... y1 y0
 *     score                                         x25 y25 ... x1 y1 x0 y0
 *
 * A geohash as others write it has the same bits of a grid over latitudes -90 .. 90, five a letter:
 * so a place is computed from the score, and its cell in that grid. Distances are by the haversine
 * formula on a sphere. */
#include "types/geo_cells.h"

#define LETTER_BITS 5
#define CELL_BITS   (2 * GEO_STEPS)

/* What is no number is not valid either. */
bool geo_is_valid(geo_point p) {
    return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX &&
           p.lat <= GEO_LAT_MAX;
}

double geo_score(geo_point p) {
    return (double)geo_cell_bits(geo_cell_of(p, GEO_LAT_MAX, GEO_STEPS));
}

/* A score's bits. One that no cell has (less than 0, or too large) becomes what a processor of the
 * x86 family makes of it, as clients see it in redis-server. */
static uint64_t bits_of(double score) {
    if (score >= 0x1p64) return 0;
    if (score >= 0) return (uint64_t)score;
    return score > -0x1p63 ? (uint64_t)(int64_t)score : (uint64_t)1 << 63;
}

/* Brings it within -max .. max. */
static double clamp(double v, double max) {
    return v > max ? max : v < -max ? -max : v;
}

geo_point geo_place(double score) {
    geo_area a = geo_cell_area(geo_cell_from(bits_of(score)));
    return (geo_point){clamp((a.west + a.east) / 2, GEO_LON_MAX),
                       clamp((a.south + a.north) / 2, GEO_LAT_MAX)};
}

/* On one meridian nothing but the latitudes matters. */
double geo_distance(geo_point a, geo_point b) {
    double v = sin((geo_radians(b.lon) - geo_radians(a.lon)) / 2);
    double lat_a = geo_radians(a.lat), lat_b = geo_radians(b.lat);
    if (v == 0) return GEO_EARTH_RADIUS * fabs(lat_b - lat_a);
    double u = sin((lat_b - lat_a) / 2);
    double chord = sqrt(u * u + cos(lat_a) * cos(lat_b) * v * v);
    return 2 * GEO_EARTH_RADIUS * asin(chord < 1 ? chord : 1);
}

/* 52 bits make ten letters and two bits; the eleventh letter is always 0. */
void geo_text(double score, char out[GEO_TEXT]) {
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = geo_cell_bits(geo_cell_of(geo_place(score), 90, GEO_STEPS));
    for (int i = 0; i < GEO_TEXT - 1; i++)
        out[i] = letters[bits >> (CELL_BITS - LETTER_BITS * (i + 1)) & 31];
    out[GEO_TEXT - 1] = letters[0];
}
