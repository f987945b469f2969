/* LATENCY DOCTOR, GRAPH and HISTOGRAM: the samples as prose, as a drawing, as a distribution.
 *
 * The first two answer with a verbatim string, so redis-cli shows their lines as they are and does
 * not quote them; a RESP2 client gets the same text as a bulk string. HISTOGRAM has nothing to do
 * with the samples: it reads the counters that the dispatcher keeps for every command from its
 * first call on, whatever the threshold is. */
#include "observe/latency.h"

#include "base/clock.h"
#include "base/histogram.h"
#include "session/reply.h"

/* As wide as a terminal, and as high as one cares to look at; the numbers are Redis'. */
#define GRAPH_COLUMNS 80
#define GRAPH_ROWS    4

/* What to do about an event, by the beginning of its name, the first that fits: what is behind it
 * (fsync-wait, merge-apply) tells events of one cause apart. */
static const struct {
    const char *event, *advice;
} advices[] = {
    {"command-unblocking", "Many clients wait for the same keys, or what they wait for is large."},
    {"command", "Look at SLOWLOG GET: commands over many keys or large values hold every client."},
    {"fast-command", "Commands that should be fast were not: the machine may be short of CPU, or "
                     "swapping. Compare with `redis-cli --intrinsic-latency 100`."},
    {"fork", "Forking takes time in proportion to the index in memory. Turn transparent huge pages "
             "off, and give merges a quieter time by merge-window."},
    {"aof-", "Writing to the log takes long: the disk is busy or slow. Other writers on it, or "
             "merge-rate-limit, are the first things to look at; at appendfsync always every turn "
             "of the server waits for the disk."},
    {"table-install", "Taking new tables in is short work; long moments mean that the machine is "
                      "short of CPU."},
    {"recovery", "The start read what the last run left; a clean end leaves less to read."},
    {"fsync", "The disk is slow to make writes durable. Other writers on it, or merge-rate-limit, "
              "are the first things to look at; appendfsync everysec waits less than always."},
    {"merge", "Applying a merge runs in short slices; long ones mean that the machine is short of "
              "CPU or memory bandwidth."},
    {"expire", "Many keys expire at the same moment: spread their times to live."},
    {"eviction", "Memory is at maxmemory and every write has to make room first."},
};

/* Mean of an event's samples, in milliseconds. */
static double mean_ms(const latency_series *t) {
    double sum = 0;
    for (int i = 0; i < t->count; i++)
        sum += latency_at(t, i)->ms;
    return t->count ? sum / t->count : 0;
}

/* Redis' doctor writes in the first person; so does this one when it has nothing to go by. What it
 * says is for people: nothing of it is meant to be parsed. */
command_result latency_doctor(client *c) {
    buf out = {0};
    size_t pos = 0;
    slice name;
    int n = 0;
    if (latency_threshold_ms() == 0) {
        buf_printf(&out, "I'm sorry, latency monitoring is off: CONFIG SET "
                         "latency-monitor-threshold <milliseconds> turns it on.\n");
    }
    for (latency_series *t; latency_next(&pos, &name, &t);) {
        const latency_sample *last = latency_at(t, t->count - 1);
        buf_printf(&out, "%d. %.*s: %d slow moments, mean %.0f ms, worst %u ms, last %lld s ago.\n",
                   ++n, (int)name.len, name.data, t->count, mean_ms(t), t->max_ms,
                   (long long)(clock_wall_us() / 1000000 - last->second));
        for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
            size_t len = strlen(advices[i].event);
            if (name.len < len || memcmp(name.data, advices[i].event, len) != 0) continue;
            buf_printf(&out, "   %s\n", advices[i].advice);
            break;
        }
    }
    if (n == 0 && latency_threshold_ms() != 0) {
        buf_printf(&out, "Nothing has taken %lld ms or more since monitoring began.\n",
                   (long long)latency_threshold_ms());
    }
    resp_verbatim(&c->out, c->proto, buf_slice(&out), "txt");
    buf_free(&out);
    return CMD_DONE;
}

/* Rows stand for quarters of the range between the least and the worst sample: so a drawing shows
 * differences, and the line above it the numbers. With all samples alike every column is full. */
/* One row of the drawing: a sample reaches row r (0 at the top) by its share of the range. */
static void draw_row(buf *out, const latency_series *t, int from, int row, uint32_t low,
                     uint32_t high) {
    static const char marks[] = "_o#";
    for (int i = from; i < t->count; i++) {
        double share = high > low ? (double)(latency_at(t, i)->ms - low) / (high - low) : 1;
        double level = share * GRAPH_ROWS - (GRAPH_ROWS - 1 - row); /* how far into this row */
        char mark = level <= 0 ? (row == GRAPH_ROWS - 1 ? '_' : ' ')
                               : marks[level >= 1     ? 2
                                       : level >= 0.5 ? 1
                                                      : 0];
        buf_append_char(out, mark);
    }
    buf_append_char(out, '\n');
}

