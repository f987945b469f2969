/* tls_int: what the two files over OpenSSL share. */
#ifndef STAVE_IO_TLS_INT_H
#define STAVE_IO_TLS_INT_H

#include <openssl/ssl.h>
#include <stdint.h>

/* A new connection's state with what is configured; NULL if nothing is, or OpenSSL refuses. */
SSL *tls_context_open(int accepting);
/* The oldest error in OpenSSL's queue, as text that lives until the next call; empties the queue.
 */
const char *tls_context_error(void);
/* Bytes that OpenSSL has allocated and not freed. */
int64_t tls_context_memory(void);

#endif
