#include "api/ws/message.h"
#include "base/json/json.h"

#define ALL "/topic/orders"
#define ONE ALL "/"
#define ONE_LEN (sizeof(ONE) - 1)

static bool parse_topic(struct tb_str name, struct tb_ws_command *ret_command)
{
    ret_command->order_id[0] = '\0';
    if (tb_str_eq(name, TB_STR(ALL)))
        return true;
    if (name.len < ONE_LEN || memcmp(name.ptr, ONE, ONE_LEN) != 0)
        return false;
    return tb_uuid_parse((struct tb_str){name.ptr + ONE_LEN, name.len - ONE_LEN},
                         ret_command->order_id);
}

const char *tb_ws_command_parse(struct tb_str text, struct tb_ws_command *ret_command,
                                enum tb_ws_code *ret_code)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *root = NULL;
    struct tb_error err = {0};
    enum tb_code code = tb_json_parse(text, TB_JSON_DEPTH_MAX, &root, &err);

    *ret_code = code == TB_INTERNAL ? TB_WS_INTERNAL : TB_WS_NOT_UTF8;
    if (code != TB_OK)
        return code == TB_INTERNAL ? "Out of memory." : "The message is not JSON.";
    *ret_code = TB_WS_POLICY;
    const struct tb_json *member = tb_json_get(root, "subscribe");
    ret_command->unsubscribe = !member;
    if (!member)
        member = tb_json_get(root, "unsubscribe");
    struct tb_str name = {NULL, 0};
    if (member && tb_json_count(root) == 1)
        name = tb_json_string(member);
    if (!name.ptr)
        return "The message must be {\"subscribe\":\"/topic/orders/ID\"}, or unsubscribe.";
    if (!parse_topic(name, ret_command))
        return "Topics are /topic/orders and /topic/orders/ID.";
    return NULL;
}

void tb_ws_add_ready(struct tb_buf *out, bool all_orders, const char *order_id, int64_t version)
{
    tb_buf_adds(out, "{\"topic\":\"" ALL);
    if (!all_orders) {
        tb_buf_addc(out, '/');
        tb_buf_adds(out, order_id);
    }
    tb_buf_adds(out, "\",\"status\":\"ready\",\"orderId\":\"");
    tb_buf_adds(out, order_id);
    tb_buf_addc(out, '"');
    tb_json_member_int(out, "version", version);
    tb_buf_addc(out, '}');
}
