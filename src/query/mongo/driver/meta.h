/* The documents of the collection `meta`:
 *   served     the names of the served collections, and `view`: a random id, by which a database
 *              that was dropped or replaced is noticed; its field `hold` is the write barrier
 *   offsets_N  how far generation N is filled, while it is not served
 *   fence      the last fence
 *   rebuild    the job of a rebuild (rebuild/mongo/rebuild_mongo.h)
 * They are read from the primary with read concern majority.
 *
 * Errors:  as client.h; TB_CORRUPT: `served` lacks a name. */
#pragma once
#include "base/values/uuid.h"
#include "bridge/log/log.h"
#include "query/mongo/driver/find.h"

/* The owner of a document increments its `beat` every second. If the beat stays the same for this
 * long, the owner has ended. It is long because the owner may have to wait for the server. */
#define TB_MONGO_STALE_MS 15000
/* The last beat that was read, and when; zeroed: none was read yet. */
struct tb_mongo_beat {
    char token[TB_UUID_SIZE]; /* of the owner */
    int64_t beat;
    int64_t since_ms; /* when this beat was read first; monotonic */
};
/* Compares the beat that is stored now with the last one. True: the owner has ended. */
bool tb_mongo_beat_is_stale(struct tb_mongo_beat *seen, const char *token, int64_t beat,
                            int64_t now_ms);

/* The collections of one generation of the view. `dead_letters` is used only while a rebuild fills
 * the generation; all served generations use the collection "dead_letters". */
struct tb_mongo_collections {
    int64_t generation;
    char orders[TB_MONGO_NAME_SIZE], sales[TB_MONGO_NAME_SIZE], dead_letters[TB_MONGO_NAME_SIZE];
    char sequences[TB_MONGO_NAME_SIZE];
    char totals[TB_MONGO_NAME_SIZE]; /* "": a view that was begun by a build without them */
};
/* The writers that a barrier stops remove it after this time, whatever its owner does: the owner
 * finds that its token is gone. */
#define TB_MONGO_BARRIER_MS 5000
/* While it is set, no central writes a record with offset limit[partition] or higher to the served
 * view (rebuild_mongo.h says why). */
struct tb_mongo_write_barrier {
    bool is_set;
    char token[TB_UUID_SIZE]; /* of its owner */
    int64_t limit[TB_LOG_PARTITIONS_MAX];
    size_t limit_count;
};
struct tb_mongo_served {
    char view[TB_EPOCH_SIZE]; /* "": the database is empty, or of a build that made no id */
    bool takes_over;          /* the view is of such a build: the group's offsets are its places */
    struct tb_mongo_collections collections;
    int64_t previous; /* the generation that was served before, if it is kept; 0: none */
    /* Of that one: an early build had one for all generations. */
    char previous_sequences[TB_MONGO_NAME_SIZE], previous_totals[TB_MONGO_NAME_SIZE];
    int64_t moved_at_ms;
    struct tb_mongo_write_barrier barrier;
};
void tb_mongo_collections_of(int64_t generation, struct tb_mongo_collections *ret_collections);
/* If the document is missing, generation 1 is served. */
TB_CHECKED enum tb_code tb_mongo_read_served(const struct tb_mongo_client *client,
                                             struct tb_mongo_served *ret_served,
                                             struct tb_error *err);
/* Removes the barrier, unless another one was set since it was read. */
TB_CHECKED enum tb_code tb_mongo_remove_barrier(const struct tb_mongo_client *client,
                                                const struct tb_mongo_write_barrier *barrier,
                                                struct tb_error *err);
/* Reads the next offset of each partition for a generation that is not served; -1: none. */
TB_CHECKED enum tb_code tb_mongo_read_offsets(const struct tb_mongo_client *client,
                                              int64_t generation, int64_t *ret_next,
                                              struct tb_error *err);
TB_CHECKED enum tb_code tb_mongo_write_offset(const struct tb_mongo_client *client,
                                              int64_t generation, int32_t partition, int64_t next,
                                              struct tb_error *err);
/* Returns a higher number than every call before and than `above`; sales/day.h says what it is
 * for. */
TB_CHECKED enum tb_code tb_mongo_acquire_fence(const struct tb_mongo_client *client, int64_t above,
                                               int64_t *ret_fence, struct tb_error *err);
