/* The table of types; each type's file has what its row names. */
#include "types/classes.h"

#include "types/hash.h"
#include "types/list.h"
#include "types/set.h"
#include "types/stream.h"
#include "types/zset.h"

static const type_class classes[ENGINE_TYPES] = {
    [KEY_STRING] = {0},
    [KEY_ZSET] = {&zset_type, zset_encoding, NULL},
    [KEY_HASH] = {&hash_type, hash_encoding, hash_wake},
    [KEY_LIST] = {&list_type, list_encoding, NULL},
    [KEY_SET] = {&set_type, set_encoding, NULL},
    [KEY_STREAM] = {&stream_type, stream_encoding, NULL},
};

void types_start(void) {
    for (unsigned type = 0; type < ENGINE_TYPES; type++)
        if (classes[type].wake) ks_on_wake(type, classes[type].wake);
}

const type_class *type_class_of(unsigned type) {
    return type < ENGINE_TYPES && classes[type].el ? &classes[type] : NULL;
}
