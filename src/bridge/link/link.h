/* State machine of the link: whether the connection to the remote log should be open, and when to
 * try again.
 *
 *                   connected                 no progress for offline_after
 *   CONNECTING -----------------> ONLINE ------------------------------+
 *       ^  |                        ^                                   |
 *       |  +--- no progress for ----|---------------> OFFLINE <---------+
 *       |       offline_after       | connected         |
 *       |                           +----- retry -------+   (stays OFFLINE during the attempt)
 *   any --forced--> FORCED_OFFLINE --not forced any more--> CONNECTING
 *
 * Between attempts it waits a random time, in which the upper bound grows up to retry_max (full
 * jitter). The first wait after a loss is spread over first_retry_spread, because the other tills
 * that lost the same broker will reconnect as well. If this machine's own network changed, no
 * other till did, so it tries at once. A connection without progress stays open until the next
 * attempt: if the other side only stalled, nobody has to reconnect.
 *
 * It does no I/O: the owner reports events and follows the advice.
 *
 * Thread:  one owner.
 * Errors:  an illegal move is a failed assertion.
 * Units:   milliseconds, monotonic; since_ms is wall time. */
#pragma once
#include "base/time/backoff.h"
#include <stdbool.h>

enum tb_link_state {
    TB_LINK_CONNECTING,
    TB_LINK_ONLINE,
    TB_LINK_OFFLINE,
    TB_LINK_FORCED_OFFLINE,
    TB_LINK_STATE_COUNT
};
const char *tb_link_state_name(enum tb_link_state state); /* "forced-offline" */

/* An attempt without any response ends after this time. TCP sends its first packet at once and
 * again after a second, and a round trip takes less than the rest of this time. In a network that
 * drops everything, short attempts also keep few tills connecting at any moment, so that they do
 * not all connect together when it comes back. */
#define TB_LINK_NO_RESPONSE_MS 2500

struct tb_link_settings {
    int64_t offline_after_ms;      /* [link] offline_after */
    int64_t retry_max_ms;          /* [link] retry_max */
    int64_t first_retry_spread_ms; /* [link] first_retry_spread */
};
struct tb_link {
    struct tb_link_settings settings;
    const struct tb_random *random; /* borrowed */
    enum tb_link_state state;
    bool open;                /* the last advice */
    bool silent;              /* ONLINE: nothing arrived although something should have */
    int64_t since_ms;         /* wall time of the last change of state */
    int64_t progress_mono_ms; /* of the last sign of life, or of the attempt's begin */
    int64_t retry_mono_ms;    /* of the next attempt; below 0: one is running */
    struct tb_backoff backoff;
};
struct tb_link_input {
    int64_t mono_ms, wall_ms;
    bool forced;           /* the link is forced offline */
    bool connected;        /* a broker answers */
    bool progress;         /* an acknowledgement arrived since the last step */
    bool waiting;          /* an acknowledgement is awaited, so silence is a problem */
    bool all_brokers_down; /* no broker can be reached: the attempt has failed */
    bool no_response;      /* no machine has answered this attempt, not even to refuse it */
    bool network_changed;  /* an address or route of this machine changed since the last step */
};
struct tb_link_advice {
    bool open;       /* the connection should be open now */
    bool reopen;     /* close the present connection first */
    int64_t wait_ms; /* call the next step after this time at the latest */
};
void tb_link_init(struct tb_link *link, const struct tb_link_settings *settings,
                  const struct tb_random *random, bool forced, int64_t mono_ms, int64_t wall_ms);
struct tb_link_advice tb_link_step(struct tb_link *link, const struct tb_link_input *input);
