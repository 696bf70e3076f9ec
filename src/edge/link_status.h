/* Link status: what /status, /metrics and the answer to PUT /link say of the way to the log.
 *
 * The setting decides: a link that was just set offline is shown as forced-offline although its
 * relay, on another thread, carries that out some milliseconds later; one that was just set to
 * auto is shown as connecting until then.
 *
 * Thread:  any.
 * Memory:  names are constants.
 * Units:   Unix milliseconds. */
#pragma once
#include "api/api.h"
#include "bridge/link/link.h"
#include "bridge/relay/relay.h"

/* state and since_ms are what the relay's thread has carried out, forced is the setting. */
void tb_link_status_fill(bool forced, enum tb_link_state state, int64_t since_ms,
                         const struct tb_relay *relay, const struct tb_clock *clock,
                         struct tb_link_status *ret_status);
/* In the embedded edition the relay into the node's own log is the link. */
void tb_link_status_of_relay(const struct tb_relay *relay, const struct tb_clock *clock,
                             struct tb_link_status *ret_status);
