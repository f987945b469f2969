/* Cells, and which of them cover a shape.
 *
 * A shape is covered by the cell that has its centre and the eight around it, of a grid that is as
 * fine as it can be: a cell must be at least as high and wide as half the shape.
 *
 *     +----+----+----+
 *     | NW | N  | NE |    steps: from the radius in the Mercator projection, where the whole
 *     +----+----+----+    earth is a square; fewer near the poles, where that is stretched;
 *     | W  | C  | E  |    one fewer when the shape still reaches beyond the neighbours
 *     +----+----+----+
 *     | SW | S  | SE |    neighbours that the shape's bounding box does not touch are left out
 *     +----+----+----+
 *
 * Cells are joined at the edges of the map: what is east of the last is the first. The order in
 * which cells are searched, and every decision here, is redis-server's, because a search without an
 * order shows it. */
#include "types/geo_cells.h"

#define MERCATOR_HALF 20037726.37 /* metres: half the side of the square */

static double degrees(double radians) {
    return radians / (M_PI / 180.0);
}

/* ---- cells -------------------------------------------------------------------------------------
 */

/* A point on the last edge is beyond the last cell: its number is kept as it is. */
geo_cell geo_cell_of(geo_point p, double lat_max, unsigned steps) {
    double n = (double)((uint64_t)1 << steps);
    double lat = (p.lat + lat_max) / (2 * lat_max);
    double lon = (p.lon + GEO_LON_MAX) / (2 * GEO_LON_MAX);
    return (geo_cell){(uint32_t)(lon * n), (uint32_t)(lat * n), steps};
}

geo_area geo_cell_area(geo_cell c) {
    double n = (double)((uint64_t)1 << c.steps);
    const double high = 2 * GEO_LAT_MAX, wide = 2 * GEO_LON_MAX;
    return (geo_area){
        -GEO_LON_MAX + c.lon * 1.0 / n * wide, -GEO_LON_MAX + ((double)c.lon + 1) / n * wide,
        -GEO_LAT_MAX + c.lat * 1.0 / n * high, -GEO_LAT_MAX + ((double)c.lat + 1) / n * high};
}

/* The bits of v, each with a zero above it. */
static uint64_t spread(uint32_t v) {
    uint64_t x = v;
    x = (x | x << 16) & 0x0000ffff0000ffffu;
    x = (x | x << 8) & 0x00ff00ff00ff00ffu;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fu;
    x = (x | x << 2) & 0x3333333333333333u;
    return (x | x << 1) & 0x5555555555555555u;
}

/* Every second bit of x, from the lowest on. */
static uint32_t gather(uint64_t x) {
    x &= 0x5555555555555555u;
    x = (x | x >> 1) & 0x3333333333333333u;
    x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0fu;
    x = (x | x >> 4) & 0x00ff00ff00ff00ffu;
    x = (x | x >> 8) & 0x0000ffff0000ffffu;
    return (uint32_t)(x | x >> 16);
}

uint64_t geo_cell_bits(geo_cell c) {
    return spread(c.lat) | spread(c.lon) << 1;
}

geo_cell geo_cell_from(uint64_t bits) {
    return (geo_cell){gather(bits >> 1), gather(bits), GEO_STEPS};
}

void geo_cell_scores(geo_cell c, double *low, double *end) {
    uint64_t bits = geo_cell_bits(c);
    unsigned shift = 2 * (GEO_STEPS - c.steps);
    *low = (double)(bits << shift);
    *end = (double)((bits + 1) << shift);
}

/* The cell so many further east and north. */
static geo_cell moved(geo_cell c, int east, int north) {
    uint32_t mask = ((uint32_t)1 << c.steps) - 1;
    if (east) c.lon = (c.lon + (uint32_t)east) & mask;
    if (north) c.lat = (c.lat + (uint32_t)north) & mask;
    return c;
}

/* ---- covering ----------------------------------------------------------------------------------
 */

/* The shape's bounding box. It is as wide as it is where parallels are shortest: at its northern
 * edge, or south of the equator at its southern one. */
static geo_area bounds_of(const geo_shape *s) {
    double high = s->unit * (s->box ? s->height / 2 : s->radius);
    double wide = s->unit * (s->box ? s->width / 2 : s->radius);
    double dlat = degrees(high / GEO_EARTH_RADIUS);
    double edge = s->centre.lat < 0 ? s->centre.lat - dlat : s->centre.lat + dlat;
    double dlon = degrees(wide / GEO_EARTH_RADIUS / cos(geo_radians(edge)));
    return (geo_area){s->centre.lon - dlon, s->centre.lon + dlon, s->centre.lat - dlat,
                      s->centre.lat + dlat};
}

/* How fine a grid may be for cells to be as large as the radius, more or less. */
static unsigned steps_for(double metres, double lat) {
    int steps = 1;
    if (metres == 0) return GEO_STEPS;
    for (; metres < MERCATOR_HALF && steps < 2 * GEO_STEPS; steps++)
        metres *= 2;
    steps -= 2;
    if (fabs(lat) > 66) steps--;
    if (fabs(lat) > 80) steps--;
    return steps < 1 ? 1 : steps > GEO_STEPS ? GEO_STEPS : (unsigned)steps;
}

/* Does the box reach beyond the four neighbours of a cell? */
static bool reaches_beyond(geo_cell c, const geo_area *box) {
    return geo_cell_area(moved(c, 0, 1)).north < box->north ||
           geo_cell_area(moved(c, 0, -1)).south > box->south ||
           geo_cell_area(moved(c, 1, 0)).east < box->east ||
           geo_cell_area(moved(c, -1, 0)).west > box->west;
}

void geo_cells_cover(const geo_shape *s, geo_cell out[GEO_CELLS]) {
    static const struct {
        int east, north;
    } places[GEO_CELLS] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                           {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    geo_area box = bounds_of(s);
    double half = s->box ? sqrt((s->width / 2) * (s->width / 2) + (s->height / 2) * (s->height / 2))
                         : s->radius;
    unsigned steps = steps_for(half * s->unit, s->centre.lat);
    geo_cell c = geo_cell_of(s->centre, GEO_LAT_MAX, steps);
    if (steps > 1 && reaches_beyond(c, &box)) c = geo_cell_of(s->centre, GEO_LAT_MAX, --steps);
    geo_area a = geo_cell_area(c);
    bool no_south = a.south<box.south, no_north = a.north> box.north;
    bool no_west = a.west<box.west, no_east = a.east> box.east;
    for (int i = 0; i < GEO_CELLS; i++) {
        bool out_of_reach = (places[i].north < 0 && no_south) ||
                            (places[i].north > 0 && no_north) || (places[i].east < 0 && no_west) ||
                            (places[i].east > 0 && no_east);
        out[i] = moved(c, places[i].east, places[i].north);
        if (steps >= 2 && out_of_reach) out[i] = (geo_cell){0};
    }
}
