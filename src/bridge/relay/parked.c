#include "bridge/relay/relay_priv.h"
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct tb_parked_order *)a)->order_id,
                  ((const struct tb_parked_order *)b)->order_id);
}

static struct tb_parked_order *find(struct tb_relay *relay, const struct tb_parked_order *order)
{
    return bsearch(order, relay->parked, relay->parked_count, sizeof *order, compare);
}

static struct tb_parked_order make(struct tb_str order_id, int64_t row)
{
    struct tb_parked_order order = {.row = row};

    TB_ASSERT(order_id.len < sizeof order.order_id);
    memcpy(order.order_id, order_id.ptr, order_id.len);
    return order;
}

bool tb_relay_is_parked(struct tb_relay *relay, struct tb_str order_id, int64_t row)
{
    const struct tb_parked_order order = make(order_id, row), *found = find(relay, &order);

    return found && row >= found->row;
}

void tb_relay_add_parked(struct tb_relay *relay, struct tb_str order_id, int64_t row)
{
    const struct tb_parked_order order = make(order_id, row);

    if (find(relay, &order))
        return;
    TB_ASSERT(relay->parked_count < TB_RELAY_PARKED_MAX);
    relay->parked[relay->parked_count++] = order;
    qsort(relay->parked, relay->parked_count, sizeof order, compare);
}
