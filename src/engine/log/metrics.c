/* metrics: the log's lines in the section "Engine" of INFO.
 *
 * log_end and log_durable are positions: file number << 32 | offset. Times are microseconds. */
#include "engine/log/chain.h"

/* In the order in which they were first shown: tools may count on it. */
void chain_emit(const chain *c, buf *out) {
    const chain_stats *s = &c->stats;
    CHECK(c->tail && chain_durable(c) <= chain_log_end(c));
    metric_u64(out, "log_end", logwrite_end(c->tail));
    metric_u64(out, "log_durable", logwrite_durable(c->tail));
    if (chain_is_dead(c))
        buf_printf(out, "log_state:failed, the last writes may not survive: %s\r\n",
                   c->failure.msg);
    else
        metric_str(out, "log_state", c->no_space ? "full" : "ok");
    metric_u64(out, "writes", s->writes);
    metric_u64(out, "written_bytes", s->written_bytes);
    metric_u64(out, "fsyncs", s->fsyncs);
    metric_u64(out, "fsync_usec_max", s->fsync_us_max);
    metric_u64(out, "fsync_waits", s->fsync_waits);
    metric_u64(out, "fsync_late_writes", s->fsync_late);
}

/* All of them count events. */
void chain_reset_stats(chain *c) {
    CHECK(c->tail);
    c->stats = (chain_stats){0};
}
