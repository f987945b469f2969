/* fetch: who asks for what is not in memory is told once when all of it is there, finds it as long
 * as it likes, and nobody is told too early, twice, or after he has gone; a file outlives its
 * reads; what has its bounds blocks. Over an aio and files that do what the test says. */
#include "engine/fetch.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/fetch_pages.h"
#include "engine/fetch_room.h"
#include "engine/log/settings.h"
#include "support/unit.h"

#include <string.h>

enum { READS_MAX = 4096, READERS = 6, PLACES = 9, LEN = 40 };

/* ---- a file of which memory has nothing, or all -------------------------------------------------
 */

static bool in_memory;
static int opened, tries;

static char byte_at(uint64_t offset) {
    return (char)('a' + offset % 23);
}

static status file_pread(vfs_file *f, void *p, size_t n, uint64_t offset, size_t *got) {
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        ((char *)p)[i] = byte_at(offset + i);
    *got = n;
    return STATUS_OK;
}

static status file_pread_now(vfs_file *f, void *p, size_t n, uint64_t offset, size_t *got) {
    tries++;
    if (in_memory) return file_pread(f, p, n, offset, got);
    return status_make(ST_BUSY, "not in memory");
}

static status file_close(vfs_file *f) {
    opened--;
    f->ops = NULL;
    return STATUS_OK;
}

static const vfs_ops file_ops = {
    .pread = file_pread, .pread_now = file_pread_now, .close = file_close};

/* ---- an aio that does what it is told -----------------------------------------------------------
 */

static aio_read *asked[READS_MAX];
static size_t nasked;
static unsigned kicks;
static aio_job *job;

static void aio_take(aio *a, aio_read *r) {
    (void)a;
    assert_true(nasked < READS_MAX);
    asked[nasked++] = r;
}

static void aio_count_kick(aio *a) {
    (void)a;
    kicks++;
}

static void aio_take_job(aio *a, aio_job *j) {
    (void)a;
    assert_null(job);
    job = j;
}

static unsigned unit; /* of reads past the page cache */

static unsigned aio_unit(aio *a, vfs_file *asked_file) {
    (void)a;
    assert_non_null(asked_file);
    return unit;
}

static const aio_ops fake_ops = {
    .submit = aio_take_job, .read = aio_take, .direct = aio_unit, .kick = aio_count_kick};
static aio fake_aio = {.ops = &fake_ops};

/* The i-th of those under way ends: with all its bytes, fewer, or an error. */
static void end_read(size_t i, size_t less, bool fails) {
    assert_true(i < nasked);
    aio_read *r = asked[i];
    asked[i] = asked[--nasked];
    assert_non_null(r->file->ops);
    size_t got = 0;
    assert_true(status_ok(r->file->ops->pread(r->file, r->p, r->n, r->offset, &got)));
    r->got = got - less;
    r->result = fails ? status_make(ST_IO, "broken") : STATUS_OK;
    r->done(r);
}

static void run_job(void) {
    aio_job *j = job;
    assert_non_null(j);
    job = NULL;
    j->run(j);
    j->done(j);
}

/* ---- what all tests have ------------------------------------------------------------------------
 */

typedef struct asker {
    engine_reader reader;
    unsigned told;
} asker;

static engine owner;
static vfs_file file;
static fetcher *f;
static stave_clock wall;
static asker a, b;
static bool settled;

static void told(engine_reader *r) {
    ((asker *)(void *)r)->told++;
}

static void end_reader(engine *e, engine_reader *r) {
    assert_ptr_equal(e, &owner);
    fetch_end(f, r);
}

static const engine_ops owner_ops = {.reader_end = end_reader};

static void still(stave_clock *c) {
    c->mono_us += 10;
}

static int setup(void **state) {
    (void)state;
    static io_env env;
    setting_defaults(log_setting_table);
    wall = (stave_clock){.read = still, .mono_us = 1};
    env = (io_env){.aio = &fake_aio, .clock = &wall};
    owner = (engine){.ops = &owner_ops};
    file = (vfs_file){.ops = &file_ops};
    opened = 1;
    in_memory = false;
    nasked = 0;
    tries = 0;
    unit = 0;
    settled = false;
    kicks = 0;
    job = NULL;
    a = b = (asker){.reader = {.ready = told}};
    f = fetch_new(&owner, &env);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fetch_free(f);
    return 0;
}

