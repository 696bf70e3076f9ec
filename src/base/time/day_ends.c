#include "base/time/day_ends.h"

#define DAY_MS INT64_C(86400000)

static int64_t after_ms_of(struct tb_str date, int64_t ends_at_ms)
{
    return ends_at_ms - (tb_date_utc_ms(date) + DAY_MS);
}

bool tb_day_end_possible(struct tb_str date, int64_t ends_at_ms)
{
    int64_t after_ms = after_ms_of(date, ends_at_ms);

    return after_ms >= TB_DAY_END_EARLIEST_MS && after_ms <= TB_DAY_END_LATEST_MS;
}

/* The first rule that does not end before the date. */
static size_t rule_at(const struct tb_day_ends *ends, int64_t date_ms)
{
    size_t at = 0;

    while (at < ends->count && ends->list[at].through_ms < date_ms)
        at++;
    return at;
}

static bool holds(const struct tb_day_ends *ends, size_t at, int64_t date_ms)
{
    return at < ends->count && ends->list[at].from_ms <= date_ms;
}

static int64_t after_ms_on(const struct tb_day_ends *ends, int64_t date_ms)
{
    size_t at = rule_at(ends, date_ms);

    return ends->list[at == 0 || holds(ends, at, date_ms) ? at : at - 1].after_ms;
}

static void remove_at(struct tb_day_ends *ends, size_t at)
{
    ends->count--;
    memmove(&ends->list[at], &ends->list[at + 1], (ends->count - at) * sizeof *ends->list);
}

/* Returns where the rule is then: one less if the oldest one had to go. */
static size_t insert_at(struct tb_day_ends *ends, size_t at, struct tb_day_end rule)
{
    if (ends->count == TB_DAY_ENDS_MAX && at == 0)
        return 0; /* it would be the oldest one */
    if (ends->count == TB_DAY_ENDS_MAX) {
        remove_at(ends, 0);
        at--;
    }
    memmove(&ends->list[at + 1], &ends->list[at], (ends->count - at) * sizeof *ends->list);
    ends->list[at] = rule;
    ends->count++;
    return at;
}

/* Takes the date out of its rule. Returns where a rule for the date belongs. */
static size_t take_out(struct tb_day_ends *ends, size_t at, int64_t date_ms)
{
    struct tb_day_end later = ends->list[at];

    later.from_ms = date_ms + DAY_MS;
    ends->list[at].through_ms = date_ms - DAY_MS;
    if (ends->list[at].from_ms > ends->list[at].through_ms)
        remove_at(ends, at);
    else
        at++;
    return later.from_ms <= later.through_ms ? insert_at(ends, at, later) : at;
}

/* Adds a date that has no rule to the one before or behind it, if that says the same. */
static void add(struct tb_day_ends *ends, size_t at, int64_t date_ms, int64_t after_ms)
{
    struct tb_day_end *before = at > 0 ? &ends->list[at - 1] : NULL;
    struct tb_day_end *behind = at < ends->count ? &ends->list[at] : NULL;

    if (behind && behind->after_ms == after_ms) {
        behind->from_ms = date_ms;
        if (before && before->after_ms == after_ms) {
            before->through_ms = behind->through_ms;
            remove_at(ends, at);
        }
    } else if (before && before->after_ms == after_ms) {
        before->through_ms = date_ms;
    } else {
        insert_at(ends, at, (struct tb_day_end){date_ms, date_ms, after_ms});
    }
}

/* Dates may come in any order: a clock that was wrong has told of another year. That changes
 * nothing of the dates that were told before. */
void tb_day_ends_note(struct tb_day_ends *ends, struct tb_str date, int64_t ends_at_ms)
{
    int64_t date_ms = tb_date_utc_ms(date), after_ms = after_ms_of(date, ends_at_ms);
    size_t at = rule_at(ends, date_ms);

    if (holds(ends, at, date_ms)) {
        if (ends->list[at].after_ms == after_ms)
            return;
        at = take_out(ends, at, date_ms); /* its day start or its zone was changed today */
    }
    add(ends, at, date_ms, after_ms);
}

bool tb_day_ends_find(const struct tb_day_ends *ends, struct tb_str date, int64_t *ret_ends_at_ms)
{
    if (ends->count == 0 || !tb_date_valid(date))
        return false;
    *ret_ends_at_ms = tb_date_utc_ms(date) + DAY_MS + after_ms_on(ends, tb_date_utc_ms(date));
    return true;
}

bool tb_day_ends_last_over(const struct tb_day_ends *ends, int64_t at_ms,
                           char ret_date[TB_DATE_SIZE])
{
    char text[TB_TIME_SIZE];
    int64_t date_ms;

    if (ends->count == 0 || at_ms <= 0 || at_ms > TB_TIME_MAX_MS)
        return false;
    date_ms = (at_ms - TB_DAY_END_EARLIEST_MS) / DAY_MS * DAY_MS;
    while (date_ms + DAY_MS + after_ms_on(ends, date_ms) > at_ms)
        date_ms -= DAY_MS;
    tb_time_format(date_ms, text);
    memcpy(ret_date, text, TB_DATE_SIZE - 1);
    ret_date[TB_DATE_SIZE - 1] = '\0';
    return true;
}
