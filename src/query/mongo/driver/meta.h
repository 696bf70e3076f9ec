/* The documents of the collection `meta`: which collections are served (`served`), whether they
 * may be written at the moment (its field `hold`), offsets of views that are not served
 * (`offsets_N`), and the last fence (`fence`).
 *
 * All are read from the primary, as a majority has confirmed them.
 *
 * Thread:  the client's.
 * Errors:  as client.h; TB_CORRUPT: `served` lacks a name. */
#pragma once
#include "base/values/uuid.h"
#include "bridge/log/log.h"
#include "query/mongo/driver/find.h"

/* The owner of a document in which a beat has not risen for so long has ended: owners let it rise
 * every second, but may wait for the server in between. */
#define TB_MONGO_STALE_MS 15000
/* A beat as it was seen last; zeroed: none was. */
struct tb_mongo_beat {
    char token[TB_UUID_SIZE]; /* of the owner */
    int64_t beat;
    int64_t since_ms; /* when it was seen first; monotonic */
};
/* Notes what is stored now. True: the owner has ended. */
bool tb_mongo_beat_is_stale(struct tb_mongo_beat *seen, const char *token, int64_t beat,
                            int64_t now_ms);

/* The collections of one generation of the view. All generations share one collection of dead
 * letters; only a generation that a rebuild fills has its own until it is served. */
struct tb_mongo_collections {
    int64_t generation;
    char orders[TB_MONGO_NAME_SIZE], sales[TB_MONGO_NAME_SIZE], dead_letters[TB_MONGO_NAME_SIZE];
};
/* Nobody writes records from these offsets on to the served view (rebuild_mongo.h says why). */
struct tb_mongo_write_barrier {
    bool is_set;
    char token[TB_UUID_SIZE]; /* of its owner */
    int64_t beat;             /* rises while its owner lives */
    int64_t limit[TB_LOG_PARTITIONS_MAX];
    size_t limit_count;
};
struct tb_mongo_served {
    struct tb_mongo_collections collections;
    int64_t previous; /* the generation that was served before and is kept; 0: none */
    int64_t moved_at_ms;
    struct tb_mongo_write_barrier barrier;
};
void tb_mongo_collections_of(int64_t generation, struct tb_mongo_collections *ret_collections);
/* Without the document, generation 1 is served. */
TB_CHECKED enum tb_code tb_mongo_read_served(const struct tb_mongo_client *client,
                                             struct tb_mongo_served *ret_served,
                                             struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_read_collections(const struct tb_mongo_client *client,
                                                  struct tb_mongo_collections *ret_collections,
                                                  struct tb_error *err);
/* Removes the barrier, unless it has changed since it was read. */
TB_CHECKED enum tb_code tb_mongo_remove_stale_barrier(const struct tb_mongo_client *client,
                                                      const struct tb_mongo_write_barrier *barrier,
                                                      struct tb_error *err);
/* The next offset of each partition, of a generation that is not served; -1: nothing is there. */
TB_CHECKED enum tb_code tb_mongo_read_offsets(const struct tb_mongo_client *client,
                                              int64_t generation, int64_t *ret_next,
                                              struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_write_offset(const struct tb_mongo_client *client,
                                              int64_t generation, int32_t partition, int64_t next,
                                              struct tb_error *err);
/* A number that is higher than all before: sales/day.h says what for. */
TB_CHECKED enum tb_code tb_mongo_acquire_fence(const struct tb_mongo_client *client,
                                               int64_t *ret_fence, struct tb_error *err);
