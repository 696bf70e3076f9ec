/* Bulks: many writes in few commands.
 *
 * Thread:  the client's.
 * Memory:  an op owns its documents; tb_mongo_ops_clear frees them.
 * Errors:  as client.h. A write that the server refused has its code in the op. */
#pragma once
#include "query/mongo/driver/bson.h"
#include "query/mongo/driver/client.h"

#define TB_MONGO_DUPLICATE_KEY 11000
/* How often a write that another program overtook is tried again before it is TB_BUSY. */
#define TB_MONGO_RACES_MAX 20

struct tb_mongo_op {
    /* REPLACE and UPSERT insert a document that is missing; UPDATE then does nothing. */
    enum { TB_MONGO_INSERT, TB_MONGO_REPLACE, TB_MONGO_UPSERT, TB_MONGO_UPDATE } kind;
    bson_t *filter;   /* owned; NULL in an insert */
    bson_t *document; /* owned */
    int code;         /* afterwards: 0, or the server's error for this one */
    size_t tag;       /* the caller's */
};
/* Unordered, bulk_size at a time, inserts first. TB_OK: an op with code 0 is confirmed; the others
 * were certainly not carried out. */
TB_CHECKED enum tb_code tb_mongo_bulk(const struct tb_mongo_client *client, const char *collection,
                                      struct tb_mongo_op *ops, size_t count, struct tb_error *err);
/* One write; frees its documents. *ret_done false: a document with this _id was in the way. */
TB_CHECKED enum tb_code tb_mongo_write_one(const struct tb_mongo_client *client,
                                           const char *collection, struct tb_mongo_op *op,
                                           const char *what, bool *ret_done, struct tb_error *err);
void tb_mongo_ops_clear(struct tb_mongo_op *ops, size_t count);
/* The server will refuse this document whenever it is sent. */
bool tb_mongo_is_permanent(int code);
/* The error of an op that must not be refused. */
enum tb_code tb_mongo_op_error(struct tb_error *err, const struct tb_mongo_op *op,
                               const char *what);
