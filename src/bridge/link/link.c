#include "bridge/link/link.h"
#include "base/error.h"

/* Nobody's mistake in the settings makes a till knock more often than this, on average. */
#define SPREAD_MIN_MS 2000
/* The fallback look at a state that only others can end. */
#define LOOK_MS 60000

const char *tb_link_state_name(enum tb_link_state state)
{
    static const char *const names[] = {"connecting", "online", "offline", "forced-offline"};

    TB_ASSERT(state < TB_LINK_STATE_COUNT);
    return names[state];
}

/* Every move there is; a state may also stay as it is. */
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

/* True: something is open that has to be closed first. */
static bool begin_try(struct tb_link *link, const struct tb_link_input *now)
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

/* This try has gone on for as long as it may. */
static bool tried_enough(const struct tb_link *link, const struct tb_link_input *now)
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
    /* The library waits longer and longer between its own tries; now is the time for one. */
    return link->state == TB_LINK_CONNECTING && now->network_changed;
}

static bool step_online(struct tb_link *link, const struct tb_link_input *now)
{
    bool alive = now->progress || (now->connected && !now->waiting);

    /* Silence counts from when it was seen first: the last step may be long ago. */
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
        return begin_try(link, now);
    if (!now->connected)
        link->open = false;
    return false;
}

static bool step_trying(struct tb_link *link, const struct tb_link_input *now)
{
    if (now->connected) {
        go_online(link, now);
    } else if (now->network_changed) {
        tb_backoff_reset(&link->backoff);
        return begin_try(link, now);
    } else if (now->all_brokers_down || tried_enough(link, now)) {
        link->open = false;
        wait_for_retry(link, now);
    }
    return false;
}

static int64_t next_step(const struct tb_link *link, const struct tb_link_input *now)
{
    int64_t at_ms = now->mono_ms + LOOK_MS;

    if (link->state == TB_LINK_FORCED_OFFLINE)
        return LOOK_MS;
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

    /* Only what was acknowledged proves that the way is good: one that is lost again at once is
     * gone on being tried ever more rarely. */
    if (now->progress)
        tb_backoff_reset(&link->backoff);
    if (now->forced) {
        link->open = false;
        enter(link, TB_LINK_FORCED_OFFLINE, now);
    } else if (link->state == TB_LINK_FORCED_OFFLINE) {
        tb_backoff_reset(&link->backoff);
        reopen = begin_try(link, now);
        enter(link, TB_LINK_CONNECTING, now);
    } else if (link->state == TB_LINK_CONNECTING) {
        reopen = step_connecting(link, now);
    } else if (link->state == TB_LINK_ONLINE) {
        reopen = step_online(link, now);
    } else {
        reopen = link->retry_mono_ms < 0 ? step_trying(link, now) : step_waiting(link, now);
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
        /* Full jitter, of which the first wait is the spread. */
        .backoff = {.base_ms = spread_ms > SPREAD_MIN_MS ? spread_ms : SPREAD_MIN_MS,
                    .cap_ms = settings->retry_max_ms},
    };
}
