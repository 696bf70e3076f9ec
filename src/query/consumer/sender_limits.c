#include "query/consumer/sender_limits.h"
#include "query/consumer/consumer.h"

#define MINUTE_MS 60000

static bool is_idle(const struct tb_sender *sender, int64_t now_ms)
{
    return now_ms - sender->since_ms >= MINUTE_MS && now_ms >= sender->parked_until_ms;
}

/* The index of the node, or the index at which to insert it. */
static size_t place_of(const struct tb_sender_limits *limits, struct tb_str node)
{
    size_t low = 0, high = limits->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (tb_str_compare(tb_str_of(limits->nodes[middle].node), node) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* NULL: the node has no dead letters lately. */
static struct tb_sender *find(struct tb_sender_limits *limits, struct tb_str node)
{
    size_t at;

    if (!node.ptr)
        return &limits->nobody;
    at = place_of(limits, node);
    return at < limits->count && tb_str_eq(tb_str_of(limits->nodes[at].node), node)
               ? &limits->nodes[at]
               : NULL;
}

static void remove_idle(struct tb_sender_limits *limits, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < limits->count; i++) {
        if (!is_idle(&limits->nodes[i], now_ms))
            limits->nodes[kept++] = limits->nodes[i];
    }
    limits->count = kept;
}

/* NULL: there is no room for one more. */
static struct tb_sender *find_or_add(struct tb_sender_limits *limits, struct tb_str node,
                                     int64_t now_ms)
{
    struct tb_sender *sender = find(limits, node);
    size_t at;

    if (sender)
        return sender;
    if (limits->count == TB_SENDERS_MAX)
        remove_idle(limits, now_ms);
    if (limits->count == TB_SENDERS_MAX)
        return NULL;
    at = place_of(limits, node);
    sender = &limits->nodes[at];
    memmove(sender + 1, sender, (limits->count++ - at) * sizeof *sender);
    *sender = (struct tb_sender){.since_ms = now_ms};
    memcpy(sender->node, node.ptr, node.len);
    return sender;
}

static size_t reason_of(const struct tb_plan_dead_letter *dead)
{
    static const char *const reasons[TB_SENDER_REASONS - 1] = {"tillbox.decode", "tillbox.invalid",
                                                               TB_REASON_GAP};
    size_t at = 0;

    while (at < TB_SENDER_REASONS - 1 && strcmp(reasons[at], dead->reason) != 0)
        at++;
    return at;
}

/* Does the dead letter count? Of records without a node only those do that may be left out. */
static bool counts(const struct tb_plan_dead_letter *dead)
{
    return tb_plan_dead_letter_counts(dead) && (dead->node.ptr || reason_of(dead) < 2);
}

static uint32_t failures_of(const struct tb_sender *sender)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < TB_SENDER_REASONS; i++)
        sum += sender->failures[i] + sender->planned[i];
    return sum;
}

static void begin_minute(struct tb_sender *sender, int64_t now_ms)
{
    if (now_ms - sender->since_ms >= MINUTE_MS) {
        sender->since_ms = now_ms;
        memset(sender->failures, 0, sizeof sender->failures);
    }
}

bool tb_sender_is_parked(struct tb_sender_limits *limits, struct tb_str node, int64_t now_ms)
{
    const struct tb_sender *sender = find(limits, node);

    return sender && now_ms < sender->parked_until_ms;
}

void tb_sender_park(struct tb_sender_limits *limits, struct tb_str node, int64_t now_ms)
{
    struct tb_sender *sender = find_or_add(limits, node, now_ms);

    if (sender)
        sender->parked_until_ms = now_ms + MINUTE_MS;
}

static enum tb_code ask(struct tb_sender *sender, struct tb_view *view, struct tb_error *err)
{
    if (sender->asked || !view->ops->knows_node)
        return TB_OK;
    TB_TRY(view->ops->knows_node(view, sender->node, &sender->known, err));
    sender->asked = true;
    return TB_OK;
}

/* How many dead letters have a reason, of each node TB_ALIKE_MAX at most. */
struct alike {
    size_t all[TB_SENDER_REASONS];
    size_t known[TB_SENDER_REASONS]; /* only of nodes that the view knows; if is_asked */
    bool is_asked[TB_SENDER_REASONS];
};

