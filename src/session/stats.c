/* stats: sections Clients, Stats (its part of connections), Commandstats, Errorstats, Latencystats.
 */
#include "session/stats.h"

#include "session/config.h"
#include "session/errors.h"
#include "session/keywait.h"
#include "session/state.h"

#define RATE_SAMPLES 16
#define RATE_US      90000 /* between two samples, at least */

/* ---- rates -------------------------------------------------------------------------------------
 */

/* Per second, over the time since the last sample. */
static void rate_sample(rate *r, uint64_t now, uint64_t us) {
    r->samples[r->at++ % RATE_SAMPLES] = us ? (now - r->last) * 1000000 / us : 0;
    r->last = now;
}

/* The mean of the last samples. */
static uint64_t rate_of(const rate *r) {
    uint64_t sum = 0;
    for (int i = 0; i < RATE_SAMPLES; i++)
        sum += r->samples[i];
    return sum / RATE_SAMPLES;
}

/* Marks of highest use fade, so that they are recent. */
void stats_sample(session *s) {
    uint64_t now = clock_mono_us(), us = now - s->rate_at_us;
    if (us < RATE_US) return;
    s->rate_at_us = now;
    rate_sample(&s->ops, s->stats.commands, us);
    rate_sample(&s->in_rate, s->stats.net_in_bytes, us);
    rate_sample(&s->out_rate, s->stats.net_out_bytes, us);
    s->recent_max_input -= s->recent_max_input / 16;
    s->recent_max_output -= s->recent_max_output / 16;
}

/* ---- sections ----------------------------------------------------------------------------------
 */

/* Section Clients. What concerns replication and I/O threads, which are not here, is 0,
 * as in a redis-server that does not use them: dashboards ask for the fields. */
static void emit_clients(buf *out, void *ctx) {
    const session *s = ctx;
    metric_u64(out, "connected_clients", s->clients);
    metric_u64(out, "cluster_connections", 0);
    metric_i64(out, "maxclients", session_config.maxclients);
    metric_u64(out, "client_recent_max_input_buffer", s->recent_max_input);
    metric_u64(out, "client_recent_max_output_buffer", s->recent_max_output);
    metric_u64(out, "blocked_clients", s->blocked);
    metric_u64(out, "clients_in_timeout_table", s->blocked_for_a_time);
    size_t gone, keys = keywait_keys(s->keywait, &gone);
    metric_u64(out, "total_blocking_keys", keys);
    metric_u64(out, "total_blocking_keys_on_nokey", gone);
    metric_u64(out, "delayed_clients", s->delayed);
    metric_u64(out, "clients_unsent_output_bytes", s->unsent_bytes);
}

/* Section Stats, what concerns connections and commands. */
static void emit_stats(buf *out, void *ctx) {
    const session *s = ctx;
    const session_stats *st = &s->stats;
    metric_u64(out, "total_connections_received", st->connections);
    metric_u64(out, "total_commands_processed", st->commands);
    metric_u64(out, "instantaneous_ops_per_sec", rate_of(&s->ops));
    metric_u64(out, "total_net_input_bytes", st->net_in_bytes);
    metric_u64(out, "total_net_output_bytes", st->net_out_bytes);
    metric_u64(out, "total_net_repl_input_bytes", 0);
    metric_u64(out, "total_net_repl_output_bytes", 0);
    metric_f2(out, "instantaneous_input_kbps", (double)rate_of(&s->in_rate) / 1024);
    metric_f2(out, "instantaneous_output_kbps", (double)rate_of(&s->out_rate) / 1024);
    metric_f2(out, "instantaneous_input_repl_kbps", 0);
    metric_f2(out, "instantaneous_output_repl_kbps", 0);
    metric_u64(out, "rejected_connections", st->rejected_connections);
    metric_u64(out, "evicted_clients", st->evicted_clients);
    metric_u64(out, "total_error_replies", st->error_replies);
    metric_u64(out, "total_reads_processed", st->reads);
    metric_u64(out, "total_writes_processed", st->writes);
    metric_u64(out, "io_threaded_reads_processed", 0);
    metric_u64(out, "io_threaded_writes_processed", 0);
    metric_u64(out, "client_query_buffer_limit_disconnections", st->query_limit_disconnections);
    metric_u64(out, "client_output_buffer_limit_disconnections", st->output_limit_disconnections);
    metric_u64(out, "commands_parked", st->parked);
    metric_u64(out, "replies_held_turns", st->held_turns);
    metric_u64(out, "write_delays", st->delays);
    metric_u64(out, "write_delay_usec", st->delay_us);
}

