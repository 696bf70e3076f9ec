#include "api/handlers/dead_letters.h"
#include "api/http/problem.h"

struct page {
    const char *topic;
    struct tb_buf *out;
    size_t count;
    int64_t last_dead_at_ms;
    struct tb_letter_place last;
};

/* At least one, however large it is. */
static bool add_letter(void *ctx, const struct tb_letter *letter)
{
    struct page *page = ctx;

    if (page->count > 0 && page->out->len >= TB_LETTERS_PAGE_BYTES)
        return false;
    if (page->count++ > 0)
        tb_buf_addc(page->out, ',');
    tb_dead_add_letter(page->out, page->topic, letter);
    page->last_dead_at_ms = letter->dead_at_ms;
    page->last = letter->place;
    return true;
}

static enum tb_code list(const struct tb_api *api, const struct tb_asker *asker,
                         const struct tb_exchange *x, struct tb_reply *reply, struct tb_error *err)
{
    const struct tb_dead_question *question = x->lookup.ctx;
    struct page page = {.topic = api->options.topic, .out = &reply->answer.body};
    bool more = false;
    char cursor[TB_CURSOR_SIZE];

    tb_buf_adds(page.out, "{\"deadLetters\":[");
    TB_TRY(
        asker->view->ops->letters(asker->view, &question->filter, add_letter, &page, &more, err));
    if (!more || page.count == 0)
        return tb_list_end(x, NULL, reply, err);
    tb_letter_cursor_format(page.last_dead_at_ms, page.last, cursor);
    return tb_list_end(x, cursor, reply, err);
}

void tb_find_letters(struct tb_api *api, const struct tb_asker *asker, struct tb_exchange *x,
                     struct tb_reply *reply)
{
    struct tb_error err = {0};

    if (list(api, asker, x, reply, &err) == TB_OK)
        tb_reply_done(reply, 200);
    else
        tb_refuse_error(reply, &err);
}

void tb_find_letter(struct tb_api *api, const struct tb_asker *asker, struct tb_exchange *x,
                    struct tb_reply *reply)
{
    const struct tb_dead_question *question = x->lookup.ctx;
    struct tb_letter letter;
    struct tb_error err = {0};

    if (asker->view->ops->letter(asker->view, question->place, &x->arena, &letter, &err) !=
        TB_OK) {
        tb_refuse_error(reply, &err);
        return;
    }
    tb_dead_add_letter(&reply->answer.body, api->options.topic, &letter);
    tb_reply_done(reply, 200);
}
