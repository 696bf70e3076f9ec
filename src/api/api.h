/* The API of a process: HTTP/1.1 and WebSockets. An edge takes commands for its writer; both roles
 * answer queries from the view.
 *
 * One thread serves all connections and waits for nothing but sockets: a request that waits for a
 * COMMIT or for a query thread is put aside. The view of an edge is a file, so that the api thread
 * itself reads single orders; a central reads everything on query threads.
 *
 * Thread:  tb_api_run by the owner; tb_api_notify* and tb_api_stop from any thread.
 * Memory:  copies its options and their role; borrows what these point to.
 * Errors:  TB_INVALID at open: the address is malformed, taken or not ours. */
#pragma once
#include "api/handlers/options.h"
#include "base/config/config.h"

/* Fills the options that come from the configuration of both roles: addresses and limits. */
void tb_api_configure(struct tb_api_options *options, const struct tb_config *config);

struct tb_api;
/* The query threads run from here on. */
TB_CHECKED enum tb_code tb_api_open(const struct tb_api_options *options, struct tb_api **ret_api,
                                    struct tb_error *err);
/* Call it after the writer's thread has ended: until then the writer may have requests. NULL is
 * fine. */
void tb_api_free(struct tb_api *api);
const char *tb_api_url(const struct tb_api *api); /* "http://127.0.0.1:8081" */
/* Runs until tb_api_stop; then still answers, for at most 3 s, the requests that have arrived. */
void tb_api_run(struct tb_api *api);
void tb_api_stop(struct tb_api *api); /* async-signal-safe */
/* The order is visible at this version: wakes whoever waits for it. Never blocks. */
void tb_api_notify(struct tb_api *api, const char *order_id, int64_t version);
/* The same for every order that the plan has changed. */
void tb_api_notify_plan(struct tb_api *api, const struct tb_plan *plan);
