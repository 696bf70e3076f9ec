#include "query/mongo/view_mongo_priv.h"

static enum tb_code read_last(const struct tb_mongo_client *lease, int64_t *ret_last,
                              struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("_id", BCON_UTF8("fence"));
    const bson_t *doc;
    bson_iter_t iter;

    *ret_last = 0;
    tb_mongo_find_newest(&find, lease, "meta", filter);
    while ((doc = tb_mongo_find_next(&find))) {
        if (bson_iter_init_find(&iter, doc, "last"))
            *ret_last = tb_bson_get_int(&iter);
    }
    return tb_mongo_find_end(&find, "reading the last fence", err);
}

/* *ret_done false: somebody was faster. */
static enum tb_code write_first(const struct tb_mongo_client *lease, bool *ret_done,
                                struct tb_error *err)
{
    struct tb_mongo_op op = {.kind = TB_MONGO_INSERT,
                             .document =
                                 BCON_NEW("_id", BCON_UTF8("fence"), "last", BCON_INT64(1))};
    enum tb_code code = tb_mongo_bulk(lease, "meta", &op, 1, err);

    *ret_done = code == TB_OK && op.code == 0;
    if (code == TB_OK && op.code != 0 && op.code != TB_MONGO_DUPLICATE_KEY)
        code = tb_mongo_op_error(err, &op, "writing the first fence");
    tb_mongo_ops_clear(&op, 1);
    return code;
}

static enum tb_code write_next(const struct tb_mongo_client *lease, int64_t last, bool *ret_done,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("_id", BCON_UTF8("fence"), "last", BCON_INT64(last));
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW("$set", "{", "last", BCON_INT64(last + 1), "}");

    return tb_mongo_update(lease, "meta", filter, update, ret_done, err);
}

enum tb_code tb_mongo_acquire_fence(const struct tb_mongo_client *lease, int64_t *ret_fence,
                                    struct tb_error *err)
{
    for (int race = 0; race < TB_MONGO_RACES_MAX; race++) {
        int64_t last = 0;
        bool done = false;

        TB_TRY(read_last(lease, &last, err));
        if (last == 0)
            TB_TRY(write_first(lease, &done, err));
        else
            TB_TRY(write_next(lease, last, &done, err));
        if (done) {
            *ret_fence = last + 1;
            return TB_OK;
        }
    }
    return tb_error_set(err, TB_BUSY, "others go on taking fences");
}
