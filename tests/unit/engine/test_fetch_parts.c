/* fetch_pages: what the sample says is believed soon, doubted when it was wrong, and taken up again
 * when it is right. fetch_room: slots are apart, aligned, and used again. */
#include "engine/fetch_pages.h"

#include "base/rand.h"
#include "engine/fetch_room.h"
#include "support/unit.h"

#include <string.h>

/* So many reads of the sample that find their page, or don't; how many until `past` changes. */
static uint64_t until_change(fetch_pages *p, bool found, uint64_t most) {
    bool was = p->past;
    uint64_t n = 0;
    while (p->past == was && n < most) {
        pages_saw(p, found);
        n++;
    }
    return n;
}

/* All miss: it is given up soon. Then all hit: it is tried again, not at once, and later each time
 * that it was in vain. */
static void changes_of_mind(void **state) {
    (void)state;
    fetch_pages p;
    pages_start(&p);
    assert_false(p.past);
    assert_in_range(until_change(&p, false, 1000), 64, 256);
    uint64_t last = PAGES_PATIENCE;
    for (int i = 0; i < 20; i++) {
        uint64_t n = until_change(&p, true, 1u << 24);
        assert_false(p.past);
        assert_true(n >= last && n <= 2 * PAGES_MOST);
        if (last < PAGES_MOST / 2) assert_true(n >= 2 * last - 1);
        last = n;
        assert_in_range(until_change(&p, false, 1000), 16, 256);
        assert_true(p.past);
    }
    assert_int_equal(last, PAGES_MOST);
    until_change(&p, true, 1u << 24);
    for (uint64_t i = 0; i < (uint64_t)PAGES_MOST * 17; i++)
        pages_saw(&p, true); /* of use for long */
    until_change(&p, false, 1000);
    assert_in_range(until_change(&p, true, 1u << 24), PAGES_PATIENCE, 2 * PAGES_PATIENCE);
}

/* What helps one read in five is kept if it is read by, and not taken up if it is not. */
static void between(void **state) {
    (void)state;
    rng r;
    fetch_pages p;
    unit_seed(&r);
    pages_start(&p);
    for (int i = 0; i < 20000; i++) {
        pages_saw(&p, rng_below(&r, 100) < 40);
        assert_false(p.past);
    }
    until_change(&p, false, 1000);
    for (int i = 0; i < 20000; i++) {
        pages_saw(&p, rng_below(&r, 100) < 5);
        assert_true(p.past);
    }
}

/* One in 64 pages, and all of a page or nothing. */
static void the_sample(void **state) {
    (void)state;
    unsigned n = 0;
    for (uint64_t page = 0; page < 16000; page++) {
        uint64_t place = (page << 12) + (7ull << 32);
        n += pages_sampled(place);
        assert_int_equal(pages_sampled(place), pages_sampled(place + 4095));
    }
    assert_in_range(n, 150, 400);
}

static void slots(void **state) {
    (void)state;
    enum { ALL = ROOM_CHUNK * ROOM_MOST };
    static char *p[ALL];
    fetch_room room = {0};
    for (int i = 0; i < ALL; i++) {
        p[i] = room_take(&room);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % ROOM_ALIGN, 0);
        memset(p[i], i, ROOM_SLOT);
    }
    assert_null(room_take(&room));
    for (int i = 0; i < ALL; i++)
        for (unsigned at = 0; at < ROOM_SLOT; at += 511)
            assert_int_equal(p[i][at], (char)i);
    room_give(&room, p[5]);
    room_give(&room, p[9]);
    assert_ptr_equal(room_take(&room), p[9]);
    assert_ptr_equal(room_take(&room), p[5]);
    assert_null(room_take(&room));
    for (int i = 0; i < ALL; i++)
        room_give(&room, p[i]);
    assert_int_equal(room.taken, 0);
    room_free(&room);
    assert_int_equal(room.nchunks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes_of_mind), cmocka_unit_test(between),
                                       cmocka_unit_test(the_sample), cmocka_unit_test(slots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
