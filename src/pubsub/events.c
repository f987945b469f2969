/* events: keyspace events as messages (notify-keyspace-events).
 *
 * For an event of a class that the setting names, two messages, if it names K and E:
 *
 *     K   __keyspace@DB__:KEY   says EVENT
 *     E   __keyevent@DB__:EVENT says KEY
 *
 * The keyspace tells of events after the batch that caused them has committed, so nobody hears of
 * what did not happen, and the messages wait for the log's end as replies do. While the setting is
 * empty the keyspace keeps nothing for this. */
#include "pubsub/internal.h"

#include "pubsub/pubsub.h"

#include "base/log.h"

/* Beside the classes of the keyspace, in bits that these do not use; the setting's letters in the
 * order in which CONFIG GET shows them, those that A stands for first. */
#define AS_KEYSPACE (1u << 30) /* K */
#define AS_KEYEVENT (1u << 29) /* E */
#define MODULES     (1u << 28) /* d: there are none, but the letter is known */
#define EITHER      (AS_KEYSPACE | AS_KEYEVENT)

static const struct {
    char letter;
    unsigned bit;
} letters[] = {{'g', KS_GENERIC},  {'$', KS_STRING}, {'l', KS_LIST},    {'s', KS_SET},
               {'h', KS_HASH},     {'z', KS_ZSET},   {'x', KS_EXPIRED}, {'e', KS_EVICTED},
               {'t', KS_STREAM},   {'d', MODULES},   {'n', KS_NEW},     {'K', AS_KEYSPACE},
               {'E', AS_KEYEVENT}, {'m', KS_MISS}};
#define LETTERS (sizeof letters / sizeof *letters)
#define IN_A    10 /* the first so many */

/* One session a process, so one setting and one hook. */
static unsigned wanted;
static session *served;
static int hook;

/* Of the first ten letters. */
static unsigned all_classes(void) {
    unsigned all = 0;
    for (size_t i = 0; i < IN_A; i++)
        all |= letters[i].bit;
    return all;
}

/* The hook listens when there is a class to listen to and a way to tell. */
static void arm(void) {
    if (!served) return;
    bool on = (wanted & EITHER) && (wanted & ~(EITHER | MODULES));
    ks_hook_arm(session_keyspace(served), hook, on);
}

/* 0: no such letter. */
static unsigned bits_of(char letter) {
    if (letter == 'A') return all_classes();
    for (size_t i = 0; i < LETTERS; i++)
        if (letters[i].letter == letter) return letters[i].bit;
    return 0;
}

/* Nothing changes if a letter is unknown. */
static status set_events(const setting *s, int argc, const slice *argv) {
    unsigned bits = 0;
    (void)s;
    for (int i = 0; i < argc; i++)
        for (size_t j = 0; j < argv[i].len; j++) {
            unsigned bit = bits_of(argv[i].data[j]);
            if (!bit)
                return status_make(ST_INVALID,
                                   "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
            bits |= bit;
        }
    wanted = bits;
    arm();
    return STATUS_OK;
}

/* In one order, whatever it was given in. */
static void get_events(const setting *s, buf *out) {
    (void)s;
    unsigned left = wanted, all = all_classes();
    if ((left & all) == all) {
        buf_append_char(out, 'A');
        left &= ~all;
    }
    for (size_t i = 0; i < LETTERS; i++)
        if (left & letters[i].bit) buf_append_char(out, letters[i].letter);
}

/* Takes effect with the next command. */
const setting pubsub_settings[] = {
    {"notify-keyspace-events", NULL, SETTING_CUSTOM, 0, NULL, "", .set = set_events,
     .get = get_events},
    {0},
};

/* One channel and what it says. */
static void send(const char *kind, uint32_t db, slice about, slice message) {
    buf channel = {0};
    buf_printf(&channel, "__%s@%u__:", kind, db);
    buf_append_slice(&channel, about);
    topics_send(TOPIC_CHANNEL, buf_slice(&channel), message,
                engine_log_end(ks_engine(session_keyspace(served))));
    buf_free(&channel);
}

/* Nobody listens to anything: then there is nothing to write. */
static void on_event(void *ctx, unsigned klass, const char *name, uint32_t db, slice key) {
    (void)ctx;
    if (!(wanted & klass)) return;
    if (topics_count(TOPIC_CHANNEL) + topics_count(TOPIC_PATTERN) == 0) return;
    if (wanted & AS_KEYSPACE) send("keyspace", db, key, slice_cstr(name));
    if (wanted & AS_KEYEVENT) send("keyevent", db, slice_cstr(name), key);
}

/* A setting from the file was there before. */
void events_start(session *s) {
    served = s;
    hook = ks_hook_add(session_keyspace(s), &(ks_hooks){.event = on_event});
    arm();
}
