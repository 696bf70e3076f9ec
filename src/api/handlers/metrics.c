#include "api/handlers/context.h"
#include <stdio.h>

#define LABELS_SIZE 256

static void add_lag(const struct tb_api *api, struct tb_buf *out,
                    const struct tb_view_progress *progress)
{
    tb_metric_head(out, "kafka_consumer_lag", "gauge", "Records that the view has yet to apply.");
    for (int p = 0; p < api->options.partitions; p++) {
        if (progress->end[p] < 0 || progress->committed[p] < 0)
            continue;
        tb_buf_addf(out, "kafka_consumer_lag{topic=\"%s\",partition=\"%d\",group=\"%s\"} %lld\n",
                    api->options.topic, p, api->options.group,
                    (long long)(progress->end[p] - progress->committed[p]));
    }
}

static void add_generations(const struct tb_api *api, struct tb_buf *out,
                            const struct tb_view_progress *progress)
{
    tb_metric_head(out, "tillbox_log_generation", "gauge",
                   "How many logs, or pasts of a log, the view has read; more than 1: one was "
                   "replaced, truncated or put back.");
    for (int p = 0; p < api->options.partitions; p++) {
        if (progress->end[p] >= 0)
            tb_buf_addf(out, "tillbox_log_generation{topic=\"%s\",partition=\"%d\"} %lld\n",
                        api->options.topic, p,
                        (long long)api->options.central->generation(api->options.ctx, p));
    }
}

static void add_freshness(const struct tb_api *api, struct tb_buf *out,
                          const struct tb_view_progress *progress)
{
    char labels[LABELS_SIZE];
    int64_t age_ms = tb_clock_wall_ms(api->options.clock) - progress->complete_ms;

    if (!progress->lag_known || !progress->reads_any || progress->complete_ms <= 0)
        return;
    if (progress->lag == 0 && progress->view_outbox.pending == 0)
        age_ms = 0;
    snprintf(labels, sizeof labels, "{view=\"%s\"}", api->options.view_name);
    tb_metric_head(out, "projection_freshness_seconds", "gauge",
                   "Age of the oldest event that is not visible yet; 0: all are.");
    tb_metric_seconds_from_ms(out, "projection_freshness_seconds", labels,
                              age_ms > 0 ? age_ms : 0);
}

/* The times of the oldest rows show whether retention removes rows. */
static void add_kept(struct tb_buf *out, const struct tb_view_progress *progress)
{
    static const char oldest[] = "tillbox_oldest_kept_timestamp_seconds";
    const struct {
        const char *labels;
        int64_t at_ms;
    } kept[] = {
        {"{kept=\"outbox\"}", progress->outbox.oldest_event_at_ms},
        {"{kept=\"idempotency\"}", progress->outbox.oldest_key_at_ms},
    };

    tb_metric_head(out, oldest, "gauge", "When the oldest row that is kept was written.");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (kept[i].at_ms > 0)
            tb_metric_seconds_from_ms(out, oldest, kept[i].labels, kept[i].at_ms);
    }
}

static void add_unconfigured(const struct tb_api *api, const struct tb_query_context *context,
                             struct tb_buf *out)
{
    static const char name[] = "tillbox_unconfigured_log_pending";
    struct tb_outbox_cursor cursors[TB_OUTBOX_CURSORS_MAX];
    struct tb_error err = {0};
    size_t count = 0;

    if (tb_unconfigured_cursors(api, context, cursors, &count, &err) != TB_OK || count == 0)
        return;
    tb_metric_head(out, name, "gauge", "Events that wait for a log that is not configured.");
    for (size_t i = 0; i < count; i++) {
        tb_buf_addf(out, "%s{log=\"%s\"} %lld\n", name, cursors[i].name,
                    (long long)cursors[i].pending);
    }
}

static void add_resend(const struct tb_query_context *context, struct tb_buf *out)
{
    struct tb_resend resend;
    bool any = tb_resend_read(context, &resend);

    tb_metric_gauge(out, "tillbox_resending",
                    "1 while events are sent again that Kafka lost; 2: a person must ask for it.",
                    !any          ? 0
                    : resend.held ? 2
                                  : 1);
    if (any)
        tb_metric_gauge(out, "tillbox_resend_sent", "Events that were sent again so far.",
                        resend.sent);
}

