#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "base/time/timefmt.h"
#include <stdio.h>

/* /livez passes when the api thread can answer. /readyz passes when orders can be read and, on an
 * edge, taken. /healthz also checks disk and checkpoints, or log, and the consumer; an offline
 * edge passes, but not before its view has what the store had at the start, nor while its events
 * wait for a log that is not configured. */

/* Adds the result of a check to the members of "checks". detail: why it failed. Returns ok. */
static bool add_check(struct tb_buf *results, const char *name, bool ok, const char *detail)
{
    tb_json_open(results, name, '{');
    tb_json_member_str(results, "status", ok ? TB_STR("pass") : TB_STR("fail"));
    if (!ok)
        tb_json_member_str(results, "detail", tb_str_of(detail));
    tb_buf_addc(results, '}');
    return ok;
}

static bool check_outbox(const struct tb_api *api, const struct tb_query_context *context,
                         struct tb_buf *results)
{
    struct tb_outbox_status status = {0};
    struct tb_error err = {0};
    enum tb_code code =
        tb_outbox_read_status(context->outbox, api->options.edge->cursor_name, &status, &err);

    return add_check(results, "outbox", code == TB_OK, err.text);
}

/* Reads an order that cannot exist: TB_NOT_FOUND proves that the view is readable. */
static bool check_view(const struct tb_api *api, const struct tb_query_context *context,
                       struct tb_buf *results)
{
    const struct tb_api_edge *edge = api->options.edge;

    struct tb_str no_order = TB_STR("00000000-0000-0000-0000-000000000000");
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t version = 0;
    enum tb_code code = context->view->ops->get(context->view, no_order, &doc, &version, &err);
    bool ok = code == TB_OK || code == TB_NOT_FOUND;

    if (!ok && edge) /* damage that no other reader meets is told and mended, too */
        edge->query_failed(api->options.ctx, &err);
    return add_check(results, "view", ok, err.text);
}

static bool check_disk(const struct tb_api *api, struct tb_buf *results)
{
    const struct tb_api_edge *edge = api->options.edge;
    int64_t free_bytes = edge->disk_free(api->options.ctx);

    bool room = free_bytes < 0 || free_bytes >= edge->disk_reserve_bytes;

    return add_check(results, "disk", room && !tb_writer_found_full(edge->writer),
                     room ? "the disk, or a quota on it, is full: orders are refused with 507"
                          : "the reserve is reached: orders are refused with 507");
}

/* Adds to out who holds the file up, and since when. */
static void describe_hold(struct tb_buf *out, const struct tb_hold *hold)
{
    tb_buf_addf(out, "%s: ", hold->path);
    if (hold->pid > 0)
        tb_buf_addf(out, "%s (pid %lld)", hold->program, (long long)hold->pid);
    else
        tb_buf_adds(out, "another program, or a query of this node,");
    tb_buf_addf(out,
                hold->writes ? " has the write lock for %lld s, so that nothing can be stored"
                             : " reads an old state for %lld s, so that the WAL grows",
                (long long)(hold->held_ms / 1000));
}

static bool is_of_store(const struct tb_hold *hold)
{
    return strcmp(hold->file, TB_HOLD_STORE) == 0;
}

/* Orders cannot be taken while another program has the store's write lock. */
static void describe_lock(const struct tb_api_edge *edge, const struct tb_hold *holds,
                          size_t count, struct tb_buf *detail)
{
    for (size_t i = 0; i < count && detail->len == 0; i++) {
        if (holds[i].writes && is_of_store(&holds[i]))
            describe_hold(detail, &holds[i]);
    }
    if (detail->len == 0 && tb_writer_locked_ms(edge->writer) >= 0)
        tb_buf_adds(detail, "another program has the write lock");
}

/* Orders are taken meanwhile, so /readyz passes; but the WAL grows until the disk is full. */
static void describe_checkpoints(const struct tb_api_edge *edge, struct tb_buf *detail)
{
    for (size_t i = 0; i < edge->checkpoint_count; i++) {
        struct tb_checkpoint_status status;
        char since[TB_TIME_SIZE];

        tb_checkpoints_status(&edge->checkpoints[i], &status);
        if (status.failing_at_ms == 0)
            continue;
        tb_time_format(status.failing_at_ms, since);
        tb_buf_addf(detail, "%s%s cannot be checkpointed since %s, and its WAL grows: %s",
                    detail->len > 0 ? "; " : "", status.file, since, status.problem);
    }
}

static void describe_outage(const struct tb_api_edge *edge, struct tb_buf *detail)
{
    char problem[TB_WRITER_PROBLEM_SIZE];

    tb_writer_problem(edge->writer, problem);
    tb_buf_addf(detail, "the store cannot be written: %s", problem);
}

