/* Libraries of functions in the RDB encoding: FUNCTION DUMP and what it gives, RESTORE takes.
 *
 *     f5 string    a library's text, first line included; one after the other, then the footer
 *
 * f6 was the number before redis-server 7.0 was out, and of another form. */
#include "rdb/raw.h"
#include "rdb/rdb.h"

enum { OPCODE_LIBRARY = 0xf5, OPCODE_LIBRARY_OLD = 0xf6 };

void rdb_put_library(buf *out, slice code) {
    buf_append_char(out, (char)OPCODE_LIBRARY);
    raw_put_string(out, code);
}

rdb_library rdb_take_library(slice *in, buf *room, slice *code) {
    if (in->len == 0) return RDB_LIBRARY_BAD;
    unsigned opcode = (unsigned char)in->data[0];
    if (opcode == OPCODE_LIBRARY_OLD) return RDB_LIBRARY_OLD;
    if (opcode != OPCODE_LIBRARY) return RDB_LIBRARY_NONE;
    *in = slice_skip(*in, 1);
    return raw_take_string(in, room, code) ? RDB_LIBRARY_TAKEN : RDB_LIBRARY_BAD;
}
