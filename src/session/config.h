/* config: the values of this folder's settings. */
#ifndef STAVE_SESSION_CONFIG_H
#define STAVE_SESSION_CONFIG_H

#include "base/setting.h"

/* client-output-buffer-limit: bytes (0: none), and for how long the soft one may be passed. */
enum output_class { OUTPUT_CLASS_NORMAL, OUTPUT_CLASS_REPLICA, OUTPUT_CLASS_PUBSUB };
#define OUTPUT_CLASSES 3
typedef struct output_limit {
    int64_t hard, soft, soft_seconds;
} output_limit;

#define PERCENTILES_MAX 16

typedef struct session_config_values {
    int64_t timeout, tcp_keepalive, maxclients;
    int64_t query_limit, max_bulk, maxmemory_clients;
    int protected_mode, latency_tracking;
    char *requirepass; /* NULL or "": none */
    output_limit output[OUTPUT_CLASSES];
    double percentiles[PERCENTILES_MAX]; /* latency-tracking-info-percentiles */
    int n_percentiles;
} session_config_values;

extern session_config_values session_config;

/* Is there a password that clients must give? */
static inline bool config_has_password(void) {
    return session_config.requirepass && session_config.requirepass[0];
}

#endif
