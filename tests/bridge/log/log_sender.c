#include "bridge/log/log_sender.h"
#include <stdio.h>
#include <stdlib.h>

/* Appends between two polls. */
#define BURST 20
#define POLL_MS 5

struct log_sender *log_sender_new(struct tb_log_writer *writer, int count, int key_count,
                                  struct fake_random *random, int64_t patience_ms)
{
    struct log_sender *sender = calloc(1, sizeof *sender);

    ck_assert_ptr_nonnull(sender);
    ck_assert_int_le(count, SENDER_RECORDS_MAX);
    ck_assert_int_le(key_count, SENDER_KEYS_MAX);
    sender->writer = writer;
    sender->count = count;
    sender->alone_until = -1;
    sender->until_ms = tb_clock_mono_ms(&tb_clock_system) + patience_ms;
    for (int i = 0; i < count; i++)
        sender->keys[i] = (int)fake_random_below(random, (uint64_t)key_count);
    for (int k = 0; k < SENDER_KEYS_MAX; k++)
        sender->parked_from[k] = -1;
    return sender;
}

void log_sender_free(struct log_sender *sender)
{
    free(sender);
}

static bool is_parked(const struct log_sender *sender, int i)
{
    int from = sender->parked_from[sender->keys[i]];

    return from >= 0 && i >= from;
}

static bool is_over(const struct log_sender *sender, int i)
{
    return sender->states[i] == SENDER_DONE || is_parked(sender, i);
}

/* Writes bytes that do not compress after the number. */
static void fill(char *value, int from, int size)
{
    uint32_t word = (uint32_t)size;

    value[from] = ' ';
    for (int i = from + 1; i < size; i++) {
        word = word * 1664525 + 1013904223;
        value[i] = (char)(word >> 24);
    }
}

enum tb_code log_sender_append(struct log_sender *sender, int i, struct tb_error *err)
{
    int size = sender->sizes[i] + 16, len;
    char key[16], *value = malloc((size_t)size);
    struct tb_record record = {0};
    enum tb_code code;

    ck_assert_ptr_nonnull(value);
    snprintf(key, sizeof key, "key-%d", sender->keys[i]);
    len = snprintf(value, 16, "%d", i);
    if (sender->sizes[i] > len)
        fill(value, len, sender->sizes[i]);
    record.key = tb_str_of(key);
    record.value =
        (struct tb_str){value, (size_t)(sender->sizes[i] > len ? sender->sizes[i] : len)};
    code = sender->writer->ops->append(sender->writer, &record, i, err);
    free(value);
    if (code == TB_OK) {
        ck_assert_int_ne(sender->states[i], SENDER_OUT);
        sender->states[i] = SENDER_OUT;
        sender->outstanding++;
        sender->highest = i > sender->highest ? i : sender->highest;
    }
    return code;
}

static void send_alone(struct log_sender *sender, int i)
{
    if (sender->alone_until < i)
        sender->alone_until = i;
}

static void park(struct log_sender *sender, int i)
{
    if (sender->parked_from[sender->keys[i]] < 0)
        sender->parked_from[sender->keys[i]] = i;
}

static void note(struct log_sender *sender, const struct tb_log_ack *ack)
{
    int i = (int)ack->tag;
    bool alone = i <= sender->alone_until && sender->outstanding == 1;

    ck_assert_int_eq(sender->states[i], SENDER_OUT);
    ck_assert(ack->code == TB_OK || ack->code == TB_UNKNOWN || ack->code == TB_INVALID);
    ck_assert(!ack->retry_alone || ack->code == TB_UNKNOWN);
    /* Only a record that was unacknowledged alone may be refused. */
    ck_assert(ack->code != TB_INVALID || sender->outstanding == 1);
    sender->outstanding--;
    sender->states[i] = ack->code == TB_OK ? SENDER_DONE : SENDER_UNKNOWN;
    sender->unknown += ack->code == TB_UNKNOWN;
    sender->invalid += ack->code == TB_INVALID;
    sender->retry_alone += ack->retry_alone;
    sender->resend |= ack->code != TB_OK;
    if (ack->code == TB_INVALID && alone)
        park(sender, i);
    else if (ack->code == TB_INVALID || ack->retry_alone)
        send_alone(sender, i);
}

size_t log_sender_poll(struct log_sender *sender, int64_t wait_ms)
{
    struct tb_log_ack acks[TB_LOG_BATCH_MAX];
    struct tb_error err = {0};
    size_t n = 0;
    enum tb_code code =
        sender->writer->ops->poll(sender->writer, wait_ms, acks, TB_LOG_BATCH_MAX, &n, &err);

    ck_assert_msg(code == TB_OK || (code == TB_UNAVAILABLE && sender->outstanding == 0), "%s: %s",
                  tb_code_name(code), err.text);
    for (size_t i = 0; i < n; i++)
        note(sender, &acks[i]);
    return n;
}

