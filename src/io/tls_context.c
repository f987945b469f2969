/* Certificates, keys and what goes with them: the SSL_CTX that connections are made from.
 *
 * Two contexts are made from one set of options: one to accept with, and, where a certificate for
 * that is given, one to connect with. Both must be whole before they take the place of the old
 * ones. A connection holds its context, so those that are there keep the certificate that they
 * began with.
 *
 * What is the same for all: no SSLv2 and SSLv3, no compression, no renegotiation (a client could
 * make the server work for it), and one read of the socket for whatever it has (read_ahead), as
 * OpenSSL would else make two system calls for each record. Buffers of 16 KiB each way are given
 * back when they are empty: of ten thousand clients most are idle.
 *
 * What OpenSSL takes comes from mem.h, so it is in used_memory; and it is counted here, so that a
 * connection knows what it takes itself. */
#include "io/tls.h"
#include "io/tls_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/slice.h"

#include <errno.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define ERROR_TEXT 256

/* For the id of sessions, by what clients must show: one may bring a session back to the server
 * that gave it, and to no other, and not when more is asked for than when it was given. */
static const unsigned char session_context[][8] = {
    [TLS_AUTH_NO] = "stave-n", [TLS_AUTH_YES] = "stave-y", [TLS_AUTH_OPTIONAL] = "stave-o"};

static SSL_CTX *accept_with, *connect_with; /* the second one NULL: as the first */
static tls_auth client_auth = TLS_AUTH_YES;
static int64_t allocated;

/* ---- OpenSSL's memory ------------------------------------------------------------------------ */

/* Does what CRYPTO_malloc promises. */
static void *count_alloc(size_t n, const char *file, int line) {
    (void)file;
    (void)line;
    if (n == 0) return NULL;
    void *p = mem_alloc(n);
    allocated += (int64_t)mem_size(p);
    return p;
}

/* And CRYPTO_free. */
static void count_free(void *p, const char *file, int line) {
    (void)file;
    (void)line;
    if (!p) return;
    allocated -= (int64_t)mem_size(p);
    mem_free(p);
}

/* And CRYPTO_realloc. */
static void *count_realloc(void *p, size_t n, const char *file, int line) {
    if (!p) return count_alloc(n, file, line);
    if (n == 0) {
        count_free(p, file, line);
        return NULL;
    }
    allocated -= (int64_t)mem_size(p);
    p = mem_realloc(p, n);
    allocated += (int64_t)mem_size(p);
    return p;
}

int64_t tls_context_memory(void) {
    return allocated;
}

/* Must come before anything else that OpenSSL does. */
static void start_once(void) {
    static bool started;
    if (started) return;
    started = true;
    if (!CRYPTO_set_mem_functions(count_alloc, count_realloc, count_free))
        log_warning("OpenSSL's memory is not counted as that of clients");
}

/* ---- a context ------------------------------------------------------------------------------- */

const char *tls_context_error(void) {
    static char text[ERROR_TEXT];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return text;
}

/* "" is the same as nothing. */
static bool given(const char *text) {
    return text && *text;
}

/* NULL for what is not given, as OpenSSL wants it. */
static const char *or_null(const char *text) {
    return given(text) ? text : NULL;
}

/* The key's password. Without this OpenSSL would ask the terminal. */
static int give_password(char *out, int room, int writing, void *password) {
    (void)writing;
    size_t n = password ? strlen(password) : 0;
    if (!password || n > (size_t)room) return -1;
    memcpy(out, password, n);
    return (int)n;
}

/* The options that switch off what `protocols` does not name. Redis has 1.2 and 1.3 by default. */
static status parse_protocols(const char *protocols, uint64_t *off) {
    static const struct {
        const char *name;
        uint64_t off;
    } known[] = {{"TLSv1", SSL_OP_NO_TLSv1},
                 {"TLSv1.1", SSL_OP_NO_TLSv1_1},
                 {"TLSv1.2", SSL_OP_NO_TLSv1_2},
                 {"TLSv1.3", SSL_OP_NO_TLSv1_3}};
    size_t n = sizeof known / sizeof *known;
    *off = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1;
    if (!given(protocols)) return STATUS_OK;
    for (size_t i = 0; i < n; i++)
        *off |= known[i].off;
    for (const char *p = protocols; *p;) {
        size_t len = strcspn(p, " "), i = 0;
        while (i < n && len && !slice_ieq(slice_of(p, len), known[i].name))
            i++;
        if (i == n)
            return status_make(ST_INVALID, "Invalid tls-protocols specified. Use a combination of "
                                           "'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.");
        if (len) *off &= ~known[i].off;
        p += len + strspn(p + len, " ");
    }
    return STATUS_OK;
}

/* A certificate, with those that it hangs by, and its key. */
static status load_pair(SSL_CTX *ctx, const char *cert, const char *key, const char *pass) {
    SSL_CTX_set_default_passwd_cb(ctx, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t)or_null(pass));
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) <= 0)
        return status_make(ST_INVALID, "Failed to load certificate: %s: %s", cert,
                           tls_context_error());
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) <= 0)
        return status_make(ST_INVALID, "Failed to load private key: %s: %s", key,
                           tls_context_error());
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL); /* the text is the caller's */
    return STATUS_OK;
}

