/* Bulk writes: many writes in few commands; and compare and swap, which is made of them.
 *
 * Memory:  an op owns its documents; tb_mongo_ops_clear frees them.
 * Errors:  as client.h, TB_FULL. If the server refuses one write, its op has the server's code. */
#pragma once
#include "query/mongo/driver/bson.h"
#include "query/mongo/driver/client.h"

#define TB_MONGO_DUPLICATE_KEY 11000
/* How often a write is tried if another program changes the same document first. */
#define TB_MONGO_RACES_MAX 20

struct tb_mongo_op {
    /* If no document matches the filter, REPLACE and UPSERT insert one; UPDATE does nothing. */
    enum { TB_MONGO_INSERT, TB_MONGO_REPLACE, TB_MONGO_UPSERT, TB_MONGO_UPDATE } kind;
    bson_t *filter;   /* owned; NULL in an insert */
    bson_t *document; /* owned */
    int code;         /* result: 0, or the server's error code for this op */
    char *index;      /* owned; of a duplicate key, the unique index, unless it is that of _id: we
                       * make no other, so somebody else has made this one */
    size_t tag;       /* for the caller's own use */
};
/* Sends the ops in any order, at most bulk_size in a command. TB_OK: each op with code 0 is done
 * and confirmed, and each other op is certainly not done. */
TB_CHECKED enum tb_code tb_mongo_bulk(const struct tb_mongo_client *client, const char *collection,
                                      struct tb_mongo_op *ops, size_t count, struct tb_error *err);
/* The same for ops whose document may already be there: TB_OK means that each op has code 0 or
 * TB_MONGO_DUPLICATE_KEY of its _id. what: for the error's text. */
TB_CHECKED enum tb_code tb_mongo_write(const struct tb_mongo_client *client,
                                       const char *collection, struct tb_mongo_op *ops,
                                       size_t count, const char *what, struct tb_error *err);
/* Writes one op and frees its documents. *ret_done false: duplicate key. */
TB_CHECKED enum tb_code tb_mongo_write_one(const struct tb_mongo_client *client,
                                           const char *collection, struct tb_mongo_op *op,
                                           const char *what, bool *ret_done, struct tb_error *err);
void tb_mongo_ops_clear(struct tb_mongo_op *ops, size_t count);
/* True: the server refuses this document however often it is sent. */
bool tb_mongo_is_permanent(int code);
/* TB_OK if each op has code 0 or TB_MONGO_DUPLICATE_KEY of its _id, otherwise the error of the
 * first one that has not. */
TB_CHECKED enum tb_code tb_mongo_check_ops(const struct tb_mongo_op *ops, size_t count,
                                           const char *what, struct tb_error *err);

/* swap.c: compare and swap, for documents that several programs change. Each document is read,
 * changed, and written only if some of its fields, the guards, still have the values that were
 * read.
 * Otherwise another program has changed it meanwhile, and it is read and changed again. TB_BUSY:
 * others were faster TB_MONGO_RACES_MAX times. */
struct tb_mongo_swap_op {
    const char *collection;
    const char *guards[2];    /* names of fields; each change gives one of them a value that none
                                 had before. The second may be NULL. */
    const char *what;         /* "changing a day": for errors */
    const struct tb_str *ids; /* all different */
    size_t count;
    /* Writes the new document of ids[at] to ret_doc; empty: it stays unchanged. stored NULL: there
     * is none yet. Called again if another program was faster. */
    enum tb_code (*change)(void *ctx, size_t at, const bson_t *stored, bson_t *ret_doc,
                           struct tb_error *err);
    void *ctx;
};
TB_CHECKED enum tb_code tb_mongo_swap(const struct tb_mongo_client *client,
                                      const struct tb_mongo_swap_op *swap, struct tb_error *err);
