#include "query/mongo/driver/bulk.h"
#include "query/mongo/driver/meta.h"
#include "query/mongo/view/view_mongo.h"

#define DOCUMENT "partitions" /* in meta */

static void read_counts(const bson_t *doc, struct tb_plan_partitions *partitions)
{
    bson_iter_t iter, list;

    if (!doc || !bson_iter_init_find(&iter, doc, "counts") || !BSON_ITER_HOLDS_ARRAY(&iter) ||
        !bson_iter_recurse(&iter, &list))
        return;
    while (bson_iter_next(&list)) {
        int64_t count = tb_bson_get_int(&list);

        if (count < 1 || count > TB_LOG_PARTITIONS_MAX)
            continue;
        if (partitions->count == TB_PLAN_COUNTS_MAX)
            memmove(partitions->counts, partitions->counts + 1,
                    --partitions->count * sizeof *partitions->counts);
        partitions->counts[partitions->count++] = (int32_t)count;
    }
}

enum tb_code tb_mongo_note_partitions(struct tb_mongo *mongo, int32_t partitions,
                                      struct tb_plan_partitions *ret_partitions,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;
    struct tb_mongo_op op = {
        .kind = TB_MONGO_UPSERT,
        .filter = BCON_NEW("_id", BCON_UTF8(DOCUMENT)),
        .document = BCON_NEW("$addToSet", "{", "counts", BCON_INT64(partitions), "}")};
    struct tb_plan_partitions read = {0};
    enum tb_code code = tb_mongo_client_acquire(mongo, &client, err);
    bool done; /* false: another central is just inserting the document */

    if (code != TB_OK) {
        tb_mongo_ops_clear(&op, 1);
        return code;
    }
    TB_TRY(
        tb_mongo_write_one(&client, "meta", &op, "noting the number of partitions", &done, err));
    if (!done)
        return tb_error_set(err, TB_BUSY, "another central is noting the number of partitions");
    TB_TRY(tb_mongo_find_meta(&client, DOCUMENT, &doc, err));
    read_counts(doc, &read);
    *ret_partitions = read;
    return TB_OK;
}
