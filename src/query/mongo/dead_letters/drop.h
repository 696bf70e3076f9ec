/* Drops a dead letter, for callers that have no view.
 *
 * Thread:  any.
 * Errors:  TB_NOT_FOUND: there is no such dead letter. TB_CONFLICT: it was replayed. Else as
 *          driver/client.h. */
#pragma once
#include "query/mongo/driver/mongo.h"
#include "query/projection/dead_letter.h"

/* Dropping it again changes nothing. */
TB_CHECKED enum tb_code tb_mongo_drop_dead_letter(struct tb_mongo *mongo,
                                                  struct tb_dead_letter_position position,
                                                  int64_t at_ms, struct tb_error *err);
