/* What the parts of the MongoDB view share: clients, checked BSON, bulks.
 *
 * Thread:  a lease (a client of the pool) belongs to the call that took it.
 * Memory:  TB_CLEANUP functions give back; documents that cursors hand out live until the next.
 * Errors:  as view_mongo.h. An append that fails is remembered until it is asked for.
 * Units:   as view.h. */
#pragma once
#include "query/mongo/sales/day.h"
#include "query/mongo/view_mongo.h"
#include <mongoc/mongoc.h>
#include <stdatomic.h>

#define TB_MONGO_NAME_SIZE 64
/* The server takes documents of 16 MiB; what a bulk puts around one fits in the rest. */
#define TB_MONGO_DOCUMENT_MAX ((16u << 20) - (16u << 10))
#define TB_MONGO_DUPLICATE_KEY 11000
/* A hold whose beat stands still for so long is nobody's any more: its owner moves it every
 * second, but waits for the server between. */
#define TB_MONGO_BARRIER_STALE_MS 15000
/* How often a write is tried again against others who write the same, before it waits. */
#define TB_MONGO_RACES_MAX 20

struct tb_mongo {
    mongoc_client_pool_t *pool; /* owned */
    char database[TB_MONGO_NAME_SIZE];
    char topic[256];
    int bulk_size, day_start_minutes;
    size_t document_max; /* TB_MONGO_DOCUMENT_MAX; tests lower it */
    const struct tb_clock *clock;
    _Atomic int64_t away_until_ms; /* monotonic; 0: it answers, as far as is known */
};
/* The collections of one generation of the view. Dead letters are of all of them, but for those
 * that a rebuild finds: until it is served they are its own. */
struct tb_mongo_collections {
    int64_t generation;
    char orders[TB_MONGO_NAME_SIZE], sales[TB_MONGO_NAME_SIZE], letters[TB_MONGO_NAME_SIZE];
};
/* Nobody writes the served view from these offsets on (rebuild_mongo.h says why). */
struct tb_mongo_write_barrier {
    bool held;
    char token[TB_UUID_SIZE]; /* whose */
    int64_t beat;             /* rises while its owner lives */
    int64_t until[TB_LOG_PARTITIONS_MAX];
};
/* What meta says of the view that is served; the first generation when it says nothing. */
struct tb_mongo_served {
    struct tb_mongo_collections names; /* letters: of all */
    int64_t previous; /* the generation that was served before and is kept; 0: none */
    int64_t moved_at_ms;
    struct tb_mongo_write_barrier hold;
};
void tb_mongo_collections_of(int64_t generation, struct tb_mongo_collections *ret_names);

struct tb_mongo_client {
    struct tb_mongo *mongo; /* NULL: none taken */
    mongoc_client_t *client;
};
/* TB_BUSY when the pool has none in time. */
TB_CHECKED enum tb_code tb_mongo_client_acquire(struct tb_mongo *mongo,
                                                struct tb_mongo_client *ret_lease,
                                                struct tb_error *err);
void tb_mongo_client_release(struct tb_mongo_client *lease);
/* The same for who asks on behalf of somebody who waits: TB_UNAVAILABLE at once while the server
 * is known to be away. */
TB_CHECKED enum tb_code tb_mongo_client_acquire_if_up(struct tb_mongo *mongo,
                                                      struct tb_mongo_client *ret_lease,
                                                      struct tb_error *err);
/* The error of a question: remembers a server that is away. */
enum tb_code tb_mongo_read_error(struct tb_error *err, struct tb_mongo *mongo,
                                 const bson_error_t *error, const char *what);
