#include "query/mongo/view_mongo_priv.h"
#include <stdio.h>
#include <stdlib.h>

#define FIELD_SIZE 16

static void id_of(int64_t generation, char ret_id[TB_MONGO_NAME_SIZE])
{
    snprintf(ret_id, TB_MONGO_NAME_SIZE, "offsets_%lld", (long long)generation);
}

enum tb_code tb_mongo_read_offsets(const struct tb_mongo_client *lease, int64_t generation,
                                   int64_t *ret_next, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    char id[TB_MONGO_NAME_SIZE];
    const bson_t *doc;
    bson_iter_t iter;

    id_of(generation, id);
    filter = BCON_NEW("_id", BCON_UTF8(id));
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++)
        ret_next[p] = -1;
    tb_mongo_find_newest(&find, lease, "meta", filter);
    while ((doc = tb_mongo_find_next(&find))) {
        for (bool more = bson_iter_init(&iter, doc) && bson_iter_next(&iter); more;
             more = bson_iter_next(&iter)) {
            const char *key = bson_iter_key(&iter);
            long p = key[0] == 'p' ? strtol(key + 1, NULL, 10) : -1;

            if (p >= 0 && p < TB_LOG_PARTITIONS_MAX)
                ret_next[p] = tb_bson_get_int(&iter);
        }
    }
    return tb_mongo_find_end(&find, "reading a view's offsets", err);
}

enum tb_code tb_mongo_write_offset(const struct tb_mongo_client *lease, int64_t generation,
                                   int32_t partition, int64_t next, struct tb_error *err)
{
    char id[TB_MONGO_NAME_SIZE], field[FIELD_SIZE];
    struct tb_mongo_op op = {.kind = TB_MONGO_UPDATE};
    enum tb_code code;

    id_of(generation, id);
    snprintf(field, sizeof field, "p%d", (int)partition);
    op.filter = BCON_NEW("_id", BCON_UTF8(id));
    op.document = BCON_NEW("$set", "{", field, BCON_INT64(next), "}");
    code = tb_mongo_bulk(lease, "meta", &op, 1, err);
    if (code == TB_OK && op.code != 0)
        code = tb_mongo_op_error(err, &op, "writing a view's offset");
    tb_mongo_ops_clear(&op, 1);
    return code;
}
