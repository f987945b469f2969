/* latency: the samples behind the LATENCY command; private to this folder. */
#ifndef STAVE_OBSERVE_LATENCY_H
#define STAVE_OBSERVE_LATENCY_H

#include "session/command.h"

#define LATENCY_SAMPLES 160

typedef struct latency_sample {
    int64_t second; /* since the epoch */
    uint32_t ms;    /* the worst in that second */
} latency_sample;

typedef struct latency_series {
    latency_sample samples[LATENCY_SAMPLES];
    int first, count;
    uint32_t max_ms; /* of all time */
} latency_series;

int64_t latency_threshold_ms(void);
latency_series *latency_find(slice name); /* NULL if nothing of that name was slow */
bool latency_next(size_t *pos, slice *name, latency_series **out);
/* Sample i, 0 the oldest. REQUIRES: i < count. */
const latency_sample *latency_at(const latency_series *t, int i);

command_result latency_doctor(client *c);
command_result latency_graph(client *c);
command_result latency_histogram(client *c);

#endif
