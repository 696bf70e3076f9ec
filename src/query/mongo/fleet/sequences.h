/* What the files of the collection sequences share: view_mongo_sequences.c marks what came,
 * view_mongo_settle.c looks what the marks made of it.
 *
 * The collection holds two kinds of documents.
 *  epoch  "<node>/<epoch>": the highest sequence and the latest time, and how many chunks from the
 *         start on are full. All only rise.
 *  chunk  "<node>/<epoch>/<number>": which of its sequences came (nodes.h), `full` once all did.
 *         Those that the epoch counts are removed, but for the latest.
 *
 * Thread:  the lease's.
 * Memory:  borrows its arguments for the call.
 * Errors:  as view.h.
 * Units:   sequences, chunks. */
#pragma once
#include "query/mongo/view_mongo_priv.h"

#define TB_MONGO_EPOCH_ID_SIZE (TB_NODE_MAX + 1 + TB_EPOCH_SIZE)

/* By node, epoch and sequence. */
int tb_mongo_compare_origins(const struct tb_plan_origin *x, const struct tb_plan_origin *y);
bool tb_mongo_same_epoch(const struct tb_plan_origin *a, const struct tb_plan_origin *b);
void tb_mongo_epoch_id(const struct tb_plan_origin *origin, char ret_id[TB_MONGO_EPOCH_ID_SIZE]);
/* Carries out updates of sequences that may make their documents. */
TB_CHECKED enum tb_code tb_mongo_upsert_sequences(const struct tb_mongo_client *lease,
                                                  struct tb_mongo_op *ops, size_t count,
                                                  struct tb_error *err);
/* Counts the chunks that are full now, and removes what is counted; ids are those of the documents
 * that were marked. */
TB_CHECKED enum tb_code tb_mongo_compact_sequences(const struct tb_mongo_client *lease,
                                                   const struct tb_str *ids, size_t id_count,
                                                   struct tb_arena *arena, struct tb_error *err);
