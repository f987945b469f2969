/* identity: the session's own user, and who is asked instead.
 *
 *     AUTH, HELLO, RESET, accept, CLIENT LIST, SORT, ...
 *                     |
 *             identity_...()  ──>  asked  ──>  the functions below, or a feature's
 *
 * There is one for the process, as there is one table of settings: requirepass is read here alone.
 * Passwords are compared in a time that depends on the given one only. */
#include "session/identity.h"

#include "session/config.h"
#include "session/session.h"

/* In a time that does not tell how much of the password was right. */
static bool same_password(slice given) {
    const char *want = session_config.requirepass;
    size_t n = strlen(want);
    unsigned differ = given.len != n;
    for (size_t i = 0; i < given.len; i++)
        differ |= (unsigned char)given.data[i] ^ (unsigned char)want[n ? i % n : 0];
    return !differ;
}

/* ---- the one user of the session's own ---------------------------------------------------------
 */

static bool own_known(slice user) {
    return slice_eq(user, SLICE("default"));
}
static bool own_open(void) {
    return !config_has_password();
}
static bool own_authenticate(client *c, slice user, slice password) {
    (void)c;
    return own_known(user) && (own_open() || same_password(password));
}
static slice own_name(const client *c) {
    (void)c;
    return SLICE("default");
}
static bool own_permits(const client *c, const command_row *row, int argc, const slice *argv) {
    (void)c;
    (void)row;
    (void)argc;
    (void)argv;
    return true;
}
static bool own_reads_all(const client *c) {
    (void)c;
    return true;
}
static void own_password(slice password) {
    (void)password;
}

static const identity own = {.authenticate = own_authenticate,
                             .name = own_name,
                             .open = own_open,
                             .nopass = own_open,
                             .known = own_known,
                             .permits = own_permits,
                             .reads_all = own_reads_all,
                             .password = own_password};
static const identity *asked = &own;

/* ---- asking ------------------------------------------------------------------------------------
 */

/* From now on; who is connected stays who he is. */
void identity_use(const identity *who) {
    asked = who ? who : &own;
}

/* A client that fails stays who he was. */
bool identity_authenticate(client *c, slice user, slice password) {
    if (!asked->authenticate(c, user, password)) return false;
    c->flags |= CLIENT_AUTHENTICATED;
    return true;
}

/* What runs from within is nobody's. */
slice identity_name(const client *c) {
    return c->flags & CLIENT_FAKE ? SLICE("(superuser)") : asked->name(c);
}

bool identity_open(void) {
    return asked->open();
}
/* One who came while a password was asked for need not say it when it is no more. */
bool identity_must_say(const client *c) {
    return !(c->flags & CLIENT_AUTHENTICATED) && !identity_open();
}
bool identity_nopass(void) {
    return asked->nopass();
}
bool identity_known(slice user) {
    return asked->known(user);
}
bool identity_reads_all(const client *c) {
    return (c->flags & CLIENT_FAKE) || asked->reads_all(c);
}

/* As accept.c makes them. */
void identity_reset(client *c) {
    c->flags &= ~(unsigned)CLIENT_AUTHENTICATED;
    if (identity_open()) c->flags |= CLIENT_AUTHENTICATED;
}

void identity_password_changed(void) {
    asked->password(slice_cstr(session_config.requirepass ? session_config.requirepass : ""));
}

/* Part of session.h, where others that run commands look for it. */
bool session_permits(client *c, const command_row *row, int argc, slice *argv) {
    return (c->flags & CLIENT_FAKE) || asked->permits(c, row, argc, argv);
}
