/* What the two halves of the simulated driver share: mongod_driver.c has pools, finds and what
 * goes wrong on the way, mongod_bulk.c the bulks.
 *
 * Thread:  one.
 * Memory:  as the driver has it.
 * Errors:  a bson_error_t, as the driver fills it.
 * Units:   microseconds. */
#pragma once
#include "sim/mongod.h"
#include <mongoc/mongoc.h>

struct _mongoc_client_t {
    int number;
};
struct _mongoc_collection_t {
    const mongoc_client_t *client;
    struct mongod_collection *collection;
};

/* What becomes of a call. */
enum mongod_outcome {
    MONGOD_DONE,
    MONGOD_NOT_DONE,    /* it fails, and nothing was done */
    MONGOD_REPLY_LOST,  /* it is done, and its client hears of a failure */
    MONGOD_PARTLY_DONE, /* as before, of some of its writes */
    MONGOD_DONE_LATE,   /* its client hears of a failure, and it is done some time after */
    MONGOD_OUTCOME_COUNT
};
enum mongod_outcome mongod_outcome(const mongoc_client_t *client);
/* For an answer, at most so long. */
void mongod_wait(const mongoc_client_t *client, uint64_t most_us);
void mongod_set_no_answer(bson_error_t *error);
