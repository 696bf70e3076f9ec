#include "query/mongo/driver/meta.h"
#include "query/mongo/driver/bulk.h"
#include "query/mongo/driver/fields.h"
#include <stdio.h>
#include <stdlib.h>

#define BARRIER(member) TB_BSON_AT(struct tb_mongo_write_barrier, member)
static const struct tb_bson_field barrier_fields[] = {
    {"token", TB_BSON_TEXT, BARRIER(token)},
    {"until", TB_BSON_ARRAY, BARRIER(limit), 0,
     offsetof(struct tb_mongo_write_barrier, limit_count), TB_LOG_PARTITIONS_MAX},
};
static const struct tb_bson_table barrier_table =
    TB_BSON_TABLE(struct tb_mongo_write_barrier, barrier_fields);

#define SERVED(member) TB_BSON_AT(struct tb_mongo_served, member)
static const struct tb_bson_field served_fields[] = {
    {"view", TB_BSON_TEXT, SERVED(view)},
    {"takesOver", TB_BSON_BOOL, SERVED(takes_over)},
    {"orders", TB_BSON_TEXT, SERVED(collections.orders)},
    {"sales_by_day", TB_BSON_TEXT, SERVED(collections.sales)},
    {"sequences", TB_BSON_TEXT, SERVED(collections.sequences)},
    {"sales_totals", TB_BSON_TEXT, SERVED(collections.totals)},
    {"generation", TB_BSON_INT, SERVED(collections.generation)},
    {"previous", TB_BSON_INT, SERVED(previous)},
    {"previousSequences", TB_BSON_TEXT, SERVED(previous_sequences)},
    {"previousTotals", TB_BSON_TEXT, SERVED(previous_totals)},
    {"movedAt", TB_BSON_TIME, SERVED(moved_at_ms)},
    {"hold", TB_BSON_DOCUMENT, SERVED(barrier), 0,
     offsetof(struct tb_mongo_served, barrier.is_set), .element = &barrier_table},
};
static const struct tb_bson_table served_table =
    TB_BSON_TABLE(struct tb_mongo_served, served_fields);

void tb_mongo_collections_of(int64_t generation, struct tb_mongo_collections *ret_collections)
{
    char suffix[24] = "";

    if (generation != 1)
        snprintf(suffix, sizeof suffix, "_%lld", (long long)generation);
    ret_collections->generation = generation;
    snprintf(ret_collections->orders, TB_MONGO_NAME_SIZE, "orders%s", suffix);
    snprintf(ret_collections->sales, TB_MONGO_NAME_SIZE, "sales_by_day%s", suffix);
    snprintf(ret_collections->totals, TB_MONGO_NAME_SIZE, "sales_totals%s", suffix);
    snprintf(ret_collections->sequences, TB_MONGO_NAME_SIZE, "sequences%s", suffix);
    snprintf(ret_collections->dead_letters, TB_MONGO_NAME_SIZE, "dead_letters%s", suffix);
}

enum tb_code tb_mongo_read_served(const struct tb_mongo_client *client,
                                  struct tb_mongo_served *ret_served, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;

    *ret_served = (struct tb_mongo_served){0};
    tb_mongo_collections_of(1, &ret_served->collections);
    memcpy(ret_served->previous_sequences, "sequences", sizeof "sequences");
    TB_TRY(tb_mongo_find_meta(client, "served", &doc, err));
    if (doc)
        ret_served->collections.totals[0] = '\0';
    if (doc &&
        (!tb_bson_get_fields(doc, &served_table, NULL, ret_served) ||
         ret_served->collections.orders[0] == '\0' || ret_served->collections.sales[0] == '\0'))
        return tb_error_set(err, TB_CORRUPT, "meta says no names of what is served");
    return TB_OK;
}

