#include "query/consumer/consumer_priv.h"
#include "query/dead_letters/replay.h"

/* A dead letter is redriven within 30 s of the version that it waited for. That leaves time until
 * the next scan, for the log and for the consumer itself. */
#define SCAN_EVERY_MS 5000
/* Until the next scan if one scan did not get through all dead letters. */
#define SCAN_ON_MS 1000
/* A record that has not come back through the log by then was lost on its way, or waits behind
 * many others: it is sent again, and the second copy is a duplicate. */
#define COME_BACK_MS 30000

static bool redrives(const struct tb_consumer *consumer)
{
    return consumer->options.redrive && consumer->options.view->ops->redrivable;
}

int64_t tb_consumer_redrive_due_ms(const struct tb_consumer *consumer)
{
    return redrives(consumer) ? consumer->redrive.due_ms : INT64_MAX;
}

/* False: the log takes no more now. */
static bool send_letter(void *ctx, const struct tb_dead_letter *letter)
{
    struct tb_consumer *consumer = ctx;
    const struct tb_consumer_options *options = &consumer->options;
    struct tb_log_reader *reader = options->reader;
    struct tb_redrive *redrive = &consumer->redrive;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_error err = {0};
    struct tb_record record;
    enum tb_code code;

    if (reader->ops->is_assigned && !reader->ops->is_assigned(reader, letter->position.partition))
        return true; /* the reader of that partition redrives it */
    code = tb_replay_record(letter, options->topic, (struct tb_str){0}, /* redriven= */ true,
                            &arena, &record, &err);
    if (code == TB_CONFLICT || code == TB_INVALID)
        return true; /* only a person can send it */
    if (code != TB_OK || !options->redrive(options->ctx, letter, &record))
        return false;
    redrive->sent[redrive->sent_count++] = letter->position;
    return true;
}

enum tb_code tb_consumer_redrive(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    struct tb_redrive *redrive = &consumer->redrive;
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    if (!redrives(consumer) || now_ms < redrive->due_ms)
        return TB_OK;
    redrive->sent_count = 0;
    redrive->due_ms = now_ms + SCAN_EVERY_MS;
    TB_TRY(
        view->ops->redrivable(view, &redrive->scan, TB_REDRIVE_MAX, send_letter, consumer, err));
    if (redrive->sent_count > 0)
        redrive->due_ms = now_ms + COME_BACK_MS; /* or sooner, when all have come back */
    else if (redrive->scan.begun)
        redrive->due_ms = now_ms + SCAN_ON_MS;
    return TB_OK;
}

/* The record of a dead letter came back through the log. */
static void note_return(struct tb_redrive *redrive, struct tb_dead_letter_position place,
                        int64_t now_ms)
{
    for (size_t i = 0; i < redrive->sent_count; i++) {
        if (redrive->sent[i].partition != place.partition ||
            redrive->sent[i].offset != place.offset)
            continue;
        redrive->sent[i] = redrive->sent[--redrive->sent_count];
        if (redrive->sent_count == 0)
            redrive->due_ms = now_ms;
        return;
    }
}

void tb_consumer_note_dead_letters(struct tb_consumer *consumer, const struct tb_plan *plan)
{
    struct tb_redrive *redrive = &consumer->redrive;
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    for (size_t i = 0; i < plan->dead_letter_count; i++)
        note_return(
            redrive,
            (struct tb_dead_letter_position){plan->partition, plan->dead_letters[i].first_offset},
            now_ms);
    for (size_t i = 0; i < plan->replayed_count; i++)
        note_return(
            redrive,
            (struct tb_dead_letter_position){plan->partition, plan->replayed[i].first_offset},
            now_ms);
    /* A replayed event may be the version that others wait for: scan at once. */
    if (plan->replayed_count > 0 && redrive->sent_count == 0)
        redrive->due_ms = now_ms;
    for (size_t i = 0; i < plan->unknown_type_count; i++) {
        struct tb_unknown_type due;

        if (tb_unknown_types_count(&consumer->unknown, plan->unknown_types[i].type,
                                   plan->unknown_types[i].count, now_ms, &due) &&
            consumer->options.on_unknown_type)
            consumer->options.on_unknown_type(consumer->options.ctx, due.type, due.count);
    }
}
