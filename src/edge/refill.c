#include "edge/refill.h"
#include "base/diag/diag.h"

/* The log may have later records already, which the view reads soon. */
static void note_end(struct tb_refill *refill)
{
    if (refill->has_rows && refill->has_orders && atomic_load(&refill->end) < 0)
        atomic_store(&refill->end, tb_log_inproc_range(refill->log, NULL).end);
}

enum tb_code tb_refill_init(struct tb_refill *refill, struct tb_outbox_reader *outbox,
                            struct tb_log_inproc *log, struct tb_error *err)
{
    struct tb_outbox_snapshots left = {0};
    struct tb_outbox_status status = {0};

    TB_TRY(tb_outbox_read_status(outbox, TB_CURSOR_INPROC, &status, err));
    TB_TRY(tb_outbox_read_snapshots(outbox, TB_CURSOR_INPROC, &left, err));
    *refill = (struct tb_refill){
        .log = log,
        .last_row = status.newest_row,
        .first_order = left.next,
        .last_order = left.last,
        .has_rows = status.pending == 0,
        .has_orders = left.next > left.last,
        .rows_left = status.pending,
        .end = -1,
    };
    note_end(refill);
    return TB_OK;
}

void tb_refill_on_cursor(struct tb_refill *refill, int64_t row)
{
    int64_t left = refill->last_row - row;

    if (refill->has_rows)
        return;
    refill->has_rows = left <= 0;
    note_end(refill); /* before nothing is left */
    if (left < atomic_load(&refill->rows_left))
        atomic_store(&refill->rows_left, left > 0 ? left : 0);
}

void tb_refill_on_snapshots(struct tb_refill *refill, int64_t next)
{
    refill->has_orders |= next > refill->last_order;
    note_end(refill);
}

void tb_refill_report(struct tb_refill *refill, int64_t next)
{
    struct tb_log_range range = tb_log_inproc_range(refill->log, NULL);
    int64_t events = range.end - (next > range.begin ? next : range.begin);
    int64_t orders = refill->has_orders ? 0 : refill->last_order - refill->first_order + 1;

    events += atomic_load(&refill->rows_left);
    if (events + orders > 0)
        tb_diag(
            TB_DIAG_INFO, "view.catching-up",
            "the view lacks %lld events that the store has: `tillbox status` shows how far it is",
            (long long)(events + orders));
}

void tb_refill_read(struct tb_refill *refill, int64_t *ret_rows_left, int64_t *ret_end)
{
    *ret_rows_left = atomic_load(&refill->rows_left);
    *ret_end = atomic_load(&refill->end);
}
