/* Promise: the link's state is shown without flicker. Attempts to connect are rare enough that ten
 * thousand tills do not keep a broker down, and frequent enough that no till stays away.
 * Method: a table of every state with every event; then random histories, checked against rules.
 * Fake clock, seeded. */
#include "bridge/link/link.h"
#include "support/support.h"

#define OFFLINE_AFTER 10000
#define RETRY_MAX 300000
#define SPREAD 120000
#define HOUR INT64_C(3600000)

static const struct tb_link_settings settings = {OFFLINE_AFTER, RETRY_MAX, SPREAD};
static struct fake_random chance;

static void setup(void)
{
    fake_random_init(&chance, test_seed(7));
}

/* Where a link can be: its state, and in OFFLINE what it waits for. */
enum place { CONNECTING, ONLINE, SILENT, OFFLINE, TRYING, FORCED, PLACES };
/* What happens to it, and how long after it got there. */
static const struct event {
    const char *name;
    int64_t after_ms;
    struct tb_link_input in;
} events[] = {
    {"nothing", 1, {0}},
    {"nothing for long", OFFLINE_AFTER, {0}},
    {"nothing for an hour", HOUR, {0}},
    {"connected", 1, {.connected = true}},
    {"connected late", OFFLINE_AFTER, {.connected = true}},
    {"waiting", OFFLINE_AFTER, {.connected = true, .waiting = true}},
    {"progress", OFFLINE_AFTER, {.connected = true, .waiting = true, .progress = true}},
    {"lost", 1, {.all_brokers_down = true}},
    {"unanswered", TB_LINK_NO_RESPONSE_MS, {.no_response = true}},
    {"unanswered yet", TB_LINK_NO_RESPONSE_MS - 1, {.no_response = true}},
    {"local change", 1, {.network_changed = true}},
    {"local change, connected", 1, {.connected = true, .network_changed = true}},
    {"forced", 1, {.forced = true}},
    {"forced, connected", 1, {.forced = true, .connected = true, .progress = true}},
};
#define EVENTS (sizeof events / sizeof *events)

/* What must come of it: C, N (online), F (offline), X (forced); then + open, - closed, * closed
 * and opened again. */
static const char *const expected[PLACES][EVENTS] = {
    [CONNECTING] = {"C+", "F-", "F-", "N+", "N+", "N+", "N+", "C+", "C+", "C+", "C*", "N+", "X-",
                    "X-"},
    [ONLINE] = {"N+", "F-", "F-", "N+", "N+", "F+", "N+", "N+", "N+", "N+", "N*", "N+", "X-",
                "X-"},
    [SILENT] = {"F-", "F-", "F*", "F+", "F+", "F+", "N+", "F-", "F-", "F-", "F*", "F*", "X-",
                "X-"},
    [OFFLINE] = {"F-", "F-", "F+", "F-", "F-", "F-", "F-", "F-", "F-", "F-", "F+", "F+", "X-",
                 "X-"},
    [TRYING] = {"F+", "F-", "F-", "N+", "N+", "N+", "N+", "F-", "F-", "F+", "F*", "N+", "X-",
                "X-"},
    [FORCED] = {"C+", "C+", "C+", "C+", "C+", "C+", "C+", "C+", "C+", "C+", "C+", "C+", "X-",
                "X-"},
};

static int64_t now_ms;

static struct tb_link_advice feed(struct tb_link *link, int64_t after_ms, struct tb_link_input in)
{
    now_ms += after_ms;
    in.mono_ms = now_ms;
    in.wall_ms = now_ms + 5;
    return tb_link_step(link, &in);
}

static void put(struct tb_link *link, enum place place)
{
    const struct tb_link_input connected = {.connected = true}, silence = {0};
    const struct tb_link_input stuck = {.connected = true, .waiting = true};

    tb_link_init(link, &settings, &chance.random, place == FORCED, now_ms, now_ms + 5);
    if (place == ONLINE || place == SILENT)
        feed(link, 1, connected);
    if (place == ONLINE) /* so that silence has begun: it counts from when it is first seen */
        feed(link, 1, stuck);
    if (place == SILENT) {
        feed(link, 1, stuck);
        feed(link, OFFLINE_AFTER, stuck);
    }
    if (place == OFFLINE || place == TRYING)
        feed(link, OFFLINE_AFTER, silence);
    if (place == TRYING)
        feed(link, RETRY_MAX, silence);
    else if (link->retry_mono_ms >= 0) /* chance is for other tests */
        link->retry_mono_ms = now_ms + SPREAD;
}

