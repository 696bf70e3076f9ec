/* The link: whether the way to the remote log is open, and when to try it again.
 *
 *                   connected                 no progress for offline_after
 *   CONNECTING -----------------> ONLINE ------------------------------+
 *       ^  |                        ^                                   |
 *       |  +--- no progress for ----|---------------> OFFLINE <---------+
 *       |       offline_after       | connected         |
 *       |                           +----- retry -------+   (OFFLINE stays shown while it tries)
 *   any --forced--> FORCED_OFFLINE --auto--> CONNECTING
 *
 * Waits between tries are full jitter up to retry_max; the first after a loss is spread over
 * first_retry_spread, since the others who lost the same broker come back with us. A change of
 * this machine's own network is nobody else's: it is tried at once. A connection over which
 * nothing moves any more stays open until the next try: whoever froze may thaw, and then nobody
 * has to connect again.
 *
 * Pure: the owner feeds it what happened and does what it says.
 *
 * Thread:  one owner.
 * Memory:  a value.
 * Errors:  none; an illegal move is a failed assertion.
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

/* A try whose first packet nobody answers is over after so long: TCP sends it at once and a second
 * later, and no round trip takes longer. Of tills that knock at a network that swallows everything
 * so few are knocking when it comes back that they do not come all at once. */
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
    bool open;                /* as the last advice said */
    bool silent;              /* ONLINE: nothing came, though something should have */
    int64_t since_ms;         /* wall time of the last change of state */
    int64_t progress_mono_ms; /* last sign of life, or when the try began */
    int64_t retry_mono_ms;    /* when to try again; below 0: trying now */
    struct tb_backoff backoff;
};
struct tb_link_input {
    int64_t mono_ms, wall_ms;
    bool forced;           /* forced offline now */
    bool connected;        /* a broker answers */
    bool progress;         /* an acknowledgement arrived since the last step */
    bool waiting;          /* something is outstanding: silence means trouble */
    bool all_brokers_down; /* no broker can be reached; this try is over */
    bool no_response;      /* no machine has answered in this try, not even to refuse */
    bool network_changed;  /* an address or route of this machine changed since the last step */
};
struct tb_link_advice {
    bool open;       /* the connection should be open now */
    bool reopen;     /* close it first: what is open is of no use */
    int64_t wait_ms; /* until the next step at the latest */
};
void tb_link_init(struct tb_link *link, const struct tb_link_settings *settings,
                  const struct tb_random *random, bool forced, int64_t mono_ms, int64_t wall_ms);
struct tb_link_advice tb_link_step(struct tb_link *link, const struct tb_link_input *input);
