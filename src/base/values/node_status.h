/* A heartbeat: a node reports its state to the centre, as the value of a record in the topic
 * node-status. */
#pragma once
#include "base/json/json.h"
#include "base/time/timefmt.h"
#include "base/values/uuid.h"

/* A node's name: 1 to 32 letters, digits and '-'; and a NUL. */
#define TB_HEARTBEAT_NODE_SIZE 33
bool tb_node_name_valid(struct tb_str name);
#define TB_VERSION_SIZE 33

struct tb_heartbeat {
    char node[TB_HEARTBEAT_NODE_SIZE], epoch[TB_EPOCH_SIZE], version[TB_VERSION_SIZE];
    int64_t last_sequence, delivered_sequence, pending;
    int64_t oldest_pending_at_ms; /* 0: nothing is pending */
    int64_t clock_ms;             /* the node's wall clock when it sent the heartbeat */
    /* The business day at clock_ms, and the moment at which it ends, both by the node's time zone
     * and start of the day. ""; 0: the node is of a version that does not tell. */
    char business_date[TB_DATE_SIZE];
    int64_t day_ends_at_ms;
    /* Not encoded: the reader knows it. False: nobody has seen when it arrived, only that it was
     * not after arrived_at_ms. */
    int64_t arrived_at_ms;
    bool arrival_seen;
};
/* Encodes
 * {"node","epoch","lastSequence","deliveredSequence","pending","oldestPendingAt","clockMs",
 * "businessDate","dayEndsAt","version"}. */
void tb_heartbeat_encode(struct tb_buf *out, const struct tb_heartbeat *heartbeat);
/* TB_INVALID: the value is no heartbeat. */
TB_CHECKED enum tb_code tb_heartbeat_decode(const struct tb_json *value,
                                            struct tb_heartbeat *ret_heartbeat,
                                            struct tb_error *err);
