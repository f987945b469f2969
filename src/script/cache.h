/* cache: the scripts that EVALSHA knows, compiled, by the SHA1 of their text. */
#ifndef STAVE_SCRIPT_CACHE_H
#define STAVE_SCRIPT_CACHE_H

#include "base/sha1.h"
#include "script/vm.h"
#include "session/client.h"
#include "session/list.h"

#define CACHE_EVALS 500 /* scripts that only EVAL has brought: the least recently used go */

typedef struct script {
    list_node link; /* among those that only EVAL has brought, the latest last */
    bool loaded;    /* SCRIPT LOAD: stays until SCRIPT FLUSH */
    bool fresh;     /* came in a transaction that has not ended, and may have to run again */
    unsigned flags; /* enum script_flags */
    int function;   /* reference in the state's registry */
    char sha[SHA1_HEX_LEN + 1];
    size_t len;
    char body[];
} script;

/* The state in which they run. */
vm *cache_vm(void);
/* By digest, in letters of any case; NULL if it is not known. */
script *cache_find(slice sha);
/* By text, compiled now if it is not known; NULL after having replied to c with the error. loaded:
 * by SCRIPT LOAD. */
script *cache_add(client *c, slice body, bool loaded);
/* Forgets all, and the state. REQUIRES: none runs. */
void cache_flush(void);
/* For INFO. */
size_t cache_count(void);
size_t cache_bytes(void);
uint64_t cache_evicted(void);

#endif
