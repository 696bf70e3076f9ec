#include "query/rebuild/sqlite/rebuild_sqlite.h"
#include "base/sqlite/db.h"
#include "query/sqlite/view_sqlite.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct tb_rebuild_sqlite {
    struct tb_rebuild_sqlite_options options;
    pthread_mutex_t lock;                          /* held while views.db and `all` change */
    struct tb_generations all;                     /* the row in views.db */
    _Atomic int64_t served, previous, moved_at_ms; /* copies of `all`'s, for other threads */

    int64_t target;           /* the generation that open has chosen to be filled */
    struct tb_view *view;     /* owned until it is served */
    struct tb_view *old_view; /* owned: the view that was served before the swap */
    struct tb_log_reader *reader;
    struct tb_view_reader *served_reader;                  /* of the served view */
    struct tb_view_reader *target_reader;                  /* of the view that is filled */
    struct tb_view_reader *offers[TB_REBUILD_READERS_MAX]; /* of that too, for options.readers */
    int64_t begin;                                         /* of the log when it was opened */
    struct tb_rebuild *rebuild;                            /* during a swap */
};

static void unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}

/* Holds the lock until the end of the block. */
#define WITH_LOCK(self)                                                                           \
    TB_CLEANUP(unlock) pthread_mutex_t *held_lock = &(self)->lock;                                \
    pthread_mutex_lock(held_lock)

static void publish(struct tb_rebuild_sqlite *self)
{
    atomic_store(&self->served, self->all.served);
    atomic_store(&self->previous, self->all.previous);
    atomic_store(&self->moved_at_ms, self->all.moved_at_ms);
}

/* Call with the lock. */
static enum tb_code write_all(struct tb_rebuild_sqlite *self, const struct tb_generations *all,
                              struct tb_error *err)
{
    TB_TRY(tb_generations_write(self->options.folder, all, err));
    self->all = *all;
    publish(self);
    return TB_OK;
}

static enum tb_code remove_file(struct tb_rebuild_sqlite *self, int64_t generation,
                                struct tb_error *err)
{
    char path[TB_VIEW_PATH_SIZE];

    tb_generations_path(self->options.folder, generation, path);
    return tb_db_remove(path, err);
}

/* Deletes the file of the generation `removing`, and only then sets it to 0: if the process ends
 * in between, the next one deletes the file. */
static enum tb_code finish_removing(struct tb_rebuild_sqlite *self, struct tb_error *err)
{
    struct tb_generations all = self->all;

    if (all.removing == 0)
        return TB_OK;
    TB_TRY(remove_file(self, all.removing, err));
    all.removing = 0;
    return write_all(self, &all, err);
}

/* Removes the previous generation, or the one that is being filled. */
static enum tb_code retire(struct tb_rebuild_sqlite *self, bool previous, struct tb_error *err)
{
    struct tb_generations all;
    int64_t *which = previous ? &all.previous : &all.building;

    TB_TRY(finish_removing(self, err));
    all = self->all;
    if (*which == 0)
        return TB_OK;
    all.removing = *which;
    *which = 0;
    TB_TRY(write_all(self, &all, err));
    return finish_removing(self, err);
}

static enum tb_code sqlite_find_job(void *ctx, enum tb_rebuild_found *ret_found,
                                    struct tb_rebuild_progress *ret_progress, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;

    (void)err;
    WITH_LOCK(self);
    if (self->all.building != 0 || self->all.going_back)
        *ret_found = TB_REBUILD_FOUND_UNFINISHED;
    else if (self->all.last.state[0] != '\0')
        *ret_found = TB_REBUILD_FOUND_REPORT;
    ret_progress->cancelling = *ret_found == TB_REBUILD_FOUND_UNFINISHED && self->all.cancelled;
    ret_progress->job = (struct tb_rebuild_job){.accept = self->all.accept != 0,
                                                .rollback = self->all.going_back != 0};
    (void)tb_name_find(tb_str_of(self->all.last.state), tb_rebuild_state_name,
                       TB_REBUILD_STATE_COUNT, &ret_progress->state);
    ret_progress->events = ret_progress->total = self->all.last.events;
    ret_progress->seconds_left = 0;
    ret_progress->compared = self->all.last.compared != 0;
    ret_progress->served_orders = self->all.last.served_orders;
    ret_progress->rebuilt_orders = self->all.last.rebuilt_orders;
    ret_progress->difference_count = self->all.last.differences;
    memcpy(ret_progress->problem, self->all.last.problem, sizeof ret_progress->problem);
    return TB_OK;
}

