/* simwords: random commands on keys of every type, as the arguments of a client. */
#ifndef STAVE_TESTS_SIM_SIMWORDS_H
#define STAVE_TESTS_SIM_SIMWORDS_H

#include "sim/sim.h"

#define WORDS_MAX 2048
#define WORDS_IDS 8
#define WORDS_ID  48

typedef struct simwords {
    buf bytes; /* what argv points to */
    size_t ends[WORDS_MAX];
    slice argv[WORDS_MAX];
    int argc;
    bool open;     /* a word has begun, though it may be empty */
    int inner;     /* commands that it runs itself: a script */
    uint64_t mark; /* what it leaves, whatever happens; 0: nothing */
    slice dump;    /* a payload for RESTORE, given by the caller */
    /* IDs of entries that were added last. */
    char ids[WORDS_IDS][WORDS_ID];
    unsigned n_ids;
} simwords;

/* One command, chosen by s->chance; plain: one that runs no others. */
void simwords_make(simwords *w, sim *s);
void simwords_plain(simwords *w, sim *s);
/* Or word by word. */
void simwords_begin(simwords *w);
void simwords_word(simwords *w, slice word);
void simwords_end(simwords *w);
/* Bytes of its arguments, and what gates may ask for beside them. */
size_t simwords_bytes(const simwords *w);
/* The command that a line of words and places says (simwords.c), or one word. */
void simwords_line(simwords *w, sim *s, const char *line);
/* A line without places but %, which is the key. */
void simwords_on_key(simwords *w, const char *line, slice key);
/* Reads all of a key of that type. */
void simwords_read_all(simwords *w, unsigned type, slice key);
/* An entry was added under this ID. */
void simwords_added(simwords *w, slice id);
bool simwords_is(const simwords *w, const char *name);
void simwords_free(simwords *w);

#endif
