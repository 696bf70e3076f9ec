#include "query/rebuild/mongo/rebuild_mongo_priv.h"
#include <stdio.h>

static bool get_flag(const bson_iter_t *iter)
{
    return BSON_ITER_HOLDS_BOOL(iter) && bson_iter_bool(iter);
}

static void read_field(const bson_iter_t *iter, struct tb_mongo_job *job)
{
    struct tb_rebuild_progress *progress = &job->progress;
    const char *key = bson_iter_key(iter);
    char state[16] = "";
    const struct {
        const char *key;
        int64_t *value;
    } numbers[] = {
        {"beat", &job->beat},
        {"generation", &job->generation},
        {"last", &job->last},
        {"takeovers", &job->takeovers},
        {"events", &progress->events},
        {"total", &progress->total},
        {"ratePerSecond", &progress->per_second},
        {"secondsLeft", &progress->seconds_left},
        {"servedOrders", &progress->served_orders},
        {"rebuiltOrders", &progress->rebuilt_orders},
        {"differenceCount", &progress->difference_count},
    };
    const struct {
        const char *key;
        bool *value;
    } flags[] = {
        {"running", &job->running},
        {"accept", &progress->job.accept},
        {"rollback", &progress->job.rollback},
        {"compared", &progress->compared},
    };
    const struct {
        const char *key;
        char *value;
        size_t size;
    } texts[] = {
        {"token", job->token, sizeof job->token},
        {"build", job->build, sizeof job->build},
        {"owner", progress->owner, sizeof progress->owner},
        {"problem", progress->problem, sizeof progress->problem},
        {"differences", progress->differences, sizeof progress->differences},
        {"state", state, sizeof state},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(key, numbers[i].key) == 0)
            *numbers[i].value = tb_bson_get_int(iter);
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(key, flags[i].key) == 0)
            *flags[i].value = get_flag(iter);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i].key) == 0)
            tb_bson_get_text(iter, texts[i].value, texts[i].size);
    }
    if (state[0] != '\0')
        progress->state = tb_rebuild_state_parse(state);
}

enum tb_code tb_mongo_job_read(const struct tb_mongo_client *client, struct tb_mongo_job *ret_job,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = BCON_NEW("_id", BCON_UTF8("rebuild"));
    const bson_t *doc;
    bson_iter_t iter;

    *ret_job = (struct tb_mongo_job){.progress.seconds_left = -1};
    tb_mongo_find_primary(&cursor, client, "meta", filter);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        for (bool more = bson_iter_init(&iter, doc) && bson_iter_next(&iter); more;
             more = bson_iter_next(&iter))
            read_field(&iter, ret_job);
    }
    return tb_mongo_cursor_end(&cursor, "reading the rebuild's state", err);
}

void tb_mongo_job_put_progress(struct tb_bson_writer out,
                               const struct tb_rebuild_progress *progress)
{
    tb_bson_put_bool(out, "running", tb_rebuild_is_running(progress->state));
    tb_bson_put_text(out, "state", tb_rebuild_state_name(progress->state));
    tb_bson_put_bool(out, "accept", progress->job.accept);
    tb_bson_put_bool(out, "rollback", progress->job.rollback);
    tb_bson_put_int(out, "events", progress->events);
    tb_bson_put_int(out, "total", progress->total);
    tb_bson_put_int(out, "ratePerSecond", progress->per_second);
    tb_bson_put_int(out, "secondsLeft", progress->seconds_left);
    tb_bson_put_bool(out, "compared", progress->compared);
    tb_bson_put_int(out, "servedOrders", progress->served_orders);
    tb_bson_put_int(out, "rebuiltOrders", progress->rebuilt_orders);
    tb_bson_put_int(out, "differenceCount", progress->difference_count);
    tb_bson_put_text(out, "problem", progress->problem);
    tb_bson_put_text(out, "differences", progress->differences);
}

static void put_claim(struct tb_bson_writer out, const struct tb_rebuild_mongo *self,
                      const char *token, int64_t takeovers)
{
    tb_bson_put_text(out, "token", token);
    tb_bson_put_text(out, "owner", self->options.owner);
    tb_bson_put_int(out, "beat", 0);
    tb_bson_put_int(out, "takeovers", takeovers);
}

/* The job is ours. */
static void take(struct tb_rebuild_mongo *self, const char *token, int64_t taken_events)
{
    pthread_mutex_lock(&self->lock);
    memcpy(self->token, token, sizeof self->token);
    self->beat = 0;
    self->taken_events = taken_events;
    self->lost = false;
    pthread_mutex_unlock(&self->lock);
}

bool tb_mongo_job_is_ours(struct tb_rebuild_mongo *self, const char *token)
{
    bool ours;

    pthread_mutex_lock(&self->lock);
    ours = strcmp(self->token, token) == 0;
    pthread_mutex_unlock(&self->lock);
    return ours;
}

