#include "query/rebuild/mongo/rebuild_mongo_priv.h"
#include <stdio.h>
#include <stdlib.h>

/* A fetch's answer comes within; then there is something to plan. */
#define POLL_MS 50
#define LOOK_EVERY_MS 2000
/* A job whose beat stands still for so long is nobody's any more. */
#define LEFT_MS 15000
/* What ends every process that is at it must not end the next one for ever. */
#define TAKEOVERS_MAX 3
/* The served view comes to where it is held within, or somebody is away: others do not wait. */
#define SETTLE_MS 10000

static void publish(struct tb_rebuild_mongo *self, const struct tb_mongo_served *served)
{
    atomic_store(&self->served, served->collections.generation);
    atomic_store(&self->previous, served->previous);
    atomic_store(&self->moved_at_ms, served->moved_at_ms);
}

/* Has its beat stood still long enough? */
static bool is_left(struct tb_rebuild_mongo *self)
{
    int64_t now_ms = tb_clock_mono_ms(self->options.clock);

    if (strcmp(self->watched, self->seen->token) != 0 || self->watched_beat != self->seen->beat) {
        memcpy(self->watched, self->seen->token, sizeof self->watched);
        self->watched_beat = self->seen->beat;
        self->watched_since_ms = now_ms;
    }
    return now_ms - self->watched_since_ms >= LEFT_MS;
}

/* Somebody ended in the middle, or behind the swap and before he told of it. */
static enum tb_code take_over(struct tb_rebuild_mongo *self, const struct tb_mongo_client *client,
                              int64_t served, enum tb_rebuild_found *ret_found,
                              struct tb_error *err)
{
    struct tb_rebuild_progress *progress = &self->seen->progress;

    TB_TRY(tb_mongo_job_take_over(self, client, err));
    if (self->seen->generation != 0 && self->seen->generation == served) {
        progress->state = progress->job.rollback ? TB_REBUILD_ROLLED_BACK : TB_REBUILD_DONE;
        progress->problem[0] = '\0';
    } else if (self->seen->takeovers >= TAKEOVERS_MAX) {
        progress->state = TB_REBUILD_FAILED;
        snprintf(progress->problem, sizeof progress->problem,
                 "%d processes ended while they were at it", TAKEOVERS_MAX + 1);
    } else {
        *ret_found = TB_REBUILD_FOUND_UNFINISHED;
        return TB_OK;
    }
    progress->seconds_left = progress->per_second = 0;
    return tb_mongo_job_save_progress(self, client, progress, err);
}

static enum tb_code mongo_look(void *ctx, enum tb_rebuild_found *ret_found,
                               struct tb_rebuild_progress *ret_progress, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    struct tb_mongo_served served;

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_read_served(&client, &served, err));
    publish(self, &served);
    TB_TRY(tb_mongo_job_read(&client, self->seen, err));
    if (self->seen->token[0] == '\0' ||
        (!self->seen->running && tb_mongo_job_is_ours(self, self->seen->token)))
        return TB_OK; /* ours is known better here */
    *ret_found = TB_REBUILD_FOUND_REPORT;
    if (self->seen->running && is_left(self))
        TB_TRY(take_over(self, &client, served.collections.generation, ret_found, err));
    *ret_progress = self->seen->progress;
    return TB_OK;
}

static enum tb_code mongo_claim(void *ctx, const struct tb_rebuild_job *job,
                                struct tb_rebuild_progress *ret_others, struct tb_error *err)
{
    return tb_mongo_job_claim(ctx, job, ret_others, err);
}

static enum tb_code mongo_note(void *ctx, const struct tb_rebuild_progress *progress,
                               struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    tb_mongo_barrier_refresh(self, &client);
    if (tb_mongo_job_save_progress(self, &client, progress, err) == TB_CONFLICT)
        self->lost = true;
    return err->code;
}

