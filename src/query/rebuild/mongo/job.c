#include "query/mongo/driver/fields.h"
#include "query/rebuild/mongo/rebuild_mongo_priv.h"

#define JOB(member) TB_BSON_AT(struct tb_mongo_job, member)
static const struct tb_bson_field job_fields[] = {
    {"token", TB_BSON_TEXT, JOB(token)},
    {"owner", TB_BSON_TEXT, JOB(progress.owner)},
    {"beat", TB_BSON_INT, JOB(beat)},
    {"takeovers", TB_BSON_INT, JOB(takeovers)},
    {"running", TB_BSON_BOOL, JOB(running)},
    {"generation", TB_BSON_INT, JOB(generation)},
    {"last", TB_BSON_INT, JOB(last)},
    {"build", TB_BSON_TEXT, JOB(build)},
    {"cancelled", TB_BSON_BOOL, JOB(cancelled)},
};
static const struct tb_bson_table job_table = TB_BSON_TABLE(struct tb_mongo_job, job_fields);

#define PROGRESS(member) TB_BSON_AT(struct tb_rebuild_progress, member)
static const struct tb_bson_field progress_fields[] = {
    {"state", TB_BSON_ENUM, PROGRESS(state), .name_of = tb_rebuild_state_name,
     .max = TB_REBUILD_STATE_COUNT},
    {"accept", TB_BSON_BOOL, PROGRESS(job.accept)},
    {"rollback", TB_BSON_BOOL, PROGRESS(job.rollback)},
    {"events", TB_BSON_INT, PROGRESS(events)},
    {"total", TB_BSON_INT, PROGRESS(total)},
    {"ratePerSecond", TB_BSON_INT, PROGRESS(per_second)},
    {"secondsLeft", TB_BSON_INT, PROGRESS(seconds_left)},
    {"compared", TB_BSON_BOOL, PROGRESS(compared)},
    {"servedOrders", TB_BSON_INT, PROGRESS(served_orders)},
    {"rebuiltOrders", TB_BSON_INT, PROGRESS(rebuilt_orders)},
    {"differenceCount", TB_BSON_INT, PROGRESS(difference_count)},
    {"problem", TB_BSON_TEXT, PROGRESS(problem)},
    {"differences", TB_BSON_TEXT, PROGRESS(differences)},
};
static const struct tb_bson_table progress_table =
    TB_BSON_TABLE(struct tb_rebuild_progress, progress_fields);

enum tb_code tb_mongo_job_read(const struct tb_mongo_client *client, struct tb_mongo_job *ret_job,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;

    *ret_job = (struct tb_mongo_job){.progress.seconds_left = -1};
    TB_TRY(tb_mongo_find_meta(client, "rebuild", &doc, err));
    if (doc && (!tb_bson_get_fields(doc, &job_table, NULL, ret_job) ||
                !tb_bson_get_fields(doc, &progress_table, NULL, &ret_job->progress)))
        return tb_error_set(err, TB_CORRUPT, "meta: the rebuild's job is not as written");
    return TB_OK;
}

void tb_mongo_job_put_progress(struct tb_bson_writer out,
                               const struct tb_rebuild_progress *progress)
{
    tb_bson_put_bool(out, "running", tb_rebuild_is_running(progress->state));
    tb_bson_put_fields(out, &progress_table, progress);
}

static void put_claim(struct tb_bson_writer out, const struct tb_rebuild_mongo *self,
                      const char *token, int64_t takeovers)
{
    tb_bson_put_text(out, "token", token);
    tb_bson_put_text(out, "owner", self->options.owner);
    tb_bson_put_int(out, "beat", 0);
    tb_bson_put_int(out, "takeovers", takeovers);
}

