/* table_shelf: of many tables only so many have their file open: a process may have a bounded
 * number of descriptors, and a store any number of tables. Those that have are in a list, the one
 * read last first; another one that is to be read takes the place of the last. To open a file by
 * its path costs little beside a read of the disk, and what the cache has needs no file.
 *
 *   first ─> [t7] <─> [t2] <─> [t9] <─ last: the next to be closed */
#include "storage/table_int.h"

#include "base/log.h"

/* Into the list, as the first. */
static void link_first(table_shelf *s, table *t) {
    CHECK(!t->before && !t->behind && t->file);
    CHECK((s->open == 0) == (s->first == NULL));
    t->behind = s->first;
    if (s->first)
        s->first->before = t;
    else
        s->last = t;
    s->first = t;
    s->open++;
}

/* Nothing happens if it is on no shelf. */
void table_shelf_out(table *t) {
    table_shelf *s = t->shelf;
    if (!s) return;
    CHECK(s->open > 0 && t->file);
    if (t->before)
        t->before->behind = t->behind;
    else
        s->first = t->behind;
    if (t->behind)
        t->behind->before = t->before;
    else
        s->last = t->before;
    t->before = t->behind = NULL;
    s->open--;
    CHECK((s->open == 0) == (s->first == NULL) && (s->open == 0) == (s->last == NULL));
}

/* Its file was just opened. With a source blocks are read where they are wanted, and whoever walks
 * asks ahead by himself. */
void table_shelf_in(table *t) {
    table_shelf *s = t->shelf;
    if (!s) return;
    CHECK(s->limit > 0);
    if (s->source) t->file->ops->advise(t->file, 0, t->length, VFS_AT_RANDOM);
    link_first(s, t);
    while (s->open > s->limit)
        table_park(s->last);
    CHECK(s->open <= s->limit);
}

/* It is about to be read. */
void table_shelf_touch(table *t) {
    if (!t->shelf || t->shelf->first == t) return;
    CHECK(t->before);
    table_shelf_out(t);
    link_first(t->shelf, t);
}

/* As the header says. */
void table_shelve(table *t, table_shelf *s) {
    CHECK(!t->shelf && t->file && s->limit > 0);
    t->shelf = s;
    table_shelf_in(t);
}
