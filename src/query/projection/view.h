/* Views: the read model, filled by the consumer, asked by the API.
 *
 * A view is written by plans: the final state of every order a batch touches, the dead letters of
 * the batch, and the next offset, in one step. Two implementations: SQLite, MongoDB.
 *
 * Thread:  a view (writing) has one owner; a reader (asking) has one owner.
 * Memory:  plans are borrowed for the call; what load fills lives in the given arena.
 * Errors:  TB_UNAVAILABLE, TB_BUSY, TB_FULL, TB_UNKNOWN: nothing of the plan is done or all of it
 *          may be: the same plan again is harmless. TB_INVALID: it can never be applied.
 * Units:   as in order.h. */
#pragma once
#include "bridge/log/log.h"
#include "order/event.h"
#include "query/projection/plan.h"

struct tb_view {
    const struct tb_view_ops *ops;
    size_t refused_index; /* after a commit that was TB_INVALID: which of plan->orders it was */
};
struct tb_view_ops {
    /* Before a plan: records of the partition from this offset on are not to be planned now;
     * INT64_MAX: all may be. Asked again soon. NULL: all may always be. */
    enum tb_code (*plan_limit)(struct tb_view *view, int32_t partition, int64_t *ret_until,
                               struct tb_error *err);
    /* Fetches in one go what load will be asked for next: a hint. The ids are different ones.
     * NULL: load is as fast without. */
    enum tb_code (*prefetch)(struct tb_view *view, const char (*order_ids)[TB_UUID_SIZE],
                             size_t count, struct tb_error *err);
    /* A partition's records come to this view's owner now. Once the log has confirmed that, after
     * this call, plans of others for it that were made before, and come late, are TB_BUSY: they
     * change nothing. Called again when it was not confirmed. NULL: there are no others. */
    enum tb_code (*acquire_fence)(struct tb_view *view, int32_t partition, struct tb_error *err);
    /* The order as the view has it; version 0 when it has none. */
    enum tb_code (*load)(struct tb_view *view, const char *order_id, struct tb_arena *arena,
                         struct tb_planned_order *ret_order, struct tb_error *err);
    /* Writes the plan and its next offset. TB_INVALID: the order view->refused_index can never be
     * written, the rest may be: plan again without it. TB_CONFLICT: the view is another one than
     * the plan was made for, nothing is done: plan again. */
    enum tb_code (*commit)(struct tb_view *view, const struct tb_plan *plan, struct tb_error *err);
    /* Plans given to commit are the view's for good, and seen by readers, only from here on. NULL,
     * and undo too: from commit on. */
    enum tb_code (*flush)(struct tb_view *view, struct tb_error *err);
    /* Takes back what commit was given since the last flush: to be called after every failure. */
    void (*undo)(struct tb_view *view);
    /* What is flushed survives a power loss from here on. NULL: it does at once. */
    enum tb_code (*sync)(struct tb_view *view, struct tb_error *err);
    /* The next offset to read of a partition; -1: never committed. */
    enum tb_code (*offset)(struct tb_view *view, int32_t partition, int64_t *ret_next,
                           struct tb_error *err);
    /* Removes up to limit dead letters that died before before_ms; writes nothing when there are
     * none. NULL: the view keeps its dead letters by other means. */
    enum tb_code (*expire_dead_letters)(struct tb_view *view, int64_t before_ms, int64_t limit,
                                        int64_t *ret_removed, struct tb_error *err);
    /* Hands out up to max letters that are open, have died of a gap, did not give up, and whose
     * order has come so far that nothing is missing in front of them. Looks at no more than
     * TB_REDRIVE_SCAN_MAX letters, from scan on, which moves; an order's earlier ones come first.
     * each false: that one is not taken, and none behind it. NULL: the view keeps no letters. */
    enum tb_code (*redrivable)(struct tb_view *view, struct tb_redrive_scan *scan, size_t max,
                               bool (*each)(void *ctx, const struct tb_dead_letter *letter),
                               void *ctx, struct tb_error *err);
    /* TB_NOT_FOUND: no such letter; TB_CONFLICT: it was replayed. One that was dropped before
     * stays so. NULL: as above. */
    enum tb_code (*drop_dead_letter)(struct tb_view *view, struct tb_dead_letter_position place,
                                     int64_t at_ms, struct tb_error *err);
    void (*free)(struct tb_view *view);
};

