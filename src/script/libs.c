/* libs: the list of libraries that scripts have besides Lua's own. */
#include "script/libs.h"

/* A library adds its line. */
const script_lib script_libs[] = {
    {"cjson", lib_cjson_open},
    {"cmsgpack", lib_cmsgpack_open},
    {"struct", lib_struct_open},
    {"bit", lib_bit_open},
    {0},
};
