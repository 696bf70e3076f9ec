#include "bridge/relay/parked.h"

static int compare(const struct tb_parked_order *parked, struct tb_str order_id)
{
    size_t len = strlen(parked->order_id);
    int difference =
        memcmp(parked->order_id, order_id.ptr, len < order_id.len ? len : order_id.len);

    return difference ? difference : (len > order_id.len) - (len < order_id.len);
}

/* Index of the order, or where it would be inserted. */
static size_t place(const struct tb_relay_parked *parked, struct tb_str order_id)
{
    size_t low = 0, high = parked->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (compare(&parked->orders[middle], order_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct tb_relay_parked *parked, size_t at, struct tb_str order_id)
{
    return at < parked->count && compare(&parked->orders[at], order_id) == 0;
}

bool tb_relay_parked_has(const struct tb_relay_parked *parked, struct tb_str order_id, int64_t row)
{
    size_t at = place(parked, order_id);

    return is_at(parked, at, order_id) && row >= parked->orders[at].row;
}

void tb_relay_parked_add(struct tb_relay_parked *parked, struct tb_str order_id, int64_t row)
{
    size_t at = place(parked, order_id);

    if (is_at(parked, at, order_id))
        return;
    TB_ASSERT(parked->count < TB_RELAY_PARKED_MAX && order_id.len < TB_UUID_SIZE);
    memmove(&parked->orders[at + 1], &parked->orders[at],
            (parked->count - at) * sizeof *parked->orders);
    parked->orders[at] = (struct tb_parked_order){.row = row};
    memcpy(parked->orders[at].order_id, order_id.ptr, order_id.len);
    parked->count++;
}
