/* The parts that edge and central connect in the same way: the consumer, the API, the queue that
 * sends dead letters to the log again, and the rebuild of the view; and the diagnostics of these.
 *
 * The struct of a daemon begins with a tb_view_wiring. Its address is the ctx of all callbacks.
 *
 * Thread:  the main thread; a callback runs on the thread of the part that calls it.
 * Memory:  the daemon frees the parts. */
#pragma once
#include "api/api.h"
#include "base/config/config.h"
#include "bridge/log/append_queue.h"
#include "daemon/outage.h"
#include "query/consumer/consumer.h"
#include "query/rebuild/rebuild.h"

struct tb_view_wiring {
    const struct tb_config *config;
    const char *topic, *group; /* of the events */
    int32_t partitions;
    struct tb_plan_partitions key_partitions; /* without counts: keys are not checked */
    struct tb_append_queue *append_queue;     /* dead letters that are sent to the log again */
    struct tb_consumer *consumer;
    struct tb_rebuild *rebuild;
    struct tb_api *api;
    struct tb_outage consumer_outage;
};
/* TB_INVALID: the currency or the time zone is unknown. Sets the time zone of the process. */
TB_CHECKED enum tb_code tb_view_check_config(const struct tb_config *config, struct tb_error *err);

/* Options with all fields that edge and central set to the same values. */
struct tb_consumer_options tb_view_consumer_options(struct tb_view_wiring *wiring);
struct tb_api_options tb_view_api_options(struct tb_view_wiring *wiring);
TB_CHECKED enum tb_code tb_view_open_rebuild(struct tb_view_wiring *wiring,
                                             const struct tb_rebuild_backend *backend,
                                             void *backend_ctx, struct tb_error *err);

/* For tb_consumer_options.on_applied: reports new dead letters, and wakes clients that wait for an
 * order of the plan. */
void tb_view_on_applied(void *ctx, const struct tb_plan *plan);
/* For tb_consumer_options.on_outage and on_failure: reports the failure, or with TB_OK its end. */
void tb_view_on_consumer_error(void *ctx, const struct tb_error *err);