static void check_patience(const struct log_sender *sender)
{
    ck_assert_msg(tb_clock_mono_ms(&tb_clock_system) < sender->until_ms,
                  "waited too long: %d of %d are done, %d outstanding",
                  log_sender_first_missing(sender), sender->count, sender->outstanding);
}

void log_sender_drain(struct log_sender *sender)
{
    while (sender->outstanding > 0) {
        log_sender_poll(sender, 200);
        check_patience(sender);
    }
}

/* False: nothing can be sent at present. */
static bool send_next(struct log_sender *sender)
{
    int i = sender->next;
    struct tb_error err = {0};
    enum tb_code code;

    if (sender->next == sender->count || sender->resend ||
        (i - 1 <= sender->alone_until && sender->outstanding > 0))
        return false;
    if (is_parked(sender, i)) {
        sender->next++;
        return true;
    }
    code = log_sender_append(sender, i, &err);
    if (code == TB_INVALID) {
        send_alone(sender, i);
        if (sender->outstanding == 0)
            park(sender, i);
        return sender->outstanding == 0;
    }
    if (code != TB_OK) {
        ck_assert_msg(code == TB_BUSY || code == TB_UNAVAILABLE, "%s", err.text);
        return false;
    }
    sender->next++;
    return true;
}

int log_sender_first_missing(const struct log_sender *sender)
{
    int i = 0;

    while (i < sender->count && is_over(sender, i))
        i++;
    return i;
}

bool log_sender_step(struct log_sender *sender)
{
    check_patience(sender);
    for (int i = 0; i < BURST && send_next(sender); i++)
        ;
    log_sender_poll(sender, POLL_MS);
    if (sender->outstanding == 0 && (sender->resend || sender->next == sender->count)) {
        sender->resend = false;
        sender->next = log_sender_first_missing(sender);
        for (int i = sender->next; i < sender->count; i++)
            sender->states[i] = SENDER_NEW; /* the relay, too, sends all of these again */
    }
    return sender->next < sender->count || sender->outstanding > 0;
}

/* The record of this key that must follow `after` in the log. A parked record may be there from an
 * earlier attempt, and then no record before it is missing. */
static int next_of(const struct log_sender *sender, int key, int after)
{
    for (int i = after + 1; i < sender->count; i++) {
        if (sender->keys[i] == key)
            return i;
    }
    return sender->count;
}

/* Every record before i is in the log, unless its key was parked before it. */
static void check_one_order(const struct log_sender *sender, const bool *there, int i)
{
    for (int before = 0; before < i; before++)
        ck_assert_msg(there[before] || is_parked(sender, before),
                      "record %d came before record %d", i, before);
}

int log_sender_check(const struct log_sender *sender, struct tb_log_reader *reader)
{
    static bool there[SENDER_RECORDS_MAX];
    int wanted = 0, distinct = 0, again = 0, last[SENDER_KEYS_MAX];
    struct tb_error err = {0};

    memset(there, 0, sizeof there);
    for (int k = 0; k < SENDER_KEYS_MAX; k++)
        last[k] = -1;
    for (int i = 0; i < sender->count; i++)
        wanted += !is_parked(sender, i);
    for (int quiet = 0; distinct < wanted || quiet < 3;) {
        struct tb_log_batch batch = {0};
        enum tb_code code;

        ck_assert_msg(tb_clock_mono_ms(&tb_clock_system) < sender->until_ms,
                      "%d of %d records are there", distinct, wanted);
        code = reader->ops->poll(reader, 1000, 50, &batch, &err);
        ck_assert_msg(code == TB_OK || code == TB_UNAVAILABLE, "%s", err.text);
        quiet = code == TB_OK && batch.count == 0 ? quiet + 1 : 0;
        for (size_t r = 0; r < batch.count; r++) {
            int i = atoi(batch.records[r].value.ptr), k = sender->keys[i];

            again += there[i];
            if (there[i])
                continue;
            ck_assert_msg(i == next_of(sender, k, last[k]),
                          "record %d of key %d came behind %d: %d was overtaken", i, k, last[k],
                          next_of(sender, k, last[k]));
            there[i] = true;
            last[k] = i;
            if (sender->one_order)
                check_one_order(sender, there, i);
            distinct += !is_parked(sender, i);
        }
    }
    return again;
}