/* Whom to trust, and how to talk. */
static status set_trust_and_ciphers(SSL_CTX *ctx, const tls_options *o) {
    const char *file = or_null(o->ca_cert_file), *dir = or_null(o->ca_cert_dir);
    if ((file || dir) && SSL_CTX_load_verify_locations(ctx, file, dir) <= 0)
        return status_make(ST_INVALID, "Failed to configure CA certificate(s) file/directory: %s",
                           tls_context_error());
    if (given(o->ciphers) && !SSL_CTX_set_cipher_list(ctx, o->ciphers))
        return status_make(ST_INVALID, "Failed to configure ciphers: %s", o->ciphers);
    if (given(o->ciphersuites) && !SSL_CTX_set_ciphersuites(ctx, o->ciphersuites))
        return status_make(ST_INVALID, "Failed to configure ciphersuites: %s", o->ciphersuites);
    return STATUS_OK;
}

/* The parts that both directions have. */
static status fill(SSL_CTX *ctx, const tls_options *o, uint64_t off, bool client) {
    SSL_CTX_set_options(ctx, off | SSL_OP_NO_SSLv3 | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_NO_RENEGOTIATION | SSL_OP_SINGLE_DH_USE);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY); /* so that a read ends, whatever is sent */
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (client)
        TRY(load_pair(ctx, o->client_cert_file, o->client_key_file, o->client_key_pass));
    else
        TRY(load_pair(ctx, o->cert_file, o->key_file, o->key_pass));
    return set_trust_and_ciphers(ctx, o);
}

/* Parameters for the key exchanges that need them (DHE); without a file, as large as the key. */
static status set_dh(SSL_CTX *ctx, const char *path) {
    if (!given(path)) {
        SSL_CTX_set_dh_auto(ctx, 1);
        return STATUS_OK;
    }
    FILE *f = fopen(path, "re");
    if (!f) return status_make(ST_INVALID, "Failed to load %s: %s", path, strerror(errno));
    EVP_PKEY *dh = NULL;
    OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(
        &dh, "PEM", NULL, "DH", OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS, NULL, NULL);
    bool read = decoder && OSSL_DECODER_from_fp(decoder, f);
    OSSL_DECODER_CTX_free(decoder);
    fclose(f);
    if (!read) {
        ERR_clear_error();
        return status_make(ST_INVALID, "%s: failed to read DH params.", path);
    }
    if (SSL_CTX_set0_tmp_dh_pkey(ctx, dh) > 0) return STATUS_OK; /* which owns it now */
    EVP_PKEY_free(dh);
    return status_make(ST_INVALID, "Failed to load DH params file: %s: %s", path,
                       tls_context_error());
}

/* What only who accepts has. */
static status fill_accepting(SSL_CTX *ctx, const tls_options *o) {
    if (o->session_caching) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
        SSL_CTX_sess_set_cache_size(ctx, (long)o->session_cache_size);
        SSL_CTX_set_timeout(ctx, (long)o->session_cache_timeout);
    } else {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }
    if (o->prefer_server_ciphers) SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return set_dh(ctx, o->dh_params_file);
}

/* Both contexts, or neither. */
static status make_both(const tls_options *o, uint64_t off, SSL_CTX *both[2]) {
    both[0] = SSL_CTX_new(TLS_method());
    if (!both[0]) return status_make(ST_LIMIT, "No TLS context: %s", tls_context_error());
    TRY(fill(both[0], o, off, false));
    TRY(fill_accepting(both[0], o));
    if (!given(o->client_cert_file) || !given(o->client_key_file)) return STATUS_OK;
    both[1] = SSL_CTX_new(TLS_method());
    if (!both[1]) return status_make(ST_LIMIT, "No TLS context: %s", tls_context_error());
    return fill(both[1], o, off, true);
}

/* ---- the one that is configured -------------------------------------------------------------- */

/* The same is refused as in Redis, in the same order. */
status tls_configure(const tls_options *o) {
    uint64_t off;
    start_once();
    if (!given(o->cert_file)) return status_make(ST_INVALID, "No tls-cert-file configured!");
    if (!given(o->key_file)) return status_make(ST_INVALID, "No tls-key-file configured!");
    if (o->need_ca && !given(o->ca_cert_file) && !given(o->ca_cert_dir))
        return status_make(ST_INVALID,
                           "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when "
                           "tls-cluster, tls-replication or tls-auth-clients are enabled!");
    TRY(parse_protocols(o->protocols, &off));
    SSL_CTX *both[2] = {NULL, NULL};
    ERR_clear_error();
    status st = make_both(o, off, both);
    if (!status_ok(st)) {
        SSL_CTX_free(both[0]);
        SSL_CTX_free(both[1]);
        return st;
    }
    tls_forget();
    accept_with = both[0];
    connect_with = both[1];
    return STATUS_OK;
}

bool tls_configured(void) {
    return accept_with != NULL;
}

void tls_set_auth(tls_auth auth) {
    client_auth = auth;
}

void tls_forget(void) {
    SSL_CTX_free(accept_with);
    SSL_CTX_free(connect_with);
    accept_with = connect_with = NULL;
}

/* Who connects asks for a certificate that it can trust, always. */
SSL *tls_context_open(int accepting) {
    static const int verify[] = {
        [TLS_AUTH_NO] = SSL_VERIFY_NONE,
        [TLS_AUTH_YES] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        [TLS_AUTH_OPTIONAL] = SSL_VERIFY_PEER,
    };
    SSL_CTX *ctx = !accepting && connect_with ? connect_with : accept_with;
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    if (!ssl) return NULL;
    if (accepting) {
        const unsigned char *id = session_context[client_auth];
        SSL_set_verify(ssl, verify[client_auth], NULL);
        SSL_set_session_id_context(ssl, id, sizeof session_context[0]); /* tickets have it too */
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
    }
    return ssl;
}
