/* slow: see slow.h. The names are in observe/README.md, as it is there that people meet them. */
#include "base/slow.h"

#include <stddef.h>

uint64_t slow_from_us;
static void (*listener)(const char *name, uint64_t us);

/* The last one that listens is the only one. */
void slow_listen(uint64_t from_us, void (*tell)(const char *name, uint64_t us)) {
    listener = tell;
    slow_from_us = tell ? from_us : 0;
}

/* Also what began before anybody listened, if its time was taken anyway. */
void slow_took(const char *name, uint64_t us) {
    if (slow_from_us && us >= slow_from_us) listener(name, us);
}
