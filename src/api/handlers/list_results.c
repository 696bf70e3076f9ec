#include "api/handlers/context.h"
#include "api/handlers/cursor.h"
#include "api/handlers/delivery.h"
#include "api/http/problem.h"
#include <stdio.h>

struct listing {
    const struct tb_query_context *context;
    const char *cursor_name; /* whose cursor means delivered */
    struct tb_buf *out;
    int64_t last_placed_at_ms;
    char last_order_id[TB_UUID_SIZE];
};

static void add_order(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    struct listing *listing = ctx;

    if (listing->last_order_id[0] != '\0')
        tb_buf_addc(listing->out, ',');
    tb_buf_add_str(listing->out, doc);
    if (listing->context->outbox != NULL)
        tb_delivery_add(listing->context->outbox, listing->cursor_name, order_id, listing->out);
    listing->last_placed_at_ms = placed_at_ms;
    (void)snprintf(listing->last_order_id, sizeof(listing->last_order_id), "%.*s",
                   (int)order_id.len, order_id.ptr);
}

static void add_link(const struct tb_request *req, const char *cursor, struct tb_buf *out)
{
    struct tb_str rest = req->query_string;

    tb_buf_addf(out, "<%s?", req->route_path);
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '&', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        if (len > 0 && !(len >= 7 && memcmp(rest.ptr, "cursor=", 7) == 0)) {
            tb_buf_add(out, rest.ptr, len);
            tb_buf_addc(out, '&');
        }
        rest.ptr += len + (end != NULL);
        rest.len -= len + (end != NULL);
    }
    tb_buf_addf(out, "cursor=%s>; rel=\"next\"", cursor);
}

enum tb_code tb_list_end(const struct tb_request *req, const char *cursor, struct tb_reply *reply,
                         struct tb_error *err)
{
    struct tb_buf *out = &reply->answer.body;

    tb_buf_addc(out, ']');
    if (cursor != NULL) {
        tb_json_member_str(out, "next", tb_str_of(cursor));
        add_link(req, cursor, &reply->link);
    }
    tb_buf_addc(out, '}');
    if (!tb_buf_ok(&reply->link))
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    return TB_OK;
}

static enum tb_code list(const struct tb_api *api, const struct tb_query_context *context,
                         const struct tb_request *req, struct tb_reply *reply,
                         struct tb_error *err)
{
    const struct tb_api_edge *edge = api->options.edge;
    struct tb_buf *out = &reply->answer.body;
    struct listing listing = {
        .context = context, .out = out, .cursor_name = edge != NULL ? edge->cursor_name : NULL};
    bool more = false;
    char cursor[TB_PAGE_CURSOR_SIZE];

    tb_buf_adds(out, "{\"orders\":[");
    TB_TRY(context->view->ops->list(context->view, req->handler_data, add_order, &listing, &more,
                                    err));
    if (!more || listing.last_order_id[0] == '\0')
        return tb_list_end(req, NULL, reply, err);
    tb_order_cursor_format(listing.last_placed_at_ms, listing.last_order_id, cursor);
    return tb_list_end(req, cursor, reply, err);
}

void tb_query_order_list(struct tb_api *api, const struct tb_query_context *context,
                         struct tb_request *req, struct tb_reply *reply)
{
    struct tb_error err = {0};

    if (list(api, context, req, reply, &err) == TB_OK)
        tb_reply_done(reply, 200);
    else
        tb_refuse_error(reply, &err);
}

static void add_rows(struct tb_buf *out, const char *name, const struct tb_stats_row *rows,
                     size_t count, bool keyed)
{
    tb_json_member_key(out, name);
    tb_buf_addc(out, '[');
    for (size_t i = 0; i < count; i++) {
        tb_buf_adds(out, i > 0 ? ",{" : "{");
        if (keyed)
            tb_json_member_str(out, "key", tb_str_of(rows[i].key));
        tb_json_member_str(out, "currency", tb_str_of(rows[i].currency));
        tb_json_member_int(out, "orders", rows[i].orders);
        tb_json_member_int(out, "returns", rows[i].returns);
        tb_json_member_int(out, "cancelled", rows[i].cancelled);
        tb_json_member_int(out, "totalMinor", rows[i].total_minor);
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
}

/* Up to when the view has everything: on an edge the log and the outbox tell, on a central what
 * each node has reported of itself. */
static enum tb_code add_completeness(struct tb_api *api, const struct tb_query_context *context,
                                     struct tb_request *req, struct tb_buf *out,
                                     struct tb_error *err)
{
    struct tb_view_progress figures;

    if (api->options.central != NULL)
        return tb_nodes_add_completeness(api, &req->arena, out, err);
    TB_TRY(tb_view_progress_read(api, context, &figures, err));
    tb_json_member_time(out, "asOf", figures.complete_ms);
    return TB_OK;
}

/* Completeness first: what comes meanwhile is then counted and not promised, never the reverse. */
static enum tb_code stats(struct tb_api *api, const struct tb_query_context *context,
                          struct tb_request *req, struct tb_buf *out, struct tb_error *err)
{
    const struct tb_stats_filter *filter = req->handler_data;
    struct tb_stats found = {0};

    tb_buf_addc(out, '{');
    TB_TRY(add_completeness(api, context, req, out, err));
    TB_TRY(context->view->ops->stats(context->view, filter, &req->arena, &found, err));
    add_rows(out, "totals", found.totals, found.total_count, false);
    if (filter->group_by != TB_GROUP_NONE)
        add_rows(out, "groups", found.groups, found.group_count, true);
    tb_buf_addc(out, '}');
    return TB_OK;
}

void tb_query_order_stats(struct tb_api *api, const struct tb_query_context *context,
                          struct tb_request *req, struct tb_reply *reply)
{
    struct tb_error err = {0};

    if (stats(api, context, req, &reply->answer.body, &err) == TB_OK)
        tb_reply_done(reply, 200);
    else
        tb_refuse_error(reply, &err);
}
