/* The sales of one node on one day in one currency, kept so that no record is counted twice.
 *
 * For each partition of the log a day knows which records it contains: all that changed it up to
 * `through`, except those in `undone`. A record that it contains is never added again. So a batch
 * that is read again changes nothing, however it is cut, nor does the batch of a zombie. New
 * records of a partition come in the order of the log.
 *
 * The reader of a partition has acquired a fence that is higher than those of all earlier readers
 * (view.h, acquire_fence), and a day refuses fences below the highest that it has seen. So a
 * reader that is late neither adds a record that its successor has taken out for good, nor takes
 * out one that its successor has written.
 *
 * Thread:  pure.
 * Memory:  a day's texts and lists live in the arena that made them.
 * Errors:  TB_INVALID: a sum would leave 64 bits; TB_INTERNAL: out of memory. The day is then of
 *          no further use.
 * Units:   money in minor units (_minor); offsets of the log. */
#pragma once
#include "query/projection/plan.h"

/* A record is undone while its batch is being committed, and only that batch adds it again. */
#define TB_SALES_UNDONE_MAX TB_LOG_BATCH_MAX

struct tb_sales_part {
    int64_t partition;
    int64_t through; /* the last offset that changed it */
    int64_t fence;   /* the highest of its writers; 0: none had one */
    int64_t orders, returns, cancelled, total_minor;
    int64_t late_orders;  /* placed on a day that was over */
    int64_t late_changes; /* records that changed a day that was over */
    int64_t *undone;      /* offsets rising */
    size_t undone_count;
};
struct tb_sales_day {
    struct tb_str id, node; /* id: "<node>/<business date>/<currency>" */
    char business_date[TB_DATE_SIZE], currency[4];
    int64_t changes; /* rises with every change, which guards writes; 0: not stored yet */
    struct tb_sales_part *parts;
    size_t part_count;
};

/* The day that the order belongs to; id and node are copied. */
TB_CHECKED enum tb_code tb_sales_day_of(const struct tb_order *order, struct tb_arena *arena,
                                        struct tb_sales_day *ret_day, struct tb_error *err);
bool tb_sales_is_of_day(const struct tb_sales_day *day, const struct tb_order *order);
/* Called before records of the partition change the day. TB_BUSY: a writer with a higher fence has
 * changed it. fence 0: the day is not served yet and has one writer only. */
TB_CHECKED enum tb_code tb_sales_check_fence(struct tb_sales_day *day, int32_t partition,
                                             int64_t fence, struct tb_arena *arena,
                                             struct tb_error *err);
/* Adds the delta unless the day contains its record. late: the day was over when it arrived. */
TB_CHECKED enum tb_code tb_sales_add(struct tb_sales_day *day, int32_t partition,
                                     const struct tb_plan_sales_delta *delta, bool late,
                                     struct tb_arena *arena, struct tb_error *err);
/* Takes it out if the day contains it: its order could not be written. */
TB_CHECKED enum tb_code tb_sales_undo(struct tb_sales_day *day, int32_t partition,
                                      const struct tb_plan_sales_delta *delta, bool late,
                                      struct tb_arena *arena, struct tb_error *err);
/* The sums over all partitions; partition, through and undone stay empty. */
TB_CHECKED enum tb_code tb_sales_sum(const struct tb_sales_day *day, struct tb_sales_part *ret_sum,
                                     struct tb_error *err);
