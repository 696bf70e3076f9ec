#include "query/consumer/consumer_priv.h"
#include "query/dead_letters/replay.h"

/* A dead letter must be redriven within 30 s. Scanning every 5 s leaves time for the log and for
 * the consumer itself. */
#define SCAN_EVERY_MS 5000
/* Until the next scan if the last one did not reach the newest dead letter. */
#define SCAN_MORE_MS 1000
/* A record that has not come back through the log by then is sent again: it was lost, or it waits
 * behind many others, and then the second copy is a duplicate. */
#define RETURN_MS 30000

static bool redrives(const struct tb_consumer *consumer)
{
    return consumer->options.redrive && consumer->options.view->ops->redrivable;
}

int64_t tb_consumer_redrive_due_ms(const struct tb_consumer *consumer)
{
    return redrives(consumer) ? consumer->redrive.due_ms : INT64_MAX;
}

/* False: the log takes no more now. */
static bool send(void *ctx, const struct tb_dead_letter *letter)
{
    struct tb_consumer *consumer = ctx;
    const struct tb_consumer_options *options = &consumer->options;
    struct tb_log_reader *reader = options->reader;
    struct tb_redrive *redrive = &consumer->redrive;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_str node = tb_dead_letter_node(letter);
    struct tb_error err = {0};
    struct tb_record record;
    enum tb_code code;

    if (node.ptr &&
        tb_sender_is_parked(&consumer->senders, node, tb_clock_mono_ms(options->clock)))
        return true; /* later */
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
    TB_TRY(view->ops->redrivable(view, &redrive->scan, TB_REDRIVE_MAX, send, consumer, err));
    if (redrive->sent_count > 0)
        redrive->due_ms = now_ms + RETURN_MS; /* or sooner, when all have come back */
    else if (redrive->scan.begun)
        redrive->due_ms = now_ms + SCAN_MORE_MS;
    return TB_OK;
}

/* The record of a dead letter has come back through the log. */
static void note_return(struct tb_redrive *redrive, int32_t partition, int64_t first_offset)
{
    for (size_t i = 0; i < redrive->sent_count; i++) {
        if (redrive->sent[i].partition == partition && redrive->sent[i].offset == first_offset) {
            redrive->sent[i] = redrive->sent[--redrive->sent_count];
            return;
        }
    }
}

void tb_consumer_note_dead_letters(struct tb_consumer *consumer, const struct tb_plan *plan)
{
    struct tb_redrive *redrive = &consumer->redrive;
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);
    bool were_sent = redrive->sent_count > 0, any_replayed = false;

    for (size_t i = 0; i < plan->outcome_count; i++) {
        note_return(redrive, plan->partition, plan->outcomes[i].first_offset);
        any_replayed = any_replayed || !plan->outcomes[i].dead_letter;
    }
    /* Scan at once if all have come back. So too after a replay: its event may be the version that
     * other dead letters wait for. */
    if (redrive->sent_count == 0 && (were_sent || any_replayed))
        redrive->due_ms = now_ms;
    for (size_t i = 0; i < plan->unknown_type_count; i++) {
        struct tb_unknown_type due;

        if (tb_unknown_types_count(&consumer->unknown, plan->unknown_types[i].type,
                                   plan->unknown_types[i].count, now_ms, &due) &&
            consumer->options.on_unknown_type)
            consumer->options.on_unknown_type(consumer->options.ctx, due.type, due.count);
    }
}
