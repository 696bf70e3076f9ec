#include "api/handlers/dead_letters.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"
#include "query/dead_letters/replay.h"

/* One request sends at most this many dead letters of an order. The query thread waits for the
 * acknowledgement of each, and cannot answer other requests meanwhile. */
#define REPLAY_MAX 500

/* A given value must be an event of the dead letter's order, because the events of another order
 * may belong in another partition. If a header of the record names its order, the consumer checks
 * that. */
static enum tb_code check_order(const struct tb_dead_letter *dead_letter, struct tb_str value,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *event = NULL;
    const struct tb_json *member;
    char order_id[TB_UUID_SIZE];

    for (size_t i = 0; i < dead_letter->header_count; i++) {
        if (tb_str_eq(dead_letter->headers[i].name, TB_STR("ce_subject")))
            return TB_OK;
    }
    TB_TRY(tb_json_parse(value, TB_JSON_DEPTH_MAX, &event, err));
    member = tb_json_get(event, "orderId");
    if (dead_letter->order_id[0] == '\0' || !member ||
        !tb_uuid_parse(tb_json_string(member), order_id) ||
        strcmp(order_id, dead_letter->order_id) == 0)
        return TB_OK;
    return tb_error_set(err, TB_INVALID, "the given value is of another order than the letter");
}

static enum tb_code send_event(struct tb_api *api, const struct tb_request *req,
                               const struct tb_dead_letter *dead_letter, struct tb_arena *arena,
                               struct tb_error *err)
{
    const struct tb_dead_letter_params *query = req->handler_data;
    const struct tb_api_options *options = &api->options;
    struct tb_record record;
    enum tb_code code;

    if (query->value.ptr)
        TB_TRY(check_order(dead_letter, query->value, err));
    TB_TRY(tb_replay_record(dead_letter, options->topic, query->value, /* followed= */ false,
                            arena, &record, err));
    code = options->dead_letters.send(options->ctx, &record, err);
    tb_dead_letter_audit(api, req, "replayed", dead_letter, code);
    return code;
}

/* TB_INVALID becomes a 422: the request is well-formed, but the log will never take the event. */
static enum tb_code reply_sent(struct tb_reply *reply, enum tb_code code, int64_t sent,
                               int64_t left, bool more, const struct tb_error *err)
{
    struct tb_buf *out = &reply->answer.body;

    if (code == TB_INVALID) {
        tb_refuse(reply, 422, "%s", err->text);
        return TB_OK;
    }
    TB_TRY(code);
    tb_buf_addc(out, '{');
    tb_json_member_int(out, "sent", sent);
    if (left > 0)
        tb_json_member_int(out, "left", left);
    if (more)
        tb_json_member_bool(out, "more", true);
    tb_buf_addc(out, '}');
    tb_reply_done(reply, 202);
    return TB_OK;
}

static enum tb_code send_one(struct tb_api *api, const struct tb_query_context *context,
                             struct tb_request *req, struct tb_error *err)
{
    const struct tb_dead_letter_params *query = req->handler_data;
    struct tb_dead_letter dead_letter;

    TB_TRY(context->view->ops->get_dead_letter(context->view, query->position, &req->arena,
                                               &dead_letter, err));
    if (dead_letter.status == TB_DEAD_LETTER_REPLAYED)
        return tb_error_set(err, TB_CONFLICT,
                            "the dead letter was replayed: it is needed no more");
    return send_event(api, req, &dead_letter, &req->arena, err);
}

enum tb_code tb_dead_letter_replay_query(struct tb_api *api,
                                         const struct tb_query_context *context,
                                         struct tb_request *req, struct tb_reply *reply,
                                         struct tb_error *err)
{
    return reply_sent(reply, send_one(api, context, req, err), 1, 0, false, err);
}

/* Positions of an order's open dead letters, sorted as in the log. */
struct positions {
    struct tb_dead_letter_position list[REPLAY_MAX];
    size_t count;
};

static bool add_position(void *ctx, const struct tb_dead_letter *dead_letter)
{
    struct positions *positions = ctx;

    if (positions->count == REPLAY_MAX)
        return false;
    positions->list[positions->count++] = dead_letter->position;
    return true;
}

/* Sends each dead letter after the log has acknowledged the one before. A dead letter that can
 * never be sent as it is stays open and is counted in *ret_left. Any other failure ends the
 * replay, so that no later event of the order gets into the log first. */
