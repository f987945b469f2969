/* acl: where users meet the session: the gate, who is asked (session/identity.h), settings.
 *
 *     AUTH, HELLO ──> identity.authenticate ──> users_set
 *     a command   ──> the gate "acl" ──> check_command ──> -NOPERM, ACL LOG
 *
 * The gate is disarmed while every user may do everything: then a command pays nothing for users.
 * It is asked again inside of EXEC and scripts, and when a blocked command is served: what counts
 * is what the user may do at that time. */
#include "acl/acl.h"

#include "acl/internal.h"
#include "session/config.h"
#include "session/identity.h"
#include "session/reply.h"

/* The one session of the server, and the number under which its gate is armed. */
static session *served;
static int gate_number;

/* ---- the gate ----------------------------------------------------------------------------------
 */

/* EXEC says more: the command had been allowed when it was queued. */
static void reply_in_exec(client *c, denial d) {
    static const char *const reasons[] = {
        [DENIED_COMMAND] = "no permission to execute the command or subcommand",
        [DENIED_KEY] = "no permission to touch the specified keys",
        [DENIED_CHANNEL] = "no permission to access one of the channels used as arguments to the "
                           "command"};
    (void)reply_error(
        c,
        "NOPERM ACLs rules changed between the moment the transaction was accumulated "
        "and the EXEC call. This command is no longer allowed for the following "
        "reason: %s",
        reasons[d]);
}

/* Redis' words, by where the command runs. */
static void reply_denied(client *c, denial d, const user *u) {
    if (c->outer && (c->outer->flags & CMD_CARRIES)) {
        reply_in_exec(c, d);
        return;
    }
    const char *head = c->outer ? "ERR ACL failure in script: " : "NOPERM ";
    buf text = {0};
    buf_append(&text, head, strlen(head));
    check_explain(d, u, c->row, SLICE_EMPTY, false, &text);
    (void)reply_error_text(c, buf_slice(&text));
    buf_free(&text);
}

/* Armed while somebody may not do everything. */
static gate_result pass(client *c, void *ctx) {
    int at;
    (void)ctx;
    /* One load and one test for a user who may do everything, while others may not. */
    const user *u = users_of(c);
    if (u->unrestricted) return GATE_PASS;
    denial d = check_command(u, c->row, c->argc, c->argv, &at);
    if (d == DENIED_NOT) return GATE_PASS;
    denials_note(c, d, user_name(u),
                 d == DENIED_COMMAND ? slice_cstr(c->row->full_name) : c->argv[at]);
    reply_denied(c, d, u);
    return GATE_REFUSE;
}

/* Told by users.c whenever a user changes. */
static void arm(bool restricted) {
    session_gate_arm(served, gate_number, restricted);
}

/* ---- who is asked ------------------------------------------------------------------------------
 */

/* A password is hashed in any case, so that the time does not tell whether there is such a user. */
static bool authenticate(client *c, slice name, slice password) {
    /* Of a user who is not there the default one's passwords are tried, for the time that it takes.
     */
    user *u = users_find(name);
    bool right = user_has_password(u ? u : users_default(), password);
    if (u && u->on && (u->nopass || right)) {
        users_set(c, u);
        return true;
    }
    denials_note(c, DENIED_AUTH, name, c->argv[0]);
    return false;
}

/* For CLIENT LIST. */
static slice name_of(const client *c) {
    return user_name(users_of(c));
}
/* A new client is let in only if both hold. */
static bool is_open(void) {
    return users_default()->on && users_default()->nopass;
}
/* Also when he is off: protected mode and AUTH ask for the password alone, as in Redis. */
static bool is_nopass(void) {
    return users_default()->nopass;
}
/* For CLIENT KILL USER. */
static bool is_known(slice name) {
    return users_find(name) != NULL;
}
/* For redis.acl_check_cmd: the denial is not noted, as nothing was tried. */
static bool permits(const client *c, const command_row *row, int argc, const slice *argv) {
    int at;
    const user *u = users_of(c);
    return u->unrestricted || check_command(u, row, argc, argv, &at) == DENIED_NOT;
}
/* For patterns of SORT, whose keys nobody knows beforehand. */
static bool reads_all(const client *c) {
    return check_reads_all(users_of(c), c->row, c->argc, c->argv);
}
/* CONFIG SET requirepass changes the default user, and who is connected stays. */
static void set_password(slice password) {
    user_set_password(users_default(), password);
}

static const identity who = {.authenticate = authenticate,
                             .name = name_of,
                             .open = is_open,
                             .nopass = is_nopass,
                             .known = is_known,
                             .permits = permits,
                             .reads_all = reads_all,
                             .password = set_password};

/* ---- settings ----------------------------------------------------------------------------------
 */

static const setting_choice channel_choices[] = {
    {"resetchannels", 0}, {"allchannels", 1}, {NULL, 0}};

/* CONFIG SET takes effect at once. */
static status apply_log_len(const setting *s) {
    (void)s;
    denials_trim();
    return STATUS_OK;
}

const setting acl_settings[] = {
    {"user", NULL, SETTING_CUSTOM, SETTING_MULTI_ARG | SETTING_MANY_LINES | SETTING_FILE_ONLY, NULL,
     "", .set = file_set_user, .get = file_get_users},
    {"aclfile", NULL, SETTING_STRING, SETTING_FIXED, &users_file, ""},
    {"acl-pubsub-default", NULL, SETTING_ENUM, 0, &selector_channels_default, "resetchannels",
     .choices = channel_choices},
    {"acllog-max-len", NULL, SETTING_INT, 0, &denials_max, "128", 0, INT64_MAX,
     .apply = apply_log_len},
    {0},
};

/* Four lines of Stats. */
const metric_section *acl_metrics(void) {
    static const metric_section table[] = {{"Stats", denials_emit, NULL, denials_reset, 0}, {0}};
    return table;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

/* requirepass first: a line of the default user says more. */
status acl_start(session *s) {
    served = s;
    gate_number = session_gate_add(s, &(gate){.name = "acl",
                                              .rank = GATE_RANK_ACL,
                                              .pass = pass,
                                              .open_to = CLIENT_FAKE,
                                              .inside = true});
    denials_start();
    users_start(s, arm);
    identity_use(&who);
    identity_password_changed();
    return file_start();
}