static void set_ours(struct tb_rebuild_mongo *self, const char *token, int64_t events_at_takeover)
{
    pthread_mutex_lock(&self->lock);
    memcpy(self->token, token, sizeof self->token);
    self->beat = 0;
    self->events_at_takeover = events_at_takeover;
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

/* Sets fields of the document, if it still has this token and this beat; beat -1: any. */
static enum tb_code update(const struct tb_mongo_client *client, const char *token, int64_t beat,
                           const bson_t *fields, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("_id", BCON_UTF8("rebuild"), "token", BCON_UTF8(token));
    TB_CLEANUP(tb_bson_free) bson_t *update = BCON_NEW("$set", BCON_DOCUMENT(fields));
    bool found = false;

    if (beat >= 0 && !BSON_APPEND_INT64(filter, "beat", beat))
        return tb_mongo_no_memory(err);
    TB_TRY(tb_mongo_update(client, "meta", filter, update, &found, err));
    return found ? TB_OK : tb_error_set(err, TB_CONFLICT, "the rebuild is another process's now");
}

static enum tb_code insert(const struct tb_mongo_client *client, const bson_t *fields,
                           struct tb_error *err)
{
    struct tb_mongo_op op = {.kind = TB_MONGO_INSERT, .document = bson_copy(fields)};
    bool done = false;

    if (!BSON_APPEND_UTF8(op.document, "_id", "rebuild")) {
        tb_mongo_ops_clear(&op, 1);
        return tb_mongo_no_memory(err);
    }
    TB_TRY(tb_mongo_write_one(client, "meta", &op, "beginning a rebuild", &done, err));
    return done ? TB_OK
                : tb_error_set(err, TB_CONFLICT, "a rebuild was begun at this moment elsewhere");
}

static enum tb_code write_claim(struct tb_rebuild_mongo *self,
                                const struct tb_mongo_client *client, struct tb_mongo_job *before,
                                const struct tb_rebuild_job *job, const char *token,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *fields = bson_new();
    bool failed = false;
    struct tb_bson_writer out = {fields, &failed};

    before->progress = (struct tb_rebuild_progress){
        .state = TB_REBUILD_BUILDING, .job = *job, .seconds_left = -1};
    put_claim(out, self, token, 0);
    tb_mongo_job_put_progress(out, &before->progress);
    tb_bson_put_int(out, "generation", 0); /* not that of the last job */
    tb_bson_put_bool(out, "cancelled", false);
    if (failed)
        return tb_mongo_no_memory(err);
    if (before->token[0] == '\0')
        return insert(client, fields, err);
    return update(client, before->token, before->beat, fields, err);
}

enum tb_code tb_mongo_job_claim(void *ctx, const struct tb_rebuild_job *job,
                                struct tb_rebuild_progress *ret_others, struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_mongo_job *stored = tb_arena_alloc(&arena, sizeof *stored);
    struct tb_uuid_gen uuids = {.clock = self->options.clock, .random = self->options.random};
    char token[TB_UUID_SIZE];
    struct tb_error why = {0};

    if (!stored)
        return tb_mongo_no_memory(err);
    tb_uuid_new(&uuids, token);
    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_job_read(&client, stored, err));
    if (stored->running) {
        *ret_others = stored->progress;
        return tb_error_set(err, TB_CONFLICT, "a rebuild is under way at %s",
                            stored->progress.owner);
    }
    if (write_claim(self, &client, stored, job, token, err) != TB_OK) {
        if (err->code != TB_UNKNOWN)
            return err->code;
        if (tb_mongo_job_read(&client, stored, &why) != TB_OK || strcmp(stored->token, token) != 0)
            return err->code;
        *err = (struct tb_error){0};
    }
    set_ours(self, token, -1);
    return TB_OK;
}

/* The process that runs the job reads that with its next beat; if it has ended, the one that takes
 * the job over does. */
enum tb_code tb_mongo_job_cancel(void *ctx, struct tb_rebuild_progress *ret_others,
                                 struct tb_error *err)
{
    struct tb_rebuild_mongo *self = ctx;
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_bson_free) bson_t *fields = BCON_NEW("cancelled", BCON_BOOL(true));
    struct tb_mongo_job *stored = tb_arena_alloc(&arena, sizeof *stored);
    enum tb_code code;

    if (!stored)
        return tb_mongo_no_memory(err);
    TB_TRY(tb_mongo_client_acquire(self->options.mongo, &client, err));
    TB_TRY(tb_mongo_job_read(&client, stored, err));
    if (!stored->running)
        return tb_error_set(err, TB_CONFLICT, "no rebuild is under way");
    *ret_others = stored->progress;
    code = update(&client, stored->token, -1, fields, err);
    return code == TB_CONFLICT
               ? tb_error_set(err, TB_BUSY, "another central has just gone on with the rebuild")
               : code;
}

enum tb_code tb_mongo_job_take_over(struct tb_rebuild_mongo *self,
                                    const struct tb_mongo_client *client, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *fields = bson_new();
    bool failed = false;
    char token[TB_UUID_SIZE];

    tb_uuid_new(&self->uuids, token);
    put_claim((struct tb_bson_writer){fields, &failed}, self, token, self->stored->takeovers + 1);
    if (failed)
        return tb_mongo_no_memory(err);
    TB_TRY(update(client, self->stored->token, self->stored->beat, fields, err));
    set_ours(self, token, self->stored->progress.events);
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
    if (progress->state == TB_REBUILD_FAILED || progress->state == TB_REBUILD_CANCELLED)
        tb_bson_put_int(out, "generation", 0); /* so that its collections are dropped */
    if (self->events_at_takeover >= 0 && progress->events > self->events_at_takeover)
        tb_bson_put_int(out, "takeovers", 0); /* the job makes progress */
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