static enum tb_code send_all(struct tb_api *api, const struct tb_query_context *context,
                             const struct tb_request *req, const struct positions *positions,
                             int64_t *ret_sent, int64_t *ret_left, struct tb_error *err)
{
    for (size_t i = 0; i < positions->count; i++) {
        TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
        struct tb_dead_letter dead_letter;
        enum tb_code code = context->view->ops->get_dead_letter(context->view, positions->list[i],
                                                                &arena, &dead_letter, err);

        if (code == TB_NOT_FOUND) /* retention has removed it meanwhile */
            continue;
        TB_TRY(code);
        if (dead_letter.status != TB_DEAD_LETTER_OPEN)
            continue;
        code = send_event(api, req, &dead_letter, &arena, err);
        *ret_sent += code == TB_OK;
        *ret_left += code == TB_CONFLICT || code == TB_INVALID;
        if (code != TB_OK && code != TB_CONFLICT && code != TB_INVALID)
            return code;
    }
    return TB_OK;
}

enum tb_code tb_dead_letters_replay_query(struct tb_api *api,
                                          const struct tb_query_context *context,
                                          struct tb_request *req, struct tb_reply *reply,
                                          struct tb_error *err)
{
    const struct tb_dead_letter_params *query = req->handler_data;
    const struct tb_dead_letter_filter filter = {.order_id = tb_str_of(query->order_id),
                                                 .has_status = true,
                                                 .status = TB_DEAD_LETTER_OPEN,
                                                 .limit = REPLAY_MAX};
    struct positions *positions = tb_arena_alloc(&req->arena, sizeof *positions);
    int64_t sent = 0, left = 0;
    bool more = false;
    enum tb_code code;

    if (!positions)
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    code = context->view->ops->list_dead_letters(context->view, &filter, add_position, positions,
                                                 &more, err);
    if (code == TB_OK)
        code = send_all(api, context, req, positions, &sent, &left, err);
    return reply_sent(reply, code, sent, left, more, err);
}

static bool refuse_value(struct tb_request *req, const char *pointer, const char *detail)
{
    tb_refuse_body(&req->reply, "The body must be {\"value\":...}.", pointer, detail);
    return false;
}

/* Reads the event to send: an object, or a string with the text of one, of which not a byte is
 * changed. */
static bool read_value(struct tb_request *req, const struct tb_json *value)
{
    struct tb_dead_letter_params *query = req->handler_data;
    TB_CLEANUP(tb_json_freep) struct tb_json *event = NULL;
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    struct tb_error err = {0};

    if (tb_json_type(value) == TB_JSON_STRING)
        tb_buf_add_str(&text, tb_json_string(value));
    else
        tb_json_print(&text, value);
    if (tb_buf_ok(&text))
        query->value = tb_arena_copy(&req->arena, tb_buf_str(&text));
    if (!query->value.ptr) {
        tb_refuse_for_now(&req->reply, 503, 1, "Out of memory.");
        return false;
    }
    if (tb_json_parse(query->value, TB_JSON_DEPTH_MAX, &event, &err) != TB_OK)
        return refuse_value(req, "/value", err.text);
    return tb_json_type(event) == TB_JSON_OBJECT ||
           refuse_value(req, "/value", "must be an event: an object, or the text of one");
}

/* Without a body the dead letter's own value is sent. */
bool tb_dead_letter_replay_read(struct tb_request *req)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;

    if (!tb_dead_letter_read(req) || req->body.len == 0)
        return !tb_reply_filled(&req->reply);
    root = tb_body_parse(req);
    if (!root)
        return false;
    const struct tb_json *value = tb_json_get(root, "value");
    if (tb_json_type(root) != TB_JSON_OBJECT)
        return refuse_value(req, "", "must be an object");
    if (!value)
        return refuse_value(req, "/value", "is missing");
    if (tb_json_count(root) != 1)
        return refuse_value(req, "", "must have no other field than value");
    return read_value(req, value);
}

bool tb_dead_letters_replay_read(struct tb_request *req)
{
    struct tb_dead_letter_params *query = tb_dead_letter_params_new(req);

    if (query && req->body.len > 0)
        tb_refuse(&req->reply, 422, "Letters of an order are sent again as they are: no body.");
    else if (query)
        return tb_dead_letter_read_order(req, tb_param(req->params, "orderId"), query->order_id);
    return false;
}
