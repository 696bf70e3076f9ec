#include "api/handlers/context.h"
#include "api/http/problem.h"

struct tb_json *tb_body_parse(struct tb_request *req)
{
    struct tb_json *root = NULL;
    struct tb_error err = {0};

    if (tb_json_parse(tb_buf_str(&req->body), (int)req->api->options.depth_max, &root, &err) !=
        TB_OK)
        tb_refuse_error(&req->reply, &err);
    return root;
}

static void add_link(const struct tb_request *req, const char *cursor, struct tb_buf *out)
{
    struct tb_str rest = req->query_string;

    tb_buf_addf(out, "<%s?", req->route_path);
    while (rest.ptr) {
        struct tb_str param = tb_str_cut(&rest, '&');

        if (param.len == 0 || strncmp(param.ptr, "cursor=", strlen("cursor=")) == 0)
            continue;
        tb_buf_add_str(out, param);
        tb_buf_addc(out, '&');
    }
    tb_buf_addf(out, "cursor=%s>; rel=\"next\"", cursor);
}

enum tb_code tb_list_end(const struct tb_request *req, const char *cursor, struct tb_reply *reply,
                         struct tb_error *err)
{
    struct tb_buf *out = &reply->answer.body;

    tb_buf_addc(out, ']');
    if (cursor[0] != '\0') {
        tb_json_member_str(out, "next", tb_str_of(cursor));
        add_link(req, cursor, &reply->link);
    }
    tb_buf_addc(out, '}');
    return tb_buf_ok(&reply->link) ? TB_OK : tb_error_set(err, TB_UNAVAILABLE, "out of memory");
}

void tb_delivery_add(const struct tb_api *api, const struct tb_query_context *context,
                     struct tb_str order_id, struct tb_buf *out)
{
    struct tb_error err = {0};
    bool delivered = false;

    if (!context->outbox || !tb_buf_ok(out) ||
        tb_outbox_order_delivered(context->outbox, api->options.edge->cursor_name, order_id,
                                  &delivered, &err) != TB_OK)
        return;
    TB_ASSERT(out->len > 1 && out->data[out->len - 1] == '}');
    out->len--;
    tb_json_member_str(out, "delivery", delivered ? TB_STR("delivered") : TB_STR("pending"));
    tb_buf_addc(out, '}');
}

enum tb_code tb_unconfigured_cursors(const struct tb_api *api,
                                     const struct tb_query_context *context,
                                     struct tb_outbox_cursor ret_cursors[TB_OUTBOX_CURSORS_MAX],
                                     size_t *ret_count, struct tb_error *err)
{
    const struct tb_api_edge *edge = api->options.edge;
    size_t all = 0, count = 0;

    TB_TRY(tb_outbox_list_cursors(context->outbox, ret_cursors, &all, err));
    for (size_t i = 0; i < all; i++) {
        const char *name = ret_cursors[i].name;

        if (strcmp(name, edge->cursor_name) != 0 &&
            (!edge->view_cursor_name || strcmp(name, edge->view_cursor_name) != 0))
            ret_cursors[count++] = ret_cursors[i];
    }
    *ret_count = count;
    return TB_OK;
}

void tb_metric_states(struct tb_buf *out, const char *name, const char *help,
                      const char *const *states, const char *current)
{
    tb_metric_head(out, name, "gauge", help);
    for (; *states; states++)
        tb_buf_addf(out, "%s{state=\"%s\"} %d\n", name, *states, strcmp(*states, current) == 0);
}

void tb_refuse_sending(struct tb_request *req, const struct tb_job *job)
{
    struct tb_error err = {0};

    if (job->code == TB_CONFLICT) {
        tb_refuse(&req->reply, 409,
                  "The log %s is not configured ([log] kind), so that nothing can be sent to it.",
                  job->log);
        return;
    }
    (void)tb_error_set(&err, job->code, "the request could not be stored; repeat it");
    tb_refuse_error(&req->reply, &err);
}
