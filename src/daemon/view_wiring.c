#include "daemon/view_wiring.h"
#include "base/diag/diag.h"
#include "base/time/timefmt.h"
#include "order/order.h"

/* How long a client waits until the log has acknowledged its dead letter, which normally takes
 * milliseconds. Then the client gets an error. */
#define DEAD_LETTER_WAIT_MS 5000

enum tb_code tb_view_check_config(const struct tb_config *config, struct tb_error *err)
{
    const char *currency = tb_config_text(config, TB_NODE_CURRENCY);

    if (!tb_currency_known(tb_str_of(currency), NULL))
        return tb_error_set(err, TB_INVALID, "node.currency = %s: not a currency of ISO 4217",
                            currency);
    return tb_zone_set(tb_config_text(config, TB_NODE_TIMEZONE), err);
}

static struct tb_plan_rules plan_rules(const struct tb_view_wiring *wiring)
{
    const struct tb_config *config = wiring->config;

    return (struct tb_plan_rules){
        .partitions = &wiring->key_partitions,
        .currency = tb_config_text(config, TB_NODE_CURRENCY),
        .day_start_minutes = (int)tb_config_int(config, TB_NODE_DAY_START),
    };
}

void tb_view_on_applied(void *ctx, const struct tb_plan *plan)
{
    struct tb_view_wiring *wiring = ctx;

    if (plan->dead_letter_count > 0)
        tb_diag(TB_DIAG_WARN, "consumer.dead_letter", "%zu events became dead letters; first: %s",
                plan->dead_letter_count, plan->dead_letters[0].reason);
    tb_api_notify_plan(wiring->api, plan);
}

void tb_view_on_consumer_error(void *ctx, const struct tb_error *err)
{
    static const struct tb_outage_words words = {"consumer.failing", "consumer.running",
                                                 "the view is not being filled",
                                                 "the view is being filled"};

    tb_outage_update(&((struct tb_view_wiring *)ctx)->consumer_outage, &words, err);
}

static void on_parked(void *ctx, const struct tb_plan_dead_letter *surplus)
{
    (void)ctx;
    if (surplus->node.ptr)
        tb_diag(TB_DIAG_WARN, "consumer.parked",
                "node %.*s: more than %d of its records became dead letters within a minute, the "
                "last for %s; for a minute they are put aside without being judged, and follow by "
                "themselves",
                (int)surplus->node.len, surplus->node.ptr, TB_DEAD_LETTERS_PER_MINUTE,
                surplus->reason);
    else
        tb_diag(TB_DIAG_WARN, "consumer.left_out",
                "more than %d records without a node could not be read within a minute, the last "
                "for %s; for a minute they are counted, but not kept as dead letters",
                TB_DEAD_LETTERS_PER_MINUTE, surplus->reason);
}

static void on_unknown_type(void *ctx, const char *type, uint64_t count)
{
    (void)ctx;
    tb_diag(TB_DIAG_WARN, "consumer.unknown_type",
            "%llu events of type %s, which this build does not know: their orders' versions move, "
            "and the view is to be rebuilt by a build that knows it",
            (unsigned long long)count, type[0] ? type : "(others)");
}

static bool on_redrive(void *ctx, const struct tb_dead_letter *dead_letter,
                       const struct tb_record *record)
{
    struct tb_view_wiring *wiring = ctx;
    bool last = dead_letter->redrives + 1 >= TB_REDRIVES_MAX;
    char id[TB_DEAD_LETTER_ID_SIZE];
    struct tb_error err = {0};

    if (tb_append_queue_post(wiring->append_queue, record, &err) != TB_OK)
        return false;
    tb_dead_letter_id_format(wiring->topic, dead_letter->position, id);
    tb_diag(last ? TB_DIAG_WARN : TB_DIAG_INFO, "dead_letter.follows",
            "dead letter %s of order %s follows: nothing is missing in front of version %lld%s",
            id, dead_letter->order_id, (long long)dead_letter->version,
            last ? "; it did so in vain before, and this is the last time" : "");
    return true;
}

struct tb_consumer_options tb_view_consumer_options(struct tb_view_wiring *wiring)
{
    return (struct tb_consumer_options){
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .rules = plan_rules(wiring),
        .dead_letter_keep_ms = tb_config_int(wiring->config, TB_RETENTION_DEAD_LETTERS),
        .topic = wiring->topic,
        .group = wiring->group,
        .partitions = wiring->partitions,
        .on_applied = tb_view_on_applied,
        .on_outage = tb_view_on_consumer_error,
        .redrive = on_redrive,
        .on_unknown_type = on_unknown_type,
        .on_parked = on_parked,
        .ctx = wiring,
    };
}

