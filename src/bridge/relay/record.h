/* Builds the log's record for an outbox row: its value is the payload, and it has one CloudEvents
 * header for each attribute of the event.
 *
 * Memory:  the record points into the row, the source, and the struct it is built in. */
#pragma once
#include "base/time/timefmt.h"
#include "bridge/log/log.h"
#include "store/outbox.h"

#define TB_RELAY_HEADERS 11
#define TB_SEQUENCE_DIGITS 20
/* A record is at most this many bytes larger than its event and its traceparent: key, other
 * headers, framing. */
#define TB_RELAY_RECORD_OVERHEAD 2048

struct tb_relay_record {
    struct tb_record record;
    struct tb_header headers[TB_RELAY_HEADERS];
    char time[TB_TIME_SIZE];
    char sequence[TB_SEQUENCE_DIGITS + 1], version[TB_SEQUENCE_DIGITS + 1];
};

/* source: "/nodes/<node>". The key is the customer if the row has one, so that all orders of a
 * customer go to one partition in their order; else the order. */
void tb_relay_record_build(struct tb_relay_record *built, struct tb_str source,
                           const struct tb_outbox_row *row);
