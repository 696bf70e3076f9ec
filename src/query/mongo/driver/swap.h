/* Compare and swap, for documents that several programs change. Each document is read, changed,
 * and written only if one of its fields, the guard, still has the value that was read. Otherwise
 * another program has changed it meanwhile, and it is read and changed again.
 *
 * Errors:  TB_BUSY: others were faster TB_MONGO_RACES_MAX times; else as change and bulk.h. */
#pragma once
#include "query/mongo/driver/bulk.h"

struct tb_mongo_swap_op {
    const char *collection;
    const char *guard;        /* name of a 64-bit integer; every change gives it another value */
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
