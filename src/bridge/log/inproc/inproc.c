#include "bridge/log/inproc/inproc_priv.h"
#include <stdlib.h>

static struct inproc_group *find_group(const struct tb_log_inproc *log, struct tb_str name)
{
    struct inproc_group *group = log->groups;

    while (group && !tb_str_eq(tb_str_of(group->name), name))
        group = group->next;
    return group;
}

struct inproc_group *tb_inproc_group(struct tb_log_inproc *log, struct tb_str name)
{
    struct inproc_group *group = find_group(log, name);

    if (group)
        return group;
    group = calloc(1, sizeof *group + name.len + 1);
    if (!group)
        return NULL;
    memcpy(group->name, name.ptr, name.len);
    group->committed = group->writing = group->stored = -1;
    group->next = log->groups;
    log->groups = group;
    return group;
}

enum tb_code tb_log_inproc_open(const char *path, const struct tb_clock *clock,
                                struct tb_log_inproc **ret_log, struct tb_error *err)
{
    struct tb_log_inproc *log = calloc(1, sizeof *log + strlen(path) + 1);
    enum tb_code code;

    if (!log)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    memcpy(log->path, path, strlen(path));
    log->clock = clock;
    log->retention_ms = -1;
    TB_ASSERT(pthread_mutex_init(&log->lock, NULL) == 0);
    tb_cond_init(&log->changed);
    code = tb_inproc_connect(log, err);
    if (code != TB_OK) {
        tb_log_inproc_free(log);
        return code;
    }
    *ret_log = log;
    return TB_OK;
}

void tb_log_inproc_free(struct tb_log_inproc *log)
{
    struct tb_error err;

    if (!log)
        return;
    TB_ASSERT(!log->writer);
    /* If this fails, an older committed offset remains, and readers see some records again. */
    if (log->db)
        tb_inproc_flush_offsets(log, INT64_MAX, &err);
    tb_inproc_disconnect(log);
    while (log->groups) {
        struct inproc_group *group = log->groups;

        TB_ASSERT(!group->reading);
        log->groups = group->next;
        free(group);
    }
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

struct tb_log_range tb_log_inproc_range(struct tb_log_inproc *log, const char *group)
{
    const struct inproc_group *g = group ? find_group(log, tb_str_of(group)) : NULL;
    struct tb_log_range range;

    pthread_mutex_lock(&log->lock);
    range = (struct tb_log_range){log->begin, log->end, g ? g->committed : -1};
    pthread_mutex_unlock(&log->lock);
    return range;
}

bool tb_log_inproc_is_partitioned(const struct tb_log_inproc *log)
{
    return log->partitioned;
}

enum tb_code tb_log_inproc_check(struct tb_log_inproc *log, struct tb_error *err)
{
    return tb_db_check(log->db, err);
}

const struct tb_log_origin *tb_log_inproc_origin(const struct tb_log_inproc *log)
{
    return &log->origin;
}

enum tb_code tb_log_inproc_set_origin(struct tb_log_inproc *log,
                                      const struct tb_log_origin *origin, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};

    TB_ASSERT(log->db && !log->origin.log_id[0]);
    TB_TRY(tb_stmt_prepare(&stmt, log->db,
                           "INSERT INTO origin(one, log_id, store_id, base)"
                           " VALUES(1, :log_id, :store_id, :base)",
                           err));
    tb_stmt_bind_text(&stmt, ":log_id", tb_str_of(origin->log_id));
    tb_stmt_bind_text(&stmt, ":store_id", tb_str_of(origin->store_id));
    tb_stmt_bind_int64(&stmt, ":base", origin->base);
    TB_TRY(tb_txn_begin(&txn, log->db, err));
    TB_TRY(tb_stmt_run(&stmt, err));
    TB_TRY(tb_txn_commit(&txn, err));
    log->origin = *origin;
    pthread_mutex_lock(&log->lock);
    if (origin->base > 0)
        log->next = log->begin = log->end = origin->base;
    pthread_mutex_unlock(&log->lock);
    return TB_OK;
}

enum tb_code tb_log_inproc_each_epoch(struct tb_log_inproc *log, tb_log_epoch_fn *each, void *ctx,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    char epoch[TB_INPROC_EPOCH_MAX + 1];
    bool row = false;

    TB_TRY(tb_stmt_prepare(&stmt, log->db,
                           log->partitioned ? "SELECT epoch, sequence, 0 FROM sequences"
                                            : "SELECT epoch, sequence, store_sequence"
                                              " FROM sequences",
                           err));
    for (;;) {
        TB_TRY(tb_stmt_step(&stmt, &row, err));
        if (!row)
            return TB_OK;
        TB_TRY(each(ctx, tb_stmt_copy_text(&stmt, 0, epoch, sizeof epoch), tb_stmt_int64(&stmt, 1),
                    tb_stmt_int64(&stmt, 2), err));
    }
}

enum tb_code tb_log_inproc_high_sequence(struct tb_log_inproc *log, const char *epoch,
                                         int64_t *ret_sequence, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_finalize) struct tb_stmt stmt = {0};
    bool row = false;

    if (!log->db)
        TB_TRY(tb_inproc_connect(log, err));
    TB_TRY(tb_stmt_prepare(&stmt, log->db, "SELECT sequence FROM sequences WHERE epoch = :epoch",
                           err));
    tb_stmt_bind_text(&stmt, ":epoch", tb_str_of(epoch));
    TB_TRY(tb_stmt_step(&stmt, &row, err));
    *ret_sequence = row ? tb_stmt_int64(&stmt, 0) : 0;
    return TB_OK;
}
