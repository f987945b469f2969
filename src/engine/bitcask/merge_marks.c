/* merge_marks: what of a merge's run is live, written down before the fork, so that the child need
 * not get the index.
 *
 * A fork copies the page table of all that the child gets, and every client waits meanwhile: some
 * 29 ms for each gigabyte of index. While the child lives, the first write to each page of it has
 * the kernel copy that page, and take large pages apart. Yet all that the child asks of the index
 * is one bit for each record of the run. So the thread walks the index, some hundred entries at a
 * time between two turns, and sets these bits: one for 16 bytes of file, as no record is shorter.
 *
 *   segment  |hdr|put a  |put b         |del c|put d   |...
 *   marks      0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 0 0     a and d have an entry that is here
 *
 * The walk takes as long as it takes, and clients write meanwhile. That is no harm: the run is
 * frozen, so an entry may stop pointing into it, and none begins to. What is marked is therefore
 * all that is live at the fork, and some of what was so before; the parent looks again anyway
 * before it moves an entry (B5).
 *
 * A small index goes with the fork, as that is over before a walk would be; and so does one that
 * takes less memory than four times the marks, which are for a long run of large values. */
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/merge.h"

#define GRAIN      ((uint64_t)16) /* bytes of file that a mark stands for */
#define SOME       256u           /* entries of a slice */
#define MARKS_PART 4              /* of the index: what the marks may take */
_Static_assert(GRAIN <= RECORD_HEADER, "two records never begin in one grain");

/* Bytes of the marks of one segment. */
static uint64_t marks_bytes(const segment *s) {
    CHECK(s->log.end > FILE_HEADER);
    return (s->log.end / GRAIN / 64 + 1) * sizeof(uint64_t);
}

/* For who counts memory. */
uint64_t merge_marks_bytes(const bitcask *e) {
    const merge_job *j = e->merge;
    uint64_t sum = 0;
    for (uint32_t i = 0; j && i < j->nrun; i++)
        sum += j->run[i]->marks ? marks_bytes(j->run[i]) : 0;
    return sum;
}

/* Is the run's merge to be told by marks, and not to get the index? */
bool merge_marks_worth(const merge_job *j) {
    uint64_t index = arena_bytes(j->e->shared.arena), sum = 0;
    CHECK(j->step == MERGE_NAMING && j->nrun > 0);
    for (uint32_t i = 0; i < j->nrun; i++)
        sum += marks_bytes(j->run[i]);
    return index > (uint64_t)bitcask_conf.fork_index_max && sum <= index / MARKS_PART;
}

/* Databases that come later have nothing in the run. */
void merge_marks_begin(merge_job *j) {
    bitcask *e = j->e;
    size_t pos = 0;
    slice number;
    void *d;
    CHECK(!j->pdbs && j->nrun > 0);
    for (uint32_t i = 0; i < j->nrun; i++) {
        CHECK(j->run[i]->frozen && !j->run[i]->marks);
        j->run[i]->marks = mem_zalloc(marks_bytes(j->run[i]));
    }
    j->pdbs = mem_alloc((dict_count(e->pdbs) + 1) * sizeof *j->pdbs);
    while (dict_next(e->pdbs, &pos, &number, &d))
        j->pdbs[j->npdbs++] = ((const pdb *)d)->number;
    j->step = MERGE_MARKING;
}

/* An entry that the walk meets. */
static void mark(void *ctx, arena_ref r) {
    const bitcask *e = ctx;
    const char *p = keydir_at(&e->shared, r);
    const segment *s = e->slots[kdent_segment(p)];
    uint32_t at = kdent_offset(p);
    if (!s->marks) return;
    CHECK(at >= FILE_HEADER && at < s->log.end);
    s->marks[at / GRAIN / 64] |= (uint64_t)1 << (at / GRAIN % 64);
}

/* The databases one after the other; what was dropped meanwhile is passed over. */
bool merge_mark_some(merge_job *j) {
    CHECK(j->step == MERGE_MARKING);
    if (j->npdbs == 0) return false;
    const pdb *d = pdb_find(j->e, j->pdbs[j->npdbs - 1]);
    j->mark_from = d && d->keys ? keydir_scan(d->keys, j->mark_from, SOME, mark, j->e) : 0;
    if (j->mark_from == 0) j->npdbs--;
    return j->npdbs > 0;
}

/* In the child. */
bool merge_is_marked(const segment *s, uint32_t offset) {
    CHECK(s->marks && offset >= FILE_HEADER && offset < s->log.end);
    return s->marks[offset / GRAIN / 64] >> (offset / GRAIN % 64) & 1;
}

/* Also of a job that never had any. */
void merge_marks_end(merge_job *j) {
    for (uint32_t i = 0; i < j->nrun; i++) {
        mem_free(j->run[i]->marks);
        j->run[i]->marks = NULL;
    }
    mem_free(j->pdbs);
    j->pdbs = NULL;
    j->npdbs = 0;
}
