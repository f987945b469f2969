/* When the process uses more than maxmemory: what the engine can give back that is not data.
 *
 * The value cache is halved as often as it takes, down to nothing. After a while without need it is
 * doubled again, up to its setting; that while doubles each time it was too short, so that a server
 * at its limit does not lose its cache again and again (a new size begins empty).
 *
 * Places in the arena that deleted entries have left go back to the system only when a whole chunk
 * is empty, which random deletes seldom bring about. New entries will use them: they are told as
 * vacant, so that the keyspace does not evict every key for nothing. Nor would evicting shrink the
 * log's tail, to which each delete adds a record: it counts as vacant too, and is fsynced sooner.
 */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/ops.h"
#include "engine/bitcask/pdb.h"

#define HALVINGS_MAX 10 /* then it is switched off */
#define QUIET_MIN_US (60 * 1000000ull)
#define QUIET_MAX_US (3600 * 1000000ull)
#define TAIL_LARGE   (1u << 20) /* its fsync need not wait for its second */

/* What the setting allows after as many halvings as need has brought about. */
static uint64_t cache_limit(const bitcask *e) {
    uint64_t whole = (uint64_t)bitcask_conf.value_cache_size;
    return e->halvings > HALVINGS_MAX ? 0 : whole >> e->halvings;
}

/* What the cache takes now, which may be less than it may take, or for a while more. */
static uint64_t cache_bytes(const bitcask *e) {
    cache_stats c;
    cache_stats_of(e->values, &c);
    return c.bytes;
}

/* The cache takes no more than that many bytes from now on. */
static void shrink_cache(bitcask *e, uint64_t bytes) {
    while (e->halvings <= HALVINGS_MAX && cache_limit(e) > bytes)
        e->halvings++;
    cache_set_limit(e->values, cache_limit(e));
    while (cache_trim(e->values))
        continue;
}

/* Bytes of the arena that no entry and no page of a living database uses, and of the log's tail. */
static uint64_t vacant_bytes(const bitcask *e) {
    uint64_t used = e->system->keys ? keydir_bytes(e->system->keys) : 0;
    uint64_t mapped = arena_bytes(e->shared.arena);
    for (uint32_t i = 0; i < e->ndbs; i++)
        if (e->map[i] && e->map[i]->keys) used += keydir_bytes(e->map[i]->keys);
    return (mapped > used ? mapped - used : 0) + logwrite_memory(e->log.tail);
}

/* engine_relieve: first what is vacant counts against `over`; only the rest is taken from the
 * cache, and at `everysec` a long tail is fsynced sooner. */
uint64_t bc_relieve(engine *base, uint64_t over) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->log.open);
    uint64_t vacant = vacant_bytes(e), cached = cache_bytes(e);
    if (over > vacant && cached > 0) {
        uint64_t give = over - vacant;
        e->quiet_us = e->quiet_us ? e->quiet_us * 2 : QUIET_MIN_US;
        if (e->quiet_us > QUIET_MAX_US) e->quiet_us = QUIET_MAX_US;
        shrink_cache(e, cached > give ? cached - give : 0);
        CHECK(e->quiet_us >= QUIET_MIN_US && e->quiet_us <= QUIET_MAX_US);
    }
    if (over > vacant) e->relieved_us = bc_now_us(e);
    bool everysec = log_conf.appendfsync == ENGINE_FSYNC_EVERYSEC;
    if (everysec && logwrite_memory(e->log.tail) > TAIL_LARGE) e->log.want_sync = true;
    return vacant;
}

/* Doubles the cache again when it was quiet for long enough; and passes the setting on, which may
 * have been changed. */
void bc_cache_cron(bitcask *e) {
    uint64_t now = bc_now_us(e);
    CHECK(!e->halvings || e->quiet_us > 0);
    if (e->halvings && now - e->relieved_us > e->quiet_us) {
        e->halvings--;
        e->relieved_us = now;
        if (!e->halvings) e->quiet_us = 0;
    }
    cache_set_limit(e->values, cache_limit(e));
}
