/* geo_cells: cells of the grids of 2 by 2 to 2^26 by 2^26 over the earth, and which of them cover a
 * shape. */
#ifndef STAVE_TYPES_GEO_CELLS_H
#define STAVE_TYPES_GEO_CELLS_H

#include <math.h>

#include "types/geo.h"

#define GEO_STEPS        26
#define GEO_CELLS        9
#define GEO_EARTH_RADIUS 6372797.560856 /* metres, as redis-server has it */

static inline double geo_radians(double degrees) {
    return degrees * (M_PI / 180.0);
}

/* A cell of the grid of 2^steps by 2^steps; steps 0: none. */
typedef struct geo_cell {
    uint32_t lon, lat;
    unsigned steps;
} geo_cell;

/* Its corners. */
typedef struct geo_area {
    double west, east, south, north;
} geo_area;

/* The cell of a point in a grid over -180 .. 180 and -lat_max .. lat_max. */
geo_cell geo_cell_of(geo_point p, double lat_max, unsigned steps);
geo_area geo_cell_area(geo_cell c);
/* Bits of both numbers, latitude's lowest first. */
uint64_t geo_cell_bits(geo_cell c);
/* The cell of 26 steps that has these bits. */
geo_cell geo_cell_from(uint64_t bits);
/* The scores in it: from *low to less than *end. */
void geo_cell_scores(geo_cell c, double *low, double *end);

/* The cells to be searched for what is in a shape, in order; some may be none. */
void geo_cells_cover(const geo_shape *shape, geo_cell out[GEO_CELLS]);

#endif