static char letter(const struct tb_link *link)
{
    return "CNFX"[link->state];
}

START_TEST(every_state_and_event)
{
    for (int place = 0; place < PLACES; place++) {
        for (size_t e = 0; e < EVENTS; e++) {
            struct tb_link link;

            put(&link, (enum place)place);
            enum tb_link_state before = link.state;
            int64_t since_ms = link.since_ms;
            struct tb_link_advice advice = feed(&link, events[e].after_ms, events[e].in);
            char got[] = {letter(&link), advice.reopen ? '*' : advice.open ? '+' : '-', '\0'};
            ck_assert_msg(strcmp(got, expected[place][e]) == 0, "place %d, %s: %s, not %s", place,
                          events[e].name, got, expected[place][e]);
            ck_assert_int_eq(link.since_ms, link.state == before ? since_ms : now_ms + 5);
        }
    }
}
END_TEST

/* A pause in the answers that is shorter than offline_after changes no state, however often. */
START_TEST(a_short_pause_changes_no_state)
{
    struct tb_link link;

    put(&link, ONLINE);
    feed(&link, 0, (struct tb_link_input){.connected = true});
    for (int i = 0; i < 50; i++) {
        feed(&link, 1, (struct tb_link_input){0});
        ck_assert_int_eq(
            feed(&link, OFFLINE_AFTER - 1, (struct tb_link_input){.all_brokers_down = true}).open,
            true);
        ck_assert_int_eq(link.state, TB_LINK_ONLINE);
        feed(&link, 0, (struct tb_link_input){.connected = true});
    }
}
END_TEST

/* An idle hour is no loss of the connection: silence counts only while an acknowledgement is
 * awaited. */
START_TEST(idle_is_online)
{
    struct tb_link link;

    put(&link, ONLINE);
    feed(&link, 1, (struct tb_link_input){.connected = true});
    feed(&link, HOUR, (struct tb_link_input){.connected = true, .waiting = true});
    ck_assert_int_eq(link.state, TB_LINK_ONLINE);
    feed(&link, OFFLINE_AFTER, (struct tb_link_input){.connected = true, .waiting = true});
    ck_assert_int_eq(link.state, TB_LINK_OFFLINE);
}
END_TEST

/* The delay from now to the try that follows a loss, or a failed try. */
static int64_t delay(struct tb_link *link)
{
    int64_t from_ms = now_ms;
    struct tb_link_advice advice = {.wait_ms = link->retry_mono_ms - now_ms};

    do {
        ck_assert_int_ge(advice.wait_ms, 0);
        advice = feed(link, advice.wait_ms, (struct tb_link_input){0});
    } while (!advice.open);
    return now_ms - from_ms;
}

/* The first wait after a loss is uniform over first_retry_spread, later ones over up to retry_max.
 */
START_TEST(waits_are_spread)
{
    enum { LINKS = 4000, TRIES = 6, PARTS = 8 };
    int parts[TRIES][PARTS] = {{0}};

    for (int i = 0; i < LINKS; i++) {
        struct tb_link link;

        put(&link, ONLINE);
        feed(&link, 1, (struct tb_link_input){.connected = true, .progress = true});
        feed(&link, 1, (struct tb_link_input){0});
        feed(&link, OFFLINE_AFTER, (struct tb_link_input){0});
        ck_assert_int_eq(link.state, TB_LINK_OFFLINE);
        for (int t = 0; t < TRIES; t++) {
            int64_t bound = t == 0 ? SPREAD : t == 1 ? 2 * SPREAD : RETRY_MAX;
            int64_t wait_ms = delay(&link);

            ck_assert_int_le(wait_ms, bound);
            parts[t][wait_ms * PARTS / (bound + 1)]++;
            feed(&link, 1, (struct tb_link_input){.all_brokers_down = true});
        }
    }
    for (int t = 0; t < TRIES; t++)
        for (int p = 0; p < PARTS; p++) {
            ck_assert_int_gt(parts[t][p], LINKS / PARTS * 8 / 10);
            ck_assert_int_lt(parts[t][p], LINKS / PARTS * 12 / 10);
        }
}
END_TEST

