/* migration: one MIGRATE, from the moment its request is made until its keys are gone from here. */
#ifndef STAVE_MIGRATE_MIGRATION_H
#define STAVE_MIGRATE_MIGRATION_H

#include "migrate/link.h"
#include "session/session.h"

/* A key that is being migrated. It is deleted if it was accepted and not changed. */
typedef struct migration_key {
    slice key;     /* in migration.names */
    bool accepted; /* the target has it */
    bool changed;  /* since it was read: it stays */
} migration_key;

typedef struct migration {
    list_node link; /* in the list of all that are going on */
    client *c;      /* who waits for it; NULL: has gone */
    uint32_t db;
    bool copy;
    char *host;
    int port;
    int64_t target_db, timeout_ms;
    slice user, password; /* in names; without data: none */
    buf names;
    migration_key *keys;
    size_t nkeys;
    buf body;        /* the RESTOREs */
    log_pos depends; /* what they show */
    buf head;        /* what goes before them: AUTH, SELECT */
    size_t heads;    /* how many commands that is */
    bool selects;    /* the last of them is SELECT */
    bool astray;     /* one of them failed: what was restored is not where it should be */
    struct link *peer;
    bool reused, again, answered; /* the connection had been used before; this is the second
                                     attempt; a reply has come */
    uint64_t timer;
    uint64_t begun_us;
    link_end why;
    buf error;   /* the first that the target replied */
    bool failed; /* the keys could not be deleted */
} migration;

/* Once, before any other. */
void migrations_start(session *s);
size_t migrations_idle_links(void);
void migrations_use_tls(bool on);
migration *migration_new(client *c);
void migration_free(migration *j);
/* It is complete: body, keys, target. c blocks until it has ended. Owns j from then on. */
void migration_start(migration *j);

#endif
