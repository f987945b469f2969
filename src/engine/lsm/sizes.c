/* sizes: what memory goes to what.
 *
 * Memtables and tables have the sizes that are set, if the disk is not small for that: then they
 * are parts of what it could hold. The block cache has its own. With a budget (maxmemory):
 *
 *   an eighth   a memtable, at most; there may be three of them, and writes stop before there are
 *               more (pace.c). Room is kept for those there are and the next
 *   an eighth   and 12 MiB are kept off: the process itself, clients, the log's tail, what the
 *               allocator and fragments take; together not more than a half
 *   the rest    the block cache, less what open tables hold in memory
 *
 * So the cache gives way where somebody writes, a memtable ahead, and gets the room back when
 * nobody has for a while; what the allocator still holds of memtables goes back to the system
 * before that. If the process is too large all the same, the cache gives way (engine_relieve) in
 * steps of a part of it, and gets it back when a while has passed. No key is ever evicted for
 * memory's sake. */
#include "base/mem.h"
#include "engine/lsm/jobs.h"
#include "engine/lsm/ops.h"
#include "engine/lsm/space.h"

#define MIB            ((uint64_t)1 << 20)
#define MEMTABLE_LEAST (64u << 10)
#define MEMTABLE_PART  8  /* of the budget */
#define MEMTABLE_PARTS 64 /* of the disk */
#define TABLE_PARTS    256
#define TABLE_LEAST    (16u << 10)
#define KEPT_PART      8
#define KEPT_ALWAYS    (12 * MIB)
#define CACHE_LEAST    (1 * MIB) /* with a budget */
#define STEPS          8         /* in which the cache gives way */
#define QUIET_US       (60 * 1000000ull)

/* As set, or as the disk allows. */
uint64_t lsm_table_size(const lsm *e) {
    CHECK(lsm_conf.table_size > 0);
    return space_part(e, (uint64_t)lsm_conf.table_size, TABLE_PARTS, TABLE_LEAST);
}

/* As set, or as the budget and the disk allow. */
uint64_t lsm_memtable_size(const lsm *e) {
    uint64_t size = (uint64_t)lsm_conf.memtable_size, most = e->budget / MEMTABLE_PART;
    size = space_part(e, size, MEMTABLE_PARTS, MEMTABLE_LEAST);
    CHECK(size > 0);
    if (e->budget == 0 || size <= most) return size;
    return most > MEMTABLE_LEAST ? most : MEMTABLE_LEAST;
}

/* Memory of open tables: top indexes and properties. */
uint64_t lsm_tables_ram(const lsm *e) {
    uint64_t sum = 0;
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        for (uint32_t i = 0; i < e->current->level[l].n; i++)
            sum += table_ram(e->current->level[l].tables[i]->t);
    CHECK(sum > 0 || version_tables(e->current) == 0);
    return sum;
}

/* a - b, at least 0. */
static uint64_t less(uint64_t a, uint64_t b) {
    uint64_t rest = a > b ? a - b : 0;
    CHECK(rest <= a);
    return rest;
}

/* Room for memtables: those there are, and another. */
static uint64_t memtables_room(const lsm *e) {
    uint64_t size = lsm_memtable_size(e), room = size;
    for (const memtable *m = e->active; m; m = m->older)
        room += memtable_bytes(m);
    for (const memtable *m = e->dying; m; m = m->older)
        room += memtable_bytes(m);
    CHECK(room >= size);
    return room < BUDGET_MEMTABLES * size ? room : BUDGET_MEMTABLES * size;
}

/* By cron: more room at once, less when it is quiet. */
static void follow_memtables(lsm *e) {
    uint64_t room = memtables_room(e), *kept = &e->jobs->memtables_room;
    CHECK(room > 0);
    if (room == *kept || (room < *kept && !quiet_is(e))) return;
    if (e->budget && room < *kept) mem_purge();
    *kept = room;
}

