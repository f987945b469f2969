/* check: may this user run this command line?
 *
 *     for each selector:   command? ──> keys? ──> channels? ──> yes: allowed
 *
 * Where keys are says the command's row, with what is done to them; they are looked up once for all
 * selectors, and only if one of them does not allow all keys. A line of which that can't be told is
 * left to the command, which refuses it.
 *
 * One selector has to allow the whole line: of (+get ~a) and (+set ~b), GET b is denied, though
 * each of its parts is allowed by one of them. If all deny, the one that came nearest says why: a
 * channel or a key that is denied belongs to a command that was allowed. */
#include "acl/internal.h"

#include "base/mem.h"

/* The keys of a line; n < 0: not looked up. */
typedef struct line_keys {
    int n;
    int *at;
    unsigned *flags;
} line_keys;

#define KEYS_KEPT 256 /* room that is kept for the next line */

/* Kept from line to line: a check allocates nothing for lines of the usual length. */
static int *key_room;
static int key_room_for;

/* Room for a line's positions and flags, used again by the next. */
static void look_up(line_keys *k, const command_row *row, int argc, const slice *argv) {
    if (argc > key_room_for) {
        key_room_for = argc < KEYS_KEPT ? KEYS_KEPT : argc;
        key_room = mem_realloc(key_room, (size_t)key_room_for * 2 * sizeof *key_room);
    }
    k->at = key_room;
    k->flags = (unsigned *)key_room + key_room_for;
    /* A command has no more keys than arguments, so there is room for all of them. */
    k->n = command_keys(row, argv, argc, k->at, k->flags);
    if (k->n < 0) k->n = 0;
}

/* Gives back what a long line took. */
static void keys_done(void) {
    if (key_room_for <= KEYS_KEPT) return;
    mem_free(key_room);
    key_room = NULL;
    key_room_for = 0;
}

/* What a key's flags ask of a pattern. */
static unsigned access_of(unsigned flags) {
    unsigned access = flags & KEY_ACCESS ? KEY_READS : 0;
    return access | (flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE) ? KEY_WRITES : 0);
}

/* REQUIRES: the row has channels. */
static denial check_channels(const selector *s, const command_row *row, int argc, const slice *argv,
                             int *at) {
    /* PUBLISH names one channel, SUBSCRIBE and its like as many as there are arguments. */
    int last = row->def->channels == CHANNEL_FIRST ? 1 : argc - 1;
    for (int i = 1; i <= last; i++) {
        if (selector_allows_channel(s, argv[i], row->def->channels == CHANNEL_PATTERNS)) continue;
        *at = i;
        return DENIED_CHANNEL;
    }
    return DENIED_NOT;
}

/* What one selector says. What may come before any AUTH needs no permission. */
static denial check_selector(const selector *s, const command_row *row, int argc, const slice *argv,
                             line_keys *keys, int *at) {
    if (!(row->flags & CMD_NO_AUTH) && !selector_allows_command(s, row, argc, argv))
        return DENIED_COMMAND;
    /* Most users have ~* or commands without keys: neither looks for them. */
    if (!s->all_keys && (row->def->getkeys || row->def->keys[0].flags)) {
        if (keys->n < 0) look_up(keys, row, argc, argv);
        for (int i = 0; i < keys->n; i++) {
            if (selector_allows_key(s, argv[keys->at[i]], access_of(keys->flags[i]))) continue;
            *at = keys->at[i];
            return DENIED_KEY;
        }
    }
    if (s->all_channels || !row->def->channels) return DENIED_NOT;
    return check_channels(s, row, argc, argv, at);
}

/* Of several reasons the greatest is told, then the one that is further behind in the line. */
denial check_command(const user *u, const command_row *row, int argc, const slice *argv, int *at) {
    denial worst = DENIED_COMMAND;
    line_keys keys = {.n = -1};
    int here = 0;
    *at = 0;
    for (uint32_t i = 0; i < u->nselectors; i++) {
        denial d = check_selector(u->selectors[i], row, argc, argv, &keys, &here);
        if (d == DENIED_NOT) {
            worst = d;
            break;
        }
        /* Of one kind the place further behind: that selector has allowed more of the line. */
        if (d < worst || (d == worst && here <= *at)) continue;
        worst = d;
        *at = here;
    }
    keys_done();
    return worst;
}

/* By one and the same selector. */
bool check_reads_all(const user *u, const command_row *row, int argc, const slice *argv) {
    /* Two halves are not enough here either: the selector that allows the command has to allow all
     * keys. */
    bool may = u->unrestricted;
    line_keys keys = {.n = -1};
    int at;
    for (uint32_t i = 0; i < u->nselectors && !may; i++) {
        const selector *s = u->selectors[i];
        may = selector_allows_every_key(s, KEY_READS) &&
              check_selector(s, row, argc, argv, &keys, &at) == DENIED_NOT;
    }
    keys_done();
    return may;
}

/* For those who listen already. */
bool check_channel(const user *u, slice channel, bool is_pattern) {
    for (uint32_t i = 0; i < u->nselectors; i++)
        if (selector_allows_channel(u->selectors[i], channel, is_pattern)) return true;
    return false;
}

/* What is denied is named only where it is no secret: to who asks by DRYRUN. */
void check_explain(denial d, const user *u, const command_row *row, slice what, bool verbose,
                   buf *out) {
    const char *kind = d == DENIED_KEY ? "key" : "channel";
    if (d != DENIED_COMMAND && !verbose) {
        buf_printf(out, "No permissions to access a %s", kind);
        return;
    }
    buf_printf(out, "User ");
    buf_append_slice(out, user_name(u));
    buf_printf(out, " has no permissions to ");
    if (d == DENIED_COMMAND) {
        buf_printf(out, "run the '%s' command", row->full_name);
        return;
    }
    buf_printf(out, "access the '");
    buf_append_slice(out, what);
    buf_printf(out, "' %s", kind);
}