/* Of the place with that number, for who asks. */
static fetch_result get_n(asker *who, uint64_t place, size_t n, slice *out) {
    fetch_want w = {
        .place = place, .file = &file, .offset = place * 100, .n = n, .settled = settled};
    engine_read_for(&owner, who ? &who->reader : NULL);
    fetch_result r = fetch_get(f, &w, out);
    engine_read_for(&owner, NULL);
    return r;
}

static fetch_result get(asker *who, uint64_t place) {
    slice out;
    fetch_result r = get_n(who, place, LEN, &out);
    assert_int_equal(out.len, r == FETCH_HAVE ? LEN : 0);
    for (size_t i = 0; i < out.len; i++)
        assert_int_equal(out.data[i], byte_at(place * 100 + i));
    return r;
}

static void end_asker(asker *who) {
    engine_reader_end(&owner, &who->reader);
    assert_null(who->reader.holds);
}

#define STATS fetch_stats_of(f)

/* ---- the tests ----------------------------------------------------------------------------------
 */

/* Two places in one round; what is there stays, and goes with the reader. */
static void round_trip(void **state) {
    (void)state;
    fetch_kick(f);
    assert_int_equal(kicks, 0); /* nothing was asked for */
    assert_int_equal(get(&a, 1), FETCH_PENDING);
    assert_int_equal(get(&a, 2), FETCH_PENDING);
    assert_int_equal(get(&a, 1), FETCH_PENDING);
    assert_int_equal(nasked, 2);
    fetch_kick(f);
    fetch_kick(f);
    assert_int_equal(kicks, 1);
    end_read(0, 0, false);
    assert_int_equal(a.told, 0);
    assert_int_equal(get(&a, 1), FETCH_HAVE);
    end_read(0, 0, false);
    assert_int_equal(a.told, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(&a, 1), FETCH_HAVE);
        assert_int_equal(get(&a, 2), FETCH_HAVE);
    }
    assert_int_equal(STATS->held_bytes, 2 * LEN);
    assert_int_equal(STATS->reads, 2);
    assert_int_equal(STATS->rounds, 1);
    assert_true(STATS->usec > 0 && STATS->usec_max <= STATS->usec);
    end_asker(&a);
    assert_int_equal(STATS->held_bytes, 0);
    assert_int_equal(get(&a, 1), FETCH_PENDING);
}

/* Of one place there is one read, and each of its readers has it until he ends. */
static void sharing(void **state) {
    (void)state;
    assert_int_equal(get(&a, 1), FETCH_PENDING);
    assert_int_equal(get(&b, 1), FETCH_PENDING);
    assert_int_equal(get(&b, 2), FETCH_PENDING);
    assert_int_equal(STATS->shared, 1);
    assert_int_equal(nasked, 2);
    end_read(0, 0, false);
    assert_int_equal(a.told, 1);
    assert_int_equal(b.told, 0);
    end_asker(&a);
    assert_int_equal(get(&b, 1), FETCH_HAVE);
    assert_int_equal(get(&a, 1), FETCH_HAVE); /* without a read of its own */
    end_read(0, 0, false);
    assert_int_equal(b.told, 1);
    end_asker(&b);
    assert_int_equal(get(&a, 1), FETCH_HAVE);
    assert_int_equal(get(NULL, 1), FETCH_HAVE);
}

/* Memory is asked first, and costs no read; nobody's reads block, and so do all if that is set. */
static void without_waiting(void **state) {
    (void)state;
    in_memory = true;
    assert_int_equal(get(&a, 1), FETCH_HAVE);
    assert_int_equal(get(NULL, 2), FETCH_HAVE);
    in_memory = false;
    assert_int_equal(get(NULL, 1), FETCH_BLOCK);
    log_conf.cold_reads = 0;
    assert_int_equal(get(&a, 1), FETCH_BLOCK);
    log_conf.cold_reads = 1;
    assert_int_equal(STATS->blocking, 2);
    assert_int_equal(nasked, 0);
    assert_int_equal(get(&a, 1), FETCH_PENDING);
    assert_int_equal(get(NULL, 1), FETCH_BLOCK); /* under way, but he can't wait */
}

