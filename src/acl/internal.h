/* internal: all users, who is which, what is denied; for the files of this folder alone. */
#ifndef STAVE_ACL_INTERNAL_H
#define STAVE_ACL_INTERNAL_H

#include "acl/user.h"
#include "session/session.h"

/* ---- all users (users.c) ------------------------------------------------------------------------
 */

/* For this session; none but the default user. restricted is told whenever it may have changed
 * whether there is somebody who may not do everything. */
void users_start(session *s, void (*restricted)(bool is));
/* NULL: there is none. */
user *users_find(slice name);
user *users_default(void);
/* Who c is: the default user if he has not said otherwise. */
user *users_of(const client *c);
/* Within EXEC it is taken back if that has to run again; so are those below, in any batch. */
void users_set(client *c, user *u);
/* By name; free the array. The first is at 0. */
user **users_sorted(size_t *n);
/* u is one of them from now on. REQUIRES: no other has its name. */
void users_add(user *u);
/* These end connections, when the batch has committed: that of who asks (NULL: nobody) when it has
 * its reply. The user `old` is as `with` says, whose contents are taken. Subscribers of his that
 * may no longer listen to what they do are closed. */
void users_change(user *old, user *with, client *asker);
/* Ends his connections. False: there is none. REQUIRES: it is not the default user. */
bool users_delete(slice name, client *asker);
/* All users at once: owned from now on, by name. Connections of those who were there are ended, but
 * for those of the default user. */
void users_exchange(dict *by_name, client *asker);
/* What any of them may do has changed: is there something to check? */
void users_changed(void);

/* ---- permissions (check.c) ----------------------------------------------------------------------
 */

/* Ordered: of several selectors' answers the greatest is told. */
typedef enum denial { DENIED_NOT, DENIED_COMMAND, DENIED_KEY, DENIED_AUTH, DENIED_CHANNEL } denial;

/* May u run this? *at is the argument that he may not name. */
denial check_command(const user *u, const command_row *row, int argc, const slice *argv, int *at);
/* May he, and also read every key? */
bool check_reads_all(const user *u, const command_row *row, int argc, const slice *argv);
bool check_channel(const user *u, slice channel, bool is_pattern);
/* Appends why: "User bob has no permissions to run the 'get' command". verbose: names the key. */
void check_explain(denial d, const user *u, const command_row *row, slice what, bool verbose,
                   buf *out);

/* ---- ACL LOG (denials.c) ------------------------------------------------------------------------
 */

/* c's running command was denied; what: the key, the channel, or argv[0]; name: who he is, or would
 * be. Inside of EXEC it is noted when that has committed. */
void denials_note(client *c, denial d, slice name, slice what);
command_result denials_reply(client *c); /* ACL LOG */
void denials_trim(void);                 /* acllog-max-len has changed */
void denials_start(void);
/* INFO */
void denials_emit(buf *out, void *ctx);
void denials_reset(void *ctx);
extern int64_t denials_max;

/* ---- users of files (file.c) --------------------------------------------------------------------
 */

extern char *users_file; /* aclfile; "" or NULL: there is none */
/* "user" lines of the configuration. */
status file_set_user(const setting *s, int argc, const slice *argv);
void file_get_users(const setting *s, buf *out);
/* The users of the settings, or of the file. */
status file_start(void);
/* Appends what is wrong; then nothing has changed. */
bool file_load(buf *errors, client *asker);
status file_save(void);

#endif
