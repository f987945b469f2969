/* TLS: the settings of redis.conf for it, and what CONFIG SET makes of them.
 *
 * Whatever changes, everything is loaded anew, files included: so setting a file's name to what it
 * is already takes up what the file has become, which is how certificates are renewed. If anything
 * of it is not right, what was before goes on, and the log says why; the reply is Redis' own, which
 * does not. As long as nothing uses TLS, nothing is loaded, and so nothing can be wrong.
 *
 * tls-auth-clients is asked at each connection; tls-replication has nothing to do here (there are
 * no replicas); tls-cluster is for the connections of MIGRATE, as in Redis. */
#include "server/server.h"

#include "base/log.h"
#include "io/tls.h"
#include "migrate/migrate.h"

static struct {
    char *cert_file, *key_file, *key_pass, *client_cert_file, *client_key_file, *client_key_pass;
    char *dh_params_file, *ca_cert_file, *ca_cert_dir, *protocols, *ciphers, *ciphersuites;
    int auth_clients, cluster, replication, prefer_server_ciphers, session_caching;
    int64_t cache_size, cache_timeout;
} v;

static const setting_choice auth_choices[] = {
    {"no", TLS_AUTH_NO}, {"yes", TLS_AUTH_YES}, {"optional", TLS_AUTH_OPTIONAL}, {NULL, 0}};

/* Does anything use TLS? */
static bool wanted(void) {
    return settings.tls_port || v.cluster || v.replication;
}

/* Loads everything. */
static status load(void) {
    tls_options o = {
        .cert_file = v.cert_file,
        .key_file = v.key_file,
        .key_pass = v.key_pass,
        .client_cert_file = v.client_cert_file,
        .client_key_file = v.client_key_file,
        .client_key_pass = v.client_key_pass,
        .ca_cert_file = v.ca_cert_file,
        .ca_cert_dir = v.ca_cert_dir,
        .dh_params_file = v.dh_params_file,
        .protocols = v.protocols,
        .ciphers = v.ciphers,
        .ciphersuites = v.ciphersuites,
        .prefer_server_ciphers = v.prefer_server_ciphers,
        .need_ca = v.auth_clients != TLS_AUTH_NO || v.cluster || v.replication,
        .session_caching = v.session_caching,
        .session_cache_size = v.cache_size,
        .session_cache_timeout = v.cache_timeout,
    };
    tls_set_auth((tls_auth)v.auth_clients);
    migrate_use_tls(v.cluster);
    status st = tls_configure(&o);
    if (!status_ok(st)) log_warning("%s", st.msg);
    return st;
}

/* The reply to a setting that would not do. */
static status refused(void) {
    return status_make(ST_INVALID, "Unable to update TLS configuration. Check server logs.");
}

/* What nothing uses is let go: it would be old when something does again. */
static status apply_tls(const setting *s) {
    (void)s;
    if (wanted()) return status_ok(load()) ? STATUS_OK : refused();
    migrate_use_tls(false);
    tls_forget();
    return STATUS_OK;
}

static status apply_auth(const setting *s) {
    (void)s;
    tls_set_auth((tls_auth)v.auth_clients);
    return STATUS_OK;
}

/* The first port that needs it loads the certificates. */
static status apply_port(const setting *s) {
    if (!wanted() || !tls_configured()) TRY(apply_tls(s));
    return listen_apply_tls_port();
}

/* Before the sockets are opened. */
status tls_settings_start(void) {
    if (!wanted() || status_ok(load())) return STATUS_OK;
    return status_make(ST_INVALID, "Failed to configure TLS. Check logs for more info.");
}

#define STR(name, field)                                                                           \
    { name, NULL, SETTING_STRING, 0, &v.field, "", .apply = apply_tls }
#define SECRET(name, field)                                                                        \
    { name, NULL, SETTING_STRING, SETTING_SENSITIVE, &v.field, "", .apply = apply_tls }
#define BOOL(name, field, dflt)                                                                    \
    { name, NULL, SETTING_BOOL, 0, &v.field, dflt, .apply = apply_tls }
#define NUM(name, field, dflt)                                                                     \
    { name, NULL, SETTING_INT, 0, &v.field, dflt, 0, INT32_MAX, .apply = apply_tls }

/* In the order of redis.conf. A build without TLS has them too, and fails to load anything. */
const setting tls_setting_table[] = {
    {"tls-port", NULL, SETTING_INT, 0, &settings.tls_port, "0", 0, 65535, .apply = apply_port},
    STR("tls-cert-file", cert_file),
    STR("tls-key-file", key_file),
    SECRET("tls-key-file-pass", key_pass),
    STR("tls-client-cert-file", client_cert_file),
    STR("tls-client-key-file", client_key_file),
    SECRET("tls-client-key-file-pass", client_key_pass),
    STR("tls-dh-params-file", dh_params_file),
    STR("tls-ca-cert-file", ca_cert_file),
    STR("tls-ca-cert-dir", ca_cert_dir),
    {"tls-auth-clients", NULL, SETTING_ENUM, 0, &v.auth_clients, "yes", .choices = auth_choices,
     .apply = apply_auth},
    BOOL("tls-replication", replication, "no"),
    BOOL("tls-cluster", cluster, "no"),
    STR("tls-protocols", protocols),
    STR("tls-ciphers", ciphers),
    STR("tls-ciphersuites", ciphersuites),
    BOOL("tls-prefer-server-ciphers", prefer_server_ciphers, "no"),
    BOOL("tls-session-caching", session_caching, "yes"),
    NUM("tls-session-cache-size", cache_size, "20480"),
    NUM("tls-session-cache-timeout", cache_timeout, "300"),
    {0},
};