/* What is filled: the view from before, the one that was begun, or a new one. */
static enum tb_code choose_target(struct tb_rebuild_mongo *self,
                                  const struct tb_mongo_client *client,
                                  const struct tb_rebuild_job *job, struct tb_error *err)
{
    struct tb_mongo_served served;
    int64_t target, last;

    TB_TRY(tb_mongo_read_served(client, &served, err));
    TB_TRY(tb_mongo_job_read(client, self->seen, err));
    target = self->seen->generation;
    last = self->seen->last > served.collections.generation ? self->seen->last
                                                            : served.collections.generation;
    if (job->rollback)
        target = served.previous;
    else if (target == 0 || strcmp(self->seen->build, self->options.build) != 0)
        target = ++last;
    if (target == 0)
        return tb_error_set(err, TB_NOT_FOUND, "there is no old view to go back to");
    TB_TRY(tb_mongo_job_set_generation(self, client, target, last, err));
    self->serving = served.collections;
    tb_mongo_collections_of(target, &self->target);
    return tb_mongo_create_generation(client, &self->target, err);
}

static enum tb_code open_target(struct tb_rebuild_mongo *self, const struct tb_rebuild_job *job,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};

    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    return choose_target(self, &client, job, err);
}

static enum tb_code mongo_open(void *ctx, const struct tb_rebuild_job *job, bool anew,
                               struct tb_view **ret_view, struct tb_log_reader **ret_reader,
                               struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    struct tb_mongo *mongo = self->options.mongo;

    (void)anew; /* a new job has none yet, and what was discarded is none any more */
    TB_TRY(open_target(self, job, err));
    memset(self->merged, 0, sizeof self->merged);
    TB_TRY(tb_view_mongo_open_at(mongo, &self->target, &self->view, err));
    TB_TRY(tb_view_mongo_open_reader_at(mongo, &self->target, &self->look, err));
    TB_TRY(tb_view_mongo_open_reader_at(mongo, &self->serving, &self->watch, err));
    TB_TRY(self->options.open_reader(self->options.ctx, &self->reader, err));
    *ret_view = self->view;
    *ret_reader = self->reader;
    return TB_OK;
}

/* It may get in front: a hold brings both to the same events. */
static enum tb_code mongo_served(void *ctx, int64_t *ret_next, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;

    for (int32_t p = 0; p < self->options.partitions; p++) {
        struct tb_log_range range = {0};

        TB_TRY(self->reader->ops->range(self->reader, p, &range, err));
        ret_next[p] = range.end;
    }
    return TB_OK;
}

static void mongo_watch(void *ctx, struct tb_view_reader **ret_served,
                        struct tb_view_reader **ret_rebuilt)
{
    struct tb_rebuild_mongo *self = ctx;

    *ret_served = self->watch;
    *ret_rebuilt = self->look;
}

static enum tb_code mongo_hold(void *ctx, int64_t *ret_next, struct tb_view_reader **ret_served,
                               struct tb_view_reader **ret_rebuilt, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;

    TB_TRY(tb_mongo_write_barrier(self, err));
    memcpy(ret_next, self->end, (size_t)self->options.partitions * sizeof *ret_next);
    mongo_watch(ctx, ret_served, ret_rebuilt);
    return TB_OK;
}

static enum tb_code mongo_settled(void *ctx, bool *ret_settled, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    int64_t next[TB_LOG_PARTITIONS_MAX], waited_ms;

    TB_TRY(tb_mongo_barrier_check(self, err));
    TB_TRY(self->options.committed(self->options.ctx, next, err));
    *ret_settled = true;
    for (int32_t p = 0; p < self->options.partitions; p++) {
        if (next[p] < self->end[p] && self->begin[p] < self->end[p])
            *ret_settled = false;
    }
    waited_ms = tb_clock_mono_ms(self->options.clock) - self->held_at_ms;
    if (!*ret_settled && waited_ms >= SETTLE_MS)
        return tb_error_set(err, TB_BUSY, "the centrals do not come to the end of the log");
    return TB_OK;
}

