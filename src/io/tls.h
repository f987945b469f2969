/* tls: connections over TLS, and the certificates that they are made with.
 *
 * tls_openssl.c and tls_context.c are what there is with OpenSSL; tls_none.c stands for them in a
 * build without (make TLS=no). One configuration a process, as the settings are: connections that
 * are made after it changed have the new one, the others keep theirs. */
#ifndef STAVE_IO_TLS_H
#define STAVE_IO_TLS_H

#include "io/net.h"

#include <stdint.h>

/* What clients must show. */
typedef enum tls_auth { TLS_AUTH_NO, TLS_AUTH_YES, TLS_AUTH_OPTIONAL } tls_auth;

/* NULL or "": not given. Files are PEM. */
typedef struct tls_options {
    const char *cert_file, *key_file, *key_pass;
    const char *client_cert_file, *client_key_file, *client_key_pass; /* else those above */
    const char *ca_cert_file, *ca_cert_dir;
    const char *dh_params_file;
    const char *protocols; /* "TLSv1.2 TLSv1.3", in any order and case */
    const char *ciphers, *ciphersuites;
    bool prefer_server_ciphers;
    bool need_ca; /* somebody will be asked for a certificate */
    bool session_caching;
    int64_t session_cache_size, session_cache_timeout; /* sessions; seconds */
} tls_options;

/* All or nothing: a failure leaves what was configured before. The message is for the log. A build
 * without TLS refuses every configuration (ST_NOT_FOUND). */
status tls_configure(const tls_options *o);
bool tls_configured(void);
/* Of what is accepted from now on. */
void tls_set_auth(tls_auth auth);
/* Nothing is configured any more. */
void tls_forget(void);

/* The server's and the client's side of a connection. They take ownership of fd, which is closed
 * if that fails (NULL; the log says why). */
conn *tls_accept(int fd);
conn *tls_connect(int fd);

#endif
