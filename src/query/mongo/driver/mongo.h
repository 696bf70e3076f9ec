/* Access to one MongoDB database, shared by the view's writer and its readers.
 *
 * Thread:  a tb_mongo is shared by all threads.
 * Memory:  opaque; freed after everything that uses it. */
#pragma once
#include "base/error.h"
#include "base/time/clock.h"

/* A server that did not answer is not asked by readers for so long: they fail at once instead of
 * waiting for a time-out each. */
#define TB_MONGO_DOWN_MS 1000

struct tb_mongo;
struct tb_mongo_options {
    const char *uri;       /* TLS, authentication and pool size by its options */
    const char *database;  /* "tillbox" */
    const char *topic;     /* of the events: part of a dead letter's id */
    int bulk_size;         /* operations in one bulk; at least 1 */
    int day_start_minutes; /* when a business day begins, in the process's time zone */
    const struct tb_clock *clock;
};
/* Parses the URI and sets time-outs and concerns that it leaves open; does not connect.
 * TB_INVALID: a wrong URI, or one with unacknowledged writes (w=0, journal=false). */
TB_CHECKED enum tb_code tb_mongo_new(const struct tb_mongo_options *options,
                                     struct tb_mongo **ret_mongo, struct tb_error *err);
void tb_mongo_free(struct tb_mongo *mongo);
