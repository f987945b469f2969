/* geo: places on the earth as scores of a sorted set, and the search of what is near.
 *
 * A score is a cell of a grid of 2^26 by 2^26 over longitude and latitude, its two numbers'
 * bits interleaved, so that a square of cells is a few ranges of scores. Numbers, order of results
 * and rounding are redis-server's. Engine results are passed on. */
#ifndef STAVE_TYPES_GEO_H
#define STAVE_TYPES_GEO_H

#include "types/zset.h"

#define GEO_LON_MAX 180.0
#define GEO_LAT_MAX 85.05112878 /* where the Mercator projection's square ends */
#define GEO_TEXT    11

/* Degrees. */
typedef struct geo_point {
    double lon, lat;
} geo_point;

/* Can it be a score's place? */
bool geo_is_valid(geo_point p);
/* The cell that has it, as a score. REQUIRES: valid. */
double geo_score(geo_point p);
/* The middle of a score's cell; of any score, also one that is no cell. */
geo_point geo_place(double score);
/* In metres, along a great circle. */
double geo_distance(geo_point a, geo_point b);
/* A score's place as a standard geohash of 11 letters. */
void geo_text(double score, char out[GEO_TEXT]);

/* What is looked for: everything within a distance, or within a box of a height and width. */
typedef struct geo_shape {
    geo_point centre;
    bool box;
    double radius, width, height; /* in units of */
    double unit;                  /* so many metres */
} geo_shape;

typedef enum geo_order { GEO_UNORDERED, GEO_NEAREST, GEO_FARTHEST } geo_order;

typedef struct geo_hit {
    slice member;
    double score;
    geo_point place;
    double metres; /* from the centre */
} geo_hit;

typedef struct geo_hits {
    geo_hit *items; /* live as long as the batch */
    size_t n;
} geo_hits;

/* What is inside, in that order (GEO_UNORDERED: cell by cell). count 0: all; else no more than
 * that, the first in order, or, with `any`, those that are found first, put in order. Memory
 * follows the number that is given back. */
engine_result geo_search(elements *el, const geo_shape *shape, geo_order order, uint64_t count,
                         bool any, geo_hits *out);

#endif
