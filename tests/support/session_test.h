/* session_test: what tests of a session begin with: a kit and one client, made anew for each test.
 * To be included last: other headers have its short names as parameters. */
#ifndef STAVE_TESTS_SUPPORT_SESSION_TEST_H
#define STAVE_TESTS_SUPPORT_SESSION_TEST_H

#include "support/session_kit.h"
#include "support/unit.h"

static kit k;
static client *c __attribute__((unused));
static fake_end *end;

static int setup(void **state) {
    (void)state;
    kit_start(&k);
    c = kit_client(&k, &end);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    kit_stop(&k);
    return 0;
}

/* What the client sends, and what it must get. */
#define ASK(text, reply) assert_string_equal(kit_ask(&k, end, text), reply)

#endif
