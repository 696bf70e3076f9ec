#include "sim/sim.h"

/* What a node sends to Kafka again because Kafka has lost it, wired as in
 * src/edge/kafka_wiring.c. */

#define MS INT64_C(1000)
#define EVENTS_PER_SECOND 200

static enum tb_code on_open_log(void *ctx, struct tb_log_reader **ret_reader, struct tb_error *err)
{
    return tb_log_inproc_reader(((struct sim_node *)ctx)->log, NULL, ret_reader, err);
}

static bool on_delivered(void *ctx, const char *cursor_name, const struct tb_delivered *delivered)
{
    struct sim_node *node = ctx;

    sim_wake(node, SIM_WRITER, 60 * MS);
    return tb_writer_post_delivered(node->writer, cursor_name, delivered);
}

static void on_unchecked(void *ctx, const char *cursor_name)
{
    struct sim_node *node = ctx;

    tb_writer_post_unchecked(node->writer, cursor_name);
    sim_wake(node, SIM_WRITER, 60 * MS);
}

static bool is_stored(void *ctx)
{
    return tb_writer_has_stored_delivered(((struct sim_node *)ctx)->writer);
}

static void on_resend(void *ctx, const char *cursor_name, const struct tb_resend *state,
                      enum tb_resend_event event, bool snapshots)
{
    struct sim_node *node = ctx;

    if (event == TB_RESEND_BEGUN) {
        sim_trace("%s sends again what is after row %" PRId64 ": %s", node->name, state->after_row,
                  state->reason);
        SIM_REQUIRE(node->sim->centre.has_lost_records,
                    "C11: %s sends events again, but Kafka has all of them", node->name);
    }
    if (event == TB_RESEND_ENDED)
        sim_trace("%s has sent %" PRId64 " events again", node->name, state->sent);
    sim_cover(COVER_RESEND, event == TB_RESEND_ENDED);
    sim_cover(COVER_RESEND_SNAPSHOTS, snapshots);
    node->sends_orders |= snapshots;
    tb_writer_post_resend(node->writer, cursor_name, state, event, snapshots);
    sim_wake(node, SIM_WRITER, 60 * MS);
}

const struct tb_relay_resend_options *node_resend_options(struct sim_node *node)
{
    bool does_not_look =
        node->sim->mutant == SIM_MUTANT_RESEND_SKIPPED && node->sim->seed % 2 == 0;

    node->resend = (struct tb_relay_resend_options){
        .open_log = on_open_log,
        .rate = EVENTS_PER_SECOND,
        .on_delivered = on_delivered,
        .on_unchecked = on_unchecked,
        .is_stored = is_stored,
        .on_resend = on_resend,
        .ctx = node,
    };
    return node->sim->centre.tills_resend && !does_not_look ? &node->resend : NULL;
}

bool node_resend_is_done(struct sim_node *node)
{
    struct tb_outbox_snapshots left = {0};
    struct tb_resend resend = {0};
    struct tb_error err = {0};

    return tb_outbox_read_resend(node->api_outbox, TB_CURSOR_KAFKA, &resend, &err) == TB_OK &&
           resend.id == 0 &&
           tb_outbox_read_snapshots(node->api_outbox, TB_CURSOR_KAFKA, &left, &err) == TB_OK &&
           left.next > left.last;
}

/* Mutant: a till finds that Kafka has lost records, and sends nothing. The linker's --wrap sends
 * the calls here. */
void __real_tb_relay_begin_resend(struct tb_relay *relay, const char *reason, int64_t after_row,
                                  bool held);
void __wrap_tb_relay_begin_resend(struct tb_relay *relay, const char *reason, int64_t after_row,
                                  bool held);

void __wrap_tb_relay_begin_resend(struct tb_relay *relay, const char *reason, int64_t after_row,
                                  bool held)
{
    if (!derived_mutant_is(SIM_MUTANT_RESEND_SKIPPED))
        __real_tb_relay_begin_resend(relay, reason, after_row, held);
}
