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
 * A batch may be counted and not written: the central ends between the two. If it is read again
 * from the same log, the day contains it. If the log is replaced meanwhile, or loses its end, the
 * same changes come with other offsets, or as a snapshot. So a day remembers what the last batch
 * of each partition has added, for which order and version: of these the day contains a record
 * only if it was this one. What is counted for an order takes the place of what was counted for
 * versions that the view did not have (recent.c). What the reader before has counted behind the
 * place where a reader begins stays remembered until then: its records may be gone.
 *
 * Memory:  a day's texts and lists live in the arena that is given.
 * Errors:  TB_INTERNAL: out of memory. After an error the day must not be used. */
#pragma once
#include "base/values/sum.h"
#include "query/projection/plan.h"

/* A record is undone while its batch is being committed, and only that batch can add it again. So
 * older entries are not needed. */
#define TB_SALES_UNDONE_MAX TB_LOG_BATCH_MAX

/* What a record has added. */
struct tb_sales_recent {
    int64_t offset;
    int64_t order;    /* hash of its id */
    int64_t standing; /* of the order with the record: tb_plan_standing */
    int64_t total_minor, shipped_minor;
    int8_t orders, returns, cancelled, late_orders, late_changes;
    int8_t cancelled_returns, shipped, shipped_returns;
};
struct tb_sales_part {
    int64_t partition;
    int64_t through; /* the last offset that changed it */
    int64_t fence;   /* the highest of its writers; 0: no writer had one */
    int64_t orders, returns, cancelled;
    tb_sum total_minor;
    int64_t cancelled_returns, shipped, shipped_returns; /* of these by status */
    tb_sum shipped_minor;
    int64_t late_orders;  /* orders that were placed on a day that was over */
    int64_t late_changes; /* records that changed a day that was over */
    int64_t *undone;      /* offsets, sorted */
    size_t undone_count;
    struct tb_sales_recent *recent; /* offsets rise */
    size_t recent_count, recent_room;
    int64_t recent_from;  /* 1 + where that batch began; 0: of a build that did not remember */
    struct tb_str packed; /* `recent`, while the day is a document */
    struct tb_str packed_statuses; /* the same, by status */
};
struct tb_sales_day {
    struct tb_str id, node; /* id: "<node>/<business date>/<currency>"; see tb_sales_total_of */
    char business_date[TB_DATE_SIZE], currency[4];
    int64_t changes;   /* incremented by every change: guards the write; 0: not stored yet */
    bool has_statuses; /* false: a build that did not know them has changed the day */
    struct tb_sales_part *parts;
    size_t part_count;
};

/* The day that the order belongs to; id and node are copied. */
TB_CHECKED enum tb_code tb_sales_day_of(const struct tb_order *order, struct tb_arena *arena,
                                        struct tb_sales_day *ret_day, struct tb_error *err);
/* The day of all nodes that the order belongs to, as far as the partition has changed it: id
 * "<business date>/<currency>/<partition>", and no node. One for each partition, so that the
 * readers of several partitions do not change the same one. */
TB_CHECKED enum tb_code tb_sales_total_of(const struct tb_order *order, int32_t partition,
                                          struct tb_arena *arena, struct tb_sales_day *ret_day,
                                          struct tb_error *err);
/* A day without a node is of all nodes. */
bool tb_sales_is_of_day(const struct tb_sales_day *day, const struct tb_order *order);
/* Of the reader of a partition. */
struct tb_sales_fence {
    int64_t number; /* 0: there is none */
    int64_t from;   /* where the view stood when it was acquired: all before is written */
};
/* Call it before records of the partition change the day. TB_BUSY: a writer with a higher fence,
 * *ret_highest, has changed it. Number 0: no check, because a day that is not served has only one
 * writer. */
TB_CHECKED enum tb_code tb_sales_check_fence(struct tb_sales_day *day, int32_t partition,
                                             const struct tb_sales_fence *fence,
                                             int64_t *ret_highest, struct tb_arena *arena,
                                             struct tb_error *err);
/* Adds the delta unless the day contains its record. late: the day was over when it arrived. */
TB_CHECKED enum tb_code tb_sales_add(struct tb_sales_day *day, int32_t partition,
                                     const struct tb_plan_sales_delta *delta, bool late,
                                     struct tb_arena *arena, struct tb_error *err);
/* Takes the delta out, if the day contains its record, because the order could not be written.
 * late may be another one than when it was added: the node has told of its days since. */
TB_CHECKED enum tb_code tb_sales_undo(struct tb_sales_day *day, int32_t partition,
                                      const struct tb_plan_sales_delta *delta, bool late,
                                      struct tb_arena *arena, struct tb_error *err);
/* Call it before the records of a batch that begins at offset `first` change the day: all before
 * are written. */
TB_CHECKED enum tb_code tb_sales_begin_batch(struct tb_sales_day *day, int32_t partition,
                                             int64_t first, struct tb_arena *arena,
                                             struct tb_error *err);
/* recent.c, for day.c. What was counted from this offset on is as of an earlier generation: it is
 * not known whether it was written. */
void tb_sales_unsettle(struct tb_sales_part *part, int64_t from);
/* Takes back what the delta takes the place of. */
void tb_sales_take_back(struct tb_sales_day *day, const struct tb_plan_sales_delta *delta);
TB_CHECKED bool tb_sales_remember(struct tb_sales_part *part,
                                  const struct tb_plan_sales_delta *delta, bool late,
                                  struct tb_arena *arena);
TB_CHECKED bool tb_sales_remembers(const struct tb_sales_part *part,
                                   const struct tb_plan_sales_delta *delta);
/* Was the record late when it was added? late: the answer if the part does not remember it. */
bool tb_sales_was_late(const struct tb_sales_part *part, const struct tb_plan_sales_delta *delta,
                       bool late);
/* Forgets what came before `first` in its generation. */
void tb_sales_forget_before(struct tb_sales_part *part, int64_t first);
void tb_sales_forget(struct tb_sales_part *part, const struct tb_plan_sales_delta *delta);
/* `recent` as bytes and back. */
TB_CHECKED bool tb_sales_pack(struct tb_sales_part *part, struct tb_arena *arena);
TB_CHECKED bool tb_sales_unpack(struct tb_sales_part *part, struct tb_arena *arena);
/* The sums over all partitions; sets nothing else. */
struct tb_sales_part tb_sales_sum(const struct tb_sales_day *day);
