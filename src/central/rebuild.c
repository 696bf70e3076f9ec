#include "central/wiring.h"
#include "daemon/view_rules.h"

static enum tb_code on_open_reader(void *ctx, struct tb_log_reader **ret_reader,
                                   struct tb_error *err)
{
    const struct tb_kafka_setup *setup = &((struct central *)ctx)->setup;

    return tb_log_kafka_standalone_reader(&setup->options, setup->topic, ret_reader, err);
}

static enum tb_code on_ends(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err)
{
    const struct central *central = ctx;

    return tb_log_kafka_query_watermarks(central->offsets_query, ret_ranges,
                                         central->setup.options.partitions, err);
}

static enum tb_code on_committed(void *ctx, int64_t *ret_next, struct tb_error *err)
{
    const struct central *central = ctx;

    return tb_log_kafka_query_committed(central->offsets_query, ret_next,
                                        central->setup.options.partitions, err);
}

enum tb_code tb_central_open_rebuild(struct central *central, struct tb_error *err)
{
    const struct tb_config *config = central->config;
    const struct tb_rebuild_mongo_options mongo_options = {
        .mongo = central->mongo,
        .owner = tb_config_text(config, TB_NODE_NAME),
        .build = TB_VERSION,
        .partitions = central->setup.options.partitions,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .open_reader = on_open_reader,
        .ends = on_ends,
        .committed = on_committed,
        .ctx = central,
    };
    struct tb_rebuild_options options = {
        .backend = &tb_rebuild_mongo_backend,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .rules = tb_view_rules(config),
        .topic = central->setup.topic,
        .partitions = central->setup.options.partitions,
        .entered = tb_diag_rebuild_state,
        .ctx = central,
    };

    TB_TRY(tb_rebuild_mongo_new(&mongo_options, &central->rebuild_mongo, err));
    options.backend_ctx = central->rebuild_mongo;
    return tb_rebuild_new(&options, &central->rebuild, err);
}

static enum tb_code on_start(void *ctx, const struct tb_rebuild_job *job, struct tb_error *err)
{
    return tb_rebuild_start(((struct central *)ctx)->rebuild, job, err);
}

static void on_get(void *ctx, struct tb_rebuild_progress *ret_progress,
                   struct tb_rebuild_generations *ret_generations)
{
    struct central *central = ctx;

    tb_rebuild_get_progress(central->rebuild, ret_progress);
    tb_rebuild_mongo_views(central->rebuild_mongo, ret_generations);
}

const struct tb_api_rebuild tb_central_rebuild_role = {.start = on_start, .get = on_get};