/* A read that fails, or is too short, ends the waiting: who runs again reads by himself. */
static void failures(void **state) {
    (void)state;
    assert_int_equal(get(&a, 1), FETCH_PENDING);
    assert_int_equal(get(&a, 2), FETCH_PENDING);
    end_read(0, 0, true);
    end_read(0, 1, false);
    assert_int_equal(a.told, 1);
    assert_int_equal(get(&a, 1), FETCH_BLOCK);
    assert_int_equal(get(&a, 2), FETCH_BLOCK);
    assert_int_equal(STATS->failed, 2);
    end_asker(&a);
    assert_int_equal(get(&a, 1), FETCH_PENDING); /* another command tries anew */
}

/* Who ends while his reads are under way is not told; who else wants them is. */
static void gone_meanwhile(void **state) {
    (void)state;
    assert_int_equal(get(&a, 1), FETCH_PENDING);
    assert_int_equal(get(&a, 2), FETCH_PENDING);
    end_asker(&a);
    assert_int_equal(get(&b, 2), FETCH_PENDING);
    assert_int_equal(nasked, 2);
    end_read(0, 0, false);
    end_read(0, 0, false);
    assert_int_equal(a.told, 0);
    assert_int_equal(b.told, 1);
    assert_int_equal(STATS->held_bytes, LEN);
    assert_int_equal(STATS->in_flight, 0);
}

/* A file that is to be closed is, behind its last read and not before. */
static void files(void **state) {
    (void)state;
    assert_false(fetch_keeps(f, &file));
    assert_int_equal(get(&a, 1), FETCH_PENDING);
    assert_int_equal(get(&a, 2), FETCH_PENDING);
    vfs_file other = {.ops = &file_ops};
    opened++;
    fetch_close(f, &other); /* nothing is read from it */
    assert_int_equal(opened, 2);
    run_job(); /* not by the thread */
    assert_int_equal(opened, 1);
    fetch_close(f, &file);
    end_asker(&a);
    end_read(0, 0, false);
    assert_int_equal(opened, 1);
    assert_null(job);
    end_read(0, 0, false);
    assert_int_equal(opened, 1);
    run_job();
    assert_int_equal(opened, 0);
}

/* A command that never has enough, and whose rounds bring little beside what it has, blocks at
 * last; unless its owner says that it may go on. */
static void rounds(void **state) {
    (void)state;
    uint64_t n = 0;
    while (a.reader.lean < READER_LEAN) {
        assert_int_equal(get(&a, n), FETCH_PENDING);
        end_read(0, 0, false);
        assert_int_equal(a.told, ++n);
    }
    assert_int_equal(n, READER_PART + READER_LEAN);
    assert_int_equal(get(&a, n), FETCH_BLOCK);
    assert_int_equal(get(&a, 0), FETCH_HAVE);
    a.reader.lean = 0;
    assert_int_equal(get(&a, n), FETCH_PENDING);
    end_read(0, 0, false);
    end_asker(&a);
    assert_int_equal(get(&a, n), FETCH_PENDING);
}

/* As long as each round brings an eighth of what there was, there may be any number. */
static void rounds_that_bring_much(void **state) {
    (void)state;
    for (uint64_t n = 0, place = 0; a.told < READER_LEAN + 8; n += n / 7 + 1) {
        for (; place <= n; place++)
            assert_int_equal(get(&a, place), FETCH_PENDING);
        while (nasked)
            end_read(0, 0, false);
        if (n > 7) assert_int_equal(a.reader.lean, 0);
    }
}

/* Of one that wants more than it may hold, what it may comes and stays; as much as may be under way
 * beside it passes, and is found in memory, or asked for again; the rest is left to the next round.
 */
