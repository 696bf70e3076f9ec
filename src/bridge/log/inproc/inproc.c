#include "bridge/log/inproc/inproc_priv.h"
#include <stdlib.h>

static struct inproc_topic *find_topic(const struct tb_log_inproc *log, struct tb_str name)
{
    struct inproc_topic *topic = log->topics;

    while (topic && !tb_str_eq(tb_str_of(topic->name), name))
        topic = topic->next;
    return topic;
}

struct inproc_topic *tb_inproc_topic(struct tb_log_inproc *log, struct tb_str name)
{
    struct inproc_topic *topic = find_topic(log, name);

    if (topic)
        return topic;
    topic = calloc(1, sizeof *topic + name.len + 1);
    if (!topic)
        return NULL;
    memcpy(topic->name, name.ptr, name.len);
    topic->next = log->topics;
    log->topics = topic;
    return topic;
}

static struct inproc_group *find_group(const struct tb_log_inproc *log,
                                       const struct inproc_topic *topic, struct tb_str name)
{
    struct inproc_group *group = log->groups;

    while (group && !(group->topic == topic && tb_str_eq(tb_str_of(group->name), name)))
        group = group->next;
    return group;
}

struct inproc_group *tb_inproc_group(struct tb_log_inproc *log, struct inproc_topic *topic,
                                     struct tb_str name)
{
    struct inproc_group *group = find_group(log, topic, name);

    if (group)
        return group;
    group = calloc(1, sizeof *group + name.len + 1);
    if (!group)
        return NULL;
    memcpy(group->name, name.ptr, name.len);
    group->topic = topic;
    for (int32_t p = 0; p < TB_LOG_PARTITIONS; p++)
        group->offsets[p] = (struct inproc_offset){-1, -1, -1};
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
    while (log->topics) {
        struct inproc_topic *topic = log->topics;

        log->topics = topic->next;
        free(topic);
    }
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

enum tb_code tb_log_inproc_range(struct tb_log_inproc *log, const char *topic, const char *group,
                                 int32_t partition, struct tb_log_range *ret_range,
                                 struct tb_error *err)
{
    struct tb_log_range range = {0, 0, -1};
    const struct inproc_topic *t;
    const struct inproc_group *g = NULL;

    TB_TRY(tb_inproc_check_partition(partition, err));
    t = find_topic(log, tb_str_of(topic));
    if (t && group)
        g = find_group(log, t, tb_str_of(group));
    pthread_mutex_lock(&log->lock);
    if (t) {
        range.begin = t->parts[partition].begin;
        range.end = t->parts[partition].end;
    }
    if (g)
        range.committed = g->offsets[partition].committed;
    pthread_mutex_unlock(&log->lock);
    *ret_range = range;
    return TB_OK;
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
