/* An outbox row as a record of the log: INTERFACES, "Events".
 *
 * Thread:  one owner.
 * Memory:  the record borrows from the row, the node's name and the room it was built in.
 * Errors:  none.
 * Units:   Unix milliseconds. */
#pragma once
#include "base/time/timefmt.h"
#include "bridge/log/log.h"
#include "store/outbox.h"

#define TB_RELAY_HEADERS 11
#define TB_SEQUENCE_DIGITS 20
/* What a record needs beside the event and the traceparent: key, other headers, framing. */
#define TB_RELAY_RECORD_OVERHEAD 2048

struct tb_relay_record {
    struct tb_record record;
    struct tb_header headers[TB_RELAY_HEADERS];
    char time[TB_TIME_SIZE];
    char sequence[TB_SEQUENCE_DIGITS];
    char version[TB_SEQUENCE_DIGITS];
};

/* source is "/nodes/<node>". The key is the customer where the row tells one, else the order. */
void tb_relay_record_build(struct tb_relay_record *room, struct tb_str source,
                           const struct tb_outbox_row *row);