struct tb_list_filter {
    struct tb_str customer_id, node, source, business_date; /* absent: any */
    bool has_status;
    enum tb_order_status status;
    bool has_from, has_to;
    int64_t from_ms, to_ms; /* placedAt; from inclusive, to exclusive */
    int limit;              /* 1 to 500 */
    bool has_after;         /* a cursor: orders behind this position */
    int64_t after_placed_at_ms;
    char after_order_id[TB_UUID_SIZE];
};
enum tb_group_by { TB_GROUP_NONE, TB_GROUP_DAY, TB_GROUP_NODE, TB_GROUP_STATUS };
struct tb_stats_filter {
    bool has_from, has_to;
    int64_t from_ms, to_ms;
    enum tb_group_by group_by;
};
/* One currency, or one currency of one group. */
struct tb_stats_row {
    char key[64]; /* "" in totals */
    char currency[4];
    int64_t orders, returns, cancelled;
    int64_t total_minor; /* without the cancelled ones */
};
struct tb_stats {
    struct tb_stats_row *totals, *groups; /* in the arena; ordered by key, then currency */
    size_t total_count, group_count;
};

struct tb_view_reader {
    const struct tb_view_reader_ops *ops;
};
struct tb_view_reader_ops {
    /* The order's document (as tb_order_encode writes it) appended to ret_doc, and its version.
     * TB_NOT_FOUND if the view has none. */
    enum tb_code (*get)(struct tb_view_reader *reader, struct tb_str order_id,
                        struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err);
    /* Newest first (placedAt, then order id, falling). each is called per order; *ret_more: there
     * are further ones. The last order's position makes the next cursor. */
    enum tb_code (*list)(struct tb_view_reader *reader, const struct tb_list_filter *filter,
                         void (*each)(void *ctx, struct tb_str order_id, int64_t placed_at_ms,
                                      struct tb_str doc),
                         void *ctx, bool *ret_more, struct tb_error *err);
    /* Up to limit orders from the id `start` on ("": the first), in the order of their ids; an
     * order's texts live until each returns. */
    enum tb_code (*scan)(struct tb_view_reader *reader, const char *start, int limit,
                         void (*each)(void *ctx, const struct tb_order *order), void *ctx,
                         struct tb_error *err);
    /* TB_INTERNAL if a sum leaves 64 bits: never a wrong total. */
    enum tb_code (*stats)(struct tb_view_reader *reader, const struct tb_stats_filter *filter,
                          struct tb_arena *arena, struct tb_stats *ret_stats,
                          struct tb_error *err);
    /* The versions of count different orders; 0: the view has none. NULL: get is as fast. */
    enum tb_code (*versions)(struct tb_view_reader *reader, const char (*order_ids)[TB_UUID_SIZE],
                             size_t count, int64_t *ret_versions, struct tb_error *err);
    /* NULL: the view keeps none, the log's committed offsets rule. */
    enum tb_code (*offset)(struct tb_view_reader *reader, int32_t partition, int64_t *ret_next,
                           struct tb_error *err);
    /* each is called per letter, texts borrowed for the call; false: it is not taken, and none
     * behind it. *ret_more: there are further ones. */
    enum tb_code (*list_dead_letters)(struct tb_view_reader *reader,
                                      const struct tb_dead_letter_filter *filter,
                                      bool (*each)(void *ctx, const struct tb_dead_letter *letter),
                                      void *ctx, bool *ret_more, struct tb_error *err);
    /* Texts in the arena. TB_NOT_FOUND. */
    enum tb_code (*get_dead_letter)(struct tb_view_reader *reader,
                                    struct tb_dead_letter_position place, struct tb_arena *arena,
                                    struct tb_dead_letter *ret_letter, struct tb_error *err);
    enum tb_code (*count_dead_letters)(struct tb_view_reader *reader, int64_t *ret_open,
                                       struct tb_error *err);
    void (*free)(struct tb_view_reader *reader);
};
