/* A day's figures of one node in one currency, kept so that no record can count twice.
 *
 * Per partition of the log a day knows which records it holds: all that change it up to `through`
 * but those in `undone`. A record that is held is never added again, so a replayed batch, however
 * it is cut, and a zombie's batch change nothing. New records of a partition come in log order.
 *
 * Whoever reads a partition has a fence for it, higher than that of everybody who read it before
 * (view.h, own), and a day takes nothing from below the highest that it has seen. So whoever is
 * late neither adds a record that its successor has taken out for good, nor takes out what its
 * successor has written.
 *
 * Thread:  pure.
 * Memory:  a day's texts and lists live in the arena that made them.
 * Errors:  TB_INVALID: a sum would leave 64 bits; TB_INTERNAL: out of memory. The day is then of
 *          no further use.
 * Units:   money in minor units (_minor); offsets of the log. */
#pragma once
#include "query/projection/plan.h"

/* Records are undone while their batch is at hand, and only that batch brings them again. */
#define TB_SALES_UNDONE_MAX TB_LOG_BATCH_MAX

struct tb_sales_part {
    int64_t partition;
    int64_t through; /* the last offset that changed it */
    int64_t fence;   /* the highest of those who changed it; 0: nobody had one */
    int64_t orders, returns, cancelled, total_minor;
    int64_t late_orders;  /* placed on a day that was over */
    int64_t late_changes; /* records that changed a day that was over */
    int64_t *undone;      /* offsets rising */
    size_t undone_count;
};
struct tb_sales_day {
    struct tb_str id, node; /* id: "<node>/<business date>/<currency>" */
    char business_date[TB_DATE_SIZE], currency[4];
    int64_t changes; /* rises with every change: what a writer compares. 0: not stored yet */
    struct tb_sales_part *parts;
    size_t part_count;
};

/* The day an order counts in; id and node are copied. */
TB_CHECKED enum tb_code tb_sales_day_of(const struct tb_order *order, struct tb_arena *arena,
                                        struct tb_sales_day *ret_day, struct tb_error *err);
bool tb_sales_is_of_day(const struct tb_sales_day *day, const struct tb_order *order);
/* To be called before a partition's records change the day. TB_BUSY: somebody with a higher fence
 * did so before. fence 0: of somebody who is alone with the day, as long as it is not served. */
TB_CHECKED enum tb_code tb_sales_check_fence(struct tb_sales_day *day, int32_t partition,
                                             int64_t fence, struct tb_arena *arena,
                                             struct tb_error *err);
/* Adds the change unless the day holds its record; late: the day was over when it came. */
TB_CHECKED enum tb_code tb_sales_add(struct tb_sales_day *day, int32_t partition,
                                     const struct tb_plan_sales_delta *change, bool late,
                                     struct tb_arena *arena, struct tb_error *err);
/* Takes it out again if the day holds it: its order could not be written. */
TB_CHECKED enum tb_code tb_sales_undo(struct tb_sales_day *day, int32_t partition,
                                      const struct tb_plan_sales_delta *change, bool late,
                                      struct tb_arena *arena, struct tb_error *err);
/* The sums over all partitions; partition, through and undone stay empty. */
TB_CHECKED enum tb_code tb_sales_sum(const struct tb_sales_day *day, struct tb_sales_part *ret_sum,
                                     struct tb_error *err);
