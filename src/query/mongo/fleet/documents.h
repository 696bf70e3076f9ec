/* The documents of `nodes`: the last heartbeat of each node, with its offset in the topic, and
 * whether people have retired it, which nothing else tells; and the documents of `sequences`:
 * which events of each node have arrived (nodes.h). sequences.c adds the events of a plan;
 * sequences_compact.c counts and removes full chunks. Each generation of the view has a collection
 * `sequences` of its own.
 *
 *  epoch  "<node>/<epoch>": the highest sequence, the latest time, the number of chunks at the
 *         start that are full, and the sequence through which all have arrived. All of them only
 *         rise. They are enough to say how a node is, so that a list of all nodes needs no chunks.
 *  chunk  "<node>/<epoch>/<number>": which of its sequences have arrived; `full` once all have,
 * and then their fingerprints are packed, so that a node takes less than 10 kB. Chunks that the
 *         epoch counts are removed, except the last few.
 *
 * At most TB_NODE_EPOCHS_FOLLOWED epochs of a node are stored (epoch_limit.c). Events of further
 * ones leave only the document "<node>/refused", an epoch of that name.
 *
 * Errors:  as driver/client.h; TB_BUSY: others keep writing the same documents. */
#pragma once
#include "base/hash.h"
#include "query/fleet/nodes.h"
#include "query/mongo/driver/bulk.h"
#include "query/mongo/driver/find.h"
#include "query/projection/plan.h"

#define TB_MONGO_EPOCH_ID_SIZE (TB_NODE_MAX + 1 + TB_EPOCH_SIZE)

/* A document of `nodes`. */
struct tb_mongo_node {
    struct tb_node node;
    int64_t offset;      /* of the last heartbeat; -1: there was none */
    int64_t retirements; /* how often the node was retired or put back */
};
void tb_mongo_put_node(struct tb_bson_writer out, const struct tb_mongo_node *node);
/* False: a field is missing or wrong. */
TB_CHECKED bool tb_mongo_node_decode(const bson_t *doc, struct tb_mongo_node *ret_node);
/* The same as an error. stored NULL: there is no document, and the node has only its name. */
TB_CHECKED enum tb_code tb_mongo_node_of(const bson_t *stored, struct tb_str name,
                                         struct tb_mongo_node *ret_node, struct tb_error *err);

/* Changes documents as tb_mongo_swap. Heartbeats and people change a node at the same time, and
 * neither undoes what the other did: `change` raises the offset or the retirements. */
TB_CHECKED enum tb_code
tb_mongo_change_nodes(const struct tb_mongo_client *client, const struct tb_str *names,
                      size_t count,
                      enum tb_code (*change)(void *ctx, size_t at, const bson_t *stored,
                                             bson_t *ret_doc, struct tb_error *err),
                      void *ctx, struct tb_error *err);

/* Has the node sent a heartbeat? */
TB_CHECKED enum tb_code tb_mongo_knows_node(const struct tb_mongo_client *client, const char *node,
                                            bool *ret_known, struct tb_error *err);

/* Reads when the days end of the nodes whose sales the plan changes; sorted by name, without those
 * that have not told. The names are the plan's, the list is in the arena. */
TB_CHECKED enum tb_code tb_mongo_read_day_ends(const struct tb_mongo_client *client,
                                               const struct tb_plan *plan, struct tb_arena *arena,
                                               struct tb_node_day_ends **ret_list,
                                               size_t *ret_count, struct tb_error *err);
/* False: a rule cannot be read. */
TB_CHECKED bool tb_mongo_day_ends_decode(const bson_t *doc, struct tb_day_ends *ret_ends);

/* A document of `sequences`, of either kind. */
struct tb_mongo_sequences {
    char node[TB_NODE_MAX + 1], epoch[TB_EPOCH_SIZE];
    int64_t chunk; /* its number; -1: an epoch's document */
    bool full;
    int64_t *came; /* as tb_sequence_chunk_entry; in the arena */
    size_t came_count;
    struct tb_str packed; /* a fingerprint for each sequence; absent: not packed; in the arena */
    int64_t full_chunks, last_sequence, last_at_ms, forked; /* of an epoch */
    int64_t complete_through; /* -1: a build that did not store it has made the epoch */
};
/* False: a field is missing or wrong, or there is no memory. */
TB_CHECKED bool tb_mongo_sequences_decode(const bson_t *doc, struct tb_arena *arena,
                                          struct tb_mongo_sequences *ret_sequences);
/* If `full` is set, all sequences of the chunk have arrived, whatever `came` says. */
void tb_mongo_sequences_chunk(const struct tb_mongo_sequences *sequences,
                              struct tb_sequence_chunk *ret_chunk);
/* Selects the epoch's full chunks from number `from` on. */
bson_t *tb_mongo_full_chunks_filter(const char *node, const char *epoch, int64_t from);
/* The nodes of these origins are NUL-terminated. */
void tb_mongo_epoch_id(const struct tb_plan_origin *origin, char ret_id[TB_MONGO_EPOCH_ID_SIZE]);
#define TB_MONGO_CHUNK_ID_SIZE (TB_MONGO_EPOCH_ID_SIZE + 1 + 16)
void tb_mongo_chunk_id(const struct tb_plan_origin *epoch, int64_t number,
                       char ret_id[TB_MONGO_CHUNK_ID_SIZE]);
/* For qsort: by node, epoch and sequence. */
int tb_mongo_compare_origins(const void *a, const void *b);
bool tb_mongo_same_epoch(const struct tb_plan_origin *a, const struct tb_plan_origin *b);

/* Epochs that are stored, as far as this process has seen: hashes of node and epoch. */
#define TB_MONGO_KNOWN_EPOCHS 32768
struct tb_mongo_known_epochs {
    uint64_t slots[TB_MONGO_KNOWN_EPOCHS]; /* 0: free */
    size_t count;
};
#define TB_MONGO_EPOCHS_REFUSED "refused"
/* Says of each of the sorted origins whether its epoch is or may be stored. Centrals that meet new
 * epochs of a node at the same moment may exceed the limit by a few. */
TB_CHECKED enum tb_code tb_mongo_admit_epochs(const struct tb_mongo_client *client,
                                              const char *collection,
                                              struct tb_mongo_known_epochs *known,
                                              const struct tb_plan_origin *origins, size_t count,
                                              struct tb_arena *arena, bool *ret_admitted,
                                              struct tb_error *err);
/* Lists which events have arrived, by node: of the reports only the epochs are set. */
TB_CHECKED enum tb_code tb_mongo_list_arrived(const struct tb_mongo_client *client,
                                              const char *sequences, struct tb_arena *arena,
                                              struct tb_node_report_list *ret_list,
                                              struct tb_error *err);
/* Adds the events of the plan. known: of this collection. */
TB_CHECKED enum tb_code tb_mongo_write_sequences(const struct tb_mongo_client *client,
                                                 const char *collection,
                                                 struct tb_mongo_known_epochs *known,
                                                 const struct tb_plan *plan, struct tb_error *err);
/* Sends the upserts again until none of them meets the insert of another one. */
TB_CHECKED enum tb_code tb_mongo_upsert_sequences(const struct tb_mongo_client *client,
                                                  const char *collection, struct tb_mongo_op *ops,
                                                  size_t count, struct tb_error *err);
/* Counts the chunks that have become full, and removes those that are counted. ids: of the
 * documents that were just written. */
TB_CHECKED enum tb_code tb_mongo_compact_sequences(const struct tb_mongo_client *client,
                                                   const char *collection,
                                                   const struct tb_str *ids, size_t id_count,
                                                   struct tb_arena *arena, struct tb_error *err);
