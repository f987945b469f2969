/* mem: allocation that never returns NULL, and the count of what is in use.
 *
 * Running out of memory is not an error that callers handle: the process says so and ends, as the
 * log on disk is whole at any instant. Sizes taken from the network or the disk are checked against
 * a stated maximum *before* they come here. */
#ifndef STAVE_BASE_MEM_H
#define STAVE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t n) __attribute__((returns_nonnull));
/* An array of twice as many elements, at least `first`; *cap is how many it has room for. */
void *mem_more(void *p, uint32_t *cap, uint32_t first, size_t size)
    __attribute__((returns_nonnull));
void mem_free(void *p);
void *mem_dup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));

/* Bytes that the allocator really gave for p (>= what was asked). */
size_t mem_size(const void *p);

/* Bytes in use in the process: the allocator's (from jemalloc's own statistics, so that counting
 * costs nothing per call) plus the pages of mem_map. */
uint64_t mem_used(void);
/* The highest mem_used() that mem_sample() (called from cron) has seen. */
uint64_t mem_used_peak(void);
void mem_sample(void);
/* Resident set of the process in bytes, from /proc/self/statm; 0 if that can't be read. */
uint64_t mem_rss(void);

/* Allocator totals for INFO: bytes allocated, active, resident, mapped. */
typedef struct mem_allocator_stats {
    uint64_t allocated, active, resident, mapped;
} mem_allocator_stats;
void mem_allocator(mem_allocator_stats *out);
/* "jemalloc-5.3.0" or "libc". */
const char *mem_allocator_name(void);
/* The bytes of mem_map alone. */
uint64_t mem_mapped(void);
/* The allocator's own report, in as many pieces as it likes, for people to read. */
void mem_report(void (*write)(void *ctx, const char *text), void *ctx);
/* Give free pages back to the system (jemalloc arena purge). */
void mem_purge(void);

/* Whole pages straight from the system, zeroed, counted in mem_used(). Children do not get them
 * (MADV_DONTFORK): for caches and buffers that no child reads. Multiples of MEM_LARGE begin at one.
 */
void *mem_map(size_t bytes) __attribute__((returns_nonnull));
void mem_unmap(void *p, size_t bytes);
/* Pages of mem_map that are about to be written, all of them: one call of the system, not a fault
 * for each. */
void mem_touch(void *p, size_t bytes);
/* Children get those pages of mem_map after all, from now on; the owner takes them off again
 * (mem_count_inherited) when they go. */
void mem_inherit(void *p, size_t bytes);
/* Moves what lies in those pages onto large ones, as far as the system has any; takes about a
 * millisecond for each 2 MiB. Addresses and contents stay, so any thread may do it beside whoever
 * uses them; one that touches a page just being moved waits for it. Holes come to be memory in use.
 * False: this system can't (before Linux 6.1). REQUIRES: p and bytes are multiples of MEM_LARGE, of
 * private anonymous memory with MADV_NOHUGEPAGE, which holds again afterwards. */
bool mem_enlarge(void *p, size_t bytes);
/* The same of pages that nobody has touched: nothing is moved, so nobody waits. False: this system
 * can't (it was built without large pages). */
bool mem_make_large(void *p, size_t bytes);
#define MEM_LARGE ((size_t)2 << 20)
/* Adjusts the count of mapped bytes, for owners that reserve address space and commit it in parts
 * (delta may be negative). */
void mem_count_mapped(int64_t delta);
/* Bytes in use that a child forked now would get: the allocator's, and those mapped ones that their
 * owners say children get. It is these that a fork takes time for. */
uint64_t mem_inherited(void);
void mem_count_inherited(int64_t delta);

#endif