static void add_stalls(struct tb_api *api, struct tb_buf *out)
{
    int32_t partition;
    int64_t lag;

    tb_metric_head(out, "tillbox_view_stalled_seconds", "gauge",
                   "For how long the view has applied nothing of a partition of which it lacks "
                   "events; 0: less than a minute.");
    tb_metric_seconds_from_ms(out, "tillbox_view_stalled_seconds", "",
                              tb_stalls_longest(api, &partition, &lag));
}

static void add_progress(struct tb_api *api, const struct tb_query_context *context,
                         struct tb_buf *out)
{
    static const char oldest[] = "tillbox_outbox_oldest_pending_timestamp_seconds";
    struct tb_view_progress progress;
    struct tb_error err = {0};

    if (tb_view_progress_read(api, context, &progress, &err) != TB_OK)
        return;
    add_lag(api, out, &progress);
    if (api->options.central)
        add_generations(api, out, &progress);
    add_freshness(api, out, &progress);
    add_stalls(api, out);
    if (progress.lag_known && progress.reads_any)
        tb_metric_gauge(out, "tillbox_log_records",
                        "Records in the partitions that are read here.", progress.log_records);
    if (!api->options.edge)
        return;
    tb_metric_gauge(out, "tillbox_outbox_pending",
                    "Events that the log, or one that is not configured, has not acknowledged.",
                    progress.outbox.any_pending);
    tb_metric_gauge(out, "tillbox_outbox_parked", "Orders of which the log refused an event.",
                    progress.outbox.parked);
    add_kept(out, &progress);
    add_resend(context, out);
    if (progress.outbox.any_pending > 0) {
        tb_metric_head(out, oldest, "gauge", "When the oldest of them was committed.");
        tb_metric_seconds_from_ms(out, oldest, "", progress.outbox.any_oldest_pending_at_ms);
    }
    add_unconfigured(api, context, out);
}

static void add_writer(const struct tb_api *api, struct tb_buf *out)
{
    static const char *const results[] = {
        [TB_RESULT_DONE] = "done", [TB_RESULT_REFUSED] = "refused", [TB_RESULT_FAILED] = "failed"};
    const struct tb_writer_stats *stats = tb_writer_stats(api->options.edge->writer);

    tb_metric_head(out, "tillbox_orders_total", "counter", "Commands by result.");
    for (int c = 0; c < TB_CMD_COUNT; c++) {
        for (int r = 0; r < 3; r++) {
            tb_buf_addf(out, "tillbox_orders_total{command=\"%s\",result=\"%s\"} %llu\n",
                        tb_command_name((enum tb_command_type)c), results[r],
                        (unsigned long long)tb_counter_get(&stats->commands[c][r]));
        }
    }
    tb_metric_histogram(out, "tillbox_commit_seconds", "Time of a commit.", &stats->commit_us);
    tb_metric_histogram(out, "tillbox_commit_batch_size", "Commands in a commit.",
                        &stats->batch_size);
}

static void add_relay(const struct tb_api *api, struct tb_buf *out)
{
    struct tb_link_status link = {0};

    api->options.edge->link(api->options.ctx, &link);
    tb_metric_head(out, "tillbox_relay_sent_total", "counter",
                   "Events that the log acknowledged.");
    tb_metric_int(out, "tillbox_relay_sent_total", "", (int64_t)link.relay_sent);
    tb_metric_states(out, "tillbox_relay_state", "1 for the state that the relay is in.",
                     link.relay_states, link.relay_state);
}

static void add_projection(const struct tb_api *api, const struct tb_query_context *context,
                           struct tb_buf *out)
{
    const struct tb_consumer_stats *stats = api->options.consumer;
    struct tb_view_reader *view = context->view;
    struct tb_error err = {0};
    int64_t dead_letters = 0;