static void on_rebuild_state(void *ctx, enum tb_rebuild_state state, const char *why)
{
    (void)ctx;
    tb_diag(state == TB_REBUILD_FAILED ? TB_DIAG_WARN : TB_DIAG_INFO, "rebuild.state", "%s%s%s",
            tb_rebuild_state_name(state), why[0] ? ": " : "", why);
}

static void on_hold_given_up(void *ctx, int64_t held_ms, const char *why)
{
    (void)ctx;
    tb_diag(
        TB_DIAG_WARN, "rebuild.hold",
        "the view was not written for %.1f s in vain, because %s; it is written again, and the "
        "rebuild tries that later",
        (double)held_ms / 1000, why);
}

enum tb_code tb_view_open_rebuild(struct tb_view_wiring *wiring,
                                  const struct tb_rebuild_backend *backend, void *backend_ctx,
                                  struct tb_error *err)
{
    const struct tb_rebuild_options options = {
        .backend = backend,
        .backend_ctx = backend_ctx,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .rules = plan_rules(wiring),
        .topic = wiring->topic,
        .partitions = wiring->partitions,
        .entered = on_rebuild_state,
        .hold_given_up = on_hold_given_up,
        .ctx = wiring,
    };

    return tb_rebuild_new(&options, &wiring->rebuild, err);
}

static enum tb_code on_start_rebuild(void *ctx, const struct tb_rebuild_job *job,
                                     struct tb_error *err)
{
    return tb_rebuild_start(((struct tb_view_wiring *)ctx)->rebuild, job, err);
}

static enum tb_code on_cancel_rebuild(void *ctx, struct tb_error *err)
{
    return tb_rebuild_cancel(((struct tb_view_wiring *)ctx)->rebuild, err);
}

static bool on_get_rebuild(void *ctx, struct tb_rebuild_progress *ret_progress,
                           struct tb_rebuild_generations *ret_generations)
{
    struct tb_view_wiring *wiring = ctx;

    tb_rebuild_get_generations(wiring->rebuild, ret_generations);
    return tb_rebuild_get_progress(wiring->rebuild, ret_progress);
}

static enum tb_code on_send_dead_letter(void *ctx, const struct tb_record *record,
                                        struct tb_error *err)
{
    struct tb_view_wiring *wiring = ctx;

    return tb_append_queue_send(wiring->append_queue, record, DEAD_LETTER_WAIT_MS, err);
}

static void on_audit(void *ctx, const char *what, bool sure, const char *letter_id,
                     const char *order_id, const char *who)
{
    (void)ctx;
    tb_diag(TB_DIAG_INFO, "dead_letter.audit",
            "dead letter %s of order %s was %s%s, asked for by %s", letter_id,
            order_id[0] ? order_id : "unknown", sure ? "" : "perhaps ", what, who);
}

struct tb_api_options tb_view_api_options(struct tb_view_wiring *wiring)
{
    const struct tb_config *config = wiring->config;

    return (struct tb_api_options){
        .listen = tb_config_text(config, TB_HTTP_LISTEN),
        .allowed_hosts = tb_config_text(config, TB_HTTP_ALLOWED_HOSTS),
        .allowed_origins = tb_config_text(config, TB_HTTP_ALLOWED_ORIGINS),
        .body_max = tb_config_int(config, TB_LIMITS_BODY),
        .depth_max = tb_config_int(config, TB_LIMITS_DEPTH),
        .header_max = tb_config_int(config, TB_LIMITS_HEADER),
        .header_timeout_ms = tb_config_int(config, TB_LIMITS_HEADER_TIMEOUT),
        .body_timeout_ms = tb_config_int(config, TB_LIMITS_BODY_TIMEOUT),
        .connections_max = tb_config_int(config, TB_LIMITS_CONNECTIONS),
        .connections_per_address_max = tb_config_int(config, TB_LIMITS_CONNECTIONS_PER_ADDRESS),
        .clock = &tb_clock_system,
        .dead_letters = {.send = on_send_dead_letter, .audit = on_audit},
        .rebuild = {.start = on_start_rebuild, .cancel = on_cancel_rebuild, .get = on_get_rebuild},
        .consumer = tb_consumer_stats(wiring->consumer),
        .topic = wiring->topic,
        .group = wiring->group,
        .partitions = wiring->partitions,
        .ctx = wiring,
    };
}
