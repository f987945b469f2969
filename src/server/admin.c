/* The server's own commands: TIME, LASTSAVE, SHUTDOWN, BGREWRITEAOF. */
#include "server/admin.h"

#include "base/log.h"
#include "session/inside.h"
#include "session/reply.h"

static server *srv;

/* Calls what must not be called inside a batch: the command's own, in which nothing has happened,
 * ends before and begins again after. */
static status outside_batch(client *c, status (*call)(engine *e)) {
    if (ks_in_inner_batch(c->ks))
        return status_make(ST_INVALID, "not within a transaction or a script");
    ks_commit(c->ks);
    status st = call(srv->engine);
    ks_begin(c->ks);
    return st;
}

/* One time for all of a transaction or a script. */
static command_result cmd_time(client *c) {
    static uint64_t run;
    static int64_t now;
    if (run != session_runs(c->session)) now = clock_wall_us();
    run = session_runs(c->session);
    reply_array(c, 2);
    resp_bulk_i64(&c->out, now / 1000000);
    resp_bulk_i64(&c->out, now % 1000000);
    return CMD_DONE;
}

/* When everything was last known to be on disk: of what is older nothing can be lost. */
static command_result cmd_lastsave(client *c) {
    reply_int(c, srv->last_save_ms / 1000);
    return CMD_DONE;
}

/* While a script runs and does not end: it is stopped, nothing stays of it, and all that was before
 * it is made durable as at any end. */
static command_result stop_busy(client *c, bool nosave, bool force) {
    if (!nosave)
        return reply_error(c,
                           "BUSY Redis is busy running a script. You can only call SCRIPT KILL or "
                           "SHUTDOWN NOSAVE.");
    log_warning("User requested shutdown while a script runs: it is stopped and leaves nothing.");
    srv->stop_force = force;
    c->flags |= CLIENT_CLOSE_AFTER_REPLY;
    reactor_stop(srv->reactor);
    return CMD_DONE;
}

/* SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] | ABORT. The log is the data, so SAVE and NOSAVE are the
 * same here: nothing is kept back that a save would add. It never replies when it succeeds. */
static command_result cmd_shutdown(client *c) {
    bool save = false, nosave = false, now = false, force = false, abort = false;
    for (int i = 1; i < c->argc; i++) {
        if (arg_is(c, i, "nosave")) {
            nosave = true;
        } else if (arg_is(c, i, "save")) {
            save = true;
        } else if (arg_is(c, i, "now")) {
            now = true;
        } else if (arg_is(c, i, "force")) {
            force = true;
        } else if (arg_is(c, i, "abort")) {
            abort = true;
        } else {
            return reply_syntax_error(c);
        }
    }
    if ((abort && (save || nosave || now || force)) || (save && nosave)) {
        return reply_syntax_error(c);
    }
    if (abort) return reply_error(c, "ERR No shutdown in progress.");
    if (session_serving(srv->session)) return stop_busy(c, nosave, force);
    status st = outside_batch(c, engine_sync);
    if (!status_ok(st) && !force) {
        log_warning("SHUTDOWN: making everything durable failed: %s", st.msg);
        return reply_error(c, "ERR Errors trying to SHUTDOWN. Check logs.");
    }
    log_notice("User requested shutdown...");
    srv->stop_force = force;
    c->flags |= CLIENT_CLOSE_AFTER_REPLY;
    reactor_stop(srv->reactor);
    return CMD_DONE;
}

/* What Redis users call a rewrite of the append-only file is a merge of all that is sealed. */
static command_result cmd_bgrewriteaof(client *c) {
    status st = outside_batch(c, engine_compact);
    if (st.code == ST_BUSY) {
        return reply_error(c, "ERR Background append only file rewriting already in progress");
    }
    if (!status_ok(st)) return reply_error(c, "ERR Can't merge: %s", st.msg);
    reply_simple(c, "Background append only file rewriting started");
    return CMD_DONE;
}

status admin_start(server *s) {
    srv = s;
    return STATUS_OK;
}

static const char *const nondeterministic[] = {"nondeterministic_output", NULL};

const command admin_commands[] = {
    {"time", cmd_time, 1, CMD_LOADING | CMD_STALE | CMD_FAST, 0, "server", "2.6.0", "O(1)",
     "Tells the server's clock, in seconds and microseconds.", "", .tips = nondeterministic},
    {"lastsave", cmd_lastsave, 1, CMD_LOADING | CMD_STALE | CMD_FAST, CAT_ADMIN | CAT_DANGEROUS,
     "server", "1.0.0", "O(1)", "Tells when all data was last known to be on disk.", "",
     .tips = nondeterministic},
    {"shutdown", cmd_shutdown, -1,
     CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY, 0,
     "server", "1.0.0", "O(1), after an fsync of what is not yet durable",
     "Makes all data durable and ends the server.",
     "[@save-selector:<NOSAVE|SAVE>] [NOW^7.0.0] [FORCE^7.0.0] [ABORT^7.0.0]",
     .history = "7.0.0: Added the NOW, FORCE and ABORT modifiers."},
    {"bgrewriteaof", cmd_bgrewriteaof, 1, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING, 0,
     "server", "1.0.0", "O(1); the merge itself runs in a child",
     "Merges the log's segments in the background.", ""},
    {0},
};
