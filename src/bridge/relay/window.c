#include "bridge/relay/window.h"

static struct tb_relay_slot *slot(struct tb_relay_window *window, size_t i)
{
    return &window->slots[(window->head + i) % TB_LOG_INFLIGHT_MAX];
}

void tb_relay_window_add(struct tb_relay_window *window, int64_t row, bool sent)
{
    TB_ASSERT(window->count < TB_LOG_INFLIGHT_MAX);
    TB_ASSERT(window->count == 0 || slot(window, window->count - 1)->row < row);
    *slot(window, window->count++) = (struct tb_relay_slot){row, !sent, !sent};
    window->outstanding += sent;
}

void tb_relay_window_add_held(struct tb_relay_window *window, int64_t row)
{
    tb_relay_window_add(window, row, false);
    slot(window, window->count - 1)->acknowledged = false;
    window->held = true;
}

void tb_relay_window_unacknowledge(struct tb_relay_window *window)
{
    for (size_t i = 0; i < window->count; i++)
        slot(window, i)->acknowledged = false;
    window->resend |= window->count > 0;
    window->lost = window->count > 0;
}

void tb_relay_window_release(struct tb_relay_window *window)
{
    window->resend |= window->held;
}

bool tb_relay_window_on_ack(struct tb_relay_window *window, int64_t row, bool acknowledged)
{
    size_t low = 0, high = window->count;
    struct tb_relay_slot *found;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (slot(window, middle)->row < row)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == window->count)
        return false;
    found = slot(window, low);
    if (found->row != row || found->answered)
        return false;
    found->answered = true;
    found->acknowledged = acknowledged && !window->lost;
    window->outstanding--;
    window->resend |= !acknowledged;
    return true;
}

void tb_relay_window_fail_all(struct tb_relay_window *window)
{
    window->resend |= window->outstanding > 0;
    for (size_t i = 0; i < window->count; i++)
        slot(window, i)->answered = true;
    window->outstanding = 0;
}

bool tb_relay_window_advance(struct tb_relay_window *window, int64_t *ret_last)
{
    bool moved = false;

    while (window->count > 0 && slot(window, 0)->acknowledged) {
        *ret_last = slot(window, 0)->row;
        window->head = (window->head + 1) % TB_LOG_INFLIGHT_MAX;
        window->count--;
        moved = true;
    }
    return moved;
}

/* Rows after an unknown one are sent again even if they were acknowledged: if the unknown row
 * enters the log only now, the later rows of its order must follow it. All answers are awaited
 * first, because a late one could not be told from the answer to the second append. */
bool tb_relay_window_rewind(struct tb_relay_window *window)
{
    if (!window->resend || window->outstanding > 0)
        return false;
    window->head = window->count = 0;
    window->resend = window->held = window->lost = false;
    return true;
}
