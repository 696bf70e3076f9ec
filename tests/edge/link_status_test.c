/* Promise: the status shows the link's setting at once, even if the relay's thread carries it out
 * late. Method: the relay does a step only when the test calls it. */
#include "bridge/relay/fixture.h"
#include "edge/link_status.h"

static struct tb_link_status status_of_relay(void)
{
    struct tb_link_status status = {0};

    tb_link_status_of_relay(relay, &f.clock.clock, &status);
    return status;
}

START_TEST(the_setting_shows_before_the_relay_steps)
{
    (void)step();
    ck_assert_str_eq(status_of_relay().state, "online");
    fake_clock_advance(&f.clock, 5000);
    tb_relay_set_offline(relay, true);
    ck_assert_str_eq(status_of_relay().state, "forced-offline");
    ck_assert_str_eq(status_of_relay().relay_state, "running");
    ck_assert_int_eq(status_of_relay().since_ms, tb_clock_wall_ms(&f.clock.clock));
    (void)step();
    ck_assert_str_eq(status_of_relay().state, "forced-offline");
    ck_assert_str_eq(status_of_relay().relay_state, "held");

    tb_relay_set_offline(relay, false);
    ck_assert_str_eq(status_of_relay().state, "connecting");
    (void)step();
    ck_assert_str_eq(status_of_relay().state, "online");
}
END_TEST

/* If the setting changes back before the relay's next step, the status is as before. */
START_TEST(offline_and_auto_between_two_steps)
{
    (void)step();
    int64_t since_ms = status_of_relay().since_ms;
    fake_clock_advance(&f.clock, 5000);
    tb_relay_set_offline(relay, true);
    tb_relay_set_offline(relay, false);
    ck_assert_str_eq(status_of_relay().state, "online");
    ck_assert_int_eq(status_of_relay().since_ms, since_ms);
}
END_TEST

/* Each state of the Kafka uplink's link, with both settings. */
START_TEST(every_state_under_either_setting)
{
    static const char *const under_auto[] = {"connecting", "online", "offline", "connecting"};
    struct tb_link_status status;

    for (int s = 0; s < TB_LINK_STATE_COUNT; s++) {
        bool carried_out = s != TB_LINK_FORCED_OFFLINE;

        tb_link_status_fill(false, (enum tb_link_state)s, 7, relay, &f.clock.clock, &status);
        ck_assert_str_eq(status.state, under_auto[s]);
        ck_assert_int_eq(status.since_ms, carried_out ? 7 : tb_clock_wall_ms(&f.clock.clock));
        tb_link_status_fill(true, (enum tb_link_state)s, 7, relay, &f.clock.clock, &status);
        ck_assert_str_eq(status.state, "forced-offline");
        ck_assert_int_eq(status.since_ms, carried_out ? tb_clock_wall_ms(&f.clock.clock) : 7);
    }
    ck_assert_str_eq(status.relay_states[TB_RELAY_OFFLINE], "held");
    ck_assert_ptr_null(status.relay_states[TB_RELAY_STATE_COUNT]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edge/link_status");
    TCase *tc = tcase_create("link status");

    tcase_add_checked_fixture(tc, relay_setup, relay_teardown);
    tcase_add_test(tc, the_setting_shows_before_the_relay_steps);
    tcase_add_test(tc, offline_and_auto_between_two_steps);
    tcase_add_test(tc, every_state_under_either_setting);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
