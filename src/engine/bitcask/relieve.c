/* Under maxmemory: how large the value cache is, and what the engine can give back beside it.
 *
 * The cache has, by cron, what all others leave of the limit, less room for the log's tail, which
 * comes and goes. RSS counts where it is more than what is known to be used (code, the
 * allocator's free pages), so it stays below the limit while there is a cache to give way.
 *
 * Should more be needed between two crons, it is halved as often as it takes, down to nothing.
 * After a while without need it is doubled again, up to its setting; that while doubles each time
 * it was too short, so that a server at its limit does not lose its cache again and again (a new
 * size begins empty).
 *
 * Places in the arena that deleted entries have left go back to the system only when a whole chunk
 * is empty, which random deletes seldom bring about. New entries will use them: they are told as
 * vacant, so that the keyspace does not evict every key for nothing. Nor would evicting shrink the
 * log's tail, to which each delete adds a record: it counts as vacant too, and is fsynced sooner;
 * or what clients that wait for the disk hold (fetch), which goes by itself.
 */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/ops.h"
#include "engine/bitcask/pdb.h"

#define HALVINGS_MAX 10 /* then it is switched off */
#define QUIET_MIN_US (60 * 1000000ull)
#define QUIET_MAX_US (3600 * 1000000ull)
#define TAIL_LARGE   (1u << 20) /* its fsync need not wait for its second */
#define TAIL_PART    3 /* of the budget, and no more than TAIL_ROOM, is kept for the tail */
#define TAIL_ROOM    (32ull << 20)
#define KEPT_PART    16 /* of the budget: what comes between two crons */
#define KEPT_ALWAYS  (8ull << 20)

/* What the cache takes now, which may be less than it may take, or for a while more. */
static uint64_t cache_bytes(const bitcask *e) {
    cache_stats c;
    cache_stats_of(e->values, &c);
    return c.bytes;
}

/* What the setting allows after as many halvings as need has brought about, and the others leave
 * of the limit. */
static uint64_t cache_limit(const bitcask *e) {
    uint64_t whole = (uint64_t)bitcask_conf.value_cache_size;
    if (e->halvings > HALVINGS_MAX) return 0;
    whole >>= e->halvings;
    if (e->budget == 0) return whole;
    uint64_t tail = logwrite_memory(e->log.tail), room = e->budget / TAIL_PART;
    if (room > TAIL_ROOM) room = TAIL_ROOM;
    /* RSS has what is not counted: the allocator's free pages, which it keeps for a while, code */
    uint64_t others = mem_used() + KEPT_ALWAYS, rss = mem_rss();
    if (others < rss) others = rss;
    others += e->budget / KEPT_PART + (tail < room ? room - tail : 0);
    uint64_t cached = cache_bytes(e), most = e->budget + cached;
    return most <= others ? 0 : most - others < whole ? most - others : whole;
}

/* The cache takes no more than that many bytes from now on. */
static void shrink_cache(bitcask *e, uint64_t bytes) {
    while (e->halvings <= HALVINGS_MAX && cache_limit(e) > bytes)
        e->halvings++;
    cache_set_limit(e->values, cache_limit(e));
    while (cache_trim(e->values))
        continue;
}

/* Bytes of the arena that no entry and no page of a living database uses, of the log's tail, and of
 * reads for clients that wait. */
static uint64_t vacant_bytes(const bitcask *e) {
    uint64_t used = e->system->keys ? keydir_bytes(e->system->keys) : 0;
    uint64_t mapped = arena_bytes(e->shared.arena);
    for (uint32_t i = 0; i < e->ndbs; i++)
        if (e->map[i] && e->map[i]->keys) used += keydir_bytes(e->map[i]->keys);
    return (mapped > used ? mapped - used : 0) + logwrite_memory(e->log.tail) +
           fetch_stats_of(e->fetch)->held_bytes;
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
    uint64_t limit = cache_limit(e);
    cache_stats c;
    cache_stats_of(e->values, &c);
    uint64_t apart = limit > c.limit ? limit - c.limit : c.limit - limit;
    /* with a budget it changes all the time: a little more or less is not worth the work */
    if (!e->budget || limit == 0 || apart > c.limit / 32) cache_set_limit(e->values, limit);
    while (e->budget && cache_trim(e->values))
        continue;
}

/* engine_budget: the cache follows with the next cron. */
void bc_budget(engine *base, uint64_t bytes) {
    bitcask *e = bitcask_of(base);
    e->budget = bytes;
    fetch_budget(e->fetch, bytes);
}
