/* Shared by the tests: temporary folders, a clock and random numbers that the test controls, a
 * runner.
 *
 * Thread:  one thread at a time.
 * Errors:  failed check assertions. */
#pragma once
#include "base/error.h"
#include "base/mem/buf.h"
#include "base/time/clock.h"
#include "support/partitions.h"
#include <check.h>

/* Creates a folder under $TMPDIR or /tmp; tmpdir_remove deletes it with all it contains. */
void tmpdir_make(char path[128]);
void tmpdir_remove(const char *path);
void read_whole_file(const char *path, struct tb_buf *out); /* appends its content */

/* A clock that moves only when the test advances it. */
struct fake_clock {
    struct tb_clock clock; /* pass &fake->clock */
    int64_t wall_ms, mono_us;
};
void fake_clock_init(struct fake_clock *fake, int64_t wall_ms);
void fake_clock_advance(struct fake_clock *fake, int64_t ms);

/* xoshiro256**: the same seed gives the same numbers. */
struct fake_random {
    struct tb_random random;
    uint64_t state[4];
};
void fake_random_init(struct fake_random *fake, uint64_t seed);
uint64_t fake_random_u64(struct fake_random *fake);
/* Uniform in [0, bound). */
uint64_t fake_random_below(struct fake_random *fake, uint64_t bound);
/* Returns $TB_SEED, or the fallback, and prints it, so that a failure can be repeated. */
uint64_t test_seed(uint64_t fallback);

#define ck_ok(call)                                                                               \
    do {                                                                                          \
        enum tb_code ck_code_ = (call);                                                           \
        ck_assert_msg(ck_code_ == TB_OK, #call ": %s: %s", tb_code_name(ck_code_), err.text);     \
    } while (0)

/* Runs a suite and returns main's exit status. */
int test_main(Suite *suite);

/* For a program that waits much more than it computes, for time-outs of a library above all: so
 * many processes make the suite, each runs its share of the tests that were added by
 * tcase_add_shared, and all of them run side by side. */
int test_main_side_by_side(Suite *(*make)(void), int processes);
/* Adds a test for begin <= _i < end. In any other program all of these run. */
void tcase_add_shared(TCase *tc, const TTest *test, int begin, int end);
