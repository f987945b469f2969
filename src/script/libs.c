/* libs: the list of libraries that scripts have besides Lua's own. */
#include "script/libs.h"

/* A library adds its line. */
const script_lib script_libs[] = {
    {0},
};
