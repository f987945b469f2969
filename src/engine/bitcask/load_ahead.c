/* load_ahead: main entries of records wait a little before they go to the keydir.
 *
 * Records come in the order in which they were written, so their keys are anywhere in the keydir,
 * and putting one is mostly waiting for memory. Each waits while RING - 1 others come; meanwhile
 * the way to the entry that it replaces is brought near (keydir_prefetch), a step every NEAR
 * records:
 *
 *     newest                                                oldest
 *     node . . . . page . . . . slot . . . . entry . . . . load_main
 *
 * They still go in the order in which they came. Orders and elements overtake them, which makes no
 * difference: neither looks at keydirs. */
#include "engine/bitcask/load_int.h"

#include "engine/bitcask/entries.h"

#define NEAR 6u                         /* records between two steps */
#define RING (KEYDIR_STEPS * NEAR + 2u) /* all steps of one take less than that */

/* One that waits. Its key and value are copies, as the record's bytes do not stay. */
typedef struct waiting {
    pdb *d;
    const segment *s;
    loaded x;
    keydir_spot spot;
    buf bytes;
} waiting;

struct load_ahead {
    waiting ring[RING];
    uint64_t next, done; /* numbers: of the next that comes, of the next that goes */
};

/* The one of that number takes its step, if it is there. */
static void near(struct load_ahead *a, uint64_t number, unsigned step) {
    waiting *w = &a->ring[number % RING];
    CHECK(step < KEYDIR_STEPS);
    if (number < a->done || number >= a->next || !w->d->keys) return;
    keydir_prefetch(w->d->keys, w->x.token, step, &w->spot);
}

/* The oldest goes to its keydir. */
static void apply(bitcask *e, struct load_ahead *a) {
    CHECK(a->done < a->next);
    const waiting *w = &a->ring[a->done++ % RING];
    load_main(e, w->d, w->s, &w->x);
}

/* Values that are not inline are not kept. */
void load_soon(load_ctx *l, pdb *d, const segment *s, const loaded *x) {
    CHECK(x->kind == RECORD_PUT || x->kind == RECORD_DEL);
    if (!l->ahead) l->ahead = mem_zalloc(sizeof *l->ahead);
    struct load_ahead *a = l->ahead;
    if (a->next - a->done == RING) apply(l->e, a);
    waiting *w = &a->ring[a->next % RING];
    w->d = d;
    w->s = s;
    w->spot = (keydir_spot){0};
    w->x = *x;
    w->x.has_value = x->has_value && value_is_inline(x->value);
    buf_clear(&w->bytes);
    buf_append_slice(&w->bytes, x->key);
    if (w->x.has_value) buf_append_slice(&w->bytes, x->value);
    w->x.key = slice_of(w->bytes.data, x->key.len);
    w->x.value = w->x.has_value ? slice_skip(buf_slice(&w->bytes), x->key.len) : SLICE_EMPTY;
    uint64_t number = a->next++;
    for (unsigned step = 0; step < KEYDIR_STEPS; step++)
        near(a, number - step * NEAR, step);
}

void load_drain(load_ctx *l) {
    while (l->ahead && l->ahead->done < l->ahead->next)
        apply(l->e, l->ahead);
}

void load_free(load_ctx *l) {
    for (unsigned i = 0; l->ahead && i < RING; i++)
        buf_free(&l->ahead->ring[i].bytes);
    mem_free(l->ahead);
    l->ahead = NULL;
}
