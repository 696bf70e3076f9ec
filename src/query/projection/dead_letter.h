/* A dead letter is a record that could not be applied. A view stores it.
 *
 * A dead letter is identified by its record's position in the log. A replayed record gets another
 * offset; its header tillbox-mended names the dead letter, whose status then changes:
 *
 *           +--> REPLAYED   the record was applied, or was a duplicate, or a snapshot of the
 *           |               order has overtaken it
 *   OPEN <--+
 *           +--> DROPPED    somebody discarded it; a replay may still bring it back
 *
 * If the replayed record cannot be applied either, the dead letter is OPEN with one more attempt,
 * and has the record as it was sent last. A redrive is a replay by the consumer itself, after the
 * order has reached the version before the record's.
 *
 * Memory:  texts and headers belong to the caller that made the value.
 * Errors:  false: the text does not have the form.
 * Units:   Unix milliseconds. */
#pragma once
#include "bridge/log/place.h"
#include "order/event.h"

#define TB_REASON_GAP "tillbox.gap"
/* The version is there with another event id, or the event is of an epoch that a restore ended. */
#define TB_REASON_CONFLICT "tillbox.conflict"
/* The record's node is parked (consumer.h). It was not judged, and follows by itself if it has a
 * value. */
#define TB_REASON_PARKED "tillbox.parked"
/* Names the dead letter that a record was replayed for. */
#define TB_HEADER_REPLAY_OF "tillbox-mended"
/* The replay is a redrive. */
#define TB_HEADER_REDRIVEN "tillbox-followed"
/* After so many failed redrives in a row a dead letter is not redriven any more. A person's replay
 * starts the count anew. */
#define TB_REDRIVES_MAX 5

enum tb_dead_letter_status {
    TB_DEAD_LETTER_OPEN,
    TB_DEAD_LETTER_REPLAYED,
    TB_DEAD_LETTER_DROPPED
};
const char *tb_dead_letter_status_name(enum tb_dead_letter_status status); /* "open" */
bool tb_dead_letter_status_parse(struct tb_str text, enum tb_dead_letter_status *ret_status);

struct tb_dead_letter_position {
    int32_t partition;
    int64_t offset; /* of its first record */
};
struct tb_dead_letter {
    struct tb_dead_letter_position position;
    enum tb_dead_letter_status status;
    char order_id[TB_UUID_SIZE]; /* "" unknown */
    int64_t version;             /* of the order after the event; 0 unknown */
    struct tb_str type;          /* absent: none */
    struct tb_str reason, message;
    int64_t attempts; /* how many records of it could not be applied: 1 without replays */
    int64_t redrives; /* how many of the last attempts in a row were redrives */
    int64_t dead_at_ms, changed_at_ms;
    struct tb_str key, value; /* value absent: it had none, or one too large to store */
    const struct tb_header *headers;
    size_t header_count;
};
/* True: its reason is gap or parked, and it has failed too often to be redriven again. */
bool tb_dead_letter_redrives_exhausted(const struct tb_dead_letter *letter);

/* The node that its ce_source names; absent: none. */
struct tb_str tb_dead_letter_node(const struct tb_dead_letter *letter);

/* A topic's name (up to 249 bytes), two numbers with hyphens, and a NUL. */
#define TB_DEAD_LETTER_ID_SIZE 290
/* "order-events-3-17": topic, partition, offset. */
void tb_dead_letter_id_format(const char *topic, struct tb_dead_letter_position position,
                              char ret_id[TB_DEAD_LETTER_ID_SIZE]);
/* Accepts any topic; ret_topic points into the text. */
bool tb_dead_letter_id_parse(struct tb_str id, struct tb_str *ret_topic,
                             struct tb_dead_letter_position *ret_position);

/* Selects dead letters, the oldest dead_at_ms first; with order_id, by position in the log. */
struct tb_dead_letter_filter {
    struct tb_str order_id, type, reason; /* absent: any */
    bool has_status;
    enum tb_dead_letter_status status;
    bool has_since;
    int64_t since_ms; /* at the earliest */
    int limit;
    bool has_after; /* only those behind this one (a cursor) */
    int64_t after_dead_at_ms;
    struct tb_dead_letter_position after;
};

/* How many dead letters one call of redrivable looks at; that takes milliseconds. */
#define TB_REDRIVE_SCAN_MAX 5000
/* Where the next scan begins; zeroed: with the oldest. */
struct tb_redrive_scan {
    bool begun; /* there may be more behind this position; false: start with the oldest */
    int64_t dead_at_ms;
    struct tb_dead_letter_position position;
};