/* A broker that accepts connections and acknowledges nothing does not shorten the waits. */
START_TEST(only_progress_ends_the_backing_off)
{
    struct tb_link link;
    int64_t total_ms = 0;

    put(&link, ONLINE);
    for (int i = 0; i < 200; i++) {
        feed(&link, 1, (struct tb_link_input){.connected = true, .waiting = true});
        feed(&link, OFFLINE_AFTER, (struct tb_link_input){0});
        ck_assert_int_eq(link.state, TB_LINK_OFFLINE);
        total_ms += delay(&link);
        feed(&link, 1, (struct tb_link_input){.connected = true});
        ck_assert_int_eq(link.state, TB_LINK_ONLINE);
    }
    ck_assert_int_gt(total_ms / 200, RETRY_MAX / 3);
    feed(&link, 1, (struct tb_link_input){.connected = true, .progress = true});
    feed(&link, 1, (struct tb_link_input){0});
    feed(&link, OFFLINE_AFTER, (struct tb_link_input){0});
    ck_assert_int_le(delay(&link), SPREAD);
}
END_TEST

/* Random histories: the connection and the state follow the rules, and no wait exceeds its limit.
 */
START_TEST(random_histories_keep_the_rules)
{
    struct fake_random history;
    struct tb_link link;
    bool forced = false, open;

    fake_random_init(&history, test_seed((uint64_t)_i + 1));
    put(&link, CONNECTING);
    open = true;
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = fake_random_u64(&history);
        enum tb_link_state before = link.state;

        if (bits % 50 == 0)
            forced = !forced;
        struct tb_link_input in = {.forced = forced,
                                   .connected = open && (bits >> 8) % 3 > 0,
                                   .progress = open && (bits >> 16) % 4 == 0,
                                   .waiting = (bits >> 24) % 2 == 0,
                                   .all_brokers_down = open && (bits >> 32) % 8 == 0,
                                   .no_response = open && (bits >> 36) % 8 == 0,
                                   .network_changed = (bits >> 40) % 40 == 0};
        struct tb_link_advice advice =
            feed(&link, (int64_t)fake_random_below(&history, OFFLINE_AFTER * 3 / 2), in);

        ck_assert_int_eq(link.state == TB_LINK_FORCED_OFFLINE, forced);
        ck_assert(!forced || !advice.open);
        ck_assert(!advice.reopen || advice.open);
        ck_assert(!advice.reopen || open);
        ck_assert_int_ge(advice.wait_ms, 0);
        ck_assert_int_le(advice.wait_ms, RETRY_MAX);
        if (link.state == TB_LINK_ONLINE)
            ck_assert(advice.open);
        if (link.state == TB_LINK_ONLINE && before != TB_LINK_ONLINE)
            ck_assert(in.connected || in.progress);
        if (in.network_changed && !forced)
            ck_assert(advice.open || link.state == TB_LINK_OFFLINE);
        open = advice.open;
    }
}
END_TEST

/* With settings of 0 a till still waits between two attempts. */
START_TEST(zero_settings_still_wait)
{
    const struct tb_link_settings none = {OFFLINE_AFTER, RETRY_MAX, 0};
    struct tb_link link;
    int tries = 0;
    int64_t from_ms = now_ms;

    tb_link_init(&link, &none, &chance.random, false, now_ms, now_ms);
    feed(&link, OFFLINE_AFTER, (struct tb_link_input){0});
    for (; now_ms < from_ms + HOUR; tries++) {
        (void)delay(&link);
        feed(&link, 1, (struct tb_link_input){.all_brokers_down = true});
    }
    ck_assert_int_lt(tries, 60);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *tc = tcase_create("link");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, every_state_and_event);
    tcase_add_test(tc, a_short_pause_changes_no_state);
    tcase_add_test(tc, idle_is_online);
    tcase_add_test(tc, waits_are_spread);
    tcase_add_test(tc, only_progress_ends_the_backing_off);
    tcase_add_loop_test(tc, random_histories_keep_the_rules, 0, 20);
    tcase_add_test(tc, zero_settings_still_wait);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
