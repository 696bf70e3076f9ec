#include "api/handlers/delivery.h"
#include "base/json/json.h"

void tb_delivery_add(struct tb_outbox_reader *outbox, const char *cursor_name,
                     struct tb_str order_id, struct tb_buf *doc)
{
    struct tb_error err = {0};
    bool delivered = false;

    if (!tb_buf_ok(doc) ||
        tb_outbox_order_delivered(outbox, cursor_name, order_id, &delivered, &err) != TB_OK)
        return;
    TB_ASSERT(doc->len > 1 && doc->data[doc->len - 1] == '}');
    doc->len--;
    tb_json_member_str(doc, "delivery", delivered ? TB_STR("delivered") : TB_STR("pending"));
    tb_buf_addc(doc, '}');
}