static void bytes(void **state) {
    (void)state;
    const size_t piece = READER_BYTES / 4, passing = FETCH_BYTES / PASS_PART / piece;
    slice out;
    for (uint64_t i = 0; i < 5 + passing; i++)
        assert_int_equal(get_n(&a, i << 32, piece, &out), FETCH_PENDING);
    assert_int_equal(nasked, 4 + passing);
    assert_int_equal(a.reader.held, READER_BYTES);
    assert_int_equal(a.reader.bytes, (4 + passing) * piece);
    while (nasked)
        end_read(nasked / 2, 0, false);
    assert_int_equal(a.told, 1);
    assert_int_equal(STATS->held_bytes, READER_BYTES);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(get_n(&a, i << 32, piece, &out), FETCH_HAVE);
    in_memory = true;
    assert_int_equal(get_n(&a, 4ULL << 32, piece, &out), FETCH_HAVE);
    in_memory = false;
    assert_int_equal(get_n(&a, 4ULL << 32, piece, &out), FETCH_PENDING);
    end_asker(&a);
    end_read(0, 0, false); /* nobody waits for it */
    assert_int_equal(STATS->held_bytes, 0);
    assert_int_equal(STATS->blocking, 0);
}

/* What passes and is not found again is read so often, and no more, whatever its owner says. */
static void passes_in_vain(void **state) {
    (void)state;
    slice out;
    fetch_budget(f, 16000);
    assert_int_equal(get_n(&b, 9ULL << 32, 5000, &out), FETCH_PENDING);
    for (uint64_t i = 0; i < READER_VAIN; i++) {
        assert_int_equal(get_n(&a, 1ULL << 32, 500, &out), FETCH_PENDING);
        end_read(1, 0, false);
        assert_int_equal(a.told, i + 1);
        a.reader.lean = 0;
    }
    assert_int_equal(get_n(&a, 1ULL << 32, 500, &out), FETCH_BLOCK);
    end_read(0, 0, false);
    end_asker(&b);
}

/* Under maxmemory a part of it is all that reads may hold, but one is always allowed, and one that
 * passes. Who has no room waits for another's that passes; one that fails is held after all. */
static void budget(void **state) {
    (void)state;
    slice out;
    asker c = {.reader = {.ready = told}};
    fetch_budget(f, 16000);
    assert_int_equal(get_n(&a, 1ULL << 32, 5000, &out), FETCH_PENDING);
    assert_int_equal(get_n(&b, 2ULL << 32, 500, &out), FETCH_PENDING); /* passes */
    assert_int_equal(get_n(&b, 3ULL << 32, 10, &out), FETCH_PENDING);
    assert_int_equal(get_n(&c, 4ULL << 32, 10, &out), FETCH_PENDING);
    assert_int_equal(get_n(&c, 2ULL << 32, 500, &out), FETCH_PENDING); /* that it waits for */
    assert_int_equal(nasked, 2);
    assert_int_equal(c.reader.waits, 1);
    end_read(1, 0, false);
    assert_int_equal(b.told, 1);
    assert_int_equal(c.told, 1);
    assert_null(b.reader.holds);
    assert_int_equal(get_n(&c, 4ULL << 32, 10, &out), FETCH_PENDING);
    assert_int_equal(nasked, 2);
    end_read(1, 0, true);
    assert_int_equal(get_n(&c, 4ULL << 32, 10, &out), FETCH_BLOCK);
    end_asker(&b);
    end_asker(&c);
    end_read(0, 0, false);
    end_asker(&a);
    assert_int_equal(STATS->held_bytes, 0);
    assert_int_equal(get_n(&a, 3ULL << 32, 600, &out), FETCH_PENDING);
    assert_int_equal(get_n(&b, 4ULL << 32, 400, &out), FETCH_PENDING);
    assert_int_equal(get_n(&b, 5ULL << 32, 1, &out), FETCH_PENDING); /* passes */
    assert_int_equal(nasked, 3);
    fetch_budget(f, 0);
    assert_int_equal(get_n(&b, 6ULL << 32, 5000, &out), FETCH_PENDING);
    assert_int_equal(nasked, 4);
    while (nasked)
        end_read(0, 0, false);
    end_asker(&a);
    end_asker(&b);
    assert_int_equal(STATS->held_bytes, 0);
}