/* Changes the document if its token, and with beat not below 0 its beat too, is still that. */
static enum tb_code update(const struct tb_mongo_client *client, const char *token, int64_t beat,
                           const bson_t *fields, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *filter = bson_new();
    TB_CLEANUP(tb_bson_free) bson_t *update = BCON_NEW("$set", BCON_DOCUMENT(fields));
    bool failed = false, found = false;
    struct tb_bson_writer out = {filter, &failed};

    tb_bson_put_text(out, "_id", "rebuild");
    tb_bson_put_text(out, "token", token);
    if (beat >= 0)
        tb_bson_put_int(out, "beat", beat);
    if (failed)
        return tb_mongo_no_memory(err);
    TB_TRY(tb_mongo_update(client, "meta", filter, update, &found, err));
    return found ? TB_OK : tb_error_set(err, TB_CONFLICT, "the rebuild is another process's now");
}

static enum tb_code insert(const struct tb_mongo_client *client, bson_t *fields,
                           struct tb_error *err)
{
    struct tb_mongo_op op = {.kind = TB_MONGO_INSERT, .document = bson_copy(fields)};
    enum tb_code code;

    if (!BSON_APPEND_UTF8(op.document, "_id", "rebuild"))
        code = tb_mongo_no_memory(err);
    else
        code = tb_mongo_bulk(client, "meta", &op, 1, err);
    if (code == TB_OK && op.code == TB_MONGO_DUPLICATE_KEY)
        code = tb_error_set(err, TB_CONFLICT, "a rebuild was begun at this moment elsewhere");
    else if (code == TB_OK && op.code != 0)
        code = tb_mongo_op_error(err, &op, "beginning a rebuild");
    tb_mongo_ops_clear(&op, 1);
    return code;
}

static enum tb_code write_claim(struct tb_rebuild_mongo *self,
                                const struct tb_mongo_client *client,
                                const struct tb_mongo_job *before,
                                const struct tb_rebuild_job *job, const char *token,
                                struct tb_error *err)
{
    const struct tb_rebuild_progress progress = {
        .state = TB_REBUILD_BUILDING, .job = *job, .seconds_left = -1};
    TB_CLEANUP(tb_bson_free) bson_t *fields = bson_new();
    bool failed = false;
    struct tb_bson_writer out = {fields, &failed};

    put_claim(out, self, token, 0);
    tb_mongo_job_put_progress(out, &progress);
    tb_bson_put_int(out, "generation", 0); /* that of the job before is no business of this one */
    if (failed)
        return tb_mongo_no_memory(err);
    if (before->token[0] == '\0')
        return insert(client, fields, err);
    return update(client, before->token, before->beat, fields, err);
}

enum tb_code tb_mongo_job_claim(struct tb_rebuild_mongo *self, const struct tb_rebuild_job *job,
                                struct tb_rebuild_progress *ret_others, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_mongo_job *before = tb_arena_alloc(&arena, sizeof *before);
    struct tb_uuid_gen uuids = {.clock = self->options.clock, .random = self->options.random};
    char token[TB_UUID_SIZE];
    struct tb_error why = {0};

    if (!before)
        return tb_mongo_no_memory(err);
    tb_uuid_new(&uuids, token);
    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_job_read(&client, before, err));
    if (before->running) {
        *ret_others = before->progress;
        return tb_error_set(err, TB_CONFLICT, "a rebuild is under way at %s",
                            before->progress.owner);
    }
    if (write_claim(self, &client, before, job, token, err) != TB_OK) {
        if (err->code != TB_UNKNOWN)
            return err->code;
        if (tb_mongo_job_read(&client, before, &why) != TB_OK || strcmp(before->token, token) != 0)
            return err->code;
        *err = (struct tb_error){0};
    }
    take(self, token, -1);
    return TB_OK;
}

enum tb_code tb_mongo_job_take_over(struct tb_rebuild_mongo *self,
                                    const struct tb_mongo_client *client, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *fields = bson_new();
    bool failed = false;
    struct tb_bson_writer out = {fields, &failed};
    char token[TB_UUID_SIZE];

    tb_uuid_new(&self->uuids, token);
    put_claim(out, self, token, self->seen->takeovers + 1);
    if (failed)
        return tb_mongo_no_memory(err);
    TB_TRY(update(client, self->seen->token, self->seen->beat, fields, err));
    take(self, token, self->seen->progress.events);
    return TB_OK;
}

enum tb_code tb_mongo_job_save_progress(struct tb_rebuild_mongo *self,
                                        const struct tb_mongo_client *client,
                                        const struct tb_rebuild_progress *progress,
                                        struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *fields = bson_new();
    bool failed = false;
    struct tb_bson_writer out = {fields, &failed};

    tb_mongo_job_put_progress(out, progress);
    tb_bson_put_int(out, "beat", ++self->beat);
    if (self->taken_events >= 0 && progress->events > self->taken_events)
        tb_bson_put_int(out, "takeovers",
                        0); /* it was not the job that ended the process before */
    if (failed)
        return tb_mongo_no_memory(err);
    return update(client, self->token, -1, fields, err);
}

enum tb_code tb_mongo_job_set_generation(struct tb_rebuild_mongo *self,
                                         const struct tb_mongo_client *client, int64_t generation,
                                         int64_t last, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *fields = BCON_NEW("generation", BCON_INT64(generation), "last", BCON_INT64(last),
                              "build", BCON_UTF8(self->options.build));

    return update(client, self->token, -1, fields, err);
}
