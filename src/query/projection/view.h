/* Views: the read model that the consumer fills and the API queries. There are two, in SQLite and
 * in MongoDB.
 *
 * A view is written by plans. One plan has the final state of every order that a batch changes,
 * the dead letters of the batch, and the next offset; it is committed as a whole.
 *
 * Thread:  a view (writing) has one owner, and each reader has one owner.
 * Memory:  plans belong to the caller; the texts of loaded orders live in the given arena.
 * Errors:  TB_UNAVAILABLE, TB_BUSY, TB_FULL, TB_UNKNOWN: none of the plan is written, or all of it
 *          may be; committing the same plan again is safe. TB_INVALID: it can never be written. */
#pragma once
#include "base/values/sum.h"
#include "bridge/log/log.h"
#include "order/event.h"
#include "query/projection/plan.h"

/* Called for each dead letter; its texts are valid during the call. False: the callback did not
 * use this one, and wants no further ones. */
typedef bool tb_dead_letter_fn(void *ctx, const struct tb_dead_letter *letter);
/* Called for each order of a list, as tb_dead_letter_fn, or of a scan; the arguments are valid
 * during the call. A view may keep values of an order a second time, to find and sort it by:
 * other_column names one that is not the order's, as the API calls it; NULL: all are, or it keeps
 * none. */
typedef bool tb_listed_order_fn(void *ctx, struct tb_str order_id, int64_t placed_at_ms,
                                struct tb_str doc);
typedef void tb_scanned_order_fn(void *ctx, const struct tb_order *order,
                                 const char *other_column);

struct tb_view {
    const struct tb_view_ops *ops;
    size_t refused_index; /* after TB_INVALID of commit: index in the plan's orders */
};
struct tb_view_ops {
    /* Call it before planning: records of the partition with offsets from *ret_limit on must wait;
     * ask again soon. INT64_MAX: no record has to wait. NULL: records never have to wait. */
    enum tb_code (*plan_limit)(struct tb_view *view, int32_t partition, int64_t *ret_limit,
                               struct tb_error *err);
    /* Reads in one go the orders that load will be called for next; the ids differ. Only for
     * speed. NULL: load is as fast without. */
    enum tb_code (*prefetch)(struct tb_view *view, const char (*order_ids)[TB_UUID_SIZE],
                             size_t count, struct tb_error *err);
    /* Call it when the log has assigned the partition to this view's owner, and let the log
     * confirm the assignment afterwards. From then on the commit of a plan that an earlier owner
     * made is TB_BUSY and changes nothing. If the log does not confirm, call it again before
     * the next plan. NULL: there is only one owner. */
    enum tb_code (*acquire_fence)(struct tb_view *view, int32_t partition, struct tb_error *err);
    /* The order as the view has it; version 0 if it has none. */
    enum tb_code (*load)(struct tb_view *view, const char *order_id, struct tb_arena *arena,
                         struct tb_planned_order *ret_order, struct tb_error *err);
    /* Writes the plan and its next offset. An order that the view has in this or a later version
     * (after as many replacements, or more: lineage.h) stays as it is, and so does a higher
     * offset. TB_INVALID: the order with the index
     * view->refused_index can never be written; others may have been. Plan again without it.
     * TB_CONFLICT: the plan was made for a view that is no longer served, nothing is written; plan
     * again. TB_NOT_FOUND, as from plan_limit: the view does not stand where it stood; read again
     * from where it stands. TB_BUSY: acquire the fence again before the next try. */
    enum tb_code (*commit)(struct tb_view *view, const struct tb_plan *plan, struct tb_error *err);
    /* Makes what is committed survive a power loss. NULL: commit does so itself. */
    enum tb_code (*sync)(struct tb_view *view, struct tb_error *err);
    /* Tries again what a reader of the file or a full disk has stopped. True: something is left,
     * call it again in a second or so. NULL: nothing is ever left. */
    bool (*keep_up)(struct tb_view *view);
    /* The next offset to read of a partition; -1: none was ever committed. NULL: the view
     * stores no offsets; those of the consumer group in the log are used. */
    enum tb_code (*offset)(struct tb_view *view, int32_t partition, int64_t *ret_next,
                           struct tb_error *err);
    /* Has the node sent a heartbeat? NULL: no node is known. */
    enum tb_code (*knows_node)(struct tb_view *view, const char *node, bool *ret_known,
                               struct tb_error *err);
    /* Removes up to limit dead letters that were kept from before before_ms on; writes nothing if
     * there are none. NULL: the view removes old ones by other means. */
    enum tb_code (*expire_dead_letters)(struct tb_view *view, int64_t before_ms, int64_t limit,
                                        int64_t *ret_removed, struct tb_error *err);
    /* Calls each for up to max dead letters that can be redriven: open, with reason gap or parked,
     * fewer than TB_REDRIVES_MAX redrives in a row, and a version that is the order's next one or
     * lower; with reason parked also one of an order that is not there.
     * Earlier dead letters of an order come first. One call looks at TB_REDRIVE_SCAN_MAX dead
     * letters at most, from scan on, and moves scan behind them: those that each did not want (it
     * returned false) are offered again when the scan starts anew. each must not use the view.
     * NULL: the view stores no dead letters. */
    enum tb_code (*redrivable)(struct tb_view *view, struct tb_redrive_scan *scan, size_t max,
                               tb_dead_letter_fn *each, void *ctx, struct tb_error *err);
    /* TB_NOT_FOUND: there is no such dead letter; TB_CONFLICT: it was replayed. Dropping one twice
     * is TB_OK. NULL: as redrivable. */
    enum tb_code (*drop_dead_letter)(struct tb_view *view, struct tb_dead_letter_position position,
                                     int64_t at_ms, struct tb_error *err);
    void (*free)(struct tb_view *view);
};
static inline void tb_view_free(struct tb_view *view) /* NULL is fine */
{
    if (view)
        view->ops->free(view);
}