/* How long ago a sample was, in its two most telling characters: "5s", "12m". */
static void append_age(char out[4], int64_t seconds) {
    static const struct {
        int64_t unit;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    for (size_t i = 0; i < 4; i++) {
        if (seconds < units[i].unit && units[i].unit != 1) continue;
        int64_t v = seconds / units[i].unit;
        out[0] = v >= 10 ? (char)('0' + v / 10 % 10) : (char)('0' + v);
        out[1] = v >= 10 ? (char)('0' + v % 10) : units[i].letter;
        out[2] = v >= 10 ? units[i].letter : ' ';
        return;
    }
}

/* At most as many columns as there is room for, the newest samples. Unlike HISTORY an unknown event
 * is an error here, as there is nothing to draw; so it is in Redis. */
command_result latency_graph(client *c) {
    const latency_series *t = latency_find(c->argv[2]);
    if (!t) {
        return reply_error(c, "ERR No samples available for event '%.*s'", (int)c->argv[2].len,
                           c->argv[2].data);
    }
    int from = t->count > GRAPH_COLUMNS ? t->count - GRAPH_COLUMNS : 0;
    uint32_t low = UINT32_MAX, high = 0;
    for (int i = from; i < t->count; i++) {
        uint32_t ms = latency_at(t, i)->ms;
        if (ms < low) low = ms;
        if (ms > high) high = ms;
    }
    buf out = {0};
    buf_printf(&out, "%.*s - high %u ms, low %u ms (all time high %u ms)\n", (int)c->argv[2].len,
               c->argv[2].data, high, low, t->max_ms);
    for (int i = 0; i < GRAPH_COLUMNS; i++)
        buf_append_char(&out, '-');
    buf_append_char(&out, '\n');
    for (int row = 0; row < GRAPH_ROWS; row++)
        draw_row(&out, t, from, row, low, high);
    buf_append_char(&out, '\n');
    char ages[GRAPH_COLUMNS][4];
    for (int i = from; i < t->count; i++)
        append_age(ages[i - from], clock_wall_us() / 1000000 - latency_at(t, i)->second);
    for (int line = 0; line < 3; line++) { /* ages are written downwards, under their samples */
        for (int i = from; i < t->count; i++)
            buf_append_char(&out, ages[i - from][line]);
        buf_append_char(&out, '\n');
    }
    resp_verbatim(&c->out, c->proto, buf_slice(&out), "txt");
    buf_free(&out);
    return CMD_DONE;
}

/* ---- HISTOGRAM
 * -----------------------------------------------------------------------------------*/

/* Appends one command's distribution: its calls, and how many took up to each bound. Bounds double
 * and counts are cumulative, as in Redis 7: a client gets percentiles by looking for the first
 * count that is large enough. */
static void append_histogram(buf *out, int proto, const command_row *row) {
    const histogram *h = &row->latency;
    buf body = {0};
    uint64_t us, cumulative;
    int64_t n = 0;
    for (unsigned step = 0; histogram_next(h, &step, &us, &cumulative); n++) {
        resp_int(&body, (int64_t)us);
        resp_int(&body, (int64_t)cumulative);
    }
    resp_bulk(out, slice_cstr(row->full_name));
    resp_map(out, proto, 2);
    resp_bulk(out, SLICE("calls"));
    resp_int(out, (int64_t)h->count);
    resp_bulk(out, SLICE("histogram_usec"));
    resp_map(out, proto, n);
    buf_append_slice(out, buf_slice(&body));
    buf_free(&body);
}

/* Appends a row and its subcommands, those that have run. Subcommands count for themselves
 * ("config|get"), the container never runs. Answers how many entries were written, as a map's
 * length comes before its contents. */
static int64_t append_row(buf *out, int proto, const command_row *row) {
    int64_t n = 0;
    if (row->latency.count) {
        append_histogram(out, proto, row);
        n++;
    }
    for (int i = 0; i < row->nsubs; i++)
        n += append_row(out, proto, &row->subs[i]);
    return n;
}

command_result latency_histogram(client *c) {
    buf body = {0};
    int64_t n = 0;
    if (c->argc == 2) {
        size_t pos = 0;
        for (command_row *row; (row = command_next(&pos));)
            n += append_row(&body, c->proto, row);
    }
    for (int i = 2; i < c->argc; i++) {
        const command_row *row = command_by_name(c->argv[i]);
        if (row) n += append_row(&body, c->proto, row);
    }
    reply_map(c, n);
    buf_append_slice(&c->out, buf_slice(&body));
    buf_free(&body);
    return CMD_DONE;
}
