#include "query/rebuild/mongo/rebuild_mongo_priv.h"
#include <stdlib.h>

/* How long a read of the log waits for records. */
#define POLL_MS 50
#define FIND_JOB_EVERY_MS 2000

static enum tb_code mongo_publish(void *ctx, const struct tb_rebuild_progress *progress,
                                  bool *ret_cancelled, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    if (tb_mongo_job_save_progress(self, &client, progress, err) != TB_OK) {
        self->lost = self->lost || err->code == TB_CONFLICT;
        return err->code;
    }
    if (!tb_rebuild_is_running(progress->state))
        return TB_OK;
    TB_TRY(tb_mongo_job_read(&client, self->stored, err));
    *ret_cancelled = self->stored->cancelled && tb_mongo_job_is_ours(self, self->stored->token);
    return TB_OK;
}

/* The target is the previous generation (of a rollback), the unfinished one of this build, or a
 * new one. */
static enum tb_code choose_target(struct tb_rebuild_mongo *self, const struct tb_rebuild_job *job,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;
    int64_t target, last;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    TB_TRY(tb_mongo_job_read(&client, self->stored, err));
    target = self->stored->generation;
    last = self->stored->last;
    if (last < served.collections.generation)
        last = served.collections.generation;
    if (job->rollback)
        target = served.previous;
    else if (target == 0 || strcmp(self->stored->build, self->options.build) != 0)
        target = ++last;
    if (target == 0)
        return tb_error_set(err, TB_NOT_FOUND, "there is no old view to go back to");
    TB_TRY(tb_mongo_job_set_generation(self, &client, target, last, err));
    self->serving = served.collections;
    tb_mongo_collections_of(target, &self->target);
    if (job->rollback) {
        memcpy(self->target.sequences, served.previous_sequences, sizeof self->target.sequences);
        memcpy(self->target.totals, served.previous_totals, sizeof self->target.totals);
    }
    return tb_mongo_create_generation(&client, &self->target, err);
}

static enum tb_code mongo_open(void *ctx, const struct tb_rebuild_job *job, bool anew,
                               struct tb_view **ret_view, struct tb_log_reader **ret_reader,
                               struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    struct tb_mongo *mongo = self->options.mongo;

    (void)anew; /* a new job has no generation yet, nor has one whose view was discarded */
    TB_TRY(choose_target(self, job, err));
    memset(self->merged, 0, sizeof self->merged);
    TB_TRY(tb_view_mongo_open_at(mongo, &self->target, &self->view, err));
    TB_TRY(tb_view_mongo_open_reader_at(mongo, &self->target, &self->target_reader, err));
    TB_TRY(tb_view_mongo_open_reader_at(mongo, &self->serving, &self->served_reader, err));
    TB_TRY(self->options.open_reader(self->options.ctx, &self->reader, err));
    *ret_view = self->view;
    *ret_reader = self->reader;
    return TB_OK;
}

/* The end of the log: the barrier brings both views to the same events later. */
static enum tb_code mongo_served_offsets(void *ctx, int64_t *ret_next, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;

    for (int32_t p = 0; p < self->options.partitions; p++) {
        struct tb_log_range range = {0};

        TB_TRY(self->reader->ops->range(self->reader, p, &range, err));
        ret_next[p] = range.end;
    }
    return TB_OK;
}

static void mongo_live_readers(void *ctx, struct tb_view_reader **ret_served,
                               struct tb_view_reader **ret_rebuilt)
{
    struct tb_rebuild_mongo *self = ctx;

    *ret_served = self->served_reader;
    *ret_rebuilt = self->target_reader;
}

static enum tb_code mongo_pin(void *ctx, int64_t *ret_next, struct tb_view_reader **ret_served,
                              struct tb_view_reader **ret_rebuilt, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;

    TB_TRY(tb_mongo_barrier_set(self, err));
    memcpy(ret_next, self->barrier.limit, (size_t)self->options.partitions * sizeof *ret_next);
    mongo_live_readers(ctx, ret_served, ret_rebuilt);
    return TB_OK;
}

/* The new view has all records before the barrier, so its offset is behind the last of them. The
 * group's is compared with that and not with the barrier, because a marker of a transaction may be
 * in between. */
static enum tb_code mongo_caught_up(void *ctx, bool *ret_caught_up, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    int64_t next[TB_LOG_PARTITIONS_MAX], filled = -1;
    bool caught_up = true;

    TB_TRY(tb_mongo_barrier_check(self, err));
    TB_TRY(self->options.committed(self->options.ctx, next, err));
    for (int32_t p = 0; p < self->options.partitions; p++) {
        TB_TRY(self->view->ops->offset(self->view, p, &filled, err));
        caught_up = caught_up && next[p] >= filled;
    }
    *ret_caught_up = caught_up;
    return TB_OK;
}

