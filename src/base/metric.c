/* metric: sizes as INFO shows them to people. */
#include "base/metric.h"

/* Two decimals of the largest unit, in powers of 1024, that leaves at least 1; bytes below 1K, and
 * again where petabytes end, as Redis does. */
void metric_human(buf *out, uint64_t v) {
    static const char units[] = "KMGTP";
    if (v < 1024 || v >> 60) {
        buf_printf(out, "%lluB", (unsigned long long)v);
        return;
    }
    int unit = (63 - __builtin_clzll(v)) / 10 - 1;
    buf_printf(out, "%.2f%c", (double)v / (double)(1024ull << (10 * unit)), units[unit]);
}

/* Both lines of one figure. */
void metric_bytes_human(buf *out, const char *field, uint64_t v) {
    metric_u64(out, field, v);
    buf_printf(out, "%s_human:", field);
    metric_human(out, v);
    buf_append(out, "\r\n", 2);
}