/* A walk asks for more the more it has, and for nothing while it need not wait. */
static void ahead(void **state) {
    (void)state;
    uint64_t last = 0, last_bytes = 0;
    for (uint64_t i = 0; i < READER_PART; i++) {
        engine_read_for(&owner, &a.reader);
        assert_int_equal(fetch_ahead(f), 0);
        assert_int_equal(get(&a, i), FETCH_PENDING);
        engine_read_for(&owner, &a.reader);
        assert_true(fetch_is_pending(f) && fetch_ahead(f) > last_bytes);
        assert_true(engine_ask_most(&owner) > last && engine_ask_most(&owner) < 200);
        assert_int_equal(engine_ask_least(&owner), i / 4);
        last_bytes = fetch_ahead(f);
        last = engine_ask_most(&owner);
        end_read(0, 0, false);
    }
    engine_read_for(&owner, NULL);
    assert_int_equal(fetch_ahead(f), 0);
    assert_int_equal(engine_ask_least(&owner), 0);
}

/* The engine is closed while commands wait: they are as if new, and ask the next one. */
static void engine_goes(void **state) {
    (void)state;
    assert_int_equal(get(&a, 1), FETCH_PENDING);
    assert_int_equal(get(&b, 1), FETCH_PENDING);
    end_read(0, 0, false);
    fetch_free(f);
    assert_null(a.reader.holds);
    assert_int_equal(b.reader.rounds, 0);
    f = fetch_new(&owner, &(io_env){.aio = &fake_aio, .clock = &wall});
    end_asker(&a);
}

/* Many readers, places and ends at random: told exactly when the last is there. */
static void at_random(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    asker all[READERS];
    bool wants[READERS][PLACES], there[PLACES];
    for (int turn = 0; turn < unit_rounds(300); turn++) {
        memset(wants, 0, sizeof wants);
        memset(there, 0, sizeof there);
        for (int i = 0; i < READERS; i++)
            all[i] = (asker){.reader = {.ready = told}};
        for (int step = 0; step < 200; step++) {
            unsigned i = (unsigned)rng_below(&r, READERS);
            uint64_t p = rng_below(&r, PLACES), what = rng_below(&r, 8);
            if (what < 4 && all[i].reader.lean < READER_LEAN) {
                fetch_result res = get(&all[i], p);
                assert_int_equal(res, there[p] ? FETCH_HAVE : FETCH_PENDING);
                wants[i][p] = true;
            } else if (what < 7 && nasked) {
                size_t at = (size_t)rng_below(&r, nasked);
                uint64_t place = asked[at]->offset / 100;
                end_read(at, 0, false);
                there[place] = true;
            } else {
                end_asker(&all[i]);
                memset(wants[i], 0, sizeof wants[i]);
                all[i].told = 0;
            }
            for (uint64_t q = 0; q < PLACES; q++) { /* what nobody has is gone */
                bool held = false;
                for (int k = 0; k < READERS; k++)
                    held |= wants[k][q];
                there[q] &= held;
            }
            for (int k = 0; k < READERS; k++) {
                unsigned waits = 0;
                for (int q = 0; q < PLACES; q++)
                    waits += wants[k][q] && !there[q];
                assert_int_equal(all[k].reader.waits, waits);
                assert_int_equal(all[k].reader.rounds, all[k].told);
            }
        }
        for (int i = 0; i < READERS; i++)
            end_asker(&all[i]);
        while (nasked)
            end_read(0, 0, false);
        assert_int_equal(STATS->held_bytes, 0);
    }
}

/* Does that one wait for it? */
static bool awaits(asker *who, uint64_t place) {
    engine_read_for(&owner, who ? &who->reader : NULL);
    bool waits = fetch_await(f, place);
    engine_read_for(&owner, NULL);
    return waits;
}

