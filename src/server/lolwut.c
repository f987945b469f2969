/* LOLWUT: a picture and the version, as users of Redis expect to find at this name.
 *
 * The picture is a stave: five lines with notes set by the random generator, a new tune each time.
 */
#include "server/admin.h"

#include "base/rand.h"
#include "base/version.h"
#include "session/reply.h"

#define COLUMNS_MAX 200
#define ROWS        11 /* five lines, their gaps, and a row above and below */

/* Draws notes that wander a step or two at a time. */
static void draw_stave(buf *out, int columns, rng *r) {
    static char rows[ROWS][COLUMNS_MAX];
    for (int y = 0; y < ROWS; y++)
        memset(rows[y], y % 2 == 1 ? '-' : ' ', (size_t)columns);
    int y = ROWS / 2;
    for (int x = 4; x + 2 < columns; x += 4 + (int)rng_below(r, 4)) {
        y += (int)rng_below(r, 5) - 2;
        y = y < 0 ? 0 : y >= ROWS ? ROWS - 1 : y;
        rows[y][x] = 'o';
        for (int up = 1; up <= 3 && y - up >= 0; up++)
            rows[y - up][x + 1] = '|';
    }
    for (int i = 0; i < ROWS; i++) {
        buf_append(out, rows[i], (size_t)columns);
        buf_append_char(out, '\n');
    }
}

/* LOLWUT [VERSION n] [columns]; other arguments are for pictures of other versions, and ignored. */
static command_result cmd_lolwut(client *c) {
    int64_t columns = 64, version;
    int at = 1;
    if (arg_is(c, 1, "version")) {
        if (c->argc > 2 && !arg_i64(c, 2, &version)) return CMD_REFUSED;
        at = 3;
    }
    if (at < c->argc && !arg_i64(c, at, &columns)) return CMD_REFUSED;
    if (columns < 16) columns = 16;
    if (columns > COLUMNS_MAX) columns = COLUMNS_MAX;
    rng r;
    uint64_t seed;
    rand_bytes(&seed, sizeof seed);
    rng_seed(&r, seed);
    buf out = {0};
    draw_stave(&out, (int)columns, &r);
    buf_printf(&out, "\nStave ver. %s (Redis ver. %s)\n", STAVE_VERSION, STAVE_REDIS_VERSION);
    resp_verbatim(&c->out, c->proto, buf_slice(&out), "txt");
    buf_free(&out);
    return CMD_DONE;
}

const command lolwut_commands[] = {
    {"lolwut", cmd_lolwut, -1, CMD_READONLY | CMD_FAST, 0, "server", "5.0.0", "O(1)",
     "Draws a picture and tells the version.", "[VERSION version:integer]"},
    {0},
};
