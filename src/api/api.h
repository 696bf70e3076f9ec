/* The API of a process: HTTP/1.1 and WebSockets. An edge takes commands for its writer; both roles
 * answer queries from the view.
 *
 * One thread, the api thread, serves all connections and blocks for nothing but sockets: a request
 * that needs a COMMIT or a query thread waits without blocking it. The view of an edge is a file,
 * which is quick to read: the api thread itself reads single orders. A central reads everything on
 * query threads.
 *
 * Thread:  tb_api_run is the api thread; tb_api_notify* and tb_api_stop from any thread.
 * Memory:  copies the options and the struct of the role; borrows what these point to.
 * Errors:  at open TB_INVALID: the listen address cannot be used or a limit is out of range;
 *          TB_INTERNAL: memory, a descriptor or a thread cannot be had. */
#pragma once
#include "api/handlers/options.h"

struct tb_api;
/* Opens the listening socket and starts the query threads. */
TB_CHECKED enum tb_code tb_api_open(const struct tb_api_options *options, struct tb_api **ret_api,
                                    struct tb_error *err);
/* Call it after the writer's thread has ended: until then the writer may have requests. NULL is
 * fine. */
void tb_api_free(struct tb_api *api);
const char *tb_api_url(const struct tb_api *api); /* "http://127.0.0.1:8081" */
/* Runs until tb_api_stop, and then for at most 3 s more to answer the requests that have arrived.
 */
void tb_api_run(struct tb_api *api);
void tb_api_stop(struct tb_api *api); /* async-signal-safe */
/* Tells the clients that wait for the order that the view now has this version. replaced: how
 * often a snapshot has replaced it; those who follow it learn of the lower version then. Never
 * blocks for longer than it takes to copy a few changes. */
void tb_api_notify(struct tb_api *api, const char *order_id, int64_t version, int64_t replaced);
/* The same for every order that the plan has changed. */
void tb_api_notify_plan(struct tb_api *api, const struct tb_plan *plan);