enum tb_code tb_mongo_remove_barrier(const struct tb_mongo_client *client,
                                     const struct tb_mongo_write_barrier *barrier,
                                     struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("_id", BCON_UTF8("served"), "hold.token", BCON_UTF8(barrier->token));
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW("$unset", "{", "hold", BCON_INT32(1), "}");
    bool found = false; /* else another program removed it */

    return tb_mongo_update(client, "meta", filter, update, &found, err);
}

bool tb_mongo_beat_is_stale(struct tb_mongo_beat *seen, const char *token, int64_t beat,
                            int64_t now_ms)
{
    if (seen->beat != beat || strcmp(seen->token, token) != 0) {
        memcpy(seen->token, token, sizeof seen->token);
        seen->beat = beat;
        seen->since_ms = now_ms;
    }
    return now_ms - seen->since_ms >= TB_MONGO_STALE_MS;
}

static void offsets_id(int64_t generation, char ret_id[TB_MONGO_NAME_SIZE])
{
    snprintf(ret_id, TB_MONGO_NAME_SIZE, "offsets_%lld", (long long)generation);
}

enum tb_code tb_mongo_read_offsets(const struct tb_mongo_client *client, int64_t generation,
                                   int64_t *ret_next, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;
    char id[TB_MONGO_NAME_SIZE];
    bson_iter_t iter;

    offsets_id(generation, id);
    TB_TRY(tb_mongo_find_meta(client, id, &doc, err));
    for (int32_t p = 0; p < TB_LOG_PARTITIONS_MAX; p++)
        ret_next[p] = -1;
    if (!doc || !bson_iter_init(&iter, doc))
        return TB_OK;
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter); /* "p12" */
        long p = key[0] == 'p' ? strtol(key + 1, NULL, 10) : -1;

        if (p >= 0 && p < TB_LOG_PARTITIONS_MAX)
            ret_next[p] = tb_bson_get_int(&iter);
    }
    return TB_OK;
}

enum tb_code tb_mongo_write_offset(const struct tb_mongo_client *client, int64_t generation,
                                   int32_t partition, int64_t next, struct tb_error *err)
{
    char id[TB_MONGO_NAME_SIZE], field[16];
    struct tb_mongo_op op = {.kind = TB_MONGO_UPSERT};
    bool done = false;

    offsets_id(generation, id);
    snprintf(field, sizeof field, "p%d", (int)partition);
    op.filter = BCON_NEW("_id", BCON_UTF8(id));
    op.document = BCON_NEW("$set", "{", field, BCON_INT64(next), "}");
    TB_TRY(tb_mongo_write_one(client, "meta", &op, "writing a view's offset", &done, err));
    return done ? TB_OK
                : tb_error_set(err, TB_UNAVAILABLE, "a view's offset was written elsewhere");
}

static enum tb_code next_fence(void *ctx, size_t at, const bson_t *stored, bson_t *ret_doc,
                               struct tb_error *err)
{
    int64_t *fence = ctx;

    (void)at;
    if (stored && tb_bson_find_int(stored, "last") > *fence)
        *fence = tb_bson_find_int(stored, "last");
    ++*fence;
    if (!BSON_APPEND_UTF8(ret_doc, "_id", "fence") || !BSON_APPEND_INT64(ret_doc, "last", *fence))
        return tb_mongo_no_memory(err);
    return TB_OK;
}

enum tb_code tb_mongo_acquire_fence(const struct tb_mongo_client *client, int64_t above,
                                    int64_t *ret_fence, struct tb_error *err)
{
    const struct tb_str id = TB_STR("fence");
    int64_t fence = above;
    const struct tb_mongo_swap_op swap = {.collection = "meta",
                                          .guards = {"last"},
                                          .what = "taking fences",
                                          .ids = &id,
                                          .count = 1,
                                          .change = next_fence,
                                          .ctx = &fence};

    TB_TRY(tb_mongo_swap(client, &swap, err));
    *ret_fence = fence;
    return TB_OK;
}
