#include "bridge/log_kafka_reader_priv.h"
#include <inttypes.h>

/* The last commit before a partition is given up is waited for at most so long: then the next
 * holder reads some records again. */
#define FLUSH_MS 3000
#define RETRY_MS 500
/* While the group is being formed its coordinator answers nothing else. */
#define COMMITTED_MS 10000

static int64_t now_ms(const struct kafka_reader *reader)
{
    return tb_clock_mono_ms(reader->settings.clock);
}

static rd_kafka_topic_partition_t *list_add(rd_kafka_topic_partition_list_t *list,
                                            const struct kafka_reader *reader, int32_t partition,
                                            int64_t offset)
{
    rd_kafka_topic_partition_t *element =
        rd_kafka_topic_partition_list_add(list, reader->topic, partition);

    element->offset = offset;
    return element;
}

static rd_kafka_topic_partition_list_t *list_of_held(const struct kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);

    for (int32_t p = 0; p < KAFKA_PARTITIONS_MAX; p++) {
        if (reader->parts[p].held)
            list_add(list, reader, p, RD_KAFKA_OFFSET_INVALID);
    }
    return list;
}

static rd_kafka_topic_partition_list_t *list_of_dirty(struct kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);

    for (int32_t p = 0; p < KAFKA_PARTITIONS_MAX; p++) {
        struct kafka_part *part = &reader->parts[p];

        if (part->held && part->dirty)
            list_add(list, reader, p, part->committed);
        part->dirty = false;
    }
    return list;
}

/* Commits. */

static void commit_trouble(struct kafka_reader *reader, rd_kafka_resp_err_t code)
{
    if (code)
        tb_kafka_problem_set(&reader->problem, "offsets not committed: %s",
                             rd_kafka_err2str(code));
    else if (reader->commit_failed)
        tb_kafka_problem_set(&reader->problem, "%s", "");
    reader->commit_failed = code != RD_KAFKA_RESP_ERR_NO_ERROR;
    reader->commit_at_ms = now_ms(reader) + RETRY_MS;
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_reader *reader = ((struct kafka_handle *)opaque)->owner;

    (void)rk;
    if (!reader || !list)
        return;
    reader->committing = false;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_resp_err_t why = code ? code : list->elems[i].err;

        if (!why)
            continue;
        reader->parts[list->elems[i].partition].dirty = true;
        code = why;
    }
    commit_trouble(reader, code);
}

/* The library's own record of what is done is kept too: it refuses for partitions it has given
 * up already, and those are not committed. */
static void store(struct kafka_reader *reader, rd_kafka_topic_partition_list_t *list)
{
    (void)rd_kafka_offsets_store(reader->handle->rk, list);
    for (int i = list->cnt - 1; i >= 0; i--) {
        if (list->elems[i].err)
            rd_kafka_topic_partition_list_del_by_idx(list, i);
    }
}

/* One at a time: what becomes due meanwhile goes together with the next. */
static void send_commits(struct kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list;

    if (reader->committing || (reader->commit_failed && now_ms(reader) < reader->commit_at_ms))
        return;
    list = list_of_dirty(reader);
    store(reader, list);
    if (list->cnt > 0)
        reader->committing = !rd_kafka_commit(reader->handle->rk, list, /* async= */ 1);
    rd_kafka_topic_partition_list_destroy(list);
}

void tb_kafka_group_commit(struct kafka_reader *reader, int32_t partition, int64_t next)
{
    struct kafka_part *part = &reader->parts[partition];

    if (part->committed == next)
        return;
    part->committed = next;
    part->dirty = true;
    send_commits(reader);
}

