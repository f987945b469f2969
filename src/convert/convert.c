/* convert: see convert.h. The steps in order, each undone by one call at the end.
 *
 * The target is driven as a server would drive it (side.c). The source is only read: it gets no
 * cron and starts no jobs, and is dropped as a crash would drop it, with all that its recovery has
 * written to the overlay. It is let go before the target is verified, so that the two indexes of
 * keys are not in memory at a time when that is not needed. */
#include "convert/convert.h"

#include "base/mem.h"
#include "convert/copy.h"
#include "convert/place.h"
#include "convert/side.h"
#include "convert/source.h"
#include "convert/walk.h"
#include "io/vfs_overlay.h"

#include <stdio.h>

typedef struct conversion {
    const convert_options *opt;
    convert_report *report;
    source source;
    place place;
    vfs *overlay;
    side from, to;
    uint64_t total;   /* keys */
    tally_sum *sums;  /* of each database, as FROM has it; behind them that of the system's */
    tally_sum before; /* of the databases that are done in this phase */
    convert_phase phase;
} conversion;

/* ---- what the copying asks for -----------------------------------------------------------------
 */

/* Sums of databases add up. */
static void add(tally_sum *to, const tally_sum *from) {
    to->keys += from->keys;
    to->elements += from->elements;
    to->bytes += from->bytes;
    to->a += from->a;
    to->b += from->b;
}

/* Asked often enough that a signal is heard at once. */
static status must_go_on(const conversion *c) {
    const convert_options *o = c->opt;
    if (o->stopped && o->stopped(o->ctx)) return status_make(ST_FAILED, "interrupted");
    return STATUS_OK;
}

/* Tells how far it is, and asks whether to go on. */
static status tell(conversion *c, const tally_sum *so_far) {
    tally_sum all = c->before;
    add(&all, so_far);
    if (c->opt->progress) c->opt->progress(c->opt->ctx, c->phase, &all, c->total);
    return must_go_on(c);
}

/* copy_host: a batch is in. */
static status turn(void *ctx, const tally_sum *so_far) {
    conversion *c = ctx;
    TRY(tell(c, so_far));
    return side_work(&c->to);
}

/* copy_host: the target wants time. */
static status sleep_for(void *ctx, uint64_t us) {
    conversion *c = ctx;
    uint64_t until = clock_mono_us() + us;
    for (uint64_t now; (now = clock_mono_us()) < until;) {
        TRY(must_go_on(c));
        TRY(side_work(&c->to));
        side_nap(until - now);
    }
    return STATUS_OK;
}

/* copy_host: the source wants time. */
static void wait_for_source(void *ctx) {
    side_wait(&((conversion *)ctx)->from);
}

/* ---- opening ------------------------------------------------------------------------------------
 */

/* The mode of TO. */
static bool target_cluster(const conversion *c) {
    if (c->opt->cluster == CONVERT_CLUSTER_AS_IS) return c->source.cluster;
    return c->opt->cluster == CONVERT_CLUSTER_YES;
}

/* All that can be said before anything is made. */
static status refuse(conversion *c) {
    const convert_options *o = c->opt;
    TRY(source_look(o->fs, o->from, &c->source, c->report->from));
    c->report->databases = (int)c->source.databases;
    if (c->source.engine == o->engine && target_cluster(c) == c->source.cluster && !o->force)
        return status_make(ST_INVALID,
                           "%s is of engine %s already; --force makes a copy without garbage",
                           o->from, c->report->from);
    return source_must_be_outside(o->from, o->to);
}

/* Defaults, but for caches: everything is read once, and in order. */
static status set_frugal(void) {
    convert_settings_default();
    TRY(convert_set(SLICE("value-cache-size"), SLICE("16mb")));
    return convert_set(SLICE("block-cache-size"), SLICE("32mb"));
}

/* FROM, for reading: the log that its recovery begins is next to empty. */
static status open_source(conversion *c) {
    TRY(set_frugal());
    TRY(convert_set(SLICE("segment-size"), SLICE("1mb")));
    vfs_overlay_options o = {.lower = c->opt->fs,
                             .upper = c->opt->fs,
                             .scratch = c->place.scratch,
                             .lock = c->opt->lock};
    c->overlay = vfs_overlay_new(&o);
    TRY(side_init(&c->from, c->source.engine, c->overlay, true));
    return side_open(&c->from, c->opt->from, c->source.databases, c->source.cluster, NULL);
}

/* Opens TO where it is made; what it holds, if anything, was put there by this conversion. */
static status open_again(conversion *c) {
    return side_open(&c->to, c->place.store, c->source.databases, target_cluster(c),
                     &c->source.hash);
}

