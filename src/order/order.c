#include "order/order.h"
#include "base/values/sha256.h"
#include "order/order_fields.h"

static const char *const kind_names[] = {[TB_SALE] = "SALE", [TB_RETURN] = "RETURN"};
static const char *const status_names[] = {
    [TB_PLACED] = "PLACED", [TB_SHIPPED] = "SHIPPED", [TB_CANCELLED] = "CANCELLED"};

const char *tb_order_kind_name(enum tb_order_kind kind)
{
    return kind_names[kind];
}

const char *tb_order_status_name(enum tb_order_status status)
{
    return status_names[status];
}

bool tb_order_kind_parse(struct tb_str text, enum tb_order_kind *ret_kind)
{
    return tb_name_find(text, tb_order_kind_name, TB_RETURN + 1, ret_kind);
}

bool tb_order_status_parse(struct tb_str text, enum tb_order_status *ret_status)
{
    return tb_name_find(text, tb_order_status_name, TB_CANCELLED + 1, ret_status);
}

bool tb_lines_total(const struct tb_line *lines, size_t count, int64_t *ret_total_minor)
{
    /* 128 bits, because a sum may exceed the limit for a while: later lines may be negative. */
    __int128 total = 0;

    for (size_t i = 0; i < count; i++) {
        __int128 amount = (__int128)lines[i].quantity * lines[i].unit_price_minor;

        if (__builtin_add_overflow(total, amount, &total))
            return false;
    }
    if (total < -TB_TOTAL_MAX || total > TB_TOTAL_MAX)
        return false;
    *ret_total_minor = (int64_t)total;
    return true;
}

void tb_order_hash(const struct tb_order *order, char ret_hex[65])
{
    TB_CLEANUP(tb_buf_release) struct tb_buf content = {0};

    tb_order_encode_content(&content, order);
    ret_hex[0] = '\0';
    if (tb_buf_ok(&content))
        tb_sha256_hex(tb_buf_str(&content), ret_hex);
}
