/* writer: RESP2 and RESP3 replies into a buf. `proto` is 2 or 3; each function writes what that
 * protocol has for the thing (RESP2: a map is a flat array, a double a bulk string, null "$-1"). */
#ifndef STAVE_RESP_WRITER_H
#define STAVE_RESP_WRITER_H

#include "base/buf.h"

void resp_simple(buf *b, const char *s); /* +OK */
void resp_error(buf *b, slice text);     /* -text; CR and LF become spaces */
void resp_int(buf *b, int64_t v);        /* :1 */
void resp_bulk(buf *b, slice s);         /* $3\r\nabc */
void resp_bulk_i64(buf *b, int64_t v);
void resp_null(buf *b, int proto);       /* $-1 / _ */
void resp_null_array(buf *b, int proto); /* *-1 / _ */
void resp_array(buf *b, int64_t n);
void resp_map(buf *b, int proto, int64_t pairs);
void resp_set(buf *b, int proto, int64_t n);
void resp_push(buf *b, int proto, int64_t n);
void resp_attribute(buf *b, int64_t pairs); /* RESP3 only */
void resp_bool(buf *b, int proto, bool v);  /* :1 / #t */
void resp_double(buf *b, int proto, double v);
void resp_big_number(buf *b, int proto, slice digits);
void resp_verbatim(buf *b, int proto, slice s, const char ext[3]); /* "txt" */

#endif