/* Before anything was given back. */
static uint64_t whole_cache(const lsm *e) {
    CHECK(e->current != NULL);
    if (e->budget == 0) return (uint64_t)lsm_conf.block_cache_size;
    uint64_t kept = e->budget / KEPT_PART + KEPT_ALWAYS, size = e->budget;
    size = less(size, kept < e->budget / 2 ? kept : e->budget / 2);
    uint64_t room = memtables_room(e);
    if (e->jobs && e->jobs->memtables_room > room) room = e->jobs->memtables_room;
    size = less(size, room);
    size = less(size, lsm_tables_ram(e));
    return size > CACHE_LEAST ? size : CACHE_LEAST;
}

/* For a new engine, and by cron. */
uint64_t lsm_cache_size(const lsm *e) {
    CHECK(e->current != NULL);
    return less(whole_cache(e), e->jobs ? e->jobs->relief : 0);
}

/* Some of what was given up comes back; settings and the tables' memory may have changed. */
void sizes_cron(lsm *e) {
    struct lsm_jobs *js = e->jobs;
    uint64_t now = lsm_now_us(e), before = js->relief;
    CHECK(e->blocks != NULL);
    if (js->relief && now - js->relieved_us > QUIET_US) {
        js->relief = less(js->relief, whole_cache(e) / STEPS + 1);
        js->relieved_us = now;
    }
    follow_memtables(e);
    cache_stats c;
    cache_stats_of(e->blocks, &c);
    uint64_t size = lsm_cache_size(e), apart = size > c.limit ? size - c.limit : c.limit - size;
    /* a little more or less is not worth the work */
    if (apart > c.limit / 64 || size == 0 || js->relief != before) cache_set_limit(e->blocks, size);
}

/* engine_budget. */
void lsm_budget(engine *base, uint64_t bytes) {
    lsm *e = lsm_of(base);
    CHECK(e->jobs && e->blocks);
    e->budget = bytes;
    fetch_budget(e->supply.fetch, bytes);
    e->jobs->relief = 0;
    e->jobs->memtables_room = memtables_room(e);
    cache_set_limit(e->blocks, lsm_cache_size(e));
}

/* engine_relieve: what is asked for, rounded up to a part of the cache. There is nothing that an
 * eviction would only add to, as none is made. */
uint64_t lsm_relieve(engine *base, uint64_t over) {
    lsm *e = lsm_of(base);
    struct lsm_jobs *js = e->jobs;
    uint64_t now = lsm_now_us(e), whole = whole_cache(e), step = whole / STEPS + 1;
    CHECK(js != NULL);
    /* what was given a moment ago has yet to reach the system */
    if (over == 0 || (js->relief && now - js->relieved_us < 1000000)) return 0;
    js->relief += (over + step - 1) / step * step;
    if (js->relief > whole) js->relief = whole;
    js->relieved_us = now;
    cache_set_limit(e->blocks, lsm_cache_size(e));
    while (cache_trim(e->blocks))
        continue;
    return 0;
}

/* engine_memory: memtables grow with what is written, so they are buffers; open tables grow with
 * what is stored. */
void lsm_memory(engine *base, uint64_t *index, uint64_t *caches, uint64_t *buffers) {
    lsm *e = lsm_of(base);
    cache_stats c;
    CHECK(e->log.tail != NULL);
    cache_stats_of(e->blocks, &c);
    *index = lsm_tables_ram(e);
    *caches = c.bytes;
    *buffers = logwrite_memory(e->log.tail) + fetch_memory(e->supply.fetch) + e->batch.bytes.cap +
               e->raw.cap + e->value.cap + e->cell.cap + e->packed.cap + e->whole.cap +
               e->plain.cap + e->batch.cap * sizeof *e->batch.undo + lsm_walks_memory(e) +
               e->logged.bytes;
    for (const memtable *m = e->active; m; m = m->older)
        *buffers += btree_bytes(m->tree);
    for (const memtable *m = e->dying; m; m = m->older)
        *buffers += btree_bytes(m->tree);
}
