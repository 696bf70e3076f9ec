#include "api/handlers/dead_letters.h"
#include "api/http/problem.h"

struct page {
    const char *topic;
    struct tb_buf *out;
    size_t count;
    int64_t last_dead_at_ms;
    struct tb_dead_letter_position last;
};

/* At least one, however large it is. */
static bool add_letter(void *ctx, const struct tb_dead_letter *letter)
{
    struct page *page = ctx;

    if (page->count > 0 && page->out->len >= TB_DEAD_LETTERS_PAGE_BYTES)
        return false;
    if (page->count++ > 0)
        tb_buf_addc(page->out, ',');
    tb_dead_letter_add_json(page->out, page->topic, letter);
    page->last_dead_at_ms = letter->dead_at_ms;
    page->last = letter->position;
    return true;
}

static enum tb_code list(const struct tb_api *api, const struct tb_query_context *context,
                         const struct tb_request *req, struct tb_reply *reply,
                         struct tb_error *err)
{
    const struct tb_dead_letter_query *question = req->handler_data;
    struct page page = {.topic = api->options.topic, .out = &reply->answer.body};
    bool more = false;
    char cursor[TB_PAGE_CURSOR_SIZE];

    tb_buf_adds(page.out, "{\"deadLetters\":[");
    TB_TRY(context->view->ops->list_dead_letters(context->view, &question->filter, add_letter,
                                                 &page, &more, err));
    if (!more || page.count == 0)
        return tb_list_end(req, NULL, reply, err);
    tb_dead_letter_cursor_format(page.last_dead_at_ms, page.last, cursor);
    return tb_list_end(req, cursor, reply, err);
}

void tb_query_dead_letters(struct tb_api *api, const struct tb_query_context *context,
                           struct tb_request *req, struct tb_reply *reply)
{
    struct tb_error err = {0};

    if (list(api, context, req, reply, &err) == TB_OK)
        tb_reply_done(reply, 200);
    else
        tb_refuse_error(reply, &err);
}

void tb_query_dead_letter(struct tb_api *api, const struct tb_query_context *context,
                          struct tb_request *req, struct tb_reply *reply)
{
    const struct tb_dead_letter_query *question = req->handler_data;
    struct tb_dead_letter letter;
    struct tb_error err = {0};

    if (context->view->ops->get_dead_letter(context->view, question->position, &req->arena,
                                            &letter, &err) != TB_OK) {
        tb_refuse_error(reply, &err);
        return;
    }
    tb_dead_letter_add_json(&reply->answer.body, api->options.topic, &letter);
    tb_reply_done(reply, 200);
}
