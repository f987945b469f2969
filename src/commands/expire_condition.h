/* expire_condition: NX, XX, GT and LT, of EXPIRE and its sisters for keys and for fields. */
#ifndef STAVE_COMMANDS_EXPIRE_CONDITION_H
#define STAVE_COMMANDS_EXPIRE_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

/* As bits, since some of them may be given together. */
enum expire_condition { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

/* Does the present expire time (0: there is none, which counts as later than any) allow it? */
static inline bool expire_condition_holds(unsigned conditions, int64_t present, int64_t when) {
    if (conditions & EXPIRE_NX && present) return false;
    if (conditions & EXPIRE_XX && !present) return false;
    if (conditions & EXPIRE_GT && (!present || when <= present)) return false;
    if (conditions & EXPIRE_LT && present && when >= present) return false;
    return true;
}

#endif
