/* TLS in a build without it (make TLS=no): nothing can be configured, so nobody gets as far as a
 * connection. */
#include "io/tls.h"

#include <unistd.h>

/* The settings are known all the same, so that a file with their defaults does for every build. */
status tls_configure(const tls_options *o) {
    (void)o;
    return status_make(ST_NOT_FOUND, "This build has no TLS: it was made by `make TLS=no`");
}

bool tls_configured(void) {
    return false;
}

void tls_set_auth(tls_auth auth) {
    (void)auth;
}

void tls_forget(void) {}

/* Not reached by a server that asked tls_configure first. */
static conn *refuse(int fd) {
    (void)close(fd);
    return NULL;
}

conn *tls_accept(int fd) {
    return refuse(fd);
}

conn *tls_connect(int fd) {
    return refuse(fd);
}
