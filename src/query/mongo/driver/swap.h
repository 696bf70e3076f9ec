/* Compare and swap: documents that several programs change are read, changed, and written back
 * only while one of their fields, the guard, is still what was read. Whoever was overtaken reads
 * again.
 *
 * Errors:  TB_BUSY: others were faster TB_MONGO_RACES_MAX times; else change's, or bulk.h's. */
#pragma once
#include "query/mongo/driver/bulk.h"

struct tb_mongo_swap {
    const char *collection;
    const char *guard; /* a 64-bit integer that differs after every change */
    const char *what;  /* "changing a day": for errors */
    const struct tb_str *ids;
    size_t count;
    /* The new document of the id at that place, in ret_doc; empty: nothing changes. stored is
     * NULL if there is none yet. Called again if another program was faster. */
    enum tb_code (*change)(void *ctx, size_t at, const bson_t *stored, bson_t *ret_doc,
                           struct tb_error *err);
    void *ctx;
};
TB_CHECKED enum tb_code tb_mongo_swap(const struct tb_mongo_client *client,
                                      const struct tb_mongo_swap *swap, struct tb_error *err);
