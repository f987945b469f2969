/* expect: asking for the keys of commands that are going to run in this batch.
 *
 * What waits for the disk runs again from its start (CMD_AGAIN), and an MGET of a hundred keys, or
 * a transaction of a hundred reads, would do so a hundred times. So when a command waits, all keys
 * that its arguments name are asked for, and so are those of the commands behind it in a
 * transaction: the reads run side by side, and the next run finds them. Guesses cost a read at
 * most: a command may not come to its keys, or be in another database by then. */
#include "session/inside.h"

#include "base/mem.h"

#define KEYS_MAX 1024 /* of one command; more come in the next round */

/* The value too where the command looks at it: a SET needs to know its key's entry alone. */
void inside_expect(client *c, const command_row *row, int argc, const slice *argv) {
    engine *e = ks_engine(c->ks);
    int *at = mem_alloc((size_t)argc * sizeof *at);
    unsigned *flags = mem_zalloc((size_t)argc * sizeof *flags);
    int n = command_keys(row, argv, argc, at, flags);
    for (int i = 0; i < n && i < KEYS_MAX; i++) {
        entry ent;
        bool value = flags[i] & (KEY_RO | KEY_ACCESS);
        if (flags[i] & KEY_NOT_KEY) continue;
        engine_result r = (value ? engine_get : engine_meta)(e, c->db, argv[at[i]], &ent);
        if (r == ENGINE_ERROR) break; /* who runs into it again says so */
    }
    mem_free(at);
    mem_free(flags);
}
