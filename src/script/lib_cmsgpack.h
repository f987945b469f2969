/* lib_cmsgpack: the leading bytes of MessagePack, and the two halves of the library. */
#ifndef STAVE_SCRIPT_LIB_CMSGPACK_H
#define STAVE_SCRIPT_LIB_CMSGPACK_H

#include <lua.h>

/* A format of others, so: never renumber. Where a group has widths of 1, 2, 4 and 8 bytes, its
 * heads follow each other. */
enum lib_pack_head {
    PACK_FIXMAP = 0x80,   /* .. 0x8f */
    PACK_FIXARRAY = 0x90, /* .. 0x9f */
    PACK_FIXRAW = 0xa0,   /* .. 0xbf */
    PACK_NIL = 0xc0,
    PACK_FALSE = 0xc2,
    PACK_TRUE = 0xc3,
    PACK_FLOAT = 0xca,
    PACK_DOUBLE = 0xcb,
    PACK_UINT8 = 0xcc, /* .. 0xcf */
    PACK_INT8 = 0xd0,  /* .. 0xd3 */
    PACK_RAW8 = 0xd9,  /* .. 0xdb */
    PACK_ARRAY16 = 0xdc,
    PACK_ARRAY32 = 0xdd,
    PACK_MAP16 = 0xde,
    PACK_MAP32 = 0xdf,
    PACK_NEGATIVE = 0xe0, /* .. 0xff: -32 .. -1 */
};

int lib_msgpack_unpack(lua_State *L);
int lib_msgpack_unpack_one(lua_State *L);
int lib_msgpack_unpack_limit(lua_State *L);

#endif
