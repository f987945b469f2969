/* repair_table: what can be read of a damaged table, as a table. */
#ifndef STAVE_STORAGE_REPAIR_TABLE_H
#define STAVE_STORAGE_REPAIR_TABLE_H

#include "storage/lines.h"
#include "storage/manifest_tables.h"
#include "storage/table.h"

/* Writes the entries of `from` that can be read as table `number`, whose file it replaces if it is
 * there; says what is lost. With out->entries 0 there were none. The caller frees out->first, last.
 */
status repair_table(vfs *v, const char *dir, uint64_t store_id, const manifest_table *from,
                    uint32_t number, const lines *say, table_summary *out);

#endif
