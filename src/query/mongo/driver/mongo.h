/* Access to one MongoDB database by a pool of connections of its own, which threads share.
 * Any thread may use it; it is freed after everything that uses it. */
#pragma once
#include "base/error.h"
#include "base/time/clock.h"

/* After a server did not answer, readers fail at once for this long. Otherwise each of them would
 * wait for a time-out. */
#define TB_MONGO_DOWN_MS 1000

struct tb_mongo;
struct tb_mongo_options {
    const char *uri;       /* its options choose TLS, authentication and pool size */
    const char *database;  /* "tillbox" */
    const char *topic;     /* of the events: part of a dead letter's id */
    int bulk_size;         /* operations in one bulk; at least 1 */
    int day_start_minutes; /* when a business day begins, in the process's time zone */
    const struct tb_clock *clock;
    const struct tb_random *random;
    /* Only people's queries use it, and the URI's readPreference is for them. The server gives
     * each of them up before its connection would fail, which would mark the server as down for
     * the whole pool. */
    bool for_queries;
};
/* TB_INVALID: the URI is wrong, or an option of it asks for less than tillbox needs (uri.h). */
TB_CHECKED enum tb_code tb_mongo_check_uri(const char *uri, struct tb_error *err);
/* Does not connect. TB_INVALID: as tb_mongo_check_uri. */
TB_CHECKED enum tb_code tb_mongo_new(const struct tb_mongo_options *options,
                                     struct tb_mongo **ret_mongo, struct tb_error *err);
void tb_mongo_free(struct tb_mongo *mongo);

/* A topic of which `positions` says how far it was read (driver/positions.h). All is borrowed. */
struct tb_mongo_positions {
    struct tb_mongo *mongo;
    const char *topic, *feeds;
};
