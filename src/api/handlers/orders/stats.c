#include "api/handlers/context.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"

static bool read_group_by(struct tb_request *req, struct tb_str text,
                          enum tb_group_by *ret_group_by)
{
    static const char *const names[] = {
        [TB_GROUP_DAY] = "day", [TB_GROUP_NODE] = "node", [TB_GROUP_STATUS] = "status"};

    if (!text.ptr)
        return true;
    for (enum tb_group_by g = TB_GROUP_DAY; g <= TB_GROUP_STATUS; g++) {
        if (tb_str_eq(text, tb_str_of(names[g]))) {
            *ret_group_by = g;
            return true;
        }
    }
    return tb_param_refuse(req, "groupBy", "day, node or status");
}

static void add_rows(struct tb_buf *out, const char *name, const struct tb_stats_row *rows,
                     size_t count, bool keyed)
{
    tb_json_open(out, name, '[');
    for (size_t i = 0; i < count; i++) {
        tb_json_open(out, NULL, '{');
        if (keyed)
            tb_json_member_str(out, "key", tb_str_of(rows[i].key));
        tb_json_member_str(out, "currency", tb_str_of(rows[i].currency));
        tb_json_member_int(out, "orders", rows[i].orders);
        tb_json_member_int(out, "returns", rows[i].returns);
        tb_json_member_int(out, "cancelled", rows[i].cancelled);
        tb_sum_add_member(out, "totalMinor", rows[i].total_minor);
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
}

/* Adds the time up to which the view is complete. An edge finds it in its log and outbox, a
 * central in the heartbeats of the nodes. */
static enum tb_code add_completeness(struct tb_api *api, const struct tb_query_context *context,
                                     struct tb_request *req, struct tb_buf *out,
                                     struct tb_error *err)
{
    struct tb_view_progress progress;

    if (api->options.central)
        return tb_nodes_add_completeness(api, &req->arena, out, err);
    TB_TRY(tb_view_progress_read(api, context, &progress, err));
    tb_json_member_time(out, "asOf", progress.complete_ms);
    return TB_OK;
}

/* Reads the completeness before the sums. So the sums may have newer orders too, but never miss
 * one from before that time. */
enum tb_code tb_stats_query(struct tb_api *api, const struct tb_query_context *context,
                            struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    const struct tb_stats_filter *filter = req->handler_data;
    struct tb_buf *out = &reply->answer.body;
    struct tb_stats stats = {0};

    tb_buf_addc(out, '{');
    TB_TRY(add_completeness(api, context, req, out, err));
    TB_TRY(context->view->ops->stats(context->view, filter, &req->arena, &stats, err));
    add_rows(out, "totals", stats.totals, stats.total_count, false);
    if (filter->group_by != TB_GROUP_NONE)
        add_rows(out, "groups", stats.groups, stats.group_count, true);
    tb_buf_addc(out, '}');
    return TB_OK;
}

/* A date is a business date of the nodes, a time one of placedAt. */
static bool read_limit(struct tb_request *req, const char *name, bool *ret_has, int64_t *ret_ms,
                       char ret_date[TB_DATE_SIZE])
{
    struct tb_str text = tb_param(req->params, name);

    if (!text.ptr || !tb_date_valid(text))
        return tb_param_time(req, name, ret_has, ret_ms);
    memcpy(ret_date, text.ptr, text.len);
    return true;
}

bool tb_stats_read(struct tb_request *req)
{
    struct tb_stats_filter *filter = tb_request_data(req, sizeof *filter);

    return filter &&
           read_limit(req, "from", &filter->has_from, &filter->from_ms, filter->from_date) &&
           read_limit(req, "to", &filter->has_to, &filter->to_ms, filter->to_date) &&
           read_group_by(req, tb_param(req->params, "groupBy"), &filter->group_by);
}
