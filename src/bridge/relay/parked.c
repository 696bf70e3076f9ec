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

void tb_relay_add_parked(struct tb_relay *relay, const struct tb_parked_order *order)
{
    if (find(relay, order))
        return;
    TB_ASSERT(relay->parked_count < TB_RELAY_PARKED_MAX);
    relay->parked[relay->parked_count++] = *order;
    qsort(relay->parked, relay->parked_count, sizeof *order, compare);
}

struct tb_parked_order *tb_relay_find_parked(struct tb_relay *relay, struct tb_str order_id)
{
    const struct tb_parked_order order = make(order_id, 0);

    return find(relay, &order);
}

void tb_relay_remove_parked(struct tb_relay *relay, struct tb_str order_id)
{
    struct tb_parked_order *order = tb_relay_find_parked(relay, order_id);

    TB_ASSERT(order);
    relay->parked_count--;
    memmove(order, order + 1,
            (size_t)(relay->parked + relay->parked_count - order) * sizeof *order);
}