void tb_kafka_group_flush(struct kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_queue_t *answers;

    /* One under way may fail yet, and nobody would know. */
    for (int32_t p = 0; reader->committing && p < KAFKA_PARTITIONS_MAX; p++)
        reader->parts[p].dirty |= reader->parts[p].held && reader->parts[p].committed >= 0;
    list = list_of_dirty(reader);
    store(reader, list);
    if (list->cnt > 0) {
        answers = rd_kafka_queue_new(reader->handle->rk);
        if (!rd_kafka_commit_queue(reader->handle->rk, list, answers, NULL, NULL)) {
            rd_kafka_event_t *event = rd_kafka_queue_poll(answers, FLUSH_MS);

            commit_trouble(reader,
                           event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT);
            if (event)
                rd_kafka_event_destroy(event);
        }
        rd_kafka_queue_destroy(answers);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Places. */

enum tb_code tb_kafka_group_committed(struct kafka_reader *reader, int32_t partition,
                                      int64_t *ret_next, struct tb_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_resp_err_t code;

    list_add(list, reader, partition, RD_KAFKA_OFFSET_INVALID);
    code = rd_kafka_committed(reader->handle->rk, list, COMMITTED_MS);
    if (!code)
        code = list->elems[0].err;
    if (!code)
        *ret_next = list->elems[0].offset >= 0 ? list->elems[0].offset : -1;
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        return tb_error_set(err, TB_UNAVAILABLE, "committed offsets of %s: %s", reader->topic,
                            rd_kafka_err2str(code));
    return TB_OK;
}

/* Where the partition begins: where it was sought, where it stood before, where its group
 * committed, else at the beginning, said explicitly. */
static int64_t place_of(const struct kafka_reader *reader, struct kafka_part *part,
                        int64_t committed)
{
    if (part->sought < 0 && part->next < 0 && committed >= 0) {
        part->committed = part->next = committed;
    } else if (part->sought >= 0) {
        part->next = part->sought;
        part->sought = -1;
    }
    if (part->start < 0)
        part->start = part->next < 0 ? 0 : part->next;
    if (part->next >= 0)
        return part->next;
    return reader->tail ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
}

static void place(struct kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list = list_of_held(reader);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (!reader->tail)
        code = rd_kafka_committed(reader->handle->rk, list, TB_KAFKA_ASK_MS);
    for (int i = 0; i < list->cnt && !code; i++)
        code = list->elems[i].err;
    for (int i = 0; i < list->cnt && !code; i++) {
        struct kafka_part *part = &reader->parts[list->elems[i].partition];

        list->elems[i].offset = place_of(reader, part, list->elems[i].offset);
    }
    if (!code)
        code = rd_kafka_assign(reader->handle->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    reader->unplaced = code != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (code) {
        reader->place_at_ms = now_ms(reader) + RETRY_MS;
        tb_kafka_problem_set(&reader->problem, "positions of %s: %s", reader->topic,
                             rd_kafka_err2str(code));
    } else if (reader->paused) {
        tb_kafka_group_pause(reader);
    }
}

/* Without a group nobody hands partitions out: all there are. */
static void take_all(struct kafka_reader *reader)
{
    int count = 0;

    if (tb_kafka_ask_partitions(reader->handle, TB_KAFKA_ASK_MS, &count) || count == 0)
        return;
    for (int32_t p = 0; p < count && p < KAFKA_PARTITIONS_MAX; p++)
        reader->parts[p].held = true;
    reader->unplaced = true;
}

void tb_kafka_group_serve(struct kafka_reader *reader)
{
    if (reader->tail && !reader->parts[0].held && reader->watch.state == KAFKA_FINE)
        take_all(reader);
    if (reader->unplaced && now_ms(reader) >= reader->place_at_ms)
        place(reader);
    send_commits(reader);
}

void tb_kafka_group_seek(struct kafka_reader *reader, int32_t partition, int64_t offset)
{
    struct kafka_part *part = &reader->parts[partition];

    tb_kafka_fetched_clear(reader, part);
    part->corrupt = false;
    part->sought = offset;
    if (part->start > offset)
        part->start = offset;
    if (part->held) {
        reader->unplaced = true;
        reader->place_at_ms = 0;
    }
}

void tb_kafka_group_pause(struct kafka_reader *reader)
{
    rd_kafka_topic_partition_list_t *list = list_of_held(reader);

    if (reader->paused)
        (void)rd_kafka_pause_partitions(reader->handle->rk, list);
    else
        (void)rd_kafka_resume_partitions(reader->handle->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Partitions come and go. */

static void give_up_all(struct kafka_reader *reader)
{
    for (int32_t p = 0; p < KAFKA_PARTITIONS_MAX; p++) {
        struct kafka_part *part = &reader->parts[p];

        if (!part->held)
            continue;
        tb_kafka_fetched_clear(reader, part);
        part->held = part->corrupt = part->dirty = false;
        part->start = part->next = part->committed = part->sought = -1;
    }
    reader->unplaced = false;
}

static void take(struct kafka_reader *reader, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        int32_t p = list->elems[i].partition;

        if (p < KAFKA_PARTITIONS_MAX)
            reader->parts[p].held = true;
        else
            tb_kafka_problem_set(&reader->problem, "%s has more than %d partitions", reader->topic,
                                 KAFKA_PARTITIONS_MAX);
    }
    reader->unplaced = list->cnt > 0;
    reader->place_at_ms = 0;
}

/* They are taken without a place at first: asking for it is no business of a callback. */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_reader *reader = ((struct kafka_handle *)opaque)->owner;
    rd_kafka_topic_partition_list_t *none;

    if (!reader || code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        if (reader && !rd_kafka_assignment_lost(rk))
            tb_kafka_group_flush(reader);
        if (reader)
            give_up_all(reader);
        rd_kafka_assign(rk, NULL);
        return;
    }
    take(reader, list);
    none = rd_kafka_topic_partition_list_new(0);
    rd_kafka_assign(rk, none);
    rd_kafka_topic_partition_list_destroy(none);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct kafka_reader *reader = ((struct kafka_handle *)opaque)->owner;
    char why[200];

    if (!reader)
        return;
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        code = (int)rd_kafka_fatal_error(rk, why, sizeof why);
    else if (reader->tail && code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        return;
    tb_kafka_watch_error(&reader->watch, &reader->settings, &reader->problem,
                         (rd_kafka_resp_err_t)code, text);
    rd_kafka_yield(rk); /* a waiting poll tells of it */
}

void tb_kafka_group_callbacks(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    rd_kafka_conf_set_error_cb(conf, on_error);
}