/* TO, where it is made. */
static status open_target(conversion *c) {
    TRY(set_frugal());
    if (c->opt->settings) TRY(c->opt->settings(c->opt->ctx));
    TRY(side_init(&c->to, c->opt->engine, c->opt->fs, false));
    return open_again(c);
}

/* Drops FROM and what its recovery has written. */
static void end_source(conversion *c) {
    uint64_t files;
    side_free(&c->from);
    if (!c->overlay) return;
    vfs_overlay_stats(c->overlay, &c->report->copied_up, &files);
    vfs_overlay_free(c->overlay);
    c->overlay = NULL;
}

/* ---- the steps ----------------------------------------------------------------------------------
 */

/* The i-th database that is copied: the system's is the last, and no user's key is in it. */
static uint32_t number_of(const conversion *c, uint32_t i) {
    return i < c->source.databases ? i : ENGINE_DB_SYSTEM;
}

/* Every database, then all of TO durable. */
static status copy_all(conversion *c) {
    copy_host host = {turn, sleep_for, wait_for_source, c};
    for (uint32_t i = 0; i <= c->source.databases; i++) {
        engine_db_stats st;
        engine_db_stats_of(c->from.e, number_of(c, i), &st);
        c->total += st.keys;
    }
    c->sums = mem_zalloc((c->source.databases + 1) * sizeof *c->sums);
    for (uint32_t i = 0; i <= c->source.databases; i++) {
        TRY(copy_db(c->from.e, c->to.e, number_of(c, i), &host, &c->sums[i]));
        add(&c->before, &c->sums[i]);
        if (i < c->source.databases) c->report->sum = c->before;
    }
    return engine_sync(c->to.e);
}

typedef struct verifier {
    conversion *c;
    tally t;
} verifier;

/* The walker's, as the two behind it. */
static status verify_key(void *ctx, uint32_t db, slice key, const entry *ent) {
    verifier *v = ctx;
    (void)db;
    tally_entry(&v->t, key, ent);
    return v->t.sum.keys % 1024 ? STATUS_OK : tell(v->c, &v->t.sum);
}

static status verify_element(void *ctx, unsigned map, slice sub, slice value, int64_t expire) {
    verifier *v = ctx;
    tally_element(&v->t, map, sub, value, expire);
    return v->t.sum.elements % 65536 ? STATUS_OK : tell(v->c, &v->t.sum);
}

static void wait_for_target(void *ctx) {
    side_wait(&((verifier *)ctx)->c->to);
}

/* A database of TO as it is on disk, against what was read from FROM. */
static status verify_db(conversion *c, uint32_t i) {
    verifier v = {.c = c};
    uint32_t db = number_of(c, i);
    walker w = {verify_key, verify_element, wait_for_target, &v};
    const tally_sum *sum = &c->sums[i];
    status s = walk_db(c->to.e, db, &w);
    if (status_ok(s) && !tally_eq(&v.t.sum, sum))
        s = status_make(ST_CORRUPT,
                        "database %u differs: %llu keys and %llu elements were read, %llu and %llu "
                        "are there, or their contents are not the same",
                        db, (unsigned long long)sum->keys, (unsigned long long)sum->elements,
                        (unsigned long long)v.t.sum.keys, (unsigned long long)v.t.sum.elements);
    tally_free(&v.t);
    add(&c->before, sum);
    return s;
}

/* TO is closed, opened again and read. */
static status verify_all(conversion *c) {
    side_close(&c->to);
    TRY(open_again(c));
    c->phase = CONVERT_VERIFYING;
    c->before = (tally_sum){0};
    for (uint32_t i = 0; i <= c->source.databases; i++)
        TRY(verify_db(c, i));
    side_close(&c->to);
    return STATUS_OK;
}

/* The steps. What fails leaves the rest to convert_store. */
static status run(conversion *c) {
    TRY(refuse(c));
    TRY(place_begin(&c->place, c->opt->fs, c->opt->to));
    TRY(open_source(c));
    c->report->began = true;
    TRY(open_target(c));
    TRY(copy_all(c));
    end_source(c);
    TRY(verify_all(c));
    return place_finish(&c->place);
}

/* Engines go before the files that they have open. */
status convert_store(const convert_options *opt, convert_report *report) {
    char why[STATUS_MSG_MAX];
    *report = (convert_report){0};
    conversion c = {.opt = opt, .report = report};
    status s = run(&c);
    snprintf(why, sizeof why, "%s", s.msg); /* what follows may say more than the ring holds */
    end_source(&c);
    side_free(&c.to);
    place_end(&c.place);
    mem_free(c.sums);
    return status_ok(s) ? s : status_make(s.code, "%s", why);
}