static bool check_store(const struct tb_api *api, bool all, const struct tb_hold *holds,
                        size_t count, struct tb_buf *results)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf detail = {0};
    const struct tb_api_edge *edge = api->options.edge;
    char damage[TB_DAMAGE_TEXT_SIZE] = "";
    bool ok;

    describe_lock(edge, holds, count, &detail);
    if (detail.len == 0)
        edge->store_damage(api->options.ctx, damage);
    tb_buf_adds(&detail, damage);
    if (detail.len == 0 && tb_writer_found_damage(edge->writer))
        tb_buf_adds(&detail, TB_HOLD_STORE " is damaged or was replaced: stop the node, and put "
                                           "back a copy of it");
    if (detail.len == 0 && !tb_writer_healthy(edge->writer))
        describe_outage(edge, &detail);
    if (all)
        describe_checkpoints(edge, &detail);
    ok = detail.len == 0 && !detail.failed;
    tb_buf_addc(&detail, '\0');
    return add_check(results, "store", ok,
                     tb_buf_ok(&detail) ? detail.data : "the store cannot be written");
}

static bool check_own_log(const struct tb_api *api, struct tb_buf *results)
{
    char problem[240] = "";

    api->options.edge->log_problem(api->options.ctx, problem);
    return add_check(results, "log", problem[0] == '\0', problem);
}

/* Log and view are made from the store. */
static bool check_derived(const struct tb_api *api, struct tb_buf *results)
{
    char damage[TB_DAMAGE_TEXT_SIZE] = "";

    api->options.edge->derived_damage(api->options.ctx, damage);
    return add_check(results, "files", damage[0] == '\0', damage);
}

static bool check_holds(const struct tb_hold *holds, size_t count, struct tb_buf *results)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf detail = {0};

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            tb_buf_adds(&detail, "; ");
        describe_hold(&detail, &holds[i]);
    }
    tb_buf_addc(&detail, '\0');
    return add_check(results, "locks", count == 0,
                     tb_buf_ok(&detail) ? detail.data : "other programs hold the files up");
}

/* Events that wait for a log that is not configured wait until a person does something. */
static bool check_delivery(const struct tb_api *api, const struct tb_query_context *context,
                           struct tb_buf *results)
{
    struct tb_outbox_cursor cursors[TB_OUTBOX_CURSORS_MAX];
    char text[TB_OUTBOX_TEXT_SIZE];
    struct tb_error err = {0};
    size_t count = 0;
    enum tb_code code = tb_unconfigured_cursors(api, context, cursors, &count, &err);

    if (code != TB_OK || count == 0 || cursors[0].pending == 0)
        return add_check(results, "delivery", code == TB_OK, err.text);
    tb_outbox_unconfigured_text(&cursors[0], text); /* most wait for the first one */
    return add_check(results, "delivery", false, text);
}

/* An offline till passes; one that is online and has a problem does not. */
static bool check_link(const struct tb_api *api, struct tb_buf *results)
{
    struct tb_link_status link = {0};

    api->options.edge->link(api->options.ctx, &link);
    return add_check(results, "link", strcmp(link.state, "online") != 0 || !link.problem[0],
                     link.problem);
}

/* A parked order is at this node only, until the log's limit is raised. */
static bool check_parked(const struct tb_api *api, const struct tb_query_context *context,
                         struct tb_buf *results)
{
    const char *cursor_name = api->options.edge->cursor_name;
    struct tb_outbox_status status = {0};
    struct tb_parked_details first = {0};
    struct tb_error err = {0};
    char detail[480];

    if (tb_outbox_read_status(context->outbox, cursor_name, &status, &err) != TB_OK)
        return add_check(results, "parked", false, err.text);
    (void)!tb_outbox_next_parked(context->outbox, cursor_name, "", &first, &err);
    snprintf(detail, sizeof detail,
             "%lld order%s parked, because the log refuses an event (%s): `tillbox link parked`",
             (long long)status.parked, status.parked == 1 ? " is" : "s are", first.reason);
    return add_check(results, "parked", status.parked == 0, detail);
}

/* The centre may lack what is being sent again. */
static bool check_resend(const struct tb_query_context *context, struct tb_buf *results)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf detail = {0};
    bool resending = tb_resend_describe(context, &detail);

    return add_check(results, "resend", !resending,
                     tb_buf_ok(&detail) ? detail.data : "events are sent again to Kafka");
}

static bool check_log(struct tb_api *api, const struct tb_query_context *context,
                      struct tb_buf *results)
{
    struct tb_view_progress progress;
    struct tb_error err = {0};
    enum tb_code code = tb_view_progress_read(api, context, &progress, &err);

    return add_check(results, "log", code == TB_OK && progress.lag_known,
                     "how far the log goes is not known");
}

/* What is a conflict, or was parked, is in the log and not in the view. */
static bool check_events(const struct tb_api *api, const struct tb_query_context *context,
                         struct tb_buf *results)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf detail = {0};
    struct tb_error err = {0};
    bool known = tb_held_describe(api, context, &detail, &err) == TB_OK;
    bool ok = known && detail.len == 0;

    tb_buf_addc(&detail, '\0');
    return add_check(results, "events", ok,
                     known && tb_buf_ok(&detail) ? detail.data : "conflicts are not known");
}

