#include "central/wiring.h"

/* The views of a rebuild and of the centrals have the same offsets, with their generation. */
static enum tb_code on_open_reader(void *ctx, struct tb_log_reader **ret_reader,
                                   struct tb_error *err)
{
    struct central *central = ctx;
    const struct tb_kafka_setup *setup = &central->setup;
    struct tb_placed_reader_options placed = {
        .generations = central->rebuild_generations,
        .clock = &tb_clock_system,
        .partitions = setup->options.partitions,
    };

    TB_TRY(tb_mongo_read_generations(central->mongo, placed.partitions,
                                     central->rebuild_generations, err));
    TB_TRY(tb_log_kafka_reader(&setup->options, setup->topic, NULL, &placed.from, err));
    return tb_placed_reader_new(&placed, ret_reader, err);
}

/* What a rebuild has read of an earlier generation says nothing about this one. */
static enum tb_code check_generations(const struct central *central, struct tb_error *err)
{
    int64_t now[TB_LOG_PARTITIONS_MAX];

    TB_TRY(tb_mongo_read_generations(central->mongo, central->setup.options.partitions, now, err));
    for (int32_t p = 0; p < central->setup.options.partitions; p++) {
        if (now[p] != central->rebuild_generations[p])
            return tb_error_set(err, TB_CORRUPT,
                                "partition %d is another log since the rebuild began", (int)p);
    }
    return TB_OK;
}

static enum tb_code on_ends(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err)
{
    const struct central *central = ctx;
    const int64_t *generations = central->rebuild_generations;

    TB_TRY(tb_log_kafka_query_watermarks(central->offsets_query, ret_ranges,
                                         central->setup.options.partitions, err));
    TB_TRY(check_generations(central, err));
    for (int32_t p = 0; p < central->setup.options.partitions; p++) {
        ret_ranges[p].begin = tb_log_with_generation(generations[p], ret_ranges[p].begin);
        ret_ranges[p].end = tb_log_with_generation(generations[p], ret_ranges[p].end);
    }
    return TB_OK;
}

static enum tb_code on_committed(void *ctx, int64_t *ret_next, struct tb_error *err)
{
    const struct central *central = ctx;

    TB_TRY(tb_log_kafka_query_committed(central->offsets_query, ret_next,
                                        central->setup.options.partitions, err));
    for (int32_t p = 0; p < central->setup.options.partitions; p++) {
        if (ret_next[p] >= 0)
            ret_next[p] = tb_log_with_generation(central->rebuild_generations[p], ret_next[p]);
    }
    return TB_OK;
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

    TB_TRY(tb_rebuild_mongo_new(&mongo_options, &central->rebuild_mongo, err));
    return tb_view_open_rebuild(&central->shared, &tb_rebuild_mongo_backend,
                                central->rebuild_mongo, err);
}
