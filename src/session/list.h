/* list: doubly linked lists through their members, so that joining and leaving one allocates
 * nothing. A head is a node of its own; a node outside of any list points to itself. */
#ifndef STAVE_SESSION_LIST_H
#define STAVE_SESSION_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct list_node {
    struct list_node *next, *prev;
} list_node;

/* The struct of `type` whose member `member` is at `n`. */
#define LIST_OWNER(n, type, member) ((type *)(void *)((char *)(n)-offsetof(type, member)))

static inline void list_init(list_node *n) {
    n->next = n->prev = n;
}
/* Is n in a list (or, for a head: is anything in it)? */
static inline bool list_used(const list_node *n) {
    return n->next != n;
}
/* Leaves its list, if it is in one. */
static inline void list_remove(list_node *n) {
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}
/* Goes to the end of head's list. REQUIRES: n is in no list. */
static inline void list_append(list_node *head, list_node *n) {
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}
/* Moves all of from's list to the end of to's; from is empty then. */
static inline void list_append_all(list_node *to, list_node *from) {
    if (!list_used(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}
/* Takes the first node off a list; NULL when it is empty. */
static inline list_node *list_take(list_node *head) {
    if (!list_used(head)) return NULL;
    list_node *n = head->next;
    list_remove(n);
    return n;
}

#endif