static enum tb_code mongo_compare_rest(void *ctx, struct tb_compare *compare, struct tb_error *err)
{
    TB_TRY(tb_mongo_compare_arrived(ctx, compare, err));
    return tb_mongo_compare_sales(ctx, compare, err);
}

static void mongo_unpin(void *ctx)
{
    tb_mongo_barrier_remove(ctx);
}

static enum tb_code swap_behind_barrier(struct tb_rebuild_mongo *self, struct tb_rebuild *rebuild,
                                        struct tb_error *err)
{
    TB_TRY(tb_rebuild_catch_up(rebuild, self->barrier.limit, err));
    TB_TRY(tb_mongo_merge_dead_letters(self, err));
    return tb_mongo_swap_served(self, err);
}

/* Merges the dead letters before the barrier and again behind it: then few are left to merge while
 * the writers wait. */
static enum tb_code mongo_swap(void *ctx, struct tb_rebuild *rebuild, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;

    TB_TRY(tb_mongo_save_served_offsets(self, err));
    TB_TRY(tb_mongo_merge_dead_letters(self, err));
    TB_TRY(tb_mongo_barrier_set(self, err));
    if (swap_behind_barrier(self, rebuild, err) != TB_OK) {
        tb_mongo_barrier_remove(self);
        return err->code;
    }
    atomic_store(&self->previous, self->serving.generation);
    atomic_store(&self->served, self->target.generation);
    atomic_store(&self->moved_at_ms, tb_clock_wall_ms(self->options.clock));
    return TB_OK;
}

static enum tb_code discard(struct tb_rebuild_mongo *self, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_job_read(&client, self->stored, err));
    TB_TRY(tb_mongo_job_set_generation(self, &client, 0, self->stored->last, err));
    return tb_mongo_drop_unused(self, err);
}

static enum tb_code mongo_close(void *ctx, enum tb_rebuild_end end, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;

    tb_view_reader_free(self->target_reader);
    tb_view_reader_free(self->served_reader);
    tb_view_free(self->view);
    tb_log_reader_free(self->reader);
    self->target_reader = self->served_reader = NULL;
    self->view = NULL;
    self->reader = NULL;
    self->target.generation = 0;
    if (end == TB_REBUILD_DISCARD && !self->lost)
        return discard(self, err);
    return end == TB_REBUILD_SWAPPED ? tb_mongo_drop_unused(self, err) : TB_OK;
}

static enum tb_code mongo_cleanup(void *ctx, struct tb_error *err)
{
    TB_TRY(tb_mongo_expire_previous(ctx, err));
    return tb_mongo_drop_unused(ctx, err);
}

static void mongo_get_generations(void *ctx, struct tb_rebuild_generations *ret_generations)
{
    const struct tb_rebuild_mongo *self = ctx;
    int64_t served = atomic_load(&self->served);

    *ret_generations = (struct tb_rebuild_generations){
        .served = served != 0 ? served : 1,
        .previous = atomic_load(&self->previous),
        .previous_until_ms = atomic_load(&self->moved_at_ms) + TB_REBUILD_KEEP_MS,
    };
}

const struct tb_rebuild_backend tb_rebuild_mongo_backend = {
    .is_distant = true,
    .poll_ms = POLL_MS,
    .find_job_every_ms = FIND_JOB_EVERY_MS,
    .find_job = tb_mongo_find_job,
    .claim = tb_mongo_job_claim,
    .cancel = tb_mongo_job_cancel,
    .publish = mongo_publish,
    .open = mongo_open,
    .served_offsets = mongo_served_offsets,
    .live_readers = mongo_live_readers,
    .pin = mongo_pin,
    .caught_up = mongo_caught_up,
    .scan_rest = tb_mongo_scan_sales,
    .compare_rest = mongo_compare_rest,
    .unpin = mongo_unpin,
    .swap = mongo_swap,
    .close = mongo_close,
    .cleanup = mongo_cleanup,
    .get_generations = mongo_get_generations,
};

enum tb_code tb_rebuild_mongo_new(const struct tb_rebuild_mongo_options *options,
                                  struct tb_rebuild_mongo **ret_mongo, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = calloc(1, sizeof *self);

    TB_ASSERT(options->partitions > 0 && options->partitions <= TB_LOG_PARTITIONS_MAX);
    if (self)
        self->stored = calloc(1, sizeof *self->stored);
    if (!self || !self->stored) {
        free(self);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    self->options = *options;
    self->uuids = (struct tb_uuid_gen){.clock = options->clock, .random = options->random};
    TB_ASSERT(pthread_mutex_init(&self->lock, NULL) == 0);
    *ret_mongo = self;
    return TB_OK;
}

void tb_rebuild_mongo_free(struct tb_rebuild_mongo *self)
{
    struct tb_error err = {0};

    if (!self)
        return;
    (void)mongo_close(self, TB_REBUILD_KEEP, &err);
    pthread_mutex_destroy(&self->lock);
    free(self->stored);
    free(self);
}
