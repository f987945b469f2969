/* string_chunks: what string.c and string_edit.c share about chunked values. */
#ifndef STAVE_TYPES_STRING_CHUNKS_H
#define STAVE_TYPES_STRING_CHUNKS_H

#include "base/codec.h"
#include "types/string.h"

#define STRING_HEADER_MAX (1 + VARINT_MAX)

/* What the main entry of a chunked value of that length holds. */
slice string_header(char out[STRING_HEADER_MAX], uint64_t len);
/* n less the zero bytes at the end of p. */
size_t string_trim(const char *p, size_t n);
/* Stores the bytes as the first chunks of a collection that has none. */
engine_result string_put_chunks(string *s, slice bytes);

#endif
