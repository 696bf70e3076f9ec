/* The sales of one node on one day in one currency. They are stored so that no record is counted
 * twice.
 *
 * For each partition of the log, a day stores which records it contains: all that changed it up to
 * offset `through`, except those in `undone`. A record that the day contains is not added again.
 * So reading a batch again changes nothing, even if its limits differ, and neither does a late
 * batch of an earlier reader. New records of a partition come in the order of the log.
 *
 * The reader of a partition acquires a higher fence than all earlier readers (view.h,
 * acquire_fence). A day stores the highest fence of its writers and refuses lower ones. So a late
 * reader can neither add a record that its successor has undone, nor undo a record that its
 * successor has added.
 *
 * Memory:  a day's texts and lists live in the arena that is given.
 * Errors:  TB_INVALID: a sum would not fit in 64 bits; TB_INTERNAL: out of memory. After an error
 *          the day must not be used.
 * Units:   money in minor units (_minor); offsets of the log. */
#pragma once
#include "query/projection/plan.h"

/* A record is undone while its batch is being committed, and only that batch can add it again. So
 * older entries are not needed. */
#define TB_SALES_UNDONE_MAX TB_LOG_BATCH_MAX

struct tb_sales_part {
    int64_t partition;
    int64_t through; /* the last offset that changed it */
    int64_t fence;   /* the highest of its writers; 0: no writer had one */
    int64_t orders, returns, cancelled, total_minor;
    int64_t late_orders;  /* orders that were placed on a day that was over */
    int64_t late_changes; /* records that changed a day that was over */
    int64_t *undone;      /* offsets, sorted */
    size_t undone_count;
};
struct tb_sales_day {
    struct tb_str id, node; /* id: "<node>/<business date>/<currency>" */
    char business_date[TB_DATE_SIZE], currency[4];
    int64_t changes; /* incremented by every change: guards the write; 0: not stored yet */
    struct tb_sales_part *parts;
    size_t part_count;
};

/* The day that the order belongs to; id and node are copied. */
TB_CHECKED enum tb_code tb_sales_day_of(const struct tb_order *order, struct tb_arena *arena,
                                        struct tb_sales_day *ret_day, struct tb_error *err);
bool tb_sales_is_of_day(const struct tb_sales_day *day, const struct tb_order *order);
/* Call it before records of the partition change the day. TB_BUSY: a writer with a higher fence
 * has changed it. fence 0: no check, because a day that is not served has only one writer. */
TB_CHECKED enum tb_code tb_sales_check_fence(struct tb_sales_day *day, int32_t partition,
                                             int64_t fence, struct tb_arena *arena,
                                             struct tb_error *err);
/* Adds the delta unless the day contains its record. late: the day was over when it arrived. */
TB_CHECKED enum tb_code tb_sales_add(struct tb_sales_day *day, int32_t partition,
                                     const struct tb_plan_sales_delta *delta, bool late,
                                     struct tb_arena *arena, struct tb_error *err);
/* Takes the delta out, if the day contains its record, because the order could not be written. */
TB_CHECKED enum tb_code tb_sales_undo(struct tb_sales_day *day, int32_t partition,
                                      const struct tb_plan_sales_delta *delta, bool late,
                                      struct tb_arena *arena, struct tb_error *err);
/* The sums over all partitions; sets neither partition, through, fence nor undone. */
TB_CHECKED enum tb_code tb_sales_sum(const struct tb_sales_day *day, struct tb_sales_part *ret_sum,
                                     struct tb_error *err);
