/* Access state: 24 bits an entry, in RAM only, that say when or how often it was used.
 *
 *   LRU   seconds of the wall clock, modulo 2^24 (194 days)
 *
 *         23            8 7        0
 *   LFU   | minutes: 16  | count: 8 |   minutes of the wall clock when the count last decayed,
 *                                       modulo 2^16 (45 days); a logarithmic counter
 *
 * The counter is Morris': it rises with probability 1 / ((count - 5) * lfu-log-factor + 1), so that
 * 255 stands for about a million uses at factor 10, and loses one every lfu-decay-time minutes. A
 * new key starts at 5, so that it is not the first to go.
 *
 * The state is not on disk. 0 means "not known since the start", and reads as if the entry had been
 * touched when the keyspace was made; no state that is written here is 0. */
#include "base/log.h"
#include "keyspace/internal.h"

#define LRU_MASK  0xffffffu
#define LFU_START 5u

/* The LRU clock. */
static uint32_t seconds(const keyspace *ks) {
    uint32_t s = (uint32_t)(ks->clock->wall_ms / 1000) & LRU_MASK;
    return s ? s : 1;
}

/* The LFU clock. */
static uint32_t minutes(const keyspace *ks) {
    return (uint32_t)(ks->clock->wall_ms / 60000) & 0xffffu;
}

bool ks_policy_is_lfu(const keyspace *ks) {
    (void)ks;
    return (ks_conf.policy & POLICY_RANK) == POLICY_LFU;
}

/* The state of a key that is made now. */
uint32_t access_fresh(const keyspace *ks) {
    return ks_policy_is_lfu(ks) ? minutes(ks) << 8 | LFU_START : seconds(ks);
}

/* The state, or what stands for it if it is not known. */
uint32_t access_known(keyspace *ks, uint32_t access) {
    if (access) return access;
    if (!ks->born || ks->born_lfu != ks_policy_is_lfu(ks)) {
        ks->born = access_fresh(ks);
        ks->born_lfu = ks_policy_is_lfu(ks);
    }
    return ks->born;
}

/* The counter, less what it lost since it last changed. */
static uint32_t decayed(const keyspace *ks, uint32_t access) {
    uint32_t then = access >> 8, count = access & 0xff, now = minutes(ks);
    uint32_t elapsed = now >= then ? now - then : 0xffffu - then + now;
    if (ks_conf.lfu_decay_time == 0) return count;
    uint64_t lost = elapsed / (uint64_t)ks_conf.lfu_decay_time;
    return lost > count ? 0 : count - (uint32_t)lost;
}

/* The counter after one more use. */
static uint32_t risen(keyspace *ks, uint32_t count) {
    if (count == 255) return 255;
    uint32_t base = count > LFU_START ? count - LFU_START : 0;
    double p = 1.0 / ((double)base * (double)ks_conf.lfu_log_factor + 1);
    double r = (double)(rng_next(ks->rng) >> 11) * 0x1.0p-53;
    return r < p ? count + 1 : count;
}

/* The state after a use now. */
uint32_t access_touched(keyspace *ks, uint32_t access) {
    if (!ks_policy_is_lfu(ks)) return seconds(ks);
    uint32_t state = minutes(ks) << 8 | risen(ks, decayed(ks, access));
    CHECK(state <= LRU_MASK);
    return state ? state : 1;
}

uint32_t ks_idle_seconds(keyspace *ks, const entry *ent) {
    uint32_t then = access_known(ks, ent->access), now = seconds(ks);
    return now >= then ? now - then : now + (LRU_MASK - then);
}

uint32_t ks_frequency(keyspace *ks, const entry *ent) {
    return decayed(ks, access_known(ks, ent->access));
}

/* The LRU clock goes round, and so does what is subtracted from it. */
engine_result ks_set_access(keyspace *ks, uint32_t db, slice key, int64_t idle, int64_t frequency) {
    entry ent;
    bool lfu = ks_policy_is_lfu(ks);
    if ((lfu ? frequency : idle) < 0) return ENGINE_OK;
    CHECK(ks->depth > 0 && frequency <= 255);
    engine_result r = engine_meta(ks->engine, db, key, &ent);
    if (r != ENGINE_OK) return r;
    uint32_t access =
        lfu ? minutes(ks) << 8 | (uint32_t)frequency
            : (seconds(ks) - (uint32_t)(idle < LRU_MASK ? idle : LRU_MASK)) & LRU_MASK;
    engine_set_access(ks->engine, &ent, access ? access : 1);
    return ENGINE_OK;
}