static size_t capped(const struct tb_sender *sender, size_t reason)
{
    size_t count = sender->failures[reason] + sender->planned[reason];

    return count < TB_ALIKE_MAX ? count : TB_ALIKE_MAX;
}

static void sum_all(const struct tb_sender_limits *limits, struct alike *ret_alike)
{
    *ret_alike = (struct alike){0};
    for (size_t i = 0; i < limits->count; i++) {
        for (size_t reason = 0; reason < TB_SENDER_REASONS; reason++)
            ret_alike->all[reason] += capped(&limits->nodes[i], reason);
    }
}

static enum tb_code sum_known(struct tb_sender_limits *limits, struct tb_view *view, size_t reason,
                              struct alike *alike, struct tb_error *err)
{
    alike->known[reason] = 0;
    for (size_t i = 0; i < limits->count; i++) {
        size_t count = capped(&limits->nodes[i], reason);

        if (count > 0)
            TB_TRY(ask(&limits->nodes[i], view, err));
        alike->known[reason] += limits->nodes[i].known ? count : 0;
    }
    alike->is_asked[reason] = true;
    return TB_OK;
}

/* Counts one more dead letter. The view is asked about nodes only if it may matter. */
static enum tb_code add(struct tb_sender_limits *limits, struct tb_view *view,
                        struct tb_sender *sender, size_t reason, struct alike *alike,
                        struct tb_error *err)
{
    size_t before = capped(sender, reason), more;

    sender->planned[reason]++;
    more = sender == &limits->nobody ? 0 : capped(sender, reason) - before;
    alike->all[reason] += more;
    if (alike->all[reason] <= TB_DEAD_LETTERS_PER_MINUTE || more == 0)
        return TB_OK;
    if (!alike->is_asked[reason])
        return sum_known(limits, view, reason, alike, err);
    TB_TRY(ask(sender, view, err));
    alike->known[reason] += sender->known ? more : 0;
    return TB_OK;
}

/* Forgets the last plan that was looked at, and what is over. */
static void begin_plan(struct tb_sender_limits *limits, int64_t now_ms)
{
    begin_minute(&limits->nobody, now_ms);
    memset(limits->nobody.planned, 0, sizeof limits->nobody.planned);
    for (size_t i = 0; i < limits->count; i++) {
        begin_minute(&limits->nodes[i], now_ms);
        memset(limits->nodes[i].planned, 0, sizeof limits->nodes[i].planned);
    }
}

enum tb_code tb_senders_find_surplus(struct tb_sender_limits *limits, struct tb_view *view,
                                     const struct tb_plan *plan, int64_t now_ms,
                                     const struct tb_plan_dead_letter **ret_surplus,
                                     bool *ret_alike, struct tb_error *err)
{
    struct alike alike;

    *ret_surplus = NULL;
    *ret_alike = false;
    begin_plan(limits, now_ms);
    sum_all(limits, &alike);
    for (size_t i = 0; i < plan->dead_letter_count && !*ret_surplus; i++) {
        const struct tb_plan_dead_letter *dead = &plan->dead_letters[i];
        struct tb_sender *sender = counts(dead) ? find_or_add(limits, dead->node, now_ms) : NULL;
        size_t reason = reason_of(dead);

        if (!sender)
            continue;
        TB_TRY(add(limits, view, sender, reason, &alike, err));
        *ret_alike = alike.known[reason] > TB_DEAD_LETTERS_PER_MINUTE;
        if (*ret_alike || failures_of(sender) > TB_DEAD_LETTERS_PER_MINUTE)
            *ret_surplus = dead;
    }
    return TB_OK;
}

void tb_senders_note(struct tb_sender_limits *limits, const struct tb_plan *plan, int64_t now_ms)
{
    begin_plan(limits, now_ms);
    for (size_t i = 0; i < plan->dead_letter_count; i++) {
        const struct tb_plan_dead_letter *dead = &plan->dead_letters[i];
        struct tb_sender *sender = counts(dead) ? find_or_add(limits, dead->node, now_ms) : NULL;

        if (sender)
            sender->failures[reason_of(dead)]++;
    }
}
