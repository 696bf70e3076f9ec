/* Builds the log's record for an outbox row: the payload, with a CloudEvents header for each of
 * its attributes.
 *
 * Memory:  the record points into the row, the source, and the struct it is built in. */
#pragma once
#include "base/time/timefmt.h"
#include "bridge/log/log.h"
#include "store/outbox.h"

#define TB_RELAY_HEADERS 11
#define TB_SEQUENCE_DIGITS 20
/* Bytes of a record besides the event and the traceparent: key, other headers, framing. */
#define TB_RELAY_RECORD_OVERHEAD 2048

struct tb_relay_record {
    struct tb_record record;
    struct tb_header headers[TB_RELAY_HEADERS];
    char time[TB_TIME_SIZE];
    char sequence[TB_SEQUENCE_DIGITS];
    char version[TB_SEQUENCE_DIGITS];
};

/* source: "/nodes/<node>". The key is the customer if the row has one, else the order. */
void tb_relay_record_build(struct tb_relay_record *room, struct tb_str source,
                           const struct tb_outbox_row *row);
