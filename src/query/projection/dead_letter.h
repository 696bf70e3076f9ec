/* Letters: dead letters as a view keeps them, one for each record that could not be applied.
 *
 * A letter is told by its record's place in the log. Sent again, the record comes under another
 * offset; its header tillbox-mended names the letter, so that what becomes of it is noted there:
 *
 *           +--> REPLAYED   its record was applied, or was not needed any more
 *   OPEN <--+
 *           +--> DROPPED    nobody wants it; a replay may still bring it back
 *
 * A letter whose record dies again is OPEN with one more attempt, and holds the record as it was
 * sent last.
 *
 * Thread:  values; pure.
 * Memory:  texts and headers are borrowed from whoever handed the letter out.
 * Errors:  false for what is not of the form.
 * Units:   Unix milliseconds. */
#pragma once
#include "bridge/log/log.h"
#include "order/event.h"

#define TB_REASON_GAP "tillbox.gap"
/* Names the letter that a record was sent again for. */
#define TB_HEADER_REPLAY_OF "tillbox-mended"
/* The record follows by itself: what it waited for had come. */
#define TB_HEADER_REDRIVEN "tillbox-followed"
/* A letter that died so often although what it waited for had come follows no more: something
 * is wrong that more of the same does not mend. A person's replay begins anew. */
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
    int64_t offset; /* of the record that died first */
};
struct tb_dead_letter {
    struct tb_dead_letter_position position;
    enum tb_dead_letter_status status;
    char order_id[TB_UUID_SIZE]; /* "" unknown */
    int64_t version;             /* of the order after the event; 0 unknown */
    struct tb_str type;          /* absent: none */
    struct tb_str reason, message;
    int64_t attempts; /* deaths */
    int64_t redrives; /* of them, the last ones in a row that followed by themselves */
    int64_t dead_at_ms, changed_at_ms;
    struct tb_str key, value; /* value absent: it had none, or one too large to be kept */
    const struct tb_header *headers;
    size_t header_count;
};
/* What it waited for may come as often as it will: it is no longer sent again for that. */
bool tb_dead_letter_redrives_exhausted(const struct tb_dead_letter *letter);

/* A topic's name, two numbers, what is between them, and a NUL. */
#define TB_DEAD_LETTER_ID_SIZE 290
/* "order-events-3-17"; topic is a name that Kafka allows, which is up to 249 bytes. */
void tb_dead_letter_id_format(const char *topic, struct tb_dead_letter_position place,
                              char ret_id[TB_DEAD_LETTER_ID_SIZE]);
/* Of any topic: ret_topic is borrowed from the text. */
bool tb_dead_letter_id_parse(struct tb_str id, struct tb_str *ret_topic,
                             struct tb_dead_letter_position *ret_place);

/* Which ones, oldest death first; with an order, in the log's order. */
struct tb_dead_letter_filter {
    struct tb_str order_id, type, reason; /* absent: any */
    bool has_status;
    enum tb_dead_letter_status status;
    bool has_since;
    int64_t since_ms; /* died then or later */
    int limit;
    bool has_after; /* behind this one */
    int64_t after_dead_at_ms;
    struct tb_dead_letter_position after;
};

/* How many letters one look for those that may follow goes through: milliseconds. */
#define TB_REDRIVE_SCAN_MAX 5000
/* Where the next look begins; zeroed: with the oldest. */
struct tb_redrive_scan {
    bool begun; /* there is more behind it; else the look was at the last one */
    int64_t dead_at_ms;
    struct tb_dead_letter_position position;
};