/* The number of a generation that is begun: no file that is kept has it. */
static int64_t next_generation(const struct tb_rebuild_sqlite *self)
{
    return 1 + (self->all.previous > self->all.served ? self->all.previous : self->all.served);
}

/* Writes what the next process would continue, if this one ended before open. No program has a
 * build of "", so whoever opens the generation begins it anew. */
static enum tb_code sqlite_claim(void *ctx, const struct tb_rebuild_job *job,
                                 struct tb_rebuild_progress *ret_others, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;
    struct tb_generations all;

    (void)ret_others;
    WITH_LOCK(self);
    all = self->all;
    all.accept = job->accept;
    all.going_back = job->rollback;
    all.cancelled = 0;
    if (!job->rollback) {
        all.building = next_generation(self);
        all.build[0] = '\0';
    }
    return write_all(self, &all, err);
}

static enum tb_code sqlite_cancel(void *ctx, struct tb_rebuild_progress *ret_others,
                                  struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;
    struct tb_generations all;

    (void)ret_others;
    WITH_LOCK(self);
    all = self->all;
    all.cancelled = 1;
    return write_all(self, &all, err);
}

/* Saves how the job ended, so that the next process can show it, but not the differences. */
static enum tb_code sqlite_publish(void *ctx, const struct tb_rebuild_progress *progress,
                                   bool *ret_cancelled, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;
    struct tb_generations all;

    (void)ret_cancelled; /* there is no other process */
    if (tb_rebuild_is_running(progress->state))
        return TB_OK;
    WITH_LOCK(self);
    all = self->all;
    snprintf(all.last.state, sizeof all.last.state, "%s", tb_rebuild_state_name(progress->state));
    snprintf(all.last.problem, sizeof all.last.problem, "%s", progress->problem);
    all.last.events = progress->events;
    all.last.compared = progress->compared;
    all.last.served_orders = progress->served_orders;
    all.last.rebuilt_orders = progress->rebuilt_orders;
    all.last.differences = progress->difference_count;
    return write_all(self, &all, err);
}

/* Begins a new file. One of the same number may be left from an earlier rebuild: it is removed,
 * because it would be opened as the new view. Until that is done the row has the job as claim
 * writes it, so that a process that ends here does not lose it. */
static enum tb_code begin_anew(struct tb_rebuild_sqlite *self, bool accept, struct tb_error *err)
{
    const int64_t next = next_generation(self);
    struct tb_generations all;

    TB_TRY(finish_removing(self, err));
    all = self->all;
    all.removing = all.building == next ? 0 : all.building;
    all.building = next;
    all.accept = accept;
    all.build[0] = '\0';
    TB_TRY(write_all(self, &all, err));
    TB_TRY(retire(self, /* previous= */ true, err));
    TB_TRY(remove_file(self, next, err));
    all = self->all;
    snprintf(all.build, sizeof all.build, "%s", self->options.build);
    return write_all(self, &all, err);
}

static enum tb_code set_going_back(struct tb_rebuild_sqlite *self, bool going_back,
                                   struct tb_error *err)
{
    struct tb_generations all = self->all;

    if (all.going_back == going_back)
        return TB_OK;
    all.going_back = going_back;
    return write_all(self, &all, err);
}

static enum tb_code choose_target(struct tb_rebuild_sqlite *self, const struct tb_rebuild_job *job,
                                  bool anew, struct tb_error *err)
{
    WITH_LOCK(self);
    if (job->rollback) {
        if (self->all.previous == 0)
            return tb_error_set(err, TB_NOT_FOUND, "there is no old view to go back to");
        self->target = self->all.previous;
        return set_going_back(self, true, err);
    }
    if (anew || strcmp(self->all.build, self->options.build) != 0)
        TB_TRY(begin_anew(self, job->accept, err));
    self->target = self->all.building;
    return TB_OK;
}