    tb_metric_head(out, "tillbox_projection_events_total", "counter",
                   "Events by what became of them.");
    for (int r = 0; r < TB_EVENT_RESULT_COUNT; r++) {
        tb_buf_addf(out, "tillbox_projection_events_total{result=\"%s\"} %llu\n",
                    tb_event_result_name((enum tb_event_result)r),
                    (unsigned long long)tb_counter_get(&stats->events[r]));
    }
    tb_metric_histogram(out, "tillbox_end_to_end_seconds", "From commit to visible.",
                        &stats->end_to_end_us);
    tb_metric_head(out, "tillbox_end_to_end_unknown_total", "counter",
                   "Events left out of tillbox_end_to_end_seconds: less than 0 or more than a day "
                   "between the clocks.");
    tb_metric_int(out, "tillbox_end_to_end_unknown_total", "",
                  (int64_t)tb_counter_get(&stats->end_to_end_unknown));
    if (view->ops->count_dead_letters(view, &dead_letters, &err) == TB_OK)
        tb_metric_gauge(out, "tillbox_dead_letters", "Open dead letters of the view.",
                        dead_letters);
}

static void add_disk(const struct tb_api *api, struct tb_buf *out)
{
    int64_t disk_free = api->options.edge->disk_free(api->options.ctx);

    if (disk_free >= 0)
        tb_metric_gauge(out, "tillbox_disk_free_bytes",
                        "Free space where the store is, without what checkpoints will take.",
                        disk_free);
}

/* By file and kind, not by program: a metric's labels must be few. */
static void add_holds(const struct tb_api *api, struct tb_buf *out)
{
    static const char held[] = "tillbox_file_held_up_seconds";
    struct tb_hold holds[TB_HOLDS_MAX];
    size_t count = api->options.edge->holds(api->options.ctx, holds);
    char labels[LABELS_SIZE];

    tb_metric_head(out, held, "gauge",
                   "For how long another program's lock or snapshot has held up a file.");
    for (size_t i = 0; i < count; i++) {
        bool first = true;

        for (size_t j = 0; j < i; j++)
            first &=
                strcmp(holds[j].file, holds[i].file) != 0 || holds[j].writes != holds[i].writes;
        snprintf(labels, sizeof labels, "{file=\"%.*s\",holds=\"%s\"}", (int)sizeof holds[i].file,
                 holds[i].file, holds[i].writes ? "write-lock" : "snapshot");
        if (first)
            tb_metric_int(out, held, labels, holds[i].held_ms / 1000);
    }
}

static void add_checkpoints(const struct tb_api_edge *edge, struct tb_buf *out)
{
    static const char failed[] = "tillbox_checkpoints_failed_total";
    static const char failing[] = "tillbox_checkpoints_failing_since_timestamp_seconds";
    struct tb_checkpoint_status status;
    char labels[LABELS_SIZE];

    tb_metric_head(out, failed, "counter", "Checkpoints of a file that failed.");
    for (size_t i = 0; i < edge->checkpoint_count; i++) {
        tb_checkpoints_status(&edge->checkpoints[i], &status);
        snprintf(labels, sizeof labels, "{file=\"%s\"}", status.file);
        tb_metric_int(out, failed, labels, (int64_t)status.failures);
    }
    tb_metric_head(out, failing, "gauge",
                   "Since when a file's checkpoints fail; absent while they do not.");
    for (size_t i = 0; i < edge->checkpoint_count; i++) {
        tb_checkpoints_status(&edge->checkpoints[i], &status);
        snprintf(labels, sizeof labels, "{file=\"%s\"}", status.file);
        if (status.failing_at_ms > 0)
            tb_metric_seconds_from_ms(out, failing, labels, status.failing_at_ms);
    }
}

enum tb_code tb_metrics_query(struct tb_api *api, const struct tb_query_context *context,
                              struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    struct tb_buf *out = &reply->answer.body;

    (void)err; /* a value that cannot be read is left out */
    add_progress(api, context, out);
    if (api->options.edge) {
        add_writer(api, out);
        add_relay(api, out);
        add_disk(api, out);
        add_holds(api, out);
        add_checkpoints(api->options.edge, out);
    } else {
        tb_nodes_metrics(api, &req->arena, out);
    }
    add_projection(api, context, out);
    tb_rebuild_metrics(api, &req->arena, out);
    api->add_metrics(api, out);
    tb_metric_head(out, "tillbox_build_info", "gauge", "Always 1.");
    tb_metric_int(out, "tillbox_build_info", "{version=\"" TB_VERSION "\"}", 1);
    tb_process_metrics(out);
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return TB_OK;
}
