#include "query/projection/plan_priv.h"

enum tb_judgement tb_plan_judge_event(const struct tb_planned_order *planned, int64_t version,
                                      uint32_t digest, const char *epoch)
{
    enum tb_lineage_match match = tb_lineage_find(&planned->lineage, version, digest);

    if (match == TB_LINEAGE_SAME)
        return TB_JUDGED_DUPLICATE;
    if (version <= planned->order.version)
        return match == TB_LINEAGE_OTHER ? TB_JUDGED_OTHER_EVENT : TB_JUDGED_DUPLICATE;
    if (tb_lineage_has_epoch(&planned->lineage, epoch))
        return TB_JUDGED_ENDED_EPOCH;
    return version == planned->order.version + 1 ? TB_JUDGED_NEXT : TB_JUDGED_GAP;
}

static enum tb_code has_content(const struct tb_order *order, const struct tb_order *other,
                                bool *ret_same, struct tb_error *err)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf a = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf b = {0};

    tb_order_encode(&a, order);
    tb_order_encode(&b, other);
    if (!tb_buf_ok(&a) || !tb_buf_ok(&b))
        return tb_error_set(err, TB_INTERNAL, "out of memory comparing an order");
    *ret_same = tb_str_eq(tb_buf_str(&a), tb_buf_str(&b));
    return TB_OK;
}

/* True: the order does not know yet that the store was restored. */
static bool ends_epoch(const struct tb_planned_order *planned, const struct tb_event *snapshot)
{
    char last[TB_EPOCH_SIZE] = "";

    if (snapshot->earlier_epoch_count == 0)
        return false;
    memcpy(last, snapshot->earlier_epochs[snapshot->earlier_epoch_count - 1].ptr,
           TB_EPOCH_SIZE - 1);
    return !tb_lineage_has_epoch(&planned->lineage, last);
}

bool tb_plan_follows(const struct tb_planned_order *planned, const struct tb_event *snapshot,
                     const char *epoch)
{
    if (epoch[0] == '\0' || planned->epoch[0] == '\0' || strcmp(epoch, planned->epoch) == 0)
        return false;
    for (size_t i = 0; i < snapshot->earlier_epoch_count; i++) {
        if (tb_str_eq(snapshot->earlier_epochs[i], tb_str_of(planned->epoch)))
            return true;
    }
    return !tb_lineage_has_epoch(&planned->lineage, epoch);
}

enum tb_code tb_plan_judge_snapshot(const struct tb_planned_order *planned,
                                    const struct tb_event *snapshot, uint32_t digest,
                                    const char *epoch, enum tb_judgement *ret_judgement,
                                    struct tb_error *err)
{
    const struct tb_order *order = &snapshot->order;
    int64_t version = planned->order.version;
    bool is_same = false;

    *ret_judgement = TB_JUDGED_NEXT;
    if (version == 0)
        return TB_OK;
    if (!planned->stub && !tb_str_eq(planned->order.node, order->node)) {
        *ret_judgement = TB_JUDGED_OTHER_NODE;
        return TB_OK;
    }
    if (tb_plan_follows(planned, snapshot, epoch))
        return TB_OK;
    if (order->version < version || tb_lineage_has_epoch(&planned->lineage, epoch) ||
        (order->version == version &&
         tb_lineage_find(&planned->lineage, version, digest) == TB_LINEAGE_OTHER)) {
        *ret_judgement = tb_plan_judge_event(planned, order->version, digest, epoch);
        return TB_OK;
    }
    if (order->version > version)
        return TB_OK;
    if (!planned->stub && !ends_epoch(planned, snapshot))
        TB_TRY(has_content(&planned->order, order, &is_same, err));
    if (is_same)
        *ret_judgement = TB_JUDGED_DUPLICATE;
    return TB_OK;
}