/* What no read brings: beside reads, for two who wait, one who goes, and those who can't. */
static void awaited(void **state) {
    (void)state;
    asker c = {.reader = {.ready = told}};
    fetch_done(f, 7); /* nobody waits */
    assert_false(awaits(NULL, 7));
    assert_true(awaits(&a, 7));
    assert_true(awaits(&a, 7));
    assert_true(awaits(&b, 7));
    assert_true(awaits(&c, 7));
    assert_int_equal(a.reader.waits, 1);
    assert_int_equal(nasked, 0);
    assert_int_equal(get(&b, 1), FETCH_PENDING);
    end_asker(&c);
    assert_int_equal(STATS->in_flight, 1);
    fetch_done(f, 7);
    fetch_done(f, 7);
    assert_int_equal(a.told, 1);
    assert_int_equal(b.told, 0); /* it waits for a read too */
    assert_int_equal(c.told, 0);
    assert_false(awaits(&b, 7)); /* that is done, as long as somebody holds it */
    end_read(0, 0, false);
    assert_int_equal(b.told, 1);
    end_asker(&a);
    end_asker(&b);
    assert_true(awaits(&a, 7)); /* another time */
    end_asker(&a);
    fetch_done(f, 7); /* nobody waits any more */
    a.reader.lean = READER_LEAN;
    assert_false(awaits(&a, 7));
    log_conf.cold_reads = false;
    assert_false(awaits(&b, 7));
    assert_int_equal(STATS->held_bytes, 0);
    end_asker(&a);
}

/* Whole units around what is wanted, in memory that is aligned, and nothing tried first; what is
 * not settled, or too long, or has no slot, is read as ever. */
static void past_the_pages(void **state) {
    (void)state;
    slice out;
    settled = true;
    unit = 64;
    log_conf.direct_reads = LOG_DIRECT_ALWAYS;
    assert_int_equal(get(&a, 3), FETCH_PENDING); /* 300..340 in 256..384 */
    assert_int_equal(tries, 0);
    const aio_read *r = asked[0];
    assert_int_equal(r->unit, 64);
    assert_int_equal(r->offset, 256);
    assert_int_equal(r->n, 128);
    assert_int_equal((uintptr_t)r->p % ROOM_ALIGN, 0);
    assert_int_equal(STATS->held_bytes, 128);
    end_read(0, 128 - 44 - LEN, false); /* the file ends behind it */
    assert_int_equal(get(&a, 3), FETCH_HAVE);
    assert_int_equal(get(&b, 9), FETCH_PENDING); /* 900..940 in 896..960 */
    end_read(0, 64 - 4 - LEN + 1, false);        /* and here within */
    assert_int_equal(get(&b, 9), FETCH_BLOCK);
    end_asker(&a);
    end_asker(&b);
    assert_int_equal(STATS->held_bytes, 0);
    assert_int_equal(STATS->direct, 2);
    assert_int_equal(get_n(&a, 1, ROOM_SLOT - 36, &out), FETCH_PENDING); /* 100 is 36 behind 64 */
    assert_int_equal(asked[0]->unit, 64);
    assert_int_equal(get_n(&a, 2, ROOM_SLOT, &out), FETCH_PENDING);
    assert_int_equal(asked[1]->unit, 0);
    settled = false;
    assert_int_equal(get(&a, 3), FETCH_PENDING);
    assert_int_equal(asked[2]->unit, 0);
    settled = true;
    log_conf.direct_reads = LOG_DIRECT_NO;
    assert_int_equal(get(&a, 4), FETCH_PENDING);
    assert_int_equal(asked[3]->unit, 0);
    assert_int_equal(tries, 2);
    while (nasked > 0)
        end_read(0, 0, false);
    end_asker(&a);
}

