#include "central/wiring.h"

static enum tb_code on_open_reader(void *ctx, struct tb_log_reader **ret_reader,
                                   struct tb_error *err)
{
    const struct tb_kafka_setup *setup = &((struct central *)ctx)->setup;

    return tb_log_kafka_reader(&setup->options, setup->topic, NULL, ret_reader, err);
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

static void on_get_generations(void *ctx, struct tb_rebuild_generations *ret_generations)
{
    tb_rebuild_mongo_get_generations(((struct central *)ctx)->rebuild_mongo, ret_generations);
}

enum tb_code tb_central_open_rebuild(struct central *central, struct tb_error *err)
{
    const struct tb_rebuild_mongo_options mongo_options = {
        .mongo = central->mongo,
        .owner = tb_config_text(central->shared.config, TB_NODE_NAME),
        .build = TB_VERSION,
        .partitions = central->setup.options.partitions,
        .clock = &tb_clock_system,
        .random = &tb_random_system,
        .open_reader = on_open_reader,
        .ends = on_ends,
        .committed = on_committed,
        .ctx = central,
    };

    central->shared.get_generations = on_get_generations;
    TB_TRY(tb_rebuild_mongo_new(&mongo_options, &central->rebuild_mongo, err));
    return tb_view_open_rebuild(&central->shared, &tb_rebuild_mongo_backend,
                                central->rebuild_mongo, err);
}
