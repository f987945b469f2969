/* The table of types; each type's file has what its row names. */
#include "types/classes.h"

static const type_class classes[ENGINE_TYPES] = {
    [KEY_STRING] = {0},
};

const type_class *type_class_of(unsigned type) {
    return type < ENGINE_TYPES && classes[type].el ? &classes[type] : NULL;
}
