#include "query/rebuild/mongo/rebuild_mongo_priv.h"

static enum tb_code gone(struct tb_error *err)
{
    return tb_error_set(err, TB_BUSY, "the hold of the served view was lifted by another central");
}

static bson_t *our_hold(const struct tb_rebuild_mongo *self)
{
    return BCON_NEW("_id", BCON_UTF8("served"), "hold.token", BCON_UTF8(self->hold.token));
}

static enum tb_code update_hold(const struct tb_rebuild_mongo *self,
                                const struct tb_mongo_client *lease, const bson_t *update,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *filter = our_hold(self);
    bool found = false;

    TB_TRY(tb_mongo_update(lease, "meta", filter, update, &found, err));
    return found ? TB_OK : gone(err);
}

/* Another's hold is that of a process that lost its job, or ended: it finds no token then. */
static enum tb_code set_hold(struct tb_rebuild_mongo *self, const struct tb_mongo_client *lease,
                             struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter =
        BCON_NEW("_id", BCON_UTF8("served"), "orders", BCON_UTF8(self->serving.orders), "hold",
                 "{", "$exists", BCON_BOOL(false), "}");
    TB_CLEANUP(tb_bson_free) bson_t *update = NULL;
    struct tb_mongo_served served;
    bool found = false;

    self->hold = (struct tb_mongo_write_barrier){.held = true};
    tb_uuid_new(&self->uuids, self->hold.token);
    update = BCON_NEW("$set", "{", "hold", "{", "token", BCON_UTF8(self->hold.token), "beat",
                      BCON_INT64(0), "until", "[", "]", "}", "}");
    TB_TRY(tb_mongo_update(lease, "meta", filter, update, &found, err));
    if (found)
        return TB_OK;
    TB_TRY(tb_mongo_read_served(lease, &served, err));
    if (served.names.generation != self->serving.generation)
        return tb_error_set(err, TB_CONFLICT, "another view is served by now");
    if (served.hold.held)
        TB_TRY(tb_mongo_remove_stale_barrier(lease, &served.hold, err));
    return tb_error_set(err, TB_BUSY, "the served view was held by another central");
}

static enum tb_code read_ends(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    struct tb_log_range ranges[TB_LOG_PARTITIONS_MAX];

    TB_TRY(self->options.ends(self->options.ctx, ranges, err));
    for (int32_t p = 0; p < self->options.partitions; p++) {
        self->begin[p] = ranges[p].begin;
        self->end[p] = ranges[p].end;
    }
    return TB_OK;
}

static enum tb_code write_ends(struct tb_rebuild_mongo *self, const struct tb_mongo_client *lease,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *update = bson_new();
    bool failed = false;
    struct tb_bson_writer put = {update, &failed}, set, list;
    bson_t in_set, in_list;
    char scratch[16];

    set = tb_bson_open(put, "$set", &in_set);
    list = tb_bson_open_array(set, "hold.until", &in_list);
    for (int32_t p = 0; p < self->options.partitions; p++)
        tb_bson_put_int(list, tb_bson_index_key((size_t)p, scratch), self->end[p]);
    tb_bson_close_array(set, list);
    tb_bson_close(put, set);
    return failed ? tb_mongo_no_memory(err) : update_hold(self, lease, update, err);
}

static enum tb_code hold(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &lease, err));
    TB_TRY(set_hold(self, &lease, err));
    TB_TRY(read_ends(self, err)); /* asked only now, and not what a reader saw last */
    return write_ends(self, &lease, err);
}

enum tb_code tb_mongo_write_barrier(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    if (hold(self, err) != TB_OK) {
        tb_mongo_barrier_remove(self);
        return err->code;
    }
    self->held_at_ms = tb_clock_mono_ms(self->options.clock);
    return TB_OK;
}

void tb_mongo_barrier_refresh(struct tb_rebuild_mongo *self, const struct tb_mongo_client *lease)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW("$set", "{", "hold.beat", BCON_INT64(++self->hold.beat), "}");
    struct tb_error err = {0};

    if (self->hold.held)
        (void)update_hold(self, lease, update, &err);
}

/* If that fails it stands until those it stops lift it. */
void tb_mongo_barrier_remove(struct tb_rebuild_mongo *self)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_bson_free) bson_t *update = BCON_NEW("$unset", "{", "hold", BCON_INT32(1), "}");
    struct tb_error err = {0};

    if (self->hold.held && tb_mongo_client_acquire(self->options.mongo, &lease, &err) == TB_OK)
        (void)update_hold(self, &lease, update, &err);
    self->hold = (struct tb_mongo_write_barrier){0};
}

enum tb_code tb_mongo_barrier_check(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &lease, err));
    TB_TRY(tb_mongo_read_served(&lease, &served, err));
    if (!served.hold.held || strcmp(served.hold.token, self->hold.token) != 0)
        return gone(err);
    return TB_OK;
}

enum tb_code tb_mongo_save_served_offsets(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    int64_t next[TB_LOG_PARTITIONS_MAX];

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &lease, err));
    TB_TRY(self->options.committed(self->options.ctx, next, err));
    for (int32_t p = 0; p < self->options.partitions; p++) {
        if (next[p] >= 0)
            TB_TRY(tb_mongo_write_offset(&lease, self->serving.generation, p, next[p], err));
    }
    return TB_OK;
}

static enum tb_code name_target(struct tb_rebuild_mongo *self, const struct tb_mongo_client *lease,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *update =
        BCON_NEW("$set", "{", "orders", BCON_UTF8(self->target.orders), "sales_by_day",
                 BCON_UTF8(self->target.sales), "generation", BCON_INT64(self->target.generation),
                 "previous", BCON_INT64(self->serving.generation), "movedAt",
                 BCON_DATE_TIME(tb_clock_wall_ms(self->options.clock)), "}", "$unset", "{", "hold",
                 BCON_INT32(1), "}");

    return update_hold(self, lease, update, err);
}

/* After an answer that was lost, what is there tells. */
enum tb_code tb_mongo_swap_served(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct tb_mongo_served served;
    struct tb_error why = {0};

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &lease, err));
    if (name_target(self, &lease, err) != TB_OK) {
        if (tb_mongo_read_served(&lease, &served, &why) != TB_OK ||
            served.names.generation != self->target.generation)
            return err->code;
        *err = (struct tb_error){0};
    }
    self->hold = (struct tb_mongo_write_barrier){0};
    return TB_OK;
}