/* As confirmed by a majority and asked of the primary, wherever the URI sends other questions. */
TB_CHECKED enum tb_code tb_mongo_read_served(const struct tb_mongo_client *lease,
                                             struct tb_mongo_served *ret_served,
                                             struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_read_collections(const struct tb_mongo_client *lease,
                                                  struct tb_mongo_collections *ret_names,
                                                  struct tb_error *err);
/* If it still stands as it was read. */
TB_CHECKED enum tb_code tb_mongo_remove_stale_barrier(const struct tb_mongo_client *lease,
                                                      const struct tb_mongo_write_barrier *hold,
                                                      struct tb_error *err);
/* A view, or a reader, of that generation, whatever is served. The view has an offset of its own
 * for each partition (in meta) and leaves the nodes' completeness alone. */
TB_CHECKED enum tb_code tb_view_mongo_open_at(struct tb_mongo *mongo,
                                              const struct tb_mongo_collections *names,
                                              struct tb_view **ret_view, struct tb_error *err);
TB_CHECKED enum tb_code tb_view_mongo_open_reader_at(struct tb_mongo *mongo,
                                                     const struct tb_mongo_collections *names,
                                                     struct tb_view_reader **ret_reader,
                                                     struct tb_error *err);
/* Its collections are there, with their indexes. */
TB_CHECKED enum tb_code tb_mongo_create_generation(const struct tb_mongo_client *lease,
                                                   const struct tb_mongo_collections *names,
                                                   struct tb_error *err);
/* The offsets that a generation has (view_mongo_offsets.c); -1 where it has none. */
TB_CHECKED enum tb_code tb_mongo_read_offsets(const struct tb_mongo_client *lease,
                                              int64_t generation, int64_t *ret_next,
                                              struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_write_offset(const struct tb_mongo_client *lease,
                                              int64_t generation, int32_t partition, int64_t next,
                                              struct tb_error *err);
/* What a driver's error means to the caller. writing: it may have been done. */
enum tb_code tb_mongo_error(struct tb_error *err, const bson_error_t *error, bool writing,
                            const char *what);

/* Documents, built with every append checked. */
struct tb_bson_writer {
    bson_t *doc;
    bool *failed; /* shared with the documents within it */
};
void tb_bson_put_str(struct tb_bson_writer put, const char *key,
                     struct tb_str value); /* absent: nothing */
void tb_bson_put_text(struct tb_bson_writer put, const char *key, const char *value);
void tb_bson_put_int(struct tb_bson_writer put, const char *key, int64_t value);
void tb_bson_put_bool(struct tb_bson_writer put, const char *key, bool value);
void tb_bson_put_time(struct tb_bson_writer put, const char *key, int64_t time_ms);
void tb_bson_put_bytes(struct tb_bson_writer put, const char *key,
                       struct tb_str value); /* absent: nothing */
/* { key: { op: value } } */
void tb_bson_put_operator(struct tb_bson_writer put, const char *key, const char *op,
                          int64_t value);
struct tb_bson_writer tb_bson_open(struct tb_bson_writer put, const char *key, bson_t *inner);
struct tb_bson_writer tb_bson_open_array(struct tb_bson_writer put, const char *key,
                                         bson_t *inner);
void tb_bson_close(struct tb_bson_writer put, struct tb_bson_writer inner);
void tb_bson_close_array(struct tb_bson_writer put, struct tb_bson_writer inner);
/* The index as an array's key. */
const char *tb_bson_index_key(size_t index, char scratch[16]);
void tb_bson_free(bson_t **doc); /* for TB_CLEANUP */
enum tb_code tb_mongo_no_memory(struct tb_error *err);

/* The value of a field; absent, 0 or false when it is of another type. */
struct tb_str tb_bson_get_str(const bson_iter_t *iter);
int64_t tb_bson_get_int(const bson_iter_t *iter);
int64_t tb_bson_get_time(const bson_iter_t *iter);
struct tb_str tb_bson_get_bytes(const bson_iter_t *iter);
void tb_bson_get_text(const bson_iter_t *iter, char *ret_text, size_t size);

/* An order and its document. A stub's has only _id, version and stub. */
TB_CHECKED enum tb_code tb_mongo_order_encode(const struct tb_planned_order *planned, bson_t *doc,
                                              struct tb_error *err);
/* Everything is copied into the arena. TB_CORRUPT: not what was written. */
TB_CHECKED enum tb_code tb_mongo_order_decode(const bson_t *doc, struct tb_arena *arena,
                                              struct tb_planned_order *ret_planned,
                                              struct tb_error *err);

/* A day and its document in sales_by_day. Decoding fills changes and parts; false: it is not what
 * was written, or there is no memory. */
TB_CHECKED enum tb_code tb_mongo_day_encode(const struct tb_sales_day *day, bson_t *doc,
                                            struct tb_error *err);
bool tb_mongo_day_decode(const bson_t *doc, struct tb_arena *arena, struct tb_sales_day *day);

/* One write of a bulk. */
struct tb_mongo_op {
    /* The second and third upsert; one that amends and finds nothing is done. */
    enum { TB_MONGO_INSERT, TB_MONGO_REPLACE, TB_MONGO_UPDATE, TB_MONGO_AMEND } kind;
    bson_t *filter;   /* owned; NULL in an insert */
    bson_t *document; /* owned */
    int code;         /* after it: 0, or the server's error for this one */
    size_t tag;       /* the caller's */
};
/* Unordered, bulk_size at a time, inserts first. TB_OK: what has code 0 is confirmed; the others
 * are definitely not done. */
TB_CHECKED enum tb_code tb_mongo_bulk(const struct tb_mongo_client *lease, const char *collection,
                                      struct tb_mongo_op *ops, size_t count, struct tb_error *err);
void tb_mongo_ops_clear(struct tb_mongo_op *ops, size_t count);
/* The server will never take this document, whatever happens. */
bool tb_mongo_is_permanent(int code);
/* Error of an operation that may not fail so. */
enum tb_code tb_mongo_op_error(struct tb_error *err, const struct tb_mongo_op *op,
                               const char *what);

/* A find, or an aggregation, that is walked to its end. */
struct tb_mongo_find {
    struct tb_mongo *mongo;
    mongoc_collection_t *collection;
    mongoc_cursor_t *cursor;
};
void tb_mongo_find_begin(struct tb_mongo_find *find, const struct tb_mongo_client *lease,
                         const char *collection, const bson_t *filter, const bson_t *opts);
/* All of the documents that match, as tb_mongo_read_served asks. */
void tb_mongo_find_newest(struct tb_mongo_find *find, const struct tb_mongo_client *lease,
                          const char *collection, const bson_t *filter);
void tb_mongo_aggregate_begin(struct tb_mongo_find *find, const struct tb_mongo_client *lease,
                              const char *collection, const bson_t *pipeline);
/* NULL at the end, or when it failed: ask tb_mongo_find_end. */
const bson_t *tb_mongo_find_next(struct tb_mongo_find *find);
TB_CHECKED enum tb_code tb_mongo_find_end(struct tb_mongo_find *find, const char *what,
                                          struct tb_error *err);
void tb_mongo_find_free(struct tb_mongo_find *find); /* for TB_CLEANUP */
/* Removes what the filter finds. */
TB_CHECKED enum tb_code tb_mongo_remove(const struct tb_mongo_client *lease,
                                        const char *collection, const bson_t *filter,
                                        int64_t *ret_removed, struct tb_error *err);
/* One document, if there is one that the filter finds. */
TB_CHECKED enum tb_code tb_mongo_update(const struct tb_mongo_client *lease,
                                        const char *collection, const bson_t *filter,
                                        const bson_t *update, bool *ret_found,
                                        struct tb_error *err);
/* {_id: {$in: ids}}; NULL when out of memory. */
bson_t *tb_mongo_ids_filter(const struct tb_str *ids, size_t count);

/* Orders of the plan that changed. refused, by place in plan->orders: the server will never take
 * that one. */
TB_CHECKED enum tb_code tb_mongo_write_orders(const struct tb_mongo_client *lease,
                                              const char *collection, const struct tb_plan *plan,
                                              bool *refused, struct tb_error *err);
/* A fence for sales.h, higher than all before (view_mongo_fence.c). */
TB_CHECKED enum tb_code tb_mongo_acquire_fence(const struct tb_mongo_client *lease,
                                               int64_t *ret_fence, struct tb_error *err);
/* Steps of a commit (view_mongo.h says which and why). TB_INVALID: *ret_refused's sum leaves 64
 * bits; TB_BUSY: also when somebody with a higher fence was there. */
TB_CHECKED enum tb_code tb_mongo_write_sales(const struct tb_mongo_client *lease,
                                             const struct tb_mongo_collections *names,
                                             const struct tb_plan *plan, int64_t fence,
                                             const struct tb_planned_order **ret_refused,
                                             struct tb_error *err);
/* Takes the changes of one order out again. */
TB_CHECKED enum tb_code tb_mongo_undo_sales(const struct tb_mongo_client *lease,
                                            const struct tb_mongo_collections *names,
                                            const struct tb_plan *plan, int64_t fence,
                                            const struct tb_planned_order *planned,
                                            struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_write_dead_letters(const struct tb_mongo_client *lease,
                                                    const char *collection,
                                                    const struct tb_plan *plan,
                                                    struct tb_error *err);
/* Behind the letter at that place: by its death first, or of one order by its place alone. */
void tb_mongo_put_after(struct tb_bson_writer put, int64_t dead_at_ms,
                        struct tb_dead_letter_position place, bool by_order);
/* The document of a letter that is new. What is there stays: a letter whose record comes again is
 * the same one, and may have been dealt with. */
void tb_mongo_put_first_death(struct tb_bson_writer document, const char *name,
                              const struct tb_mongo_client *lease, const struct tb_plan *plan,
                              const struct tb_plan_dead_letter *letter);
/* An update: the record was sent again and died, so the letter has one more attempt. */
void tb_mongo_put_next_death(struct tb_bson_writer document, const struct tb_mongo_client *lease,
                             const struct tb_plan *plan, const struct tb_plan_dead_letter *letter);
/* An update: the record was sent again and is needed no more. */
void tb_mongo_put_replayed(struct tb_bson_writer document, const struct tb_plan *plan,
                           int64_t offset);
/* Everything is copied into the arena. TB_CORRUPT: not what was written. */
TB_CHECKED enum tb_code tb_mongo_dead_letter_decode(const bson_t *doc, struct tb_arena *arena,
                                                    struct tb_dead_letter *ret_letter,
                                                    struct tb_error *err);
TB_CHECKED enum tb_code
tb_mongo_list_dead_letters(const struct tb_mongo_client *lease,
                           const struct tb_dead_letter_filter *filter,
                           bool (*each)(void *ctx, const struct tb_dead_letter *letter), void *ctx,
                           bool *ret_more, struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_read_dead_letter(const struct tb_mongo_client *lease,
                                                  struct tb_dead_letter_position place,
                                                  struct tb_arena *arena,
                                                  struct tb_dead_letter *ret_letter,
                                                  struct tb_error *err);
TB_CHECKED enum tb_code
tb_mongo_redrivable(const struct tb_mongo_client *lease, const char *orders,
                    struct tb_redrive_scan *scan, size_t max,
                    bool (*each)(void *ctx, const struct tb_dead_letter *letter), void *ctx,
                    struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_expire_dead_letters(const struct tb_mongo_client *lease,
                                                     int64_t before_ms, int64_t limit,
                                                     int64_t *ret_removed, struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_write_sequences(const struct tb_mongo_client *lease,
                                                 const struct tb_plan *plan, struct tb_error *err);
/* False: it is not a chunk's document. A chunk that is marked full counts as full. */
bool tb_mongo_chunk_decode(const bson_t *doc, struct tb_sequence_chunk *ret_chunk,
                           bool *ret_marked_full);
/* False: it is not a node's document. */
bool tb_mongo_node_decode(const bson_t *doc, struct tb_node *ret_node, int64_t *ret_offset);
TB_CHECKED enum tb_code tb_mongo_stats(const struct tb_mongo_client *lease,
                                       const struct tb_mongo_collections *names,
                                       const struct tb_stats_filter *filter,
                                       struct tb_arena *arena, struct tb_stats *ret_stats,
                                       struct tb_error *err);
