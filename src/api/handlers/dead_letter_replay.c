#include "api/handlers/dead_letters.h"
#include "api/http/problem.h"
#include "query/dead_letters/replay.h"

/* What was done, or perhaps was; of what definitely was not there is nothing to keep. */
static void audit(struct tb_api *api, const struct tb_dead_letter_query *question,
                  const char *what, struct tb_dead_letter_position place, const char *order_id,
                  enum tb_code outcome)
{
    const struct tb_api_options *options = &api->options;
    char id[TB_DEAD_LETTER_ID_SIZE];

    tb_dead_letter_id_format(options->topic, place, id);
    if (outcome == TB_OK || outcome == TB_UNKNOWN)
        options->dead_letters.audit(options->ctx, what, outcome == TB_OK, id, order_id,
                                    question->who);
}

/* A mended event is still of the letter's order: in this partition no other's may stand. Where the
 * record tells its order in a header, the consumer looks at that itself. */
static enum tb_code check_order(const struct tb_dead_letter *letter, struct tb_str value,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *event = NULL;
    const struct tb_json *told;
    char order_id[TB_UUID_SIZE];

    for (size_t i = 0; i < letter->header_count; i++) {
        if (tb_str_eq(letter->headers[i].name, TB_STR("ce_subject")))
            return TB_OK;
    }
    TB_TRY(tb_json_parse(value, TB_JSON_DEPTH_MAX, &event, err));
    told = tb_json_get(event, "orderId");
    if (letter->order_id[0] == '\0' || told == NULL ||
        !tb_uuid_parse(tb_json_string(told), order_id) || strcmp(order_id, letter->order_id) == 0)
        return TB_OK;
    return tb_error_set(err, TB_INVALID, "the given value is of another order than the letter");
}

static enum tb_code send_again(struct tb_api *api, const struct tb_dead_letter_query *question,
                               const struct tb_dead_letter *letter, struct tb_arena *arena,
                               struct tb_error *err)
{
    const struct tb_api_options *options = &api->options;
    struct tb_record record;
    enum tb_code code;

    if (question->value.ptr != NULL)
        TB_TRY(check_order(letter, question->value, err));
    TB_TRY(tb_replay_record(letter, options->topic, question->value, /* followed= */ false, arena,
                            &record, err));
    code = options->dead_letters.send(options->ctx, &record, err);
    audit(api, question, "replayed", letter->position, letter->order_id, code);
    return code;
}

static void refuse(struct tb_reply *reply, const struct tb_error *err)
{
    if (err->code == TB_INVALID) /* well understood, and never taken */
        tb_refuse(reply, 422, "%s", err->text);
    else
        tb_refuse_error(reply, err);
}

static void tell_sent(struct tb_reply *reply, int64_t sent, int64_t left, bool more)
{
    struct tb_buf *out = &reply->answer.body;

    tb_buf_addc(out, '{');
    tb_json_member_int(out, "sent", sent);
    if (left > 0)
        tb_json_member_int(out, "left", left);
    if (more)
        tb_json_member_bool(out, "more", true);
    tb_buf_addc(out, '}');
    tb_reply_done(reply, 202);
}

void tb_replay_dead_letter(struct tb_api *api, const struct tb_query_context *context,
                           struct tb_request *req, struct tb_reply *reply)
{
    const struct tb_dead_letter_query *question = req->handler_data;
    struct tb_dead_letter letter;
    struct tb_error err = {0};
    enum tb_code code;

    code = context->view->ops->get_dead_letter(context->view, question->position, &req->arena,
                                               &letter, &err);
    if (code == TB_OK && letter.status == TB_DEAD_LETTER_REPLAYED)
        code =
            tb_error_set(&err, TB_CONFLICT, "the dead letter was replayed: it is needed no more");
    if (code == TB_OK)
        code = send_again(api, question, &letter, &req->arena, &err);
    if (code == TB_OK)
        tell_sent(reply, 1, 0, false);
    else
        refuse(reply, &err);
}

