/* decode_int: what the files of the decoder share. */
#ifndef STAVE_RDB_DECODE_INT_H
#define STAVE_RDB_DECODE_INT_H

#include "rdb/packed.h"
#include "rdb/raw.h"
#include "rdb/rdb.h"

/* One value that is being decoded. Strings that had to be made (numbers' text, LZF) are in rooms,
 * which are freed at the end whatever it is: two, as a field is held while its value is read. */
typedef struct decoder {
    slice in;
    rdb_sink sink;
    void *ctx;
    buf rooms[2];
    buf parts, digits; /* of a stream's entry: slices; texts of numbers */
    buf pending;       /* of a stream's group */
} decoder;

/* Malformed; in functions that return engine_result. */
#define DECODE_BAD ENGINE_ABSENT
/* Ends the function unless the condition holds. */
#define DECODE_NEED(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) return DECODE_BAD;                                                       \
    } while (0)
/* Ends the function unless the step's result is ENGINE_OK. */
#define DECODE_TRY(expr)                                                                           \
    do {                                                                                           \
        engine_result decode_try_ = (expr);                                                        \
        if (decode_try_ != ENGINE_OK) return decode_try_;                                          \
    } while (0)

/* decode_stream.c: the contents of a stream of that type. */
engine_result decode_stream(decoder *d, unsigned type);

#endif
