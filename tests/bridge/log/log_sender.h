/* A sender that works like the relay, without a store: it goes back to the first record without an
 * acknowledgement, sends the records of a refused batch one by one, and parks a key from the
 * record on that is refused alone.
 *
 * Record i has one of a few keys and the value "i", longer if it is to be refused for its size.
 *
 * Thread:  one owner.
 * Memory:  borrows the writer.
 * Errors:  a failed check assertion.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log/log.h"
#include "support/support.h"

#define SENDER_RECORDS_MAX 20000
#define SENDER_KEYS_MAX 64

enum sender_state { SENDER_NEW, SENDER_OUT, SENDER_UNKNOWN, SENDER_DONE };
struct log_sender {
    struct tb_log_writer *writer;
    int count;                     /* records in all */
    int keys[SENDER_RECORDS_MAX];  /* of each record */
    int sizes[SENDER_RECORDS_MAX]; /* of each value; 0: as large as its number is long */
    enum sender_state states[SENDER_RECORDS_MAX];
    int parked_from[SENDER_KEYS_MAX]; /* -1: not parked */
    int next, alone_until, outstanding;
    int highest;    /* number of the highest record ever sent */
    bool resend;    /* an answer was not TB_OK */
    bool one_order; /* log_sender_check: the records of all keys share one order */
    int unknown, retry_alone, invalid; /* answers so far */
    int64_t until_ms;                  /* patience, monotonic */
};
struct log_sender *log_sender_new(struct tb_log_writer *writer, int count, int key_count,
                                  struct fake_random *random, int64_t patience_ms);
void log_sender_free(struct log_sender *sender);
/* Sends some records and takes some answers. False: all records are acknowledged or parked. */
bool log_sender_step(struct log_sender *sender);
/* Its parts, for tests that choose what is sent when. */
TB_CHECKED enum tb_code log_sender_append(struct log_sender *sender, int i, struct tb_error *err);
size_t log_sender_poll(struct log_sender *sender, int64_t wait_ms);
void log_sender_drain(struct log_sender *sender); /* until all that was appended is answered */
int log_sender_first_missing(const struct log_sender *sender);
/* Reads a topic from its begin until all records were read. Checks that the records of each key
 * come, the first time, in the order of their numbers and without a hole, and that none follows a
 * parked one. Returns the number of repeated records. */
int log_sender_check(const struct log_sender *sender, struct tb_log_reader *reader);
