/* The table of types; each type's file has what its row names. */
#include "types/classes.h"

#include "types/zset.h"

static const type_class classes[ENGINE_TYPES] = {
    [KEY_STRING] = {0},
    [KEY_ZSET] = {&zset_type, zset_encoding},
};

const type_class *type_class_of(unsigned type) {
    return type < ENGINE_TYPES && classes[type].el ? &classes[type] : NULL;
}