static enum tb_code open_views(struct tb_rebuild_sqlite *self, struct tb_error *err)
{
    char path[TB_VIEW_PATH_SIZE];

    tb_generations_path(self->options.folder, self->target, path);
    TB_TRY(tb_view_sqlite_open(path, &self->view, err));
    /* An old view, or one that is half filled, may be of an earlier log. */
    if (self->options.origin)
        TB_TRY(tb_view_sqlite_claim(self->view, self->options.origin, err));
    TB_TRY(tb_view_sqlite_reader(path, &self->target_reader, err));
    tb_generations_path(self->options.folder, self->all.served, path);
    return tb_view_sqlite_reader(path, &self->served_reader, err);
}

static enum tb_code sqlite_open(void *ctx, const struct tb_rebuild_job *job, bool anew,
                                struct tb_view **ret_view, struct tb_log_reader **ret_reader,
                                struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;
    struct tb_log_range range = {0};

    TB_TRY(choose_target(self, job, anew, err));
    TB_TRY(self->options.open_reader(self->options.ctx, &self->reader, err));
    TB_TRY(self->reader->ops->range(self->reader, 0, &range, err));
    self->begin = range.begin;
    TB_TRY(open_views(self, err));
    *ret_view = self->view;
    *ret_reader = self->reader;
    return TB_OK;
}

static enum tb_code sqlite_served(void *ctx, int64_t *ret_next, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;

    return self->served_reader->ops->offset(self->served_reader, 0, ret_next, err);
}

static enum tb_code sqlite_pin(void *ctx, int64_t *ret_next, struct tb_view_reader **ret_served,
                               struct tb_view_reader **ret_rebuilt, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;

    TB_TRY(tb_view_sqlite_begin_snapshot(self->served_reader, ret_next, err));
    *ret_served = self->served_reader;
    *ret_rebuilt = self->target_reader;
    return TB_OK;
}

static void sqlite_unpin(void *ctx)
{
    tb_view_sqlite_end_snapshot(((struct tb_rebuild_sqlite *)ctx)->served_reader);
}

static enum tb_code open_offers(struct tb_rebuild_sqlite *self, struct tb_error *err)
{
    char path[TB_VIEW_PATH_SIZE];

    tb_generations_path(self->options.folder, self->target, path);
    for (size_t i = 0; i < self->options.reader_count; i++) {
        if (!self->offers[i])
            TB_TRY(tb_view_sqlite_reader(path, &self->offers[i], err));
    }
    return TB_OK;
}

/* Does everything that may fail. The last step writes views.db: from then on the new view is the
 * served one, also after a crash. */
static enum tb_code prepare_move(struct tb_rebuild_sqlite *self, struct tb_error *err)
{
    struct tb_view *serving = self->options.serving;
    struct tb_generations all;
    int64_t next = -1;

    TB_TRY(serving->ops->offset(serving, 0, &next, err));
    TB_TRY(tb_rebuild_catch_up(self->rebuild, &next, err));
    TB_TRY(tb_view_sqlite_copy_dead_letters(serving, self->view, self->begin, err));
    TB_TRY(self->view->ops->sync(self->view, err));
    WITH_LOCK(self);
    all = self->all;
    all.previous = all.served;
    all.served = self->target;
    all.building = 0;
    all.going_back = false;
    all.moved_at_ms = tb_clock_wall_ms(self->options.clock);
    all.moved_uptime_ms = tb_uptime_ms(self->options.uptime, self->options.clock);
    return write_all(self, &all, err);
}

