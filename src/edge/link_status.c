#include "edge/link_status.h"

void tb_link_status_fill(bool forced, enum tb_link_state state, int64_t since_ms,
                         const struct tb_relay *relay, const struct tb_clock *clock,
                         struct tb_link_status *ret_status)
{
    bool carried_out = forced == (state == TB_LINK_FORCED_OFFLINE);

    if (!carried_out) {
        state = forced ? TB_LINK_FORCED_OFFLINE : TB_LINK_CONNECTING;
        since_ms = tb_clock_wall_ms(clock);
    }
    *ret_status =
        (struct tb_link_status){.state = tb_link_state_name(state),
                                .since_ms = since_ms,
                                .relay_sent = tb_relay_sent(relay),
                                .relay_state = tb_relay_state_name(tb_relay_state(relay))};
    for (int i = 0; i < TB_RELAY_STATE_COUNT; i++)
        ret_status->relay_states[i] = tb_relay_state_name((enum tb_relay_state)i);
}

void tb_link_status_of_relay(const struct tb_relay *relay, const struct tb_clock *clock,
                             struct tb_link_status *ret_status)
{
    static const enum tb_link_state link_states[TB_RELAY_STATE_COUNT] = {
        [TB_RELAY_RUNNING] = TB_LINK_ONLINE,
        [TB_RELAY_OFFLINE] = TB_LINK_FORCED_OFFLINE,
        [TB_RELAY_FAILING] = TB_LINK_OFFLINE,
    };

    tb_link_status_fill(tb_relay_is_offline(relay), link_states[tb_relay_state(relay)],
                        tb_relay_since_ms(relay), relay, clock, ret_status);
}
