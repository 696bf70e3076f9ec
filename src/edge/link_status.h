/* Link status: the state of the link to the log in /status, /metrics and the reply to PUT /link.
 *
 * The relay's thread carries a new setting out some milliseconds later. Until then a link that was
 * set offline is already shown as forced-offline, and one that was set to auto as connecting.
 *
 * Thread:  any.
 * Units:   Unix milliseconds. */
#pragma once
#include "api/api.h"
#include "bridge/link/link.h"
#include "bridge/relay/relay.h"

/* forced: the setting. state, since_ms: what the relay's thread has carried out. */
void tb_link_status_fill(bool forced, enum tb_link_state state, int64_t since_ms,
                         const struct tb_relay *relay, const struct tb_clock *clock,
                         struct tb_link_status *ret_status);
/* For an edge without Kafka: the relay to the node's own log is the link. */
void tb_link_status_of_relay(const struct tb_relay *relay, const struct tb_clock *clock,
                             struct tb_link_status *ret_status);
