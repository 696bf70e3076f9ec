#include "api/handlers/context.h"

/* Events that have arrived and are not in the view: conflicts, and those of parked nodes. */

/* So many are named; GET /dead-letters lists all. */
#define SHOWN_MAX 20

struct naming {
    const char *topic;
    struct tb_buf *out;
};

static bool add_letter(void *ctx, const struct tb_dead_letter *letter)
{
    const struct naming *naming = ctx;
    struct tb_str node = tb_dead_letter_node(letter);
    char id[TB_DEAD_LETTER_ID_SIZE];

    tb_dead_letter_id_format(naming->topic, letter->position, id);
    tb_json_open(naming->out, NULL, '{');
    tb_json_member_str(naming->out, "deadLetter", tb_str_of(id));
    if (node.ptr)
        tb_json_member_str(naming->out, "node", node);
    if (letter->order_id[0] != '\0')
        tb_json_member_str(naming->out, "orderId", tb_str_of(letter->order_id));
    tb_json_member_str(naming->out, "message", letter->message);
    tb_buf_addc(naming->out, '}');
    return true;
}

static enum tb_code add_list(const struct tb_api *api, const struct tb_query_context *context,
                             const char *member, const char *reason, struct tb_buf *out,
                             struct tb_error *err)
{
    const struct tb_dead_letter_filter filter = {.reason = tb_str_of(reason),
                                                 .has_status = true,
                                                 .status = TB_DEAD_LETTER_OPEN,
                                                 .limit = SHOWN_MAX};
    TB_CLEANUP(tb_buf_release) struct tb_buf list = {0};
    struct naming naming = {api->options.topic, &list};
    bool more = false;

    TB_TRY(context->view->ops->list_dead_letters(context->view, &filter, add_letter, &naming,
                                                 &more, err));
    if (list.len == 0)
        return TB_OK;
    tb_json_open(out, member, '[');
    tb_buf_add_str(out, tb_buf_str(&list));
    tb_buf_addc(out, ']');
    out->failed |= list.failed;
    return TB_OK;
}

enum tb_code tb_held_add(const struct tb_api *api, const struct tb_query_context *context,
                         struct tb_buf *out, struct tb_error *err)
{
    TB_TRY(add_list(api, context, "conflicts", TB_REASON_CONFLICT, out, err));
    return add_list(api, context, "parkedEvents", TB_REASON_PARKED, out, err);
}

static bool describe(void *ctx, const struct tb_dead_letter *letter)
{
    const struct naming *naming = ctx;
    struct tb_str node = tb_dead_letter_node(letter);
    char id[TB_DEAD_LETTER_ID_SIZE];

    tb_dead_letter_id_format(naming->topic, letter->position, id);
    if (node.ptr)
        tb_buf_addf(naming->out, "node %.*s: ", (int)node.len, node.ptr);
    tb_buf_adds(naming->out, "the view lacks an event");
    if (letter->order_id[0] != '\0')
        tb_buf_addf(naming->out, " of order %s", letter->order_id);
    tb_buf_addf(naming->out, ": %.*s (dead letter %s)", (int)letter->message.len,
                letter->message.ptr, id);
    return false;
}

enum tb_code tb_held_describe(const struct tb_api *api, const struct tb_query_context *context,
                              struct tb_buf *out, struct tb_error *err)
{
    static const char *const reasons[] = {TB_REASON_CONFLICT, TB_REASON_PARKED};
    struct naming naming = {api->options.topic, out};

    for (size_t i = 0; i < 2 && out->len == 0; i++) {
        const struct tb_dead_letter_filter filter = {.reason = tb_str_of(reasons[i]),
                                                     .has_status = true,
                                                     .status = TB_DEAD_LETTER_OPEN,
                                                     .limit = 1};
        bool more = false;

        TB_TRY(context->view->ops->list_dead_letters(context->view, &filter, describe, &naming,
                                                     &more, err));
    }
    return TB_OK;
}
