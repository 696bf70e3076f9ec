/* Shared by mongod_driver.c and mongod_bulk.c.
 *
 * Thread:  one.
 * Memory:  as in libmongoc.
 * Errors:  a bson_error_t, filled as libmongoc fills it.
 * Units:   microseconds. */
#pragma once
#include "sim/mongod.h"
#include <mongoc/mongoc.h>

struct _mongoc_client_t {
    int number;
    bool at_secondary; /* what the URI says about reads */
};
struct _mongoc_collection_t {
    const mongoc_client_t *client;
    struct mongod_collection *collection;
};

/* The outcome of a call. */
enum mongod_outcome {
    MONGOD_DONE,
    MONGOD_NOT_DONE,    /* it fails without any effect */
    MONGOD_REPLY_LOST,  /* it is done, but the client gets an error */
    MONGOD_PARTLY_DONE, /* some of its writes are done, and the client gets an error */
    MONGOD_DONE_LATE,   /* the client gets an error, and later it is done */
    MONGOD_OUTCOME_COUNT
};
enum mongod_outcome mongod_draw_outcome(const mongoc_client_t *client);
/* Waits for an answer, at most this long. */
void mongod_wait(const mongoc_client_t *client, uint64_t most_us);
void mongod_set_no_answer(bson_error_t *error);
