#include "api/handlers/dead_letters.h"
#include "api/handlers/cursor.h"
#include "api/http/conn.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 500
#define REASON_PREFIX "tillbox."

struct tb_dead_letter_params *tb_dead_letter_params_new(struct tb_request *req)
{
    struct tb_dead_letter_params *query = tb_request_data(req, sizeof *query);

    if (query && req->method != TB_GET && req->method != TB_HEAD)
        tb_socket_peer_text(req->conn->fd, query->requester);
    return query;
}

/* {id} in the path names the dead letter; there are no query parameters. */
bool tb_dead_letter_read(struct tb_request *req)
{
    struct tb_dead_letter_params *query = tb_dead_letter_params_new(req);
    struct tb_str topic;

    if (!query)
        return false;
    if (tb_dead_letter_id_parse(req->path_id, &topic, &query->position) &&
        tb_str_eq(topic, tb_str_of(req->api->options.topic)))
        return tb_params_read(req, "");
    tb_refuse(&req->reply, 404, "The view has no such dead letter.");
    return false;
}

void tb_dead_letter_audit(struct tb_api *api, const struct tb_request *req, const char *what,
                          const struct tb_dead_letter *dead_letter, enum tb_code outcome)
{
    const struct tb_dead_letter_params *query = req->handler_data;
    const struct tb_api_options *options = &api->options;
    char id[TB_DEAD_LETTER_ID_SIZE];

    if (outcome != TB_OK && outcome != TB_UNKNOWN)
        return;
    tb_dead_letter_id_format(options->topic, dead_letter->position, id);
    options->dead_letters.audit(options->ctx, what, outcome == TB_OK, id, dead_letter->order_id,
                                query->requester);
}

/* A reason may be given without its prefix: "gap" means "tillbox.gap". */
static bool read_reason(struct tb_request *req, struct tb_str text, struct tb_str *ret_reason)
{
    static const char *const reasons[] = {REASON_PREFIX "decode",   REASON_PREFIX "invalid",
                                          REASON_PREFIX "gap",      REASON_PREFIX "apply",
                                          REASON_PREFIX "conflict", REASON_PREFIX "parked"};

    if (!text.ptr)
        return true;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        *ret_reason = tb_str_of(reasons[i]);
        struct tb_str bare = {ret_reason->ptr + sizeof REASON_PREFIX - 1,
                              ret_reason->len - (sizeof REASON_PREFIX - 1)};
        if (tb_str_eq(text, *ret_reason) || tb_str_eq(text, bare))
            return true;
    }
    return tb_param_refuse(req, "reason", "decode, invalid, gap, apply, conflict or parked");
}

bool tb_dead_letter_read_order(struct tb_request *req, struct tb_str text,
                               char ret_id[TB_UUID_SIZE])
{
    return (text.ptr && tb_uuid_parse(text, ret_id)) ||
           tb_param_refuse(req, "orderId", "an order's id, which is a UUID");
}

bool tb_dead_letters_read(struct tb_request *req)
{
    struct tb_dead_letter_params *query = tb_dead_letter_params_new(req);

    if (!query)
        return false;
    struct tb_dead_letter_filter *filter = &query->filter;
    struct tb_str order_id = tb_param(req->params, "orderId");
    struct tb_str status = tb_param(req->params, "status");
    struct tb_str cursor = tb_param(req->params, "cursor");
    if (order_id.ptr) {
        if (!tb_dead_letter_read_order(req, order_id, query->order_id))
            return false;
        filter->order_id = tb_str_of(query->order_id);
    }
    filter->type = tb_param(req->params, "type");
    filter->has_status = status.ptr;
    filter->has_after = cursor.ptr;
    if (filter->has_status && !tb_dead_letter_status_parse(status, &filter->status))
        return tb_param_refuse(req, "status", "open, replayed or dropped");
    if (!tb_param_limit(req, LIMIT_DEFAULT, LIMIT_MAX, &filter->limit))
        return false;
    if (filter->has_after &&
        !tb_dead_letter_cursor_parse(cursor, &filter->after_dead_at_ms, &filter->after))
        return tb_param_refuse(req, "cursor", "one that a list gave as next");
    return read_reason(req, tb_param(req->params, "reason"), &filter->reason) &&
           tb_param_time(req, "since", &filter->has_since, &filter->since_ms);
}

struct page {
    const char *topic;
    struct tb_buf *out;
    size_t count; /* dead letters in it; the last of them is: */
    int64_t last_dead_at_ms;
    struct tb_dead_letter_position last;
};

/* A page holds at least one dead letter, however large that is. */
static bool add_dead_letter(void *ctx, const struct tb_dead_letter *dead_letter)
{
    struct page *page = ctx;

    if (page->count > 0 && page->out->len >= TB_PAGE_BYTES_MAX)
        return false;
    page->count++;
    tb_dead_letter_add_json(page->out, page->topic, dead_letter);
    page->last_dead_at_ms = dead_letter->dead_at_ms;
    page->last = dead_letter->position;
    return true;
}

enum tb_code tb_dead_letters_query(struct tb_api *api, const struct tb_query_context *context,
                                   struct tb_request *req, struct tb_reply *reply,
                                   struct tb_error *err)
{
    const struct tb_dead_letter_params *query = req->handler_data;
    struct page page = {.topic = api->options.topic, .out = &reply->answer.body};
    char cursor[TB_PAGE_CURSOR_SIZE] = "";
    bool more = false;

    tb_buf_adds(page.out, "{\"deadLetters\":[");
    TB_TRY(context->view->ops->list_dead_letters(context->view, &query->filter, add_dead_letter,
                                                 &page, &more, err));
    if (more && page.count > 0)
        tb_dead_letter_cursor_format(page.last_dead_at_ms, page.last, cursor);
    return tb_list_end(req, cursor, reply, err);
}

enum tb_code tb_dead_letter_query(struct tb_api *api, const struct tb_query_context *context,
                                  struct tb_request *req, struct tb_reply *reply,
                                  struct tb_error *err)
{
    const struct tb_dead_letter_params *query = req->handler_data;
    struct tb_dead_letter dead_letter;

    TB_TRY(context->view->ops->get_dead_letter(context->view, query->position, &req->arena,
                                               &dead_letter, err));
    tb_dead_letter_add_json(&reply->answer.body, api->options.topic, &dead_letter);
    return TB_OK;
}

enum tb_code tb_dead_letter_drop_query(struct tb_api *api, const struct tb_query_context *context,
                                       struct tb_request *req, struct tb_reply *reply,
                                       struct tb_error *err)
{
    const struct tb_dead_letter_params *query = req->handler_data;
    const struct tb_api_options *options = &api->options;
    struct tb_buf *out = &reply->answer.body;
    struct tb_dead_letter dead_letter;
    char id[TB_DEAD_LETTER_ID_SIZE];
    enum tb_code code;

    TB_TRY(context->view->ops->get_dead_letter(context->view, query->position, &req->arena,
                                               &dead_letter, err));
    code = options->dead_letters.drop(options->ctx, query->position, err);
    tb_dead_letter_audit(api, req, "dropped", &dead_letter, code);
    TB_TRY(code);
    tb_dead_letter_id_format(options->topic, query->position, id);
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "id", tb_str_of(id));
    tb_json_member_str(out, "status", TB_STR("dropped"));
    tb_buf_addc(out, '}');
    return TB_OK;
}
