/* simfs_int: what the files of simfs share, and the recording view for children needs. */
#ifndef STAVE_TESTS_SIM_SIMFS_INT_H
#define STAVE_TESTS_SIM_SIMFS_INT_H

#include "sim/simfs.h"

/* A change of a file that is not on the disk for certain. */
typedef struct sim_change {
    enum { CHANGE_WRITE, CHANGE_RESIZE } kind;
    uint64_t seq;    /* over all changes of all files: their order in time */
    uint64_t offset; /* CHANGE_RESIZE: the new size */
    uint64_t before; /* the size before, and ... */
    uint64_t after;  /* ... after the change */
    buf bytes;
} sim_change;

typedef struct sim_inode {
    bool is_dir;
    bool locked;
    buf view;    /* what programs see */
    buf durable; /* what is on the disk for certain */
    sim_change *changes;
    size_t nchanges, cap;
    int handles; /* open ones */
    bool marked; /* for collecting those that nothing names */
} sim_inode;

typedef struct sim_name {
    char *path;
    sim_inode *inode;
} sim_name;

/* A table of names, in order of path. */
typedef struct sim_names {
    sim_name *at;
    size_t n, cap;
} sim_names;

/* A change of a directory that no sync_dir has covered yet. */
typedef struct sim_dirop {
    enum { DIR_CREATE, DIR_UNLINK, DIR_RENAME } kind;
    uint64_t seq;
    char *path, *to;
    sim_inode *inode;
} sim_dirop;

typedef struct sim_file {
    vfs_file base;
    simfs *fs;
    sim_inode *inode;
    char *path;
    unsigned flags;
    bool is_lock;
    bool sync_failed;              /* nothing is to be written to it again */
    struct sim_file *next, **link; /* all open ones */
} sim_file;

struct simfs {
    vfs base;
    rng chance;
    simfs_knobs knobs;
    simfs_counts counts;
    uint64_t seq;
    sim_names view, durable;
    sim_dirop *dirops;
    size_t ndirops, dirops_cap;
    sim_inode **inodes;
    size_t ninodes, inodes_cap;
    sim_file *open;
    size_t nopen;
    bool stopped;
    enum { SIM_LIVE, SIM_REPLAY_DO, SIM_REPLAY_FAIL } replay; /* a child's noted call: its fate */
    bool in_child; /* a child's job runs in process: it may read through the parent's handles */
    int depth;     /* in the hook */
    void (*before)(void *ctx);
    void *before_ctx;
    void (*line)(void *ctx, const char *text);
    void *line_ctx;
};

/* ---- simfs.c: files and names --------------------------------------------------------------- */

/* NULL if there is no such name. */
sim_inode *sim_names_find(const sim_names *t, const char *path);
/* inode NULL: removes the name. */
void sim_names_set(sim_names *t, const char *path, sim_inode *inode);
sim_inode *sim_inode_new(simfs *fs, bool is_dir);
/* Frees inodes that no name, no unsynced directory change and no handle reaches. */
void sim_collect(simfs *fs);
void sim_note_dirop(simfs *fs, int kind, const char *path, const char *to, sim_inode *inode);
/* The directory a path lies in: its length, without the slash. */
size_t sim_parent(const char *path);

/* Changes of a file's view, noted as unsynced. */
void sim_write(simfs *fs, sim_inode *f, uint64_t offset, const char *p, size_t n);
void sim_resize(simfs *fs, sim_inode *f, uint64_t size);
void sim_buf_resize(buf *b, uint64_t size);
void sim_buf_write(buf *b, uint64_t offset, const char *p, size_t n);

/* ---- simfs_crash.c: what becomes of unsynced changes ---------------------------------------- */

void sim_sync(sim_inode *f);
void sim_sync_dir(simfs *fs, const char *path);
/* A sync that fails: see simfs.h. */
void sim_sync_failed(simfs *fs, sim_inode *f);

/* ---- simfs_vfs.c: calls --------------------------------------------------------------------- */

extern const vfs_ops sim_vfs_ops;
void sim_close_handle(sim_file *f);
/* One line to the trace, if there is one. */
void sim_trace(simfs *fs, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
