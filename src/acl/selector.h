/* selector: one set of permissions: commands, keys, channels. A user has a root one and may have
 * more: what any of them allows, he may do. */
#ifndef STAVE_ACL_SELECTOR_H
#define STAVE_ACL_SELECTOR_H

#include "acl/names.h"
#include "base/buf.h"
#include "session/command.h"

#define SELECTOR_COMMANDS 1024 /* more than command_ids() */
#define SELECTOR_WORDS    (SELECTOR_COMMANDS / 64)

enum key_access { KEY_READS = 1, KEY_WRITES = 2 };
enum rule_kind { RULE_DENIES = 1, RULE_ALLOWS = 2 };

/* First arguments with which a command is allowed that otherwise is not. */
typedef struct first_args {
    int id;
    names args;  /* lower case */
    names rules; /* of it, in the selector's: also of arguments that a category took away again */
} first_args;

typedef struct selector {
    uint64_t commands[SELECTOR_WORDS]; /* by command_row.id */
    bool all_commands;                 /* nothing was taken away since +@all */
    bool from_all;                     /* its rules begin with +@all, not with -@all */
    bool all_keys, all_channels;
    names rules;    /* "get", "config|get", "select|0", "@read": an enum rule_kind */
    names keys;     /* patterns: enum key_access */
    names channels; /* patterns: 1 */
    first_args *first;
    uint32_t nfirst, first_cap;
} selector;

/* Why a rule is refused; rule_error_text has the words of each. */
typedef enum rule_error {
    RULE_OK,
    RULE_UNKNOWN,  /* no such command or category */
    RULE_SYNTAX,   /* or a pattern has spaces in it */
    RULE_ALL_KEYS, /* a pattern of keys behind ~* */
    RULE_ALL_CHANNELS,
    RULE_NO_PASSWORD, /* to be removed is one that is not there */
    RULE_BAD_HASH,
    RULE_OF_SUBCOMMAND, /* a first argument of a sub-command */
    RULE_DUPLICATE_USER,
} rule_error;
const char *rule_error_text(rule_error e);

/* Allows nothing, but for channels if acl-pubsub-default says so. */
selector *selector_new(void);
void selector_free(selector *s);
selector *selector_copy(const selector *s);
/* Applies one rule; one that is refused changes nothing. */
rule_error selector_set(selector *s, slice rule);

/* What is told of it, each as rules that make the same again. */
void selector_show_commands(const selector *s, buf *out);
void selector_show_keys(const selector *s, buf *out);
void selector_show_channels(const selector *s, buf *out);
/* All of it, as ACL LIST has it; nested: between parentheses, where names that would end them, or
 * begin a quoted part, are quoted. */
void selector_show(const selector *s, bool nested, buf *out);

/* The bit of a command, or its first argument. */
bool selector_allows_command(const selector *s, const command_row *row, int argc,
                             const slice *argv);
bool selector_allows_key(const selector *s, slice key, unsigned access);
/* Every key, with that access? */
bool selector_allows_every_key(const selector *s, unsigned access);
/* is_pattern: of PSUBSCRIBE, which must be one of the selector's own, to the letter. */
bool selector_allows_channel(const selector *s, slice channel, bool is_pattern);

/* Spaces and NULs are what no name may have in it. */
bool name_is_clean(slice s);

/* acl-pubsub-default */
extern int selector_channels_default;

#endif
