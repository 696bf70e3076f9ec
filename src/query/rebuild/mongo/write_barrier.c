#include "query/rebuild/mongo/rebuild_mongo_priv.h"

static enum tb_code removed(struct tb_error *err)
{
    return tb_error_set(err, TB_BUSY, "another central has removed the write barrier");
}

/* Updates `served` while our barrier is set. */
static enum tb_code update_served(const struct tb_rebuild_mongo *self,
                                  const struct tb_mongo_client *client, const bson_t *update,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter =
        BCON_NEW("_id", BCON_UTF8("served"), "hold.token", BCON_UTF8(self->barrier.token));
    bool found = false;

    TB_TRY(tb_mongo_update(client, "meta", filter, update, &found, err));
    return found ? TB_OK : removed(err);
}

/* If another process has set a barrier, that process has ended or has lost its job, because only
 * one process runs the job. So its barrier is removed; if it is alive, it finds that its token is
 * gone. */
static enum tb_code insert_barrier(struct tb_rebuild_mongo *self,
                                   const struct tb_mongo_client *client, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter =
        BCON_NEW("_id", BCON_UTF8("served"), "orders", BCON_UTF8(self->serving.orders), "hold",
                 "{", "$exists", BCON_BOOL(false), "}");
    TB_CLEANUP(tb_bson_free) bson_t *update = NULL;
    struct tb_mongo_served served;
    bool found = false;

    self->barrier = (struct tb_mongo_write_barrier){.is_set = true};
    tb_uuid_new(&self->uuids, self->barrier.token);
    update = BCON_NEW("$set", "{", "hold", "{", "token", BCON_UTF8(self->barrier.token), "until",
                      "[", "]", "}", "}");
    TB_TRY(tb_mongo_update(client, "meta", filter, update, &found, err));
    if (found)
        return TB_OK;
    TB_TRY(tb_mongo_read_served(client, &served, err));
    if (served.collections.generation != self->serving.generation)
        return tb_error_set(err, TB_CONFLICT, "another view is served by now");
    if (served.barrier.is_set)
        TB_TRY(tb_mongo_remove_barrier(client, &served.barrier, err));
    return tb_error_set(err, TB_BUSY, "another central had set the write barrier");
}

static enum tb_code read_ends(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    struct tb_log_range ranges[TB_LOG_PARTITIONS_MAX];

    TB_TRY(self->options.ends(self->options.ctx, ranges, err));
    for (int32_t p = 0; p < self->options.partitions; p++)
        self->barrier.limit[p] = ranges[p].end;
    return TB_OK;
}

static enum tb_code write_ends(struct tb_rebuild_mongo *self, const struct tb_mongo_client *client,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *ends = bson_new();
    TB_CLEANUP(tb_bson_free) bson_t *update = NULL;
    char scratch[16];

    for (int32_t p = 0; p < self->options.partitions; p++)
        BSON_APPEND_INT64(ends, tb_bson_index_key((size_t)p, scratch), self->barrier.limit[p]);
    update = BCON_NEW("$set", "{", "hold.until", BCON_ARRAY(ends), "}");
    return update_served(self, client, update, err);
}

static enum tb_code set_barrier(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(insert_barrier(self, &client, err));
    TB_TRY(read_ends(self, err)); /* after the insert: earlier ends would be too low */
    return write_ends(self, &client, err);
}

enum tb_code tb_mongo_barrier_set(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    if (set_barrier(self, err) != TB_OK) {
        tb_mongo_barrier_remove(self);
        return err->code;
    }
    return TB_OK;
}

/* If the removal fails, the writers that the barrier stops remove it when its time is over. */
void tb_mongo_barrier_remove(struct tb_rebuild_mongo *self)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_bson_free) bson_t *update = BCON_NEW("$unset", "{", "hold", BCON_INT32(1), "}");
    struct tb_error err = {0};

    if (self->barrier.is_set &&
        tb_mongo_client_acquire(self->options.mongo, &client, &err) == TB_OK)
        (void)update_served(self, &client, update, &err);
    self->barrier = (struct tb_mongo_write_barrier){0};
}

enum tb_code tb_mongo_barrier_check(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    if (!served.barrier.is_set || strcmp(served.barrier.token, self->barrier.token) != 0)
        return removed(err);
    return TB_OK;
}

enum tb_code tb_mongo_save_served_offsets(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    int64_t next[TB_LOG_PARTITIONS_MAX];

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(self->options.committed(self->options.ctx, next, err));
    for (int32_t p = 0; p < self->options.partitions; p++) {
        if (next[p] >= 0)
            TB_TRY(tb_mongo_write_offset(&client, self->serving.generation, p, next[p], err));
    }
    return TB_OK;
}

/* If the reply is lost, `served` is read to find out whether the swap was done. */
enum tb_code tb_mongo_swap_served(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW(
        "$set", "{", "orders", BCON_UTF8(self->target.orders), "sales_by_day",
        BCON_UTF8(self->target.sales), "sales_totals", BCON_UTF8(self->target.totals),
        "previousTotals", BCON_UTF8(self->serving.totals), "sequences",
        BCON_UTF8(self->target.sequences), "previousSequences", BCON_UTF8(self->serving.sequences),
        "generation", BCON_INT64(self->target.generation), "previous",
        BCON_INT64(self->serving.generation), "movedAt",
        BCON_DATE_TIME(tb_clock_wall_ms(self->options.clock)), "}", "$unset", "{", "hold",
        BCON_INT32(1), "}");
    struct tb_mongo_served served;
    struct tb_error why = {0};

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    if (update_served(self, &client, update, err) != TB_OK) {
        if (tb_mongo_read_served(&client, &served, &why) != TB_OK ||
            served.collections.generation != self->target.generation)
            return err->code;
        *err = (struct tb_error){0};
    }
    self->barrier = (struct tb_mongo_write_barrier){0};
    return TB_OK;
}
