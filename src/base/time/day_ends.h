/* When the business days of a node end, as the node itself has told. So nobody else needs to know
 * its time zone, its start of the day, or when its clocks change.
 *
 * A rule holds for the dates that the node has told of, and in the gap behind them; the first one
 * also for all dates before. One is added where the end moves: twice a year in most zones.
 *
 * Units:   Unix milliseconds; a date is the moment at which it begins in UTC (tb_date_utc_ms). */
#pragma once
#include "base/time/timefmt.h"

/* Eight years of changes between summer and winter time. Then the oldest rule goes. */
#define TB_DAY_ENDS_MAX 16
/* No zone is further from UTC, and a day may start up to a day later: what is beyond is no end of
 * that date. */
#define TB_DAY_END_EARLIEST_MS (INT64_C(-26) * 3600 * 1000)
#define TB_DAY_END_LATEST_MS (INT64_C(50) * 3600 * 1000)

struct tb_day_ends {
    struct tb_day_end {
        int64_t from_ms, through_ms; /* its first and its last date */
        int64_t
            after_ms; /* the day ends so long after its date has ended in UTC; may be below 0 */
    } list[TB_DAY_ENDS_MAX]; /* dates rise, and no date has two rules */
    size_t count;
};
struct tb_node_day_ends {
    struct tb_str node;
    struct tb_day_ends ends;
};

/* Is there a zone in which this business date, which is valid, ends then? */
bool tb_day_end_possible(struct tb_str date, int64_t ends_at_ms);
/* The node says that this date, which is valid, ends then. */
void tb_day_ends_note(struct tb_day_ends *ends, struct tb_str date, int64_t ends_at_ms);
/* False: the node has told no end of any day, or `date` is none. */
TB_CHECKED bool tb_day_ends_find(const struct tb_day_ends *ends, struct tb_str date,
                                 int64_t *ret_ends_at_ms);
/* The last date that was over at that moment. False: as tb_day_ends_find. */
TB_CHECKED bool tb_day_ends_last_over(const struct tb_day_ends *ends, int64_t at_ms,
                                      char ret_date[TB_DATE_SIZE]);