struct tb_list_filter {
    struct tb_str customer_id, node, source, business_date; /* absent: any */
    bool has_status;
    enum tb_order_status status;
    bool has_from, has_to;
    int64_t from_ms, to_ms; /* placedAt; from inclusive, to exclusive */
    int limit;              /* 1 to 500 */
    bool has_after;         /* only the orders that the list has after this one */
    int64_t after_placed_at_ms;
    char after_order_id[TB_UUID_SIZE];
};
enum tb_group_by { TB_GROUP_NONE, TB_GROUP_DAY, TB_GROUP_NODE, TB_GROUP_STATUS };
struct tb_stats_filter {
    bool has_from, has_to;
    int64_t from_ms, to_ms; /* placedAt; from inclusive, to exclusive */
    /* Business dates of the nodes, likewise; "": no limit. */
    char from_date[TB_DATE_SIZE], to_date[TB_DATE_SIZE];
    enum tb_group_by group_by;
};
/* One currency, or one currency of one group. */
struct tb_stats_row {
    char key[64]; /* "" in totals */
    char currency[4];
    int64_t orders, returns, cancelled;
    tb_sum total_minor; /* without cancelled orders */
};
struct tb_stats {
    struct tb_stats_row *totals, *groups; /* in the arena; ordered by key, then currency */
    size_t total_count, group_count;
};

struct tb_view_reader {
    const struct tb_view_reader_ops *ops;
};
/* Stubs, orders of which only the version is known, are invisible to readers. */
struct tb_view_reader_ops {
    /* Appends the order's document (as tb_order_encode writes it) to ret_doc. TB_NOT_FOUND. */
    enum tb_code (*get)(struct tb_view_reader *reader, struct tb_str order_id,
                        struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err);
    /* The same for a client that waits for a version: reads no document that is older than those
     * of `versions`. NULL: get reads none either. */
    enum tb_code (*get_latest)(struct tb_view_reader *reader, struct tb_str order_id,
                               struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err);
    /* Lists the newest orders first: by placedAt, then by order id, both falling. *ret_more: there
     * are further ones. */
    enum tb_code (*list)(struct tb_view_reader *reader, const struct tb_list_filter *filter,
                         tb_listed_order_fn *each, void *ctx, bool *ret_more,
                         struct tb_error *err);
    /* Up to limit orders, sorted by id, from the id `start` on ("": from the first). */
    enum tb_code (*scan)(struct tb_view_reader *reader, const char *start, int limit,
                         tb_scanned_order_fn *each, void *ctx, struct tb_error *err);
    enum tb_code (*stats)(struct tb_view_reader *reader, const struct tb_stats_filter *filter,
                          struct tb_arena *arena, struct tb_stats *ret_stats,
                          struct tb_error *err);
    /* The versions of count different orders; 0: the view has none. NULL: get is as fast. */
    enum tb_code (*versions)(struct tb_view_reader *reader, const char (*order_ids)[TB_UUID_SIZE],
                             size_t count, int64_t *ret_versions, struct tb_error *err);
    /* As tb_view_ops.offset. */
    enum tb_code (*offset)(struct tb_view_reader *reader, int32_t partition, int64_t *ret_next,
                           struct tb_error *err);
    /* *ret_more: there are further ones. */
    enum tb_code (*list_dead_letters)(struct tb_view_reader *reader,
                                      const struct tb_dead_letter_filter *filter,
                                      tb_dead_letter_fn *each, void *ctx, bool *ret_more,
                                      struct tb_error *err);
    /* Texts in the arena. TB_NOT_FOUND. */
    enum tb_code (*get_dead_letter)(struct tb_view_reader *reader,
                                    struct tb_dead_letter_position position,
                                    struct tb_arena *arena, struct tb_dead_letter *ret_letter,
                                    struct tb_error *err);
    /* How many dead letters are open. */
    enum tb_code (*count_dead_letters)(struct tb_view_reader *reader, int64_t *ret_open,
                                       struct tb_error *err);
    void (*free)(struct tb_view_reader *reader);
};
static inline void tb_view_reader_free(struct tb_view_reader *reader) /* NULL is fine */
{
    if (reader)
        reader->ops->free(reader);
}