/* CONFIG RESETSTAT. */
static void reset_stats(void *ctx) {
    session *s = ctx;
    s->stats = (session_stats){0};
    s->ops = s->in_rate = s->out_rate = (rate){0};
}

/* Calls each for every row that has something to tell, sub-commands in place of their container. */
static void for_rows(buf *out, void (*each)(buf *out, command_row *row)) {
    size_t pos = 0;
    for (command_row *row; (row = command_next(&pos)) != NULL;) {
        each(out, row);
        for (int i = 0; i < row->nsubs; i++)
            each(out, &row->subs[i]);
    }
}

/* One line, if it was ever called or refused. */
static void emit_command(buf *out, command_row *row) {
    if (!row->calls && !row->rejected && !row->failed) return;
    uint64_t usec = row->nsec / 1000;
    buf_printf(out,
               "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
               "failed_calls=%llu\r\n",
               row->full_name, (unsigned long long)row->calls, (unsigned long long)usec,
               row->calls ? (double)row->nsec / 1000 / (double)row->calls : 0.0,
               (unsigned long long)row->rejected, (unsigned long long)row->failed);
}

/* Section Commandstats. */
static void emit_commandstats(buf *out, void *ctx) {
    (void)ctx;
    for_rows(out, emit_command);
}

/* Forgets what was counted; `out` is not used. */
static void reset_row(buf *out, command_row *row) {
    (void)out;
    row->calls = row->nsec = row->rejected = row->failed = 0;
    histogram_clear(&row->latency);
}

/* Latencystats too, as they are counted in the rows. */
static void reset_commandstats(void *ctx) {
    (void)ctx;
    for_rows(NULL, reset_row);
}

/* Section Errorstats. */
static void emit_errorstats(buf *out, void *ctx) {
    (void)ctx;
    errors_emit(out);
}

/* CONFIG RESETSTAT. */
static void reset_errorstats(void *ctx) {
    (void)ctx;
    errors_reset();
}

/* One line, percentiles in microseconds. */
static void emit_latency(buf *out, command_row *row) {
    if (!row->latency.count) return;
    buf_printf(out, "latency_percentiles_usec_%s:", row->full_name);
    for (int i = 0; i < session_config.n_percentiles; i++) {
        double p = session_config.percentiles[i];
        buf_printf(out, "%sp%.10g=%.3f", i ? "," : "", p,
                   (double)histogram_percentile(&row->latency, p) / 1000);
    }
    buf_append(out, "\r\n", 2);
}

/* Section Latencystats; empty when latency-tracking is off. */
static void emit_latencystats(buf *out, void *ctx) {
    (void)ctx;
    if (session_config.latency_tracking) for_rows(out, emit_latency);
}

/* One session a process, so one table. */
const metric_section *session_metrics(session *s) {
    static metric_section table[6];
    table[0] = (metric_section){"Clients", emit_clients, s, NULL, 0};
    table[1] = (metric_section){"Stats", emit_stats, s, reset_stats, 0};
    table[2] = (metric_section){"Commandstats", emit_commandstats, s, reset_commandstats, 1};
    table[3] = (metric_section){"Errorstats", emit_errorstats, s, reset_errorstats, 0};
    table[4] = (metric_section){"Latencystats", emit_latencystats, s, NULL, 1};
    return table;
}