/* The places of an order's open letters, in the log's order. */
struct places {
    struct tb_dead_letter_position list[TB_DEAD_LETTERS_REPLAY_MAX];
    size_t count;
};

static bool keep_place(void *ctx, const struct tb_dead_letter *letter)
{
    struct places *places = ctx;

    if (places->count == TB_DEAD_LETTERS_REPLAY_MAX)
        return false;
    places->list[places->count++] = letter->position;
    return true;
}

/* Each when the one before is acknowledged. What cannot be sent as it is stays; what cannot be
 * sent now ends it, so that nothing overtakes it. */
static enum tb_code send_all(struct tb_api *api, const struct tb_query_context *context,
                             const struct tb_dead_letter_query *question,
                             const struct places *places, int64_t *ret_sent, int64_t *ret_left,
                             struct tb_error *err)
{
    for (size_t i = 0; i < places->count; i++) {
        TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
        struct tb_dead_letter letter;
        enum tb_code code = context->view->ops->get_dead_letter(context->view, places->list[i],
                                                                &arena, &letter, err);

        if (code == TB_NOT_FOUND) /* expired meanwhile */
            continue;
        TB_TRY(code);
        if (letter.status != TB_DEAD_LETTER_OPEN)
            continue;
        code = send_again(api, question, &letter, &arena, err);
        *ret_sent += code == TB_OK;
        *ret_left += code == TB_CONFLICT || code == TB_INVALID;
        if (code != TB_OK && code != TB_CONFLICT && code != TB_INVALID)
            return code;
    }
    return TB_OK;
}

void tb_replay_dead_letters(struct tb_api *api, const struct tb_query_context *context,
                            struct tb_request *req, struct tb_reply *reply)
{
    const struct tb_dead_letter_query *question = req->handler_data;
    const struct tb_dead_letter_filter filter = {.order_id = tb_str_of(question->order_id),
                                                 .has_status = true,
                                                 .status = TB_DEAD_LETTER_OPEN,
                                                 .limit = TB_DEAD_LETTERS_REPLAY_MAX};
    struct places *places = tb_arena_alloc(&req->arena, sizeof *places);
    struct tb_error err = {0};
    int64_t sent = 0, left = 0;
    bool more = false;
    enum tb_code code;

    if (places == NULL) {
        tb_refuse_for_now(reply, 503, 1, "Out of memory.");
        return;
    }
    code = context->view->ops->list_dead_letters(context->view, &filter, keep_place, places, &more,
                                                 &err);
    if (code == TB_OK)
        code = send_all(api, context, question, places, &sent, &left, &err);
    if (code == TB_OK)
        tell_sent(reply, sent, left, more);
    else
        refuse(reply, &err);
}

void tb_drop_dead_letter(struct tb_api *api, const struct tb_query_context *context,
                         struct tb_request *req, struct tb_reply *reply)
{
    const struct tb_api_options *options = &api->options;
    const struct tb_dead_letter_query *question = req->handler_data;
    struct tb_buf *out = &reply->answer.body;
    char id[TB_DEAD_LETTER_ID_SIZE];
    struct tb_dead_letter letter;
    struct tb_error err = {0};
    enum tb_code code;

    code = context->view->ops->get_dead_letter(context->view, question->position, &req->arena,
                                               &letter, &err);
    if (code == TB_OK) {
        code = options->dead_letters.drop(options->ctx, question->position, &err);
        audit(api, question, "dropped", question->position, letter.order_id, code);
    }
    if (code != TB_OK) {
        tb_refuse_error(reply, &err);
        return;
    }
    tb_dead_letter_id_format(options->topic, question->position, id);
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "id", tb_str_of(id));
    tb_json_member_str(out, "status", TB_STR("dropped"));
    tb_buf_addc(out, '}');
    tb_reply_done(reply, 200);
}