/* Runs on the writer's thread, so nobody writes the served view. */
static enum tb_code move(void *arg, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = arg;

    TB_TRY(prepare_move(self, err));
    for (size_t i = 0; i < self->options.reader_count; i++) {
        tb_view_sqlite_switch_reader(self->options.readers[i], self->offers[i]);
        self->offers[i] = NULL;
    }
    self->options.moved(self->options.ctx, self->view);
    self->old_view = self->options.serving;
    self->options.serving = self->view;
    self->view = NULL;
    return TB_OK;
}

/* Syncs first here, so that the sync for which the writer waits is short. */
static enum tb_code sqlite_swap(void *ctx, struct tb_rebuild *rebuild, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;

    TB_TRY(open_offers(self, err));
    TB_TRY(self->view->ops->sync(self->view, err));
    self->rebuild = rebuild;
    return self->options.call_in_consumer(self->options.ctx, move, self, err);
}

static enum tb_code sqlite_close(void *ctx, enum tb_rebuild_end end, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;

    for (size_t i = 0; i < TB_REBUILD_READERS_MAX; i++)
        tb_view_reader_free(self->offers[i]);
    memset(self->offers, 0, sizeof self->offers);
    tb_view_reader_free(self->target_reader);
    tb_view_reader_free(self->served_reader);
    tb_view_free(self->view);
    tb_view_free(self->old_view);
    tb_log_reader_free(self->reader);
    self->target_reader = self->served_reader = NULL;
    self->view = self->old_view = NULL;
    self->reader = NULL;
    if (end != TB_REBUILD_DISCARD)
        return TB_OK;
    WITH_LOCK(self);
    TB_TRY(set_going_back(self, false, err));
    return retire(self, /* previous= */ false, err);
}

static enum tb_code sqlite_cleanup(void *ctx, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = ctx;
    int64_t now_ms = tb_uptime_ms(self->options.uptime, self->options.clock), age_ms;

    WITH_LOCK(self);
    age_ms = now_ms - self->all.moved_uptime_ms;
    if (self->all.previous != 0 && age_ms >= TB_REBUILD_KEEP_MS)
        return retire(self, /* previous= */ true, err);
    return finish_removing(self, err);
}

static void sqlite_get_generations(void *ctx, struct tb_rebuild_generations *ret_generations)
{
    const struct tb_rebuild_sqlite *self = ctx;

    *ret_generations = (struct tb_rebuild_generations){
        .served = atomic_load(&self->served),
        .previous = atomic_load(&self->previous),
        .previous_until_ms = atomic_load(&self->moved_at_ms) + TB_REBUILD_KEEP_MS,
    };
}

static bool sqlite_has_room(void *ctx)
{
    struct tb_rebuild_sqlite *self = ctx;

    return self->options.has_room(self->options.ctx);
}

const struct tb_rebuild_backend tb_rebuild_sqlite_backend = {
    .find_job = sqlite_find_job,
    .claim = sqlite_claim,
    .cancel = sqlite_cancel,
    .publish = sqlite_publish,
    .open = sqlite_open,
    .served_offsets = sqlite_served,
    .pin = sqlite_pin,
    .unpin = sqlite_unpin,
    .swap = sqlite_swap,
    .close = sqlite_close,
    .cleanup = sqlite_cleanup,
    .get_generations = sqlite_get_generations,
    .has_room = sqlite_has_room,
};

enum tb_code tb_rebuild_sqlite_new(const struct tb_rebuild_sqlite_options *options,
                                   struct tb_rebuild_sqlite **ret_sqlite, struct tb_error *err)
{
    struct tb_rebuild_sqlite *self = calloc(1, sizeof *self);

    if (!self)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    TB_ASSERT(options->reader_count <= TB_REBUILD_READERS_MAX);
    self->options = *options;
    if (tb_generations_read(options->folder, &self->all, err) != TB_OK) {
        free(self);
        return err->code;
    }
    TB_ASSERT(pthread_mutex_init(&self->lock, NULL) == 0);
    publish(self);
    *ret_sqlite = self;
    return TB_OK;
}

void tb_rebuild_sqlite_free(struct tb_rebuild_sqlite *self)
{
    struct tb_error err = {0};

    if (!self)
        return;
    (void)sqlite_close(self, TB_REBUILD_KEEP, &err);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
