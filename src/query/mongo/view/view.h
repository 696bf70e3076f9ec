/* The parts of the MongoDB view: the writer (write.c), the orders that it reads for the next plan
 * (prefetch.c), orders as documents (orders_write.c, order_bson.c), the reader (read.c,
 * stats.c), where the view stands in the log (places.c), and the indexes (indexes.c).
 *
 * Thread:  a view and a reader have one owner each.
 * Errors:  as view_mongo.h. */
#pragma once
#include "query/mongo/driver/meta.h"
#include "query/mongo/driver/positions.h"
#include "query/mongo/fleet/documents.h"
#include "query/mongo/sales/day.h"
#include "query/mongo/view/view_mongo.h"

struct tb_view_mongo {
    struct tb_view view;
    struct tb_mongo *mongo; /* borrowed */
    /* Of the generation that the last plan was made for; generation 0: no plan was made yet. */
    struct tb_mongo_collections collections;
    bool has_collections;   /* the next plan is made for them; a pinned view: always true */
    char id[TB_EPOCH_SIZE]; /* of the database, when a place was loaded last; "": none was */
    struct tb_mongo_positions positions;
    struct tb_log_place places[TB_LOG_PARTITIONS_MAX];   /* as loaded or written last */
    struct tb_sales_fence fences[TB_LOG_PARTITIONS_MAX]; /* of each partition */
    int64_t fence_seen;               /* the highest of a day that has refused us */
    struct tb_mongo_fetched *fetched; /* sorted by order id; prefetch.c */
    size_t fetched_count;
    char barrier_token[TB_UUID_SIZE];    /* of the write barrier, as last read */
    int64_t barrier_since_ms;            /* when it was read first; monotonic */
    int64_t next[TB_LOG_PARTITIONS_MAX]; /* a pinned view's next offsets, if has_next */
    bool has_next;
    struct tb_mongo_known_epochs known_epochs;
};

/* Open a pinned view, or a reader: it stays at one generation, whether that is served or not. A
 * pinned view stores its own offsets. */
TB_CHECKED enum tb_code tb_view_mongo_open_at(struct tb_mongo *mongo,
                                              const struct tb_mongo_collections *collections,
                                              struct tb_view **ret_view, struct tb_error *err);
TB_CHECKED enum tb_code
tb_view_mongo_open_reader_at(struct tb_mongo *mongo,
                             const struct tb_mongo_collections *collections,
                             struct tb_view_reader **ret_reader, struct tb_error *err);
/* Creates the indexes of a generation's collections, unless they are there. */
TB_CHECKED enum tb_code tb_mongo_create_generation(const struct tb_mongo_client *client,
                                                   const struct tb_mongo_collections *collections,
                                                   struct tb_error *err);

/* places.c. TB_NOT_FOUND: the view is not the one that it was when a place was loaded. */
TB_CHECKED enum tb_code tb_view_mongo_check_id(const struct tb_view_mongo *view,
                                               const struct tb_mongo_served *served,
                                               struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_check_place(const struct tb_view_mongo *view,
                                                  const struct tb_mongo_client *client,
                                                  const struct tb_plan *plan,
                                                  struct tb_log_place *ret_stored,
                                                  struct tb_error *err);

/* prefetch.c: as tb_view_ops. */
TB_CHECKED enum tb_code tb_view_mongo_prefetch(struct tb_view *base,
                                               const char (*order_ids)[TB_UUID_SIZE], size_t count,
                                               struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_load(struct tb_view *base, const char *order_id,
                                           struct tb_arena *arena,
                                           struct tb_planned_order *ret_order,
                                           struct tb_error *err);
void tb_view_mongo_clear_fetched(struct tb_view_mongo *view);
/* The next plan is made for these collections. */
void tb_view_mongo_set_collections(struct tb_view_mongo *view,
                                   const struct tb_mongo_collections *collections);

/* If the order is a stub (only its version is known), writes only _id, version, stub and where it
 * comes from. */
TB_CHECKED enum tb_code tb_mongo_order_encode(const struct tb_planned_order *planned, bson_t *doc,
                                              struct tb_error *err);
/* Texts are copied into the arena. doc NULL: the order does not exist, version 0. TB_CORRUPT: a
 * field is missing or wrong. */
TB_CHECKED enum tb_code tb_mongo_order_decode(const bson_t *doc, struct tb_arena *arena,
                                              struct tb_planned_order *ret_planned,
                                              struct tb_error *err);
/* Writes the orders that the plan changes. If the server refuses plan->orders[i] however often it
 * is sent, refusals[i] says why; the text is in the arena. */
TB_CHECKED enum tb_code tb_mongo_write_orders(const struct tb_mongo_client *client,
                                              const char *collection, const struct tb_plan *plan,
                                              struct tb_arena *arena, const char **refusals,
                                              struct tb_error *err);
/* Computes the statistics from a collection of orders. */
TB_CHECKED enum tb_code tb_mongo_stats(const struct tb_mongo_client *client,
                                       const char *collection,
                                       const struct tb_stats_filter *filter,
                                       struct tb_arena *arena, struct tb_stats *ret_stats,
                                       struct tb_error *err);
