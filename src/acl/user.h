/* user: a name, passwords, and selectors. */
#ifndef STAVE_ACL_USER_H
#define STAVE_ACL_USER_H

#include "acl/selector.h"

typedef struct user {
    char *name; /* owned, with a NUL behind it */
    size_t name_len;
    bool on, nopass, skip_sanitize;
    names passwords;      /* SHA-256 in hexadecimal digits: 1 */
    selector **selectors; /* the root first */
    uint32_t nselectors, cap;
    bool unrestricted; /* a selector allows everything: see user_settle */
} user;

/* Off, without a password, and allowed nothing (but see acl-pubsub-default). */
user *user_new(slice name);
/* The one that is there before anybody says otherwise: "default", on, nopass, all allowed. */
user *user_new_default(void);
void user_free(user *u);
/* to has what from has, but for the name. */
void user_assign(user *to, const user *from);
/* Takes from's contents; from is freed. */
void user_take(user *to, user *from);
static inline slice user_name(const user *u) {
    return slice_of(u->name, u->name_len);
}

/* Applies one rule; one that is refused changes nothing. After the last, user_settle. */
rule_error user_set(user *u, slice rule);
void user_settle(user *u);
/* Its password, by which AUTH and requirepass set it: none is nopass. */
void user_set_password(user *u, slice password);
bool user_has_password(const user *u, slice password);

/* "on nopass sanitize-payload ~* &* +@all": rules that make the same user again. */
void user_show(const user *u, buf *out);
/* Calls each for "on", "nopass", ... */
int user_flags(const user *u, const char *out[3]);

/* Rules as they were given, a selector that was spread over several arguments put together. Free
 * with rules_free. False: the parenthesis of argv[*bad] has no end. */
typedef struct rule_list {
    slice *at;
    size_t n;
    buf text; /* of those that were put together */
} rule_list;
bool rules_merge(const slice *argv, int argc, rule_list *out, int *bad);
void rules_free(rule_list *l);

#endif
