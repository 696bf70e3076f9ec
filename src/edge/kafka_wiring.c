#include "base/diag/diag.h"
#include "base/sqlite/file_loss.h"
#include "edge/wiring.h"

/* What the uplink to Kafka tells the rest of the edge, and is told by it. */

static bool on_park(void *ctx, const char *cursor_name, const struct tb_parked_order *order,
                    const char *reason)
{
    return tb_writer_post_parked(((struct edge *)ctx)->writer, cursor_name, order, reason,
                                 tb_clock_wall_ms(&tb_clock_system));
}

static bool on_unparked(void *ctx, const char *cursor_name, const char *order_id)
{
    return tb_writer_post_unparked(((struct edge *)ctx)->writer, cursor_name, order_id);
}

static enum tb_code on_open_log(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    return tb_log_inproc_reader(((struct edge *)ctx)->derived.log, NULL, ret_reader, err);
}

static bool on_delivered(void *ctx, const char *cursor_name, const struct tb_delivered *delivered)
{
    return tb_writer_post_delivered(((struct edge *)ctx)->writer, cursor_name, delivered);
}

static void on_unchecked(void *ctx, const char *cursor_name)
{
    tb_writer_post_unchecked(((struct edge *)ctx)->writer, cursor_name);
}

static bool is_stored(void *ctx)
{
    return tb_writer_has_stored_delivered(((struct edge *)ctx)->writer);
}

static void on_resend(void *ctx, const char *cursor_name, const struct tb_resend *state,
                      enum tb_resend_event event, bool snapshots)
{
    tb_writer_post_resend(((struct edge *)ctx)->writer, cursor_name, state, event, snapshots);
    if (snapshots)
        tb_diag(TB_DIAG_INFO, "resend.snapshots",
                "this node's log does not go back to the first event: all orders are sent as they "
                "are, before the events that it has");
    if (event == TB_RESEND_ENDED)
        tb_diag(TB_DIAG_INFO, "resend.done", "%lld events were sent again to %s",
                (long long)state->sent, cursor_name);
}

void tb_edge_resend(void *ctx)
{
    struct edge *edge = ctx;

    if (edge->kafka)
        tb_kafka_uplink_resend(edge->kafka);
}

void tb_edge_unpark(void *ctx)
{
    struct edge *edge = ctx;

    if (edge->kafka)
        tb_kafka_uplink_unpark(edge->kafka);
}

/* If the store is lost, the note has all that was acknowledged, which the last heartbeat may not
 * have. */
static void on_heartbeat(void *ctx, const char *epoch, int64_t sequence, int64_t number)
{
    struct edge *edge = ctx;
    struct tb_error lost = {0};

    if (tb_file_loss_check(edge->store_path, &lost) == TB_OK)
        tb_edge_note_position(edge, epoch, sequence, number);
}

enum tb_code tb_edge_open_kafka(struct edge *edge, struct tb_error *err)
{
    edge->resend = (struct tb_relay_resend_options){
        .open_log = on_open_log,
        .rate = tb_config_int(edge->shared.config, TB_LINK_RESEND_RATE),
        .on_delivered = on_delivered,
        .on_unchecked = on_unchecked,
        .is_stored = is_stored,
        .on_resend = on_resend,
        .ctx = edge,
    };
    const struct tb_kafka_uplink_options options = {
        .config = edge->shared.config,
        .store_path = edge->store_path,
        .forced_offline = edge->forced_offline,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .on_cursor = tb_edge_on_cursor,
        .on_snapshots = tb_edge_on_snapshots,
        .park = on_park,
        .unparked = on_unparked,
        .on_heartbeat = on_heartbeat,
        .resend = &edge->resend,
        .ctx = edge,
    };

    return tb_edge_is_connected(edge) ? tb_kafka_uplink_open(&options, &edge->kafka, err) : TB_OK;
}
