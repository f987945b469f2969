/* settings: the table of this folder's settings, and the two that are not of a common kind. */
#include "session/config.h"

#include "base/num.h"
#include "session/descriptors.h"
#include "session/identity.h"
#include "session/session.h"

session_config_values session_config;

static const char *const class_names[OUTPUT_CLASSES] = {"normal", "slave", "pubsub"};

/* "slave" has a newer name. */
static int class_of(slice word) {
    if (slice_ieq(word, "replica")) return OUTPUT_CLASS_REPLICA;
    for (int i = 0; i < OUTPUT_CLASSES; i++)
        if (slice_ieq(word, class_names[i])) return i;
    return -1;
}

/* "CLASS HARD SOFT SECONDS", one or more times; classes not named keep what they have. */
static status set_output_limits(const setting *s, int argc, const slice *argv) {
    output_limit next[OUTPUT_CLASSES];
    memcpy(next, session_config.output, sizeof next);
    (void)s;
    if (argc % 4)
        return status_make(ST_INVALID, "Wrong number of arguments in buffer limit configuration.");
    for (int i = 0; i < argc; i += 4) {
        int class = class_of(argv[i]);
        uint64_t hard, soft;
        int64_t seconds;
        if (class < 0)
            return status_make(ST_INVALID, "Invalid client class specified in buffer limit "
                                           "configuration.");
        if (!num_parse_memory(argv[i + 1], &hard) || !num_parse_memory(argv[i + 2], &soft) ||
            !num_parse_i64(argv[i + 3], &seconds) || seconds < 0 || hard > INT64_MAX ||
            soft > INT64_MAX || seconds > INT32_MAX)
            return status_make(ST_INVALID, "Error in hard, soft or soft_seconds setting in buffer "
                                           "limit configuration.");
        next[class] = (output_limit){(int64_t)hard, (int64_t)soft, seconds};
    }
    memcpy(session_config.output, next, sizeof next);
    return STATUS_OK;
}

/* In bytes, as Redis shows them. */
static void get_output_limits(const setting *s, buf *out) {
    (void)s;
    for (int i = 0; i < OUTPUT_CLASSES; i++) {
        const output_limit *l = &session_config.output[i];
        buf_printf(out, "%s%s %lld %lld %lld", i ? " " : "", class_names[i], (long long)l->hard,
                   (long long)l->soft, (long long)l->soft_seconds);
    }
}

/* All or none; an empty word is none. */
static status set_percentiles(const setting *s, int argc, const slice *argv) {
    double next[PERCENTILES_MAX];
    int n = 0;
    (void)s;
    for (int i = 0; i < argc; i++) {
        if (argc == 1 && argv[i].len == 0) break;
        if (n == PERCENTILES_MAX)
            return status_make(ST_INVALID, "at most %d percentiles", PERCENTILES_MAX);
        if (!num_parse_double(argv[i], &next[n]))
            return status_make(ST_INVALID, "Invalid latency-tracking-info-percentiles parameters");
        if (next[n] < 0 || next[n] > 100)
            return status_make(ST_INVALID, "latency-tracking-info-percentiles should be between "
                                           "0.0 and 100.0 inclusive");
        n++;
    }
    memcpy(session_config.percentiles, next, (size_t)n * sizeof *next);
    session_config.n_percentiles = n;
    return STATUS_OK;
}

/* As short as they were given. */
static void get_percentiles(const setting *s, buf *out) {
    (void)s;
    for (int i = 0; i < session_config.n_percentiles; i++)
        buf_printf(out, "%s%.10g", i ? " " : "", session_config.percentiles[i]);
}

/* Refuses what the system will not give. */
static status apply_maxclients(const setting *s) {
    int64_t can;
    (void)s;
    return descriptors_reserve(session_config.maxclients, &can);
}

/* Whoever knows the users hears of it. */
static status apply_password(const setting *s) {
    (void)s;
    identity_password_changed();
    return STATUS_OK;
}

#define BOOL(name, field, value)                                                                   \
    { name, NULL, SETTING_BOOL, 0, &session_config.field, value, 0, 0, NULL, NULL, NULL, NULL }
#define NUMBER(name, kind, field, value, min, max)                                                 \
    { name, NULL, kind, 0, &session_config.field, value, min, max, NULL, NULL, NULL, NULL }

const setting session_settings[] = {
    NUMBER("timeout", SETTING_INT, timeout, "0", 0, INT32_MAX),
    NUMBER("tcp-keepalive", SETTING_INT, tcp_keepalive, "300", 0, INT32_MAX),
    {"maxclients", NULL, SETTING_INT, 0, &session_config.maxclients, "10000", 1, UINT32_MAX, NULL,
     apply_maxclients, NULL, NULL},
    {"client-output-buffer-limit", NULL, SETTING_CUSTOM, SETTING_MULTI_ARG | SETTING_MANY_LINES,
     NULL, "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60", 0, 0, NULL, NULL,
     set_output_limits, get_output_limits},
    NUMBER("client-query-buffer-limit", SETTING_MEMORY, query_limit, "1gb", 1 << 20, INT64_MAX),
    NUMBER("proto-max-bulk-len", SETTING_MEMORY, max_bulk, "512mb", 1 << 20, INT64_MAX),
    NUMBER("maxmemory-clients", SETTING_PERCENT_OR_MEMORY, maxmemory_clients, "0", -100, INT64_MAX),
    BOOL("protected-mode", protected_mode, "yes"),
    {"requirepass", NULL, SETTING_STRING, SETTING_SENSITIVE, &session_config.requirepass, "", 0, 0,
     NULL, apply_password, NULL, NULL},
    BOOL("latency-tracking", latency_tracking, "yes"),
    {"latency-tracking-info-percentiles", NULL, SETTING_CUSTOM, SETTING_MULTI_ARG, NULL,
     "50 99 99.9", 0, 0, NULL, NULL, set_percentiles, get_percentiles},
    {0},
};
