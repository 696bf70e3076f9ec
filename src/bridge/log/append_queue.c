#include "bridge/log/append_queue.h"
#include "base/thread/thread_call.h"
#include <stdatomic.h>
#include <stdlib.h>

struct guest {
    struct tb_errand errand; /* first */
    struct tb_log_guests *guests;
    struct tb_arena arena;
    struct tb_record record;
    size_t bytes;
    int64_t tag;
    bool sent; /* appended and not acknowledged */
};
struct tb_log_guests {
    struct tb_errands errands;
    _Atomic size_t bytes; /* of all copies */
    /* The owner's. */
    struct guest *held[TB_LOG_GUESTS_MAX]; /* taken from the box, in order */
    size_t held_count, outstanding;
    bool one_by_one; /* the log wants to answer each alone */
    int64_t last_tag;
};

enum tb_code tb_log_guests_new(void (*ring)(void *ctx), void *ctx,
                               struct tb_log_guests **ret_guests, struct tb_error *err)
{
    struct tb_log_guests *guests = calloc(1, sizeof *guests);

    if (!guests)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    tb_errands_init(&guests->errands, TB_LOG_GUESTS_MAX, ring, ctx);
    *ret_guests = guests;
    return TB_OK;
}

void tb_log_guests_free(struct tb_log_guests *guests)
{
    if (!guests)
        return;
    tb_log_guests_close(guests);
    tb_errands_release(&guests->errands);
    free(guests);
}

static void free_guest(struct tb_errand *errand)
{
    struct guest *guest = (struct guest *)errand;

    atomic_fetch_sub(&guest->guests->bytes, guest->bytes);
    tb_arena_release(&guest->arena);
    free(guest);
}

static enum tb_code new_guest(struct tb_log_guests *guests, const struct tb_record *record,
                              struct tb_errand **ret_errand, struct tb_error *err)
{
    size_t bytes = tb_record_size(record), before = atomic_fetch_add(&guests->bytes, bytes);
    struct guest *guest;

