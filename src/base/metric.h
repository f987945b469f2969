/* metric: how a module declares what INFO shows.
 *
 * A module owns a table of `metric_section` ended by {0}; several modules may add to one section:
 * INFO prints a section's heading once and its parts in order of registration. */
#ifndef STAVE_BASE_METRIC_H
#define STAVE_BASE_METRIC_H

#include "base/buf.h"

typedef struct metric_section {
    const char *name; /* as in INFO: "Memory", "Stats", "Engine"; the argument ignores case */
    /* Appends "field:value\r\n" lines. ctx is the table owner's. */
    void (*emit)(buf *out, void *ctx);
    void *ctx;
    /* Sets to zero what CONFIG RESETSTAT resets; may be NULL. */
    void (*reset)(void *ctx);
    int not_default; /* shown only when asked for by name, "all" or "everything" (Commandstats) */
} metric_section;

static inline void metric_u64(buf *out, const char *field, uint64_t v) {
    buf_printf(out, "%s:%llu\r\n", field, (unsigned long long)v);
}
static inline void metric_i64(buf *out, const char *field, int64_t v) {
    buf_printf(out, "%s:%lld\r\n", field, (long long)v);
}
static inline void metric_str(buf *out, const char *field, const char *v) {
    buf_printf(out, "%s:%s\r\n", field, v);
}
static inline void metric_f2(buf *out, const char *field, double v) {
    buf_printf(out, "%s:%.2f\r\n", field, v);
}
/* "NAME:1234" and "NAME_human:1.21K", as Redis pairs them. */
void metric_bytes_human(buf *out, const char *field, uint64_t v);
/* Appends "1.21K" and the like. */
void metric_human(buf *out, uint64_t v);

#endif
