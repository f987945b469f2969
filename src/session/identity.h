/* identity: who a client is, and what he may do.
 *
 * By itself the session knows one user, "default", whose password is the setting requirepass, and
 * who may do everything. A feature that knows more users says so once (identity_use), and is asked
 * from then on. A client that has not said who he is is the default user; whether he must say more
 * before he may do anything tells CLIENT_AUTHENTICATED. */
#ifndef STAVE_SESSION_IDENTITY_H
#define STAVE_SESSION_IDENTITY_H

#include "session/client.h"

/* Functions of a feature; none may be NULL. */
typedef struct identity {
    /* Is there such a user with that password? Then c is that user from now on. */
    bool (*authenticate)(client *c, slice user, slice password);
    /* The name of the user that c is; good as long as no user is changed. */
    slice (*name)(const client *c);
    /* Is nothing asked of the default user? Then a new client is authenticated. */
    bool (*open)(void);
    /* Has the default user no password? Then AUTH with a password alone is a mistake. */
    bool (*nopass)(void);
    bool (*known)(slice user);
    /* May c run this, with these arguments? Nothing is replied, nothing counted. */
    bool (*permits)(const client *c, const command_row *row, int argc, const slice *argv);
    /* May c's running command read every key there is? */
    bool (*reads_all)(const client *c);
    /* The setting requirepass has a new value; empty: the default user needs no password. */
    void (*password)(slice password);
} identity;

/* NULL: the session's own again. */
void identity_use(const identity *who);

/* What the session's files and commands ask. identity_authenticate sets CLIENT_AUTHENTICATED. */
bool identity_authenticate(client *c, slice user, slice password);
slice identity_name(const client *c);
bool identity_open(void);
/* Must c say who he is before anything else? Limits are tight until then. */
bool identity_must_say(const client *c);
bool identity_nopass(void);
bool identity_known(slice user);
bool identity_reads_all(const client *c);
/* Makes c the client that it was when it came: REQUIRES that its slots are forgotten. */
void identity_reset(client *c);
/* After requirepass was set. */
void identity_password_changed(void);

#endif