    if (before > 0 && before + bytes > TB_LOG_GUESTS_BYTES) {
        atomic_fetch_sub(&guests->bytes, bytes);
        return tb_error_set(err, TB_BUSY, "too many records wait for the log");
    }
    guest = calloc(1, sizeof *guest);
    if (!guest) {
        atomic_fetch_sub(&guests->bytes, bytes);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    *guest = (struct guest){.errand.free = free_guest, .guests = guests, .bytes = bytes};
    if (!tb_record_copy(&guest->arena, record, &guest->record)) {
        free_guest(&guest->errand);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    *ret_errand = &guest->errand;
    return TB_OK;
}

enum tb_code tb_log_guests_send(struct tb_log_guests *guests, const struct tb_record *record,
                                int64_t wait_ms, struct tb_error *err)
{
    struct tb_errand *errand = NULL;

    TB_TRY(new_guest(guests, record, &errand, err));
    return tb_errand_ask(&guests->errands, errand, wait_ms, err);
}

enum tb_code tb_log_guests_post(struct tb_log_guests *guests, const struct tb_record *record,
                                struct tb_error *err)
{
    struct tb_errand *errand = NULL;

    TB_TRY(new_guest(guests, record, &errand, err));
    return tb_errand_post(&guests->errands, errand, err);
}

/* The one at that place is done with. */
static void end_held(struct tb_log_guests *guests, size_t at, const struct tb_error *outcome)
{
    struct guest *guest = guests->held[at];

    guests->outstanding -= guest->sent;
    guests->held_count--;
    memmove(&guests->held[at], &guests->held[at + 1],
            (guests->held_count - at) * sizeof(struct guest *));
    if (guests->held_count == 0)
        guests->one_by_one = false;
    tb_errand_end(&guests->errands, &guest->errand, outcome);
}

static void take_all(struct tb_log_guests *guests)
{
    struct tb_errand *errand;

    while (guests->held_count < TB_LOG_GUESTS_MAX &&
           (errand = tb_errands_take(&guests->errands)) != NULL)
        guests->held[guests->held_count++] = (struct guest *)errand;
}

void tb_log_guests_append(struct tb_log_guests *guests, struct tb_log_writer *writer)
{
    take_all(guests);
    for (size_t i = 0; i < guests->held_count;) {
        struct guest *guest = guests->held[i];
        struct tb_error err = {0};
        enum tb_code code;

        if (guest->sent) {
            i++;
            continue;
        }
        if (guests->one_by_one && guests->outstanding > 0)
            return;
        guest->tag = --guests->last_tag;
        code = writer->ops->append(writer, &guest->record, guest->tag, &err);
        if (code == TB_BUSY)
            return;
        if (code != TB_OK) {
            end_held(guests, i, &err);
            continue;
        }
        guest->sent = true;
        guests->outstanding++;
        i++;
    }
}

bool tb_log_guests_settle(struct tb_log_guests *guests, const struct tb_log_ack *ack)
{
    struct tb_error outcome = {0};

    if (ack->tag >= 0)
        return false;
    for (size_t i = 0; i < guests->held_count; i++) {
        struct guest *guest = guests->held[i];

        if (!guest->sent || guest->tag != ack->tag)
            continue;
        if (ack->code == TB_UNKNOWN && ack->alone_wanted) {
            guest->sent = false;
            guests->outstanding--;
            guests->one_by_one = true;
            return true;
        }
        if (ack->code != TB_OK)
            tb_error_set(&outcome, ack->code, "the log answered '%s'", tb_code_name(ack->code));
        end_held(guests, i, &outcome);
        return true;
    }
    return true; /* of one that was given up as lost */
}

void tb_log_guests_lose(struct tb_log_guests *guests)
{
    struct tb_error unknown = {0};

    tb_error_set(&unknown, TB_UNKNOWN, "the log failed: whether it has the record is not known");
    for (size_t i = 0; i < guests->held_count;) {
        if (guests->held[i]->sent)
            end_held(guests, i, &unknown);
        else
            i++;
    }
}

size_t tb_log_guests_outstanding(const struct tb_log_guests *guests)
{
    return guests->outstanding;
}

void tb_log_guests_refuse(struct tb_log_guests *guests, const struct tb_error *why)
{
    struct tb_errand *errand;

    for (size_t i = 0; i < guests->held_count;) {
        if (!guests->held[i]->sent)
            end_held(guests, i, why);
        else
            i++;
    }
    while ((errand = tb_errands_take(&guests->errands)) != NULL)
        tb_errand_end(&guests->errands, errand, why);
}

void tb_log_guests_close(struct tb_log_guests *guests)
{
    struct tb_error ending = {0};

    tb_error_set(&ending, TB_UNAVAILABLE, "nobody writes to the log any more: this is ending");
    tb_errands_close(&guests->errands, &ending);
    tb_log_guests_refuse(guests, &ending);
    tb_log_guests_lose(guests);
}

void tb_log_guests_step(struct tb_log_guests *guests, struct tb_log_writer *writer,
                        int64_t wait_ms)
{
    struct tb_log_ack acks[TB_LOG_GUESTS_MAX];
    struct tb_error err = {0};
    size_t count = 0;

    if (guests->held_count == 0)
        tb_mailbox_wait(&guests->errands.box, wait_ms);
    tb_log_guests_append(guests, writer);
    if (guests->held_count == 0)
        return;
    if (writer->ops->poll(writer, wait_ms, acks, TB_LOG_GUESTS_MAX, &count, &err) != TB_OK)
        tb_log_guests_lose(guests);
    for (size_t i = 0; i < count; i++)
        (void)tb_log_guests_settle(guests, &acks[i]);
}

void tb_log_guests_wake(struct tb_log_guests *guests)
{
    tb_mailbox_wake(&guests->errands.box);
}
