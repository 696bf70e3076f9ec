/* Lookups: lists and stats, run on a thread of their own, since they may take long.
 *
 * Thread:  start, ask and stop from the api thread; the thread owns its readers.
 * Memory:  an exchange is the thread's until it is returned.
 * Errors:  ask says false when too many wait: 503.
 * Units:   none. */
#pragma once
#include "api/exchange.h"
#include <pthread.h>

/* Lists waiting; each may take a whole table's time, so more are better asked again later. */
#define TB_LOOKUPS_MAX 64

struct tb_api;
struct tb_lookups {
    struct tb_mailbox box;
    struct tb_api *api;
    pthread_t thread;
    bool started;
    _Atomic bool ending;
};
TB_CHECKED enum tb_code tb_lookups_start(struct tb_lookups *lookups, struct tb_api *api,
                                         struct tb_error *err);
/* Ends what runs and what waits. */
void tb_lookups_stop(struct tb_lookups *lookups);
bool tb_lookups_ask(struct tb_lookups *lookups, struct tb_exchange *x);
