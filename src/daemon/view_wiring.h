/* What both daemons connect alike: the consumer, its view and the API, the way of dead letters
 * back into the log, the rebuild of the view, and what is reported of these on standard error.
 *
 * The struct of a daemon begins with a tb_view_wiring, and is the ctx of all callbacks.
 *
 * Thread:  check, open and close from the main thread; each callback is called by its part.
 * Memory:  the wiring owns the parts that close frees; the rest is borrowed.
 * Errors:  as of the part that is opened; TB_INVALID of check: the currency or time zone is
 *          unknown. */
#pragma once
#include "api/api.h"
#include "bridge/log/append_queue.h"
#include "daemon/outage.h"
#include "query/consumer/consumer.h"
#include "query/rebuild/rebuild.h"

struct tb_view_wiring {
    const struct tb_config *config;
    const char *topic, *group; /* of the events */
    int32_t partitions;
    struct tb_append_queue *append_queue; /* Dead letters on their way back into the log. */
    struct tb_consumer *consumer;
    struct tb_rebuild *rebuild;
    struct tb_api *api;
    struct tb_outage consumer_outage;
    void (*get_generations)(void *ctx, struct tb_rebuild_generations *ret_generations);
};
/* Sets the time zone of the process too. */
TB_CHECKED enum tb_code tb_view_check_config(const struct tb_config *config, struct tb_error *err);

/* The options that both daemons set alike. */
struct tb_consumer_options tb_view_consumer_options(struct tb_view_wiring *wiring);
struct tb_api_options tb_view_api_options(struct tb_view_wiring *wiring);
TB_CHECKED enum tb_code tb_view_open_rebuild(struct tb_view_wiring *wiring,
                                             const struct tb_rebuild_backend *backend,
                                             void *backend_ctx, struct tb_error *err);

/* As tb_consumer_options.applied: reports new dead letters and wakes clients that wait. */
void tb_view_on_applied(void *ctx, const struct tb_plan *plan);
/* Reports that the consumer fails, or with TB_OK that it works again. */
void tb_view_on_consumer_error(void *ctx, const struct tb_error *err);
