#include "query/mongo/dead_letters/drop.h"
#include "query/mongo/dead_letters/dead_letters.h"

static enum tb_code find_oldest(const struct tb_mongo_client *client, int64_t before_ms,
                                int64_t limit, struct tb_arena *arena, bson_t **ret_filter,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("deadAt", "{", "$lt", BCON_DATE_TIME(before_ms), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "sort", "{", "deadAt",
                            BCON_INT32(1), "}", "limit", BCON_INT64(limit));
    struct tb_str *ids = tb_arena_array(arena, (size_t)limit, sizeof *ids);
    const bson_t *doc;
    bson_iter_t iter;
    size_t count = 0;

    if (!ids)
        return tb_mongo_no_memory(err);
    tb_mongo_find(&cursor, client, "dead_letters", filter, opts);
    while ((int64_t)count < limit && (doc = tb_mongo_cursor_next(&cursor))) {
        if (bson_iter_init_find(&iter, doc, "_id"))
            ids[count++] = tb_arena_copy(arena, tb_bson_get_str(&iter));
    }
    TB_TRY(tb_mongo_cursor_end(&cursor, "looking for old dead letters", err));
    if (count == 0)
        return TB_OK;
    *ret_filter = tb_mongo_ids_filter(ids, count);
    return *ret_filter ? TB_OK : tb_mongo_no_memory(err);
}

enum tb_code tb_mongo_expire_dead_letters(const struct tb_mongo_client *client, int64_t before_ms,
                                          int64_t limit, int64_t *ret_removed,
                                          struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    int64_t removed = 0;

    TB_TRY(find_oldest(client, before_ms, limit, &arena, &filter, err));
    if (filter)
        TB_TRY(tb_mongo_remove(client, "dead_letters", filter, &removed, err));
    *ret_removed = removed;
    return TB_OK;
}

enum tb_code tb_mongo_drop_dead_letter(struct tb_mongo *mongo,
                                       struct tb_dead_letter_position position, int64_t at_ms,
                                       struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW("$set", "{", "status", BCON_UTF8("dropped"), "changedAt",
                              BCON_DATE_TIME(at_ms), "}");
    char id[TB_DEAD_LETTER_ID_SIZE];
    struct tb_dead_letter dead_letter;
    bool found = false;

    tb_dead_letter_id_format(mongo->topic, position, id);
    filter = BCON_NEW("_id", BCON_UTF8(id), "status", BCON_UTF8("open"));
    TB_TRY(tb_mongo_client_acquire(mongo, &client, err));
    TB_TRY(tb_mongo_update(&client, "dead_letters", filter, update, &found, err));
    if (found)
        return TB_OK;
    TB_TRY(tb_mongo_read_dead_letter(&client, position, &arena, &dead_letter, err));
    if (dead_letter.status == TB_DEAD_LETTER_REPLAYED)
        return tb_error_set(err, TB_CONFLICT,
                            "the dead letter was replayed: it is needed no more");
    return TB_OK;
}