static void mongo_let_go(void *ctx)
{
    tb_mongo_barrier_remove(ctx);
}

static enum tb_code move_held(struct tb_rebuild_mongo *self, struct tb_rebuild *rebuild,
                              struct tb_error *err)
{
    TB_TRY(tb_rebuild_catch_up(rebuild, self->end, err));
    TB_TRY(tb_mongo_merge_dead_letters(self, err));
    return tb_mongo_swap_served(self, err);
}

/* Most of what there is to do is done before anybody has to wait for it. */
static enum tb_code mongo_swap(void *ctx, struct tb_rebuild *rebuild, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;

    TB_TRY(tb_mongo_save_served_offsets(self, err));
    TB_TRY(tb_mongo_merge_dead_letters(self, err));
    TB_TRY(tb_mongo_write_barrier(self, err));
    if (move_held(self, rebuild, err) != TB_OK) {
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
    TB_TRY(tb_mongo_job_read(&client, self->seen, err));
    TB_TRY(tb_mongo_job_set_generation(self, &client, 0, self->seen->last, err));
    return tb_mongo_drop_unused(self, err);
}

static enum tb_code mongo_close(void *ctx, enum tb_rebuild_end end, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;

    if (self->look)
        self->look->ops->free(self->look);
    if (self->watch)
        self->watch->ops->free(self->watch);
    if (self->view)
        self->view->ops->free(self->view);
    if (self->reader)
        self->reader->ops->free(self->reader);
    self->look = self->watch = NULL;
    self->view = NULL;
    self->reader = NULL;
    self->target.generation = 0;
    if (end == TB_REBUILD_DISCARD && !self->lost)
        return discard(self, err);
    return end == TB_REBUILD_SWAPPED ? tb_mongo_drop_unused(self, err) : TB_OK;
}

static enum tb_code mongo_tidy(void *ctx, struct tb_error *err)
{
    TB_TRY(tb_mongo_expire_previous(ctx, err));
    return tb_mongo_drop_unused(ctx, err);
}

static bool mongo_can_roll_back(void *ctx)
{
    return atomic_load(&((struct tb_rebuild_mongo *)ctx)->previous) != 0;
}

/* The server's disk is not ours to look at: a full one refuses. */
static bool mongo_has_room(void *ctx)
{
    (void)ctx;
    return true;
}

const struct tb_rebuild_backend tb_rebuild_mongo_backend = {
    .is_distant = true,
    .poll_ms = POLL_MS,
    .find_job_every_ms = LOOK_EVERY_MS,
    .find_job = mongo_look,
    .claim = mongo_claim,
    .publish = mongo_note,
    .open = mongo_open,
    .served_offsets = mongo_served,
    .live_readers = mongo_watch,
    .pin = mongo_hold,
    .caught_up = mongo_settled,
    .unpin = mongo_let_go,
    .swap = mongo_swap,
    .close = mongo_close,
    .cleanup = mongo_tidy,
    .can_roll_back = mongo_can_roll_back,
    .has_room = mongo_has_room,
};

enum tb_code tb_rebuild_mongo_new(const struct tb_rebuild_mongo_options *options,
                                  struct tb_rebuild_mongo **ret_mongo, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = calloc(1, sizeof *self);

    TB_ASSERT(options->partitions > 0 && options->partitions <= TB_LOG_PARTITIONS_MAX);
    if (self)
        self->seen = calloc(1, sizeof *self->seen);
    if (!self || !self->seen) {
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
    free(self->seen);
    free(self);
}

void tb_rebuild_mongo_views(const struct tb_rebuild_mongo *self,
                            struct tb_rebuild_generations *ret_views)
{
    int64_t served = atomic_load(&self->served);

    *ret_views = (struct tb_rebuild_generations){
        .served = served != 0 ? served : 1,
        .previous = atomic_load(&self->previous),
        .previous_until_ms = atomic_load(&self->moved_at_ms) + TB_REBUILD_KEEP_MS,
    };
}
