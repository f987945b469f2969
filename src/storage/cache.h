/* cache: values by their place in the log, bounded in bytes.
 *
 * A value is found by the log position of its record, which never means another value, so nothing
 * has to be told to the cache when a key changes. Values lie one after the other in segments of the
 * cache's own pages, which children do not get. What goes when room is needed is decided by SIEVE
 * (Zhang et al., NSDI 2024): a hand walks from the oldest to the newest value, spares and unmarks
 * those that were read since it last passed, and drops the others; new values come in at the young
 * end. A value that is worth more than others can have lives: so often the hand spares it without a
 * read. Every call does a bounded amount of work. */
#ifndef STAVE_STORAGE_CACHE_H
#define STAVE_STORAGE_CACHE_H

#include "base/slice.h"

typedef struct cache cache;

/* limit: bytes in all, tables included; 0 keeps nothing. */
cache *cache_new(uint64_t limit);
void cache_free(cache *c);
/* Whose values nobody will ask for again, by their position: the hand spares none of them. Asked
 * at least once for each that it would spare. */
void cache_set_dead(cache *c, bool (*is_dead)(void *ctx, uint64_t pos), void *ctx);
/* Takes effect at once for what comes in; memory above a smaller limit goes in cache_trim(). */
void cache_set_limit(cache *c, uint64_t limit);
/* Gives back memory above the limit, at most about a segment's worth; true if there is more. */
bool cache_trim(cache *c);
/* The longest value that is kept; longer ones are better left to the system's page cache. */
size_t cache_value_max(const cache *c);

/* The value is a slice into the cache, valid until the next cache_put, _reserve or _trim. */
bool cache_get(cache *c, uint64_t pos, slice *value);
/* Where a value was when it was read last: zeroed, nowhere. Whoever reads a value often keeps one
 * for it, with one cache only. */
typedef struct cache_hint {
    uint32_t ref, era;
} cache_hint;
/* As cache_get, but that it looks where the hint says first, and has the hint say where the value
 * is now: two lines of memory less to be waited for. */
bool cache_get_hinted(cache *c, uint64_t pos, cache_hint *h, slice *value);
/* Brings the value's beginning near, and its byte `at`, if the hint should still be right. */
void cache_hint_prefetch(const cache *c, const cache_hint *h, size_t at);
/* The same without counting and without telling the hand: for who only prepares a read. */
bool cache_peek(const cache *c, uint64_t pos, slice *value);
/* Brings a value nearer in two steps: its place in the table, then so many bytes of the value. */
void cache_prefetch(const cache *c, uint64_t pos, unsigned step, size_t bytes);
/* Copies a value in. Does nothing if it is too long. REQUIRES: pos is not in the cache. */
void cache_put(cache *c, uint64_t pos, slice value);
/* Makes room for a value of that length and returns where its bytes go; NULL if it is too long.
 * Until they are there, no other call but cache_drop(pos), if they don't come. REQUIRES: pos is not
 * in the cache. */
char *cache_reserve(cache *c, uint64_t pos, size_t len, unsigned lives);
#define CACHE_LIVES_MAX 15
/* Forgets a value, if it is there. */
void cache_drop(cache *c, uint64_t pos);
/* The record moved: its value is found under `to` from now on. */
void cache_move(cache *c, uint64_t from, uint64_t to);

/* Full segments on small pages, at most so many: each MEM_LARGE bytes for mem_enlarge(), which any
 * thread may call until cache_enlarge_end(); nothing is unmapped meanwhile. Returns how many; if
 * none, it has not begun. */
int cache_enlarge_begin(cache *c, void **mem, int most);
void cache_enlarge_end(cache *c);

typedef struct cache_stats {
    uint64_t hits, misses, evictions; /* since cache_new */
    uint64_t items;
    uint64_t value_bytes; /* of the values held */
    uint64_t bytes;       /* of memory, all included */
    uint64_t limit;
} cache_stats;
void cache_stats_of(const cache *c, cache_stats *out);

/* Walks everything and aborts on a broken invariant. */
void cache_check(const cache *c);

#endif
