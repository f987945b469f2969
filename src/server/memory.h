/* memory: what the process' memory is used for; INFO's section Memory and the MEMORY commands that
 * tell of the whole server. */
#ifndef STAVE_SERVER_MEMORY_H
#define STAVE_SERVER_MEMORY_H

#include "base/mem.h"
#include "server/server.h"

/* overhead = startup + caches + buffers + freed + clients + scripts and their states; dataset is
 * all the rest that is used: the index with its keys and small values, and `other`, which nobody
 * counts. */
typedef struct memory_account {
    uint64_t used, peak, rss, startup;
    uint64_t index, caches, buffers; /* the engine's; the index is part of the dataset */
    uint64_t freed;                  /* waits to go back to the system (base/mem_later.h) */
    uint64_t clients;
    uint64_t lua, functions; /* scripts and functions that are kept */
    uint64_t states;         /* the Lua states in which they run */
    uint64_t other;          /* used, less startup and all parts */
    uint64_t overhead, dataset, net;
    uint64_t keys;
    mem_allocator_stats allocator;
    uint64_t mapped; /* pages that are not the allocator's */
} memory_account;

void memory_take_account(memory_account *out);
/* a / b, 0 when there is no b. */
static inline double memory_ratio(uint64_t a, uint64_t b) {
    return b ? (double)a / (double)b : 0;
}

status memory_start(server *s);
const metric_section *memory_sections(server *s);
extern const command memory_commands[]; /* rows of the container MEMORY */

#endif
