/* save_int: what the files of saving share. */
#ifndef STAVE_RDB_SAVE_INT_H
#define STAVE_RDB_SAVE_INT_H

#include "rdb/packed.h"
#include "rdb/raw.h"
#include "rdb/rdb.h"
#include "types/elements.h"

/* Writes bytes that were put from `at` on, with a length in front of them that is known last. */
void save_len_at(buf *out, size_t at, uint64_t n);

/* Completes a listpack that is all of its buffer, and puts it to out as a string. */
void save_listpack(buf *out, listpack_writer *w);
/* save_list.c: the type and all of it. */
engine_result save_list(elements *el, buf *out);
/* save_stream.c: the type and all of it. */
engine_result save_stream(keyspace *ks, uint32_t db, slice key, const entry *ent, buf *out);

#endif