/* As many as there are slots, which come back. */
static void slots_run_out(void **state) {
    (void)state;
    settled = true;
    unit = 512;
    log_conf.direct_reads = LOG_DIRECT_ALWAYS;
    for (int turn = 0; turn < 3; turn++) {
        unsigned past = 0;
        for (uint64_t i = 0; i < ROOM_CHUNK * ROOM_MOST + 5; i++)
            assert_int_equal(get(&a, i), FETCH_PENDING);
        for (size_t i = 0; i < nasked; i++)
            past += asked[i]->unit == 512;
        assert_int_equal(past, ROOM_CHUNK * ROOM_MOST);
        while (nasked > 0)
            end_read(nasked / 2, 0, false);
        for (uint64_t i = 0; i < ROOM_CHUNK * ROOM_MOST + 5; i += 7)
            assert_int_equal(get(&a, i), FETCH_HAVE);
        end_asker(&a);
        assert_int_equal(fetch_memory(f), ROOM_CHUNK * ROOM_MOST * ROOM_SLOT);
    }
}

/* A place behind that one, far from it, and not in the sample. */
static uint64_t alone(uint64_t place) {
    do {
        place += 1 << 20;
    } while (pages_sampled(place));
    return place;
}

/* Left alone, reads go past the page cache once that has been found of no use, but the sample's and
 * those that lie side by side. */
static void past_when_useless(void **state) {
    (void)state;
    uint64_t place = 0, reads = 0;
    unsigned past = 0;
    settled = true;
    unit = 512;
    while (past < 300 && reads < 100000) {
        place += 1 << 20;
        reads++;
        assert_int_equal(get_n(&a, place, LEN, &(slice){0}), FETCH_PENDING);
        past += asked[0]->unit == 512;
        assert_true(!past || asked[0]->unit == 512 || pages_sampled(place));
        end_read(0, 0, false);
        end_asker(&a);
    }
    assert_int_equal(past, 300);
    assert_in_range(reads, 4000, 40000);
    place = alone(place);
    assert_int_equal(get(&a, place), FETCH_PENDING);
    assert_int_equal(asked[0]->unit, 512);
    assert_int_equal(get(&a, place + LEN), FETCH_PENDING);
    assert_int_equal(asked[1]->unit, 0);
    in_memory = true;
    assert_int_equal(get(&b, place + 2 * LEN), FETCH_HAVE);
    in_memory = false;
    tries = 0;
    unit = 0; /* as with threads: not looked for, but read by the page cache */
    place = alone(place);
    assert_int_equal(get(&b, place), FETCH_PENDING);
    assert_int_equal(asked[2]->unit, 0);
    assert_int_equal(tries, 0);
    settled = false;
    place = alone(place);
    assert_int_equal(get(&b, place), FETCH_PENDING);
    assert_int_equal(tries, 1);
    settled = true; /* what is asked for ahead is looked for by later commands */
    unit = 512;
    end_asker(&b);
    b.reader.by_pages = true;
    place = alone(place);
    assert_int_equal(get(&b, place), FETCH_PENDING);
    assert_int_equal(asked[4]->unit, 0);
    assert_int_equal(tries, 2);
    end_asker(&b);
    assert_true(b.reader.by_pages);
}

/* What a command with many reads found in memory it finds there in its next run too: that one goes
 * past nothing. */
static void runs_again_in_memory(void **state) {
    (void)state;
    settled = true;
    unit = 64;
    log_conf.direct_reads = LOG_DIRECT_ALWAYS;
    for (uint64_t place = 0; place < 20; place++)
        assert_int_equal(get(&a, place), FETCH_PENDING);
    assert_int_equal(asked[19]->unit, 64);
    while (nasked > 0)
        end_read(0, 0, false);
    in_memory = true;
    assert_int_equal(get(&a, 30), FETCH_HAVE);
    in_memory = false;
    assert_int_equal(get(&a, 30), FETCH_PENDING);
    assert_int_equal(asked[0]->unit, 0);
    end_read(0, 0, false);
    end_asker(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(round_trip),
        TEST(sharing),
        TEST(without_waiting),
        TEST(failures),
        TEST(gone_meanwhile),
        TEST(files),
        TEST(rounds),
        TEST(rounds_that_bring_much),
        TEST(bytes),
        TEST(passes_in_vain),
        TEST(budget),
        TEST(ahead),
        TEST(engine_goes),
        TEST(at_random),
        TEST(awaited),
        TEST(past_the_pages),
        TEST(slots_run_out),
        TEST(past_when_useless),
        TEST(runs_again_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
