#include "bridge/link/link.h"
#include "base/error.h"

/* The first wait is random between 0 and at least this, whatever the settings say. With less, a
 * till whose settings are 0 would reconnect without a pause. */
#define SPREAD_MIN_MS 2000
/* Time until the next step if nothing is due earlier. */
#define RECHECK_MS 60000

const char *tb_link_state_name(enum tb_link_state state)
{
    static const char *const names[] = {"connecting", "online", "offline", "forced-offline"};

    TB_ASSERT(state < TB_LINK_STATE_COUNT);
    return names[state];
}

/* The legal moves. A state may also stay as it is. */
static const bool moves[TB_LINK_STATE_COUNT][TB_LINK_STATE_COUNT] = {
    [TB_LINK_CONNECTING] =
        {[TB_LINK_ONLINE] = true, [TB_LINK_OFFLINE] = true, [TB_LINK_FORCED_OFFLINE] = true},
    [TB_LINK_ONLINE] = {[TB_LINK_OFFLINE] = true, [TB_LINK_FORCED_OFFLINE] = true},
    [TB_LINK_OFFLINE] = {[TB_LINK_ONLINE] = true, [TB_LINK_FORCED_OFFLINE] = true},
    [TB_LINK_FORCED_OFFLINE] = {[TB_LINK_CONNECTING] = true},
};

static void enter(struct tb_link *link, enum tb_link_state state, const struct tb_link_input *now)
{
    if (link->state == state)
        return;
    TB_ASSERT(moves[link->state][state]);
    link->state = state;
    link->since_ms = now->wall_ms;
}

/* True: a connection is open and must be closed first. */
static bool begin_attempt(struct tb_link *link, const struct tb_link_input *now)
{
    bool was_open = link->open;

    link->open = true;
    link->retry_mono_ms = -1;
    link->progress_mono_ms = now->mono_ms;
    return was_open;
}

static void wait_for_retry(struct tb_link *link, const struct tb_link_input *now)
{
    link->retry_mono_ms = now->mono_ms + tb_backoff_next_ms(&link->backoff, link->random);
}

static void go_online(struct tb_link *link, const struct tb_link_input *now)
{
    link->progress_mono_ms = now->mono_ms;
    link->retry_mono_ms = -1;
    link->silent = false;
    enter(link, TB_LINK_ONLINE, now);
}

static bool silent_for_long(const struct tb_link *link, const struct tb_link_input *now)
{
    return now->mono_ms - link->progress_mono_ms >= link->settings.offline_after_ms;
}

static bool attempt_failed(const struct tb_link *link, const struct tb_link_input *now)
{
    int64_t tried_ms = now->mono_ms - link->progress_mono_ms;

    return silent_for_long(link, now) || (now->no_response && tried_ms >= TB_LINK_NO_RESPONSE_MS);
}

static bool step_connecting(struct tb_link *link, const struct tb_link_input *now)
{
    if (now->connected) {
        go_online(link, now);
    } else if (silent_for_long(link, now)) {
        link->open = false;
        wait_for_retry(link, now);
        enter(link, TB_LINK_OFFLINE, now);
    }
    /* librdkafka's own retries become rare. A reopened connection tries at once. */
    return link->state == TB_LINK_CONNECTING && now->network_changed;
}

static bool step_online(struct tb_link *link, const struct tb_link_input *now)
{
    bool alive = now->progress || (now->connected && !now->waiting);

    /* Measure silence from the first step that saw it: the step before may be long ago. */
    if (alive || !link->silent)
        link->progress_mono_ms = now->mono_ms;
    link->silent = !alive;
    if (silent_for_long(link, now)) {
        link->open = now->connected;
        wait_for_retry(link, now);
        enter(link, TB_LINK_OFFLINE, now);
    }
    return link->state == TB_LINK_ONLINE && now->network_changed && !now->connected;
}

static bool step_waiting(struct tb_link *link, const struct tb_link_input *now)
{
    if (link->open && now->progress) {
        go_online(link, now);
        return false;
    }
    if (now->network_changed)
        tb_backoff_reset(&link->backoff);
    if (now->network_changed || now->mono_ms >= link->retry_mono_ms)
        return begin_attempt(link, now);
    if (!now->connected)
        link->open = false;
    return false;
}

static bool step_attempt(struct tb_link *link, const struct tb_link_input *now)
{
    if (now->connected) {
        go_online(link, now);
    } else if (now->network_changed) {
        tb_backoff_reset(&link->backoff);
        return begin_attempt(link, now);
    } else if (now->all_brokers_down || attempt_failed(link, now)) {
        link->open = false;
        wait_for_retry(link, now);
    }
    return false;
}

static int64_t next_step(const struct tb_link *link, const struct tb_link_input *now)
{
    int64_t at_ms = now->mono_ms + RECHECK_MS;

    if (link->state == TB_LINK_FORCED_OFFLINE)
        return RECHECK_MS;
    if (link->state == TB_LINK_OFFLINE && link->retry_mono_ms >= 0)
        at_ms = link->retry_mono_ms;
    else if (link->state == TB_LINK_OFFLINE && now->no_response)
        at_ms = link->progress_mono_ms + TB_LINK_NO_RESPONSE_MS;
    else if (link->state != TB_LINK_ONLINE || now->waiting || !now->connected)
        at_ms = link->progress_mono_ms + link->settings.offline_after_ms;
    return at_ms > now->mono_ms ? at_ms - now->mono_ms : 0;
}

struct tb_link_advice tb_link_step(struct tb_link *link, const struct tb_link_input *now)
{
    bool reopen = false;

    /* Only an acknowledgement proves that the connection works. If it is lost again at once, the
     * pauses between attempts go on growing. */
    if (now->progress)
        tb_backoff_reset(&link->backoff);
    if (now->forced) {
        link->open = false;
        enter(link, TB_LINK_FORCED_OFFLINE, now);
    } else if (link->state == TB_LINK_FORCED_OFFLINE) {
        tb_backoff_reset(&link->backoff);
        reopen = begin_attempt(link, now);
        enter(link, TB_LINK_CONNECTING, now);
    } else if (link->state == TB_LINK_CONNECTING) {
        reopen = step_connecting(link, now);
    } else if (link->state == TB_LINK_ONLINE) {
        reopen = step_online(link, now);
    } else {
        reopen = link->retry_mono_ms < 0 ? step_attempt(link, now) : step_waiting(link, now);
    }
    return (struct tb_link_advice){link->open, reopen, next_step(link, now)};
}

void tb_link_init(struct tb_link *link, const struct tb_link_settings *settings,
                  const struct tb_random *random, bool forced, int64_t mono_ms, int64_t wall_ms)
{
    int64_t spread_ms = settings->first_retry_spread_ms;

    *link = (struct tb_link){
        .settings = *settings,
        .random = random,
        .state = forced ? TB_LINK_FORCED_OFFLINE : TB_LINK_CONNECTING,
        .open = !forced,
        .since_ms = wall_ms,
        .progress_mono_ms = mono_ms,
        .retry_mono_ms = -1,
        /* With full jitter, base_ms is the range of the first wait. */
        .backoff = {.base_ms = spread_ms > SPREAD_MIN_MS ? spread_ms : SPREAD_MIN_MS,
                    .cap_ms = settings->retry_max_ms},
    };
}
