/* lib_cjson: what the parts of cjson share: its settings. */
#ifndef STAVE_SCRIPT_LIB_CJSON_H
#define STAVE_SCRIPT_LIB_CJSON_H

#include <lua.h>

/* What encode_invalid_numbers may be. */
enum lib_json_numbers { JSON_NUMBERS_OFF, JSON_NUMBERS_ON, JSON_NUMBERS_NULL };

/* A userdata, the upvalue of all functions of one cjson. */
typedef struct lib_json_config {
    int sparse_convert; /* a table with large holes: an object, not an error */
    int sparse_ratio;   /* holes are large if the last index is so many times the elements ... */
    int sparse_safe;    /* ... and above this; ratio 0: never */
    int encode_depth;
    int encode_numbers; /* of lib_json_numbers */
    int encode_keep;    /* only remembered: here nothing is kept */
    int precision;      /* digits of a number */
    int decode_depth;
    int decode_numbers; /* hexadecimal, infinite and the like are read */
} lib_json_config;

lib_json_config *lib_json_config_of(lua_State *L);
int lib_json_encode(lua_State *L);
int lib_json_decode(lua_State *L);

#endif
