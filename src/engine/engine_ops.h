/* engine_ops: the table of functions that an engine implements, and how it is opened; engine.h,
 * which includes this, has the contract of each beside the function that callers use. */
#ifndef STAVE_ENGINE_ENGINE_OPS_H
#define STAVE_ENGINE_ENGINE_OPS_H

#include "engine/model.h"

typedef struct engine_ops {
    const char *name; /* "bitcask", "lsm" */
    /* Keys are not in memory: maxmemory sizes what is (engine_budget), no key is evicted for it and
     * no write refused. */
    bool no_eviction;
    /* rank and select cost the logarithm of the count, not a walk. */
    bool counted;
    void (*close)(engine *e);

    /* -- main entries ---------------------------------------------------------------------- */
    engine_result (*get)(engine *e, uint32_t db, slice key, entry *out);
    engine_result (*meta)(engine *e, uint32_t db, slice key, entry *out);
    engine_result (*put)(engine *e, uint32_t db, slice key, const entry *ent);
    engine_result (*del)(engine *e, uint32_t db, slice key);
    engine_result (*move)(engine *e, uint32_t db, slice key, uint32_t to_db, slice to_key);
    void (*set_access)(engine *e, const entry *ent, uint32_t access);

    /* -- collections ----------------------------------------------------------------------- */
    engine_result (*coll_new)(engine *e, uint32_t db, slice key, engine_coll *out);
    engine_result (*coll_open)(engine *e, uint32_t db, slice key, const entry *ent,
                               engine_coll *out);
    engine_result (*map_get)(engine *e, engine_coll *c, unsigned map, slice sub, map_iter *out);
    engine_result (*map_put)(engine *e, engine_coll *c, unsigned map, slice sub, slice value,
                             int64_t expire);
    engine_result (*map_del)(engine *e, engine_coll *c, unsigned map, slice sub);
    uint64_t (*map_count)(engine *e, engine_coll *c, unsigned map);
    engine_result (*map_seek)(engine *e, engine_coll *c, unsigned map, slice from, bool backward,
                              map_iter *out);
    engine_result (*map_end)(engine *e, engine_coll *c, unsigned map, bool last,
                             slice *sub); /* NULL: by map_seek */
    engine_result (*map_step)(engine *e, map_iter *it, bool backward);
    engine_result (*map_rank)(engine *e, engine_coll *c, unsigned map, slice sub, uint64_t *rank);
    engine_result (*map_select)(engine *e, engine_coll *c, unsigned map, uint64_t rank,
                                map_iter *out);

    /* -- whole databases -------------------------------------------------------------------- */
    engine_result (*flush)(engine *e, int32_t db);
    engine_result (*swap)(engine *e, uint32_t a, uint32_t b);
    void (*db_stats)(engine *e, uint32_t db, engine_db_stats *out);
    engine_result (*scan)(engine *e, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                          void (*each)(void *ctx, slice key, const entry *meta), void *ctx);
    uint64_t (*token)(engine *e, slice key);
    void (*prefetch)(engine *e, uint32_t db, slice key, bool value); /* may be NULL */
    engine_result (*random)(engine *e, uint32_t db, bool with_expire, buf *key, entry *meta);
    engine_result (*due)(engine *e, int64_t now_ms, uint32_t *db, buf *key, int64_t *when);

    /* -- batches, the log --------------------------------------------------------------------- */
    void (*begin)(engine *e);
    void (*commit)(engine *e);
    void (*abort)(engine *e);
    status (*room)(engine *e, size_t bytes);
    uint64_t (*pace)(engine *e, size_t bytes); /* may be NULL */
    void (*turn_end)(engine *e);
    log_pos (*log_end)(engine *e);
    log_pos (*released)(engine *e);
    log_pos (*durable)(engine *e);
    status (*failed)(engine *e);
    status (*sync)(engine *e);
    void (*sync_soon)(engine *e); /* may be NULL */

    /* -- life -----------------------------------------------------------------------------------
     */
    bool (*background)(engine *e, uint64_t budget_us);
    void (*cron)(engine *e);
    status (*compact)(engine *e);
    void (*memory)(engine *e, uint64_t *index, uint64_t *caches, uint64_t *buffers);
    uint64_t (*relieve)(engine *e, uint64_t over);   /* may be NULL */
    void (*budget)(engine *e, uint64_t bytes);       /* may be NULL */
    void (*reader_end)(engine *e, engine_reader *r); /* NULL: it never holds anything */
    status (*error)(engine *e);
    status (*check)(engine *e, buf *report);
} engine_ops;

struct engine {
    const engine_ops *ops;
    engine_reader *reader; /* engine_read_for */
};

/* What an engine exports: how to open it, and what it lets the user set and see. */
typedef struct engine_class {
    const char *name;
    /* Opens or creates opt->dir and recovers. The env and dir must outlive the engine. ST_BUSY:
     * held by another process. ST_INVALID: another engine's directory, or cluster mode differs.
     * ST_CORRUPT: acknowledged data is damaged: file, offset, and stave-check in the message. */
    status (*open)(const engine_options *opt, engine **out);
    const setting *settings;
    const metric_section *(*metrics)(engine *e); /* ended by {0}; lives as long as e */
} engine_class;

extern const engine_class bitcask_class;

/* What a user may set of the log, whichever engine it serves; beside the engines' own. */
extern const setting log_setting_table[];

#endif