static bool check_consumer(const struct tb_api *api, struct tb_buf *results)
{
    const struct tb_api_options *options = &api->options;
    bool failing = atomic_load(&options->consumer->failing);
    char problem[240] = "";

    if (failing && options->central)
        options->central->problem(options->ctx, problem);
    return add_check(results, "consumer", !failing,
                     problem[0] ? problem : "the view is not being filled");
}

/* Describes what the view lacks of what the store had when the process started; "": nothing. */
static void describe_refill(const struct tb_view_progress *progress, char ret_text[160])
{
    int64_t applied = progress->first_applied, total = progress->first_records;

    ret_text[0] = '\0';
    if (progress->lacks_orders)
        snprintf(ret_text, 160, "the view is being made anew: %lld of %lld orders",
                 (long long)(progress->snapshots.next - 1), (long long)progress->snapshots.last);
    else if (!progress->lag_known)
        snprintf(ret_text, 160, "how far the view goes is not known");
    else if (applied < total)
        snprintf(ret_text, 160, "the view is catching up: %lld of %lld events", (long long)applied,
                 (long long)total);
}

/* True: the relay that feeds the view is held, so that the view stands still. */
static bool is_view_held(const struct tb_api *api)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_link_status link = {0};

    if (strcmp(tb_view_cursor(edge), edge->cursor_name) != 0)
        return false; /* the link is to another log */
    edge->link(api->options.ctx, &link);
    return strcmp(link.state, "forced-offline") == 0;
}

/* Orders that the view has yet to get from the store may be missing in lists and sums. Why it gets
 * none is told by the checks `log` and `consumer`, except for a link that was set offline. */
static bool check_snapshots(struct tb_api *api, const struct tb_query_context *context,
                            struct tb_buf *results)
{
    struct tb_view_progress progress;
    struct tb_error err = {0};
    char missing[160], detail[240];

    if (tb_view_progress_read(api, context, &progress, &err) != TB_OK)
        return add_check(results, "snapshots", false, err.text);
    describe_refill(&progress, missing);
    snprintf(detail, sizeof detail, "%s%s", missing,
             missing[0] && is_view_held(api)
                 ? "; it stands still, because the link is forced offline: "
                   "`tillbox link auto`"
                 : "");
    return add_check(results, "snapshots", missing[0] == '\0', detail);
}

/* Nothing has failed, and yet the view does not move on. Call it after the progress was read. */
static bool check_progress(struct tb_api *api, struct tb_buf *results)
{
    int32_t partition = 0;
    int64_t lag = 0, ms = tb_stalls_longest(api, &partition, &lag);
    char detail[160];

    snprintf(detail, sizeof detail,
             "partition %d stands still for %lld s: the view lacks %lld of its events",
             (int)partition, (long long)(ms / 1000), (long long)lag);
    return add_check(results, "progress", ms == 0, detail);
}

static void reply_health(struct tb_reply *reply, bool ok, const struct tb_buf *results)
{
    struct tb_buf *out = &reply->answer.body;

    tb_buf_adds(out, ok ? "{\"status\":\"pass\"" : "{\"status\":\"fail\"");
    tb_json_open(out, "checks", '{');
    tb_buf_add_str(out, tb_buf_str(results));
    tb_buf_adds(out, "}}");
    out->failed |= results->failed;
    reply->content_type = "application/json";
    tb_reply_done(reply, ok ? 200 : 503);
    if (!ok)
        reply->answer.retry_after_s = 1;
}

enum tb_code tb_health_query(struct tb_api *api, const struct tb_query_context *context,
                             struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf results = {0};
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_hold holds[TB_HOLDS_MAX];
    size_t hold_count = 0;
    bool ok = true, all = strcmp(req->route_path, "/healthz") == 0;

    (void)err; /* what fails is a result */
    if (edge) {
        ok &= check_derived(api, &results);
        hold_count = edge->holds(api->options.ctx, holds);
        ok &= check_store(api, all, holds, hold_count, &results);
        ok &= check_outbox(api, context, &results);
    }
    ok &= check_view(api, context, &results);
    if (all) {
        ok &= edge ? check_disk(api, &results) : check_log(api, context, &results);
        if (edge) {
            ok &= check_own_log(api, &results);
            ok &= check_holds(holds, hold_count, &results);
            ok &= check_delivery(api, context, &results);
            ok &= check_link(api, &results);
            ok &= check_parked(api, context, &results);
            ok &= check_resend(context, &results);
            ok &= check_snapshots(api, context, &results);
        } else
            ok &= check_events(api, context, &results);
        ok &= check_consumer(api, &results);
        ok &= check_progress(api, &results);
    }
    reply_health(reply, ok, &results);
    return TB_OK;
}

void tb_livez_serve(struct tb_request *req)
{
    const struct tb_buf none = {0};

    reply_health(&req->reply, true, &none);
}
