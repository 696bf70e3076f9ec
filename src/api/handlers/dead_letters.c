#include "api/handlers/dead_letters.h"
#include "api/http/conn.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 500
#define REASON_PREFIX "tillbox."

static struct tb_dead_letter_query *new_question(struct tb_request *req)
{
    struct tb_dead_letter_query *question = tb_request_data(req, sizeof *question);

    if (question && (req->method == TB_POST || req->method == TB_DELETE))
        tb_socket_peer_text(req->conn->fd, question->who);
    return question;
}

/* "gap" and "tillbox.gap". */
static bool take_reason(struct tb_request *req, struct tb_str text, struct tb_str *ret_reason)
{
    static const char *const reasons[] = {REASON_PREFIX "decode", REASON_PREFIX "invalid",
                                          REASON_PREFIX "gap", REASON_PREFIX "apply"};

    if (text.ptr == NULL)
        return true;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (!tb_str_eq(text, tb_str_of(reasons[i])) &&
            !tb_str_eq(text, tb_str_of(reasons[i] + sizeof(REASON_PREFIX) - 1)))
            continue;
        *ret_reason = tb_str_of(reasons[i]);
        return true;
    }
    return tb_param_refuse(req, "reason", "decode, invalid, gap or apply");
}

static bool take_order(struct tb_request *req, struct tb_str text, char ret_id[TB_UUID_SIZE])
{
    if (text.ptr != NULL && tb_uuid_parse(text, ret_id))
        return true;
    return tb_param_refuse(req, "orderId", "an order's id, which is a UUID");
}

static bool take_filter(struct tb_request *req, struct tb_dead_letter_query *question)
{
    static const char *const allowed[] = {"orderId", "type",  "reason", "since",
                                          "status",  "limit", "cursor", NULL};
    struct tb_dead_letter_filter *filter = &question->filter;
    struct tb_params params;

    if (!tb_params_read(req, allowed, &params))
        return false;
    struct tb_str order_id = tb_param(&params, "orderId"), status = tb_param(&params, "status");
    struct tb_str cursor = tb_param(&params, "cursor");
    if (order_id.ptr != NULL) {
        if (!take_order(req, order_id, question->order_id))
            return false;
        filter->order_id = tb_str_of(question->order_id);
    }
    filter->type = tb_param(&params, "type");
    filter->has_status = status.ptr != NULL;
    filter->has_after = cursor.ptr != NULL;
    if (filter->has_status && !tb_dead_letter_status_parse(status, &filter->status))
        return tb_param_refuse(req, "status", "open, replayed or dropped");
    filter->limit = LIMIT_DEFAULT;
    if (!tb_param_limit(req, &params, LIMIT_MAX, &filter->limit))
        return false;
    if (filter->has_after &&
        !tb_dead_letter_cursor_parse(cursor, &filter->after_dead_at_ms, &filter->after))
        return tb_param_refuse(req, "cursor", "one that a list gave as next");
    return take_reason(req, tb_param(&params, "reason"), &filter->reason) &&
           tb_param_time(req, &params, "since", &filter->has_since, &filter->since_ms);
}

void tb_dead_letters_serve(struct tb_api *api, struct tb_request *req)
{
    struct tb_dead_letter_query *question = new_question(req);

    if (question != NULL && take_filter(req, question))
        tb_query_submit(&api->lists, req, tb_query_dead_letters);
}

/* The {id} of the path: of a letter of the topic that is read here. */
static bool take_place(const struct tb_api *api, struct tb_request *req,
                       struct tb_dead_letter_query *question)
{
    struct tb_str topic;

    if (tb_dead_letter_id_parse(req->path_id, &topic, &question->position) &&
        tb_str_eq(topic, tb_str_of(api->options.topic)))
        return true;
    tb_refuse(&req->reply, 404, "The view has no such dead letter.");
    return false;
}

static void serve_one(struct tb_api *api, struct tb_request *req, tb_query_fn *query)
{
    struct tb_dead_letter_query *question = new_question(req);

    if (question && take_place(api, req, question) && tb_params_none(req))
        tb_query_submit(&api->lists, req, query);
}

void tb_dead_letter_serve(struct tb_api *api, struct tb_request *req)
{
    serve_one(api, req, tb_query_dead_letter);
}

void tb_dead_letter_drop_serve(struct tb_api *api, struct tb_request *req)
{
    serve_one(api, req, tb_drop_dead_letter);
}

static bool refuse_value(struct tb_request *req, const char *pointer, const char *detail)
{
    tb_refuse_body(&req->reply, "The body must be {\"value\":...}.", pointer, detail);
    return false;
}

/* An event as an object, or its text, which is then sent byte for byte. */
static bool take_value(struct tb_request *req, const struct tb_json *value,
                       struct tb_dead_letter_query *question)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *event = NULL;
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    struct tb_error err = {0};

    if (tb_json_type(value) == TB_JSON_STRING)
        tb_buf_add_str(&text, tb_json_string(value));
    else
        tb_json_print(&text, value);
    if (tb_buf_ok(&text))
        question->value = tb_arena_copy(&req->arena, tb_buf_str(&text));
    if (question->value.ptr == NULL) {
        tb_refuse_for_now(&req->reply, 503, 1, "Out of memory.");
        return false;
    }
    if (tb_json_parse(question->value, TB_JSON_DEPTH_MAX, &event, &err) != TB_OK)
        return refuse_value(req, "/value", err.text);
    if (tb_json_type(event) != TB_JSON_OBJECT)
        return refuse_value(req, "/value", "must be an event: an object, or the text of one");
    return true;
}

/* No body: the letter's own value. */
static bool take_body(struct tb_api *api, struct tb_request *req,
                      struct tb_dead_letter_query *question)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    struct tb_error err = {0};

    if (req->body.len == 0)
        return true;
    if (tb_json_parse(tb_buf_str(&req->body), (int)api->options.depth_max, &root, &err) != TB_OK) {
        tb_refuse_error(&req->reply, &err);
        return false;
    }
    const struct tb_json *value = tb_json_get(root, "value");
    if (tb_json_type(root) != TB_JSON_OBJECT)
        return refuse_value(req, "", "must be an object");
    if (value == NULL)
        return refuse_value(req, "/value", "is missing");
    if (tb_json_count(root) != 1)
        return refuse_value(req, "", "must have no other field than value");
    return take_value(req, value, question);
}

void tb_dead_letter_replay_serve(struct tb_api *api, struct tb_request *req)
{
    struct tb_dead_letter_query *question = new_question(req);

    if (question != NULL && take_place(api, req, question) && tb_params_none(req) &&
        take_body(api, req, question))
        tb_query_submit(&api->lists, req, tb_replay_dead_letter);
}

void tb_dead_letters_replay_serve(struct tb_api *api, struct tb_request *req)
{
    static const char *const allowed[] = {"orderId", NULL};
    struct tb_dead_letter_query *question = new_question(req);
    struct tb_params params;

    if (question == NULL || !tb_params_read(req, allowed, &params))
        return;
    if (req->body.len > 0)
        tb_refuse(&req->reply, 422, "Letters of an order are sent again as they are: no body.");
    else if (take_order(req, tb_param(&params, "orderId"), question->order_id))
        tb_query_submit(&api->lists, req, tb_replay_dead_letters);
}
